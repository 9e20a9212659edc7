import { z } from 'zod';

/** Fields of the global importance; the rest is small by then. */
export const EXPLAINED_FIELD_LIMIT = 200;
/** Fields whose dependence is shown, the most important first, and pairs whose interaction is. */
export const DEPENDENCE_FIELD_LIMIT = 8;
export const INTERACTION_PAIR_LIMIT = 10;
/** Outputs (classes) whose numbers are shown; the most frequent first. */
export const EXPLAINED_OUTPUT_LIMIT = 6;
export const GRID_VALUE_LIMIT = 20;
export const ICE_LINE_LIMIT = 20;
export const CONTRIBUTION_POINT_LIMIT = 200;

const Value = z.union([z.number(), z.string()]).nullable();

/** How much a field moves the model's raw output on average. */
export const FieldEffect = z.strictObject({
  field: z.string(),
  /** Mean |contribution| over rows and outputs, in the unit of `space`. */
  meanAbsolute: z.number(),
  /** Per output, in the order of `outputs`. */
  byOutput: z.array(z.number()).max(EXPLAINED_OUTPUT_LIMIT),
});

/** What one field's values did to rows: a point a row. */
export const ContributionPoints = z.strictObject({
  field: z.string(),
  output: z.string().nullable(),
  points: z.array(z.strictObject({ value: Value, contribution: z.number() })).max(CONTRIBUTION_POINT_LIMIT),
});

/** The mean answer when every row takes a value of the field (partial dependence), and single rows' answers (ICE). */
export const Dependence = z.strictObject({
  field: z.string(),
  kind: z.enum(['number', 'category']),
  values: z.array(Value).max(GRID_VALUE_LIMIT),
  /** [output × value]: mean probability of the class, or mean predicted number. */
  mean: z.array(z.array(z.number())).max(EXPLAINED_OUTPUT_LIMIT),
  /** [line × value] of the first output. */
  lines: z.array(z.array(z.number())).max(ICE_LINE_LIMIT),
});

/** Why the model answers as it does over the test rows; all of it describes the model, not what causes what. */
export const Explanations = z.strictObject({
  method: z.string(),
  space: z.string(),
  rows: z.int().positive(),
  /** Class that numbers of an output are about; null for numbers. */
  outputs: z.array(z.string().nullable()).max(EXPLAINED_OUTPUT_LIMIT),
  /** Raw output of a row of which nothing is known, one an output. */
  base: z.array(z.number()).max(EXPLAINED_OUTPUT_LIMIT),
  /** Largest relative difference between the raw output and base + contributions. */
  additivityError: z.number(),
  fields: z.array(FieldEffect).max(EXPLAINED_FIELD_LIMIT),
  points: z.array(ContributionPoints).max(DEPENDENCE_FIELD_LIMIT),
  interactions: z
    .strictObject({
      rows: z.int().positive(),
      /** Mean absolute joint effect of two fields beyond the sum of each one's own. */
      pairs: z.array(z.strictObject({ fields: z.tuple([z.string(), z.string()]), strength: z.number() })).max(INTERACTION_PAIR_LIMIT),
    })
    .nullable(),
  dependence: z.array(Dependence).max(DEPENDENCE_FIELD_LIMIT),
  dependenceRows: z.int().nonnegative(),
});
export type Explanations = z.infer<typeof Explanations>;
