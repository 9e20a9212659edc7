import { type FieldSketch, type SketchComparison, chiSquareTest, normalCdf } from '@slipway/statistics';
import { QUANTILE_GRID_COUNT } from '../limits.ts';

/**
 * First Wasserstein distance of the present values in units of the reference's standard deviation: how far values have
 * moved on average. Read from quantiles; never below the distance of the means, which is known exactly and sees what a
 * grid of quantiles does not. NaN for texts and for a reference that is constant.
 */
export function wassersteinDistance(reference: FieldSketch, current: FieldSketch): number {
  const spread = Math.sqrt(reference.variance);
  if (reference.kind === 'text' || reference.present === 0 || current.present === 0 || !(spread > 0)) return Number.NaN;
  let sum = 0;
  for (let step = 0; step < QUANTILE_GRID_COUNT; step += 1) {
    const share = (step + 0.5) / QUANTILE_GRID_COUNT;
    sum += Math.abs(reference.quantile(share) - current.quantile(share));
  }
  return Math.max(sum / QUANTILE_GRID_COUNT, Math.abs(reference.mean - current.mean)) / spread;
}

/**
 * How probable differences this large are between two samples of one distribution: Pearson's chi-square over the bins
 * and, for numbers, Welch's test of the means (normal tail); the smaller of the two, doubled (Bonferroni).
 */
export function chanceOfDifference(comparison: SketchComparison, reference: FieldSketch, current: FieldSketch): number {
  const { pValue } = chiSquareTest(
    comparison.bins.map((bin) => bin.reference * reference.count),
    comparison.bins.map((bin) => bin.current * current.count),
  );
  if (reference.kind === 'text' || reference.present < 2 || current.present < 2) return clampRatio(pValue);
  const error = Math.sqrt(reference.variance / reference.present + current.variance / current.present);
  const z = Math.abs(reference.mean - current.mean) / error;
  return Number.isNaN(z) ? clampRatio(pValue) : clampRatio(2 * Math.min(pValue, 2 * (1 - normalCdf(z))));
}

export function clampRatio(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/**
 * P-values of a family of tests, adjusted so that among those below a level at most that share are false discoveries.
 * Source: Benjamini & Hochberg 1995; equals `p.adjust(p, "BH")` of R.
 */
export function adjustPValues(values: readonly number[]): number[] {
  const order = values.map((_, index) => index).toSorted((a, b) => (values[b] as number) - (values[a] as number));
  const adjusted = values.map(() => 1);
  let least = 1;
  order.forEach((index, position) => {
    least = Math.min(least, ((values[index] as number) * values.length) / (values.length - position));
    adjusted[index] = least;
  });
  return adjusted;
}
