import { minimise, type SmoothProblem } from '../linear/lbfgs.ts';
import { softmaxSlopes } from '../linear/multinomial.ts';

/** Rows of a sparse matrix: the columns and values of row r are at starts[r]..starts[r+1]. */
export interface SparseRows {
  readonly rowCount: number;
  readonly width: number;
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  readonly values: Float64Array;
}

/** What a linear head learns: log loss of classes, or squares of a number. */
export type HeadLoss = 'binary' | 'multiclass' | 'squared';

export interface HeadRequest {
  readonly loss: HeadLoss;
  /** Classes for `multiclass`, otherwise 1. */
  readonly outputCount: number;
  readonly matrix: SparseRows;
  /** Class index or number of each row. */
  readonly target: Float64Array;
  readonly weights: Float64Array | undefined;
  /** Rows to learn from. */
  readonly rows: Int32Array;
  /** Penalty strength/2·|w|² on top of the mean loss; intercepts are free. */
  readonly strength: number;
  readonly start?: Float64Array | undefined;
}

const ITERATION_LIMIT = 150;
/** Finer steps do not change what is said about rows that were held out. */
const LOSS_TOLERANCE = 1e-4;
/** Smaller slopes of a row are not followed into its words: most classes are out of the question for most texts. */
const SLOPE_FLOOR = 1e-5;
/** Typical curvature of a row's log loss, times the number of classes. */
const CURVATURE = 0.25;

/**
 * A linear model on sparse rows with ridge penalty, by L-BFGS. Deterministic.
 * @returns [width × outputs] weights, then one intercept per output.
 */
export function fitHead(request: HeadRequest): Float64Array {
  const problem = new HeadProblem(request);
  const start = request.start ? problem.scaled(request.start, 1) : problem.start();
  return problem.scaled(minimise(problem, start, { iterationLimit: ITERATION_LIMIT, valueTolerance: LOSS_TOLERANCE }), -1);
}

class HeadProblem implements SmoothProblem {
  readonly #request: HeadRequest;
  readonly #total: number;
  readonly #margins: Float64Array;
  readonly #active: Int32Array;
  /** Coordinates are weights times these, about the square root of a column's curvature: rare words move as fast as common ones. */
  readonly #scales: Float64Array;
  readonly #values: Float64Array;

  constructor(request: HeadRequest) {
    this.#request = request;
    const { rows, weights } = request;
    this.#total = weights ? rows.reduce((sum, row) => sum + (weights[row] as number), 0) : rows.length;
    this.#margins = new Float64Array(request.outputCount);
    this.#active = new Int32Array(request.outputCount);
    this.#scales = this.#columnScales();
    const { columns, values } = request.matrix;
    this.#values = values.map((value, at) => value / (this.#scales[columns[at] as number] as number));
  }

