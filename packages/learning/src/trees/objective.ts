import { type Loss, QUANTILE_LEVEL_DEFAULT, TWEEDIE_POWER_DEFAULT } from './loss.ts';
import { lambdarankGradients, rankingLosses } from './ranking.ts';
import { weightedQuantile } from './weighted-quantile.ts';

/** What is learnt: margins of one logit, of K logits, a standardised number, or what another loss asks of one number. */
export type Objective = 'binary' | 'multiclass' | 'squared' | Loss | RootSquared;

/**
 * Roots of numbers are learnt by squared error, the margin being (root - mean) / deviation, and judged by the squared error
 * of the numbers themselves, counted in `unit`s.
 */
export interface RootSquared {
  readonly kind: 'root-squared';
  readonly mean: number;
  readonly deviation: number;
  readonly unit: number;
}

/** Whether the margins that make squared errors small are learnt; linear models then have them in one step. */
export function learnsSquares(objective: Objective): boolean {
  return objective === 'squared' || kindOf(objective) === 'root-squared';
}

/** Rows to learn from. `target`: 0/1, class index, a number, or a grade. */
export interface Targets {
  readonly target: Float64Array;
  readonly weights: Float64Array | undefined;
  /** Ranking: which query a row belongs to, by any number; rows of a query need not be neighbours. */
  readonly queries?: Int32Array | undefined;
}

/** The objective of a task and its loss; `squared` and no loss are the same. */
export function objectiveFor(task: 'binary' | 'multiclass' | 'regression' | 'ranking', loss: Loss | undefined): Objective {
  if (task === 'ranking') return loss ?? { kind: 'lambdarank' };
  if (task !== 'regression') return task;
  return loss === undefined || loss.kind === 'squared' ? 'squared' : loss;
}

/** Whether rows are judged by the order within their query. */
export function isRanking(objective: Objective): boolean {
  return kindOf(objective) === 'lambdarank';
}

/** The quantile that leaves take of their residuals; undefined for losses whose gradients say it well enough. */
export function renewLevel(objective: Objective): number | undefined {
  const kind = kindOf(objective);
  if (kind === 'absolute') return 0.5;
  return kind === 'quantile' ? levelOf(objective) : undefined;
}

const kindOf = (objective: Objective) => (typeof objective === 'string' ? objective : objective.kind);
const lossIn = (objective: Objective): Partial<Loss> =>
  typeof objective === 'string' || objective.kind === 'root-squared' ? {} : objective;
const levelOf = (objective: Objective) => lossIn(objective).level ?? QUANTILE_LEVEL_DEFAULT;
const powerOf = (objective: Objective) => lossIn(objective).power ?? TWEEDIE_POWER_DEFAULT;

/** Probabilities closer to 0 or 1 than this are treated as this in losses and starting scores. */
const PROBABILITY_FLOOR = 1e-15;
/** Means closer to 0 than this start from its logarithm. */
const MEAN_FLOOR = 1e-15;
/** Added to Poisson's log hessian, so that a leaf of zeros takes a finite step (LightGBM's `poisson_max_delta_step`). */
const POISSON_STEP = 0.7;

/** Starting margins: log-odds, log-priors, the mean or its logarithm, a quantile, or 0 where only order counts. */
export function baseScores(objective: Objective, targets: Targets, outputCount: number): Float64Array {
  const kind = kindOf(objective);
  if (kind === 'binary' || kind === 'multiclass') return classScores(kind, targets, outputCount);
  const { target, weights } = targets;
  const level = renewLevel(objective);
  if (level !== undefined) return Float64Array.of(weightedQuantile(target.slice(), weights?.slice(), level));
  if (kind === 'lambdarank') return Float64Array.of(0);
  let sum = 0;
  let total = 0;
  for (let row = 0; row < target.length; row += 1) {
    const weight = weights ? (weights[row] as number) : 1;
    total += weight;
    sum += weight * (target[row] as number);
  }
  return Float64Array.of(learnsSquares(objective) ? sum / total : Math.log(Math.max(MEAN_FLOOR, sum / total)));
}

