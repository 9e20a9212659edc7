import { orderDescending } from '@slipway/statistics';
import type { Baseline } from './contract.ts';
import { type ModelPredictions, type TaskData, type Truth, predictsClasses } from './inputs.ts';
import { quantileOf } from './metric-table.ts';

/**
 * What a model without inputs predicts for every test row, learned from the training truth alone: the class shares
 * (whose most probable class is the majority), or the constant that the model's loss is best served by. A ranking's
 * baseline gives every row the same score: any order of a query.
 */
export function baselinePredictions(
  data: Pick<TaskData, 'task' | 'classes' | 'loss'>,
  train: { readonly truth: Truth; readonly weights?: Float64Array | undefined },
  rowCount: number,
): { readonly name: Baseline['name']; readonly predictions: ModelPredictions } {
  if (!predictsClasses(data.task)) {
    const { name, value } = constantOf(data, train);
    return { name, predictions: { values: new Float64Array(rowCount).fill(value) } };
  }
  const classCount = data.classes?.length ?? 0;
  const shares = classShares(train.truth, classCount, train.weights);
  const probabilities = new Float64Array(rowCount * classCount);
  for (let row = 0; row < rowCount; row += 1) probabilities.set(shares, row * classCount);
  return { name: 'majority', predictions: { probabilities } };
}

function constantOf(
  { task, loss }: Pick<TaskData, 'task' | 'loss'>,
  { truth, weights }: { readonly truth: Truth; readonly weights?: Float64Array | undefined },
): { readonly name: Baseline['name']; readonly value: number } {
  if (task === 'ranking') return { name: 'random', value: 0 };
  const level = quantileOf(task, loss);
  if (level !== undefined) return { name: 'quantile', value: weightedQuantile(truth, weights, level) };
  if (loss?.kind === 'absolute') return { name: 'median', value: weightedQuantile(truth, weights, 0.5) };
  return { name: 'mean', value: weightedMean(truth, weights) };
}

/** The lowest value that at least `level` of the weight does not exceed: the constant of least pinball loss. */
export function weightedQuantile(values: Truth, weights: Float64Array | undefined, level: number): number {
  const order = orderDescending(values);
  const total = weights ? weights.reduce((sum, weight) => sum + weight, 0) : values.length;
  let passed = 0;
  for (let rank = order.length - 1; rank >= 0; rank -= 1) {
    const row = order[rank] as number;
    passed += weights ? (weights[row] as number) : 1;
    if (passed >= level * total) return values[row] as number;
  }
  return values[order[0] as number] as number;
}

function weightedMean(values: Truth, weights: Float64Array | undefined): number {
  let sum = 0;
  let total = 0;
  for (let row = 0; row < values.length; row += 1) {
    const weight = weights ? (weights[row] as number) : 1;
    total += weight;
    if (weight > 0) sum += ((values[row] as number) - sum) * (weight / total);
  }
  return sum;
}

function classShares(codes: Truth, classCount: number, weights: Float64Array | undefined): Float64Array {
  const shares = new Float64Array(classCount);
  let total = 0;
  for (let row = 0; row < codes.length; row += 1) {
    const weight = weights ? (weights[row] as number) : 1;
    const code = codes[row] as number;
    shares[code] = (shares[code] as number) + weight;
    total += weight;
  }
  return shares.map((share) => share / total);
}
