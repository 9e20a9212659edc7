import { CancelledError, type CallWish, type PlatformError, type Priority, type Row } from '@slipway/kernel';
import { CallQueue } from './call-queue.ts';
import { DrainRate } from './drain-rate.ts';
import type { Numbers } from './engine.ts';
import { ModelBusyError, ModelClosedError, ModelTimeoutError } from './errors.ts';
import { type Timers, systemTimers } from './timers.ts';

/** A call of a priority is refused when it would wait longer than this, whatever its deadline. */
export const QUEUE_WAIT_LIMIT_MS: Readonly<Record<Priority, number>> = { interactive: 1_000, batch: 60_000 };

/**
 * A call that takes less, by what rows cost lately, is computed where it arrives: about what its HTTP costs. Dearer ones get a turn of the
 * event loop each, so that many of them that arrive together leave room for other work.
 */
export const RUN_NOW_LIMIT_MS = 0.1;

/** One run as it was: for metrics, and for those who adapt to it. */
export interface RunFacts {
  readonly rows: number;
  readonly calls: number;
  /** From the start of the run to its end. */
  readonly runMs: number;
}

export interface BatcherOptions {
  /** Most rows of one run. */
  readonly rowLimit: number;
  /** Most rows that wait; one more is refused. */
  readonly queueLimit: number;
  /** Computes the answer of rows: `width` numbers each. */
  readonly run: (rows: readonly Row[]) => Promise<Numbers>;
  /** The same at once, where that is possible; undefined where it is not. Asked only when nobody waits and nothing runs. */
  readonly runNow?: (rows: readonly Row[]) => Numbers | undefined;
  readonly width: number;
  /** Runs at once. Default 1. */
  readonly lanes?: number;
  /** How long calls that find the model busy may wait for company. Default 0. */
  readonly delayMs?: number;
  /** What a row costs, as measured; corrected by every run. Default 0: unknown. */
  readonly rowMs?: number;
  readonly timers?: Timers;
  readonly onRun?: (facts: RunFacts) => void;
}

/** What a call asks beyond its rows. */
export interface CallOptions {
  /** Default interactive. */
  readonly priority?: Priority | undefined;
  /** By the clock of the batcher's timers; undefined = none. */
  readonly deadlineMs?: number | undefined;
  /** Asked when the call's turn comes: a call that nobody waits for is not computed. */
  readonly isCancelled?: (() => boolean) | undefined;
}

/** A call on its way. One that is larger than a run is answered in pieces, and is then in the queue again and again. */
class Item {
  readonly rows: readonly Row[];
  readonly priority: Priority;
  readonly deadlineMs: number;
  readonly isCancelled: (() => boolean) | undefined;
  readonly enqueuedMs: number;
  readonly resolve: (numbers: Numbers) => void;
  readonly #reject: (error: unknown) => void;
  /** First row that has not been taken. */
  next = 0;
  /** Pieces that have not been answered. */
  open = 0;
  #numbers: Numbers | undefined;
  isEnded = false;

  constructor(rows: readonly Row[], options: CallOptions, nowMs: number, settle: [(numbers: Numbers) => void, (error: unknown) => void]) {
    this.rows = rows;
    this.priority = options.priority ?? 'interactive';
    this.deadlineMs = options.deadlineMs ?? Number.POSITIVE_INFINITY;
    this.isCancelled = options.isCancelled;
    this.enqueuedMs = nowMs;
    this.resolve = settle[0];
    this.#reject = settle[1];
  }

  get rowsLeft(): number {
    return this.rows.length - this.next;
  }

  /** Keeps a piece's numbers; the last one to come answers the call. */
  keep(part: Numbers, offset: number, width: number): void {
    const length = this.rows.length * width;
    this.#numbers ??= part instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
    this.#numbers.set(part, offset);
    if (this.open === 0 && this.rowsLeft === 0 && !this.isEnded) this.resolve(this.#numbers);
  }

  fail(error: unknown): void {
    this.isEnded = true;
    this.#reject(error);
  }
}

/** Rows of a call that one run computes. */
interface Piece {
  readonly item: Item;
  readonly start: number;
  readonly end: number;
}

function rowsOf(pieces: readonly Piece[]): readonly Row[] {
  const [only] = pieces;
  if (pieces.length === 1 && only) {
    const { item, start, end } = only;
    return end - start === item.rows.length ? item.rows : item.rows.slice(start, end);
  }
  const rows: Row[] = [];
  for (const { item, start, end } of pieces) for (let row = start; row < end; row += 1) rows.push(item.rows[row] as Row);
  return rows;
}

/**
 * Merges calls into runs: one that finds a lane idle starts at once, those that arrive until it is free (the rest of this
 * event-loop turn, and while a worker computes) share the next run. When a merged run fails, its calls are tried one by one, so that
 * one bad call cannot fail its neighbours. Calls whose deadline passes while they wait are answered so, not computed.
 */
export class Batcher {
  readonly #options: BatcherOptions;
  readonly #timers: Timers;
  readonly #queue: CallQueue<Item>;
  readonly #rate: DrainRate;
  #rowLimit: number;
  #lanes: number;
  #running = 0;
  #isClosed = false;
  #stopWaiting: (() => void) | undefined;
  #stopExpiry: (() => void) | undefined;
  #expiryMs = Number.POSITIVE_INFINITY;

