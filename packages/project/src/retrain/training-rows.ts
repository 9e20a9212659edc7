import { type Contract, type Field, type Json, type Row, toRfc3339 } from '@slipway/kernel';
import type { LabelledRow } from '@slipway/telemetry';
import type { LaunchDefinition } from '../contract.ts';

/** Categories that a contract may list. */
const ALLOWED_VALUES_LIMIT = 1_000;
/** Calls are parsed in slices that leave the event loop free. */
const ROWS_PER_SLICE = 500;

/** Labelled calls as rows of the table that the model was first trained on. */
export interface TrainingRows {
  readonly rows: readonly Row[];
  readonly eventTimesMs: readonly number[];
  /** Calls whose label is no value of the target's type. */
  readonly leftOut: number;
}

/** The column that says whose data a row is: the definition's own, or one made for calls that named a subject. */
export function subjectColumn(definition: LaunchDefinition, contract: Contract, calls: readonly LabelledRow[]): string | undefined {
  if (definition.subject !== undefined) return definition.subject;
  if (!calls.some((call) => call.subject !== null)) return undefined;
  const names = new Set([...contract.fields.map((field) => field.name), ...contract.ignored]);
  let name = 'subject';
  while (names.has(name)) name = `call-${name}`;
  return name;
}

/** Turns calls into rows: every column of the contract, the label as target, the event's time where the caller sent no other. */
export async function trainingRows(
  calls: readonly LabelledRow[],
  contract: Contract,
  { target, time, subject }: { readonly target: string; readonly time: string | undefined; readonly subject: string | undefined },
): Promise<TrainingRows> {
  const targetField = contract.fields.find((field) => field.name === target);
  const rows: Row[] = [];
  const eventTimesMs: number[] = [];
  let leftOut = 0;
  for (const [index, call] of calls.entries()) {
    if (index % ROWS_PER_SLICE === ROWS_PER_SLICE - 1) await new Promise((resolve) => setImmediate(resolve));
    const label = targetField && labelOf(call.outcome, targetField);
    if (label === undefined) {
      leftOut += 1;
      continue;
    }
    const input = call.input !== null && typeof call.input === 'object' && !Array.isArray(call.input) ? (call.input as Row) : {};
    const row: Record<string, unknown> = {};
    for (const field of contract.fields) row[field.name] = input[field.name] ?? null;
    row[target] = label;
    if (time !== undefined && row[time] === null && isTime(contract, time)) row[time] = toRfc3339(call.eventTimeMs);
    if (subject !== undefined) row[subject] = row[subject] ?? call.subject;
    rows.push(row);
    eventTimesMs.push(call.eventTimeMs);
  }
  return { rows, eventTimesMs, leftOut };
}

function isTime(contract: Contract, name: string): boolean {
  return contract.fields.some((field) => field.name === name && field.type === 'timestamp');
}

/** An outcome as a value of the target's type; undefined when it is none. */
export function labelOf(outcome: Json, field: Field): string | number | boolean | undefined {
  if (outcome === null || typeof outcome === 'object') return undefined;
  if (field.type === 'boolean') {
    const text = String(outcome).toLowerCase();
    return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : undefined;
  }
  if (field.type === 'float64' || field.type === 'int64') {
    const value =
      typeof outcome === 'boolean' ? Number(outcome) : Number(typeof outcome === 'string' && outcome.trim() === '' ? NaN : outcome);
    return Number.isFinite(value) && (field.type === 'float64' || Number.isInteger(value)) ? value : undefined;
  }
  return String(outcome);
}

/**
 * The contract for rows of later times: types and roles as they were, so that callers notice nothing; ranges and categories
 * widened by what was seen, and nothing but inputs and target required.
 */
export function widenContract(
  contract: Contract,
  rows: readonly Row[],
  { target, subject }: { readonly target: string; readonly subject: string | undefined },
): Contract {
  const fields = contract.fields.map((field): Field => {
    const isUsed = field.name === target || !['ignored', 'identifier'].includes(field.role);
    return { ...field, nullable: isUsed ? field.nullable : true, expect: widened(field, rows) };
  });
  if (subject !== undefined && !fields.some((field) => field.name === subject))
    fields.push({ name: subject, type: 'string', role: 'identifier', nullable: true, expect: {}, severity: 'warn' });
  return { ...contract, fields };
}

function widened({ name, expect }: Field, rows: readonly Row[]): Field['expect'] {
  const { missingRatioMax: _, unique: __, ...next } = expect;
  if (next.allowedValues) {
    const values = new Set(next.allowedValues);
    for (const row of rows) if (row[name] !== null && values.size < ALLOWED_VALUES_LIMIT) values.add(String(row[name]));
    next.allowedValues = [...values].toSorted();
  }
  for (const row of rows) {
    const value = row[name];
    if (typeof value !== 'number') continue;
    if (next.minimum !== undefined && value < next.minimum) next.minimum = value;
    if (next.maximum !== undefined && value > next.maximum) next.maximum = value;
  }
  return next;
}

/**
 * Where the held-back part begins: the latest share, not through equal times, and later than what the live version learnt from.
 * Calls that came many at one time stay together, on the later side when the earlier would leave nothing to judge by.
 */
export function heldBackFrom(eventTimesMs: readonly number[], share: number, seenToMs: number): number {
  const { length } = eventTimesMs;
  const at = (index: number) => eventTimesMs[index] as number;
  const asked = Math.max(0, length - Math.max(1, Math.round(length * share)));
  let start = asked;
  while (start < length && at(start) <= seenToMs) start += 1;
  while (start > 0 && start < length && at(start) === at(start - 1)) start += 1;
  if (start < length || length === 0 || at(length - 1) <= seenToMs) return start;
  start = length - 1;
  while (start > 0 && at(start - 1) === at(length - 1)) start -= 1;
  return start;
}
