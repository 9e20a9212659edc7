import type { Catalog } from '@slipway/catalog';
import { type Clock, parseJson } from '@slipway/kernel';
import { type MonitorPorts, readReference } from '@slipway/monitoring';
import type { Objects } from '@slipway/objects';
import { LaunchedModelMeta } from '@slipway/project';
import { type Releases, liveRevision } from '@slipway/releases';
import type { FieldSketch } from '@slipway/statistics';
import type { Telemetry } from '@slipway/telemetry';

/** References kept in memory: a version's never changes. */
const REFERENCES_LIMIT = 32;

/** What monitoring asks of its peers: which version answers, and what it was trained on. */
export function createMonitorPorts(deps: {
  releases: Releases;
  catalog: Catalog;
  objects: Objects;
  telemetry: Telemetry;
  clock: Clock;
}): MonitorPorts {
  const { releases, catalog, objects, telemetry, clock } = deps;
  const references = new Map<string, ReadonlyMap<string, FieldSketch>>();
  const metaOf = async (project: string, version: string) => LaunchedModelMeta.safeParse((await catalog.get(project, version)).meta).data;
  return {
    telemetry,
    clock,
    async findRelease(project, name, revision) {
      const release = await releases.get(project, name);
      const number = revision ?? liveRevision(release.traffic) ?? 0;
      const { version } = await releases.revision(project, name, number);
      const meta = await metaOf(project, version);
      return {
        release: name,
        revision: number,
        version,
        // A rank means something among the rows of its query only: no outcome of a single call can judge it.
        task: meta === undefined || meta.task === 'ranking' ? null : meta.task,
        classes: meta?.classes ?? null,
        positive: meta?.positive ?? null,
      };
    },
    async loadReference(project, version) {
      const key = `${project}/${version}`;
      const known = references.get(key);
      if (known) return known;
      const sha256 = (await metaOf(project, version))?.referenceSketches;
      if (sha256 === undefined) return undefined;
      const loaded = readReference(parseJson(new TextDecoder().decode(await objects.read(project, sha256))));
      if (references.size >= REFERENCES_LIMIT) references.delete(references.keys().next().value ?? '');
      references.set(key, loaded);
      return loaded;
    },
  };
}
