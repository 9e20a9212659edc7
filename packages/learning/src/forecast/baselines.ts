import { meanBetween } from './series.ts';
import { type SmoothingParameters, smoothingForecasts } from './smoothing.ts';

/** Forecasts that need no training, or a handful of parameters a series. The first is what all others are measured against. */
export const BASE_METHODS = ['seasonal-naive', 'long-seasonal-naive', 'seasonal-mean', 'drift', 'theta', 'smoothing'] as const;
export const METHOD_COUNT = BASE_METHODS.length;

/** Past cycles that the seasonal mean looks at. */
const MEAN_CYCLES = 4;
/** Values the theta method looks back on. */
const THETA_VALUES_LIMIT = 1_500;
/** How much of the way a value at the same phase is followed back when the nearest is missing. */
const MISSING_CYCLES = 6;

/** The value at the same phase of the nearest cycle before the origin that has one. */
function samePhase(values: Float64Array, origin: number, step: number, season: number, skip = 0): number {
  let at = origin + step - Math.ceil((step + 1) / season) * season - skip * season;
  for (let cycle = 0; cycle < MISSING_CYCLES && at >= 0; cycle += 1, at -= season) {
    const value = values[at] as number;
    if (value === value) return value;
  }
  return Number.NaN;
}

function lastKnown(values: Float64Array, origin: number): number {
  for (let at = origin - 1; at >= 0; at -= 1) if (!Number.isNaN(values[at] as number)) return values[at] as number;
  return Number.NaN;
}

function seasonalNaive(values: Float64Array, origin: number, horizon: number, season: number): Float64Array {
  const last = lastKnown(values, origin);
  return Float64Array.from({ length: horizon }, (_, step) => {
    const value = season > 1 ? samePhase(values, origin, step, season) : last;
    return Number.isNaN(value) ? last : value;
  });
}

/** Mean of the same phase in the last cycles, moved to the level of the last cycle. */
function seasonalMean(values: Float64Array, origin: number, horizon: number, season: number): Float64Array {
  const level = meanBetween(values, origin - season, origin);
  const before = meanBetween(values, origin - season * MEAN_CYCLES, origin);
  return Float64Array.from({ length: horizon }, (_, step) => {
    let sum = 0;
    let count = 0;
    for (let cycle = 0; cycle < MEAN_CYCLES; cycle += 1) {
      const at = origin + step - (Math.ceil((step + 1) / season) + cycle) * season;
      const value = at >= 0 ? (values[at] as number) : Number.NaN;
      if (value === value) {
        sum += value;
        count += 1;
      }
    }
    return count === 0 ? level : sum / count + level - before;
  });
}

function drift(values: Float64Array, origin: number, horizon: number, naive: Float64Array, season: number): Float64Array {
  // The slope between the first and the last season that are known, spread over the steps between them.
  const span = Math.max(1, Math.min(season, Math.floor(origin / 2)));
  const first = meanBetween(values, 0, span);
  const last = meanBetween(values, origin - span, origin);
  const slope = origin > span ? (last - first) / (origin - span) : 0;
  return naive.map((value, step) => value + (Number.isNaN(slope) ? 0 : slope * (Math.floor(step / span) + 1) * Math.min(span, horizon)));
}

/** Theta (Assimakopoulos & Nikolopoulos 2000): seasonally adjusted simple smoothing plus half of the linear trend. */
function theta(values: Float64Array, origin: number, horizon: number, season: number): Float64Array {
  const from = Math.max(0, origin - THETA_VALUES_LIMIT);
  const window = values.subarray(from, origin);
  const isSeasonal = season > 1 && window.length >= 2 * season;
  const isRatio = window.every((value) => value > 0 || value !== value);
  const shape = isSeasonal ? indices(window, season, isRatio) : undefined;
  const at = (position: number) => (shape ? (shape[position % season] as number) : isRatio ? 1 : 0);
  const adjusted = window.map((value, position) => (isRatio ? value / at(position) : value - at(position)));
  const { slope } = line(adjusted);
  const level = bestSimple(adjusted);
  return Float64Array.from({ length: horizon }, (_, step) => {
    const flat = level + (slope / 2) * (step + 1);
    const phase = at(window.length + step);
    return isRatio ? Math.max(0, flat) * phase : flat + phase;
  });
}

