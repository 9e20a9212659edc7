import { type Ids, type Json, type Principal, toRfc3339 } from '@slipway/kernel';
import type { Tx } from '@slipway/records';
import { hasEnded } from '@slipway/workflows';
import { RetrainActiveError, RetrainDataError } from '../errors.ts';
import {
  AttemptFacts,
  type RetrainPolicy,
  RetrainPolicy as PolicyShape,
  type Retraining,
  type SkipCode,
  type TriggerFinding,
} from './contract.ts';
import { type Respond, readResponses } from './alert-response.ts';
import { decideRetrain } from './decide-retrain.ts';
import { type Sight, driftAhead, expectedGain, findTrigger } from './find-trigger.ts';
import { LookPace } from './look-pace.ts';
import { type RetrainDeps, findOrigin } from './origin.ts';
import { setPolicy } from './set-policy.ts';
import {
  type AttemptRow,
  type PolicyRow,
  asJson,
  deletePolicy,
  findAttempt,
  findPolicy,
  forgetSkips,
  insertAttempt,
  lastStarted,
  listAttempts,
  listRunning,
  spentSince,
  takePolicies,
  toAttempt,
  updateAttempt,
} from './retrain-store.ts';

export const RETRAIN_WORKFLOW = 'project.retrain';
/** Runs of retrainings wait most of the time: for a launch, then for a rollout. */
export const RETRAIN_QUEUE = { name: 'retrain', concurrency: 64 } as const;
/** A release is looked at this often, and more seldom when a look is dear ({@link LookPace}). */
const LOOK_EVERY_MS = 2_000;
/** Policies of one round, and attempts that one round settles; the rest has its turn in the next. */
const POLICIES_PER_ROUND = 200;
const RUNNING_PER_ROUND = 1_000;
const DAY_MS = 86_400_000;
/** Event times later than this from now are taken for mistakes: one must not end every cool-down. */
const FUTURE_LIMIT_MS = DAY_MS;

export interface Retrainings {
  /** The policy of a release and its attempts. @throws {NotFoundError} */
  get(project: string, release: string): Promise<Retraining>;
  /** Sets or takes away the policy; audited. @throws {CronError} */
  configure(project: string, release: string, policy: RetrainPolicy | null, principal: Principal): Promise<Retraining>;
  /**
   * Starts one by hand: cool-down, budget and expected gain are a person's to judge.
   * @throws {RetrainActiveError} while one is under way; {@link NotRetrainableError}; {@link RetrainDataError} without labels.
   */
  start(project: string, release: string, reason: string | undefined, principal: Principal): Promise<{ run: string }>;
  /** What was done, or can be, about the alerts of a release. */
  respond(project: string, release: string): Promise<Respond>;
  /** Looks at the releases whose turn it is, starts what is due, and settles attempts whose run has ended without them. */
  round(signal?: AbortSignal): Promise<void>;
}

export interface RetrainServiceDeps extends RetrainDeps {
  readonly ids: Ids;
  readonly onProblem?: ((error: Error) => void) | undefined;
}

