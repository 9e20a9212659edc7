import type { Column, Field } from '@slipway/kernel';
import { toRfc3339 } from '@slipway/kernel';
import type { SliceCondition } from './contract.ts';

/** Numbers with at most this many different values are taken one by one. */
export const NUMBER_VALUES_LIMIT = 10;
/** Text values that become groups of their own, the most frequent ones; the others are one group named OTHER. */
export const TEXT_VALUES_LIMIT = 20;
export const OTHER = '(other)';
const BIN_COUNT = 4;
const DAY_MS = 86_400_000;

/** A column cut into groups: each row's group, or -1 for a row that is in none. */
export interface Grouping {
  readonly column: string;
  readonly groups: readonly SliceCondition[];
  readonly codes: Int32Array;
  /** Index of the group of rare values, -1 without one. */
  readonly other: number;
}

export interface GroupingOptions {
  /** `quantile`: ranges of about equally many rows. `round`: ranges between round numbers, for people to read. */
  readonly ranges: 'quantile' | 'round';
  readonly valuesLimit?: number;
  /** Rows to group, all by default. */
  readonly rows?: Int32Array;
}

type FieldFacts = Pick<Field, 'name' | 'type'>;

/** Cuts a column into values or ranges, missing cells into a group of their own. */
export function groupColumn(field: FieldFacts, column: Column, options: GroupingOptions): Grouping {
  return column.kind === 'text' ? groupTexts(field.name, column, options) : groupNumbers(field, column.values, options);
}

function groupTexts(
  name: string,
  column: Extract<Column, { kind: 'text' }>,
  { rows, valuesLimit = TEXT_VALUES_LIMIT }: GroupingOptions,
): Grouping {
  const source = rows ? rows.map((row) => column.codes[row] as number) : column.codes;
  const counts = new Map<number, number>();
  for (const code of source) if (code >= 0) counts.set(code, (counts.get(code) ?? 0) + 1);
  const textOf = (code: number) => column.levels[code] ?? '';
  const kept = [...counts.entries()]
    .toSorted(([a, countA], [b, countB]) => countB - countA || (textOf(a) < textOf(b) ? -1 : 1))
    .slice(0, counts.size <= valuesLimit + 1 ? counts.size : valuesLimit)
    .map(([code]) => code);
  const groups = kept.map((code) => condition(name, { value: textOf(code) }));
  const groupOf = new Map(kept.map((code, group) => [code, group]));
  const other = kept.length < counts.size ? groups.push(condition(name, { value: OTHER })) - 1 : -1;
  const missing = source.includes(-1) ? groups.push(condition(name, {})) - 1 : -1;
  return { column: name, groups, other, codes: source.map((code) => (code < 0 ? missing : (groupOf.get(code) ?? other))) };
}

function groupNumbers(field: FieldFacts, all: Float64Array, { rows, ranges }: GroupingOptions): Grouping {
  const values = rows ? Float64Array.from(rows, (row) => all[row] as number) : all;
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted();
  const distinct = distinctOf(sorted, NUMBER_VALUES_LIMIT + 1);
  const byValue = distinct.length <= NUMBER_VALUES_LIMIT && field.type !== 'timestamp';
  const groups = byValue
    ? distinct.map((value) => condition(field.name, { value: valueText(field, value) }))
    : rangesOf(field.name, edgesOf(field, sorted, ranges));
  const starts = byValue ? distinct : groups.map((group) => group.from ?? Number.NEGATIVE_INFINITY);
  const hasMissing = sorted.length < values.length;
  const missing = hasMissing ? groups.push(condition(field.name, {})) - 1 : -1;
  const codes = Int32Array.from(values, (value) => (Number.isNaN(value) ? missing : lastAtMost(starts, value)));
  return { column: field.name, groups, codes, other: -1 };
}

function condition(column: string, parts: Partial<Omit<SliceCondition, 'column'>>): SliceCondition {
  return { column, value: null, from: null, to: null, ...parts };
}

function distinctOf(sorted: Float64Array, limit: number): number[] {
  const distinct: number[] = [];
  for (const value of sorted) {
    if (value !== distinct.at(-1)) distinct.push(value);
    if (distinct.length >= limit) break;
  }
  return distinct;
}

function rangesOf(column: string, edges: readonly number[]): SliceCondition[] {
  return [null, ...edges].map((from, index) => condition(column, { from, to: edges[index] ?? null }));
}

function edgesOf(field: FieldFacts, sorted: Float64Array, ranges: GroupingOptions['ranges']): number[] {
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
  if (sorted.length === 0) return [];
  const edges =
    ranges === 'round' && field.type !== 'timestamp'
      ? roundEdges(at(0.05), at(0.95))
      : Array.from({ length: BIN_COUNT - 1 }, (_, index) => roundedEdge(field, at((index + 1) / BIN_COUNT), at(0.05), at(0.95)));
  const lowest = sorted[0] as number;
  const inside = [...new Set(edges)].filter((edge) => edge > lowest).toSorted((left, right) => left - right);
  // Nearly all rows may have the lowest value (zero, mostly): then it is told apart from the rest.
  const next = sorted.find((value) => value > lowest);
  return inside.length > 0 || next === undefined ? inside : [next];
}

/** Three digits of the width are enough to tell quarters apart; days are enough for times. */
function roundedEdge(field: FieldFacts, edge: number, low: number, high: number): number {
  const step = field.type === 'timestamp' && high - low > 30 * DAY_MS ? DAY_MS : 10 ** Math.floor(Math.log10((high - low || 1) / 100));
  return Number((Math.round(edge / step) * step).toPrecision(12));
}

/** Edges at multiples of 1, 2 or 5 times a power of ten, four to seven ranges over the middle nine tenths. */
function roundEdges(low: number, high: number): number[] {
  const raw = (high - low || 1) / 6;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power;
  const edges: number[] = [];
  for (let edge = Math.ceil(low / step); edge * step <= high && edges.length < 8; edge += 1)
    edges.push(Number((edge * step).toPrecision(12)));
  return edges;
}

function valueText(field: FieldFacts, value: number): string {
  return field.type === 'boolean' ? String(value === 1) : String(value);
}

/** Index of the last start that is not above the value. */
function lastAtMost(starts: readonly number[], value: number): number {
  let low = 0;
  for (let index = 1; index < starts.length; index += 1) if ((starts[index] as number) <= value) low = index;
  return low;
}

/** A condition in words: `sex = Female`, `20 <= age < 30`, `age is missing`. */
export function describeCondition({ column, value, from, to }: SliceCondition, type?: Field['type']): string {
  const show = (edge: number) => (type === 'timestamp' ? toRfc3339(edge).slice(0, 10) : String(edge));
  if (value !== null) return `${column} = ${value.slice(0, 80)}`;
  if (from !== null && to !== null) return `${show(from)} <= ${column} < ${show(to)}`;
  if (to !== null) return `${column} < ${show(to)}`;
  return from === null ? `${column} is missing` : `${column} >= ${show(from)}`;
}
