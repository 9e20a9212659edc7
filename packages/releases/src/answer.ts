import {
  type Call,
  type CallContext,
  type Clock,
  type ExplainOptions,
  type Explanation,
  InvalidError,
  type Invocation,
  type Json,
  OverloadedError,
  type Part,
  type PlatformError,
  type Principal,
  type Priority,
  type RecordingPolicy,
  type Result,
  type Row,
  timestampMs,
} from '@slipway/kernel';
import { SHADOW_ARM } from '@slipway/telemetry';
import { CALL_ROWS_LIMIT } from './contract.ts';
import { CallInvalidError, ServableFailedError, TooManyRowsError } from './errors.ts';
import type { LiveRoute, Routing } from './routing.ts';
import type { LoadedRevision } from './servable-cache.ts';
import { chooseArm, unitPoint } from './traffic.ts';
import { type Explained, explainAnswered, explainInvocation, requireExplainable } from './explain.ts';

/** Where invocations are written; resolves once the line is as durable as the server promises. */
export interface Recorder {
  append(invocation: Invocation, options: { readonly policy: RecordingPolicy; readonly inputJson?: string | undefined }): Promise<void>;
}

export interface AnswerRequest {
  readonly project: string;
  readonly release: string;
  /** Answers by this revision whatever the release's traffic is; recorded as a call of the arm "pinned". */
  readonly revision?: number | undefined;
  readonly principal: Principal;
  readonly requestId: string;
  readonly inputs: readonly unknown[];
  /** The JSON text of the only input, when the caller sent just that; saves converting it again for the record. */
  readonly inputText?: string | undefined;
  readonly unit?: string | undefined;
  readonly subject?: string | undefined;
  readonly eventTime?: string | number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Monotonic time after which nobody waits for the answer any more. */
  readonly deadlineMs?: number | undefined;
  /** Default interactive. */
  readonly priority?: Priority | undefined;
  readonly traceparent?: string | undefined;
  /** Asks for the reasons too; they are told after the call was recorded, and are not part of the record. */
  readonly explain?: ExplainOptions | undefined;
}

export interface Answered {
  readonly release: string;
  readonly revision: number;
  readonly version: string;
  readonly results: readonly {
    readonly invocation: string;
    readonly result: Result<unknown>;
    readonly explained?: Explained | undefined;
  }[];
}

/** What is known of a call before its body has been read. */
export type CallAhead = Pick<AnswerRequest, 'project' | 'release' | 'priority' | 'deadlineMs'>;

export interface Answering {
  /**
   * Refuses a call that would be refused anyway, before anything is spent on it; a release that is not in memory refuses nobody
   * here. @throws {OverloadedError} when its queue is full or too slow for the deadline.
   */
  admit(call: CallAhead): void;
  /** Answers a call: resolve, check in, invoke, record, then reply. One result per input. */
  answer(request: AnswerRequest): Promise<Answered>;
  /** Streams one call; the invocation is recorded before the last part is given out. */
  stream(request: AnswerRequest): AsyncIterable<Part<unknown> & { invocation: string }>;
  /** Why a recorded call was answered as it was, by the version that answered it. */
  explain(request: {
    readonly invocation: Invocation;
    readonly principal: Principal;
    readonly options: ExplainOptions;
  }): Promise<Explanation>;
  /** Writes the end of a pending invocation: a second line of the same id replaces the first for readers. */
  complete(invocation: Invocation, result: Result<unknown>): Promise<void>;
}

export interface AnswerDeps {
  readonly routing: Routing;
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly replica: number;
  readonly nextInvocationId: () => string;
  /** A number in 0..1 that spreads calls without a unit over the arms. */
  readonly draw: () => number;
  /** Told of every call that was refused for the sake of the others; these are not recorded. */
  readonly onShed?: (error: PlatformError, call: Pick<AnswerRequest, 'project' | 'release'>) => void;
}

interface Admitted {
  readonly route: LiveRoute;
  readonly loaded: LoadedRevision;
  readonly armName: string;
  readonly armWeight: number;
  readonly eventTimeMs: number;
  readonly startedMs: number;
  readonly calls: readonly Call<unknown>[];
}

