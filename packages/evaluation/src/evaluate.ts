import { Bootstrap, type Interval, LEVEL_DEFAULT, RESAMPLES_DEFAULT, argmaxRows, confusionMatrix } from '@slipway/statistics';
import { baselinePredictions } from './baseline.ts';
import { breathe, computeInSlices } from './breathe.ts';
import type {
  Baseline,
  CalibrationBin,
  ConfusionTable,
  Curves,
  Improvement,
  MetricName,
  MetricValue,
  MetricValues,
  Task,
} from './contract.ts';
import { binaryCurves, calibrationBins } from './curves.ts';
import { EvaluationInputError } from './errors.ts';
import { type TaskData, type Truth, checkTaskData, clippedProbabilities, columnOf, positiveIndex } from './inputs.ts';
import { binaryLabels, evaluateOnce, metricPlan } from './metric-plan.ts';
import { higherIsBetter, metricsOf, primaryMetric } from './metric-table.ts';

/** At most this many row draws a bootstrap; larger test sets get fewer resamples, never below RESAMPLES_MIN. */
export const BOOTSTRAP_DRAW_LIMIT = 100_000_000;
export const RESAMPLES_MIN = 200;

export interface EvaluateRequest extends TaskData {
  /** Truth of the training rows; the baselines learn from it and from nothing else. */
  readonly trainTruth: Truth;
  readonly trainWeights?: Float64Array | undefined;
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
  const { task, truth, seed, level = LEVEL_DEFAULT } = request;
  const resamples = affordableResamples(request.resamples ?? RESAMPLES_DEFAULT, truth.length);
  const baseline = baselinePredictions(request, { truth: request.trainTruth, weights: request.trainWeights }, truth.length);
  const own = metricPlan(request);
  await breathe();
  const plans = [own, metricPlan({ ...request, predictions: baseline.predictions })] as const;
  await breathe();
  const bootstrap = new Bootstrap(plans, { seed: `evaluate:${seed}`, resamples, level });
  await computeInSlices(() => bootstrap.advance(1), request.signal);
  await breathe();
  const primary = primaryMetric(task);
  const metrics = byMetric(task, (metric) => toValue(bootstrap.interval(metric)));
  const improvements = byMetric(task, (metric) => toValue(orient(bootstrap.difference(metric), metric)));
  const reference = evaluateOnce(plans[1]);
  return {
    task,
    primary,
    metrics,
    baseline: { name: baseline.name, metrics: byMetric(task, (metric) => orNull(reference[metric] as number)) },
    improvement: { metric: primary, ...(improvements[primary] as MetricValue) },
    improvements,
    rows: { train: request.trainTruth.length, test: truth.length },
    seed,
    resamples,
    level,
    ...describeClasses(request),
    notes: notesOn(request, metrics, resamples),
  };
}

function affordableResamples(wanted: number, rows: number): number {
  if (!Number.isInteger(wanted) || wanted < 1) throw new EvaluationInputError(`"resamples" must be a whole number above 0, got ${wanted}.`);
  return Math.min(wanted, Math.max(RESAMPLES_MIN, Math.floor(BOOTSTRAP_DRAW_LIMIT / rows)));
}

function byMetric<T>(task: Task, valueOf: (metric: MetricName) => T): Partial<Record<MetricName, T>> {
  return Object.fromEntries(metricsOf(task).map((metric) => [metric, valueOf(metric)])) as Partial<Record<MetricName, T>>;
}

/** Turns "higher by" into "better by". */
function orient({ value, low, high }: Interval, metric: MetricName): Interval {
  // Subtracting from zero instead of negating keeps an exact tie at 0, not -0, which JSON would show as another value.
  return higherIsBetter(metric) ? { value, low, high } : { value: 0 - value, low: 0 - high, high: 0 - low };
}

function toValue({ value, low, high }: Interval): MetricValue {
  return { value: orNull(value), low: orNull(low), high: orNull(high) };
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function describeClasses(request: EvaluateRequest): Pick<Evaluation, 'confusion' | 'curves' | 'calibration' | 'balance'> {
  const { task, classes, truth, trainTruth, weights } = request;
  if (task === 'regression' || !classes) return { confusion: null, curves: null, calibration: null, balance: null };
  const probabilities = clippedProbabilities(request.predictions);
  const cells = confusionMatrix(argmaxRows(probabilities, classes.length), truth, classes.length, weights);
  const confusion = {
    classes: [...classes],
    cells: classes.map((_, code) => [...cells.subarray(code * classes.length, (code + 1) * classes.length)]),
  };
  const [train, test] = [countCodes(trainTruth, classes.length), countCodes(truth, classes.length)];
  const balance = classes.map((name, code) => ({ class: name, train: train[code] as number, test: test[code] as number }));
  if (task === 'multiclass') return { confusion, curves: null, calibration: null, balance };
  const positive = positiveIndex(request);
  const scores = columnOf(probabilities, classes.length, positive);
  const labels = binaryLabels(truth, positive);
  return { confusion, curves: binaryCurves(scores, labels, weights), calibration: calibrationBins(scores, labels, weights), balance };
}

function countCodes(codes: Truth, classCount: number): number[] {
  const counts = Array.from({ length: classCount }, () => 0);
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

function notesOn(request: EvaluateRequest, metrics: MetricValues, resamples: number): string[] {
  const { task, truth } = request;
  const notes: string[] = [];
  const undefinedMetrics = metricsOf(task).filter((metric) => metrics[metric]?.value === null);
  if (undefinedMetrics.length > 0) notes.push(`Undefined on these rows and therefore null: ${undefinedMetrics.join(', ')}.`);
  if (task === 'regression') {
    const zeros = Array.from(truth).filter((value) => value === 0).length;
    if (zeros > 0)
      notes.push(`mape leaves out the ${zeros} of ${truth.length} rows whose true value is 0, where a percentage has no meaning.`);
  }
  if (resamples < (request.resamples ?? RESAMPLES_DEFAULT)) {
    notes.push(`Intervals come from ${resamples} resamples, because ${truth.length} rows would need too many draws.`);
  }
  if (truth.length < 100) notes.push(`Only ${truth.length} test rows: the intervals are wide and themselves uncertain.`);
  return notes;
}
