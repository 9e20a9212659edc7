import { ADWIN_DELTA } from '../limits.ts';

/** Buckets of one size before two are joined. */
const BUCKETS_PER_SIZE = 5;
/** Values between two looks for a cut. */
const LOOK_EVERY = 32;
const WINDOW_COUNT_MIN = 10;
const SIDE_COUNT_MIN = 5;

interface Bucket {
  count: number;
  sum: number;
  /** Sum of squared distances from the bucket's mean. */
  squares: number;
}

/**
 * ADWIN2: keeps a window of the newest values whose mean has not changed, in memory that grows with its logarithm, and
 * drops its old part when the means of two parts differ more than chance allows. For values in 0..1.
 * Source: Bifet & Gavalda 2007, "Learning from time-changing data with adaptive windowing".
 */
export class Adwin {
  /** The oldest and largest first. */
  #buckets: Bucket[] = [];
  #sinceLook = 0;
  readonly #delta: number;

  /** @param delta chance of a false alarm at one look, bounded over all cuts of the window. */
  constructor(delta: number = ADWIN_DELTA) {
    this.#delta = delta;
  }

  /** Values in the window. */
  get width(): number {
    return this.#total().count;
  }

  /** Mean of the window; NaN of none. */
  get mean(): number {
    const { count, sum } = this.#total();
    return count === 0 ? Number.NaN : sum / count;
  }

  /** Takes one value. @returns the means of both sides when a change was found and the old side dropped. */
  add(value: number): { before: number; after: number } | undefined {
    this.#buckets.push({ count: 1, sum: value, squares: 0 });
    this.#compress();
    this.#sinceLook += 1;
    if (this.#sinceLook < LOOK_EVERY) return undefined;
    this.#sinceLook = 0;
    return this.#look();
  }

  #compress(): void {
    let end = this.#buckets.length;
    while (end > 0) {
      const size = this.#buckets[end - 1]?.count as number;
      let start = end;
      while (start > 0 && this.#buckets[start - 1]?.count === size) start -= 1;
      if (end - start <= BUCKETS_PER_SIZE) return;
      const [older, newer] = this.#buckets.slice(start, start + 2) as [Bucket, Bucket];
      this.#buckets.splice(start, 2, merge(older, newer));
      end = start + 1;
    }
  }

  #look(): { before: number; after: number } | undefined {
    let found: { before: number; after: number } | undefined;
    for (;;) {
      const cut = this.#findCut();
      if (!cut) return found;
      found ??= cut;
      found = { before: found.before, after: cut.after };
      this.#buckets.shift();
    }
  }

  /** The first cut from the old end at which the sides differ. */
  #findCut(): { before: number; after: number } | undefined {
    const total = this.#total();
    if (total.count < WINDOW_COUNT_MIN) return undefined;
    const variance = total.squares / total.count;
    const log = Math.log((2 * Math.log(total.count)) / this.#delta);
    let old: Bucket = { count: 0, sum: 0, squares: 0 };
    for (const bucket of this.#buckets) {
      old = merge(old, bucket);
      const rest = total.count - old.count;
      if (rest < SIDE_COUNT_MIN) return undefined;
      if (old.count < SIDE_COUNT_MIN) continue;
      const size = 1 / (1 / old.count + 1 / rest);
      const bound = Math.sqrt((2 / size) * variance * log) + (2 / (3 * size)) * log;
      const [before, after] = [old.sum / old.count, (total.sum - old.sum) / rest];
      if (Math.abs(before - after) > bound) return { before, after };
    }
    return undefined;
  }

  #total(): Bucket {
    return this.#buckets.reduce(merge, { count: 0, sum: 0, squares: 0 });
  }
}

function merge(left: Bucket, right: Bucket): Bucket {
  const count = left.count + right.count;
  if (left.count === 0 || right.count === 0) return left.count === 0 ? { ...right } : { ...left };
  const step = right.sum / right.count - left.sum / left.count;
  return { count, sum: left.sum + right.sum, squares: left.squares + right.squares + (step * step * left.count * right.count) / count };
}