/** The path of a production call. It touches no database once the release is warm, and knows no kinds. */
export function createAnswering(deps: AnswerDeps): Answering {
  const mirrors = new Mirroring(deps);
  return {
    admit: (call) => admitAhead(deps, call),
    async answer(request) {
      const startedMs = deps.clock.monotonicMs();
      checkSize(request);
      const { project, release, revision } = request;
      const route =
        revision === undefined
          ? (deps.routing.peek(project, release) ?? (await deps.routing.resolve(project, release)))
          : await deps.routing.pinned(project, release, revision);
      const admitted = admit(deps, request, route, startedMs);
      const { loaded, calls } = admitted;
      if (request.explain) requireExplainable(loaded, calls.length);
      const results = await invokeSafely(admitted);
      const shed = shedBy(results);
      if (shed) return refuse(deps, shed, request);
      await record(deps, request, admitted, results);
      if (route.mirrors.length > 0) mirrors.offer(request, admitted, calls);
      const explained = request.explain && (await explainAnswered(loaded, calls, results, request.explain));
      return {
        release: route.name,
        revision: loaded.revision.number,
        version: loaded.revision.version,
        results: results.map((result, row) => ({
          invocation: (calls[row] as Call<unknown>).context.invocation,
          result,
          explained: explained?.[row],
        })),
      };
    },
    async *stream(request) {
      const startedMs = deps.clock.monotonicMs();
      checkSize(request);
      const admitted = admit(deps, request, await deps.routing.resolve(request.project, request.release), startedMs);
      const call = admitted.calls[0];
      if (!call) throw new InvalidError('A streamed call needs one input.');
      const invocation = call.context.invocation;
      for await (const part of streamOf(admitted, call)) {
        if (part.type === 'result') {
          await deps.recorder.append(invocationLine(deps, request, admitted, 0, part.result), {
            policy: admitted.loaded.revision.recording,
          });
        }
        yield { ...part, invocation };
      }
    },
    explain: (request) => explainInvocation(deps.routing, request),
    async complete(invocation, result) {
      const { revision } = await deps.routing.load(invocation.project, invocation.release, invocation.revision);
      const ended = { ...invocation, ...outcomeFields(result), observedTimeMs: deps.clock.nowMs() };
      await deps.recorder.append(ended, { policy: revision.recording });
    },
  };
}

/** Every arm must refuse: which one would answer is known once the call's unit is. */
function admitAhead(deps: AnswerDeps, call: CallAhead): void {
  const route = deps.routing.peek(call.project, call.release);
  if (!route) return;
  const wish = { rowCount: 1, priority: call.priority ?? 'interactive', deadlineMs: call.deadlineMs } as const;
  let refused: PlatformError | undefined;
  for (const arm of route.arms) {
    refused = route.loaded.get(arm.revision)?.servable.capacity?.refusal(wish);
    if (!refused) return;
  }
  if (refused) refuse(deps, refused, call);
}

/**
 * The refusal of a call that its servable did not take up. It is counted and not recorded: no version answered, so there is
 * nothing for a rollout to compare, and writing it would spend what is short.
 */
function shedBy(results: readonly Result<unknown>[]): OverloadedError | undefined {
  const [first] = results;
  if (first?.status !== 'error' || !(first.error instanceof OverloadedError)) return undefined;
  return results.every((result) => result.status === 'error' && result.error instanceof OverloadedError) ? first.error : undefined;
}

function refuse(deps: AnswerDeps, error: PlatformError, call: Pick<AnswerRequest, 'project' | 'release'>): never {
  deps.onShed?.(error, call);
  throw error;
}

function checkSize({ inputs }: AnswerRequest): void {
  if (inputs.length <= CALL_ROWS_LIMIT) return;
  throw new TooManyRowsError(`A call may hold ${CALL_ROWS_LIMIT} rows, this one has ${inputs.length}.`, {
    details: { limit: CALL_ROWS_LIMIT, rows: inputs.length },
    help: 'Send several calls.',
  });
}

