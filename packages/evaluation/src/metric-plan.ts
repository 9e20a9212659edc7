import { type ResamplePlan, argmaxRows, binaryPlan, multiclassPlan, rankingPlan, regressionPlan } from '@slipway/statistics';
import { EvaluationInputError } from './errors.ts';
import { type TaskData, type Truth, clippedProbabilities, columnOf, positiveIndex, predictsClasses } from './inputs.ts';
import { quantileOf } from './metric-table.ts';

/**
 * Everything that depends on rows only, ready for resampling; the data must have passed `checkTaskData`. Of a ranking
 * the plan's rows are the queries.
 */
export function metricPlan(data: TaskData): ResamplePlan {
  const { task, truth, weights, predictions } = data;
  if (!predictsClasses(task)) return numberPlan(data);
  const classCount = data.classes?.length ?? 0;
  const probabilities = clippedProbabilities(predictions);
  if (task === 'multiclass') return multiclassPlan({ probabilities, labels: truth, classCount, weights });
  const positive = positiveIndex(data);
  return binaryPlan({
    probabilities: columnOf(probabilities, classCount, positive),
    labels: binaryLabels(truth, positive),
    predicted: binaryLabels(decisionsOf(data), positive),
    weights,
  });
}

function numberPlan({ task, truth, weights, predictions, loss, queries }: TaskData): ResamplePlan {
  if (!('values' in predictions)) throw new EvaluationInputError('A regression is evaluated on "values".');
  if (task !== 'ranking') return regressionPlan({ predicted: predictions.values, truth, weights, quantile: quantileOf(task, loss) });
  if (!queries) throw new EvaluationInputError('A ranking is evaluated with the query of every row.');
  return rankingPlan({ scores: predictions.values, relevance: truth, queries });
}

/**
 * The predicted class of each row: the likeliest (of equals the first), or for two classes with a threshold the positive
 * one wherever its probability reaches it.
 */
export function decisionsOf(data: Pick<TaskData, 'classes' | 'positive' | 'predictions' | 'threshold'>): Int32Array {
  const { threshold } = data;
  const classCount = data.classes?.length ?? 0;
  const probabilities = clippedProbabilities(data.predictions);
  if (threshold === undefined || classCount !== 2) return argmaxRows(probabilities, classCount);
  const positive = positiveIndex(data);
  return Int32Array.from(columnOf(probabilities, classCount, positive), (probability) =>
    probability >= threshold ? positive : 1 - positive,
  );
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
