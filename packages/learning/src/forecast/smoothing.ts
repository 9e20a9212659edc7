import { createRandom, type Random } from '@slipway/statistics';

/**
 * Exponential smoothing in error-correction form with a damped trend, any number of additive seasons and an
 * autoregressive error (Taylor 2003, "double seasonal Holt-Winters"; Hyndman & Khandakar 2008 for the damped trend).
 * On logarithms its seasons multiply.
 */
export interface SmoothingParameters {
  /** Works on logarithms; only for series of positive values. */
  readonly log: boolean;
  /** Season lengths in steps, ascending; may be empty. */
  readonly seasons: readonly number[];
  /** How fast the level follows an error, 0..1. */
  readonly level: number;
  /** How fast the slope follows an error, 0..1; 0 keeps the slope it starts with at zero. */
  readonly trend: number;
  /** What is left of the slope after each step, 0..1. */
  readonly damping: number;
  /** How fast each season follows an error, 0..1. */
  readonly seasonal: readonly number[];
  /** Share of the last error that the next step repeats, 0..1. */
  readonly carry: number;
}

interface State {
  level: number;
  slope: number;
  error: number;
  readonly seasons: Float64Array[];
}

/** Cycles of the longest season that the starting seasons are averaged over. */
const START_CYCLES = 3;
const START_STEPS_MIN = 8;

/** The mean of the numbers in a range, ignoring missing ones; NaN when there is none. */
function meanOf(values: Float64Array, from: number, to: number): number {
  let sum = 0;
  let count = 0;
  for (let at = Math.max(0, from); at < Math.min(values.length, to); at += 1) {
    const value = values[at] as number;
    if (value === value) {
      sum += value;
      count += 1;
    }
  }
  return count === 0 ? Number.NaN : sum / count;
}

/** Starting level and seasons by averages of the first cycles, longest season last (it takes what the others leave). */
function startState(values: Float64Array, seasons: readonly number[]): State {
  const longest = seasons.at(-1) ?? START_STEPS_MIN;
  const span = Math.min(values.length, longest * START_CYCLES);
  const whole = Math.max(longest, Math.floor(span / longest) * longest);
  const level = meanOf(values, 0, whole);
  const rest = values.slice(0, whole).map((value) => value - level);
  const profiles = seasons.map((season) => {
    const sums = new Float64Array(season);
    const counts = new Float64Array(season);
    rest.forEach((value, at) => {
      if (value !== value) return;
      sums[at % season] = (sums[at % season] as number) + value;
      counts[at % season] = (counts[at % season] as number) + 1;
    });
    const profile = sums.map((sum, phase) => ((counts[phase] as number) > 0 ? sum / (counts[phase] as number) : 0));
    rest.forEach((value, at) => {
      rest[at] = value - (profile[at % season] as number);
    });
    return profile;
  });
  return { level: Number.isNaN(level) ? 0 : level, slope: 0, error: 0, seasons: profiles };
}

function seasonSum(state: State, seasons: readonly number[], at: number): number {
  let sum = 0;
  for (let index = 0; index < seasons.length; index += 1)
    sum += (state.seasons[index] as Float64Array)[at % (seasons[index] as number)] as number;
  return sum;
}

/** Takes one value in; a missing one moves level and slope on. */
function advance(state: State, parameters: SmoothingParameters, at: number, value: number): void {
  const { seasons, level, trend, damping, seasonal, carry } = parameters;
  const slope = state.slope * damping;
  const before = state.level + slope + seasonSum(state, seasons, at);
  if (value !== value) {
    state.level += slope;
    state.slope = slope;
    state.error *= carry;
    return;
  }
  const error = value - before - carry * state.error;
  state.level += slope + level * error;
  state.slope = slope + level * trend * error;
  for (let index = 0; index < seasons.length; index += 1) {
    const profile = state.seasons[index] as Float64Array;
    const phase = at % (seasons[index] as number);
    profile[phase] = (profile[phase] as number) + (seasonal[index] as number) * error;
  }
  state.error = value - (state.level + seasonSum(state, seasons, at));
}

