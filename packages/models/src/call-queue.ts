import type { Priority } from '@slipway/kernel';

/** While interactive calls wait, batch calls get a turn of their own this often at least. */
export const BATCH_AGEING_MS = 1_000;
/** Share of the queue that batch calls may fill, so that they cannot keep interactive ones out. */
export const BATCH_QUEUE_RATIO = 0.5;

/** What waits: a call with its rows. */
export interface Waiting {
  readonly priority: Priority;
  /** Rows that have not been taken yet. */
  readonly rowsLeft: number;
  readonly enqueuedMs: number;
}

/**
 * Calls in the order in which they are answered: interactive ones first, each priority first come first served, and a
 * batch call when none has had its turn for {@link BATCH_AGEING_MS}. Holds no more rows than its limit.
 */
export class CallQueue<Item extends Waiting> {
  readonly #limitRows: number;
  readonly #lists: Readonly<Record<Priority, Item[]>> = { interactive: [], batch: [] };
  readonly #rows: Record<Priority, number> = { interactive: 0, batch: 0 };
  #batchTurnMs = Number.NEGATIVE_INFINITY;

  constructor(limitRows: number) {
    this.#limitRows = limitRows;
  }

  get rowCount(): number {
    return this.#rows.interactive + this.#rows.batch;
  }

  get isEmpty(): boolean {
    return this.#lists.interactive.length === 0 && this.#lists.batch.length === 0;
  }

  /** Rows that are answered before a call that comes now: of a call larger than a run only the part that is taken in its turn. */
  rowsAhead(priority: Priority, limitRows: number): number {
    const before = this.#turnRows('interactive', limitRows);
    return priority === 'interactive' ? before : before + this.#turnRows('batch', limitRows);
  }

  /** Most rows that may wait, of a priority. */
  limitOf(priority: Priority): number {
    return priority === 'interactive' ? this.#limitRows : Math.max(1, Math.floor(this.#limitRows * BATCH_QUEUE_RATIO));
  }

  hasRoom(priority: Priority, rowCount: number): boolean {
    const waiting = priority === 'interactive' ? this.rowCount : this.#rows.batch;
    return waiting + rowCount <= this.limitOf(priority) && this.rowCount + rowCount <= this.#limitRows;
  }

  push(item: Item): void {
    this.#lists[item.priority].push(item);
    this.#rows[item.priority] += item.rowsLeft;
  }

  /** Whose turn it is, or undefined when nobody waits. */
  turn(nowMs: number): Priority | undefined {
    const [batch] = this.#lists.batch;
    if (this.#lists.interactive.length === 0) return batch && 'batch';
    if (batch && nowMs - Math.max(batch.enqueuedMs, this.#batchTurnMs) >= BATCH_AGEING_MS) return 'batch';
    return 'interactive';
  }

  /**
   * The longest head of one priority that fits one run, off the queue. A call larger than a run comes alone; whoever takes
   * a part of it pushes it again, and it waits behind those that came meanwhile.
   */
  take(priority: Priority, limitRows: number, nowMs: number): Item[] {
    const list = this.#lists[priority];
    let rows = 0;
    let count = 0;
    for (const item of list) {
      if (count > 0 && rows + item.rowsLeft > limitRows) break;
      rows += item.rowsLeft;
      count += 1;
    }
    if (priority === 'batch') this.#batchTurnMs = nowMs;
    this.#rows[priority] -= rows;
    return list.splice(0, count);
  }

  /** How long the call has waited that is answered next, and whether the next run would be full. */
  head(nowMs: number, limitRows: number): { readonly waitedMs: number; readonly isFull: boolean } | undefined {
    const priority = this.turn(nowMs);
    const first = priority && this.#lists[priority][0];
    return first && { waitedMs: nowMs - first.enqueuedMs, isFull: this.#rows[priority] >= limitRows };
  }

  #turnRows(priority: Priority, limitRows: number): number {
    const list = this.#lists[priority];
    const rows = this.#rows[priority];
    // Most calls have one row; only then is there nothing to look through.
    if (rows === list.length) return rows;
    return list.reduce((sum, { rowsLeft }) => sum + Math.min(rowsLeft, limitRows), 0);
  }

  /** Takes out the calls that a rule picks, in their order. */
  remove(isGone: (item: Item) => boolean): Item[] {
    const gone: Item[] = [];
    for (const priority of ['interactive', 'batch'] as const) {
      const list = this.#lists[priority];
      const kept = list.filter((item) => {
        if (!isGone(item)) return true;
        gone.push(item);
        this.#rows[priority] -= item.rowsLeft;
        return false;
      });
      list.splice(0, list.length, ...kept);
    }
    return gone;
  }
}
