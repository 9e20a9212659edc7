import type { Audit } from '@slipway/audit';
import type { Catalog } from '@slipway/catalog';
import {
  type Clock,
  type Ids,
  type Json,
  type Page,
  type RecordingPolicy,
  type ServableKind,
  type ServingSettings,
  canonicalJson,
} from '@slipway/kernel';
import type { Records, Tx } from '@slipway/records';
import type { Arm, Release, ReleaseDetail, Revision } from './contract.ts';
import { ReleaseNotFoundError, RevisionNotFoundError, RollbackError } from './errors.ts';
import {
  findReleaseRow,
  findRevisionRow,
  insertRelease,
  insertRevision,
  listReleaseRows,
  listRevisionRows,
  saveTraffic,
} from './release-store.ts';
import { endActiveRollout } from './rollout/rollout-changes.ts';
import { allTrafficOn, liveRevision } from './traffic.ts';

/** Revisions shown with a release; older ones stay and can be named by number. */
export const REVISION_LIST_LIMIT = 200;

export interface ReleaseDeps {
  readonly records: Records;
  readonly audit: Audit;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Awaited once a release has changed here, before the caller hears of it: the next call must meet the change. */
  readonly onChange: (project: string, release: string) => Promise<void>;
}

export interface PublishRequest {
  readonly project: string;
  readonly name: string;
  readonly version: string;
  readonly kind: ServableKind;
  readonly parts?: Readonly<Record<string, string>>;
  readonly recording?: RecordingPolicy;
  readonly serving?: ServingSettings | undefined;
  readonly environment?: string;
  readonly run: string | null;
  readonly principal: string;
  /** `always` makes a revision even when the live one pins the same parts (launch); `when-changed` does not (apply). */
  readonly revise: 'always' | 'when-changed';
  /** Why there is a new revision, for the release's history. */
  readonly reason?: string | undefined;
  /** Makes the revision and leaves the traffic where it is, for a rollout to move; the first revision takes it all the same. */
  readonly hold?: boolean;
}

export interface Published {
  readonly release: string;
  readonly revision: number;
  readonly created: boolean;
  /** False when the revision was made and waits for a rollout. */
  readonly live: boolean;
}

export interface Releases {
  publish(tx: Tx, request: PublishRequest): Promise<Published>;
  rollback(request: { project: string; name: string; to?: number; reason?: string; principal: string }): Promise<ReleaseDetail>;
  get(project: string, name: string): Promise<ReleaseDetail>;
  revision(project: string, name: string, number: number): Promise<Revision>;
  list(project: string, options: { cursor?: string; limit: number }): Promise<Page<Release>>;
}

/** Releases and their revisions; every change is one transaction with its audit event. Knows no kinds. */
export function createReleases(deps: ReleaseDeps): Releases {
  return {
    publish: (tx, request) => publish(deps, tx, request),
    rollback: (request) => rollback(deps, request),
    get: (project, name) => getDetail(deps, project, name),
    async revision(project, name, number) {
      const found = await findRevisionRow(deps.records.db, project, name, number);
      if (!found) throw new RevisionNotFoundError(name, number);
      return found;
    },
    async list(project, { cursor, limit }) {
      const items = await listReleaseRows(deps.records.db, project, cursor, limit + 1);
      const page = items.slice(0, limit);
      return { items: page, nextCursor: items.length > limit ? (page.at(-1)?.name ?? null) : null };
    },
  };
}

async function publish(deps: ReleaseDeps, tx: Tx, request: PublishRequest): Promise<Published> {
  const { project, name } = request;
  const nowMs = deps.clock.nowMs();
  await insertRelease(tx, { project, id: deps.ids.next('release'), name, environment: request.environment ?? 'production', nowMs });
  const release = await findReleaseRow(tx, project, name, true);
  if (!release) throw new Error('Broken invariant: a release just inserted can be read');
  const revisions = await listRevisionRows(tx, project, name, REVISION_LIST_LIMIT);
  // A resumed run must find what it has made before it was killed (RL5).
  const already = revisions.find((revision) => request.run !== null && revision.run === request.run);
  if (already) return { release: name, revision: already.number, created: false, live: already.number === liveRevision(release.traffic) };
  const live = revisions.find((revision) => revision.number === liveRevision(release.traffic));
  const known = request.revise === 'when-changed' ? knownRevision(revisions, live, request) : undefined;
  if (known) return { release: name, revision: known.number, created: false, live: known === live };
  const number = (revisions[0]?.number ?? 0) + 1;
  const parts = request.parts ?? {};
  const recording = request.recording ?? 'full';
  const serving = request.serving ?? {};
  const { version, kind, run, principal } = request;
  await insertRevision(tx, {
    project,
    id: deps.ids.next('revision'),
    releaseId: release.id,
    number,
    version,
    kind,
    parts,
    recording,
    serving,
    run,
    principal,
    nowMs,
  });
  const held = request.hold === true && live !== undefined;
  if (!held) {
    await endActiveRollout(deps, tx, request, { reason: `revision ${number} was published`, principal });
    await saveTraffic(tx, { project, id: release.id }, { arms: allTrafficOn(number) }, nowMs);
  }
  await deps.audit.append(tx, project, {
    type: 'releases.revision.created',
    principal,
    subject: { kind: 'release', id: name },
    data: {
      revision: number,
      version,
      parts,
      recording,
      ...(request.serving ? { serving: settingsJson(serving) } : {}),
      run,
      from: live?.number ?? null,
      live: !held,
      reason: request.reason ?? null,
    },
  });
  return { release: name, revision: number, created: true, live: !held };
}

