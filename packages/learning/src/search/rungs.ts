import type { Fold } from './folds.ts';

/** What survives a rung goes on to the next: more folds, or more rows of the same fold. */
export interface Rung {
  /** Folds that the rung adds, by their positions. */
  readonly folds: readonly number[];
  /** Share of each fold's training rows that are used; below 1 only a first look, whose results count no further. */
  readonly rowRatio: number;
  /** Groups that go on, at most, as a share of those that came. */
  readonly keepRatio: number;
}

/** A single fold of fewer training rows than this is not looked at in part first. */
const PART_ROWS_MIN = 20_000;
const PART_RATIO = 0.25;
const KEEP_RATIO = 1 / 2;

/**
 * Successive halving (Jamieson & Talwalkar 2016) over the folds: a fifth of them, then half, then all. A single large
 * fold is first tried with a quarter of its rows.
 */
export function planRungs(folds: readonly Fold[]): Rung[] {
  const count = folds.length;
  if (count === 1) {
    const part = { folds: [0], rowRatio: PART_RATIO, keepRatio: KEEP_RATIO };
    return [...((folds[0] as Fold).train.length >= PART_ROWS_MIN ? [part] : []), { folds: [0], rowRatio: 1, keepRatio: 1 }];
  }
  const ends = [...new Set([Math.ceil(count / 5), Math.ceil(count / 2), count])];
  return ends.map((end, index) => ({
    folds: Array.from({ length: end - (ends[index - 1] ?? 0) }, (_, at) => (ends[index - 1] ?? 0) + at),
    rowRatio: 1,
    keepRatio: end === count ? 1 : KEEP_RATIO,
  }));
}
