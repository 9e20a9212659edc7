import { FieldRole } from '@slipway/kernel';
import { z } from 'zod';

/** Most classes a classifier may have; each costs a number in every answer. */
export const CLASS_LIMIT = 1_000;
/** Most columns that the inputs of a model made elsewhere may come to: as many as a contract has fields. */
export const FOREIGN_COLUMN_LIMIT = 2_000;
/** Rows that a model is tried with. */
export const PROBE_ROW_LIMIT = 64;

const columnName = z.string().min(1).max(256);

/** What the maker of a model knows and its graph does not say. Whatever is left out is found in the graph or by running it. */
export const ForeignOptions = z.strictObject({
  /** Names of the columns of an input that takes several at once, in its order. */
  columns: z.array(columnName).min(1).max(FOREIGN_COLUMN_LIMIT).optional(),
  /** Roles of columns, where their type does not tell: a whole number that is a category. */
  as: z.record(columnName, FieldRole).default({}),
  task: z.enum(['binary', 'multiclass', 'regression']).optional(),
  /** Labels in the order of the graph's scores; of two the last is the positive one. */
  classes: z.array(z.string().min(1).max(1_000)).min(2).max(CLASS_LIMIT).optional(),
  /** Which output of the graph is the answer, when it has several. */
  output: z.string().min(1).max(256).optional(),
  /** What the numbers of a classifier are: probabilities, or logits that softmax or sigmoid turns into them. */
  scores: z.enum(['probabilities', 'logits']).optional(),
  /** Name of what is predicted, for reports and answers. */
  target: columnName.default('prediction'),
});
export type ForeignOptions = z.infer<typeof ForeignOptions>;
