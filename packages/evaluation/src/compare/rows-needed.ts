/** The quantiles of the normal distribution behind an interval of 95 % and a power of 80 %. */
const INTERVAL_Z = 1.959964;
const POWER_Z = 0.841621;
/** More rows than this say only that it cannot be shown. */
export const ROWS_NEEDED_LIMIT = 10_000_000;

export interface Shown {
  /** How much better the new one was on so many rows, with the lower end of its interval of 95 %. */
  readonly value: number;
  readonly low: number;
  readonly rows: number;
  readonly margin: number;
  readonly require: 'no-worse' | 'better';
}

/**
 * Rows with which a paired comparison as noisy as this one would pass in four cases of five: `no-worse` when both versions
 * are equally good, `better` when the new one is as much better as it was here. Null when more rows would not help, or the
 * noise is not known. An interval narrows with the root of the rows: n' = n ((z + z') / z · (value - low) / distance)².
 */
export function rowsNeeded({ value, low, rows, margin, require }: Shown): number | null {
  const distance = require === 'better' ? value : margin;
  const half = value - low;
  if (!(distance > 0) || !(half > 0) || value < -margin) return null;
  const ratio = (((INTERVAL_Z + POWER_Z) / INTERVAL_Z) * half) / distance;
  const needed = Math.ceil(rows * ratio * ratio);
  return needed > ROWS_NEEDED_LIMIT ? null : needed;
}
