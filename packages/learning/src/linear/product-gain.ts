import type { Errors } from './errors.ts';
import { type GainMoments, partialGain } from './partial-gain.ts';

/** Sums of a factor's powers over rows, weighted by curvature, and of its first two with the slopes. */
interface Powers {
  readonly sums: readonly [one: number, first: number, second: number, third: number, fourth: number];
  readonly slopes: readonly [one: number, first: number, second: number];
}

/** The values of one factor on rows, and what all its products need of it. */
export interface Measured {
  readonly values: Float64Array;
  /** Rows where it is not 0; null when that may be all. */
  readonly rows: Int32Array | null;
  /** By output. */
  readonly powers: readonly Powers[];
}

/** @param isSparse whether the values are 0 on most rows. */
export function measure(values: Float64Array, errors: readonly Errors[], isSparse: boolean): Measured {
  const rows = isSparse ? Int32Array.from([...values.keys()].filter((row) => values[row] !== 0)) : null;
  return { values, rows, powers: errors.map((each) => powersOf(values, each)) };
}

function powersOf(values: Float64Array, { slopes, curvatures }: Errors): Powers {
  let [one, first, second, third, fourth, s, sx, sxx] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let row = 0; row < values.length; row += 1) {
    const [h, g, x] = [curvatures[row] as number, slopes[row] as number, values[row] as number];
    const xx = x * x;
    one += h;
    first += h * x;
    second += h * xx;
    third += h * xx * x;
    fourth += h * xx * xx;
    s += g;
    sx += g * x;
    sxx += g * xx;
  }
  return { sums: [one, first, second, third, fourth], slopes: [s, sx, sxx] };
}

/** Columns that a product must say more than: one, both factors and their squares. */
const BASIS = 5;

/** What the product of two factors would lower the loss by, beyond these and their squares; equal errors taken for granted. */
export function gainOf(errors: Errors, output: number, left: Measured, right: Measured): number {
  return partialGain(momentsOf(errors, output, left, right)).gain;
}

function momentsOf({ slopes, curvatures }: Errors, output: number, left: Measured, right: Measured): GainMoments {
  const shorter = left.rows && right.rows && right.rows.length < left.rows.length ? right.rows : (left.rows ?? right.rows);
  let [uv, uuv, uvv, uuvv, uuuv, uvvv, suv] = [0, 0, 0, 0, 0, 0, 0];
  const count = shorter?.length ?? left.values.length;
  for (let at = 0; at < count; at += 1) {
    const row = shorter ? (shorter[at] as number) : at;
    const x = left.values[row] as number;
    const y = right.values[row] as number;
    const xy = x * y;
    const hxy = (curvatures[row] as number) * xy;
    uv += hxy;
    uuv += hxy * x;
    uvv += hxy * y;
    uuvv += hxy * xy;
    uuuv += hxy * x * x;
    uvvv += hxy * y * y;
    suv += (slopes[row] as number) * xy;
  }
  const [own, other] = [left.powers[output] as Powers, right.powers[output] as Powers];
  const [one, u, uu, uuu, uuuu] = own.sums;
  const [, v, vv, vvv, vvvv] = other.sums;
  const gram = new Float64Array(BASIS * BASIS);
  gram.set([one, u, v, uu, vv, u, uu, uv, uuu, uvv, v, uv, vv, uuv, vvv, uu, uuu, uuv, uuuu, uuvv, vv, uvv, vvv, uuvv, vvvv]);
  return {
    gram,
    cross: Float64Array.of(uv, uuv, uvv, uuuv, uvvv),
    square: uuvv,
    slopes: Float64Array.of(own.slopes[0], own.slopes[1], other.slopes[1], own.slopes[2], other.slopes[2]),
    slope: suv,
  };
}

/** What is left of a product when its factors and their squares are taken out of it, row by row. */
export function remainder(errors: Errors, output: number, left: Measured, right: Measured): Float64Array {
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = partialGain(momentsOf(errors, output, left, right)).projection;
  return left.values.map((x, row) => {
    const y = right.values[row] as number;
    return x * y - a - b * x - c * y - d * x * x - e * y * y;
  });
}

/** Score statistic whose variance is that of the rows themselves. */
export function robustGain({ slopes }: Errors, rest: Float64Array): number {
  let sum = 0;
  let squares = 0;
  for (let row = 0; row < rest.length; row += 1) {
    const part = (slopes[row] as number) * (rest[row] as number);
    sum += part;
    squares += part * part;
  }
  return squares > 0 ? (sum * sum) / squares : 0;
}
