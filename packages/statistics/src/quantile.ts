import { RangeOfValueError } from './errors.ts';

/** Quantile of ascending numbers by linear interpolation (type 7, as numpy and R). NaN of none. @param q 0..1. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  if (!(q >= 0 && q <= 1)) throw new RangeOfValueError(`A quantile lies in 0..1, got ${q}.`);
  if (sorted.length === 0) return Number.NaN;
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low + (high - low) * (position - below);
}

/** `binCount + 1` edges of equal width from minimum to maximum; two equal values give one bin of width one around them. */
export function equalWidthEdges(minimum: number, maximum: number, binCount: number): Float64Array {
  requireBins(binCount);
  if (!(maximum >= minimum)) throw new RangeOfValueError(`The maximum ${maximum} is below the minimum ${minimum}.`);
  const [from, to] = maximum === minimum ? [minimum - 0.5, maximum + 0.5] : [minimum, maximum];
  return Float64Array.from({ length: binCount + 1 }, (_, index) => (index === binCount ? to : from + ((to - from) * index) / binCount));
}

/** Inner edges that cut ascending numbers into `binCount` parts of about equal size; repeated edges are merged. */
export function quantileEdges(sorted: ArrayLike<number>, binCount: number): Float64Array {
  requireBins(binCount);
  const edges = Array.from({ length: binCount - 1 }, (_, index) => quantile(sorted, (index + 1) / binCount));
  return Float64Array.from(new Set(edges));
}

function requireBins(binCount: number): void {
  if (!Number.isInteger(binCount) || binCount < 1)
    throw new RangeOfValueError(`The number of bins must be a whole number above 0, got ${binCount}.`);
}

/** How many values fall into each bin [edge, next edge); the last bin also holds its upper edge; values outside are not counted. */
export function histogram(values: ArrayLike<number>, edges: ArrayLike<number>): Float64Array {
  const counts = new Float64Array(Math.max(0, edges.length - 1));
  for (let row = 0; row < values.length; row += 1) {
    const bin = binOf(values[row] as number, edges);
    if (bin >= 0) counts[bin] = (counts[bin] as number) + 1;
  }
  return counts;
}

function binOf(value: number, edges: ArrayLike<number>): number {
  const last = edges.length - 1;
  if (last < 1 || !(value >= (edges[0] as number) && value <= (edges[last] as number))) return -1;
  let low = 0;
  let high = last - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((edges[middle] as number) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
