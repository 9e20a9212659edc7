import { z } from 'zod';
import { MetricValue } from '../metric-contract.ts';

/** Metrics of decisions that a constraint may be about; all follow from counts of right and wrong decisions. */
export const ConstraintMetric = z.enum(['precision', 'recall', 'f1', 'accuracy', 'mcc', 'balanced_accuracy', 'selection_rate']);
export type ConstraintMetric = z.infer<typeof ConstraintMetric>;

/** All these metrics are shares, but for mcc, which may be below zero: a bound beyond could never be kept or broken. */
const bound = z.number().min(-1, 'a bound lies between 0 and 1').max(1, 'a bound lies between 0 and 1');

export const ObjectiveConstraint = z
  .strictObject({ metric: ConstraintMetric, atLeast: bound.optional(), atMost: bound.optional() })
  .refine((each) => (each.atLeast === undefined) !== (each.atMost === undefined), {
    error: 'a constraint needs either "atLeast" or "atMost"',
  });
export type ObjectiveConstraint = z.infer<typeof ObjectiveConstraint>;

const cost = z.number().min(-1e12).max(1e12);

/** What one decision costs, in units of the KPI. Below zero is a gain. `positive` is what the model acts on. */
export const DecisionCosts = z
  .strictObject({
    falsePositive: cost,
    falseNegative: cost,
    truePositive: cost.default(0),
    trueNegative: cost.default(0),
  })
  .refine((costs) => costs.falsePositive > costs.trueNegative, {
    path: ['falsePositive'],
    error: 'must be above "trueNegative": else acting would pay for every row and there is nothing to decide',
  })
  .refine((costs) => costs.falseNegative > costs.truePositive, {
    path: ['falseNegative'],
    error: 'must be above "truePositive": else not acting would pay for every row and there is nothing to decide',
  });
export type DecisionCosts = z.infer<typeof DecisionCosts>;

/** What one unit of a number predicted too high (`over`) or too low (`under`) costs. */
export const UnitErrorCosts = z.strictObject({ over: z.number().positive().max(1e12), under: z.number().positive().max(1e12) });
export type UnitErrorCosts = z.infer<typeof UnitErrorCosts>;

/** The business question of a model: costs of decisions for two classes, costs of errors for a number. */
export const Objective = z
  .strictObject({
    costs: DecisionCosts.optional(),
    costPerUnitError: UnitErrorCosts.optional(),
    /** What costs are counted in. */
    kpi: z.strictObject({ name: z.string().min(1).max(100), unit: z.string().max(40).default('') }).optional(),
    constraint: ObjectiveConstraint.optional(),
  })
  .refine((each) => (each.costs === undefined) !== (each.costPerUnitError === undefined), {
    error: 'an objective needs either "costs" (of decisions) or "costPerUnitError" (of a predicted number)',
  })
  .refine((each) => each.constraint === undefined || each.costs !== undefined, {
    path: ['constraint'],
    error: 'only decisions have a constraint: give "costs"',
  });
export type Objective = z.infer<typeof Objective>;

/** How a threshold was found. */
export const ThresholdSource = z.enum([
  /** The largest probability decides: 0.5. */
  'default',
  /** By the costs alone, which is right for calibrated probabilities. */
  'costs',
  /** The best one seen on training rows that the fit had not seen, clearly better than that of the costs. */
  'observed',
]);

/** From which probability on a row is predicted to be of the positive class. */
export const DecisionRule = z.strictObject({
  threshold: z.number(),
  source: ThresholdSource,
  /** Training rows, each predicted by a fit without it, that the threshold was chosen by; 0 for the default. */
  rows: z.int().nonnegative(),
  /** For a rare positive class without an objective: the threshold with the best F1 on such rows. Not used unless asked for. */
  advice: z.strictObject({ metric: z.literal('f1'), threshold: z.number(), value: z.number(), atDefault: z.number() }).nullable(),
});
export type DecisionRule = z.infer<typeof DecisionRule>;

/** Another way to decide, and by how much the model is better (paired; above zero is better). */
const Alternative = z.strictObject({
  name: z.enum(['act-on-none', 'act-on-all', 'constant', 'rules', 'champion']),
  value: MetricValue,
  advantage: MetricValue,
});

export const OBJECTIVE_CURVE_POINT_LIMIT = 101;

/** What the model is worth in the objective's own unit. Values are minus the costs: higher is better. */
export const ObjectiveResult = z.strictObject({
  kind: z.enum(['decisions', 'unit-error']),
  kpi: z.strictObject({ name: z.string(), unit: z.string() }).nullable(),
  /** Values are per this many rows. */
  per: z.literal(1_000),
  rows: z.int().positive(),
  threshold: z.number().nullable(),
  model: MetricValue,
  alternatives: z.array(Alternative),
  /** Share of rows that the model acts on. */
  selectionRate: z.number().nullable(),
  constraint: z
    .strictObject({
      metric: ConstraintMetric,
      atLeast: z.number().nullable(),
      atMost: z.number().nullable(),
      value: MetricValue,
      met: z.boolean(),
    })
    .nullable(),
  /** Value at each threshold on the test rows, for plots; the threshold was chosen on other rows. */
  curve: z.array(z.strictObject({ threshold: z.number(), value: z.number() })).max(OBJECTIVE_CURVE_POINT_LIMIT),
  /** The best choice that the test rows support: with several in sight of each other, `undecided`. */
  verdict: z.enum(['use-model', 'act-on-none', 'act-on-all', 'use-constant', 'use-rules', 'keep-champion', 'undecided']),
  notes: z.array(z.string()),
});
export type ObjectiveResult = z.infer<typeof ObjectiveResult>;
