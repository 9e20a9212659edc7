import { type Contract, type Field, INPUT_ROLES, STRING_LENGTH_LIMIT, columnKind, nearestName } from '@slipway/kernel';
import { quoteName, quoteText } from '../engine.ts';
import { BatchColumnsError } from '../errors.ts';
import { MARKERS_ALWAYS, MARKERS_IN_TYPED } from '../observe-column.ts';

/** A column of the table that rows are predicted from. */
export interface SourceColumn {
  readonly name: string;
  /** DuckDB's type of it. */
  readonly sqlType: string;
}

/** How one field is read: `number` as a double, `text` as a text, `decimal` as a double whose text is wanted. */
export interface BatchField {
  readonly name: string;
  readonly kind: 'number' | 'text' | 'decimal';
  readonly sql: string;
}

/** A table's rows as a contract wants them: pure SQL, so that millions of rows are checked where they are. */
export interface BatchPlan {
  readonly fields: readonly BatchField[];
  /** True for a row that breaks the contract; undefined when no row can. */
  readonly isBroken: string | undefined;
  /** What is wrong with a row, in words. */
  readonly reasons: string;
  /** Columns of the contract that the table lacks and that may be missing. */
  readonly absent: readonly string[];
  /** Columns of the table that the contract does not name; they are left out. */
  readonly extra: readonly string[];
}

const INTEGER = /^U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/;
const DECIMAL = /^(?:FLOAT|DOUBLE|DECIMAL.*)$/;
const TIME = /^(?:DATE|TIMESTAMP.*)$/;
const TEXT = /^(?:VARCHAR|ENUM.*|UUID)$/;
/** Values allowed by a contract that are listed in a reason. */
const SHOWN_VALUES = 5;
const SHOWN_CHARACTERS = 40;

/**
 * Plans how rows of a table become inputs of a model and which of them cannot: the same rules as a call's rows are checked by.
 * @param also columns that are no inputs and are read as texts when they are there.
 * @throws {BatchColumnsError} when a column that must have values is not there.
 */
export function planBatch(contract: Contract, columns: readonly SourceColumn[], also: readonly string[] = []): BatchPlan {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const fields = contract.fields.filter((field) => INPUT_ROLES.has(field.role) || !field.nullable);
  const missing = fields.filter((field) => !byName.has(field.name));
  requireColumns(missing, [...byName.keys()]);
  const rules = fields.flatMap((field) => {
    const column = byName.get(field.name);
    return column ? rulesOf(field, column) : [];
  });
  const inputs = fields.filter((field) => INPUT_ROLES.has(field.role));
  const extraTexts = also.filter((name) => byName.has(name) && !inputs.some((field) => field.name === name));
  const known = new Set([...contract.fields.map((field) => field.name), ...contract.ignored]);
  return {
    fields: [
      ...inputs.map((field) => readField(field, byName.get(field.name))),
      ...extraTexts.map((name): BatchField => ({ name, kind: 'text', sql: `${quoteName(name)}::varchar` })),
    ],
    isBroken: rules.length === 0 ? undefined : rules.map(({ broken }) => `coalesce(${broken}, false)`).join(' or '),
    reasons: rules.length === 0 ? `''` : `concat_ws('; ', ${rules.map(reasonSql).join(', ')})`,
    absent: missing.map((field) => field.name),
    extra: columns.map((column) => column.name).filter((name) => !known.has(name)),
  };
}

function requireColumns(missing: readonly Field[], present: readonly string[]): void {
  const needed = missing.filter((field) => !field.nullable);
  if (needed.length === 0) return;
  const named = needed.slice(0, 5).map((field) => {
    const near = nearestName(field.name, present);
    return `"${field.name}"${near === undefined ? '' : ` (is it "${near}"?)`}`;
  });
  const more = needed.length > 5 ? `, and ${needed.length - 5} more` : '';
  throw new BatchColumnsError(`The table lacks ${needed.length === 1 ? 'the column' : 'the columns'} ${named.join(', ')}${more}.`, {
    details: { missing: needed.map((field) => field.name).slice(0, 100), present: present.slice(0, 100) },
    help: 'Add or rename columns: every row needs a value in them.',
  });
}

