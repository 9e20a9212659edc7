import { type ResamplePlan, argmaxRows, binaryPlan, multiclassPlan, regressionPlan } from '@slipway/statistics';
import { EvaluationInputError } from './errors.ts';
import { type TaskData, type Truth, clippedProbabilities, columnOf, positiveIndex } from './inputs.ts';

/** Everything that depends on rows only, ready for resampling; the data must have passed `checkTaskData`. */
export function metricPlan(data: TaskData): ResamplePlan {
  const { task, truth, weights, predictions } = data;
  if (task === 'regression') {
    if (!('values' in predictions)) throw new EvaluationInputError('A regression is evaluated on "values".');
    return regressionPlan({ predicted: predictions.values, truth, weights });
  }
  const classCount = data.classes?.length ?? 0;
  const probabilities = clippedProbabilities(predictions);
  if (task === 'multiclass') return multiclassPlan({ probabilities, labels: truth, classCount, weights });
  const positive = positiveIndex(data);
  return binaryPlan({
    probabilities: columnOf(probabilities, classCount, positive),
    labels: binaryLabels(truth, positive),
    predicted: binaryLabels(argmaxRows(probabilities, classCount), positive),
    weights,
  });
}

/** 1 where the row is of the positive class. */
export function binaryLabels(truth: Truth, positive: number): Uint8Array {
  const labels = new Uint8Array(truth.length);
  for (let row = 0; row < labels.length; row += 1) labels[row] = truth[row] === positive ? 1 : 0;
  return labels;
}

/** The metrics of the rows as they are, NaN where undefined. */
export function evaluateOnce(plan: ResamplePlan): Record<string, number> {
  const out = new Float64Array(plan.names.length);
  plan.evaluate(new Uint16Array(plan.rowCount).fill(1), out);
  return Object.fromEntries(plan.names.map((name, index) => [name, out[index] as number]));
}
