import { normalQuantile } from '../distributions.ts';
import { type AnytimeOptions, anytimeInterval } from './anytime-interval.ts';

export interface ForecastRequest extends AnytimeOptions {
  /** How far the true effect lies beyond the line it has to be told from, in the unit of the estimate. */
  readonly distance: number;
  /** Standard deviation of the estimate times the square root of all units: see {@link unpairedSpread}. */
  readonly spread: number;
}

export interface UnitsForecast {
  /** All units, of both arms, after which half of such rollouts have decided; null when beyond {@link FORECAST_UNITS_MAX}. */
  readonly median: number | null;
  /** After which nine of ten have. */
  readonly p90: number | null;
}

/** A forecast beyond this is none. */
export const FORECAST_UNITS_MAX = 1e12;

/** Spread of a difference of two means per unit of the whole traffic, of which the candidate has `share`. */
export function unpairedSpread(championDeviation: number, candidateDeviation: number, share: number): number {
  return Math.sqrt(candidateDeviation ** 2 / share + championDeviation ** 2 / (1 - share));
}

/**
 * How many units an effect needs until the confidence sequence excludes the line. A sequence may decide at every look; the
 * probability that it has decided by n is at least that of deciding at n itself, so these numbers err on the safe side.
 */
export function forecastUnits(request: ForecastRequest): UnitsForecast {
  return { median: unitsFor(request, 0.5), p90: unitsFor(request, 0.9) };
}

function unitsFor({ distance, spread, alpha, effectScale }: ForecastRequest, probability: number): number | null {
  if (!(distance > 0) || !Number.isFinite(spread)) return null;
  if (spread === 0) return 1;
  const quantile = normalQuantile(probability);
  const decides = (units: number) => {
    const error = spread / Math.sqrt(units);
    return anytimeInterval(distance - quantile * error, error, { alpha, effectScale }).low >= 0;
  };
  if (!decides(FORECAST_UNITS_MAX)) return null;
  let low = 0;
  let high = FORECAST_UNITS_MAX;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (decides(middle)) high = middle;
    else low = middle;
  }
  return high;
}
