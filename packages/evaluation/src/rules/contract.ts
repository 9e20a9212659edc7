/* oxlint-disable unicorn/no-thenable -- `then` is what a rule answers, never a function */
import { z } from 'zod';
import { MetricName, MetricValue } from '../metric-contract.ts';

/** Rules that a report lists; the version has them all. */
export const REPORT_RULE_LIMIT = 100;

/** One rule in words, and what it does on the training rows. */
const ReportedRule = z.strictObject({
  condition: z.string(),
  name: z.string().nullable(),
  /** Null where the training rows decide. */
  then: z.union([z.string(), z.number(), z.boolean()]).nullable(),
  /** Training rows that it decides. */
  rows: z.int().nonnegative(),
  /** Share of those with its answer, or the mean of their numbers. */
  found: z.number().nullable(),
});

/** "Rules or AI?": the model against the rules on the same test rows. */
const RulesComparison = z.strictObject({
  rows: z.int().positive(),
  primary: MetricName,
  /** Paired; an improvement above zero says that the model is better. */
  metrics: z.array(
    z.strictObject({ metric: MetricName, model: z.number().nullable(), rules: z.number().nullable(), improvement: MetricValue }),
  ),
  /** Of the areas under the ROC curve, and of the classes that were predicted right; null where there are none. */
  deLongPValue: z.number().nullable(),
  mcNemarPValue: z.number().nullable(),
  /** Share of the rows decided otherwise; for a number the mean difference in standard deviations of the truth. */
  changed: z.number(),
  verdict: z.enum(['use-model', 'use-rules', 'no-difference-shown']),
});

/** The decision table that is the model, or that the model was compared with. */
export const RulesSection = z.strictObject({
  role: z.enum(['model', 'baseline']),
  rules: z.array(ReportedRule).max(REPORT_RULE_LIMIT + 1),
  count: z.int(),
  comparison: RulesComparison.nullable(),
  /** Why there is no comparison, rules that no training row meets, and rules that their training rows contradict. */
  notes: z.array(z.string()),
});
export type RulesSection = z.infer<typeof RulesSection>;