function readField(field: Field, column: SourceColumn | undefined): BatchField {
  const { name } = field;
  const isText = columnKind(field) === 'text';
  if (!column) return { name, kind: isText ? 'text' : 'number', sql: isText ? 'null::varchar' : `'nan'::double` };
  if (!isText) return { name, kind: 'number', sql: `coalesce(${numberOf(field, column)}, 'nan'::double)` };
  const value = valueOf(field, column);
  if (field.type === 'float64') return { name, kind: 'decimal', sql: `coalesce(${value}::double, 'nan'::double)` };
  const isPresentText = TEXT.test(column.sqlType) && (field.type === 'string' || field.type === 'json');
  return { name, kind: 'text', sql: isPresentText ? value : `nullif((${value})::varchar, '')` };
}

function numberOf(field: Field, column: SourceColumn): string {
  // Of rows that are read, none holds an infinite number: it would break the contract.
  if (field.type === 'float64' && DECIMAL.test(column.sqlType)) return `(${quoteName(column.name)}::double + 0.0)`;
  const value = valueOf(field, column);
  if (field.type === 'boolean') return `(${value})::int::double`;
  return `(${value})::double`;
}

/** The value as the field's type, NULL when it is missing or is not of that type; times in milliseconds. */
function valueOf(field: Field, { name, sqlType }: SourceColumn): string {
  const column = quoteName(name);
  const isText = TEXT.test(sqlType);
  const text = presentText(column, sqlType);
  switch (field.type) {
    case 'float64':
      if (INTEGER.test(sqlType)) return `${column}::double`;
      if (DECIMAL.test(sqlType)) return `case when isfinite(${column}::double) then ${column}::double + 0.0 end`;
      return isText ? `case when isfinite(try_cast(${text} as double)) then try_cast(${text} as double) + 0.0 end` : 'null::double';
    case 'int64':
      if (INTEGER.test(sqlType)) return `try_cast(${column} as bigint)`;
      if (DECIMAL.test(sqlType))
        return `case when isfinite(${column}::double) and trunc(${column}) = ${column} then try_cast(${column} as bigint) end`;
      return isText ? `case when regexp_full_match(${text}, '[+-]?[0-9]{1,19}') then try_cast(${text} as bigint) end` : 'null::bigint';
    case 'boolean':
      if (sqlType === 'BOOLEAN') return column;
      return isText
        ? `case lower(${text}) when 'true' then true when 'false' then false when 't' then true when 'f' then false end`
        : 'null::boolean';
    case 'timestamp':
      if (TIME.test(sqlType)) return `epoch_ms(${column}::timestamp)`;
      if (INTEGER.test(sqlType)) return `try_cast(${column} as bigint)`;
      return isText ? `epoch_ms(try_cast(${text} as timestamptz)::timestamp)` : 'null::bigint';
    case 'string':
    case 'json':
      return textOf(column, sqlType);
  }
}

