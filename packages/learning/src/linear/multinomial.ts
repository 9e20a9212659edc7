import type { Targets } from '../trees/objective.ts';
import type { Design } from './design.ts';
import { minimise, type SmoothProblem } from './lbfgs.ts';
import { buildQuadratic, choleskyInPlace } from './quadratic.ts';

export interface MultinomialRequest {
  readonly outputCount: number;
  readonly design: Design;
  readonly targets: Targets;
  /** Ridge: strength/2·|w - g|² on top of the mean loss, where g passes given margins on and is zero otherwise. */
  readonly strength: number;
  readonly start: readonly Float64Array[];
  readonly shouldStop?: (() => boolean) | undefined;
}

const ITERATION_LIMIT = 500;
const VALUE_TOLERANCE = 1e-13;
const GRADIENT_TOLERANCE = 1e-8;
/** With more weights than this, what finer steps would change is far below what the rows can tell. */
const LARGE_WEIGHT_COUNT = 2_000;
const LARGE_VALUE_TOLERANCE = 1e-5;
/** Added to the intercept's diagonal, which no penalty keeps away from zero. */
const JITTER = 1e-9;
/** Slopes of a row below this are not followed: with many classes most are out of the question. */
const SLOPE_FLOOR = 1e-9;

/**
 * Softmax regression over all classes at once: L-BFGS in coordinates in which Böhning's bound of the curvature
 * (½·X'X of the design, 1992) is the identity, so that few iterations are needed whatever the columns' correlations.
 * @returns one weight vector per output: the design's columns, then the intercept.
 */
export function fitMultinomial(request: MultinomialRequest): Float64Array[] {
  const problem = new MultinomialProblem(request);
  const weightCount = request.design.width * request.outputCount;
  const point = minimise(problem, problem.startFrom(request.start), {
    iterationLimit: ITERATION_LIMIT,
    valueTolerance: weightCount > LARGE_WEIGHT_COUNT ? LARGE_VALUE_TOLERANCE : VALUE_TOLERANCE,
    gradientTolerance: GRADIENT_TOLERANCE,
    shouldStop: request.shouldStop,
  });
  return problem.weightsAt(point).map((weights, output) => weights.map((value, at) => value + (problem.given[output]?.[at] ?? 0)));
}

class MultinomialProblem implements SmoothProblem {
  readonly #request: MultinomialRequest;
  readonly #size: number;
  readonly #total: number;
  /** Lower triangle of the bound; a point z means the weights w with L'w = z. */
  readonly #factor: Float64Array;
  /** Weights and intercepts that pass given margins on, by output. */
  readonly given: readonly Float64Array[];

