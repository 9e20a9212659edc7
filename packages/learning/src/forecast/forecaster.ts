import type { Forest } from '../trees/tree.ts';
import { BASE_METHODS, METHOD_COUNT } from './baselines.ts';
import { type FeatureLayout, type Situation, situationsOf } from './features.ts';
import { type SeriesData, meanBetween } from './series.ts';
import type { SmoothingParameters } from './smoothing.ts';

/** What a forecast is mixed of: the base methods and the trees, which come last. */
export const MEMBERS = [...BASE_METHODS, 'trees'] as const;

/** Interval levels that every forecaster can answer with. */
export const INTERVAL_LEVELS = [0.5, 0.8, 0.9, 0.95] as const;

/** Widths of conformal intervals in units of a forecast's expected error: widths[level][step]. */
export type IntervalWidths = readonly (readonly number[])[];

/** What is known of series that have less than one cycle of history: the shape of the others. */
export interface ColdStart {
  /** Mean of a value over the level of its series, by position in the longest season. */
  readonly profile: readonly number[];
  /** Median level of the series, the guess for one without any history. */
  readonly level: number;
  /** Widths relative to the level, with some history and with none. */
  readonly shortWidths: readonly number[];
  readonly emptyWidths: readonly number[];
}

/** A trained forecaster as plain data, without the series themselves. */
export interface Forecaster {
  readonly layout: FeatureLayout;
  /** Parameters of each known series by id, and those that suit a new one. */
  readonly smoothing: { readonly bySeries: ReadonlyMap<string, SmoothingParameters>; readonly common: SmoothingParameters };
  /** Null when the series were too short to learn from. */
  readonly forest: Forest | null;
  /** One weight a member; they add up to 1. */
  readonly weights: readonly number[];
  readonly widths: IntervalWidths;
  /** Least expected error, relative to the size of a series: no interval is narrower than what it implies. */
  readonly errorFloor: number;
  readonly cold: ColdStart;
  /** Whether any training value was below zero; forecasts are cut at zero otherwise. */
  readonly canBeNegative: boolean;
}

/** Values a forecast needs in the past before the methods are trusted: one cycle of the shortest season. */
export function warmSteps(layout: FeatureLayout): number {
  return Math.max(4, layout.shape.seasons[0] ?? 4);
}

export function knownCount(values: Float64Array, origin: number): number {
  let count = 0;
  for (let at = 0; at < origin; at += 1) if (!Number.isNaN(values[at] as number)) count += 1;
  return count;
}

/** Situations of a series at the given origins with the parameters the forecaster has for it. */
export function situate(forecaster: Pick<Forecaster, 'layout' | 'smoothing'>, series: SeriesData, origins: readonly number[]): Situation[] {
  const parameters = forecaster.smoothing.bySeries.get(series.id) ?? forecaster.smoothing.common;
  return situationsOf(series, origins, forecaster.layout.shape, parameters);
}

/** The mixed forecast of a situation. Weights of trees that do not exist fall to the base. */
export function mixForecast(
  weights: readonly number[],
  situation: Situation,
  correction: Float64Array | undefined,
  canBeNegative: boolean,
): Float64Array {
  const base = situation.bases[METHOD_COUNT - 1] as Float64Array;
  return base.map((baseValue, step) => {
    let sum = 0;
    for (let method = 0; method < METHOD_COUNT; method += 1)
      if (weights[method] !== 0) sum += (weights[method] as number) * ((situation.bases[method] as Float64Array)[step] as number);
    sum += (weights[METHOD_COUNT] ?? 0) * (baseValue + situation.size * (correction?.[step] ?? 0));
    return canBeNegative ? sum : Math.max(0, sum);
  });
}

/** The error to expect, in the target's unit: what the base has been wrong by lately, but not less than the floor. */
export function expectedError({ errorFloor }: Pick<Forecaster, 'errorFloor'>, situation: Situation): number {
  const recent = situation.errors[METHOD_COUNT - 1] as number;
  return situation.size * (Number.isFinite(recent) ? (recent + errorFloor) / 2 : errorFloor);
}

export interface Forecast {
  readonly values: Float64Array;
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** Half the width of an interval at a step (from 0), in expected errors. */
export function widthFactor({ widths }: Pick<Forecaster, 'widths'>, level: number, step: number): number {
  const own = widths[INTERVAL_LEVELS.indexOf(level as (typeof INTERVAL_LEVELS)[number])] ?? [];
  return own[step] ?? own.at(-1) ?? 0;
}

/** Values with their interval at one of INTERVAL_LEVELS. */
export function intervalOf(forecaster: Forecaster, situation: Situation, values: Float64Array, level: number): Forecast {
  const unit = expectedError(forecaster, situation);
  const width = (step: number) => unit * widthFactor(forecaster, level, step);
  return {
    values,
    low: values.map((value, step) => (forecaster.canBeNegative ? value - width(step) : Math.max(0, value - width(step)))),
    high: values.map((value, step) => value + width(step)),
  };
}

/** What a forecast of a series with less than a cycle of history is made of. */
export interface ColdLevel {
  /** Its level so far, or the others' median. */
  readonly size: number;
  readonly isEmpty: boolean;
  /** Half the interval's width, in levels. */
  readonly factor: number;
  /** The others' shape at a position of the series. */
  readonly shape: (index: number) => number;
}

export function coldLevel(forecaster: Forecaster, series: SeriesData, origin: number, level: number): ColdLevel {
  const { profile } = forecaster.cold;
  const shape = (index: number) => profile[(((series.startIndex + index) % profile.length) + profile.length) % profile.length] ?? 1;
  const levels = series.values.subarray(0, origin).map((value, index) => value / (Math.abs(shape(index)) > 1e-9 ? shape(index) : 1));
  const known = meanBetween(levels, 0, levels.length);
  const isEmpty = Number.isNaN(known);
  const widths = isEmpty ? forecaster.cold.emptyWidths : forecaster.cold.shortWidths;
  const factor = widths[INTERVAL_LEVELS.indexOf(level as (typeof INTERVAL_LEVELS)[number])] ?? 1;
  return { size: isEmpty ? forecaster.cold.level : known, isEmpty, factor, shape };
}

/** Forecast of a series with less than a cycle of history: its level so far (or the others' median) times the others' shape. */
export function coldForecast(forecaster: Forecaster, series: SeriesData, origin: number, horizon: number, level: number): Forecast {
  const { size, factor, shape } = coldLevel(forecaster, series, origin, level);
  const width = Math.abs(size) * factor;
  const values = Float64Array.from({ length: horizon }, (_, step) => size * shape(origin + step));
  return {
    values,
    low: values.map((value) => (forecaster.canBeNegative ? value - width : Math.max(0, value - width))),
    high: values.map((value) => value + width),
  };
}