export function createRetrainings(deps: RetrainServiceDeps): Retrainings {
  const pace = new LookPace();
  return {
    get: (project, release) => get(deps, project, release),
    respond: (project, release) => readResponses(deps, project, release),
    async configure(project, release, policy, principal) {
      await deps.releases.get(project, release);
      await deps.records.transaction(async (tx) => {
        if (policy) return setPolicy(deps, tx, { project, release, policy, principal });
        if (!(await deletePolicy(tx, project, release))) return;
        await deps.audit.append(tx, project, {
          type: 'project.retraining.configured',
          principal: principal.id,
          subject: { kind: 'release', id: release },
          data: { policy: null },
        });
      });
      return get(deps, project, release);
    },
    async start(project, release, reason, principal) {
      const policy = (await findPolicy(deps.records.db, project, release))?.policy ?? PolicyShape.parse({});
      const origin = await findOrigin(deps, project, release);
      const seen = await newLabels(deps, { project, release, policy });
      const { lastEventMs } = await deps.telemetry.labelledSpan(project, spanOf(deps, { release, policy }, 0));
      if (lastEventMs === null) {
        throw new RetrainDataError(`Release "${release}" has no labelled calls to learn from.`, {
          details: { release, outcome: policy.outcome },
          help: 'Send what turned out to be true to POST /v1/outcomes, and record calls with the policy "full".',
        });
      }
      const trigger = { kind: 'hand' as const, reason: reason ?? 'by hand', evidence: { newRows: seen.rows } };
      return begin(deps, { project, release, policy, principal, origin, trigger, eventNowMs: lastEventMs });
    },
    async round(signal) {
      await settleEnded(deps);
      const nowMs = deps.clock.nowMs();
      for (const row of await takePolicies(deps.records.db, nowMs, LOOK_EVERY_MS, POLICIES_PER_ROUND)) {
        if (signal?.aborted) return;
        const key = `${row.project}/${row.release}`;
        const startedMs = deps.clock.monotonicMs();
        if (pace.isResting(key, startedMs)) continue;
        let started = false;
        try {
          started = await look(deps, row);
        } catch (error) {
          // One release that cannot be read must not keep the others from being looked at.
          deps.onProblem?.(error instanceof Error ? error : new Error(String(error)));
        }
        pace.looked(key, { startedMs, endedMs: deps.clock.monotonicMs(), started });
      }
    },
  };
}

async function get(deps: RetrainServiceDeps, project: string, release: string): Promise<Retraining> {
  await deps.releases.get(project, release);
  const row = await findPolicy(deps.records.db, project, release);
  const attempts = await listAttempts(deps.records.db, project, release);
  return {
    release,
    policy: row?.policy ?? null,
    configuredAt: row ? toRfc3339(row.configuredAtMs) : null,
    attempts: attempts.map(toAttempt),
  };
}

function spanOf(deps: Pick<RetrainDeps, 'clock'>, { release, policy }: { release: string; policy: RetrainPolicy }, fromMs: number) {
  return { release, fromMs, toMs: deps.clock.nowMs() + FUTURE_LIMIT_MS, outcome: policy.outcome };
}

/** Labelled calls that no attempt had: of later events than the last one's. */
async function newLabels(deps: RetrainServiceDeps, row: Pick<PolicyRow, 'project' | 'release' | 'policy'>) {
  const last = await lastStarted(deps.records.db, row.project, row.release);
  const coveredToMs = last?.coveredToMs ?? null;
  const span = await deps.telemetry.labelledSpan(row.project, spanOf(deps, row, coveredToMs === null ? 0 : coveredToMs + 1));
  return { ...span, last };
}

/** @returns whether it started a retraining. */
async function look(deps: RetrainServiceDeps, row: PolicyRow): Promise<boolean> {
  const { project, release, policy } = row;
  const nowMs = deps.clock.nowMs();
  // Before anything is counted: while one is under way its rollout counts, and nothing follows from a look.
  if ((await lastStarted(deps.records.db, project, release))?.status === 'running') return false;
  const { rows: newRows, lastEventMs, last } = await newLabels(deps, row);
  const labelledToMs = lastEventMs ?? last?.coveredToMs ?? null;
  if (labelledToMs === null && !policy.on.some(({ kind }) => kind === 'drift')) return false;
  const eventNowMs = labelledToMs ?? nowMs;
  const origin = await findOrigin(deps, project, release);
  const attempts = await listAttempts(deps.records.db, project, release, 1);
  const ticked = attempts.filter((each) => each.trigger.kind === 'schedule').map((each) => each.lastAtMs);
  const scheduledSinceMs = Math.max(row.configuredAtMs, last?.atMs ?? 0, ...ticked);
  const sight: Sight = { project, release, policy, origin, nowMs, eventNowMs, newRows, scheduledSinceMs };
  const trigger = labelledToMs === null ? undefined : await findTrigger(deps, sight);
  if (!trigger) {
    await noteLateLabels(deps, sight, labelledToMs);
    return false;
  }
  const situation = {
    nowMs,
    eventNowMs,
    newRows,
    last: last && { failed: last.status === 'failed', endedAtMs: last.endedAtMs, eventAtMs: last.eventAtMs },
    spent: await spentSince(deps.records.db, project, release, nowMs - policy.budget.days * DAY_MS),
  };
  const first = decideRetrain(policy, { ...situation, gain: { metric: '', lost: Number.POSITIVE_INFINITY } });
  const decision =
    first.start && policy.expectedGain.atLeast > 0 ? decideRetrain(policy, { ...situation, gain: await expectedGain(deps, sight) }) : first;
  if (decision.start) await begin(deps, { ...sight, principal: row.principal, trigger });
  else await recordSkip(deps, sight, trigger, decision);
  return decision.start;
}