  constructor(request: MultinomialRequest) {
    this.#request = request;
    const { design, targets, strength } = request;
    this.#size = design.width + 1;
    const rowWeights = targets.weights ?? new Float64Array(design.rowCount).fill(1);
    this.#total = rowWeights.reduce((sum, weight) => sum + weight, 0);
    const { gram } = buildQuadratic(design, rowWeights, new Float64Array(design.rowCount), this.#total);
    for (let at = 0; at < gram.length; at += 1) gram[at] = (gram[at] as number) / 2;
    for (let a = 0; a < this.#size; a += 1) gram[a * this.#size + a] = (gram[a * this.#size + a] as number) + Math.max(strength, JITTER);
    choleskyInPlace(gram, this.#size, JITTER);
    this.#factor = gram;
    this.given = Array.from({ length: request.outputCount }, () => new Float64Array(this.#size));
    for (const { column, output, weight, intercept } of design.given ?? []) {
      const own = this.given[output] as Float64Array;
      own[column] = weight;
      own[design.width] = (own[design.width] as number) + intercept;
    }
  }

  /** The point of weights; of weights that are all zero, what passes given margins on. */
  startFrom(weights: readonly Float64Array[]): Float64Array {
    const { design, outputCount } = this.#request;
    const isFresh = weights.every((each) => each.subarray(0, design.width).every((value) => value === 0));
    if (isFresh && (design.given?.length ?? 0) > 0) return new Float64Array(this.#size * outputCount);
    return this.whiten(weights.map((each, output) => each.map((value, at) => value - (this.given[output]?.[at] ?? 0))));
  }

  /** z = L'w for each output. */
  whiten(weights: readonly Float64Array[]): Float64Array {
    const size = this.#size;
    const point = new Float64Array(size * weights.length);
    weights.forEach((each, output) => {
      for (let a = 0; a < size; a += 1) {
        let sum = 0;
        for (let b = a; b < size; b += 1) sum += (this.#factor[b * size + a] as number) * (each[b] as number);
        point[output * size + a] = sum;
      }
    });
    return point;
  }

  weightsAt(point: Float64Array): Float64Array[] {
    return Array.from({ length: this.#request.outputCount }, (_, output) => {
      const weights = point.slice(output * this.#size, (output + 1) * this.#size);
      this.#solveTransposed(weights);
      return weights;
    });
  }

  /** Solves L'w = z in place. */
  #solveTransposed(values: Float64Array): void {
    const size = this.#size;
    for (let a = size - 1; a >= 0; a -= 1) {
      const value = (values[a] as number) / (this.#factor[a * size + a] as number);
      values[a] = value;
      if (value !== 0) for (let b = 0; b < a; b += 1) values[b] = (values[b] as number) - (this.#factor[a * size + b] as number) * value;
    }
  }

  /** Solves Lx = g in place. */
  #solve(values: Float64Array): void {
    const size = this.#size;
    for (let a = 0; a < size; a += 1) {
      let sum = values[a] as number;
      for (let b = 0; b < a; b += 1) sum -= (this.#factor[a * size + b] as number) * (values[b] as number);
      values[a] = sum / (this.#factor[a * size + a] as number);
    }
  }

  evaluate(point: Float64Array, gradient: Float64Array): number {
    const { outputCount, strength } = this.#request;
    const size = this.#size;
    const weights = this.weightsAt(point);
    // One design column's weights of all outputs lie together, since a row needs them together.
    const table = new Float64Array(size * outputCount);
    weights.forEach((each, output) => {
      const given = this.given[output] as Float64Array;
      for (let column = 0; column < size; column += 1) {
        table[column * outputCount + output] = (each[column] as number) + (given[column] as number);
      }
    });
    const slopes = new Float64Array(size * outputCount);
    let value = this.#addRows(table, slopes);
    for (let output = 0; output < outputCount; output += 1) {
      const own = gradient.subarray(output * size, (output + 1) * size);
      const each = weights[output] as Float64Array;
      for (let column = 0; column < size; column += 1) {
        const weight = column < size - 1 ? (each[column] as number) : 0;
        value += (strength / 2) * weight * weight;
        own[column] = (slopes[column * outputCount + output] as number) + strength * weight;
      }
      this.#solve(own);
    }
    return value;
  }

  /** Mean log loss of all rows; adds its slopes by the table's weights. */
  #addRows(table: Float64Array, slopes: Float64Array): number {
    const { outputCount, design, targets } = this.#request;
    const { denseWidth, dense, hotCount, hot, width } = design;
    const margins = new Float64Array(outputCount);
    const active = new Int32Array(outputCount);
    let loss = 0;
    for (let row = 0; row < design.rowCount; row += 1) {
      margins.set(table.subarray(width * outputCount));
      for (let a = 0; a < denseWidth; a += 1) addRow(margins, table, a * outputCount, dense[row * denseWidth + a] as number);
      for (let h = 0; h < hotCount; h += 1) addRow(margins, table, (hot[row * hotCount + h] as number) * outputCount, 1);
      const weight = (targets.weights ? (targets.weights[row] as number) : 1) / this.#total;
      loss += weight * softmaxSlopes(margins, targets.target[row] as number);
      let count = 0;
      for (let output = 0; output < outputCount; output += 1) {
        margins[output] = (margins[output] as number) * weight;
        if (Math.abs(margins[output] as number) > SLOPE_FLOOR * weight) active[count++] = output;
      }
      const push = (column: number, factor: number) => {
        const from = column * outputCount;
        for (let index = 0; index < count; index += 1) {
          const output = active[index] as number;
          slopes[from + output] = (slopes[from + output] as number) + factor * (margins[output] as number);
        }
      };
      for (let a = 0; a < denseWidth; a += 1) push(a, dense[row * denseWidth + a] as number);
      for (let h = 0; h < hotCount; h += 1) push(hot[row * hotCount + h] as number, 1);
      push(width, 1);
    }
    return loss;
  }
}

function addRow(margins: Float64Array, table: Float64Array, from: number, factor: number): void {
  if (factor === 0) return;
  for (let output = 0; output < margins.length; output += 1) {
    margins[output] = (margins[output] as number) + factor * (table[from + output] as number);
  }
}

/** Replaces the margins of a row by its probabilities, less one for the class it has. @returns the log loss. */
export function softmaxSlopes(margins: Float64Array, truth: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const margin of margins) largest = Math.max(largest, margin);
  const own = margins[truth] as number;
  let sum = 0;
  for (let output = 0; output < margins.length; output += 1) {
    const power = Math.exp((margins[output] as number) - largest);
    margins[output] = power;
    sum += power;
  }
  for (let output = 0; output < margins.length; output += 1) margins[output] = (margins[output] as number) / sum;
  margins[truth] = (margins[truth] as number) - 1;
  return Math.log(sum) + largest - own;
}
