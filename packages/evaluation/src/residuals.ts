import { breuschPagan, durbinWatson, jarqueBera, ljungBox, orderDescending, quantile, residualBins } from '@slipway/statistics';
import type { Residuals } from './contract.ts';

const QUANTILE_LEVELS = [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1];
const HISTOGRAM_BINS = 30;
const HISTOGRAM_TAIL = 0.005;
const LAGS = 10;
/** Below this p-value a note says what the check found. */
const SURPRISING = 0.01;

/** Checks a regression's errors on rows it has not seen. @param times of the rows, NaN where unknown; for autocorrelation. */
export function checkResiduals(predicted: ArrayLike<number>, truth: ArrayLike<number>, times: Float64Array | undefined): Residuals {
  const count = truth.length;
  const said = Float64Array.from(predicted);
  const residuals = Float64Array.from({ length: count }, (_, row) => (truth[row] as number) - (said[row] as number));
  const sorted = residuals.toSorted();
  const { statistic, pValue, skewness, kurtosis } = jarqueBera(residuals);
  const spread = breuschPagan(residuals, said);
  const found: Omit<Residuals, 'notes'> = {
    mean: residuals.reduce((sum, each) => sum + each / count, 0),
    quantiles: QUANTILE_LEVELS.map((level) => ({ level, value: quantile(sorted, level) })),
    histogram: histogramOf(sorted),
    normality: { statistic: orNull(statistic), pValue: orNull(pValue), skewness: orNull(skewness), kurtosis: orNull(kurtosis) },
    heteroscedasticity: { statistic: orNull(spread.statistic), pValue: orNull(spread.pValue) },
    autocorrelation: memoryOf(residuals, times),
    deciles: residualBins(said, Float64Array.from(truth)),
  };
  return { ...found, notes: notesOn(found) };
}

function memoryOf(residuals: Float64Array, times: Float64Array | undefined): Residuals['autocorrelation'] {
  if (!times) return null;
  const known = orderDescending(times.map((time) => (Number.isNaN(time) ? Number.NEGATIVE_INFINITY : time)))
    .toReversed()
    .filter((row) => !Number.isNaN(times[row]));
  const lags = Math.min(LAGS, known.length - 1);
  if (lags < 1) return null;
  const ordered = Float64Array.from(known, (row) => residuals[row] as number);
  const { statistic, pValue } = ljungBox(ordered, lags);
  return { statistic: orNull(statistic), pValue: orNull(pValue), lags, durbinWatson: orNull(durbinWatson(ordered)) };
}

function histogramOf(sorted: Float64Array): Residuals['histogram'] {
  const low = quantile(sorted, HISTOGRAM_TAIL);
  const high = quantile(sorted, 1 - HISTOGRAM_TAIL);
  if (!(high > low)) return [{ from: sorted[0] as number, to: sorted[sorted.length - 1] as number, rows: sorted.length }];
  const width = (high - low) / HISTOGRAM_BINS;
  const bins = Array.from({ length: HISTOGRAM_BINS }, (_, index) => ({
    from: low + index * width,
    to: low + (index + 1) * width,
    rows: 0,
  }));
  for (const value of sorted) {
    const bin = bins[Math.min(HISTOGRAM_BINS - 1, Math.max(0, Math.floor((value - low) / width)))];
    if (bin) bin.rows += 1;
  }
  return bins;
}

function notesOn({ heteroscedasticity, autocorrelation, deciles }: Omit<Residuals, 'notes'>): string[] {
  const notes: string[] = [];
  if (isSurprising(heteroscedasticity.pValue))
    notes.push(
      'The size of the errors depends on the prediction: one interval for all predictions would be too wide for some and too narrow for others.',
    );
  if (isSurprising(autocorrelation?.pValue))
    notes.push(
      'Errors that follow each other in time are alike: something that lasts is not among the columns, and intervals are narrower than they should be.',
    );
  const worst = deciles.toSorted((left, right) => right.rmse - left.rmse)[0];
  if (worst && deciles.length > 1)
    notes.push(`Errors are largest for predictions from ${show(worst.from)} to ${show(worst.to)} (root mean square ${show(worst.rmse)}).`);
  return notes;
}

function isSurprising(pValue: number | null | undefined): boolean {
  return pValue !== null && pValue !== undefined && pValue < SURPRISING;
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function show(value: number): string {
  return String(Number(value.toPrecision(4)));
}
