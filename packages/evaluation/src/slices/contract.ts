import { z } from 'zod';

/** Slices named in each list of a report. */
export const SLICE_LIMIT = 20;
/** Share of false finds that is tolerated among the slices named (Benjamini-Hochberg). */
export const SLICE_FALSE_DISCOVERY_RATIO = 0.05;

/** Rows whose column has a value, lies in a range (from inclusive, to exclusive), or is missing: then all three are null. */
export const SliceCondition = z.strictObject({
  column: z.string(),
  value: z.string().nullable(),
  from: z.number().nullable(),
  to: z.number().nullable(),
});
export type SliceCondition = z.infer<typeof SliceCondition>;

const Estimate = z.strictObject({ value: z.number().nullable(), low: z.number().nullable(), high: z.number().nullable() });

/** One slice: how the model does on its rows and on the rest of them. */
export const Slice = z.strictObject({
  label: z.string(),
  conditions: z.array(SliceCondition).min(1).max(2),
  rows: z.int().positive(),
  /** Of all rows, 0..1. */
  share: z.number(),
  /** Mean loss a row, with its 95 % interval. */
  loss: Estimate,
  restLoss: z.number(),
  /** Mean loss in the slice divided by that of the rest; null when the rest has none. */
  lift: z.number().nullable(),
  /** The primary metric of the task, where it is defined on the slice. */
  metric: Estimate,
  restMetric: z.number().nullable(),
  /** Share of right labels with its Wilson interval; null for numbers. */
  accuracy: Estimate.nullable(),
  /** What was said on average (probability of the positive class, or number) and what was true. Null for several classes. */
  meanPrediction: z.number().nullable(),
  meanTruth: z.number().nullable(),
  pValue: z.number(),
  /** Benjamini-Hochberg, over every slice that was tested. */
  adjustedPValue: z.number(),
});
export type Slice = z.infer<typeof Slice>;

/** Where the model does worse than elsewhere, and where what it says is off on average. */
export const SlicesSection = z.strictObject({
  loss: z.enum(['log_loss', 'absolute_error']),
  metric: z.string(),
  /** Rows looked at, a seeded sample of large test sets. */
  rows: z.int().positive(),
  /** Slices with fewer rows were not tested. */
  rowsMin: z.int().positive(),
  columns: z.array(z.string()),
  tested: z.int().nonnegative(),
  falseDiscoveryRatio: z.number(),
  overall: z.strictObject({ loss: z.number(), metric: z.number().nullable() }),
  /** Significantly worse than the rest, the worst first. A pair is named only when it is worse than each of its columns alone. */
  worst: z.array(Slice).max(SLICE_LIMIT),
  /** Significantly over- or underestimated on average, the most certain first. */
  biased: z.array(Slice).max(SLICE_LIMIT),
  notes: z.array(z.string()),
});
export type SlicesSection = z.infer<typeof SlicesSection>;
