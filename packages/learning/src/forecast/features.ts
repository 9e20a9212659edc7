import { BASE_METHODS, METHOD_COUNT, baseForecasts } from './baselines.ts';
import { calendarOf, calendarParts, type Frequency, stepTime } from './frequency.ts';
import { type ForecastShape, type SeriesData, meanAbsolute, meanBetween } from './series.ts';
import type { SmoothingParameters } from './smoothing.ts';

/** What the trees see of one step ahead: everything relative to the base forecast and to the series' own size. */
export interface FeatureLayout {
  readonly shape: ForecastShape;
  /** Null when the steps have no calendar. */
  readonly frequency: Frequency | null;
  readonly covariates: readonly string[];
}

/** Cycles of each season whose values at the same phase are features. */
const LAG_CYCLES = 3;
/** The base that the trees correct: exponential smoothing. */
const BASE = BASE_METHODS.indexOf('smoothing');

/** Names of the features, in the order of the columns. */
export function featureNames(layout: FeatureLayout): string[] {
  return groupedFeatures(layout).map(({ name }) => name);
}

/** Every feature with what kind of knowledge it is: what explanations are told by. A covariate is its own group. */
export function groupedFeatures({ shape, frequency, covariates }: FeatureLayout): { readonly name: string; readonly group: string }[] {
  const { seasons } = shape;
  const groups: [string, string[]][] = [
    ['steps ahead', ['step']],
    ['calendar', [...seasons.map((season) => `phase of ${season}`), ...(frequency ? calendarParts(frequency) : [])]],
    ['other methods', BASE_METHODS.filter((_, index) => index !== BASE)],
    [
      'recent errors',
      [...BASE_METHODS.map((method) => `recent error of ${method}`), ...BASE_METHODS.map((method) => `recent bias of ${method}`)],
    ],
    ['lags', lagSteps(shape).map(({ season, cycle }) => `lag ${cycle} x ${season}`)],
    ['recent values', ['last value', 'last slope', ...seasons.map((season) => `mean of ${season}`), 'deviation']],
    ...covariates.map((name): [string, string[]] => [
      name,
      [name, ...seasons.map((season) => `${name} against ${season} before`), `${name} mean`],
    ]),
  ];
  return groups.flatMap(([group, names]) => names.map((name) => ({ name, group })));
}

function lagSteps({ seasons }: ForecastShape): { season: number; cycle: number }[] {
  return (seasons.length > 0 ? seasons : [1]).flatMap((season) =>
    Array.from({ length: LAG_CYCLES }, (_, cycle) => ({ season, cycle: cycle + 1 })),
  );
}

/** One origin of one series, ready to be written as feature rows. */
export interface Situation {
  readonly series: SeriesData;
  readonly origin: number;
  /** [method][step]. */
  readonly bases: readonly Float64Array[];
  /** Mean absolute size of the recent past: errors and lags are measured in it. Positive. */
  readonly size: number;
  readonly errors: readonly number[];
  readonly biases: readonly number[];
  readonly means: readonly number[];
  readonly deviation: number;
}

/** The forecast the trees correct. */
export const baseOf = (situation: Situation): Float64Array => situation.bases[BASE] as Float64Array;

/** Everything that is computed once for each origin (ascending), from values before it only. */
export function situationsOf(
  series: SeriesData,
  origins: readonly number[],
  shape: ForecastShape,
  smoothing: SmoothingParameters,
): Situation[] {
  const { horizon, seasons } = shape;
  const before = origins.map((origin) => Math.max(0, origin - horizon));
  const all = [...new Set([...origins, ...before])].toSorted((a, b) => a - b);
  const forecasts = baseForecasts(series.values, all, horizon, seasons, smoothing);
  const byOrigin = new Map(all.map((origin, index) => [origin, forecasts[index] as Float64Array[]]));
  return origins.map((origin, index) =>
    situationAt(series, origin, shape, byOrigin.get(origin) ?? [], byOrigin.get(before[index] as number) ?? []),
  );
}