/** Seasonal indices: mean of values over (or minus) the centred level of their cycle. */
function indices(window: Float64Array, season: number, isRatio: boolean): Float64Array {
  const sums = new Float64Array(season);
  const counts = new Float64Array(season);
  const prefix = new Float64Array(window.length + 1);
  const known = new Float64Array(window.length + 1);
  window.forEach((value, at) => {
    prefix[at + 1] = (prefix[at] as number) + (value === value ? value : 0);
    known[at + 1] = (known[at] as number) + (value === value ? 1 : 0);
  });
  const half = Math.floor(season / 2);
  for (let at = half; at + season - half <= window.length; at += 1) {
    const count = (known[at + season - half] as number) - (known[at - half] as number);
    const value = window[at] as number;
    if (count === 0 || value !== value) continue;
    const level = ((prefix[at + season - half] as number) - (prefix[at - half] as number)) / count;
    sums[at % season] = (sums[at % season] as number) + (isRatio ? value / level : value - level);
    counts[at % season] = (counts[at % season] as number) + 1;
  }
  const neutral = isRatio ? 1 : 0;
  return sums.map((sum, phase) => ((counts[phase] as number) > 0 ? sum / (counts[phase] as number) || (isRatio ? 1e-6 : 0) : neutral));
}

function line(values: Float64Array): { slope: number } {
  let n = 0;
  let sx = 0;
  let sy = 0;
  let sxx = 0;
  let sxy = 0;
  values.forEach((value, at) => {
    if (value !== value) return;
    n += 1;
    sx += at;
    sy += value;
    sxx += at * at;
    sxy += at * value;
  });
  const spread = n * sxx - sx * sx;
  return { slope: spread > 0 ? (n * sxy - sx * sy) / spread : 0 };
}

const SIMPLE_RATES = [0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9] as const;

/** Last level of simple exponential smoothing with the rate that predicts one step ahead best. */
function bestSimple(values: Float64Array): number {
  let best = { error: Number.POSITIVE_INFINITY, level: Number.NaN };
  for (const rate of SIMPLE_RATES) {
    let level = Number.NaN;
    let error = 0;
    for (const value of values) {
      if (value !== value) continue;
      if (level !== level) level = value;
      error += (value - level) ** 2;
      level += rate * (value - level);
    }
    if (error < best.error) best = { error, level };
  }
  return best.level;
}

/**
 * Every base forecast of a series at each origin: result[origin][method] = horizon values. A method that has too little
 * to go by answers with the seasonal naive forecast, and that with the last value, so none is missing once a value is known.
 */
export function baseForecasts(
  values: Float64Array,
  origins: readonly number[],
  horizon: number,
  seasons: readonly number[],
  smoothing: SmoothingParameters,
): Float64Array[][] {
  const short = seasons[0] ?? 1;
  const long = seasons.at(-1) ?? 1;
  const canBeNegative = values.some((value) => value < 0);
  const smoothed = smoothingForecasts(smoothing, values, origins, horizon);
  return origins.map((origin, index) => {
    const naive = seasonalNaive(values, origin, horizon, short);
    const orNaive = (forecast: Float64Array, isUsable = true) =>
      forecast.map((value, step) => {
        const chosen = isUsable && Number.isFinite(value) ? value : (naive[step] as number);
        return canBeNegative ? chosen : Math.max(0, chosen);
      });
    return [
      naive,
      orNaive(seasonalNaive(values, origin, horizon, long), origin >= long),
      orNaive(seasonalMean(values, origin, horizon, long), origin >= long),
      orNaive(drift(values, origin, horizon, naive, short)),
      orNaive(theta(values, origin, horizon, short), origin >= 3),
      orNaive(smoothed[index] as Float64Array, origin >= Math.max(4, ...smoothing.seasons)),
    ];
  });
}
