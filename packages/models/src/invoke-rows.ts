import { type Call, CancelledError, PlatformError, type Priority, type Result, type Row } from '@slipway/kernel';
import type { CallOptions } from './batcher.ts';
import { InferenceError, ModelTimeoutError } from './errors.ts';

/** What answers rows for a servable of kind `model`, with a queue of its own in front. */
export interface RowSource<Answers, Out> {
  /** Whether callers can go away between arrival and answer; where they cannot, their signals are not even made. */
  readonly canBeLeft: boolean;
  /** Answers the rows of one call, or of several that came together. @throws {PlatformError} that is then the result of each. */
  compute(rows: readonly Row[], options: CallOptions): Promise<Answers>;
  /** What the answers say of one row. */
  resultOf(answers: Answers, row: number, input: Row): Result<Out>;
}

/**
 * One result a call, in their order. Calls that came too late or were cancelled get their error without being computed; the others
 * ask of the queue what the most pressing of them asks.
 * @param nowMs by the clock that the calls' deadlines go by.
 */
export function invokeRows<Answers, Out>(
  source: RowSource<Answers, Out>,
  calls: readonly Call<Row>[],
  nowMs: number,
): Promise<Result<Out>[]> {
  // On this thread nobody goes away between the check and the answer, and of a call alone the queue asks when its turn comes. Looking at
  // the signal makes it, and calls that wait by the hundred would all be kept with one by the collector.
  const asksLater = !source.canBeLeft || calls.length === 1;
  const isLive = ({ context }: Call<Row>) => asksLater && (context.deadlineMs === undefined || context.deadlineMs > nowMs);
  if (calls.every((call) => isLive(call) || refusalOf(call, nowMs) === undefined)) return answerCalls(source, calls, nowMs);
  return invokeSome(source, calls, nowMs);
}

async function invokeSome<Answers, Out>(
  source: RowSource<Answers, Out>,
  calls: readonly Call<Row>[],
  nowMs: number,
): Promise<Result<Out>[]> {
  const refused = calls.map((call) => refusalOf(call, nowMs));
  const live = calls.filter((_, index) => refused[index] === undefined);
  const answers = live.length === 0 ? [] : await answerCalls(source, live, nowMs);
  let next = 0;
  return refused.map((error) => (error ? { status: 'error', error } : (answers[next++] as Result<Out>)));
}

/** What calls that are answered together ask of the queue: what the most pressing of them asks, and to the latest deadline. */
function wishesOf(canBeLeft: boolean, calls: readonly Call<Row>[], nowMs: number): CallOptions {
  const isCancelled = canBeLeft ? () => calls.every(({ context: { signal } }) => signal?.aborted === true) : undefined;
  let priority: Priority = 'batch';
  let latestMs = Number.NEGATIVE_INFINITY;
  for (const { context } of calls) {
    if (context.priority !== 'batch') priority = 'interactive';
    latestMs = Math.max(latestMs, context.deadlineMs ?? Number.POSITIVE_INFINITY);
  }
  // The queue goes by the process's own time, whatever clock the caller has.
  const deadlineMs = latestMs === Number.POSITIVE_INFINITY ? undefined : performance.now() + latestMs - nowMs;
  return { priority, deadlineMs, isCancelled };
}

function refusalOf({ context: { signal, deadlineMs } }: Call<Row>, nowMs: number): PlatformError | undefined {
  if (signal?.aborted) return new CancelledError('The call was cancelled before the model answered.');
  if (deadlineMs !== undefined && deadlineMs <= nowMs)
    return new ModelTimeoutError("The call's deadline passed before the model answered.");
  return undefined;
}

async function answerCalls<Answers, Out>(
  source: RowSource<Answers, Out>,
  calls: readonly Call<Row>[],
  nowMs: number,
): Promise<Result<Out>[]> {
  try {
    const rows = calls.map((call) => call.input);
    const answers = await source.compute(rows, wishesOf(source.canBeLeft, calls, nowMs));
    return calls.map((call, row) => source.resultOf(answers, row, call.input));
  } catch (thrown) {
    const error = thrown instanceof PlatformError ? thrown : new InferenceError('The model failed.', { cause: thrown });
    return calls.map(() => ({ status: 'error', error }));
  }
}
