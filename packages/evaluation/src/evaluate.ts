import { breathe, computeInSlices } from '@slipway/kernel';
import { Bootstrap, LEVEL_DEFAULT, RESAMPLES_DEFAULT, confusionMatrix, deLongArea } from '@slipway/statistics';
import { baselinePredictions } from './baseline.ts';
import type {
  AreaInterval,
  Baseline,
  CalibrationBin,
  ConfusionTable,
  Curves,
  Improvement,
  MetricName,
  MetricValue,
  MetricValues,
  Residuals,
  Task,
} from './contract.ts';
import { binaryCurves, calibrationBins } from './curves.ts';
import { EvaluationInputError } from './errors.ts';
import { type TaskData, type Truth, checkTaskData, clippedProbabilities, columnOf, positiveIndex, predictsClasses } from './inputs.ts';
import { binaryLabels, decisionsOf, evaluateOnce, metricPlan } from './metric-plan.ts';
import { metricsOf, primaryMetric } from './metric-table.ts';
import { affordableResamples, drawsOf, orNull, orient, toValue } from './resampling.ts';
import { checkResiduals } from './residuals.ts';

export interface EvaluateRequest extends TaskData {
  /** Truth of the training rows; the baselines learn from it and from nothing else. */
  readonly trainTruth: Truth;
  readonly trainWeights?: Float64Array | undefined;
  /** Time of each test row; residuals are looked at in its order. */
  readonly times?: Float64Array | undefined;
  readonly seed: number;
  readonly resamples?: number;
  readonly level?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What one evaluation found out. */
export interface Evaluation {
  readonly task: Task;
  readonly primary: MetricName;
  readonly metrics: MetricValues;
  readonly baseline: Baseline;
  /** Of the primary metric; above zero is better than the baseline. */
  readonly improvement: Improvement;
  /** The same for every metric of the task; gates read it. */
  readonly improvements: MetricValues;
  readonly rows: { readonly train: number; readonly test: number };
  readonly seed: number;
  readonly resamples: number;
  readonly level: number;
  readonly confusion: ConfusionTable | null;
  readonly curves: Curves | null;
  readonly calibration: CalibrationBin[] | null;
  readonly deLong: AreaInterval | null;
  readonly residuals: Residuals | null;
  readonly balance: { class: string; train: number; test: number }[] | null;
  /** What a reader must know to read the numbers right. */
  readonly notes: readonly string[];
}

/**
 * Metrics of predictions on rows the model has not seen, each with a percentile bootstrap interval, the baseline's
 * metrics, and how much better than the baseline they are (paired, so the rows' luck cancels). Computes in slices of a
 * few milliseconds. @throws {EvaluationInputError} {CancelledError}
 */
export async function evaluate(request: EvaluateRequest): Promise<Evaluation> {
  checkTaskData(request);
  if (request.trainTruth.length === 0) throw new EvaluationInputError('"trainTruth" is empty; the baseline has nothing to learn from.');
  const { task, truth, seed, loss, level = LEVEL_DEFAULT } = request;
  const resamples = affordableResamples(request.resamples ?? RESAMPLES_DEFAULT, drawsOf(request));
  const baseline = baselinePredictions(request, { truth: request.trainTruth, weights: request.trainWeights }, truth.length);
  const own = metricPlan(request);
  await breathe();
  const plans = [own, metricPlan({ ...request, predictions: baseline.predictions, threshold: undefined })] as const;
  await breathe();
  const bootstrap = new Bootstrap(plans, { seed: `evaluate:${seed}`, resamples, level });
  await computeInSlices(() => bootstrap.advance(1), request.signal);
  await breathe();
  const primary = primaryMetric(task, loss);
  const names = metricsOf(task, loss);
  const metrics = byMetric(names, (metric) => toValue(bootstrap.interval(metric)));
  const improvements = byMetric(names, (metric) => toValue(orient(bootstrap.difference(metric), metric)));
  const reference = evaluateOnce(plans[1]);
  return {
    task,
    primary,
    metrics,
    baseline: { name: baseline.name, metrics: byMetric(names, (metric) => orNull(reference[metric] as number)) },
    improvement: { metric: primary, ...(improvements[primary] as MetricValue) },
    improvements,
    rows: { train: request.trainTruth.length, test: truth.length },
    seed,
    resamples,
    level,
    ...describeClasses(request),
    residuals: residualsOf(request),
    notes: notesOn(request, metrics, resamples),
  };
}

function residualsOf({ task, predictions, truth, times }: EvaluateRequest): Residuals | null {
  if (task !== 'regression' || !('values' in predictions) || truth.length < 3) return null;
  return checkResiduals(predictions.values, truth, times);
}

function byMetric<T>(metrics: readonly MetricName[], valueOf: (metric: MetricName) => T): Partial<Record<MetricName, T>> {
  return Object.fromEntries(metrics.map((metric) => [metric, valueOf(metric)])) as Partial<Record<MetricName, T>>;
}

function describeClasses(request: EvaluateRequest): Pick<Evaluation, 'confusion' | 'curves' | 'calibration' | 'deLong' | 'balance'> {
  const { task, classes, truth, trainTruth, weights } = request;
  if (!predictsClasses(task) || !classes) return { confusion: null, curves: null, calibration: null, deLong: null, balance: null };
  const probabilities = clippedProbabilities(request.predictions);
  const cells = confusionMatrix(decisionsOf(request), truth, classes.length, weights);
  const confusion = {
    classes: [...classes],
    cells: classes.map((_, code) => [...cells.subarray(code * classes.length, (code + 1) * classes.length)]),
  };
  const [train, test] = [countCodes(trainTruth, classes.length), countCodes(truth, classes.length)];
  const balance = classes.map((name, code) => ({ class: name, train: train[code] as number, test: test[code] as number }));
  if (task === 'multiclass') return { confusion, curves: null, calibration: null, deLong: null, balance };
  const positive = positiveIndex(request);
  const scores = columnOf(probabilities, classes.length, positive);
  const labels = binaryLabels(truth, positive);
  return {
    confusion,
    curves: binaryCurves(scores, labels, weights),
    calibration: calibrationBins(scores, labels, weights),
    // DeLong's variance knows no weights.
    deLong: weights ? null : definedArea(deLongArea(scores, labels, request.level)),
    balance,
  };
}

function definedArea(area: AreaInterval): AreaInterval | null {
  return Number.isFinite(area.value) && Number.isFinite(area.standardError) ? area : null;
}

function countCodes(codes: Truth, classCount: number): number[] {
  const counts = Array.from({ length: classCount }, () => 0);
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

function notesOn(request: EvaluateRequest, metrics: MetricValues, resamples: number): string[] {
  const { task, truth } = request;
  const notes: string[] = [];
  const undefinedMetrics = metricsOf(task, request.loss).filter((metric) => metrics[metric]?.value === null);
  if (undefinedMetrics.length > 0) notes.push(`Undefined on these rows and therefore null: ${undefinedMetrics.join(', ')}.`);
  if (task === 'regression') {
    const zeros = Array.from(truth).filter((value) => value === 0).length;
    if (zeros > 0)
      notes.push(`mape leaves out the ${zeros} of ${truth.length} rows whose true value is 0, where a percentage has no meaning.`);
  }
  if (resamples < (request.resamples ?? RESAMPLES_DEFAULT)) {
    notes.push(
      `Intervals come from ${resamples} resamples, because ${truth.length} rows${task === 'multiclass' ? ` of ${request.classes?.length} classes` : ''} would need too many draws.`,
    );
  }
  if (truth.length < 100) notes.push(`Only ${truth.length} test rows: the intervals are wide and themselves uncertain.`);
  return notes;
}
