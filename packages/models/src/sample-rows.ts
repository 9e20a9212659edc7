import { INPUT_ROLES, columnKind, type Contract, type Field, type Row } from '@slipway/kernel';
import type { InputPlan } from './input-plan.ts';

const NUMBERS = [null, 0, 1, -1, 0.5, 1e-3, 37, 1234.5678, -2.5e4, 1e7, 16_777_217];
const DAY_MS = 86_400_000;
const TIMES = [null, 0, 1, 1_700_000_000_123, -DAY_MS, 951_782_400_000, 4_102_444_799_999];
const TEXTS = [null, '', 'a text that no model has heard of'];

/**
 * Rows that visit what a graph may treat specially: missing values, unknown and known categories, edges of float32.
 * Deterministic; values of different fields are combined by different strides, so that they do not move together.
 */
export function compileSample(contract: Contract, plan: InputPlan, count: number): Row[] {
  const fields = contract.fields.filter((field) => INPUT_ROLES.has(field.role));
  const choices = fields.map((field) => ({ name: field.name, values: valuesOf(field, plan) }));
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries(choices.map(({ name, values }, position) => [name, values[(row * (position * 2 + 1) + position) % values.length]])),
  );
}

function valuesOf(field: Field, plan: InputPlan): readonly unknown[] {
  if (columnKind(field) === 'text') {
    const column = plan.columns.find((candidate) => candidate.field === field.name && candidate.kind === 'category');
    const keys = column?.kind === 'category' ? column.keys.slice(0, 40) : (field.expect.allowedValues?.slice(0, 40) ?? []);
    return [...TEXTS, ...keys];
  }
  if (field.type === 'timestamp' || field.role === 'time') return TIMES;
  if (field.type === 'boolean') return [null, true, false];
  return field.type === 'int64' ? NUMBERS.map((value) => value && Math.trunc(value)) : withRange(field);
}

function withRange(field: Field): readonly unknown[] {
  const { minimum, maximum } = field.expect;
  if (minimum === undefined || maximum === undefined) return NUMBERS;
  return [...NUMBERS, ...[0, 0.1, 0.3, 0.5, 0.7, 0.9, 1].map((ratio) => minimum + ratio * (maximum - minimum))];
}