function project(state: State, parameters: SmoothingParameters, at: number, out: Float64Array): void {
  let { level, slope, error } = state;
  for (let step = 0; step < out.length; step += 1) {
    slope *= parameters.damping;
    level += slope;
    error *= parameters.carry;
    out[step] = level + seasonSum(state, parameters.seasons, at + step) + error;
  }
}

/** Keeps forecasts of logarithms in range: none goes beyond this many times the largest (or below 1/this of the smallest) value seen. */
const LOG_STRETCH = Math.log(5);

function toWork(values: Float64Array, log: boolean): Float64Array {
  return log ? values.map((value) => Math.log(value)) : values;
}

/**
 * Forecasts of `horizon` steps at each origin (origin t knows values[0..t-1]); origins ascending.
 * One pass over the values whatever the number of origins.
 */
export function smoothingForecasts(
  parameters: SmoothingParameters,
  values: Float64Array,
  origins: readonly number[],
  horizon: number,
): Float64Array[] {
  const work = toWork(values, parameters.log);
  // Only what the first origin knows may shape the start.
  const state = startState(work.subarray(0, origins[0] ?? 0), parameters.seasons);
  const forecasts: Float64Array[] = [];
  let at = 0;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const origin of origins) {
    for (; at < origin; at += 1) {
      const value = work[at] as number;
      if (value < low) low = value;
      if (value > high) high = value;
      advance(state, parameters, at, value);
    }
    const out = new Float64Array(horizon);
    project(state, parameters, at, out);
    if (parameters.log) {
      for (let step = 0; step < horizon; step += 1) {
        out[step] = Math.exp(Math.min(high + LOG_STRETCH, Math.max(low - LOG_STRETCH, out[step] as number)));
      }
    }
    forecasts.push(out);
  }
  return forecasts;
}

/** Origins at which a set of parameters is judged, and the values that a fit looks at. */
const FIT_ORIGIN_LIMIT = 24;
const FIT_VALUES_LIMIT = 3_000;
const FIT_TRIES = 48;
const FIT_ROUNDS = 3;

export interface SmoothingFit {
  readonly parameters: SmoothingParameters;
  /** Mean absolute error over all steps of the judged origins. */
  readonly error: number;
}

/** Origins spread over the later part of a series, the last leaving a whole horizon. */
function fitOrigins(length: number, seasons: readonly number[], horizon: number): number[] {
  const first = Math.max((seasons.at(-1) ?? 1) * 2, Math.floor(length * 0.4), 4);
  const last = length - Math.min(horizon, Math.max(1, Math.floor(length / 4)));
  if (last <= first) return last > 2 ? [last] : [];
  const count = Math.min(FIT_ORIGIN_LIMIT, last - first + 1);
  return [...new Set(Array.from({ length: count }, (_, index) => Math.round(first + ((last - first) * index) / Math.max(1, count - 1))))];
}

/** Mean absolute error of forecasts against the values that follow each origin. */
export function originError(values: Float64Array, origins: readonly number[], forecasts: readonly Float64Array[]): number {
  let sum = 0;
  let count = 0;
  origins.forEach((origin, index) => {
    const forecast = forecasts[index] as Float64Array;
    for (let step = 0; step < forecast.length && origin + step < values.length; step += 1) {
      const error = Math.abs((values[origin + step] as number) - (forecast[step] as number));
      if (error === error) {
        sum += error;
        count += 1;
      }
    }
  });
  return count === 0 ? Number.POSITIVE_INFINITY : sum / count;
}

const SPANS = { level: [0.001, 0.9], trend: [0, 0.3], damping: [0.8, 1], seasonal: [0, 0.7], carry: [0, 0.98] } as const;
/** Forms (seasons, logarithms) that stay in the search after its first round. */
const FORMS_KEPT = 2;

