import { z } from 'zod';

export const Task = z.enum(['binary', 'multiclass', 'regression']);
export type Task = z.infer<typeof Task>;

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
  'macro_f1',
  'rmse',
  'mae',
  'r2',
  'mape',
]);
export type MetricName = z.infer<typeof MetricName>;

/** Null where the metric is undefined on this data (ROC AUC of one class); the report's notes say why. */
const Estimate = z.number().nullable();

/** A metric with its bootstrap percentile interval. */
export const MetricValue = z.strictObject({ value: Estimate, low: Estimate, high: Estimate });
export type MetricValue = z.infer<typeof MetricValue>;

export const MetricValues = z.partialRecord(MetricName, MetricValue);
export type MetricValues = z.infer<typeof MetricValues>;

/** What a model without inputs would score: `majority` answers the class shares of the training rows, `mean` their mean. */
export const Baseline = z.strictObject({ name: z.enum(['majority', 'mean']), metrics: z.partialRecord(MetricName, Estimate) });
export type Baseline = z.infer<typeof Baseline>;

/** How much better than the baseline a metric is on the same rows; above zero is better whatever the metric's direction. */
export const Improvement = MetricValue.extend({ metric: MetricName });
export type Improvement = z.infer<typeof Improvement>;

export const LeakKind = z.enum(['identifier', 'target-copy', 'function-of-target', 'suspicious']);
export type LeakKind = z.infer<typeof LeakKind>;

/** A column that knows the answer. `dropped`: training must leave it out; `needs-acceptance`: a person must exclude or accept it. */
export const Leak = z.strictObject({
  column: z.string(),
  kind: LeakKind,
  reason: z.string(),
  evidence: z.record(z.string(), z.union([z.number(), z.string()])),
  action: z.enum(['dropped', 'needs-acceptance']),
});
export type Leak = z.infer<typeof Leak>;

/** Slowest 95th percentile of a single-row prediction inside the process, unless a gate says otherwise. */
export const LATENCY_P95_MS_MAX_DEFAULT = 50;
/** Largest difference of a probability between trainer and graph. */
export const PARITY_PROBABILITY_ERROR_MAX = 1e-4;
/** Largest difference of a regression between trainer and graph, divided by max(1, |y|). */
export const PARITY_REGRESSION_ERROR_MAX = 1e-5;
export const GATE_LIMIT = 100;

/**
 * Name of a metric that a gate asks about. Open, because gates are the same for every kind of servable: `checkGates` holds
 * a table model's to the metrics of its task, a prompt's evaluation brings its own.
 */
export const GateMetric = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'use lower-case letters, digits and underscores');

const MetricGate = z
  .strictObject({ kind: z.literal('metric'), metric: GateMetric, atLeast: z.number().optional(), atMost: z.number().optional() })
  .refine((gate) => gate.atLeast !== undefined || gate.atMost !== undefined, { error: 'a metric gate needs "atLeast" or "atMost"' });

/** A condition fixed before evaluation that a version must meet to go live. */
export const GateDefinition = z.discriminatedUnion('kind', [
  MetricGate,
  z.strictObject({ kind: z.literal('betterThanBaseline'), metric: GateMetric }),
  z.strictObject({ kind: z.literal('parity'), maxError: z.number().positive() }),
  z.strictObject({ kind: z.literal('leakage') }),
  z.strictObject({ kind: z.literal('latency'), p95MsMax: z.number().positive().default(LATENCY_P95_MS_MAX_DEFAULT) }),
]);
export type GateDefinition = z.infer<typeof GateDefinition>;

export const GateDefinitions = z.array(GateDefinition).max(GATE_LIMIT);

export const GateResult = z.strictObject({
  name: z.string(),
  passed: z.boolean(),
  /** What was measured; null when it was not. */
  value: z.number().nullable(),
  threshold: z.number().nullable(),
  /** What was found, and for a failed gate what to do. */
  message: z.string(),
});
export type GateResult = z.infer<typeof GateResult>;

/** How much worse the primary metric gets when a column is shuffled. */
export const FieldImportance = z.strictObject({
  field: z.string(),
  importance: z.number(),
  /** Standard deviation over the repeats. */
  deviation: z.number(),
});
export type FieldImportance = z.infer<typeof FieldImportance>;

export const Importances = z.strictObject({
  metric: MetricName,
  rows: z.int().positive(),
  repeats: z.int().positive(),
  fields: z.array(FieldImportance),
});
export type Importances = z.infer<typeof Importances>;

export const CURVE_POINT_LIMIT = 200;

/** `cells[truth][predicted]`: counts, or sums of weights. */
export const ConfusionTable = z.strictObject({ classes: z.array(z.string()), cells: z.array(z.array(z.number())) });
export type ConfusionTable = z.infer<typeof ConfusionTable>;

const RocPoint = z.strictObject({ falsePositiveRatio: z.number(), truePositiveRatio: z.number(), threshold: z.number().nullable() });
const PrecisionRecallPoint = z.strictObject({ recall: z.number(), precision: z.number(), threshold: z.number() });

export const Curves = z.strictObject({
  roc: z.array(RocPoint).max(CURVE_POINT_LIMIT),
  precisionRecall: z.array(PrecisionRecallPoint).max(CURVE_POINT_LIMIT),
});
export type Curves = z.infer<typeof Curves>;

/** Rows whose predicted probability lies in a bin: what was said on average and what happened. */
export const CalibrationBin = z.strictObject({
  from: z.number(),
  to: z.number(),
  rows: z.number(),
  meanProbability: z.number(),
  observedRatio: z.number(),
});
export type CalibrationBin = z.infer<typeof CalibrationBin>;

export const ClassBalance = z.array(z.strictObject({ class: z.string(), train: z.int(), test: z.int() }));

/** The evidence of one evaluation. The same version, rows and seed give the same bytes, `timings` and `latency` apart. */
export const EvaluationReport = z.strictObject({
  format: z.literal('slipway.report/1'),
  task: Task,
  target: z.string(),
  classes: z.array(z.string()).nullable(),
  positive: z.string().nullable(),
  rows: z.strictObject({ train: z.int().nonnegative(), test: z.int().positive() }),
  seed: z.int(),
  resamples: z.int().positive(),
  level: z.number(),
  primary: MetricName,
  metrics: MetricValues,
  baseline: Baseline,
  improvement: Improvement,
  confusion: ConfusionTable.nullable(),
  curves: Curves.nullable(),
  calibration: z.array(CalibrationBin).nullable(),
  balance: ClassBalance.nullable(),
  importances: Importances.nullable(),
  leakage: z.array(Leak),
  acceptedLeaks: z.array(z.string()),
  parity: z.strictObject({ maxError: z.number() }).nullable(),
  latency: z.strictObject({ p50Ms: z.number(), p95Ms: z.number() }).nullable(),
  gatesHash: z.string(),
  gates: z.array(GateResult),
  notes: z.array(z.string()),
  /** Seconds by phase. */
  timings: z.record(z.string(), z.number()),
});
export type EvaluationReport = z.infer<typeof EvaluationReport>;
