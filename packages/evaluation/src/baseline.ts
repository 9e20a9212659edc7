import type { ModelPredictions, TaskData, Truth } from './inputs.ts';
import type { Baseline } from './contract.ts';

/**
 * What a model without inputs predicts for every test row, learned from the training truth alone: the class shares
 * (whose most probable class is the majority), or the mean.
 */
export function baselinePredictions(
  data: Pick<TaskData, 'task' | 'classes'>,
  train: { readonly truth: Truth; readonly weights?: Float64Array | undefined },
  rowCount: number,
): { readonly name: Baseline['name']; readonly predictions: ModelPredictions } {
  if (data.task === 'regression') {
    return { name: 'mean', predictions: { values: new Float64Array(rowCount).fill(weightedMean(train.truth, train.weights)) } };
  }
  const classCount = data.classes?.length ?? 0;
  const shares = classShares(train.truth, classCount, train.weights);
  const probabilities = new Float64Array(rowCount * classCount);
  for (let row = 0; row < rowCount; row += 1) probabilities.set(shares, row * classCount);
  return { name: 'majority', predictions: { probabilities } };
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
