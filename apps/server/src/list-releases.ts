import type { Identity } from '@slipway/identity';
import type { Releases } from '@slipway/releases';

const PAGE_LIMIT = 100;

/** Releases of every project, at most so many; for work that goes over all of them. */
export async function* listAllReleases(
  deps: { readonly identity: Identity; readonly releases: Releases },
  limit: number,
): AsyncGenerator<{ project: string; release: string }> {
  let count = 0;
  let projects: string | undefined;
  do {
    const page = await deps.identity.listProjects({ ...(projects === undefined ? {} : { cursor: projects }), limit: PAGE_LIMIT });
    for (const { id: project } of page.items) {
      let cursor: string | undefined;
      do {
        const found = await deps.releases.list(project, { ...(cursor === undefined ? {} : { cursor }), limit: PAGE_LIMIT });
        for (const { name } of found.items) {
          if (count >= limit) return;
          count += 1;
          yield { project, release: name };
        }
        cursor = found.nextCursor ?? undefined;
      } while (cursor !== undefined);
    }
    projects = page.nextCursor ?? undefined;
  } while (projects !== undefined);
}