function situationAt(
  series: SeriesData,
  origin: number,
  { horizon, seasons }: ForecastShape,
  bases: Float64Array[],
  past: Float64Array[],
): Situation {
  const { values } = series;
  const window = Math.max(seasons.at(-1) ?? 1, Math.min(horizon, 12));
  const size = sizeOf(values, origin, window);
  const from = Math.max(0, origin - horizon);
  const errors: number[] = [];
  const biases: number[] = [];
  for (let method = 0; method < METHOD_COUNT; method += 1) {
    let sum = 0;
    let signed = 0;
    let count = 0;
    for (let at = from; at < origin; at += 1) {
      const error = ((values[at] as number) - ((past[method] as Float64Array)[at - from] as number)) / size;
      if (error !== error) continue;
      sum += Math.abs(error);
      signed += error;
      count += 1;
    }
    errors.push(count === 0 ? Number.NaN : sum / count);
    biases.push(count === 0 ? Number.NaN : signed / count);
  }
  const recent = meanBetween(values, origin - window, origin);
  let spread = 0;
  let count = 0;
  for (let at = Math.max(0, origin - window); at < origin; at += 1) {
    const value = values[at] as number;
    if (value !== value) continue;
    spread += (value - recent) ** 2;
    count += 1;
  }
  const means = seasons.map((season) => meanBetween(values, origin - season, origin));
  return { series, origin, bases, size, errors, biases, means, deviation: count === 0 ? Number.NaN : Math.sqrt(spread / count) / size };
}

/** Mean absolute value of the recent window, of everything before the origin when that is zero or unknown, else 1. */
export function sizeOf(values: Float64Array, origin: number, window: number): number {
  const recent = meanAbsolute(values, origin - window, origin);
  if (recent > 0) return recent;
  const all = meanAbsolute(values, 0, origin);
  return all > 0 ? all : 1;
}

/** Writes the features of steps 1..count of a situation to consecutive rows of column-major columns. */
export function writeRows(
  layout: FeatureLayout,
  situation: Situation,
  count: number,
  columns: readonly Float32Array[],
  firstRow: number,
): void {
  const parts = layout.frequency ? calendarParts(layout.frequency) : [];
  for (let step = 0; step < count; step += 1) {
    let column = 0;
    const put = (value: number) => {
      (columns[column] as Float32Array)[firstRow + step] = value;
      column += 1;
    };
    writeTime(layout, situation, step, parts, put);
    writeValues(layout, situation, step, put);
    writeCovariates(layout, situation, step, put);
  }
}

function writeTime(
  { shape, frequency }: FeatureLayout,
  { series, origin }: Situation,
  step: number,
  parts: readonly string[],
  put: (value: number) => void,
) {
  const index = series.startIndex + origin + step;
  put(step + 1);
  for (const season of shape.seasons) put(((index % season) + season) % season);
  if (frequency) for (const value of calendarOf(parts, stepTime(frequency, index))) put(value);
}

function writeValues({ shape }: FeatureLayout, situation: Situation, step: number, put: (value: number) => void) {
  const { series, origin, bases, size, errors, biases, means, deviation } = situation;
  const { values } = series;
  const base = (bases[BASE] as Float64Array)[step] as number;
  const relative = (value: number | undefined) => ((value ?? Number.NaN) - base) / size;
  for (let method = 0; method < METHOD_COUNT; method += 1) if (method !== BASE) put(relative((bases[method] as Float64Array)[step]));
  errors.forEach(put);
  biases.forEach(put);
  for (const { season, cycle } of lagSteps(shape)) {
    const at = origin + step - (Math.ceil((step + 1) / season) + cycle - 1) * season;
    put(at < 0 ? Number.NaN : relative(values[at]));
  }
  put(relative(values[origin - 1]));
  put(((values[origin - 1] ?? Number.NaN) - (values[origin - 2] ?? Number.NaN)) / size);
  for (const mean of means) put(relative(mean));
  put(deviation);
}

function writeCovariates({ shape }: FeatureLayout, { series, origin }: Situation, step: number, put: (value: number) => void) {
  const at = origin + step;
  const short = shape.seasons[0] ?? 3;
  for (const covariate of series.covariates) {
    const value = covariate[at] ?? Number.NaN;
    put(value);
    for (const season of shape.seasons) {
      const past = at - Math.ceil((step + 1) / season) * season;
      put(past < 0 ? Number.NaN : value - (covariate[past] as number));
    }
    put(meanBetween(covariate, at + 1 - short, at + 1));
  }
}
