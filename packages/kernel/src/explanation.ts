/* oxlint-disable unicorn/no-thenable -- `then` is what a rule answers, never a function */
import { z } from 'zod';
import { Json as JsonShape } from './json-shape.ts';

/** Fields named in one explanation unless it is asked for more. */
export const EXPLAINED_FIELDS_DEFAULT = 10;
export const EXPLAINED_FIELDS_LIMIT = 2_000;
export const COUNTERFACTUAL_LIMIT = 10;
export const NEIGHBOUR_LIMIT = 20;
/** Rows of one call that can be explained; larger work belongs in a batch run. */
export const EXPLAINED_ROWS_LIMIT = 100;

/** How absent features are thought away: along the shares of the training rows, or with the values of background rows. */
export const ExplanationMethod = z.enum(['path-dependent', 'interventional']);
export type ExplanationMethod = z.infer<typeof ExplanationMethod>;

/** What is wanted beside the prediction. */
export const ExplainOptions = z.strictObject({
  method: ExplanationMethod.default('path-dependent'),
  /** Fields named, the strongest first. */
  top: z.int().min(1).max(EXPLAINED_FIELDS_LIMIT).default(EXPLAINED_FIELDS_DEFAULT),
  /** The class that contributions are towards, when not the predicted one; multiclass only. */
  class: z.string().max(256).optional(),
  /** Ways to another decision that are looked for. */
  counterfactuals: z.int().min(0).max(COUNTERFACTUAL_LIMIT).default(0),
  /** What another decision is: a label, or for numbers a bound that the answer should meet. */
  wanted: z
    .union([
      z.strictObject({ label: z.string().max(256) }),
      z.strictObject({ atLeast: z.number() }),
      z.strictObject({ atMost: z.number() }),
    ])
    .optional(),
  /** Columns that may not change in a counterfactual, on top of those the version protects. */
  immutable: z.array(z.string().min(1).max(256)).max(EXPLAINED_FIELDS_LIMIT).default([]),
  /** Training examples most like the row. */
  neighbours: z.int().min(0).max(NEIGHBOUR_LIMIT).default(0),
  /** The step of a forecast that is explained, counted from 1. */
  step: z.int().min(1).optional(),
});
export type ExplainOptions = z.infer<typeof ExplainOptions>;

export const FieldContribution = z.strictObject({
  field: z.string(),
  /** As the call gave it; null when missing. */
  value: JsonShape.nullable(),
  contribution: z.number(),
  /** The parts, when the field gives several encoded features. */
  features: z.array(z.strictObject({ feature: z.string(), contribution: z.number() })).optional(),
  /** Free text: how much less the raw output is without a word, strongest first. These need not add up to the contribution. */
  words: z.array(z.strictObject({ word: z.string(), effect: z.number() })).optional(),
});
export type FieldContribution = z.infer<typeof FieldContribution>;

/** A changed row that is decided otherwise, as the served version itself says. */
export const Counterfactual = z.strictObject({
  changes: z.array(z.strictObject({ field: z.string(), from: JsonShape.nullable(), to: JsonShape.nullable() })),
  prediction: z.union([z.string(), z.number()]),
  probabilities: z.record(z.string(), z.number()).optional(),
  /** Sum over the changes of how far they go, in units of the field's spread; a changed category counts 1. */
  distance: z.number(),
});
export type Counterfactual = z.infer<typeof Counterfactual>;

/** A training example like the explained row. */
export const Neighbour = z.strictObject({
  /** Position among the training rows, counted from 0. */
  row: z.int().nonnegative(),
  target: z.union([z.string(), z.number()]),
  /** Weighted by what the version goes by; 0 = the same to the version. */
  distance: z.number(),
  values: z.record(z.string(), JsonShape.nullable()),
});
export type Neighbour = z.infer<typeof Neighbour>;

/** One rule of a decision table, as it meets a row. */
export const RuleMention = z.strictObject({
  /** Position in the table, counted from 1; null for what is answered when no rule holds. */
  rule: z.int().nullable(),
  name: z.string().nullable(),
  condition: z.string(),
  /** Null when the training rows decide. */
  then: JsonShape.nullable(),
  /** Share of the training rows that it decides, and how often its answer was right there (classes) or their mean (numbers). */
  share: z.number().nullable(),
  found: z.number().nullable(),
  /** Conditions the row does not meet; none for a rule that holds too, but stands later. */
  failed: z.array(z.strictObject({ condition: z.string(), values: z.record(z.string(), JsonShape.nullable()) })),
});
export type RuleMention = z.infer<typeof RuleMention>;

/** Where an interval comes from: half its width is `factor` x `unit`. */
export const IntervalSource = z.strictObject({
  level: z.number(),
  low: z.number(),
  high: z.number(),
  /** `backtest`: errors on rows not learnt from; the others: what series without much history were wrong by. */
  source: z.enum(['backtest', 'short-history', 'no-history']),
  /** Conformal quantile of the errors, in units. */
  factor: z.number(),
  /** The error to expect of this series now, in the unit of the target. */
  unit: z.number(),
});
export type IntervalSource = z.infer<typeof IntervalSource>;

/** Why one answer is what it is: `base` + all contributions + `rest` = `margin`, the raw output before it becomes an answer. */
export const Explanation = z.strictObject({
  method: z.string(),
  /**
   * Unit of the numbers: log-odds of the positive class, a class's score, the predicted number, its logarithm, its root, a rank's score,
   * a probability, a squared distance in deviations, or how early a row is isolated (the score's logarithm to base 2).
   */
  space: z.enum(['log-odds', 'class-score', 'value', 'log-value', 'root-value', 'score', 'probability', 'squared-distance', 'isolation']),
  /** The class, cluster or component that contributions are towards; null for numbers. */
  output: z.string().nullable(),
  base: z.number(),
  margin: z.number(),
  contributions: z.array(FieldContribution),
  /** Sum of the contributions that are not named. */
  rest: z.number(),
  counterfactuals: z.array(Counterfactual).optional(),
  neighbours: z.array(Neighbour).optional(),
  /** Of a decision table: the rule that decided, and those that came nearest. */
  rules: z.strictObject({ decided: RuleMention, near: z.array(RuleMention) }).optional(),
  /** Of a forecast: the step that is explained, its time, and where its interval comes from. */
  step: z.strictObject({ step: z.int(), time: z.string(), interval: IntervalSource }).optional(),
  /** What a reader must know, for example that no counterfactual was found. */
  notes: z.array(z.string()).optional(),
});
export type Explanation = z.infer<typeof Explanation>;
