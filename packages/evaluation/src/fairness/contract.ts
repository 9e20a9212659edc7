import { z } from 'zod';
import { SliceCondition } from '../slices/contract.ts';

/** Groups of one attribute: its most frequent values, and one group for all others. */
export const FAIRNESS_GROUP_LIMIT = 50;
/** Sensitive columns together with their intersections. */
export const FAIRNESS_ATTRIBUTE_LIMIT = 20;
/** A group with fewer rows is marked small: it is shown and left out of the parity measures that gates read. */
export const SMALL_GROUP_ROWS = 30;
/** The four-fifths rule of the EEOC's Uniform Guidelines (1978): below it a report warns. */
export const PARITY_RATIO_MIN = 0.8;

const Estimate = z.strictObject({ value: z.number().nullable(), low: z.number().nullable(), high: z.number().nullable() });
export type FairEstimate = z.infer<typeof Estimate>;

/** Names of the measures of disparity between the groups of one attribute. Differences: 0 is even. Ratios: 1 is even. */
export const FairnessMeasure = z.enum([
  'demographic_parity_difference',
  'demographic_parity_ratio',
  'equalized_odds_difference',
  'equalized_odds_ratio',
  'equal_opportunity_difference',
  'equal_opportunity_ratio',
  'false_positive_rate_difference',
  'false_positive_rate_ratio',
  'predictive_parity_difference',
  'predictive_parity_ratio',
  'accuracy_difference',
  'accuracy_ratio',
  'calibration_difference',
  'mean_prediction_difference',
  'mean_prediction_ratio',
  'mean_error_difference',
  'mae_difference',
  'mae_ratio',
  'rmse_difference',
  'rmse_ratio',
]);
export type FairnessMeasure = z.infer<typeof FairnessMeasure>;

/** Said and true shares of the positive class among rows of one group, by ten bins of the probability. */
export const GroupCalibrationBin = z.strictObject({
  from: z.number(),
  to: z.number(),
  rows: z.number(),
  meanProbability: z.number(),
  observedRatio: z.number(),
});

/** One group. Rates that do not fit the task are null; intervals are Wilson's for shares and Student's for means. */
export const FairnessGroup = z.strictObject({
  label: z.string(),
  conditions: z.array(SliceCondition).min(1),
  rows: z.int().positive(),
  share: z.number(),
  small: z.boolean(),
  /** Of the positive class. */
  baseRate: z.number().nullable(),
  selectionRate: Estimate.nullable(),
  truePositiveRate: Estimate.nullable(),
  falsePositiveRate: Estimate.nullable(),
  falseNegativeRate: Estimate.nullable(),
  trueNegativeRate: Estimate.nullable(),
  positivePredictiveValue: Estimate.nullable(),
  accuracy: Estimate.nullable(),
  /** Probability of the positive class, or the number, on average; and what was true. */
  meanPrediction: z.number().nullable(),
  meanTruth: z.number().nullable(),
  /** Mean of prediction minus truth. */
  meanError: Estimate.nullable(),
  /** Share of decided rows by class, in the order of the classes; several classes only. */
  classRates: z.array(z.number()).nullable(),
  mae: Estimate.nullable(),
  rmse: z.number().nullable(),
  /** Mean distance of said and true shares over the bins, weighted by rows. */
  calibrationError: z.number().nullable(),
  calibration: z.array(GroupCalibrationBin).nullable(),
});
export type FairnessGroup = z.infer<typeof FairnessGroup>;

/** A disparity with its bootstrap interval; `lowGroup` and `highGroup` are the two furthest apart. */
export const Disparity = z.strictObject({
  measure: FairnessMeasure,
  value: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
});
export type Disparity = z.infer<typeof Disparity>;

/** One sensitive column, or an intersection of several. */
export const FairnessAttribute = z.strictObject({
  columns: z.array(z.string()).min(1),
  groups: z.array(FairnessGroup),
  /** Between the groups that are not small. */
  disparities: z.array(Disparity),
  /** Between all groups, small ones too, without intervals: what Fairlearn reports. */
  disparitiesAll: z.array(z.strictObject({ measure: FairnessMeasure, value: z.number().nullable() })),
});
export type FairnessAttribute = z.infer<typeof FairnessAttribute>;

const Outcome = z.strictObject({
  accuracy: z.number(),
  balancedAccuracy: z.number().nullable(),
  rocAuc: z.number().nullable(),
  disparities: z.partialRecord(FairnessMeasure, z.number().nullable()),
});
export type MitigationOutcome = z.infer<typeof Outcome>;

/** A way to lessen a disparity, what it reaches and what it costs; measured on rows that it was not chosen by. */
export const Mitigation = z.strictObject({
  method: z.enum(['thresholds', 'reweighing']),
  /** What the method evens out. */
  criterion: z.enum(['demographic_parity', 'equal_opportunity', 'independence']),
  columns: z.array(z.string()).min(1),
  /** Whether the version that was judged already has it. */
  applied: z.boolean(),
  before: Outcome,
  after: Outcome,
  /** Accuracy before less accuracy after, with its paired interval where there is one. */
  price: Estimate,
  thresholds: z.array(z.strictObject({ label: z.string(), threshold: z.number() })).nullable(),
  /** Rows it was measured on. */
  rows: z.int().positive(),
  note: z.string(),
});
export type Mitigation = z.infer<typeof Mitigation>;

/** How a model treats the groups of the sensitive columns. */
export const FairnessSection = z.strictObject({
  positive: z.string().nullable(),
  threshold: z.number().nullable(),
  smallGroupRows: z.int(),
  attributes: z.array(FairnessAttribute).max(FAIRNESS_ATTRIBUTE_LIMIT),
  mitigations: z.array(Mitigation),
  warnings: z.array(z.string()),
  notes: z.array(z.string()),
});
export type FairnessSection = z.infer<typeof FairnessSection>;

/** A disparity between the groups of one sensitive column (or of an intersection, `sex+race`) that must keep its bound. */
export const FairnessGate = z.strictObject({
  kind: z.literal('fairness'),
  column: z.string().min(1).max(1_024),
  measure: FairnessMeasure.default('demographic_parity_ratio'),
  atLeast: z.number().optional(),
  atMost: z.number().optional(),
});
export type FairnessGate = z.infer<typeof FairnessGate>;
