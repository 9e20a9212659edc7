import { predictForest } from '../trees/tree.ts';
import { baseForecasts } from './baselines.ts';
import { type Forecaster, MEMBERS } from './forecaster.ts';
import { prepareForecasts } from './predict.ts';
import type { SeriesData } from './series.ts';
import { historySteps, windowOf } from './state.ts';

/** One forecast against what came: arrays of `horizon` steps, NaN where no truth is known. */
export interface ForecastTrial {
  readonly series: number;
  readonly origin: number;
  readonly values: Float64Array;
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly naive: Float64Array;
  readonly truth: Float64Array;
}

/** Feature rows and what the trainer says about them: the reference for parity. */
export interface ParitySample {
  readonly columns: readonly Float32Array[];
  readonly margins: Float64Array;
}

/** Rows the parity check compares at most. */
const PARITY_ROWS_LIMIT = 5_000;
const TRIALS_AT_ONCE = 64;

/** The share of a series that is kept for judging, as origins: rolling forecasts that see the values before them. */
export function testOrigins(length: number, horizon: number, testRatio: number): number[] {
  const count = Math.max(1, Math.min(TEST_ORIGINS_LIMIT, Math.floor((length * testRatio) / horizon)));
  const origins = Array.from({ length: count }, (_, index) => length - horizon * (count - index));
  return origins.filter((origin) => origin >= 1);
}

/** Rolling forecasts of one series that are judged. */
export const TEST_ORIGINS_LIMIT = 28;

/** Forecasts exactly as serving would make them, at origins after what the forecaster was trained on. */
export function tryForecaster(
  forecaster: Forecaster,
  series: readonly SeriesData[],
  origins: readonly (readonly number[])[],
  level: number,
  onProgress?: (ratio: number) => void,
): { trials: ForecastTrial[]; parity: ParitySample } {
  const { horizon, seasons } = forecaster.layout.shape;
  const steps = historySteps(forecaster.layout, series.length);
  const jobs = origins.flatMap((list, index) => list.map((origin) => ({ index, origin })));
  const trials: ForecastTrial[] = [];
  const sample: { columns: Float32Array[]; margins: Float64Array }[] = [];
  let sampled = 0;
  for (let from = 0; from < jobs.length; from += TRIALS_AT_ONCE) {
    const part = jobs.slice(from, from + TRIALS_AT_ONCE);
    const windows = part.map(({ index, origin }) => windowOf(series[index] as SeriesData, origin, steps, horizon));
    const prepared = prepareForecasts(
      forecaster,
      windows.map((window) => ({ ...window, level })),
    );
    const margins = forecaster.forest ? predictForest(forecaster.forest, prepared.matrix) : new Float64Array(prepared.matrix.rowCount);
    if (sampled < PARITY_ROWS_LIMIT) {
      sample.push({ columns: [...prepared.matrix.columns], margins });
      sampled += margins.length;
    }
    prepared.finish(margins).forEach((forecast, at) => {
      const { index, origin } = part[at] as (typeof jobs)[number];
      const window = windows[at] as (typeof windows)[number];
      const { values } = series[index] as SeriesData;
      const smoothing = forecaster.smoothing.common;
      const [naive] = baseForecasts(window.series.values, [window.origin], horizon, seasons, smoothing)[0] ?? [];
      const truth = Float64Array.from({ length: horizon }, (_, step) => values[origin + step] ?? Number.NaN);
      trials.push({ series: index, origin, ...forecast, naive: naive ?? truth, truth });
    });
    onProgress?.((from + part.length) / jobs.length);
  }
  return { trials, parity: joined(sample) };
}

function joined(parts: readonly { columns: Float32Array[]; margins: Float64Array }[]): ParitySample {
  const total = parts.reduce((sum, { margins }) => sum + margins.length, 0);
  const margins = new Float64Array(total);
  const columns = (parts[0]?.columns ?? []).map(() => new Float32Array(total));
  let at = 0;
  for (const part of parts) {
    margins.set(part.margins, at);
    part.columns.forEach((column, index) => columns[index]?.set(column, at));
    at += part.margins.length;
  }
  return { columns, margins };
}

/** Names of members with their weight above zero, largest first. */
export function usedMembers(weights: readonly number[]): { member: string; weight: number }[] {
  return MEMBERS.map((member, index) => ({ member, weight: weights[index] ?? 0 }))
    .filter(({ weight }) => weight > 0)
    .toSorted((a, b) => b.weight - a.weight);
}