function classScores(kind: 'binary' | 'multiclass', { target, weights }: Targets, outputCount: number): Float64Array {
  const sums = new Float64Array(Math.max(outputCount, 2));
  let total = 0;
  for (let row = 0; row < target.length; row += 1) {
    const weight = weights ? (weights[row] as number) : 1;
    total += weight;
    sums[target[row] as number] = (sums[target[row] as number] as number) + weight;
  }
  const share = (index: number) => Math.min(1 - PROBABILITY_FLOOR, Math.max(PROBABILITY_FLOOR, (sums[index] as number) / total));
  if (kind === 'binary') return Float64Array.of(Math.log(share(1) / (1 - share(1))));
  return Float64Array.from({ length: outputCount }, (_, index) => Math.log(share(index)));
}

/** Probabilities of the classes from their scores, one array each, written into `shares`. */
export function softmaxShares(scores: readonly Float64Array[], shares: readonly Float64Array[]): readonly Float64Array[] {
  const rowCount = scores[0]?.length ?? 0;
  for (let row = 0; row < rowCount; row += 1) {
    let largest = Number.NEGATIVE_INFINITY;
    for (const each of scores) largest = Math.max(largest, each[row] as number);
    let sum = 0;
    for (let index = 0; index < scores.length; index += 1) {
      const power = Math.exp(((scores[index] as Float64Array)[row] as number) - largest);
      (shares[index] as Float64Array)[row] = power;
      sum += power;
    }
    for (const each of shares) each[row] = (each[row] as number) / sum;
  }
  return shares;
}

/** Writes the (gradient, hessian) pairs of an output at the given scores; for `multiclass`, at the given softmax shares. */
export function writeGradients(
  objective: Objective,
  targets: Targets,
  scores: readonly Float64Array[],
  output: number,
  pairs: Float64Array,
): void {
  const { target, weights } = targets;
  const own = scores[output] as Float64Array;
  const kind = kindOf(objective);
  if (kind === 'binary') binaryGradients(target, own, pairs);
  else if (learnsSquares(objective)) squaredGradients(target, own, pairs);
  else if (kind === 'multiclass') multiclassGradients(target, own, scores.length, output, pairs);
  else if (kind === 'poisson') poissonGradients(target, own, pairs);
  else if (kind === 'tweedie') tweedieGradients(target, own, powerOf(objective), pairs);
  else if (kind === 'lambdarank') lambdarankGradients(targets, own, pairs);
  else quantileGradients(target, own, kind === 'absolute' ? undefined : levelOf(objective), pairs);
  if (!weights) return;
  for (let row = 0; row < weights.length; row += 1) {
    const weight = weights[row] as number;
    pairs[2 * row] = (pairs[2 * row] as number) * weight;
    pairs[2 * row + 1] = (pairs[2 * row + 1] as number) * weight;
  }
}

function binaryGradients(target: Float64Array, scores: Float64Array, pairs: Float64Array): void {
  for (let row = 0; row < target.length; row += 1) {
    const probability = 1 / (1 + Math.exp(-(scores[row] as number)));
    pairs[2 * row] = probability - (target[row] as number);
    pairs[2 * row + 1] = probability * (1 - probability);
  }
}

function squaredGradients(target: Float64Array, scores: Float64Array, pairs: Float64Array): void {
  for (let row = 0; row < target.length; row += 1) {
    pairs[2 * row] = (scores[row] as number) - (target[row] as number);
    pairs[2 * row + 1] = 1;
  }
}

/** The sign of the error (absolute), or its pinball slope; the hessian counts rows, and leaves take quantiles afterwards. */
function quantileGradients(target: Float64Array, scores: Float64Array, level: number | undefined, pairs: Float64Array): void {
  for (let row = 0; row < target.length; row += 1) {
    const error = (scores[row] as number) - (target[row] as number);
    pairs[2 * row] = level === undefined ? Math.sign(error) : error >= 0 ? 1 - level : -level;
    pairs[2 * row + 1] = 1;
  }
}

function poissonGradients(target: Float64Array, scores: Float64Array, pairs: Float64Array): void {
  const factor = Math.exp(POISSON_STEP);
  for (let row = 0; row < target.length; row += 1) {
    const mean = Math.exp(scores[row] as number);
    pairs[2 * row] = mean - (target[row] as number);
    pairs[2 * row + 1] = mean * factor;
  }
}

