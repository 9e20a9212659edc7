import type { Audit } from '@slipway/audit';
import type { Catalog } from '@slipway/catalog';
import { type Clock, type Ids, InvalidError, type Json, type Page, type Principal, type ServableKind } from '@slipway/kernel';
import type { Records, Tx } from '@slipway/records';
import type { Telemetry } from '@slipway/telemetry';
import type { Workflows } from '@slipway/workflows';
import type { Revision } from '../contract.ts';
import { ReleaseNotFoundError, RevisionNotFoundError } from '../errors.ts';
import type { PublishRequest, Published, Releases } from '../release-service.ts';
import { findReleaseRow, findRevisionRow } from '../release-store.ts';
import { PINNED_ARM, type Routing } from '../routing.ts';
import { liveRevision } from '../traffic.ts';
import type { Rollout, RolloutLook, RolloutOptions, RolloutRequest } from './contract.ts';
import { decideRollout, overallVerdict } from './decide-rollout.ts';
import { RolloutActiveError, RolloutNotFoundError, RolloutStateError } from './errors.ts';
import { metricKey, planRollout } from './plan-rollout.ts';
import { audited, endRollout, enterStep } from './rollout-changes.ts';
import {
  type RolloutRow,
  findActiveRollout,
  findRolloutRow,
  insertRollout,
  listActiveRollouts,
  listRolloutRows,
  saveLook,
  saveRollout,
  toRollout,
} from './rollout-store.ts';
import { TALLY_BUCKETS, weighEvidence } from './weigh-evidence.ts';

export const ROLLOUT_WORKFLOW = 'releases.rollout';

export interface RolloutDeps {
  readonly records: Records;
  readonly audit: Audit;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly releases: Releases;
  readonly routing: Routing;
  readonly telemetry: Pick<Telemetry, 'tallies'>;
  readonly workflows: Pick<Workflows, 'start' | 'get'>;
  /** Called once traffic has changed here, before the caller hears of it. */
  readonly onChange: (project: string, release: string) => Promise<void>;
}

export type RolloutAction = 'pause' | 'resume' | 'approve' | 'promote' | 'abort';

interface BeginRequest {
  readonly project: string;
  readonly release: string;
  readonly candidate: number;
  readonly options: RolloutOptions;
  readonly principal: Principal;
  /** The run that wants it: cancelling that one ends the rollout too. */
  readonly parent?: string | undefined;
}

/** What became of a publication; `rollout` and `run` are null when nothing had to be rolled out. */
export interface RolledOut extends Published {
  readonly rollout: string | null;
  readonly run: string | null;
}

/** How new revisions take over: every change of a rollout is one transaction with its traffic and its audit event. */
export interface Rollouts {
  /** Begins a rollout in the caller's transaction; its commit starts the run that watches it. @throws {RolloutActiveError} */
  begin(tx: Tx, request: BeginRequest): Promise<{ rollout: string; run: string }>;
  /**
   * Publishes in the caller's transaction: with options, a new revision of a release that is live already is rolled out
   * instead of taking the traffic at once. @throws {RolloutActiveError} while another rollout is going on.
   */
  publish(tx: Tx, request: PublishRequest, rollout?: Pick<BeginRequest, 'options' | 'principal' | 'parent'>): Promise<RolledOut>;
  /** Begins a rollout of a revision or version, after it was loaded once: what cannot answer gets no traffic. */
  start(project: string, release: string, request: RolloutRequest, principal: Principal): Promise<Rollout>;
  /** The rollout that the release is in, or was in last. @throws {RolloutNotFoundError} */
  latest(project: string, release: string): Promise<Rollout>;
  get(project: string, id: string): Promise<Rollout>;
  list(project: string, options: { release?: string; cursor?: string; limit: number }): Promise<Page<Rollout>>;
  /** @throws {RolloutNotFoundError} when none is going on; {@link RolloutStateError} when the action does not fit. */
  act(project: string, release: string, action: RolloutAction, by: { principal: string; reason: string | undefined }): Promise<Rollout>;
  /** Looks at the evidence once and does what follows from it. @returns the rollout afterwards. */
  look(project: string, id: string): Promise<Rollout>;
  /** Resolves when somebody acted on the rollout in this process. */
  touched(id: string): Promise<void>;
  /** Gives the traffic of rollouts back whose run has ended without them, as when it was cancelled. */
  tend(): Promise<void>;
}

