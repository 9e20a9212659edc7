import { BINARY_METRICS, MULTICLASS_METRICS, QUANTILE_METRICS, RANKING_METRICS, REGRESSION_METRICS } from '@slipway/statistics';
import type { MetricName, ReportTask } from './contract.ts';

/** What a regression was trained for; decides what it is judged by. `level` is that of `quantile`. */
export interface TrainedLoss {
  readonly kind: string;
  readonly level?: number | undefined;
}

/** Scaled by what a seasonal naive forecast is wrong by; the symmetric percentage error; `coverage` of the intervals. */
export const FORECAST_METRICS = ['mase', 'smape', 'mape', 'rmse', 'mae', 'coverage'] as const satisfies readonly MetricName[];

const BY_TASK: Readonly<Record<ReportTask, readonly MetricName[]>> = {
  binary: BINARY_METRICS,
  multiclass: MULTICLASS_METRICS,
  regression: REGRESSION_METRICS,
  ranking: RANKING_METRICS,
  forecast: FORECAST_METRICS,
  // Agreement with a label column, and areas, only where one was named.
  cluster: ['silhouette', 'inertia', 'stability', 'adjusted_rand'],
  reduce: ['explained_variance', 'stability'],
  anomaly: ['stability', 'anomaly_rate', 'roc_auc', 'average_precision'],
};

const PRIMARY: Readonly<Record<ReportTask, MetricName>> = {
  binary: 'roc_auc',
  multiclass: 'log_loss',
  regression: 'rmse',
  ranking: 'ndcg_at_10',
  forecast: 'mase',
  cluster: 'silhouette',
  reduce: 'explained_variance',
  anomaly: 'stability',
};

const LOWER_IS_BETTER: ReadonlySet<string> = new Set([
  'log_loss',
  'brier',
  'calibration_error',
  'rmse',
  'mae',
  'mape',
  'median_absolute_error',
  'pinball',
  'mase',
  'smape',
  'inertia',
]);

/** The quantile that predictions claim to be; undefined unless they were trained for one. */
export function quantileOf(task: ReportTask, loss: TrainedLoss | undefined): number | undefined {
  return task === 'regression' && loss?.kind === 'quantile' ? (loss.level ?? 0.5) : undefined;
}

/** The metrics of a task, in the order that reports show them. */
export function metricsOf(task: ReportTask, loss?: TrainedLoss): readonly MetricName[] {
  return quantileOf(task, loss) === undefined ? BY_TASK[task] : [...BY_TASK[task], ...QUANTILE_METRICS];
}

/** The metric that a task is judged by unless a gate says otherwise: what it was trained for, where that is a choice. */
export function primaryMetric(task: ReportTask, loss?: TrainedLoss): MetricName {
  if (quantileOf(task, loss) !== undefined) return 'pinball';
  return task === 'regression' && loss?.kind === 'absolute' ? 'mae' : PRIMARY[task];
}

/** Whether a higher value of the metric is the better one. */
export function higherIsBetter(metric: string): boolean {
  return !LOWER_IS_BETTER.has(metric);
}