function tweedieGradients(target: Float64Array, scores: Float64Array, power: number, pairs: Float64Array): void {
  for (let row = 0; row < target.length; row += 1) {
    const score = scores[row] as number;
    const own = (target[row] as number) * Math.exp((1 - power) * score);
    const mean = Math.exp((2 - power) * score);
    pairs[2 * row] = mean - own;
    pairs[2 * row + 1] = (2 - power) * mean - (1 - power) * own;
  }
}

/** Softmax; the factor K/(K-1) on the hessian is the one of Friedman 2001. */
function multiclassGradients(target: Float64Array, shares: Float64Array, classCount: number, output: number, pairs: Float64Array): void {
  const factor = classCount / (classCount - 1);
  for (let row = 0; row < target.length; row += 1) {
    const probability = shares[row] as number;
    pairs[2 * row] = probability - (target[row] === output ? 1 : 0);
    pairs[2 * row + 1] = factor * probability * (1 - probability);
  }
}

/** Mean loss: log loss for classes, mean squared error or the loss's own for numbers, 1 - nDCG for queries. Never negative. */
export function meanLoss(objective: Objective, targets: Targets, scores: readonly Float64Array[]): number {
  const { target, weights } = targets;
  const ranked = isRanking(objective) ? rankingLosses(targets, scores[0] as Float64Array) : undefined;
  let loss = 0;
  let total = 0;
  for (let row = 0; row < target.length; row += 1) {
    const weight = weights ? (weights[row] as number) : 1;
    total += weight;
    loss += weight * (ranked ? (ranked[row] as number) : rowLoss(objective, target[row] as number, scores, row));
  }
  return loss / total;
}

/** The loss of every row at the given margins, one array per output; works for every objective. */
export function rowLosses(objective: Objective, targets: Targets, scores: readonly Float64Array[]): Float64Array {
  if (isRanking(objective)) return rankingLosses(targets, scores[0] as Float64Array);
  return targets.target.map((target, row) => rowLoss(objective, target, scores, row));
}

/** Loss of one row at the given margins, one array per output. For ranking see `rowLosses`: a row alone has none. */
export function rowLoss(objective: Objective, target: number, scores: readonly Float64Array[], row: number): number {
  const own = (scores[0] as Float64Array)[row] as number;
  if (typeof objective === 'object')
    return objective.kind === 'root-squared' ? lossOfRoot(objective, target, own) : lossOfNumber(objective, target, own);
  if (objective === 'squared') return (own - target) ** 2;
  if (objective === 'binary') {
    const margin = target === 1 ? -own : own;
    return margin > 0 ? margin + Math.log1p(Math.exp(-margin)) : Math.log1p(Math.exp(margin));
  }
  let largest = Number.NEGATIVE_INFINITY;
  for (const each of scores) largest = Math.max(largest, each[row] as number);
  let sum = 0;
  for (const each of scores) sum += Math.exp((each[row] as number) - largest);
  return largest + Math.log(sum) - ((scores[target] as Float64Array)[row] as number);
}

function lossOfRoot({ mean, deviation, unit }: RootSquared, target: number, margin: number): number {
  const numberOf = (value: number) => Math.max(0, value * deviation + mean) ** 2;
  return ((numberOf(margin) - numberOf(target)) / unit) ** 2;
}

/** Pinball loss, absolute error, or the deviance of a Poisson or Tweedie mean whose logarithm is the margin. */
function lossOfNumber(objective: Loss, target: number, margin: number): number {
  const { kind } = objective;
  if (kind === 'absolute') return Math.abs(target - margin);
  if (kind === 'quantile') return target >= margin ? levelOf(objective) * (target - margin) : (1 - levelOf(objective)) * (margin - target);
  if (kind === 'poisson') {
    const mean = Math.exp(margin);
    return 2 * Math.max(0, (target > 0 ? target * (Math.log(target) - margin) : 0) - (target - mean));
  }
  if (kind === 'tweedie') return tweedieDeviance(target, margin, powerOf(objective));
  return (margin - target) ** 2;
}

function tweedieDeviance(target: number, margin: number, power: number): number {
  const own = target > 0 ? target ** (2 - power) / ((1 - power) * (2 - power)) : 0;
  const cross = (target * Math.exp((1 - power) * margin)) / (1 - power);
  return 2 * Math.max(0, own - cross + Math.exp((2 - power) * margin) / (2 - power));
}