export function createRollouts(deps: RolloutDeps): Rollouts {
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  const touch = (id: string) => {
    waiting.get(id)?.resolve();
    waiting.delete(id);
  };
  const read = async (project: string, id: string): Promise<RolloutRow> => {
    const row = await findRolloutRow(deps.records.db, project, id);
    if (!row) throw new RolloutNotFoundError(`There is no rollout "${id.slice(0, 64)}".`, { details: { rollout: id.slice(0, 64) } });
    return row;
  };
  return {
    begin: (tx, request) => begin(deps, tx, request),
    async publish(tx, request, rollout) {
      const published = await deps.releases.publish(tx, rollout ? { ...request, hold: true } : request);
      if (!rollout || published.live || !published.created) return { ...published, rollout: null, run: null };
      const { project, name: release } = request;
      return { ...published, ...(await begin(deps, tx, { project, release, candidate: published.revision, ...rollout })) };
    },
    start: (project, release, request, principal) => start(deps, project, release, request, principal),
    async latest(project, release) {
      const [row] = await listRolloutRows(deps.records.db, project, { release, limit: 1 });
      if (row) return toRollout(row);
      await deps.releases.get(project, release);
      throw noRollout(release, 'has had no rollout');
    },
    get: async (project, id) => toRollout(await read(project, id)),
    async list(project, { release, cursor, limit }) {
      const rows = await listRolloutRows(deps.records.db, project, { release, before: cursor, limit: limit + 1 });
      const items = rows.slice(0, limit).map(toRollout);
      return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
    },
    async act(project, release, action, by) {
      const id = await deps.records.transaction((tx) => act(deps, tx, { project, release, action, ...by }));
      await deps.onChange(project, release);
      touch(id);
      return toRollout(await read(project, id));
    },
    look: async (project, id) => toRollout(await look(deps, await read(project, id), read)),
    touched(id) {
      const found = waiting.get(id) ?? Promise.withResolvers<void>();
      waiting.set(id, found);
      return found.promise;
    },
    tend: () => tend(deps),
  };
}

function noRollout(release: string, what: string): RolloutNotFoundError {
  return new RolloutNotFoundError(`Release "${release}" ${what}.`, {
    details: { release },
    help: `Begin one with: slipway rollout start ${release} --candidate VERSION`,
  });
}

async function begin(deps: RolloutDeps, tx: Tx, request: BeginRequest): Promise<{ rollout: string; run: string }> {
  const { project, candidate, principal } = request;
  const plan = planRollout(request.options);
  const release = await findReleaseRow(tx, project, request.release, true);
  if (!release) throw new ReleaseNotFoundError(request.release);
  const active = await findActiveRollout(tx, project, request.release);
  if (active) throw new RolloutActiveError(request.release, active.candidate);
  const champion = liveRevision(release.traffic);
  if (champion === undefined || !(await findRevisionRow(tx, project, request.release, candidate)))
    throw new RevisionNotFoundError(request.release, candidate);
  if (champion === candidate)
    throw new RolloutStateError(`Revision ${candidate} of "${request.release}" is live already.`, {
      details: { release: request.release, candidate },
    });
  const nowMs = deps.clock.nowMs();
  const id = deps.ids.next('rollout');
  const run = deps.ids.next('run');
  const base = { project, id, releaseId: release.id, champion, candidate, plan, run, principal: principal.id };
  await insertRollout(tx, { ...base, status: 'running', step: 0, startedAtMs: nowMs, stepEnteredAtMs: nowMs });
  const row = await findRolloutRow(tx, project, id);
  if (!row) throw new Error('Broken invariant: a rollout just inserted can be read');
  await audited(deps, tx, row, 'started', principal.id, { plan: plan as unknown as Json });
  await enterStep(deps, tx, row, { step: 0, reason: 'started', principal: principal.id });
  const title = `rollout of ${request.release}: revision ${champion} to ${candidate}`;
  const { parent } = request;
  const start = { project, principal, workflow: ROLLOUT_WORKFLOW, input: { rollout: id }, title, runId: run };
  await deps.workflows.start(tx, { ...start, ...(parent === undefined ? {} : { parent }) });
  return { rollout: id, run };
}

