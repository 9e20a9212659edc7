import { z } from 'zod';

export const MetricName = z.enum([
  'roc_auc',
  'average_precision',
  'log_loss',
  'brier',
  'accuracy',
  'precision',
  'recall',
  'f1',
  'mcc',
  'balanced_accuracy',
  'calibration_error',
  'ks',
  'precision_at_10_percent',
  'lift_at_10_percent',
  'macro_f1',
  'top_3_accuracy',
  'roc_auc_macro',
  'roc_auc_weighted',
  'rmse',
  'mae',
  'r2',
  'mape',
  'median_absolute_error',
  'pinball',
  'coverage',
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
]);
export type MetricName = z.infer<typeof MetricName>;

/** A metric with its bootstrap percentile interval; null where it is undefined on this data. */
export const MetricValue = z.strictObject({ value: z.number().nullable(), low: z.number().nullable(), high: z.number().nullable() });
export type MetricValue = z.infer<typeof MetricValue>;
