import { z } from 'zod';
import { InvalidError, type PlatformError } from './errors.ts';

/** Who goes first where calls wait: people and programs that wait for the answer, or work that may take its time. */
export const Priority = z.enum(['interactive', 'batch']);
export type Priority = z.infer<typeof Priority>;

/** Header by which a call says its {@link Priority}; without it a call is interactive. */
export const PRIORITY_HEADER = 'x-slipway-priority';
/** Header by which a call says how long its answer is worth waiting for: milliseconds from its arrival. */
export const DEADLINE_HEADER = 'x-slipway-deadline-ms';
/** Longest deadline that a call or a revision may name. */
export const DEADLINE_MS_MAX = 3_600_000;

export const LANES_MAX = 16;
export const THREADS_MAX = 64;
export const BATCH_ROWS_MAX = 1_024;
export const BATCH_DELAY_MS_MAX = 1_000;
export const QUEUE_ROWS_MAX = 100_000;

/** How a release runs what it serves; part of its immutable revision. What is left out is chosen by measuring. */
export const ServingSettings = z.strictObject({
  /** The event loop's thread, or worker threads of its own; by default what its measured time asks for. */
  lane: z.enum(['inline', 'worker']).optional(),
  /** Worker threads that compute at once, each with a copy of the model. Default: by the machine's cores, at most 4. */
  lanes: z.int().min(1).max(LANES_MAX).optional(),
  /** Threads inside one run. Default 1. */
  threads: z.int().min(1).max(THREADS_MAX).optional(),
  /** What computes. Default `cpu`; the others need their binaries beside ONNX Runtime and are refused without them. */
  provider: z.enum(['cpu', 'cuda', 'dml', 'coreml']).optional(),
  /** Most rows of one run. Default: what fits a few milliseconds. */
  maxBatchRows: z.int().min(1).max(BATCH_ROWS_MAX).optional(),
  /** How long calls that find the model busy may wait for company. Default 0: only as long as it is busy. */
  batchDelayMs: z.number().min(0).max(BATCH_DELAY_MS_MAX).optional(),
  /** Rows that may wait; batch calls may fill half of them. */
  queueRows: z.int().min(1).max(QUEUE_ROWS_MAX).optional(),
  /** The deadline of calls that name none, in milliseconds. */
  deadlineMs: z.int().min(1).max(DEADLINE_MS_MAX).optional(),
  /** Runs rows like the contract's before the first call. Default true. */
  warmup: z.boolean().optional(),
});
export type ServingSettings = z.infer<typeof ServingSettings>;

/** What a call asks of a queue. */
export interface CallWish {
  readonly rowCount: number;
  readonly priority: Priority;
  /** Monotonic time after which the answer is worthless; undefined = no deadline. */
  readonly deadlineMs: number | undefined;
}

/** How full a loaded servable is; read by admission, by the memory budget and by metrics. */
export interface Capacity {
  /** What unloading it would free, as measured when it was loaded. */
  readonly memoryBytes: number;
  /** Calls that wait or are being computed; a servable with any is never unloaded. */
  readonly inFlight: number;
  readonly queuedRows: number;
  /** Why a call would be refused right now, or undefined; computes nothing and keeps nothing. */
  refusal(wish: CallWish): PlatformError | undefined;
}

/** What a call's headers say of its priority. @throws {InvalidError} naming the header and what it may hold. */
export function readPriority(header: string | undefined): Priority | undefined {
  if (header === undefined || header === 'interactive' || header === 'batch') return header;
  throw wrongHeader(PRIORITY_HEADER, '"interactive" or "batch"', header);
}

/** The monotonic time until which a call's headers say that its answer is worth waiting for. @throws {InvalidError} */
export function readDeadline(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const value = /^\d{1,7}$/.test(header) ? Number(header) : Number.NaN;
  if (value >= 1 && value <= DEADLINE_MS_MAX) return nowMs + value;
  throw wrongHeader(DEADLINE_HEADER, `whole milliseconds, 1 to ${DEADLINE_MS_MAX}`, header);
}

function wrongHeader(header: string, expected: string, got: string): InvalidError {
  return new InvalidError(`The header ${header} must be ${expected}, got "${got.slice(0, 60).toWellFormed()}".`, {
    details: { problems: [{ field: header, expected, got: got.slice(0, 60).toWellFormed() }] },
  });
}
