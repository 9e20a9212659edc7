/** One regular series: a value a step, NaN where there is none. */
export interface SeriesData {
  readonly id: string;
  /** Position of values[0] on the grid of the frequency (see `Frequency`). */
  readonly startIndex: number;
  readonly values: Float64Array;
  /** Known for the future: one array per covariate, aligned with `values`, as far beyond their end as is known. NaN = missing. */
  readonly covariates: readonly Float64Array[];
}

/** What every series of a forecaster shares. */
export interface ForecastShape {
  /** Steps ahead. */
  readonly horizon: number;
  /** Season lengths in steps, ascending; may be empty. */
  readonly seasons: readonly number[];
}

/** Mean of a stretch without its missing values; NaN when there is none. */
export function meanBetween(values: Float64Array, from: number, to: number): number {
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

/** Mean absolute value of a stretch without its missing values; NaN when there is none. */
export function meanAbsolute(values: Float64Array, from: number, to: number): number {
  let sum = 0;
  let count = 0;
  for (let at = Math.max(0, from); at < Math.min(values.length, to); at += 1) {
    const value = Math.abs(values[at] as number);
    if (value === value) {
      sum += value;
      count += 1;
    }
  }
  return count === 0 ? Number.NaN : sum / count;
}
