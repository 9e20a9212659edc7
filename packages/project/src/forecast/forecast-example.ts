import { toRfc3339 } from '@slipway/kernel';
import { type ForecastMetadata, type ForecastState, stepTime } from '@slipway/learning';

/** Future rows that the example shown with a result has; a real call sends one for each step. */
export const EXAMPLE_FUTURE_STEPS = 2;

/**
 * A call the forecaster accepts: one of its series, and for known columns future rows with their last known values.
 * @param which position of the series, taken modulo their number.
 */
export function forecastExample(
  metadata: ForecastMetadata,
  state: ForecastState,
  which: number,
  futureSteps: number,
): Record<string, unknown> {
  const series = state.series[which % Math.max(1, state.series.length)];
  if (!series) return {};
  const end = series.values.length;
  const lastOf = (column: number) => series.covariates[column]?.slice(0, end).findLast((value) => value !== null) ?? 0;
  const future = Array.from({ length: Math.min(futureSteps, metadata.horizon) }, (_, step) => ({
    [metadata.time]: toRfc3339(stepTime(metadata.frequency, series.startIndex + end + step)),
    ...Object.fromEntries(metadata.covariates.map((name, column) => [name, lastOf(column)])),
  }));
  return {
    ...(metadata.series === null ? {} : { series: series.id }),
    ...(metadata.covariates.length > 0 ? { future } : {}),
  };
}
