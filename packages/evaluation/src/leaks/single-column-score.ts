import { createRandom, rocAuc } from '@slipway/statistics';
import type { LeakColumn } from './leak-columns.ts';
import type { LeakTarget } from './leak-checks.ts';

/** How well one column alone tells the target: 0.5 or 0 = not at all, 1 = completely. */
export interface ColumnScore {
  readonly column: LeakColumn;
  /** ROC AUC (mean over classes, one against the rest), or R2 of a regression. */
  readonly score: number;
}

const FOLDS = 2;
/** Classes that are scored one against the rest, the most frequent ones. */
const SCORED_CLASS_LIMIT = 10;
/** Rows that a category's mean borrows from the whole, so that rare categories say little. */
const PRIOR_ROWS = 5;
const BIN_COUNT = 64;

/**
 * Score of the best simple rule on one column, judged on rows that did not make the rule: means of the target by
 * category, or by 64 bins of a number, in two folds. Missing is a category of its own, because what is filled in only
 * after the outcome leaks by being there at all.
 */
export function scoreColumn(column: LeakColumn, target: LeakTarget, seed: number): number {
  const bins = binsOf(column);
  const folds = foldsOf(bins.codes.length, seed);
  if (!target.codes) return target.numbers ? explainedVariance(bins, target.numbers, folds) : 0;
  const classes = target.codeCount === 2 ? [1] : mostFrequent(target.codes, target.codeCount);
  const scores = classes.flatMap((code) => {
    const labels = Float64Array.from(target.codes as Int32Array, (value) => (value === code ? 1 : 0));
    const score = rocAuc(outOfFoldMeans(bins, labels, folds), Uint8Array.from(labels));
    return Number.isNaN(score) ? [] : [score];
  });
  return scores.length === 0 ? 0.5 : scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

function mostFrequent(codes: Int32Array, codeCount: number): number[] {
  const counts = new Float64Array(codeCount);
  for (const code of codes) counts[code] = (counts[code] as number) + 1;
  const order = Array.from(counts.keys()).toSorted((a, b) => (counts[b] as number) - (counts[a] as number) || a - b);
  return order.slice(0, SCORED_CLASS_LIMIT);
}

export interface Bins {
  /** 0 = missing. */
  readonly codes: Int32Array;
  readonly count: number;
}

export function binsOf(column: LeakColumn): Bins {
  if (column.codes) return { codes: column.codes.map((code) => code + 1), count: column.levelCount + 1 };
  const numbers = column.numbers as Float64Array;
  const sorted = numbers.filter((value) => !Number.isNaN(value)).toSorted();
  const edges = [
    ...new Set(Array.from({ length: BIN_COUNT - 1 }, (_, index) => sorted[Math.floor(((index + 1) * sorted.length) / BIN_COUNT)] ?? 0)),
  ];
  const codes = Int32Array.from(numbers, (value) => (Number.isNaN(value) ? 0 : 1 + countBelow(edges, value)));
  return { codes, count: edges.length + 2 };
}

function countBelow(edges: readonly number[], value: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((edges[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function foldsOf(rows: number, seed: number): Uint8Array {
  const random = createRandom(`leak:${seed}`);
  return Uint8Array.from({ length: rows }, () => random.int(FOLDS));
}

interface FoldTotal {
  sum: number;
  rows: number;
}

function outOfFoldMeans(bins: Bins, values: Float64Array, folds: Uint8Array): Float64Array {
  const sums = new Float64Array(bins.count * FOLDS);
  const rows = new Float64Array(bins.count * FOLDS);
  const totals: [FoldTotal, FoldTotal] = [
    { sum: 0, rows: 0 },
    { sum: 0, rows: 0 },
  ];
  for (let row = 0; row < values.length; row += 1) {
    const fold = folds[row] as number;
    const cell = fold * bins.count + (bins.codes[row] as number);
    sums[cell] = (sums[cell] as number) + (values[row] as number);
    rows[cell] = (rows[cell] as number) + 1;
    const total = totals[fold === 0 ? 0 : 1];
    total.sum += values[row] as number;
    total.rows += 1;
  }
  return values.map((_, row) => {
    const other = 1 - (folds[row] as number);
    const cell = other * bins.count + (bins.codes[row] as number);
    const total = totals[other === 0 ? 0 : 1];
    const prior = total.rows === 0 ? 0 : total.sum / total.rows;
    return ((sums[cell] as number) + PRIOR_ROWS * prior) / ((rows[cell] as number) + PRIOR_ROWS);
  });
}

function explainedVariance(bins: Bins, values: Float64Array, folds: Uint8Array): number {
  const means = outOfFoldMeans(bins, values, folds);
  let centre = 0;
  for (let row = 0; row < values.length; row += 1) centre += ((values[row] as number) - centre) / (row + 1);
  let residual = 0;
  let spread = 0;
  for (let row = 0; row < values.length; row += 1) {
    residual += ((values[row] as number) - (means[row] as number)) ** 2;
    spread += ((values[row] as number) - centre) ** 2;
  }
  return spread === 0 ? 0 : Math.max(0, 1 - residual / spread);
}