function admit(deps: AnswerDeps, request: AnswerRequest, route: LiveRoute, startedMs: number): Admitted {
  const arm = chooseArm(route.arms, route.id, request.unit, deps.draw);
  const loaded = route.loaded.get(arm.revision);
  if (!loaded) throw new Error('Broken invariant: every arm of a live route is loaded');
  const problems = loaded.validator.check(request.inputs);
  if (problems.length > 0) throw new CallInvalidError(problems);
  const calls = request.inputs.map((input): Call<unknown> => ({ input, context: contextOf(deps, request, loaded) }));
  return { route, loaded, armName: arm.name, armWeight: arm.weight, eventTimeMs: eventTimeOf(deps.clock, request), startedMs, calls };
}

/** Resolves once every line is as durable as the server promises. */
function record(deps: AnswerDeps, request: AnswerRequest, admitted: Admitted, results: readonly Result<unknown>[]): Promise<unknown> {
  const options = { policy: admitted.loaded.revision.recording, inputJson: request.inputText };
  const append = (result: Result<unknown>, row: number) =>
    deps.recorder.append(invocationLine(deps, request, admitted, row, result), options);
  const [only] = results;
  // Most calls have one row; a group of one promise costs as much as of many.
  return results.length === 1 && only ? append(only, 0) : Promise.all(results.map(append));
}

function contextOf(deps: AnswerDeps, request: AnswerRequest, loaded: LoadedRevision): CallContext {
  return new AnswerContext(deps.nextInvocationId(), request, loaded.parts);
}

/** A call's context; what it has of the request is read when a servable asks. */
class AnswerContext implements CallContext {
  readonly invocation: string;
  readonly principal: Principal;
  readonly deadlineMs: number | undefined;
  readonly priority: Priority | undefined;
  readonly traceparent: string | undefined;
  readonly parts: CallContext['parts'];
  readonly #request: AnswerRequest;

  constructor(invocation: string, request: AnswerRequest, parts: CallContext['parts']) {
    this.invocation = invocation;
    this.principal = request.principal;
    this.deadlineMs = request.deadlineMs;
    this.priority = request.priority;
    this.traceparent = request.traceparent;
    this.parts = parts;
    this.#request = request;
  }

  get signal(): AbortSignal | undefined {
    return this.#request.signal;
  }
}

function eventTimeOf(clock: Clock, request: AnswerRequest): number {
  if (request.eventTime === undefined) return clock.nowMs();
  const time = timestampMs(request.eventTime);
  if (time === undefined) {
    throw new InvalidError('"eventTime" must be an RFC 3339 time or whole milliseconds since 1970.', {
      details: { problems: [{ field: 'eventTime', expected: 'a time', got: String(request.eventTime).slice(0, 60) }] },
    });
  }
  return time;
}

/** A servable that throws has failed every call of the batch; the lines are recorded all the same. */
async function invokeSafely(admitted: Admitted): Promise<readonly Result<unknown>[]> {
  const { servable } = admitted.loaded;
  try {
    const results = await servable.invoke(admitted.calls);
    if (results.length !== admitted.calls.length) throw new Error('Broken invariant: a servable gives one result per call');
    return results;
  } catch (thrown) {
    const error = thrown instanceof InvalidError ? thrown : new ServableFailedError(thrown);
    return admitted.calls.map(() => ({ status: 'error', error }));
  }
}

async function* streamOf(admitted: Admitted, call: Call<unknown>): AsyncIterable<Part<unknown>> {
  const { servable } = admitted.loaded;
  if (servable.stream) {
    yield* servable.stream(call);
    return;
  }
  const [result] = await invokeSafely({ ...admitted, calls: [call] });
  yield { type: 'result', result: result as Result<unknown> };
}

function outcomeFields(result: Result<unknown>) {
  return {
    status: result.status,
    output: result.status === 'ok' ? (result.output as Json) : null,
    error: result.status === 'error' ? result.error.code : null,
    run: result.status === 'pending' ? result.run : null,
    costMicros: result.status === 'ok' ? (result.cost?.micros ?? 0) : 0,
  };
}

