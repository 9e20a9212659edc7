import type { Field, Frame } from '@slipway/kernel';
import { EvaluationInputError } from '../errors.ts';
import type { SliceCondition } from '../slices/contract.ts';
import { describeCondition, groupColumn } from '../slices/grouping.ts';
import { FAIRNESS_ATTRIBUTE_LIMIT, FAIRNESS_GROUP_LIMIT } from './contract.ts';

/** Sensitive columns that take part in intersections, and how many at a time. */
export const INTERSECTION_COLUMN_LIMIT = 4;
const INTERSECTION_DEPTH = 3;

/** A sensitive column, or an intersection of several: the group of each row, -1 for rows in none. */
export interface Attribute {
  readonly columns: readonly string[];
  readonly groups: readonly { readonly label: string; readonly conditions: readonly SliceCondition[] }[];
  readonly codes: Int32Array;
}

export type SensitiveField = Pick<Field, 'name' | 'type'>;

/**
 * The sensitive columns, numbers cut into round ranges, then the intersections of two and three of them.
 * @throws {EvaluationInputError} naming a column that the frame does not have.
 */
export function attributesOf(frame: Frame, fields: readonly SensitiveField[]): Attribute[] {
  const singles = fields.map((field) => attributeOf(frame, field));
  const depths = Array.from({ length: INTERSECTION_DEPTH - 1 }, (_, index) => index + 2);
  const crossed = depths.flatMap((depth) => combinations(singles.slice(0, INTERSECTION_COLUMN_LIMIT), depth).map(intersect));
  return [...singles, ...crossed].slice(0, FAIRNESS_ATTRIBUTE_LIMIT);
}

export function attributeOf(frame: Frame, field: SensitiveField): Attribute {
  const column = frame.columns.get(field.name);
  if (!column) throw new EvaluationInputError(`The frame has no sensitive column "${field.name}".`);
  const { groups, codes } = groupColumn(field, column, { ranges: 'round', valuesLimit: FAIRNESS_GROUP_LIMIT });
  return {
    columns: [field.name],
    groups: groups.map((condition) => ({ label: describeCondition(condition, field.type), conditions: [condition] })),
    codes,
  };
}

/** Groups that occur, the most frequent ones; rows of the others are in none. */
export function intersect(attributes: readonly Attribute[]): Attribute {
  const keys = (attributes[0]?.codes ?? new Int32Array()).map((_, row) => {
    let key = 0;
    for (const { codes, groups } of attributes) {
      const code = codes[row] as number;
      if (code < 0 || key < 0) return -1;
      key = key * groups.length + code;
    }
    return key;
  });
  const counts = new Map<number, number>();
  for (const key of keys) if (key >= 0) counts.set(key, (counts.get(key) ?? 0) + 1);
  const kept = [...counts.entries()]
    .toSorted(([a, countA], [b, countB]) => countB - countA || a - b)
    .slice(0, FAIRNESS_GROUP_LIMIT)
    .map(([key]) => key)
    .toSorted((a, b) => a - b);
  const position = new Map(kept.map((key, index) => [key, index]));
  return {
    columns: attributes.flatMap((attribute) => attribute.columns),
    groups: kept.map((key) => describeKey(attributes, key)),
    codes: keys.map((key) => position.get(key) ?? -1),
  };
}

function describeKey(attributes: readonly Attribute[], key: number): Attribute['groups'][number] {
  const parts: Attribute['groups'][number][] = [];
  let rest = key;
  for (const { groups } of attributes.toReversed()) {
    const group = groups[rest % groups.length];
    if (group) parts.unshift(group);
    rest = Math.floor(rest / groups.length);
  }
  return { label: parts.map((part) => part.label).join(' and '), conditions: parts.flatMap((part) => part.conditions) };
}

function combinations<T>(items: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, index) => combinations(items.slice(index + 1), size - 1).map((rest) => [item, ...rest]));
}
