import { learnsSquares, meanLoss, type Objective, type Targets } from '../trees/objective.ts';
import type { Design } from './design.ts';
import { fitMultinomial } from './multinomial.ts';
import { buildQuadratic, type Penalty, solveQuadratic } from './quadratic.ts';

export interface LinearRequest {
  readonly objective: Objective;
  /** 1, or the number of classes for `multiclass`. */
  readonly outputCount: number;
  readonly design: Design;
  readonly targets: Targets;
  readonly penalty: Penalty;
  /** Weights to start from, for a path of penalties. */
  readonly start?: readonly Float64Array[];
  readonly shouldStop?: (() => boolean) | undefined;
}

const ROUND_LIMIT = 100;
const HALVING_LIMIT = 30;
/** Newton stops when no margin-scale weight moves by more. */
const WEIGHT_TOLERANCE = 1e-8;
/** Smallest curvature of one row, so that confident rows do not make the problem singular. */
const CURVATURE_FLOOR = 1e-6;

/**
 * Linear and logistic regression with an elastic net penalty: mean loss + penalty, intercept free. Least squares in one
 * step; logistic by Newton with halving (iteratively reweighted least squares); several classes all at once (ridge), or in
 * turn when some weights shall be zero.
 * @returns one weight vector per output: the design's columns, then the intercept.
 */
export function fitLinear(request: LinearRequest): Float64Array[] {
  const { objective, outputCount, design } = request;
  const weights =
    request.start?.map((each) => each.slice()) ?? Array.from({ length: outputCount }, () => new Float64Array(design.width + 1));
  if (learnsSquares(objective)) return [fitSquares(request, weights[0] as Float64Array)];
  if (objective === 'multiclass' && request.penalty.l1Ratio === 0) return centred(fitAllClasses(request, weights));
  return new Newton(request, weights).run();
}

function totalWeight({ target, weights }: Targets): number {
  return weights ? weights.reduce((sum, weight) => sum + weight, 0) : target.length;
}

function fitSquares({ design, targets, penalty }: LinearRequest, start: Float64Array): Float64Array {
  const rowWeights = targets.weights ?? new Float64Array(design.rowCount).fill(1);
  const responses = targets.target.map((value, row) => value * (rowWeights[row] as number));
  return solveQuadratic(buildQuadratic(design, rowWeights, responses, totalWeight(targets)), penalty, start);
}

/** margins += factor · (design · weights) */
export function addMargins(design: Design, weights: Float64Array, margins: Float64Array, factor = 1): void {
  const { denseWidth, dense, hotCount, hot, width } = design;
  const intercept = weights[width] as number;
  for (let row = 0; row < design.rowCount; row += 1) {
    let sum = intercept;
    const from = row * denseWidth;
    for (let a = 0; a < denseWidth; a += 1) sum += (dense[from + a] as number) * (weights[a] as number);
    for (let h = 0; h < hotCount; h += 1) sum += weights[hot[row * hotCount + h] as number] as number;
    margins[row] = (margins[row] as number) + factor * sum;
  }
}

function fitAllClasses(
  { outputCount, design, targets, penalty, shouldStop }: LinearRequest,
  start: readonly Float64Array[],
): Float64Array[] {
  return fitMultinomial({ outputCount, design, targets, strength: penalty.strength, start, shouldStop });
}

/** Softmax does not see a shift common to all classes; without one the solution is unique. */
function centred(weights: Float64Array[]): Float64Array[] {
  const mean = weights.reduce((sum, each) => sum + (each.at(-1) ?? 0), 0) / weights.length;
  for (const each of weights) each[each.length - 1] = (each.at(-1) ?? 0) - mean;
  return weights;
}

class Newton {
  readonly #request: LinearRequest;
  readonly #weights: Float64Array[];
  readonly #margins: Float64Array[];
  readonly #total: number;
  #loss: number;

  constructor(request: LinearRequest, weights: Float64Array[]) {
    this.#request = request;
    this.#weights = weights;
    this.#total = totalWeight(request.targets);
    this.#margins = weights.map((each) => {
      const margins = new Float64Array(request.design.rowCount);
      addMargins(request.design, each, margins);
      return margins;
    });
    this.#loss = this.#objective();
  }

  run(): Float64Array[] {
    for (let round = 0; round < ROUND_LIMIT && !this.#request.shouldStop?.(); round += 1) {
      let moved = 0;
      for (let output = 0; output < this.#weights.length; output += 1) moved = Math.max(moved, this.#step(output));
      if (moved < WEIGHT_TOLERANCE) break;
    }
    return this.#weights.length > 1 ? centred(this.#weights) : this.#weights;
  }

  #objective(): number {
    const { objective, targets, penalty } = this.#request;
    let loss = meanLoss(objective, targets, this.#margins);
    for (const weights of this.#weights) {
      for (let a = 0; a < weights.length - 1; a += 1) {
        const weight = weights[a] as number;
        loss += penalty.strength * (penalty.l1Ratio * Math.abs(weight) + ((1 - penalty.l1Ratio) / 2) * weight * weight);
      }
    }
    return loss;
  }

  /** One Newton step of one output's weights. @returns the largest move of a weight. */
  #step(output: number): number {
    const { design, penalty } = this.#request;
    const { curvatures, responses } = this.#linearise(output);
    const old = this.#weights[output] as Float64Array;
    const target = solveQuadratic(buildQuadratic(design, curvatures, responses, this.#total), penalty, old);
    const direction = target.map((value, index) => value - (old[index] as number));
    const change = new Float64Array(design.rowCount);
    addMargins(design, direction, change);
    return this.#halve(output, old, direction, change);
  }

  /** Takes the whole step, or the first half, quarter, … of it that lowers the objective. */
  #halve(output: number, old: Float64Array, direction: Float64Array, change: Float64Array): number {
    const before = this.#margins[output] as Float64Array;
    let factor = 1;
    for (let halving = 0; halving < HALVING_LIMIT; halving += 1) {
      const step = factor;
      this.#weights[output] = old.map((value, index) => value + step * (direction[index] as number));
      this.#margins[output] = before.map((value, row) => value + step * (change[row] as number));
      const loss = this.#objective();
      if (loss <= this.#loss) {
        this.#loss = loss;
        return step * direction.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      }
      factor /= 2;
    }
    this.#weights[output] = old;
    this.#margins[output] = before;
    return 0;
  }

  /** Curvature p(1-p) of each row and curvature·margin - gradient, the response of the least-squares step. */
  #linearise(output: number): { curvatures: Float64Array; responses: Float64Array } {
    const { targets, design, objective } = this.#request;
    const curvatures = new Float64Array(design.rowCount);
    const responses = new Float64Array(design.rowCount);
    const margins = this.#margins[output] as Float64Array;
    for (let row = 0; row < design.rowCount; row += 1) {
      const weight = targets.weights ? (targets.weights[row] as number) : 1;
      const probability = objective === 'binary' ? 1 / (1 + Math.exp(-(margins[row] as number))) : this.#share(output, row);
      const truth = objective === 'binary' ? (targets.target[row] as number) : targets.target[row] === output ? 1 : 0;
      const curvature = Math.max(CURVATURE_FLOOR, probability * (1 - probability));
      curvatures[row] = weight * curvature;
      responses[row] = weight * (curvature * (margins[row] as number) - (probability - truth));
    }
    return { curvatures, responses };
  }

  #share(output: number, row: number): number {
    const own = (this.#margins[output] as Float64Array)[row] as number;
    let sum = 0;
    for (const margins of this.#margins) sum += Math.exp((margins[row] as number) - own);
    return 1 / sum;
  }
}