/** Drift that cannot be learnt from yet is seen, as a trigger that is not followed is. */
async function noteLateLabels(deps: RetrainServiceDeps, sight: Sight, labelledToMs: number | null): Promise<void> {
  const ahead = await driftAhead(deps, sight, labelledToMs);
  if (!ahead) return;
  const since = labelledToMs === null ? 'no call is labelled yet' : `the newest labelled call is of ${toRfc3339(labelledToMs)}`;
  await recordSkip(deps, sight, ahead, { code: 'late-labels', reason: `waits for labels of the drifted calls: ${since}` });
}

interface Beginning extends Pick<Sight, 'project' | 'release' | 'policy' | 'origin' | 'eventNowMs'> {
  readonly principal: Principal;
  readonly trigger: TriggerFinding;
}

/** One attempt a release at a time: the row, its event and its run are one commit. @throws {RetrainActiveError} */
async function begin(deps: RetrainServiceDeps, beginning: Beginning): Promise<{ run: string }> {
  const { project, release, policy, origin, trigger, principal, eventNowMs } = beginning;
  const nowMs = deps.clock.nowMs();
  const run = deps.ids.next('run');
  const facts = AttemptFacts.parse({ champion: origin.champion });
  await deps.records.transaction(async (tx) => {
    const active = await lastStarted(tx, project, release);
    if (active?.status === 'running') throw new RetrainActiveError(release, active.run ?? '');
    await insertAttempt(tx, {
      ...emptyAttempt(deps, { project, release, trigger, nowMs, eventNowMs }),
      status: 'running',
      run,
      facts,
      coveredToMs: eventNowMs,
    });
    await audit(deps, tx, { project, release, principal: principal.id }, 'started', {
      run,
      trigger: asJson(trigger),
      champion: origin.champion,
      eventTime: toRfc3339(eventNowMs),
    });
    const input = asJson({ release, policy, trigger, eventNowMs, champion: origin.champion });
    const title = `retrain ${release}: ${trigger.reason}`;
    await deps.workflows.start(tx, { project, principal, workflow: RETRAIN_WORKFLOW, input, title, runId: run });
  });
  return { run };
}

function emptyAttempt(
  deps: RetrainServiceDeps,
  {
    project,
    release,
    trigger,
    nowMs,
    eventNowMs,
  }: Pick<Sight, 'project' | 'release' | 'nowMs' | 'eventNowMs'> & { trigger: TriggerFinding },
): AttemptRow {
  const none = { code: null, reason: null, run: null, version: null, revision: null, trainSeconds: null, coveredToMs: null };
  const times = { eventAtMs: eventNowMs, atMs: nowMs, lastAtMs: nowMs, endedAtMs: null };
  const id = deps.ids.next('retraining');
  return { ...none, ...times, project, id, release, trigger, facts: AttemptFacts.parse({}), status: 'skipped', count: 1 };
}

