import { BINARY_METRICS, MULTICLASS_METRICS, REGRESSION_METRICS } from '@slipway/statistics';
import type { MetricName, Task } from './contract.ts';

const BY_TASK: Readonly<Record<Task, readonly MetricName[]>> = {
  binary: BINARY_METRICS,
  multiclass: MULTICLASS_METRICS,
  regression: REGRESSION_METRICS,
};

const PRIMARY: Readonly<Record<Task, MetricName>> = { binary: 'roc_auc', multiclass: 'log_loss', regression: 'rmse' };

const LOWER_IS_BETTER: ReadonlySet<string> = new Set(['log_loss', 'brier', 'rmse', 'mae', 'mape']);

/** The metrics of a task, in the order that reports show them. */
export function metricsOf(task: Task): readonly MetricName[] {
  return BY_TASK[task];
}

/** The metric that a task is judged by unless a gate says otherwise. */
export function primaryMetric(task: Task): MetricName {
  return PRIMARY[task];
}

/** Whether a higher value of the metric is the better one. */
export function higherIsBetter(metric: string): boolean {
  return !LOWER_IS_BETTER.has(metric);
}
