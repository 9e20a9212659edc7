import type { Row } from '@slipway/kernel';
import type { Numbers } from './engine.ts';
import { ModelBusyError, ModelClosedError } from './errors.ts';

export interface BatcherOptions {
  /** Most rows of one run. */
  readonly rowLimit: number;
  /** Most rows that wait; one more is refused. */
  readonly queueLimit: number;
  /** Computes the answer of rows: `width` numbers each. */
  readonly run: (rows: readonly Row[]) => Promise<Numbers>;
  readonly width: number;
}

interface Item {
  readonly rows: readonly Row[];
  readonly resolve: (numbers: Numbers) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Merges calls into runs: one that finds the model idle starts at once, those that arrive until it is answered (the
 * rest of this event-loop turn, and while a worker computes) share the next run. When a merged run fails, its calls are tried one by one, so that one bad call
 * cannot fail its neighbours.
 */
export class Batcher {
  readonly #options: BatcherOptions;
  #queue: Item[] = [];
  #queuedRows = 0;
  #isRunning = false;
  #isClosed = false;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  /** @returns the numbers of the rows, [rows.length * width]. @throws {ModelBusyError | ModelClosedError} */
  add(rows: readonly Row[]): Promise<Numbers> {
    if (this.#isClosed) return Promise.reject(new ModelClosedError('The model was closed.'));
    if (this.#queuedRows + rows.length > this.#options.queueLimit) return Promise.reject(this.#busy());
    return new Promise((resolve, reject) => {
      this.#queue.push({ rows, resolve, reject });
      this.#queuedRows += rows.length;
      if (!this.#isRunning) void this.#drain();
    });
  }

  #busy(): ModelBusyError {
    return new ModelBusyError(`${this.#queuedRows} rows already wait for this model; at most ${this.#options.queueLimit} may.`, {
      details: { waiting: this.#queuedRows, limit: this.#options.queueLimit },
      help: 'Send fewer rows at once, or add a replica.',
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const item of this.#queue) item.reject(new ModelClosedError('The model was closed.'));
    this.#queue = [];
    this.#queuedRows = 0;
  }

  async #drain(): Promise<void> {
    this.#isRunning = true;
    while (this.#queue.length > 0) await this.#runItems(this.#takeItems());
    this.#isRunning = false;
  }

  /** The longest head of the queue that fits one run; a call larger than that goes alone. */
  #takeItems(): Item[] {
    let rows = 0;
    let count = 0;
    for (const item of this.#queue) {
      if (count > 0 && rows + item.rows.length > this.#options.rowLimit) break;
      rows += item.rows.length;
      count += 1;
    }
    this.#queuedRows -= rows;
    return this.#queue.splice(0, count);
  }

  async #runItems(items: readonly Item[]): Promise<void> {
    const [first] = items;
    if (items.length === 1 && first) return this.#runOne(first);
    try {
      const numbers = await this.#options.run(items.flatMap((item) => item.rows));
      let start = 0;
      for (const item of items) {
        const end = start + item.rows.length * this.#options.width;
        item.resolve(numbers.subarray(start, end));
        start = end;
      }
    } catch {
      for (const item of items) await this.#runOne(item);
    }
  }

  async #runOne(item: Item): Promise<void> {
    try {
      item.resolve(await this.#runRows(item.rows));
    } catch (error) {
      item.reject(error);
    }
  }

  /** Runs the rows of one call in pieces of at most the row limit. */
  async #runRows(rows: readonly Row[]): Promise<Numbers> {
    const { rowLimit, run, width } = this.#options;
    if (rows.length <= rowLimit) return run(rows);
    let all: Numbers | undefined;
    for (let start = 0; start < rows.length; start += rowLimit) {
      const part = await run(rows.slice(start, start + rowLimit));
      all ??= part instanceof Float64Array ? new Float64Array(rows.length * width) : new Float32Array(rows.length * width);
      all.set(part, start * width);
    }
    return all as Numbers;
  }
}
