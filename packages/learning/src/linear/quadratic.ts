import type { Design } from './design.ts';

/** Strength of the penalty strength · (l1Ratio·|w|₁ + (1 - l1Ratio)/2·|w|²), on top of the mean loss; the intercept is free. */
export interface Penalty {
  readonly strength: number;
  /** 0 = ridge, 1 = lasso. */
  readonly l1Ratio: number;
}

/**
 * A weighted least-squares problem over the design's columns and, last, the intercept:
 * minimise ½·w'Gw - b'w + penalty. `gram` is [size × size], filled completely.
 */
export interface Quadratic {
  readonly size: number;
  readonly gram: Float64Array;
  readonly linear: Float64Array;
}

/** Σ weight·x·x' and Σ response·x over the rows, divided by `total`; response already holds the weight. */
export function buildQuadratic(design: Design, weights: Float64Array, responses: Float64Array, total: number): Quadratic {
  const size = design.width + 1;
  const gram = new Float64Array(size * size);
  const linear = new Float64Array(size);
  const { denseWidth, dense, hotCount, hot } = design;
  const last = size - 1;
  for (let row = 0; row < design.rowCount; row += 1) {
    const weight = weights[row] as number;
    const response = responses[row] as number;
    const from = row * denseWidth;
    for (let a = 0; a < denseWidth; a += 1) {
      const value = dense[from + a] as number;
      if (value === 0) continue;
      const weighted = weight * value;
      const at = a * size;
      for (let b = 0; b <= a; b += 1) gram[at + b] = (gram[at + b] as number) + weighted * (dense[from + b] as number);
      gram[last * size + a] = (gram[last * size + a] as number) + weighted;
      linear[a] = (linear[a] as number) + response * value;
    }
    for (let h = 0; h < hotCount; h += 1) {
      const column = hot[row * hotCount + h] as number;
      const at = column * size;
      for (let b = 0; b < denseWidth; b += 1) gram[at + b] = (gram[at + b] as number) + weight * (dense[from + b] as number);
      for (let other = 0; other <= h; other += 1) {
        const cell = at + (hot[row * hotCount + other] as number);
        gram[cell] = (gram[cell] as number) + weight;
      }
      gram[last * size + column] = (gram[last * size + column] as number) + weight;
      linear[column] = (linear[column] as number) + response;
    }
    gram[last * size + last] = (gram[last * size + last] as number) + weight;
    linear[last] = (linear[last] as number) + response;
  }
  finish(gram, linear, size, total);
  return { size, gram, linear };
}

function finish(gram: Float64Array, linear: Float64Array, size: number, total: number): void {
  for (let a = 0; a < size; a += 1) {
    linear[a] = (linear[a] as number) / total;
    for (let b = 0; b <= a; b += 1) {
      const value = (gram[a * size + b] as number) / total;
      gram[a * size + b] = value;
      gram[b * size + a] = value;
    }
  }
}

const SWEEP_LIMIT = 20_000;
const COORDINATE_TOLERANCE = 1e-9;

/** Minimises the problem from a start; ridge exactly by Cholesky, otherwise by coordinate descent (Friedman et al. 2010). */
export function solveQuadratic(problem: Quadratic, penalty: Penalty, start: Float64Array): Float64Array {
  if (penalty.l1Ratio === 0 || penalty.strength === 0) return solveRidge(problem, penalty.strength);
  return descend(problem, penalty, start);
}

/** Added to the diagonal when a matrix is singular, relative to its trace. */
const JITTER_RATIO = 1e-12;

function solveRidge({ size, gram, linear }: Quadratic, strength: number): Float64Array {
  const factor = gram.slice();
  let trace = 0;
  for (let a = 0; a < size; a += 1) trace += gram[a * size + a] as number;
  const jitter = (JITTER_RATIO * trace) / size;
  for (let a = 0; a < size; a += 1) factor[a * size + a] = (factor[a * size + a] as number) + jitter + (a < size - 1 ? strength : 0);
  choleskyInPlace(factor, size, jitter);
  const solution = linear.slice();
  for (let a = 0; a < size; a += 1) {
    let sum = solution[a] as number;
    for (let b = 0; b < a; b += 1) sum -= (factor[a * size + b] as number) * (solution[b] as number);
    solution[a] = sum / (factor[a * size + a] as number);
  }
  for (let a = size - 1; a >= 0; a -= 1) {
    let sum = solution[a] as number;
    for (let b = a + 1; b < size; b += 1) sum -= (factor[b * size + a] as number) * (solution[b] as number);
    solution[a] = sum / (factor[a * size + a] as number);
  }
  return solution;
}

/** Lower triangle L with L·L' = matrix; pivots are kept above `floor`. The upper triangle stays as it was. */
export function choleskyInPlace(matrix: Float64Array, size: number, floor: number): void {
  for (let a = 0; a < size; a += 1) {
    for (let b = 0; b <= a; b += 1) {
      let sum = matrix[a * size + b] as number;
      for (let c = 0; c < b; c += 1) sum -= (matrix[a * size + c] as number) * (matrix[b * size + c] as number);
      matrix[a * size + b] = a === b ? Math.sqrt(Math.max(sum, floor, Number.MIN_VALUE)) : sum / (matrix[b * size + b] as number);
    }
  }
}

function descend({ size, gram, linear }: Quadratic, penalty: Penalty, start: Float64Array): Float64Array {
  const l1 = penalty.strength * penalty.l1Ratio;
  const l2 = penalty.strength * (1 - penalty.l1Ratio);
  const weights = start.slice();
  const residual = linear.slice();
  for (let a = 0; a < size; a += 1) {
    const weight = weights[a] as number;
    if (weight !== 0) for (let b = 0; b < size; b += 1) residual[b] = (residual[b] as number) - (gram[a * size + b] as number) * weight;
  }
  for (let sweep = 0; sweep < SWEEP_LIMIT; sweep += 1) {
    let change = 0;
    for (let a = 0; a < size; a += 1) {
      const diagonal = gram[a * size + a] as number;
      const old = weights[a] as number;
      const pull = (residual[a] as number) + diagonal * old;
      const isFree = a === size - 1;
      const fresh = updated(pull, diagonal, isFree ? 0 : l1, isFree ? 0 : l2);
      const delta = fresh - old;
      if (delta === 0) continue;
      weights[a] = fresh;
      for (let b = 0; b < size; b += 1) residual[b] = (residual[b] as number) - (gram[a * size + b] as number) * delta;
      change = Math.max(change, Math.abs(delta) * Math.sqrt(diagonal));
    }
    if (change < COORDINATE_TOLERANCE) break;
  }
  return weights;
}

function updated(pull: number, diagonal: number, l1: number, l2: number): number {
  const denominator = diagonal + l2;
  if (denominator <= 0) return 0;
  if (pull > l1) return (pull - l1) / denominator;
  return pull < -l1 ? (pull + l1) / denominator : 0;
}
