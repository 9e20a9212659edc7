import { setTimeout } from 'node:timers/promises';
import type { Catalog } from '@slipway/catalog';
import {
  type Call,
  type Clock,
  type Contract,
  type Invocation,
  type Json,
  type Principal,
  type Result,
  type Route,
  type ServableKind,
  type WorkflowContext,
  type WorkflowDefinition,
  InvalidError,
  Name,
  OverloadedError,
  defineRoute,
  defineWorkflow,
  nearestName,
} from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { SHADOW_ARM, type Telemetry } from '@slipway/telemetry';
import type { Workflows } from '@slipway/workflows';
import { z } from 'zod';
import { RevisionNotFoundError } from '../errors.ts';
import type { Releases } from '../release-service.ts';
import type { Routing } from '../routing.ts';
import type { LoadedRevision } from '../servable-cache.ts';
import { liveRevision } from '../traffic.ts';
import { type ReplayReport, ReplayRequest, ReplayStarted } from './contract.ts';
import { type ReplayedCall, reportReplay } from './replay-report.ts';

const REPLAY_WORKFLOW = 'releases.replay';
/** Recorded calls read, and answered again, at a time: the loop stays free for production calls. */
const REPLAY_BATCH_CALLS = 200;
const DAY_MS = 86_400_000;
/** Columns that an error names. */
const COLUMNS_NAMED = 20;

export interface ReplayDeps {
  readonly records: Records;
  readonly catalog: Catalog;
  readonly releases: Releases;
  readonly routing: Routing;
  readonly telemetry: Pick<Telemetry, 'listInvocations' | 'pairs'>;
  readonly workflows: Pick<Workflows, 'start'>;
  readonly clock: Clock;
}

/** What a replay's run is given: the request with its window and candidate settled. */
const ReplayInput = z.strictObject({
  release: Name,
  candidate: z.string(),
  version: z.string().nullable(),
  revision: z.int().nullable(),
  fromMs: z.int(),
  toMs: z.int(),
  limit: z.int(),
  by: z.array(z.string()),
  outcome: z.string(),
});
type ReplayInput = z.infer<typeof ReplayInput>;

/** Yesterday's real calls through a candidate, before it answers anybody. */
export function replayRoutes(deps: ReplayDeps): Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/v1/releases/{name}/replays',
      permission: 'run.write',
      summary: 'Run recorded calls through a candidate and report flips, deltas by group, and who was right.',
      params: z.object({ name: Name }),
      body: ReplayRequest,
      response: ReplayStarted,
      successStatus: 202,
      idempotent: true,
      handle: async ({ project, params, body, principal }) => ({ run: await startReplay(deps, project, params.name, body, principal) }),
    }),
  ];
}

async function startReplay(
  deps: ReplayDeps,
  project: string,
  release: string,
  request: z.output<typeof ReplayRequest>,
  principal: Principal,
): Promise<string> {
  const toMs = request.toMs ?? deps.clock.nowMs() + 1;
  const fromMs = request.fromMs ?? toMs - DAY_MS;
  if (fromMs >= toMs) throw new InvalidError('The window ends before it begins.', { details: { field: 'fromMs' } });
  const live = await liveOf(deps, project, release);
  const { candidate, limit, by, outcome } = request;
  const version = typeof candidate === 'number' ? null : (await deps.catalog.resolve(project, live.kind as ServableKind, candidate)).id;
  const revision = typeof candidate === 'number' ? candidate : null;
  // What cannot answer, or has no such column, is said now and not at the end of a run.
  const loaded =
    revision === null ? await deps.routing.loadVersion(project, version ?? '', live) : await deps.routing.load(project, release, revision);
  requireColumns(by, loaded.servable.input);
  const input: ReplayInput = {
    release,
    candidate: version ?? `revision ${String(candidate)}`,
    version,
    revision,
    fromMs,
    toMs,
    limit,
    by,
    outcome,
  };
  const title = `replay of ${release} through ${input.candidate}`;
  const run = await deps.records.transaction((tx) =>
    deps.workflows.start(tx, { project, principal, workflow: REPLAY_WORKFLOW, input, title }),
  );
  return run.id;
}

/** @throws {InvalidError} naming the first column that the candidate's contract does not have. */
function requireColumns(by: readonly string[], contract: Contract): void {
  const names = [...contract.fields.map((field) => field.name), ...contract.ignored];
  const wrong = by.find((column) => !names.includes(column));
  if (wrong === undefined) return;
  const near = nearestName(wrong, names);
  throw new InvalidError(`There is no input column "${wrong.slice(0, 100)}"${near === undefined ? '' : `; did you mean "${near}"?`}`, {
    details: { field: 'by', column: wrong.slice(0, 100) },
    help: `Columns: ${names.slice(0, COLUMNS_NAMED).join(', ')}${names.length > COLUMNS_NAMED ? ', …' : ''}`,
  });
}

