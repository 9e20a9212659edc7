import { z } from 'zod';

const columnName = z.string().min(1).max(256);

/** Lists of columns that one definition may limit interactions to. */
export const INTERACTION_LISTS_MAX = 100;

/** What training makes small; others than `squared` are learnt by trees. */
export const LossDefinition = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('squared') }),
  z.strictObject({ kind: z.literal('absolute') }),
  /** Predicts the value below which a share `level` of outcomes lies. */
  z.strictObject({ kind: z.literal('quantile'), level: z.number().gt(0).lt(1).default(0.5) }),
  /** Counts: the mean is exp(margin). */
  z.strictObject({ kind: z.literal('poisson') }),
  /** Amounts with many zeros: variance grows with mean ** power. */
  z.strictObject({ kind: z.literal('tweedie'), power: z.number().gt(1).lt(2).default(1.5) }),
  /** The order of the rows of one query. */
  z.strictObject({ kind: z.literal('lambdarank') }),
]);
export type LossDefinition = z.infer<typeof LossDefinition>;

/** Columns with which the prediction may only rise, or only fall. */
export const MonotoneDefinition = z.record(columnName, z.enum(['increasing', 'decreasing']));
export type MonotoneDefinition = z.infer<typeof MonotoneDefinition>;

/** Lists of columns that may meet on one branch of a tree; a column in no list meets no other. */
export const InteractionsDefinition = z.array(z.array(columnName).min(1).max(2_000)).max(INTERACTION_LISTS_MAX);
export type InteractionsDefinition = z.infer<typeof InteractionsDefinition>;

interface LearningFields {
  readonly task?: string | undefined;
  readonly query?: string | undefined;
  readonly loss?: LossDefinition | undefined;
  readonly monotone?: MonotoneDefinition | undefined;
  readonly interactions?: InteractionsDefinition | undefined;
}

/** What of a definition changes how its trees learn, for a recipe: nothing when nothing is said, so that old recipes stay. */
export function learningRecipe({ task, query, loss, monotone, interactions }: LearningFields): Record<string, unknown> {
  const lists = interactions?.map((list) => list.toSorted()).toSorted((left, right) => (left.join('\n') < right.join('\n') ? -1 : 1));
  const parts = { task, query, loss, monotone: nonEmpty(monotone), interactions: lists && lists.length > 0 ? lists : undefined };
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined));
}

function nonEmpty(monotone: MonotoneDefinition | undefined): MonotoneDefinition | undefined {
  return monotone && Object.keys(monotone).length > 0 ? monotone : undefined;
}

/** A definition's wishes as the trainer takes them. */
export function trainingWishes({ loss, monotone, interactions }: LearningFields) {
  const constraints = { ...(nonEmpty(monotone) ? { monotone } : {}), ...(interactions && interactions.length > 0 ? { interactions } : {}) };
  return {
    ...(loss ? { loss } : {}),
    ...(Object.keys(constraints).length > 0
      ? { constraints: constraints as { monotone?: MonotoneDefinition; interactions?: InteractionsDefinition } }
      : {}),
  };
}