/** Text of a value as a call would spell it: whole numbers without a point. */
function textOf(column: string, sqlType: string): string {
  if (TEXT.test(sqlType)) return `nullif(${column}::varchar, '')`;
  if (DECIMAL.test(sqlType)) {
    return `case when trunc(${column}) = ${column} and abs(${column}) < 1e15 then (${column}::bigint)::varchar else (${column}::double)::varchar end`;
  }
  return /[[(]|STRUCT|MAP|LIST/.test(sqlType) ? `to_json(${column})::varchar` : `${column}::varchar`;
}

const MARKERS = [...MARKERS_ALWAYS, ...MARKERS_IN_TYPED].map(quoteText).join(', ');

/** The trimmed text of a cell that holds something; markers of missing values count as nothing, as when data are ingested. */
function presentText(column: string, sqlType: string): string {
  return TEXT.test(sqlType) ? `(case when trim(${column}::varchar) not in ('', ${MARKERS}) then trim(${column}::varchar) end)` : column;
}

interface Rule {
  readonly field: string;
  readonly broken: string;
  readonly expected: string;
  readonly column: string;
}

const TYPE_NAMES = {
  float64: 'a number',
  int64: 'a whole number',
  boolean: 'true or false',
  timestamp: 'a time',
  string: 'text',
  json: 'any JSON',
} as const;

function rulesOf(field: Field, column: SourceColumn): Rule[] {
  const name = quoteName(column.name);
  const value = valueOf(field, column);
  const isTextField = field.type === 'string' || field.type === 'json';
  const present = isTextField ? `(${value}) is not null` : `${presentText(name, column.sqlType)} is not null`;
  const rules: Rule[] = [];
  const add = (broken: string, expected: string) => rules.push({ field: field.name, broken, expected, column: name });
  if (!field.nullable) add(`not (${present})`, `${TYPE_NAMES[field.type]}, for every row`);
  if (!isTextField && !isAlways(field, column)) add(notOfType(field, column, { present, value }), TYPE_NAMES[field.type]);
  if (isTextField) {
    const limit = field.expect.lengthMax ?? STRING_LENGTH_LIMIT;
    // Bytes are known without looking, and there are at least as many as characters.
    if (TEXT.test(column.sqlType))
      add(`strlen(${name}::varchar) > ${limit} and length(${name}::varchar) > ${limit}`, `at most ${limit} characters`);
  }
  if (field.severity === 'error') rules.push(...expectationRules(field, name, value));
  return rules;
}

/** True for a value that is there and is not of the field's type. */
function notOfType(field: Field, { name, sqlType }: SourceColumn, { present, value }: { present: string; value: string }): string {
  // The same for numbers, at a fifth of the cost.
  if (field.type === 'float64' && DECIMAL.test(sqlType)) return `not isfinite(${quoteName(name)}::double)`;
  return `${present} and (${value}) is null`;
}

/** Whether every value of the column is of the field's type, so that no row needs to be asked. */
function isAlways(field: Field, { sqlType }: SourceColumn): boolean {
  if (field.type === 'float64') return INTEGER.test(sqlType);
  if (field.type === 'int64') return INTEGER.test(sqlType) && !/HUGEINT|UBIGINT/.test(sqlType);
  if (field.type === 'boolean') return sqlType === 'BOOLEAN';
  return field.type === 'timestamp' && TIME.test(sqlType);
}

function expectationRules(field: Field, column: string, value: string): Rule[] {
  const { minimum, maximum, allowedValues } = field.expect;
  const rules: Rule[] = [];
  const add = (broken: string, expected: string) => rules.push({ field: field.name, broken, expected, column });
  if (allowedValues) {
    const list = allowedValues.map(quoteText).join(', ');
    const shown = allowedValues.slice(0, SHOWN_VALUES).join(', ');
    add(
      list === '' ? `(${value}) is not null` : `(${value})::varchar not in (${list})`,
      `one of ${shown}${allowedValues.length > SHOWN_VALUES ? ', …' : ''}`,
    );
  }
  if (field.type === 'string' || field.type === 'json') return rules;
  if (minimum !== undefined) add(`(${value})::double < ${minimum}::double`, `at least ${minimum}`);
  if (maximum !== undefined) add(`(${value})::double > ${maximum}::double`, `at most ${maximum}`);
  return rules;
}

function reasonSql({ field, broken, expected, column }: Rule): string {
  const got = `coalesce('"' || left(${column}::varchar, ${SHOWN_CHARACTERS}) || '"', 'nothing')`;
  return `case when ${broken} then ${quoteText(`${field}: expected ${expected}, got `)} || ${got} end`;
}
