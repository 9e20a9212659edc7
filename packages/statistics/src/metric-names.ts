/** Names of metrics by task, without the code that computes them: contracts are made of these. */
export const BINARY_METRICS = [
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
] as const;
export const MULTICLASS_METRICS = [
  'accuracy',
  'macro_f1',
  'log_loss',
  'balanced_accuracy',
  'top_3_accuracy',
  'roc_auc_macro',
  'roc_auc_weighted',
] as const;
export const REGRESSION_METRICS = ['rmse', 'mae', 'r2', 'mape', 'median_absolute_error'] as const;
/** What a prediction of one quantile is judged by, besides the metrics of a regression. */
export const QUANTILE_METRICS = ['pinball', 'coverage'] as const;
