import { z } from 'zod';
import { compileMatrixCheck, matrixAt } from './row-matrix.ts';
import { parseTime } from './time.ts';

/** How a value travels: doubles, integers, booleans, UTC times, strings, or free JSON (language kinds). */
export const FieldType = z.enum(['float64', 'int64', 'boolean', 'timestamp', 'string', 'json']);
export type FieldType = z.infer<typeof FieldType>;

/** What a column is for. Only the first five feed a model; the others are known and unused. */
export const FieldRole = z.enum(['numeric', 'categorical', 'boolean', 'time', 'text', 'identifier', 'target', 'ignored']);
export type FieldRole = z.infer<typeof FieldRole>;

export const INPUT_ROLES: ReadonlySet<FieldRole> = new Set(['numeric', 'categorical', 'boolean', 'time', 'text']);

/** More columns than this are refused when a contract is made. */
export const CONTRACT_FIELD_LIMIT = 2_000;
/** Longest string value a field accepts unless its contract says otherwise, in UTF-16 units. */
export const STRING_LENGTH_LIMIT = 1_000_000;

/** What the values of a field must look like beyond their type. Absent means unchecked. */
export const Expectations = z.strictObject({
  /** Highest tolerated share of missing values in a dataset, 0..1. */
  missingRatioMax: z.number().min(0).max(1).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  allowedValues: z.array(z.string()).max(10_000).optional(),
  unique: z.boolean().optional(),
  lengthMax: z.int().positive().optional(),
});
export type Expectations = z.infer<typeof Expectations>;

export const Field = z.strictObject({
  name: z.string().min(1).max(256),
  type: FieldType,
  role: FieldRole,
  /** A nullable field may be null or left out. */
  nullable: z.boolean(),
  expect: Expectations.default({}),
  /** `error` rejects data and calls that break the expectations; `warn` only reports them. Types are always enforced. */
  severity: z.enum(['error', 'warn']).default('warn'),
});
export type Field = z.infer<typeof Field>;

/** The schema and expectations of a table, or of what a servable takes or gives. Versioned by `format`. */
export const Contract = z.strictObject({
  format: z.literal('slipway.contract/1'),
  fields: z.array(Field).max(CONTRACT_FIELD_LIMIT),
  /** Columns the source has and this contract's owner does not use; accepted and not looked at. */
  ignored: z.array(z.string()).max(CONTRACT_FIELD_LIMIT).default([]),
  /** The column that says whose data a row is; erasure goes by it. May be one of the ignored columns. */
  subject: z.string().optional(),
});
export type Contract = z.infer<typeof Contract>;

export type Row = Readonly<Record<string, unknown>>;

export type ContractRule = 'row' | 'type' | 'missing' | 'unknown' | 'minimum' | 'maximum' | 'allowed' | 'length' | 'unique';

/** One broken rule, in the words the caller needs to mend it. `row` counts from 0. */
export interface ContractProblem {
  readonly row: number;
  readonly field: string;
  readonly rule: ContractRule;
  readonly expected: string;
  readonly got: string;
}

/** At most this many problems are listed; the count says how many there are. */
export const PROBLEM_LIMIT = 100;

export interface RowValidator {
  readonly contract: Contract;
  /** Checks rows without changing them; an empty list means every row may be used. At most PROBLEM_LIMIT entries. */
  check(rows: readonly unknown[]): ContractProblem[];
}

/**
 * Names that every object answers to without having them, such as "constructor": only for these must a row be asked whether a
 * column is its own.
 */
export function isInheritedName(name: string): boolean {
  return name in Object.prototype;
}

interface CompiledField {
  readonly field: Field;
  readonly isInherited: boolean;
  readonly allowed: ReadonlySet<string> | undefined;
}

/** Compiles a contract once so that a call costs a look-up and a type test a field. */
export function compileContract(contract: Contract): RowValidator {
  const fields = contract.fields.map((field): CompiledField => {
    const enforced = field.severity === 'error' ? field.expect.allowedValues : undefined;
    return { field, isInherited: isInheritedName(field.name), allowed: enforced && new Set(enforced) };
  });
  const known = new Set([...contract.fields.map((field) => field.name), ...contract.ignored]);
  const keepsContract = compileMatrixCheck(contract);
  return {
    contract,
    check(rows) {
      const matrix = matrixAt(rows);
      if (matrix?.rowCount === rows.length && keepsContract(matrix)) return [];
      const problems: ContractProblem[] = [];
      for (let index = 0; index < rows.length && problems.length < PROBLEM_LIMIT; index += 1) {
        checkRow(rows[index], index, fields, known, problems);
      }
      return problems.length > PROBLEM_LIMIT ? problems.slice(0, PROBLEM_LIMIT) : problems;
    },
  };
}

