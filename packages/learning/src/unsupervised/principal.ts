import type { Points } from './space.ts';

export interface Components {
  /** [count × width], orthonormal; the largest weight of each is positive. */
  readonly directions: Float64Array;
  readonly count: number;
  /** Variance along each, and of all dimensions together; divided by rows - 1. */
  readonly variances: Float64Array;
  readonly total: number;
}

/** Cycles of rotations; convergence is quadratic, ten do. */
const SWEEP_LIMIT = 60;

/** Directions of most variance of centred points, all of them, the largest first. */
export function fitComponents(points: Points): Components {
  const { width } = points;
  const covariance = covarianceOf(points);
  const { values, vectors } = eigen(covariance, width);
  const order = Array.from(values.keys()).toSorted((a, b) => (values[b] as number) - (values[a] as number) || a - b);
  const directions = new Float64Array(width * width);
  order.forEach((column, at) => {
    let largest = 0;
    for (let row = 0; row < width; row += 1) {
      const weight = vectors[row * width + column] as number;
      if (Math.abs(weight) > Math.abs(largest) + 1e-12) largest = weight;
      directions[at * width + row] = weight;
    }
    if (largest < 0) for (let row = 0; row < width; row += 1) directions[at * width + row] = -(directions[at * width + row] as number);
  });
  const variances = Float64Array.from(order, (column) => Math.max(0, values[column] as number));
  return { directions, count: width, variances, total: variances.reduce((sum, each) => sum + each, 0) };
}

/** The first so many components. */
export function firstComponents({ directions, variances, total, count }: Components, wanted: number, width: number): Components {
  const kept = Math.min(wanted, count);
  return { directions: directions.slice(0, kept * width), variances: variances.slice(0, kept), total, count: kept };
}

function covarianceOf({ rowCount, width, values }: Points): Float64Array {
  const covariance = new Float64Array(width * width);
  for (let row = 0; row < rowCount; row += 1) {
    for (let a = 0; a < width; a += 1) {
      const value = values[row * width + a] as number;
      if (value === 0) continue;
      for (let b = a; b < width; b += 1)
        covariance[a * width + b] = (covariance[a * width + b] as number) + value * (values[row * width + b] as number);
    }
  }
  for (let a = 0; a < width; a += 1) {
    for (let b = a; b < width; b += 1) {
      const value = (covariance[a * width + b] as number) / Math.max(1, rowCount - 1);
      covariance[a * width + b] = value;
      covariance[b * width + a] = value;
    }
  }
  return covariance;
}

/** Eigenvalues and vectors (in columns) of a symmetric matrix by cyclic Jacobi rotations. Source: Golub & Van Loan, 8.5. */
export function eigen(matrix: Float64Array, width: number): { values: Float64Array; vectors: Float64Array } {
  const a = matrix.slice();
  const vectors = new Float64Array(width * width);
  for (let at = 0; at < width; at += 1) vectors[at * width + at] = 1;
  const norm = Math.sqrt(a.reduce((sum, each) => sum + each * each, 0));
  for (let sweep = 0; sweep < SWEEP_LIMIT; sweep += 1) {
    let off = 0;
    for (let p = 0; p < width; p += 1) for (let q = p + 1; q < width; q += 1) off += (a[p * width + q] as number) ** 2;
    if (Math.sqrt(off) <= 1e-15 * norm) break;
    for (let p = 0; p < width; p += 1) for (let q = p + 1; q < width; q += 1) rotate(a, vectors, width, p, q);
  }
  return { values: Float64Array.from({ length: width }, (_, at) => a[at * width + at] as number), vectors };
}

function rotate(a: Float64Array, vectors: Float64Array, width: number, p: number, q: number): void {
  const apq = a[p * width + q] as number;
  if (apq === 0) return;
  const theta = ((a[q * width + q] as number) - (a[p * width + p] as number)) / (2 * apq);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let k = 0; k < width; k += 1) {
    const [kp, kq] = [a[k * width + p] as number, a[k * width + q] as number];
    a[k * width + p] = c * kp - s * kq;
    a[k * width + q] = s * kp + c * kq;
  }
  for (let k = 0; k < width; k += 1) {
    const [pk, qk] = [a[p * width + k] as number, a[q * width + k] as number];
    a[p * width + k] = c * pk - s * qk;
    a[q * width + k] = s * pk + c * qk;
    const [vp, vq] = [vectors[k * width + p] as number, vectors[k * width + q] as number];
    vectors[k * width + p] = c * vp - s * vq;
    vectors[k * width + q] = s * vp + c * vq;
  }
}

/** Coordinates of points along the components [rowCount × count]. */
export function project(
  { rowCount, width, values }: Points,
  { directions, count }: Pick<Components, 'directions' | 'count'>,
): Float64Array {
  const projected = new Float64Array(rowCount * count);
  for (let row = 0; row < rowCount; row += 1) {
    for (let component = 0; component < count; component += 1) {
      let sum = 0;
      for (let at = 0; at < width; at += 1) sum += (values[row * width + at] as number) * (directions[component * width + at] as number);
      projected[row * count + component] = sum;
    }
  }
  return projected;
}

/** What the components leave out of each point: the distance to its projection. */
export function residuals({ rowCount, width, values }: Points, projected: Float64Array, count: number): Float64Array {
  return Float64Array.from({ length: rowCount }, (_, row) => {
    let squares = 0;
    for (let at = row * width; at < (row + 1) * width; at += 1) squares += (values[at] as number) ** 2;
    for (let at = row * count; at < (row + 1) * count; at += 1) squares -= (projected[at] as number) ** 2;
    return Math.sqrt(Math.max(0, squares));
  });
}