async function start(
  deps: RolloutDeps,
  project: string,
  name: string,
  { revision, version, serving, plan }: RolloutRequest,
  principal: Principal,
): Promise<Rollout> {
  if ((revision === undefined) === (version === undefined))
    throw new InvalidError('A rollout needs either "revision" or "version".', { details: { field: 'version' } });
  if (revision !== undefined && serving !== undefined)
    throw new InvalidError('A revision that exists is run as it says: "serving" goes with "version".', { details: { field: 'serving' } });
  planRollout(plan);
  const release = await deps.releases.get(project, name);
  const number = liveRevision(release.traffic);
  const answering = release.revisions.find((each) => each.number === number);
  if (!answering) throw new RevisionNotFoundError(name, number ?? 0);
  const live = serving === undefined ? answering : { ...answering, serving };
  const found = version === undefined ? undefined : await deps.catalog.resolve(project, live.kind as ServableKind, version);
  // What cannot be loaded must get no traffic, and be heard of now.
  if (revision !== undefined) await deps.routing.load(project, name, revision);
  else if (found) await deps.routing.loadVersion(project, found.id, live);
  const { rollout } = await deps.records.transaction(async (tx) => {
    const candidate = revision ?? (found && (await publishHeld(deps, tx, { project, name, live, version: found.id, principal })));
    if (candidate === undefined) throw new Error('Broken invariant: a rollout has a revision or a version');
    return begin(deps, tx, { project, release: name, candidate, options: plan, principal });
  });
  await deps.onChange(project, name);
  const row = await findRolloutRow(deps.records.db, project, rollout);
  if (!row) throw new Error('Broken invariant: a rollout just begun can be read');
  return toRollout(row);
}

async function publishHeld(
  deps: RolloutDeps,
  tx: Tx,
  request: {
    project: string;
    name: string;
    version: string;
    principal: Principal;
    live: Pick<Revision, 'kind' | 'parts' | 'recording'> & Partial<Pick<Revision, 'serving'>>;
  },
): Promise<number> {
  const { project, name, version, principal, live } = request;
  const { revision } = await deps.releases.publish(tx, {
    project,
    name,
    version,
    kind: live.kind as ServableKind,
    parts: live.parts,
    recording: live.recording,
    serving: live.serving,
    run: null,
    principal: principal.id,
    revise: 'when-changed',
    reason: 'for a rollout that was started by hand',
    hold: true,
  });
  return revision;
}

async function act(
  deps: RolloutDeps,
  tx: Tx,
  request: { project: string; release: string; action: RolloutAction; principal: string; reason: string | undefined },
): Promise<string> {
  const { project, action, principal } = request;
  if (!(await findReleaseRow(tx, project, request.release, true))) throw new ReleaseNotFoundError(request.release);
  const rollout = await findActiveRollout(tx, project, request.release);
  if (!rollout) throw noRollout(request.release, 'is in no rollout');
  const reason = request.reason ?? 'by hand';
  const data = { verdict: rollout.look?.verdict ?? null };
  if (action === 'promote') await endRollout(deps, tx, rollout, { status: 'promoted', reason, principal, data });
  else if (action === 'abort') await endRollout(deps, tx, rollout, { status: 'aborted', reason, principal, data });
  else if (action === 'approve') await approve(deps, tx, rollout, { reason, principal });
  else await hold(deps, tx, rollout, { pause: action === 'pause', reason, principal });
  return rollout.id;
}

async function approve(deps: RolloutDeps, tx: Tx, rollout: RolloutRow, by: { reason: string; principal: string }): Promise<void> {
  if (rollout.status !== 'awaiting-approval') throw wrongState(rollout, 'waits for no approval');
  await audited(deps, tx, rollout, 'approved', by.principal, { reason: by.reason, verdict: rollout.look?.verdict ?? null });
  const next = rollout.step + 1;
  if (next >= rollout.plan.steps.length)
    await endRollout(deps, tx, rollout, { status: 'promoted', ...by, reason: `approved: ${by.reason}` });
  else await enterStep(deps, tx, rollout, { step: next, ...by });
}

