import { breathe, computeInSlices } from '@slipway/kernel';
import { Bootstrap, LEVEL_DEFAULT, RESAMPLES_DEFAULT, deLongDifference, mcNemar } from '@slipway/statistics';
import type { MetricName } from '../contract.ts';
import {
  type ModelPredictions,
  type TaskData,
  checkTaskData,
  clippedProbabilities,
  columnOf,
  positiveIndex,
  predictsClasses,
} from '../inputs.ts';
import { binaryLabels, decisionsOf, evaluateOnce, metricPlan } from '../metric-plan.ts';
import { metricsOf, primaryMetric } from '../metric-table.ts';
import { affordableResamples, drawsOf, orNull, orient, toValue } from '../resampling.ts';
import type { Comparison } from './contract.ts';

export interface CompareRequest extends TaskData {
  /** `predictions` and `threshold` are the new version's; these are the live one's, on the same rows. */
  readonly champion: { readonly predictions: ModelPredictions; readonly threshold?: number | undefined };
  readonly identity: Comparison['champion'];
  readonly overlap: Comparison['overlap'];
  readonly seed: number;
  readonly resamples?: number;
  readonly level?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Compares two versions on the same rows: every metric by a paired bootstrap, the area under the ROC curve by DeLong's
 * test, right and wrong answers by McNemar's. The verdict goes by the primary metric's paired interval.
 * @throws {EvaluationInputError} {CancelledError}
 */
export async function compareModels(request: CompareRequest): Promise<Comparison> {
  const { champion, ...own } = request;
  const other: TaskData = { ...own, predictions: champion.predictions, threshold: champion.threshold };
  checkTaskData(own);
  checkTaskData(other);
  const plans = [metricPlan(own), metricPlan(other)] as const;
  await breathe();
  const { task, loss, truth, level = LEVEL_DEFAULT } = request;
  const resamples = affordableResamples(request.resamples ?? RESAMPLES_DEFAULT, 2 * drawsOf(request));
  const bootstrap = new Bootstrap(plans, { seed: `compare:${request.seed}`, resamples, level });
  await computeInSlices(() => bootstrap.advance(1), request.signal);
  const [ours, theirs] = [evaluateOnce(plans[0]), evaluateOnce(plans[1])];
  const metrics = metricsOf(task, loss).map((metric: MetricName) => ({
    metric,
    candidate: orNull(ours[metric] as number),
    champion: orNull(theirs[metric] as number),
    improvement: toValue(orient(bootstrap.difference(metric), metric)),
  }));
  const primary = primaryMetric(task, loss);
  const { low = null, high = null } = metrics.find((each) => each.metric === primary)?.improvement ?? {};
  return {
    champion: request.identity,
    rows: truth.length,
    overlap: request.overlap,
    metrics,
    ...testsOf(own, other),
    primary,
    verdict: (low ?? 0) > 0 ? 'better' : (high ?? 0) < 0 ? 'worse' : 'no-difference-shown',
    notes:
      request.overlap === 'none'
        ? []
        : [
            'The live version was not trained on the same division of the same data: it may have seen some of these rows, which flatters it.',
          ],
  };
}

function testsOf(own: TaskData, other: TaskData): Pick<Comparison, 'deLong' | 'mcNemar' | 'changed'> {
  if (!predictsClasses(own.task)) return { deLong: null, mcNemar: null, changed: numbersChanged(own, other) };
  const decisions = [decisionsOf(own), decisionsOf(other)] as const;
  const { firstOnly, secondOnly, pValue, method } = mcNemar(decisions[0], decisions[1], own.truth);
  const changed = decisions[0].reduce((sum, code, row) => sum + (code === decisions[1][row] ? 0 : 1), 0) / own.truth.length;
  return { deLong: deLongOf(own, other), mcNemar: { candidateOnly: firstOnly, championOnly: secondOnly, pValue, method }, changed };
}

function deLongOf(own: TaskData, other: TaskData): Comparison['deLong'] {
  if (own.task !== 'binary' || own.weights) return null;
  const positive = positiveIndex(own);
  const scores = (data: TaskData) => columnOf(clippedProbabilities(data.predictions), 2, positive);
  const found = deLongDifference(scores(own), scores(other), binaryLabels(own.truth, positive));
  if (!Number.isFinite(found.standardError)) return null;
  const { value, standardError, z, pValue, low, high } = found;
  return { difference: value, standardError, z: orNull(z), pValue, low, high };
}

/** Mean size of the difference in standard deviations of the truth. */
function numbersChanged(own: TaskData, other: TaskData): number {
  if (!('values' in own.predictions) || !('values' in other.predictions)) return 0;
  const { truth } = own;
  const theirs = other.predictions.values;
  let mean = 0;
  let difference = 0;
  own.predictions.values.forEach((value: number, row: number) => {
    mean += (truth[row] as number) / truth.length;
    difference += Math.abs(value - (theirs[row] as number)) / truth.length;
  });
  let squares = 0;
  for (const value of truth) squares += (value - mean) ** 2 / truth.length;
  return squares === 0 ? 0 : difference / Math.sqrt(squares);
}