  constructor(options: BatcherOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    this.#queue = new CallQueue(options.queueLimit);
    this.#rowLimit = options.rowLimit;
    this.#lanes = options.lanes ?? 1;
    this.#rate = new DrainRate(options.rowMs ?? 0, 1);
  }

  get rowLimit(): number {
    return this.#rowLimit;
  }

  get queuedRows(): number {
    return this.#queue.rowCount;
  }

  /** What a row costs lately, in milliseconds, within the runs that there were. */
  get rowMs(): number {
    return this.#rate.rowMs;
  }

  /** From the next run on. */
  adapt(to: { readonly rowLimit?: number; readonly lanes?: number }): void {
    this.#rowLimit = to.rowLimit ?? this.#rowLimit;
    this.#lanes = to.lanes ?? this.#lanes;
  }

  /** Why a call would be refused now. Its own computing does not count: only waiting can make it late. */
  refusal({ rowCount, priority, deadlineMs }: CallWish): PlatformError | undefined {
    if (this.#isClosed) return new ModelClosedError('The model was closed.');
    if (!this.#queue.hasRoom(priority, rowCount)) return this.#full(priority);
    if (deadlineMs === undefined && this.#queue.isEmpty) return undefined;
    const nowMs = this.#timers.nowMs();
    if (deadlineMs !== undefined && deadlineMs <= nowMs) return tooLate();
    const waitMs = this.#waitMs(priority);
    if (waitMs > QUEUE_WAIT_LIMIT_MS[priority]) return this.#busy('wait', waitMs);
    if (deadlineMs !== undefined && nowMs + waitMs > deadlineMs) return this.#busy('deadline', waitMs);
    return undefined;
  }

  /** @returns the numbers of the rows, [rows.length * width]. @throws {ModelBusyError | ModelTimeoutError | ModelClosedError} */
  add(rows: readonly Row[], options: CallOptions = {}): Promise<Numbers> {
    const { priority = 'interactive', deadlineMs } = options;
    const refused = this.refusal({ rowCount: rows.length, priority, deadlineMs });
    if (refused) return Promise.reject(refused);
    if (this.#running === 0 && this.#queue.isEmpty && rows.length * this.#rate.rowMs <= RUN_NOW_LIMIT_MS) {
      const numbers = this.#runNow(rows);
      if (numbers) return numbers;
    }
    return new Promise((resolve, reject) => {
      const wasEmpty = this.#queue.isEmpty;
      const item = new Item(rows, options, this.#timers.nowMs(), [resolve, reject]);
      this.#queue.push(item);
      if (item.deadlineMs < this.#expiryMs) this.#watch(item.deadlineMs);
      // Nobody waits and nothing runs: the model is idle, and an idle model never delays.
      this.#start(wasEmpty && this.#running === 0);
    });
  }

  /** A call that needs no turn: an idle model that computes at once. */
  #runNow(rows: readonly Row[]): Promise<Numbers> | undefined {
    const startedMs = this.#timers.nowMs();
    let numbers: Numbers | undefined;
    try {
      numbers = this.#options.runNow?.(rows);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    if (!numbers) return undefined;
    const runMs = this.#timers.nowMs() - startedMs;
    this.#rate.add(runMs, rows.length);
    this.#options.onRun?.({ rows: rows.length, calls: 1, runMs });
    return Promise.resolve(numbers);
  }

  close(): void {
    this.#isClosed = true;
    this.#stopWaiting?.();
    this.#stopExpiry?.();
    for (const item of this.#queue.remove(() => true)) item.fail(new ModelClosedError('The model was closed.'));
  }

  /** How long a call that comes now waits for its turn: the rows before it, and half of a run that goes on. */
  #waitMs(priority: Priority): number {
    if (this.#running < this.#lanes) return 0;
    return (this.#queue.rowsAhead(priority, this.#rowLimit) * this.#rate.rowMs + this.#rate.runMs / 2) / this.#lanes;
  }

  #full(priority: Priority): ModelBusyError {
    const details = { waiting: this.#queue.rowCount, limit: this.#queue.limitOf(priority) };
    return new ModelBusyError('queue-full', `${details.waiting} rows already wait for this model; at most ${details.limit} may.`, {
      details,
      retryAfterSeconds: this.#waitMs(priority) / 1_000,
      help: 'Send fewer rows at once, or add a replica.',
    });
  }

  #busy(reason: 'wait' | 'deadline', waitMs: number): ModelBusyError {
    const beyond = reason === 'wait' ? 'longer than any call may wait' : 'longer than its deadline';
    return new ModelBusyError(reason, `The call would wait about ${Math.round(waitMs)} ms for this model, ${beyond}.`, {
      details: { waitMs: Math.round(waitMs) },
      retryAfterSeconds: waitMs / 1_000,
      help: 'Send it again later, or add a replica.',
    });
  }

  /** Starts as many runs as there are lanes and calls. @param isIdle whether a call has just found nothing going on. */
  #start(isIdle: boolean): void {
    while (this.#running < this.#lanes) {
      const nowMs = this.#timers.nowMs();
      const priority = this.#queue.turn(nowMs);
      if (priority === undefined) return;
      if (!isIdle && this.#delays(nowMs)) return;
      const items = this.#takeLive(priority, nowMs);
      if (items.length > 0) void this.#serve(items);
    }
  }

  /** Whether calls that found the model busy wait a little longer for company; then a timer starts them. */
  #delays(nowMs: number): boolean {
    const { delayMs = 0 } = this.#options;
    if (delayMs === 0) return false;
    const head = this.#queue.head(nowMs, this.#rowLimit);
    if (!head || head.isFull || head.waitedMs >= delayMs) return false;
    this.#stopWaiting ??= this.#timers.after(delayMs - head.waitedMs, () => {
      this.#stopWaiting = undefined;
      this.#start(false);
    });
    return true;
  }

  /** The calls of the next run without those that are too late or given up; these get their error here. */
  #takeLive(priority: Priority, nowMs: number): Item[] {
    const items = this.#queue.take(priority, this.#rowLimit, nowMs);
    return items.filter((item) => {
      if (item.isEnded) return false;
      if (item.deadlineMs <= nowMs) item.fail(tooLate());
      else if (item.isCancelled?.() === true) item.fail(new CancelledError('The call was cancelled before the model answered.'));
      return !item.isEnded;
    });
  }

  async #serve(items: readonly Item[]): Promise<void> {
    this.#running += 1;
    const pieces = items.map((item) => this.#piece(item));
    try {
      const numbers = await this.#timed(rowsOf(pieces), pieces.length);
      this.#deliver(pieces, numbers);
    } catch (error) {
      if (pieces.length === 1) pieces[0]?.item.fail(error);
      else for (const piece of pieces) await this.#runAlone(piece);
    }
    this.#running -= 1;
    this.#start(false);
  }

  /** As many rows of a call as one run may have; the rest queues up behind whoever has come meanwhile. */
  #piece(item: Item): Piece {
    const start = item.next;
    item.next = Math.min(item.rows.length, start + this.#rowLimit);
    item.open += 1;
    if (item.rowsLeft > 0) this.#queue.push(item);
    return { item, start, end: item.next };
  }

  async #runAlone(piece: Piece): Promise<void> {
    try {
      this.#deliver([piece], await this.#timed(rowsOf([piece]), 1));
    } catch (error) {
      piece.item.fail(error);
    }
  }

  #deliver(pieces: readonly Piece[], numbers: Numbers): void {
    const { width } = this.#options;
    let offset = 0;
    for (const { item, start, end } of pieces) {
      const part = numbers.subarray(offset, offset + (end - start) * width);
      offset += part.length;
      item.open -= 1;
      if (end - start === item.rows.length) item.resolve(part);
      else item.keep(part, start * width, width);
    }
  }

