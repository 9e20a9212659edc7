/** Pivots below this share of their diagonal are of columns that the others already say. */
const DEPENDENT_RATIO = 1e-9;

/** Sums over rows, each weighted by the curvature of its loss. */
export interface GainMoments {
  /** [size × size] products of the columns that a model may have already. */
  readonly gram: Float64Array;
  /** [size] products of the new column with each of these. */
  readonly cross: Float64Array;
  /** Square of the new column. */
  readonly square: number;
  /** [size] slopes of the loss with each column, and the slope with the new one. */
  readonly slopes: Float64Array;
  readonly slope: number;
}

/** What a column still says when others are known: how to take them out of it, and how much it would lower the loss. */
interface PartialGain {
  /** [size] multiples of the other columns to take away. */
  readonly projection: Float64Array;
  /** The score statistic, chi-squared with one degree of freedom when the column says nothing more. Source: Rao 1948. */
  readonly gain: number;
}

/** The gain of a column beyond those of `gram`; 0 when these say all of it. */
export function partialGain({ gram, cross, square, slopes, slope }: GainMoments): PartialGain {
  const size = cross.length;
  const projection = solveDependent(gram, cross, size);
  let rest = square;
  let score = slope;
  for (let at = 0; at < size; at += 1) {
    rest -= (projection[at] as number) * (cross[at] as number);
    score -= (projection[at] as number) * (slopes[at] as number);
  }
  return { projection, gain: rest > DEPENDENT_RATIO * square ? (score * score) / rest : 0 };
}

/** Solves gram · x = right by Cholesky, columns that depend on those before them left out. */
function solveDependent(gram: Float64Array, right: Float64Array, size: number): Float64Array {
  const factor = new Float64Array(size * size);
  const solution = new Float64Array(size);
  for (let a = 0; a < size; a += 1) {
    const diagonal = gram[a * size + a] as number;
    for (let b = 0; b <= a; b += 1) {
      let sum = gram[a * size + b] as number;
      for (let c = 0; c < b; c += 1) sum -= (factor[a * size + c] as number) * (factor[b * size + c] as number);
      if (a === b) factor[a * size + a] = sum > DEPENDENT_RATIO * diagonal ? Math.sqrt(sum) : 0;
      else factor[a * size + b] = (factor[b * size + b] as number) === 0 ? 0 : sum / (factor[b * size + b] as number);
    }
    let sum = right[a] as number;
    for (let b = 0; b < a; b += 1) sum -= (factor[a * size + b] as number) * (solution[b] as number);
    solution[a] = factor[a * size + a] === 0 ? 0 : sum / (factor[a * size + a] as number);
  }
  for (let a = size - 1; a >= 0; a -= 1) {
    if (factor[a * size + a] === 0) continue;
    let sum = solution[a] as number;
    for (let b = a + 1; b < size; b += 1) sum -= (factor[b * size + a] as number) * (solution[b] as number);
    solution[a] = sum / (factor[a * size + a] as number);
  }
  return solution;
}
