import type { FoldResult } from './evaluate.ts';
import type { Candidate } from './candidates.ts';

/** How one candidate did on folds. */
export interface Evaluation {
  readonly candidate: Candidate;
  /** Mean loss of each training row over the folds that held it out; NaN where none did. */
  readonly rowLosses: Float64Array;
  /** Log loss, mean squared error of the standardised target, or what the training loss says. */
  readonly loss: number;
  /** Mean ROC AUC of the folds; null unless binary. */
  readonly rocAuc: number | null;
  /** Median over the folds of the best boosting round; 0 for linear models. */
  readonly rounds: number;
  /** Rounds grown on all folds together, those after the best included; tells what a round costs. */
  readonly roundsGrown: number;
  readonly seconds: number;
  /** One row through the fitted predictor: microseconds, mean of the folds. */
  readonly latencyUs: number;
  /** Folds it was evaluated on. */
  readonly foldCount: number;
}

/** Sums up a candidate's results. @param tests rows that each fold held out. */
export function summarize(
  candidate: Candidate,
  results: readonly { readonly fold: number; readonly result: FoldResult }[],
  tests: readonly Int32Array[],
  weights: Float64Array | undefined,
  rowCount: number,
): Evaluation {
  const rowLosses = meanByRow(
    results.map(({ fold, result }) => ({ rows: tests[fold] as Int32Array, losses: result.losses })),
    rowCount,
  );
  const aucs = results.flatMap(({ result }) => (result.rocAuc === null ? [] : [result.rocAuc]));
  const sum = (valueOf: (result: FoldResult) => number) => results.reduce((total, { result }) => total + valueOf(result), 0);
  return {
    candidate,
    rowLosses,
    loss: weightedMean(rowLosses, weights),
    rocAuc: aucs.length === 0 ? null : aucs.reduce((total, each) => total + each, 0) / aucs.length,
    rounds: middleOf(results.map(({ result }) => result.rounds)),
    roundsGrown: sum((result) => result.roundsGrown),
    seconds: sum((result) => result.seconds),
    latencyUs: sum((result) => result.latencyUs) / Math.max(1, results.length),
    foldCount: results.length,
  };
}

/** Mean of each row's losses; NaN where it has none. */
export function meanByRow(
  parts: readonly { readonly rows: Int32Array; readonly losses: ArrayLike<number> }[],
  rowCount: number,
): Float64Array {
  const sums = new Float64Array(rowCount);
  const counts = new Uint16Array(rowCount);
  for (const { rows, losses } of parts) {
    for (let at = 0; at < rows.length; at += 1) {
      const row = rows[at] as number;
      sums[row] = (sums[row] as number) + (losses[at] as number);
      counts[row] = (counts[row] as number) + 1;
    }
  }
  return sums.map((sum, row) => sum / (counts[row] as number));
}

/** Mean of the values that are there. */
export function weightedMean(values: Float64Array, weights: Float64Array | undefined): number {
  let sum = 0;
  let total = 0;
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row] as number;
    if (Number.isNaN(value)) continue;
    const weight = weights ? (weights[row] as number) : 1;
    sum += weight * value;
    total += weight;
  }
  return sum / total;
}

export interface Difference {
  readonly mean: number;
  /** Standard error of the mean. */
  readonly error: number;
}

/** How much larger one's row losses are than another's, on the rows that both have. */
export function differenceOf(left: Float64Array, right: Float64Array, weights: Float64Array | undefined): Difference {
  let total = 0;
  let sum = 0;
  let squares = 0;
  let weightSquares = 0;
  for (let row = 0; row < left.length; row += 1) {
    const difference = (left[row] as number) - (right[row] as number);
    if (Number.isNaN(difference)) continue;
    const weight = weights ? (weights[row] as number) : 1;
    total += weight;
    weightSquares += weight * weight;
    sum += weight * difference;
    squares += weight * difference * difference;
  }
  if (total === 0) return { mean: Number.NaN, error: Number.NaN };
  const mean = sum / total;
  const variance = Math.max(0, squares / total - mean * mean);
  return { mean, error: Math.sqrt((variance * weightSquares) / (total * total)) };
}

/** The middle of the folds' best rounds: one fold whose loss falls for ever (separable rows) does not decide. */
function middleOf(rounds: readonly number[]): number {
  const sorted = rounds.toSorted((left, right) => left - right);
  const middle = (sorted.length - 1) / 2;
  return Math.round(((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2);
}