/** Only what is set: an undefined setting is none. */
function settingsJson(serving: ServingSettings): Json {
  return JSON.parse(canonicalJson(serving)) as Json;
}

/** What was rolled back is not tried again by itself: with a rollout the newest revision counts as well as the live one. */
function knownRevision(revisions: readonly Revision[], live: Revision | undefined, request: PublishRequest): Revision | undefined {
  if (live && samePins(live, request)) return live;
  return request.hold === true && revisions[0] && samePins(revisions[0], request) ? revisions[0] : undefined;
}

function samePins(revision: Revision, request: PublishRequest): boolean {
  const parts = Object.entries(request.parts ?? {});
  return (
    revision.version === request.version &&
    revision.recording === (request.recording ?? 'full') &&
    canonicalJson(revision.serving ?? {}) === canonicalJson(request.serving ?? {}) &&
    parts.length === Object.keys(revision.parts).length &&
    parts.every(([part, version]) => revision.parts[part] === version)
  );
}

async function rollback(
  deps: ReleaseDeps,
  request: { project: string; name: string; to?: number; reason?: string; principal: string },
): Promise<ReleaseDetail> {
  const { project, name, principal } = request;
  await deps.records.transaction(async (tx) => {
    const release = await findReleaseRow(tx, project, name, true);
    if (!release)
      throw new ReleaseNotFoundError(
        name,
        (await listReleaseRows(tx, project, undefined, 10)).map((each) => each.name),
      );
    const revisions = await listRevisionRows(tx, project, name, REVISION_LIST_LIMIT);
    const target = planRollback(
      release.traffic,
      revisions.map((revision) => revision.number),
      request.to,
      name,
    );
    await endActiveRollout(deps, tx, request, { reason: `rolled back to revision ${target} by hand`, principal });
    await saveTraffic(tx, { project, id: release.id }, { arms: allTrafficOn(target) }, deps.clock.nowMs());
    await deps.audit.append(tx, project, {
      type: 'releases.release.rolled-back',
      principal,
      subject: { kind: 'release', id: name },
      data: { from: liveRevision(release.traffic) ?? null, to: target, reason: request.reason ?? null },
    });
  });
  await deps.onChange(project, name);
  return getDetail(deps, project, name);
}

/** Which revision a rollback makes live: the named one, or the one before the live one (RL3). @throws {RollbackError} */
export function planRollback(traffic: readonly Arm[], revisions: readonly number[], to: number | undefined, name: string): number {
  const live = liveRevision(traffic);
  if (to !== undefined) {
    if (!revisions.includes(to)) throw new RevisionNotFoundError(name, to);
    if (to === live && traffic.length === 1)
      throw new RollbackError(`Revision ${to} of "${name}" is live already.`, { details: { release: name, revision: to } });
    return to;
  }
  const earlier = revisions.filter((number) => live !== undefined && number < live);
  if (earlier.length === 0) {
    throw new RollbackError(`Release "${name}" has no revision before ${live ?? 'the first'}.`, {
      details: { release: name, live: live ?? null },
      help: 'Name one with --to N; `slipway releases NAME` lists them.',
    });
  }
  return Math.max(...earlier);
}

async function getDetail(deps: ReleaseDeps, project: string, name: string): Promise<ReleaseDetail> {
  const release = await findReleaseRow(deps.records.db, project, name);
  if (!release)
    throw new ReleaseNotFoundError(
      name,
      (await listReleaseRows(deps.records.db, project, undefined, 10)).map((each) => each.name),
    );
  return { ...release, revisions: await listRevisionRows(deps.records.db, project, name, REVISION_LIST_LIMIT) };
}
