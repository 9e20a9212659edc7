import { requireBinary, requireProbability } from './binary-metrics.ts';
import { requireSameLength } from './errors.ts';
import type { Numbers } from './order.ts';

/** Bins of equal width that probabilities are compared with outcomes in. */
export const CALIBRATION_BIN_COUNT = 10;

/**
 * The bin of a probability: `binCount` bins of equal width, each holding its upper edge (as `calibration_curve` of
 * scikit-learn and Guo et al. 2017), the first one also 0.
 */
export function calibrationBinOf(probability: number, binCount: number = CALIBRATION_BIN_COUNT): number {
  return Math.min(binCount - 1, Math.max(0, Math.ceil(probability * binCount) - 1));
}

/**
 * Expected calibration error: over the bins, the distance between the mean probability said and the share of positives
 * seen, weighted by rows. 0 is perfect. Source: Naeini et al. 2015, Guo et al. 2017.
 * @param probabilities of class 1, shape [n].  @param labels shape [n], 0 or 1.  @returns 0..1
 */
export function calibrationError(
  probabilities: Numbers,
  labels: Numbers,
  weights?: Numbers,
  binCount: number = CALIBRATION_BIN_COUNT,
): number {
  const length = requireSameLength({ probabilities, labels, weights });
  const differences = new Float64Array(binCount);
  let total = 0;
  for (let row = 0; row < length; row += 1) {
    const probability = requireProbability(probabilities[row] as number, row);
    const weight = weights ? (weights[row] as number) : 1;
    const bin = calibrationBinOf(probability, binCount);
    differences[bin] = (differences[bin] as number) + weight * (probability - requireBinary(labels[row] as number, row));
    total += weight;
  }
  return calibrationErrorOf(differences, total);
}

/** Expected calibration error from the sum over each bin's rows of (weight x (probability - label)). */
export function calibrationErrorOf(differences: Float64Array, total: number): number {
  let sum = 0;
  for (let bin = 0; bin < differences.length; bin += 1) sum += Math.abs(differences[bin] as number);
  return sum / total;
}