/**
 * Parameters that forecast best over the whole horizon (not only one step ahead), found by a seeded random search that
 * narrows. Judged on the later part of the series; each set of seasons is tried with and without logarithms, and the
 * best two forms are searched further. With `start`, only its form is searched, near it.
 */
export function fitSmoothing(
  values: Float64Array,
  options: {
    readonly seasons: readonly number[];
    readonly horizon: number;
    readonly seed: number | string;
    readonly start?: SmoothingParameters;
  },
): SmoothingFit {
  const recent = values.subarray(Math.max(0, values.length - FIT_VALUES_LIMIT));
  const usable = options.seasons.filter((season) => recent.length >= 2 * season + Math.min(options.horizon, season));
  const isPositive = recent.every((value) => value > 0 || value !== value);
  const { start } = options;
  if (start && start.seasons.every((season) => usable.includes(season)) && (isPositive || !start.log)) {
    const search = new ParameterSearch(recent, start.seasons, start.log, options, start);
    search.round(1);
    return search.best;
  }
  const sets = usable.length > 1 ? [usable, ...usable.map((season) => [season])] : [usable];
  const forms = sets.flatMap((seasons) =>
    (isPositive ? [false, true] : [false]).map((log) => new ParameterSearch(recent, seasons, log, options)),
  );
  forms.forEach((form) => form.round(0));
  const kept = forms.toSorted((a, b) => a.best.error - b.best.error).slice(0, FORMS_KEPT);
  for (let round = 1; round < FIT_ROUNDS; round += 1) kept.forEach((form) => form.round(round));
  return kept.reduce((best, form) => (form.best.error < best.best.error ? form : best)).best;
}

class ParameterSearch {
  best: SmoothingFit;
  readonly #values: Float64Array;
  readonly #origins: readonly number[];
  readonly #horizon: number;
  readonly #random: Random;

  constructor(
    values: Float64Array,
    seasons: readonly number[],
    log: boolean,
    { horizon, seed }: { readonly horizon: number; readonly seed: number | string },
    start?: SmoothingParameters,
  ) {
    this.#values = values;
    this.#horizon = horizon;
    this.#origins = fitOrigins(values.length, seasons, horizon);
    this.#random = createRandom(`${seed}/${seasons.join()}/${log}`);
    const first = start ?? {
      log,
      seasons,
      level: 0.1,
      trend: 0,
      damping: 0.9,
      seasonal: seasons.map(() => 0.15),
      carry: seasons.length > 0 ? 0.5 : 0,
    };
    this.best = { parameters: first, error: this.#judge(first) };
  }

  /** Tries parameters around the best ones so far: anywhere in the first round, then ever nearer. */
  round(round: number): void {
    if (this.#origins.length === 0) return;
    const { parameters: center } = this.best;
    const random = this.#random;
    const width = 3 ** -round;
    const pick = (current: number, [low, high]: readonly [number, number]) => {
      const value = round === 0 ? low + random.next() ** 1.5 * (high - low) : current + random.normal() * width * (high - low) * 0.5;
      return Math.min(high, Math.max(low, value));
    };
    for (let attempt = 0; attempt < FIT_TRIES / FIT_ROUNDS; attempt += 1) {
      const withTrend = random.next() < 0.4;
      const parameters = {
        log: center.log,
        seasons: center.seasons,
        level: pick(center.level, SPANS.level),
        trend: withTrend ? pick(center.trend, SPANS.trend) : 0,
        damping: withTrend ? pick(center.damping, SPANS.damping) : 0.9,
        seasonal: center.seasonal.map((value) => pick(value, SPANS.seasonal)),
        carry: random.next() < 0.25 ? 0 : pick(center.carry, SPANS.carry),
      };
      const error = this.#judge(parameters);
      if (error < this.best.error) this.best = { parameters, error };
    }
  }

  #judge(parameters: SmoothingParameters): number {
    return originError(this.#values, this.#origins, smoothingForecasts(parameters, this.#values, this.#origins, this.#horizon));
  }
}
