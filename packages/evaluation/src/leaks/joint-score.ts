import { createRandom, rocAuc } from '@slipway/statistics';
import type { Bins } from './single-column-score.ts';

/** Turns through all columns; more changes the score in the third digit only. */
const ROUNDS = 12;
const LEARNING_RATE = 0.4;
/** Rows that a bin's step borrows from "no step", so that rare values say little. */
const PRIOR_ROWS = 15;
/** Rows that one fit reads; the score is steady from a few thousand. */
export const JOINT_ROW_LIMIT = 8_000;

/**
 * ROC AUC, on rows that did not make it, of an additive model of all given columns: logistic boosting in which every
 * column in turn adds a step for each of its bins. It says what the columns know together, and without one of them.
 * @param columns bins of each column.  @param labels 0 or 1.  @returns NaN when a class is absent.
 */
export function jointScore(columns: readonly Bins[], labels: Uint8Array, seed: number): number {
  const random = createRandom(`leak joint:${seed}`);
  const fits = Uint8Array.from(labels, () => random.int(2));
  const margins = new Float64Array(labels.length);
  const sums = new Float64Array(columns.reduce((most, bins) => Math.max(most, bins.count), 0));
  const weights = new Float64Array(sums.length);
  for (let round = 0; round < ROUNDS; round += 1) for (const bins of columns) addSteps(bins, labels, fits, margins, { sums, weights });
  const held = Array.from(labels.keys()).filter((row) => fits[row] === 0);
  return rocAuc(
    Float64Array.from(held, (row) => margins[row] as number),
    Uint8Array.from(held, (row) => labels[row] as number),
  );
}

/** One Newton step of a column: per bin, the sum of residuals over the sum of curvatures. */
function addSteps(
  { codes, count }: Bins,
  labels: Uint8Array,
  fits: Uint8Array,
  margins: Float64Array,
  { sums, weights }: { readonly sums: Float64Array; readonly weights: Float64Array },
): void {
  sums.fill(0, 0, count);
  weights.fill(0, 0, count);
  for (let row = 0; row < labels.length; row += 1) {
    if (fits[row] === 0) continue;
    const probability = 1 / (1 + Math.exp(-(margins[row] as number)));
    const bin = codes[row] as number;
    sums[bin] = (sums[bin] as number) + (labels[row] as number) - probability;
    weights[bin] = (weights[bin] as number) + probability * (1 - probability);
  }
  for (let bin = 0; bin < count; bin += 1)
    sums[bin] = (LEARNING_RATE * (sums[bin] as number)) / ((weights[bin] as number) + PRIOR_ROWS / 4);
  for (let row = 0; row < labels.length; row += 1) margins[row] = (margins[row] as number) + (sums[codes[row] as number] as number);
}