function checkRow(
  row: unknown,
  index: number,
  fields: readonly CompiledField[],
  known: ReadonlySet<string>,
  problems: ContractProblem[],
): void {
  if (row === null || typeof row !== 'object' || Array.isArray(row)) {
    problems.push({ row: index, field: '', rule: 'row', expected: 'an object of column: value', got: describe(row) });
    return;
  }
  const record = row as Row;
  for (const name in record) {
    if (!known.has(name)) {
      problems.push({ row: index, field: name, rule: 'unknown', expected: expectedNames(fields, name), got: describe(record[name]) });
    }
  }
  for (const compiled of fields) {
    const { name } = compiled.field;
    const value = compiled.isInherited && !Object.hasOwn(record, name) ? undefined : record[name];
    const problem = checkValue(compiled, value);
    if (problem) problems.push({ row: index, field: name, ...problem });
  }
}

type ValueProblem = Pick<ContractProblem, 'rule' | 'expected' | 'got'>;

function checkValue({ field, allowed }: CompiledField, value: unknown): ValueProblem | undefined {
  if (value === undefined || value === null) {
    if (field.nullable) return undefined;
    return { rule: 'missing', expected: typeName(field.type), got: value === null ? 'null' : 'nothing' };
  }
  if (!hasType(field.type, value)) return { rule: 'type', expected: typeName(field.type), got: describe(value) };
  const lengthMax = field.expect.lengthMax ?? STRING_LENGTH_LIMIT;
  if (typeof value === 'string' && value.length > lengthMax) {
    return { rule: 'length', expected: `at most ${lengthMax} characters`, got: `${value.length} characters` };
  }
  if (field.severity !== 'error') return undefined;
  if (allowed && !allowed.has(String(value))) {
    return { rule: 'allowed', expected: `one of ${listSome([...allowed])}`, got: describe(value) };
  }
  return checkRange(field, value);
}

function checkRange(field: Field, value: unknown): ValueProblem | undefined {
  const { minimum, maximum } = field.expect;
  if (minimum === undefined && maximum === undefined) return undefined;
  const number = field.type === 'timestamp' ? timestampMs(value) : Number(value);
  if (number === undefined) return undefined;
  if (minimum !== undefined && number < minimum) return { rule: 'minimum', expected: `at least ${minimum}`, got: describe(value) };
  if (maximum !== undefined && number > maximum) return { rule: 'maximum', expected: `at most ${maximum}`, got: describe(value) };
  return undefined;
}

const INTEGER_TEXT = /^-?\d{1,19}$/;

function hasType(type: FieldType, value: unknown): boolean {
  switch (type) {
    case 'float64':
      return typeof value === 'number' && Number.isFinite(value);
    case 'int64':
      // Integers beyond 2^53 travel as decimal strings; a number that is not exact is refused, not rounded.
      return typeof value === 'number' ? Number.isSafeInteger(value) : typeof value === 'string' && INTEGER_TEXT.test(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'timestamp':
      return timestampMs(value) !== undefined;
    case 'string':
      return typeof value === 'string' && value.isWellFormed();
    case 'json':
      return true;
  }
}

/** The last moment that a date can name; beyond it there is no RFC 3339 text to show. */
const TIME_MS_MAX = 8.64e15;

/** A time as callers send it (RFC 3339 text, or integer milliseconds since the epoch) in milliseconds UTC. */
export function timestampMs(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && Math.abs(value) <= TIME_MS_MAX ? value : undefined;
  return typeof value === 'string' ? parseTime(value) : undefined;
}

const TYPE_NAMES: Readonly<Record<FieldType, string>> = {
  float64: 'a number',
  int64: 'a whole number',
  boolean: 'true or false',
  timestamp: 'an RFC 3339 time or whole milliseconds since 1970',
  string: 'text',
  json: 'any JSON',
};

function typeName(type: FieldType): string {
  return TYPE_NAMES[type];
}

/** Says what a value is, shortened, for messages. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (typeof value === 'string') {
    const shown = value.length > 40 ? `${value.slice(0, 40)}…` : value;
    return `text ${JSON.stringify(shown.toWellFormed())}`;
  }
  if (typeof value === 'number' || typeof value === 'boolean') return `${typeof value} ${String(value)}`;
  return Array.isArray(value) ? `an array of ${value.length}` : 'an object';
}

function listSome(values: readonly string[]): string {
  const shown = values.slice(0, 8).map((value) => JSON.stringify(value));
  return values.length > 8 ? `${shown.join(', ')} and ${values.length - 8} more` : shown.join(', ');
}

function expectedNames(fields: readonly CompiledField[], name: string): string {
  const names = fields.map((compiled) => compiled.field.name);
  const near = nearestName(name, names);
  return near ? `a column of the contract; did you mean "${near}"?` : `a column of the contract (${listSome(names)})`;
}

/**
 * The candidate within two edits of a name, if any (of 3 or 4 letters within one, of fewer only in another case); used for
 * "did you mean". Compares at most 2,000 candidates.
 */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = name.length < 3 ? 1 : name.length < 5 ? 2 : 3;
  for (const candidate of candidates.slice(0, CONTRACT_FIELD_LIMIT)) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const cost = left[i - 1] === right[j - 1] ? 0 : 1;
      current[j] = Math.min((previous[j] as number) + 1, (current[j - 1] as number) + 1, (previous[j - 1] as number) + cost);
    }
    previous = current;
  }
  return previous[right.length] as number;
}