async function liveOf(deps: ReplayDeps, project: string, name: string) {
  const release = await deps.releases.get(project, name);
  const number = liveRevision(release.traffic);
  const live = release.revisions.find((each) => each.number === number);
  if (!live) throw new RevisionNotFoundError(name, number ?? 0);
  return live;
}

export function replayWorkflow(deps: ReplayDeps): WorkflowDefinition {
  return defineWorkflow({
    name: REPLAY_WORKFLOW,
    version: 1,
    input: ReplayInput,
    run: (context, input) =>
      context.step('replay', async () => JSON.parse(JSON.stringify(await replay(deps, context, input))) as Json, { retries: 2 }),
  });
}

async function replay(deps: ReplayDeps, context: WorkflowContext, input: ReplayInput): Promise<ReplayReport> {
  const { project } = context;
  const live = await liveOf(deps, project, input.release);
  const loaded =
    input.revision === null
      ? await deps.routing.loadVersion(project, input.version ?? '', live)
      : await deps.routing.load(project, input.release, input.revision);
  const pairs = await deps.telemetry.pairs(project, pairsQuery(input));
  const outcomes = new Map(pairs.map((pair) => [pair.invocation, pair.outcome]));
  const calls: ReplayedCall[] = [];
  const skipped = { withoutInput: 0, refused: 0 };
  let cursor: string | null = null;
  do {
    context.signal.throwIfAborted();
    const { release, fromMs, toMs } = input;
    const limit = Math.min(REPLAY_BATCH_CALLS, input.limit - calls.length);
    const page: Awaited<ReturnType<Telemetry['listInvocations']>> = await deps.telemetry.listInvocations(project, {
      release,
      fromMs,
      toMs,
      status: 'ok',
      limit,
      ...(cursor === null ? {} : { cursor }),
    });
    const recorded = page.items.filter(({ arm }) => arm !== SHADOW_ARM);
    const usable = usableCalls(recorded, loaded, skipped);
    calls.push(...(await answerAgain(context, loaded, usable, outcomes)));
    await context.progress({ phase: 'replay', message: `${calls.length} calls`, ratio: calls.length / input.limit });
    cursor = page.nextCursor;
  } while (cursor !== null && calls.length < input.limit);
  return reportReplay(calls, { ...input, skipped, truncated: cursor !== null });
}

function pairsQuery({ release, fromMs, toMs, outcome, limit }: ReplayInput) {
  return { release, fromMs, toMs, outcome, limit };
}

function usableCalls(
  recorded: readonly Invocation[],
  loaded: LoadedRevision,
  skipped: { withoutInput: number; refused: number },
): Invocation[] {
  return recorded.filter((call) => {
    if (call.input === null) skipped.withoutInput += 1;
    else if (loaded.validator.check([call.input]).length > 0) skipped.refused += 1;
    else return true;
    return false;
  });
}

/** Times that a page is tried again when its calls are refused for the sake of live ones. */
const REFUSED_TRIES_LIMIT = 60;

/** Replays stand behind live calls: what is refused for their sake is asked again later, and is no failure of the candidate. */
async function invokeWithPatience(
  servable: LoadedRevision['servable'],
  calls: readonly Call<unknown>[],
  signal: AbortSignal,
): Promise<readonly Result<unknown>[]> {
  for (let tries = 1; ; tries += 1) {
    const results = await servable.invoke(calls);
    const refused = results.find((result) => result.status === 'error' && result.error instanceof OverloadedError);
    if (refused?.status !== 'error' || tries >= REFUSED_TRIES_LIMIT) return results;
    await setTimeout(Number(refused.error.details['retryAfterSeconds']) * 1_000, undefined, { signal });
  }
}

async function answerAgain(
  { principal, signal }: WorkflowContext,
  { servable, parts }: LoadedRevision,
  recorded: readonly Invocation[],
  outcomes: ReadonlyMap<string, Json>,
): Promise<ReplayedCall[]> {
  if (recorded.length === 0) return [];
  const calls = recorded.map(({ id, input }): Call<unknown> => ({
    input,
    context: { invocation: id, principal, deadlineMs: undefined, priority: 'batch', signal, traceparent: undefined, parts },
  }));
  const results = await invokeWithPatience(servable, calls, signal);
  return recorded.map((call, row) => {
    const result = results[row];
    const output = result?.status === 'ok' ? (result.output as Json) : undefined;
    return {
      input: call.input,
      recorded: predictionOf(call.output),
      candidate: output === undefined ? undefined : predictionOf(output),
      recordedProbabilities: probabilitiesOf(call.output),
      candidateProbabilities: probabilitiesOf(output),
      outcome: outcomes.get(call.id),
    };
  });
}

const isObject = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

function predictionOf(output: Json): Json {
  return isObject(output) && 'prediction' in output ? (output['prediction'] ?? null) : output;
}

function probabilitiesOf(output: Json | undefined): Record<string, number> | undefined {
  const found = isObject(output) ? output['probabilities'] : undefined;
  return isObject(found) ? (found as Record<string, number>) : undefined;
}