  async #timed(rows: readonly Row[], calls: number): Promise<Numbers> {
    const startedMs = this.#timers.nowMs();
    const numbers = await this.#options.run(rows);
    const runMs = this.#timers.nowMs() - startedMs;
    this.#rate.add(runMs, rows.length);
    this.#options.onRun?.({ rows: rows.length, calls, runMs });
    return numbers;
  }

  /** Answers calls at their deadline, also while every lane is busy with something long. */
  #watch(deadlineMs: number): void {
    this.#stopExpiry?.();
    this.#expiryMs = deadlineMs;
    this.#stopExpiry = this.#timers.after(Math.max(0, deadlineMs - this.#timers.nowMs()), () => {
      const nowMs = this.#timers.nowMs();
      // A call that is being computed in pieces is in the queue as well; its rest is not computed.
      for (const item of this.#queue.remove((each) => each.deadlineMs <= nowMs)) if (!item.isEnded) item.fail(tooLate());
      this.#stopExpiry = undefined;
      this.#expiryMs = Number.POSITIVE_INFINITY;
      const next = this.#earliestDeadlineMs();
      if (next < Number.POSITIVE_INFINITY) this.#watch(next);
    });
  }

  #earliestDeadlineMs(): number {
    let earliestMs = Number.POSITIVE_INFINITY;
    this.#queue.remove((item) => {
      earliestMs = Math.min(earliestMs, item.deadlineMs);
      return false;
    });
    return earliestMs;
  }
}

function tooLate(): ModelTimeoutError {
  return new ModelTimeoutError("The call's deadline passed before the model answered.");
}
