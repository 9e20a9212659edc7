/** What is learnt: margins of one logit, of K logits, or a standardised number. */
export type Objective = 'binary' | 'multiclass' | 'squared';

/** Rows to learn from. `target`: 0/1, class index, or a number. */
export interface Targets {
  readonly target: Float64Array;
  readonly weights: Float64Array | undefined;
}

/** Probabilities closer to 0 or 1 than this are treated as this in losses and starting scores. */
const PROBABILITY_FLOOR = 1e-15;

/** Starting margins: log-odds, log-priors, or the mean. */
export function baseScores(objective: Objective, { target, weights }: Targets, outputCount: number): Float64Array {
  const sums = new Float64Array(Math.max(outputCount, 2));
  let total = 0;
  for (let row = 0; row < target.length; row += 1) {
    const weight = weights ? (weights[row] as number) : 1;
    total += weight;
    if (objective === 'squared') sums[0] = (sums[0] as number) + weight * (target[row] as number);
    else sums[target[row] as number] = (sums[target[row] as number] as number) + weight;
  }
  const share = (index: number) => Math.min(1 - PROBABILITY_FLOOR, Math.max(PROBABILITY_FLOOR, (sums[index] as number) / total));
  if (objective === 'squared') return Float64Array.of((sums[0] as number) / total);
  if (objective === 'binary') return Float64Array.of(Math.log(share(1) / (1 - share(1))));
  return Float64Array.from({ length: outputCount }, (_, index) => Math.log(share(index)));
}

/** Probabilities of the classes from their scores, one array each. */
export function softmaxShares(scores: readonly Float64Array[]): Float64Array[] {
  const rowCount = scores[0]?.length ?? 0;
  const shares = scores.map(() => new Float64Array(rowCount));
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
  if (objective === 'binary') binaryGradients(targets.target, scores[0] as Float64Array, pairs);
  else if (objective === 'squared') squaredGradients(targets.target, scores[0] as Float64Array, pairs);
  else multiclassGradients(targets.target, scores[output] as Float64Array, scores.length, output, pairs);
  const { weights } = targets;
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

/** Softmax; the factor K/(K-1) on the hessian is the one of Friedman 2001. */
function multiclassGradients(target: Float64Array, shares: Float64Array, classCount: number, output: number, pairs: Float64Array): void {
  const factor = classCount / (classCount - 1);
  for (let row = 0; row < target.length; row += 1) {
    const probability = shares[row] as number;
    pairs[2 * row] = probability - (target[row] === output ? 1 : 0);
    pairs[2 * row + 1] = factor * probability * (1 - probability);
  }
}

/** Mean loss: log loss for classes, mean squared error for numbers. */
export function meanLoss(objective: Objective, { target, weights }: Targets, scores: readonly Float64Array[]): number {
  let loss = 0;
  let total = 0;
  for (let row = 0; row < target.length; row += 1) {
    const weight = weights ? (weights[row] as number) : 1;
    total += weight;
    loss += weight * rowLoss(objective, target[row] as number, scores, row);
  }
  return loss / total;
}

/** Loss of one row at the given margins, one array per output. */
export function rowLoss(objective: Objective, target: number, scores: readonly Float64Array[], row: number): number {
  const own = (scores[0] as Float64Array)[row] as number;
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
