import { BINARY_METRICS, MULTICLASS_METRICS, QUANTILE_METRICS, REGRESSION_METRICS } from '@slipway/statistics/metric-names';
import { z } from 'zod';

/** Of rankings, forecasts, and models without a target; those of classes and numbers have their home where they are computed. */
const OTHER_METRICS = [
  'ndcg_at_10',
  'map',
  'mrr',
  'mase',
  'smape',
  'silhouette',
  'inertia',
  'stability',
  'adjusted_rand',
  'explained_variance',
  'anomaly_rate',
] as const;

export const MetricName = z.enum([
  ...new Set([...BINARY_METRICS, ...MULTICLASS_METRICS, ...REGRESSION_METRICS, ...QUANTILE_METRICS, ...OTHER_METRICS]),
]);
export type MetricName = z.infer<typeof MetricName>;

/** A metric with its bootstrap percentile interval; null where it is undefined on this data. */
export const MetricValue = z.strictObject({ value: z.number().nullable(), low: z.number().nullable(), high: z.number().nullable() });
export type MetricValue = z.infer<typeof MetricValue>;
