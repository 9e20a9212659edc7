import { RangeOfValueError, requireSameLength } from './errors.ts';
import type { Numbers } from './order.ts';
import { quantile } from './quantile.ts';

/** scikit-learn's floor for the denominator of MAPE, so a truth of 0 gives a huge, not an infinite, error. */
export const MAPE_EPSILON = Number.EPSILON;

/** Root mean squared error, in the unit of the truth. @param predicted shape [n].  @param truth shape [n]. */
export function rmse(predicted: Numbers, truth: Numbers, weights?: Numbers): number {
  return Math.sqrt(meanError(predicted, truth, weights, (p, y) => (p - y) ** 2));
}

/** Mean absolute error, in the unit of the truth. */
export function mae(predicted: Numbers, truth: Numbers, weights?: Numbers): number {
  return meanError(predicted, truth, weights, (p, y) => Math.abs(p - y));
}

/** Mean absolute percentage error as a ratio (0.1 = 10 %); where the truth is 0 the denominator is MAPE_EPSILON. */
export function mape(predicted: Numbers, truth: Numbers, weights?: Numbers): number {
  return meanError(predicted, truth, weights, (p, y) => Math.abs(p - y) / Math.max(Math.abs(y), MAPE_EPSILON));
}

/** Median of the absolute errors, in the unit of the truth; rows of equal weight (scikit-learn's rule for them). */
export function medianAbsoluteError(predicted: Numbers, truth: Numbers): number {
  const length = requireSameLength({ predicted, truth });
  const sizes = Float64Array.from({ length }, (_, row) => Math.abs((predicted[row] as number) - (truth[row] as number)));
  return quantile(sizes.toSorted(), 0.5);
}

/**
 * Mean pinball (quantile) loss: `level` of what lies above the prediction, `1 - level` of what lies below it. The loss
 * whose best constant is that quantile; at 0.5 it is half the mean absolute error. @param level 0..1.
 */
export function pinballLoss(predicted: Numbers, truth: Numbers, level: number, weights?: Numbers): number {
  if (!(level >= 0 && level <= 1)) throw new RangeOfValueError(`A quantile level lies in 0..1, got ${level}.`);
  return meanError(predicted, truth, weights, (p, y) => pinballOf(p, y, level));
}

/** One row's pinball loss. */
export function pinballOf(predicted: number, truth: number, level: number): number {
  return truth >= predicted ? level * (truth - predicted) : (1 - level) * (predicted - truth);
}

/** Share of rows whose truth is not above the prediction: what a quantile's level promises. */
export function quantileCoverage(predicted: Numbers, truth: Numbers, weights?: Numbers): number {
  return meanError(predicted, truth, weights, (p, y) => (y <= p ? 1 : 0));
}

/**
 * Share of the truth's variance that the predictions explain; 1 is perfect, 0 as good as the mean, below 0 worse.
 * A constant truth gives 1 for perfect predictions and 0 otherwise; fewer than two rows give NaN (scikit-learn's rules).
 */
export function r2(predicted: Numbers, truth: Numbers, weights?: Numbers): number {
  const length = requireSameLength({ predicted, truth, weights });
  if (length < 2) return Number.NaN;
  let total = 0;
  let mean = 0;
  for (let row = 0; row < length; row += 1) {
    const weight = weights ? (weights[row] as number) : 1;
    if (weight === 0) continue;
    total += weight;
    mean += ((truth[row] as number) - mean) * (weight / total);
  }
  let residual = 0;
  let spread = 0;
  for (let row = 0; row < length; row += 1) {
    const weight = weights ? (weights[row] as number) : 1;
    const y = truth[row] as number;
    residual += weight * (y - (predicted[row] as number)) ** 2;
    spread += weight * (y - mean) ** 2;
  }
  return r2Of(residual, spread);
}

/** R2 from the two sums of squares, with the rule for a constant truth. */
export function r2Of(residual: number, spread: number): number {
  if (spread === 0) return residual === 0 ? 1 : 0;
  return 1 - residual / spread;
}

function meanError(predicted: Numbers, truth: Numbers, weights: Numbers | undefined, error: (p: number, y: number) => number): number {
  const length = requireSameLength({ predicted, truth, weights });
  let sum = 0;
  let total = 0;
  for (let row = 0; row < length; row += 1) {
    const weight = weights ? (weights[row] as number) : 1;
    sum += weight * error(predicted[row] as number, truth[row] as number);
    total += weight;
  }
  return sum / total;
}
