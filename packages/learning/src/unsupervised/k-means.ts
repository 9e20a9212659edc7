import { createRandom, type Random } from '@slipway/statistics';
import type { Points } from './space.ts';

/** Rounds of moving the centres; it settles long before. */
export const ROUND_LIMIT = 300;
/** Seedings that are tried; the one with the least inertia is kept. */
export const SEEDINGS = 8;

export interface Clustering {
  readonly count: number;
  /** [count × width]. */
  readonly centres: Float64Array;
  /** Sum of squared distances of the rows to their centres. */
  readonly inertia: number;
  readonly assigned: Int32Array;
}

/** Lloyd's k-means from k-means++ seeds (Arthur & Vassilvitskii 2007), the best of several seedings, deterministic by seed. */
export function fitClusters(points: Points, count: number, seed: number | string, seedings = SEEDINGS): Clustering {
  const random = createRandom(`k-means:${seed}`);
  let best: Clustering | undefined;
  for (let attempt = 0; attempt < seedings; attempt += 1) {
    const found = lloyd(points, seedCentres(points, count, random));
    if (!best || found.inertia < best.inertia) best = found;
  }
  return bySize(best as Clustering, points.width);
}

/** The largest cluster is the first, so that numbers mean the same from run to run. */
function bySize({ count, centres, inertia, assigned }: Clustering, width: number): Clustering {
  const sizes = new Int32Array(count);
  for (const cluster of assigned) sizes[cluster] = (sizes[cluster] as number) + 1;
  const order = Array.from(sizes.keys()).toSorted((a, b) => (sizes[b] as number) - (sizes[a] as number) || a - b);
  const place = new Int32Array(count);
  order.forEach((cluster, at) => (place[cluster] = at));
  const sorted = new Float64Array(centres.length);
  order.forEach((cluster, at) => sorted.set(centres.subarray(cluster * width, (cluster + 1) * width), at * width));
  return { count, centres: sorted, inertia, assigned: assigned.map((cluster) => place[cluster] as number) };
}

function seedCentres({ rowCount, width, values }: Points, count: number, random: Random): Float64Array {
  const centres = new Float64Array(count * width);
  const nearest = new Float64Array(rowCount).fill(Number.POSITIVE_INFINITY);
  let chosen = random.int(rowCount);
  for (let centre = 0; centre < count; centre += 1) {
    centres.set(values.subarray(chosen * width, (chosen + 1) * width), centre * width);
    let total = 0;
    for (let row = 0; row < rowCount; row += 1) {
      const distance = squaredDistance(values, row, centres, centre, width);
      if (distance < (nearest[row] as number)) nearest[row] = distance;
      total += nearest[row] as number;
    }
    let left = random.next() * total;
    chosen = 0;
    while (chosen < rowCount - 1 && (left -= nearest[chosen] as number) > 0) chosen += 1;
  }
  return centres;
}

/** Moves centres to the means of their rows until nothing changes. An emptied cluster takes the row that is farthest from its centre. */
export function lloyd(points: Points, start: Float64Array): Clustering {
  const { rowCount, width, values } = points;
  const centres = start.slice();
  const count = centres.length / width;
  const assigned = new Int32Array(rowCount).fill(-1);
  const distances = new Float64Array(rowCount);
  for (let round = 0; round < ROUND_LIMIT; round += 1) {
    if (!assign(points, centres, assigned, distances)) break;
    const sizes = new Int32Array(count);
    centres.fill(0);
    for (let row = 0; row < rowCount; row += 1) {
      const cluster = assigned[row] as number;
      sizes[cluster] = (sizes[cluster] as number) + 1;
      for (let at = 0; at < width; at += 1)
        centres[cluster * width + at] = (centres[cluster * width + at] as number) + (values[row * width + at] as number);
    }
    for (let cluster = 0; cluster < count; cluster += 1) {
      const size = sizes[cluster] as number;
      if (size > 0) {
        for (let at = 0; at < width; at += 1) centres[cluster * width + at] = (centres[cluster * width + at] as number) / size;
        continue;
      }
      const farthest = distances.indexOf(distances.reduce((most, each) => Math.max(most, each)));
      centres.set(values.subarray(farthest * width, (farthest + 1) * width), cluster * width);
      distances[farthest] = 0;
    }
  }
  assign(points, centres, assigned, distances);
  return { count, centres, inertia: distances.reduce((sum, each) => sum + each, 0), assigned };
}

/** The nearest centre of each row, the first of equals. @returns whether any row changed its centre. */
function assign({ rowCount, width, values }: Points, centres: Float64Array, assigned: Int32Array, distances: Float64Array): boolean {
  const count = centres.length / width;
  let hasChanged = false;
  for (let row = 0; row < rowCount; row += 1) {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let cluster = 0; cluster < count; cluster += 1) {
      const distance = squaredDistance(values, row, centres, cluster, width);
      if (distance < least) [best, least] = [cluster, distance];
    }
    if (assigned[row] !== best) hasChanged = true;
    assigned[row] = best;
    distances[row] = least;
  }
  return hasChanged;
}

export function squaredDistance(a: Float64Array, rowA: number, b: Float64Array, rowB: number, width: number): number {
  let sum = 0;
  const [startA, startB] = [rowA * width, rowB * width];
  for (let at = 0; at < width; at += 1) sum += ((a[startA + at] as number) - (b[startB + at] as number)) ** 2;
  return sum;
}

/** Distances to every centre [rowCount × count]. */
export function distancesTo({ rowCount, width, values }: Points, centres: Float64Array): Float64Array {
  const count = centres.length / width;
  const distances = new Float64Array(rowCount * count);
  for (let row = 0; row < rowCount; row += 1)
    for (let cluster = 0; cluster < count; cluster += 1)
      distances[row * count + cluster] = Math.sqrt(squaredDistance(values, row, centres, cluster, width));
  return distances;
}
