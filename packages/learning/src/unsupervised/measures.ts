import type { Points } from './space.ts';
import { squaredDistance } from './k-means.ts';

/**
 * Silhouette of each row: (b - a) / max(a, b), a = mean distance to its own cluster, b = to the nearest other one; 0 in a
 * cluster of one. scikit-learn's `silhouette_samples`. O(n²). Source: Rousseeuw 1987.
 */
export function silhouettes(points: Points, assigned: Int32Array, count: number): Float64Array {
  const { rowCount, width, values } = points;
  const sizes = new Int32Array(count);
  for (const cluster of assigned) sizes[cluster] = (sizes[cluster] as number) + 1;
  return Float64Array.from({ length: rowCount }, (_, row) => {
    const own = assigned[row] as number;
    if ((sizes[own] as number) < 2) return 0;
    const sums = new Float64Array(count);
    for (let other = 0; other < rowCount; other += 1) {
      const cluster = assigned[other] as number;
      sums[cluster] = (sums[cluster] as number) + Math.sqrt(squaredDistance(values, row, values, other, width));
    }
    const inside = (sums[own] as number) / ((sizes[own] as number) - 1);
    let outside = Number.POSITIVE_INFINITY;
    sums.forEach((sum, cluster) => {
      if (cluster !== own && (sizes[cluster] as number) > 0) outside = Math.min(outside, sum / (sizes[cluster] as number));
    });
    const most = Math.max(inside, outside);
    return Number.isFinite(outside) && most > 0 ? (outside - inside) / most : 0;
  });
}

/** Agreement of two divisions of the same rows beyond chance; 1 = the same, 0 = as by chance. Source: Hubert & Arabie 1985. */
export function adjustedRand(left: ArrayLike<number>, right: ArrayLike<number>): number {
  const cells = new Map<string, number>();
  const [rows, columns] = [new Map<number, number>(), new Map<number, number>()];
  for (let at = 0; at < left.length; at += 1) {
    const [a, b] = [left[at] as number, right[at] as number];
    cells.set(`${a},${b}`, (cells.get(`${a},${b}`) ?? 0) + 1);
    rows.set(a, (rows.get(a) ?? 0) + 1);
    columns.set(b, (columns.get(b) ?? 0) + 1);
  }
  const pairs = (counts: Iterable<number>) => [...counts].reduce((sum, count) => sum + (count * (count - 1)) / 2, 0);
  const [together, a, b] = [pairs(cells.values()), pairs(rows.values()), pairs(columns.values())];
  const all = (left.length * (left.length - 1)) / 2;
  const expected = all === 0 ? 0 : (a * b) / all;
  const most = (a + b) / 2;
  return most === expected ? 1 : (together - expected) / (most - expected);
}

/** Spearman's rank correlation, ties averaged. */
export function rankCorrelation(left: Float64Array, right: Float64Array): number {
  const [a, b] = [ranks(left), ranks(right)];
  const mean = (left.length + 1) / 2;
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((rank, row) => {
    const [x, y] = [rank - mean, (b[row] as number) - mean];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  });
  return aa === 0 || bb === 0 ? Number.NaN : ab / Math.sqrt(aa * bb);
}

function ranks(values: Float64Array): Float64Array {
  const order = Array.from(values.keys()).toSorted((x, y) => (values[x] as number) - (values[y] as number));
  const found = new Float64Array(values.length);
  for (let start = 0; start < order.length;) {
    let end = start;
    while (end + 1 < order.length && values[order[end + 1] as number] === values[order[start] as number]) end += 1;
    for (let at = start; at <= end; at += 1) found[order[at] as number] = (start + end) / 2 + 1;
    start = end + 1;
  }
  return found;
}