function invocationLine(deps: AnswerDeps, request: AnswerRequest, admitted: Admitted, row: number, result: Result<unknown>): Invocation {
  const { route, loaded, calls } = admitted;
  const call = calls[row] as Call<unknown>;
  return {
    schema: 1,
    id: call.context.invocation,
    requestId: request.requestId,
    row,
    project: request.project,
    release: route.name,
    revision: loaded.revision.number,
    version: loaded.revision.version,
    arm: admitted.armName,
    armProbability: admitted.armWeight,
    unit: request.unit ?? null,
    subject: request.subject ?? subjectOf(loaded, call.input),
    eventTimeMs: admitted.eventTimeMs,
    observedTimeMs: deps.clock.nowMs(),
    replica: deps.replica,
    principal: request.principal.id,
    input: call.input as Json,
    latencyMs: Math.round((deps.clock.monotonicMs() - admitted.startedMs) * 1000) / 1000,
    parent: null,
    trace: request.traceparent ?? null,
    ...outcomeFields(result),
  };
}

/** The contract's declared subject column names whose data a row is when the call does not. */
function subjectOf(loaded: LoadedRevision, input: unknown): string | null {
  const column = loaded.servable.input.subject;
  if (column === undefined || input === null || typeof input !== 'object') return null;
  const value = (input as Row)[column];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

/** Calls being mirrored at a time, with all their rows; what comes beyond it is not mirrored, for the sake of the calls that are answered. */
const MIRRORED_AT_ONCE_LIMIT = 1_024;

/** Answers calls a second time after their reply, by the revisions on trial; whatever happens there reaches no caller. */
class Mirroring {
  readonly #deps: AnswerDeps;
  #running = 0;

  constructor(deps: AnswerDeps) {
    this.#deps = deps;
  }

  offer(request: AnswerRequest, admitted: Admitted, calls: readonly Call<unknown>[]): void {
    const { route } = admitted;
    for (const mirror of route.mirrors) {
      const loaded = route.loaded.get(mirror.revision);
      const point = request.unit === undefined ? this.#deps.draw() : unitPoint(`${route.id} mirror`, request.unit);
      if (!loaded || point >= mirror.share || this.#running >= MIRRORED_AT_ONCE_LIMIT) continue;
      this.#running += 1;
      setImmediate(() => {
        this.#mirror(callWithoutCaller(request), { ...admitted, loaded, armName: SHADOW_ARM, armWeight: mirror.share }, calls)
          // A mirrored call that cannot be recorded is one call less to compare.
          .catch(() => {})
          .finally(() => (this.#running -= 1));
      });
    }
  }

  async #mirror(request: AnswerRequest, admitted: Admitted, originals: readonly Call<unknown>[]): Promise<void> {
    const { loaded } = admitted;
    const calls = originals.map(({ input }): Call<unknown> => ({ input, context: contextOf(this.#deps, request, loaded) }));
    const mirrored = { ...admitted, calls, startedMs: this.#deps.clock.monotonicMs() };
    const problems = loaded.validator.check(request.inputs);
    const refused = { status: 'error' as const, error: new CallInvalidError(problems) };
    const results = problems.length > 0 ? calls.map(() => refused) : await invokeSafely(mirrored);
    // Refused for the sake of callers: one call less to compare, not a failure of the revision on trial.
    if (shedBy(results)) return;
    const lines = results.map((result, row) => ({
      ...invocationLine(this.#deps, request, mirrored, row, result),
      parent: originals[row]?.context.invocation ?? null,
    }));
    await Promise.all(lines.map((line) => this.#deps.recorder.append(line, { policy: loaded.revision.recording })));
  }
}

/** The request without what ends with its reply, behind all that somebody waits for. */
function callWithoutCaller({
  project,
  release,
  principal,
  requestId,
  inputs,
  unit,
  subject,
  eventTime,
  traceparent,
}: AnswerRequest): AnswerRequest {
  return { project, release, principal, requestId, inputs, unit, subject, eventTime, traceparent, priority: 'batch' };
}
