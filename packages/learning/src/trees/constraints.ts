import { TrainRequestError } from '../errors.ts';
import type { EncodedFeature } from '../matrix.ts';
import type { Tree } from './tree.ts';

/** What a user may demand of the shape of a model, by column. */
export interface ModelConstraints {
  /** The prediction (or the probability of the positive class) may only rise, or only fall, as the number grows. */
  readonly monotone?: Readonly<Record<string, Direction>>;
  /** Columns that may meet on one path from root to leaf. A column in no list meets no other. */
  readonly interactions?: readonly (readonly string[])[];
}

export type Direction = 'increasing' | 'decreasing';

/** The same by encoded feature, as trees obey it. */
export interface TreeConstraints {
  /** By feature: 1 increasing, -1 decreasing, 0 free; undefined when all are free. */
  readonly monotone: Int8Array | undefined;
  /** Lists of features that may meet; every feature is in one at least. Undefined when all may meet. */
  readonly interactions: readonly ReadonlySet<number>[] | undefined;
}

/** Ending of the name of a feature that only says whether a number is there. */
const INDICATOR = /[.:_ ](?:missing|is_missing|known|present)$/i;

/** Whether nothing is demanded. */
export function isFree({ monotone, interactions }: ModelConstraints): boolean {
  return Object.keys(monotone ?? {}).length === 0 && (interactions ?? []).length === 0;
}

/** The same without some columns: what feeds no feature (constant, left out as a leak) has no direction and meets nobody. */
export function constraintsWithout(constraints: ModelConstraints, fields: ReadonlySet<string>): ModelConstraints {
  const { monotone, interactions } = constraints;
  return {
    ...(monotone ? { monotone: Object.fromEntries(Object.entries(monotone).filter(([field]) => !fields.has(field))) } : {}),
    // A list stays although it is empty: the other columns are still limited.
    ...(interactions ? { interactions: interactions.map((list) => list.filter((field) => !fields.has(field))) } : {}),
  };
}

/**
 * Constraints by feature.
 * @throws {TrainRequestError} naming a column that feeds no feature, or is not a number where an order is demanded.
 */
export function planConstraints(
  constraints: ModelConstraints | undefined,
  features: readonly EncodedFeature[],
): TreeConstraints | undefined {
  if (!constraints || isFree(constraints)) return undefined;
  const { monotone = {}, interactions = [] } = constraints;
  const byField = Map.groupBy(
    features.map((feature, index) => ({ ...feature, index })),
    (feature) => feature.field,
  );
  const featuresOf = (field: string) => {
    const found = byField.get(field);
    if (!found) throw unknownField(field, [...byField.keys()]);
    return found;
  };
  const directions = new Int8Array(features.length);
  for (const [field, direction] of Object.entries(monotone)) {
    const own = featuresOf(field).filter((feature) => !INDICATOR.test(feature.name));
    // One feature that is the number itself: parts of a time and means of a category have no order of their own.
    if (own.length !== 1 || own[0]?.kind !== 'numeric' || own[0].name !== field) throw notANumber(field);
    directions[own[0].index] = direction === 'increasing' ? 1 : -1;
  }
  const lists = interactions.map((fields) => new Set(fields.flatMap((field) => featuresOf(field).map((feature) => feature.index))));
  const listed = new Set(lists.flatMap((list) => [...list]));
  const alone = [...byField.values()].map((own) => new Set(own.map((feature) => feature.index)));
  return {
    monotone: directions.some((direction) => direction !== 0) ? directions : undefined,
    interactions:
      interactions.length === 0 ? undefined : [...lists, ...alone.filter((own) => [...own].every((feature) => !listed.has(feature)))],
  };
}

function unknownField(field: string, known: readonly string[]): TrainRequestError {
  return new TrainRequestError(`A constraint names the column "${field.slice(0, 100)}", which feeds no feature.`, {
    details: { column: field.slice(0, 100), columns: known.slice(0, 100) },
    help: 'Name a column that the model learns from.',
  });
}

function notANumber(field: string): TrainRequestError {
  return new TrainRequestError(`The column "${field}" cannot be monotone: only plain numbers have a direction.`, {
    details: { column: field },
    help: 'Leave it out of the monotone columns, or read it as a number (--as column=numeric).',
  });
}

/** Outputs a leaf may take, before the learning rate. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
}

export const UNBOUNDED: Bounds = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

export const clamp = (value: number, { low, high }: Bounds): number => Math.min(high, Math.max(low, value));

/** Bounds of the children of a split: a monotone one puts the middle of its two outputs between them (LightGBM's "basic" method). */
export function childBounds(bounds: Bounds, direction: number, left: number, right: number): readonly [Bounds, Bounds] {
  if (direction === 0) return [bounds, bounds];
  const middle = (left + right) / 2;
  const below = { low: bounds.low, high: Math.min(bounds.high, middle) };
  const above = { low: Math.max(bounds.low, middle), high: bounds.high };
  return direction > 0 ? [below, above] : [above, below];
}

/**
 * Moves leaf values that were set without looking at bounds (quantiles of residuals) so that they obey the directions: at
 * every monotone node, from the root down, both sides are kept on their side of the middle of their means.
 */
export function enforceMonotone(tree: Tree, leafRows: ArrayLike<number>, monotone: Int8Array): void {
  const mean = (reference: number): { sum: number; rows: number } => {
    if (reference < 0)
      return { sum: (tree.value[~reference] as number) * (leafRows[~reference] as number), rows: leafRows[~reference] as number };
    const left = mean(tree.left[reference] as number);
    const right = mean(tree.right[reference] as number);
    return { sum: left.sum + right.sum, rows: left.rows + right.rows };
  };
  const meanOf = (reference: number) => {
    const { sum, rows } = mean(reference);
    return sum / rows;
  };
  const visit = (reference: number, bounds: Bounds): void => {
    if (reference < 0) {
      tree.value[~reference] = clamp(tree.value[~reference] as number, bounds);
      return;
    }
    const left = tree.left[reference] as number;
    const right = tree.right[reference] as number;
    const direction = monotone[tree.feature[reference] as number] as number;
    const [leftBounds, rightBounds] =
      direction === 0 ? [bounds, bounds] : childBounds(bounds, direction, clamp(meanOf(left), bounds), clamp(meanOf(right), bounds));
    visit(left, leftBounds);
    visit(right, rightBounds);
  };
  if (tree.feature.length > 0) visit(0, UNBOUNDED);
}
