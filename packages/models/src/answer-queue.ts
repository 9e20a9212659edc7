import type { CallWish, Capacity, PlatformError, Row, ServingSettings } from '@slipway/kernel';
import { Batcher, type CallOptions, type RunFacts } from './batcher.ts';
import { ROW_QUEUE_LIMIT } from './model.ts';
import type { Timers } from './timers.ts';

export interface AnswerQueueOptions<Item, Answer> {
  /** Answers the items of one run, which may be of several calls. @returns one answer an item, in their order. */
  readonly answer: (items: readonly Item[]) => Promise<readonly Answer[]>;
  /** Most items of one run. */
  readonly rowLimit: number;
  /** Runs at once. Default 1. */
  readonly lanes?: number;
  /** What an item costs, as measured, in milliseconds; corrected by every run. */
  readonly rowMs?: number;
  /** How full the model is that computes underneath; its own queue is not used. */
  readonly model: Pick<Capacity, 'memoryBytes' | 'inFlight'>;
  /** `maxBatchRows`, `queueRows`, `batchDelayMs` and `deadlineMs` hold here. */
  readonly serving?: ServingSettings | undefined;
  /** Told of every run. */
  readonly onRun?: ((facts: RunFacts) => void) | undefined;
  readonly timers?: Timers;
}

/** An item on its way, where its answer is put. */
interface Slot<Item, Answer> extends Row {
  readonly item: Item;
  answer: Answer | undefined;
}

const NO_NUMBERS = new Float64Array(0);

/**
 * The admission, bounded queue, priorities and deadlines of a model's rows for those whose answers are more than rows of numbers:
 * forecasts, clusters, components. What it says of waiting and refusing is the {@link Batcher}'s.
 */
export class AnswerQueue<Item, Answer> implements Capacity {
  readonly #options: AnswerQueueOptions<Item, Answer>;
  readonly #batcher: Batcher;
  #inFlight = 0;

  constructor(options: AnswerQueueOptions<Item, Answer>) {
    const { serving = {} } = options;
    this.#options = options;
    this.#batcher = new Batcher({
      rowLimit: Math.min(options.rowLimit, serving.maxBatchRows ?? Number.POSITIVE_INFINITY),
      queueLimit: serving.queueRows ?? ROW_QUEUE_LIMIT,
      // Answers travel in the slots, so that runs have no numbers.
      width: 0,
      lanes: options.lanes ?? 1,
      delayMs: serving.batchDelayMs ?? 0,
      rowMs: options.rowMs ?? 0,
      // The batcher hands back the very rows that were added, and only slots are.
      run: (rows) => this.#run(rows as readonly Slot<Item, Answer>[]),
      ...(options.onRun ? { onRun: options.onRun } : {}),
      ...(options.timers ? { timers: options.timers } : {}),
    });
  }

  get memoryBytes(): number {
    return this.#options.model.memoryBytes;
  }

  /** Calls here, or work beside them (explanations, whole tables) that the model does. */
  get inFlight(): number {
    return Math.max(this.#inFlight, this.#options.model.inFlight);
  }

  get queuedRows(): number {
    return this.#batcher.queuedRows;
  }

  refusal(wish: CallWish): PlatformError | undefined {
    return this.#batcher.refusal(wish);
  }

  /** @returns one answer an item. @throws {ModelBusyError | ModelTimeoutError | ModelClosedError}, or what a run threw. */
  async add(items: readonly Item[], options: CallOptions = {}): Promise<Answer[]> {
    const standardMs = this.#options.serving?.deadlineMs;
    const { deadlineMs = standardMs === undefined ? undefined : performance.now() + standardMs } = options;
    this.#inFlight += 1;
    try {
      const slots = items.map((item): Slot<Item, Answer> => ({ item, answer: undefined }));
      await this.#batcher.add(slots, deadlineMs === options.deadlineMs ? options : { ...options, deadlineMs });
      // Every slot was in a run that ended well, or `add` would have thrown.
      return slots.map(({ answer }) => answer as Answer);
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** Calls that wait fail with ModelClosedError; a run that goes on ends. */
  close(): void {
    this.#batcher.close();
  }

  async #run(slots: readonly Slot<Item, Answer>[]): Promise<Float64Array> {
    const answers = await this.#options.answer(slots.map(({ item }) => item));
    if (answers.length !== slots.length) throw new Error('Broken invariant: a run gives one answer an item');
    slots.forEach((slot, index) => {
      slot.answer = answers[index];
    });
    return NO_NUMBERS;
  }
}
