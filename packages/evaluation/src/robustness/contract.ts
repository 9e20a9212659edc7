import { z } from 'zod';

/** What is done to the rows. */
export const RobustnessTest = z.enum([
  'missing',
  'noise',
  'unit_times_10',
  'unit_times_1000',
  'unit_fahrenheit',
  'unit_celsius',
  'shift_up',
  'shift_down',
  'typo',
  'case',
  'whitespace',
  'unseen',
  'label_noise',
]);
export type RobustnessTest = z.infer<typeof RobustnessTest>;

/**
 * Largest tolerated share of rows whose decision changes unnoticed; for `label_noise`, the largest tolerated loss of the
 * primary metric (ROC AUC points, or a share of the log loss or RMSE) when a tenth of the training labels is wrong.
 */
export const ROBUSTNESS_TOLERANCES: Readonly<Record<RobustnessTest, number>> = {
  missing: 0.2,
  noise: 0.05,
  unit_times_10: 0.3,
  unit_times_1000: 0.3,
  unit_fahrenheit: 0.3,
  unit_celsius: 0.3,
  shift_up: 0.5,
  shift_down: 0.5,
  typo: 0.1,
  case: 0.1,
  whitespace: 0.1,
  unseen: 0.2,
  label_noise: 0.1,
};

/** Entries of a report: the ones that change most. */
export const ROBUSTNESS_ENTRY_LIMIT = 200;

const Estimate = z.strictObject({ value: z.number().nullable(), low: z.number().nullable(), high: z.number().nullable() });

/** One column, or all of them (`field` null), after one test. Shares are of the rows that the test could change. */
export const RobustnessEntry = z.strictObject({
  test: RobustnessTest,
  field: z.string().nullable(),
  /** Rows that the test could change: those with a value in the column. */
  rows: z.int().positive(),
  /** Decisions that came out otherwise; for numbers, predictions that moved by more than the model's own RMSE (or a tenth of the target's deviation, if that is more). */
  changed: Estimate,
  /** Mean distance of the probability (largest of the classes) or of the number. */
  meanDistance: z.number(),
  /** Rows whose new value the contract refuses or warns of. */
  noticedRatio: z.number(),
  /** Rows that changed although nothing about them is noticed: what a tolerance is compared with. */
  silentRatio: z.number(),
  /** The contract refuses such rows: they never reach the model. */
  refused: z.boolean(),
  /** The primary metric on these rows before and after. */
  metricBefore: z.number().nullable(),
  metricAfter: z.number().nullable(),
});
export type RobustnessEntry = z.infer<typeof RobustnessEntry>;

export const RobustnessSummary = z.strictObject({
  test: RobustnessTest,
  tolerance: z.number(),
  /** The largest finding of the test, and the column it was found with. */
  worst: z.number().nullable(),
  field: z.string().nullable(),
  passed: z.boolean(),
});
export type RobustnessSummary = z.infer<typeof RobustnessSummary>;

/** A small model of the same trainer, taught by rows some of whose labels were flipped. */
export const LabelNoise = z.strictObject({
  metric: z.string(),
  trainRows: z.int().positive(),
  testRows: z.int().positive(),
  clean: z.number().nullable(),
  levels: z.array(z.strictObject({ ratio: z.number(), value: z.number().nullable(), drop: z.number().nullable() })),
});
export type LabelNoise = z.infer<typeof LabelNoise>;

/** How decisions hold when rows are not as they should be. */
export const RobustnessSection = z.strictObject({
  rows: z.int().positive(),
  metric: z.string(),
  /** How far a number must move to count as changed; null for classes. */
  changeDistance: z.number().nullable(),
  summary: z.array(RobustnessSummary),
  entries: z.array(RobustnessEntry).max(ROBUSTNESS_ENTRY_LIMIT),
  labelNoise: LabelNoise.nullable(),
  warnings: z.array(z.string()),
  notes: z.array(z.string()),
});
export type RobustnessSection = z.infer<typeof RobustnessSection>;

/** Decisions must hold within a tolerance: of one named test, or of all. */
export const RobustnessGate = z.strictObject({
  kind: z.literal('robustness'),
  /** All tests when left out. */
  test: RobustnessTest.optional(),
  /** Largest tolerated share; ROBUSTNESS_TOLERANCES when left out. */
  atMost: z.number().min(0).max(1).optional(),
});
export type RobustnessGate = z.infer<typeof RobustnessGate>;
