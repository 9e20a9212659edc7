import type { Interval } from '@slipway/statistics';
import type { MetricName, MetricValue } from './contract.ts';
import { EvaluationInputError } from './errors.ts';
import type { TaskData } from './inputs.ts';
import { higherIsBetter } from './metric-table.ts';

/** At most this many row draws a bootstrap; larger test sets get fewer resamples, never below RESAMPLES_MIN. */
export const BOOTSTRAP_DRAW_LIMIT = 100_000_000;
export const RESAMPLES_MIN = 200;
/** Classes whose areas together cost a resample as much as all other metrics. */
const CLASSES_PER_DRAW = 5;

/** Row draws that one resample costs. */
export function drawsOf({ task, truth, classes }: Pick<TaskData, 'task' | 'truth' | 'classes'>): number {
  return task === 'multiclass' ? truth.length * Math.max(1, (classes?.length ?? 0) / CLASSES_PER_DRAW) : truth.length;
}

/** As many resamples as were wanted, or as the draws allow. @throws {EvaluationInputError} */
export function affordableResamples(wanted: number, draws: number): number {
  if (!Number.isInteger(wanted) || wanted < 1) throw new EvaluationInputError(`"resamples" must be a whole number above 0, got ${wanted}.`);
  return Math.min(wanted, Math.max(RESAMPLES_MIN, Math.floor(BOOTSTRAP_DRAW_LIMIT / draws)));
}

/** Turns "higher by" into "better by"; a share of rows below a quantile is better nearer to its level, neither high nor low. */
export function orient({ value, low, high }: Interval, metric: MetricName): Interval {
  if (metric === 'coverage') return { value: Number.NaN, low: Number.NaN, high: Number.NaN };
  // Subtracting from zero instead of negating keeps an exact tie at 0, not -0, which JSON would show as another value.
  return higherIsBetter(metric) ? { value, low, high } : { value: 0 - value, low: 0 - high, high: 0 - low };
}

/** An interval as reports hold it. */
export function toValue({ value, low, high }: Interval): MetricValue {
  return { value: orNull(value), low: orNull(low), high: orNull(high) };
}

export function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