/** A trigger that was not followed is seen: once, and counted while nothing else happens. */
async function recordSkip(
  deps: RetrainServiceDeps,
  { project, release, nowMs, eventNowMs }: Sight,
  trigger: TriggerFinding,
  { code, reason }: { readonly code: SkipCode; readonly reason: string },
): Promise<void> {
  await deps.records.transaction(async (tx) => {
    const [newest] = await listAttempts(tx, project, release, 1);
    if (newest?.status === 'skipped' && newest.code === code && newest.trigger.kind === trigger.kind)
      return updateAttempt(tx, { ...newest, trigger, reason, count: newest.count + 1, lastAtMs: nowMs });
    await insertAttempt(tx, {
      ...emptyAttempt(deps, { project, release, trigger, nowMs, eventNowMs }),
      code,
      reason,
      endedAtMs: nowMs,
    });
    await forgetSkips(tx, project, release);
    await audit(deps, tx, { project, release, principal: 'system' }, 'skipped', { code, reason, trigger: asJson(trigger) });
  });
}

async function audit(
  deps: Pick<RetrainDeps, 'audit'>,
  tx: Tx,
  { project, release, principal }: { project: string; release: string; principal: string },
  verb: string,
  data: Readonly<Record<string, Json>>,
): Promise<void> {
  const subject = { kind: 'release', id: release };
  await deps.audit.append(tx, project, { type: `project.retraining.${verb}`, principal, subject, data });
}

export type Ending = Pick<AttemptRow, 'status' | 'reason'> & Partial<Pick<AttemptRow, 'version' | 'revision' | 'trainSeconds' | 'facts'>>;

/** Says how an attempt ended, once; a repeated step changes nothing. */
export async function endAttempt(
  deps: Pick<RetrainServiceDeps, 'records' | 'audit' | 'clock'>,
  { project, release, run, principal }: { project: string; release: string; run: string; principal: string },
  ending: Ending,
): Promise<void> {
  await deps.records.transaction(async (tx) => {
    const row = await lastStarted(tx, project, release);
    if (!row || row.run !== run || row.status !== 'running') return;
    const ended = { ...row, ...ending, endedAtMs: deps.clock.nowMs() };
    await updateAttempt(tx, ended);
    await audit(deps, tx, { project, release, principal }, ended.status, {
      run,
      trigger: asJson(row.trigger),
      reason: ended.reason,
      version: ended.version,
      revision: ended.revision,
      ...(asJson(ended.facts) as Record<string, Json>),
    });
  });
}

/** Keeps what a step found with the attempt, before it ends. */
export async function noteFacts(
  deps: Pick<RetrainServiceDeps, 'records'>,
  { project, release, run }: { project: string; release: string; run: string },
  found: Partial<Pick<AttemptRow, 'version' | 'revision' | 'trainSeconds'>> & { readonly facts: Partial<AttemptFacts> },
): Promise<AttemptFacts> {
  return deps.records.transaction(async (tx) => {
    const row = await lastStarted(tx, project, release);
    if (!row || row.run !== run) return AttemptFacts.parse(found.facts);
    const facts = { ...row.facts, ...found.facts };
    await updateAttempt(tx, { ...row, ...found, facts });
    return facts;
  });
}

/** Attempts whose run failed or was cancelled end with it. */
async function settleEnded(deps: RetrainServiceDeps): Promise<void> {
  for (const { project, release, run, id } of await listRunning(deps.records.db, RUNNING_PER_ROUND)) {
    if (run === null) continue;
    const found = await deps.workflows.get(project, run);
    if (!hasEnded(found.status) || (await findAttempt(deps.records.db, project, id))?.status !== 'running') continue;
    const status = found.status === 'cancelled' ? 'cancelled' : 'failed';
    const reason = status === 'cancelled' ? 'its run was cancelled' : (found.error?.message ?? 'its run ended without a result');
    await endAttempt(deps, { project, release, run, principal: found.principal.id }, { status, reason });
  }
}
