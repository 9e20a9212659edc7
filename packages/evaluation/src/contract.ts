import { z } from 'zod';
import { Comparison } from './compare/contract.ts';
import { Explanations } from './explanations/contract.ts';
import { Leak } from './leaks/contract.ts';
import { DecisionRule, ObjectiveResult } from './objective/contract.ts';
import { MetricName, MetricValue } from './metric-contract.ts';
import { FairnessGate, FairnessMeasure, FairnessSection } from './fairness/contract.ts';
import { ForecastSection } from './forecast/contract.ts';
import { RobustnessGate, RobustnessSection, RobustnessTest } from './robustness/contract.ts';
import { RulesSection } from './rules/contract.ts';
import { SlicesSection } from './slices/contract.ts';
import { UnsupervisedSection } from './unsupervised/contract.ts';

export {
  Comparison,
  DecisionRule,
  FairnessMeasure,
  ForecastSection,
  MetricName,
  MetricValue,
  ObjectiveResult,
  RobustnessTest,
  RulesSection,
  UnsupervisedSection,
};
export { Objective } from './objective/contract.ts';

/** `ranking` orders the rows of a query; its truth are grades of relevance. */
export const Task = z.enum(['binary', 'multiclass', 'regression', 'ranking']);
export type Task = z.infer<typeof Task>;

/** What a report may be about: a table's task, the future of series, or rows without a target. */
export const ReportTask = z.enum([...Task.options, 'forecast', 'cluster', 'reduce', 'anomaly']);
export type ReportTask = z.infer<typeof ReportTask>;

/** Null where the metric is undefined on this data (ROC AUC of one class); the report's notes say why. */
const Estimate = z.number().nullable();

export const MetricValues = z.partialRecord(MetricName, MetricValue);
export type MetricValues = z.infer<typeof MetricValues>;

/**
 * What a model without inputs would score: `majority` answers the class shares of the training rows, `mean`, `median` and
 * `quantile` a constant of theirs (whichever the model's loss is best served by), `random` any order of a query's rows.
 */
export const Baseline = z.strictObject({
  name: z.enum(['majority', 'mean', 'median', 'quantile', 'random', 'seasonal-naive', 'unrelated-columns']),
  metrics: z.partialRecord(MetricName, Estimate),
});
export type Baseline = z.infer<typeof Baseline>;

/** How much better than the baseline a metric is on the same rows; above zero is better whatever the metric's direction. */
export const Improvement = MetricValue.extend({ metric: MetricName });
export type Improvement = z.infer<typeof Improvement>;

export { Leak, LeakKind, LeakRow, SPLIT_LEAKS } from './leaks/contract.ts';

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
  /** Better than the rules of the definition's baseline, on the same rows. */
  z.strictObject({ kind: z.literal('betterThanRules'), metric: GateMetric }),
  z.strictObject({ kind: z.literal('parity'), maxError: z.number().positive() }),
  z.strictObject({ kind: z.literal('leakage') }),
  /** The business objective: better than acting on none or on all, not worse than the champion, constraint met. */
  z.strictObject({ kind: z.literal('objective') }),
  z.strictObject({ kind: z.literal('latency'), p95MsMax: z.number().positive().default(LATENCY_P95_MS_MAX_DEFAULT) }),
  /** Against the live version on the same rows, by the primary metric: shown to be no worse than the margin, or to be better. */
  z.strictObject({
    kind: z.literal('champion'),
    margin: z.number().min(0).default(0.01),
    require: z.enum(['no-worse', 'better']).default('no-worse'),
  }),
  FairnessGate,
  RobustnessGate,
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

const GainCurvePoint = z.strictObject({ taken: z.number(), gain: z.number(), lift: z.number() });
/**
 * Drummond & Holte: `probabilityCost` is the positive class's share of what could go wrong, `normalisedCost` the least
 * share of it that some threshold lets happen.
 */
const CostPoint = z.strictObject({ probabilityCost: z.number(), normalisedCost: z.number() });

export const Curves = z.strictObject({
  roc: z.array(RocPoint).max(CURVE_POINT_LIMIT),
  precisionRecall: z.array(PrecisionRecallPoint).max(CURVE_POINT_LIMIT),
  /** Share of the positives among the best share of the rows. */
  gain: z.array(GainCurvePoint).max(CURVE_POINT_LIMIT).default([]),
  cost: z.array(CostPoint).max(CURVE_POINT_LIMIT).default([]),
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

/** The area under the ROC curve with DeLong's interval, beside the bootstrap's. */
export const AreaInterval = z.strictObject({ value: z.number(), standardError: z.number(), low: z.number(), high: z.number() });
export type AreaInterval = z.infer<typeof AreaInterval>;

const ResidualTest = z.strictObject({ statistic: Estimate, pValue: Estimate });

/** What the errors of a regression look like. Residual = truth - prediction; small p-values say that a check is not met. */
export const Residuals = z.strictObject({
  mean: z.number(),
  /** Quantiles of the residuals at 0, 0.05, 0.25, 0.5, 0.75, 0.95, 1. */
  quantiles: z.array(z.strictObject({ level: z.number(), value: z.number() })),
  /** Counts by parts of equal width between the 0.5 % and 99.5 % quantiles; the outer parts hold what lies beyond. */
  histogram: z.array(z.strictObject({ from: z.number(), to: z.number(), rows: z.int() })),
  /** Jarque-Bera. */
  normality: ResidualTest.extend({ skewness: Estimate, kurtosis: Estimate }),
  /** Breusch-Pagan against the prediction. */
  heteroscedasticity: ResidualTest,
  /** Ljung-Box and Durbin-Watson over the rows in time order; null without a time column. */
  autocorrelation: ResidualTest.extend({ lags: z.int(), durbinWatson: Estimate }).nullable(),
  /** Rows by tenths of the prediction: where it is biased, and where it is worst. */
  deciles: z.array(
    z.strictObject({
      from: z.number(),
      to: z.number(),
      rows: z.int(),
      meanPredicted: z.number(),
      meanTruth: z.number(),
      meanResidual: z.number(),
      rmse: z.number(),
    }),
  ),
  notes: z.array(z.string()),
});
export type Residuals = z.infer<typeof Residuals>;

export const ClassBalance = z.array(z.strictObject({ class: z.string(), train: z.int(), test: z.int() }));

/** The evidence of one evaluation. The same version, rows and seed give the same bytes, `timings` and `latency` apart. */
export const EvaluationReport = z.strictObject({
  format: z.literal('slipway.report/1'),
  task: ReportTask,
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
  deLong: AreaInterval.nullable().default(null),
  residuals: Residuals.nullable().default(null),
  /** Which probability makes a prediction the positive class; null unless binary. */
  decision: DecisionRule.nullable().default(null),
  objective: ObjectiveResult.nullable().default(null),
  /** Against the version that the release serves, on the same rows. */
  comparison: Comparison.nullable().default(null),
  importances: Importances.nullable(),
  /** Why the model answers as it does; null when it was not trained here. */
  explanations: Explanations.nullable().default(null),
  /** Rules that are the model, or that it was compared with. */
  rules: RulesSection.nullable().default(null),
  slices: SlicesSection.nullable().default(null),
  fairness: FairnessSection.nullable().default(null),
  robustness: RobustnessSection.nullable().default(null),
  /** Forecasts only: by step and series, with examples. */
  forecast: ForecastSection.nullable().default(null),
  /** Models without a target only. */
  unsupervised: UnsupervisedSection.nullable().default(null),
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