  #columnScales(): Float64Array {
    const { matrix, rows, strength, loss, outputCount } = this.#request;
    const squares = new Float64Array(matrix.width);
    for (const row of rows) {
      for (let at = matrix.starts[row] as number; at < (matrix.starts[row + 1] as number); at += 1) {
        const column = matrix.columns[at] as number;
        squares[column] = (squares[column] as number) + (matrix.values[at] as number) ** 2;
      }
    }
    const curvature = loss === 'squared' ? 1 : CURVATURE / outputCount;
    return squares.map((square) => Math.sqrt((curvature * square) / rows.length + strength));
  }

  /** Weights times or divided by the scales of their columns; intercepts as they are. */
  scaled(point: Float64Array, power: 1 | -1): Float64Array {
    const { outputCount, matrix } = this.#request;
    const intercepts = matrix.width * outputCount;
    return point.map((value, at) => (at >= intercepts ? value : value * (this.#scales[Math.floor(at / outputCount)] as number) ** power));
  }

  /** Zero weights; intercepts at the prior. */
  start(): Float64Array {
    const { matrix, outputCount, rows, target, weights, loss } = this.#request;
    const point = new Float64Array((matrix.width + 1) * outputCount);
    const at = matrix.width * outputCount;
    const sums = new Float64Array(Math.max(2, outputCount));
    let weighted = 0;
    for (const row of rows) {
      const weight = weights ? (weights[row] as number) : 1;
      weighted += weight * (target[row] as number);
      if (loss !== 'squared') sums[target[row] as number] = (sums[target[row] as number] as number) + weight;
    }
    if (loss === 'squared') point[at] = weighted / this.#total;
    else if (loss === 'binary') point[at] = Math.log(((sums[1] as number) + 0.5) / ((sums[0] as number) + 0.5));
    else for (let output = 0; output < outputCount; output += 1) point[at + output] = Math.log((sums[output] as number) + 0.5);
    return point;
  }

  /** Mean loss plus penalty; writes the gradient. */
  evaluate(point: Float64Array, gradient: Float64Array): number {
    const { matrix, outputCount, rows, weights, strength } = this.#request;
    const { starts, columns } = matrix;
    const values = this.#values;
    const margins = this.#margins;
    const active = this.#active;
    const intercepts = matrix.width * outputCount;
    let loss = 0;
    for (const row of rows) {
      const from = starts[row] as number;
      const to = starts[row + 1] as number;
      for (let output = 0; output < outputCount; output += 1) margins[output] = point[intercepts + output] as number;
      addMargins(margins, { point, columns, values, from, to });
      const weight = (weights ? (weights[row] as number) : 1) / this.#total;
      loss += weight * this.#slopes(row);
      const activeCount = this.#findActive();
      for (let at = from; at < to; at += 1) {
        const factor = weight * (values[at] as number);
        const cell = (columns[at] as number) * outputCount;
        for (let index = 0; index < activeCount; index += 1) {
          const output = active[index] as number;
          gradient[cell + output] = (gradient[cell + output] as number) + factor * (margins[output] as number);
        }
      }
      for (let output = 0; output < outputCount; output += 1) {
        gradient[intercepts + output] = (gradient[intercepts + output] as number) + weight * (margins[output] as number);
      }
    }
    let squares = 0;
    for (let column = 0, at = 0; column < matrix.width; column += 1) {
      const shrink = 1 / (this.#scales[column] as number) ** 2;
      for (let output = 0; output < outputCount; output += 1, at += 1) {
        const value = point[at] as number;
        squares += shrink * value * value;
        gradient[at] = (gradient[at] as number) + strength * shrink * value;
      }
    }
    return loss + (strength / 2) * squares;
  }

  /** Lists the outputs whose slope is worth a step. @returns how many they are. */
  #findActive(): number {
    let count = 0;
    for (let output = 0; output < this.#margins.length; output += 1) {
      if (Math.abs(this.#margins[output] as number) > SLOPE_FLOOR) this.#active[count++] = output;
    }
    return count;
  }

  /** Replaces the margins of a row by the slopes of its loss. @returns the loss. */
  #slopes(row: number): number {
    const { loss, target } = this.#request;
    const truth = target[row] as number;
    const margins = this.#margins;
    if (loss === 'multiclass') return softmaxSlopes(margins, truth);
    const margin = margins[0] as number;
    if (loss === 'squared') {
      margins[0] = margin - truth;
      return (margin - truth) ** 2 / 2;
    }
    margins[0] = 1 / (1 + Math.exp(-margin)) - truth;
    return binaryLoss(margin, truth);
  }
}

interface Terms {
  readonly point: Float64Array;
  readonly columns: Int32Array;
  readonly values: Float64Array;
  readonly from: number;
  readonly to: number;
}

function addMargins(margins: Float64Array, { point, columns, values, from, to }: Terms): void {
  const outputCount = margins.length;
  for (let at = from; at < to; at += 1) {
    const value = values[at] as number;
    const cell = (columns[at] as number) * outputCount;
    for (let output = 0; output < outputCount; output += 1) {
      margins[output] = (margins[output] as number) + value * (point[cell + output] as number);
    }
  }
}

function binaryLoss(margin: number, truth: number): number {
  return Math.max(margin, 0) - margin * truth + Math.log1p(Math.exp(-Math.abs(margin)));
}

/** Margins of rows [rows × outputs] by a fitted head. */
export function headMargins(matrix: SparseRows, head: Float64Array, outputCount: number, rows: Int32Array): Float64Array {
  const { starts, columns, values, width } = matrix;
  const result = new Float64Array(rows.length * outputCount);
  rows.forEach((row, index) => {
    const margins = result.subarray(index * outputCount, (index + 1) * outputCount);
    margins.set(head.subarray(width * outputCount));
    addMargins(margins, { point: head, columns, values, from: starts[row] as number, to: starts[row + 1] as number });
  });
  return result;
}

/** Loss of each row whose margins are known; log loss, or half the squared error. */
export function headLosses(
  { loss, outputCount, target }: Pick<HeadRequest, 'loss' | 'outputCount' | 'target'>,
  margins: Float64Array,
  rows: Int32Array,
): Float64Array {
  return Float64Array.from(rows, (row, index) => {
    const truth = target[row] as number;
    const own = margins.slice(index * outputCount, (index + 1) * outputCount);
    if (loss === 'multiclass') return softmaxSlopes(own, truth);
    return loss === 'binary' ? binaryLoss(own[0] as number, truth) : ((own[0] as number) - truth) ** 2 / 2;
  });
}