async function hold(
  deps: RolloutDeps,
  tx: Tx,
  rollout: RolloutRow,
  { pause, reason, principal }: { pause: boolean; reason: string; principal: string },
): Promise<void> {
  if (pause === (rollout.status === 'paused')) throw wrongState(rollout, pause ? 'is paused already' : 'is not paused');
  const resumed = rollout.plan.steps[rollout.step]?.kind === 'approval' ? 'awaiting-approval' : 'running';
  await saveRollout(tx, { ...rollout, status: pause ? 'paused' : resumed, reason: pause ? reason : null });
  await audited(deps, tx, rollout, pause ? 'paused' : 'resumed', principal, { reason });
}

function wrongState(rollout: RolloutRow, what: string): RolloutStateError {
  return new RolloutStateError(`The rollout of "${rollout.release}" ${what}; it is ${rollout.status}.`, {
    details: { release: rollout.release, rollout: rollout.id, status: rollout.status },
    help: `slipway rollout ${rollout.release}`,
  });
}

async function look(
  deps: RolloutDeps,
  rollout: RolloutRow,
  read: (project: string, id: string) => Promise<RolloutRow>,
): Promise<RolloutRow> {
  if (rollout.endedAtMs !== null) return rollout;
  const nowMs = deps.clock.nowMs();
  const { project, plan, champion, candidate } = rollout;
  const tallies = await deps.telemetry.tallies(project, {
    release: rollout.release,
    revisions: [champion, candidate],
    withoutArms: [PINNED_ARM],
    fromMs: rollout.startedAtMs,
    toMs: nowMs + 1,
    ...TALLY_BUCKETS,
    outcomes: [...plan.goals, ...plan.guardrails].flatMap((metric) =>
      metric.metric === 'outcome' ? [{ key: metricKey(metric), outcome: metric.outcome, score: metric.score }] : [],
    ),
  });
  const evidence = weighEvidence({ plan, step: rollout.step, champion, candidate, tallies, nowMs });
  const decision = decideRollout({ ...rollout, nowMs, look: evidence });
  const seen: RolloutLook = { ...evidence, verdict: overallVerdict(evidence.metrics), reason: decision.reason };
  const moved = await deps.records.transaction((tx) => apply(deps, tx, rollout, { action: decision.action, seen }));
  if (moved) await deps.onChange(project, rollout.release);
  return read(project, rollout.id);
}

/** Acts on a look unless the rollout has moved on meanwhile. @returns whether traffic changed. */
async function apply(
  deps: RolloutDeps,
  tx: Tx,
  before: RolloutRow,
  { action, seen }: { action: ReturnType<typeof decideRollout>['action']; seen: RolloutLook },
): Promise<boolean> {
  await findReleaseRow(tx, before.project, before.release, true);
  const rollout = await findRolloutRow(tx, before.project, before.id);
  if (!rollout || rollout.endedAtMs !== null || rollout.step !== before.step || rollout.status !== before.status) return false;
  await saveLook(tx, rollout, seen);
  if (action === 'stay') return false;
  const data = JSON.parse(JSON.stringify({ units: seen.units, sampleRatio: seen.sampleRatio, metrics: seen.metrics.map(shortly) })) as Json;
  const entry = { reason: seen.reason, principal: rollout.principal, data };
  if (action === 'next') await enterStep(deps, tx, rollout, { ...entry, step: rollout.step + 1 });
  else await endRollout(deps, tx, rollout, { ...entry, status: action === 'promote' ? 'promoted' : 'rolled-back' });
  return true;
}

/** What the audit log keeps of a verdict. */
function shortly({ metric, role, verdict, difference, low, high, margin, units }: RolloutLook['metrics'][number]) {
  return { metric, role, verdict, difference, low, high, margin, units };
}

async function tend(deps: RolloutDeps): Promise<void> {
  for (const rollout of await listActiveRollouts(deps.records.db)) {
    const run = await deps.workflows.get(rollout.project, rollout.run);
    if (run.status !== 'failed' && run.status !== 'cancelled' && run.status !== 'succeeded') continue;
    await deps.records.transaction(async (tx) => {
      await findReleaseRow(tx, rollout.project, rollout.release, true);
      const now = await findRolloutRow(tx, rollout.project, rollout.id);
      if (!now || now.endedAtMs !== null) return;
      await endRollout(deps, tx, now, {
        status: 'aborted',
        reason: `its run ${run.status === 'failed' ? 'failed' : 'was cancelled'}`,
        principal: now.principal,
      });
    });
    await deps.onChange(rollout.project, rollout.release);
  }
}
