import type { Contract, FieldType } from '@slipway/kernel';
import type { ColumnProblem, Note } from './contract.ts';
import { type Session, quoteName, quoteText } from './engine.ts';
import {
  FieldTooLargeError,
  NoRowsError,
  NulByteError,
  ParquetError,
  TooManyColumnsError,
  TooManyRowsError,
  UnknownFormatError,
} from './errors.ts';
import { type ColumnReading, type TypeOptions, inferType, readAs, valueSql } from './infer-type.ts';
import type { IngestLimits } from './limits.ts';
import { type RawColumn, type RawTable, checkColumnNames, rawCellSql, rawTableSql } from './raw-table.ts';

/** A column of the canonical table. */
export interface CanonicalColumn {
  readonly name: string;
  readonly type: FieldType;
  readonly markers: Readonly<Record<string, number>>;
}

/** The canonical Parquet file, still in the session's folder. */
export interface CanonicalTable {
  readonly path: string;
  readonly rows: number;
  readonly columns: readonly CanonicalColumn[];
  readonly notes: readonly Note[];
}

/** What a table must look like: a saved contract, and the labels its target is known to have. */
export interface CanonicalOptions {
  readonly contract?: Contract | undefined;
  /** Columns to keep as texts although they could be read as something else. */
  readonly asText: ReadonlySet<string>;
  readonly dayFirst: boolean | undefined;
  /** Collects how the columns differ from the contract's. */
  readonly problems: ColumnProblem[];
}

/** Cells and bytes of one row group: bounds the memory of writing very wide tables and long texts. */
const ROW_GROUP_CELLS = 8_000_000;
const ROW_GROUP_BYTES = 96 * 1024 ** 2;
const ROW_GROUP_ROWS_MAX = 122_880;
/** More target values than this are no labels. */
const LABEL_LIMIT = 10_000;

interface PlannedColumn extends CanonicalColumn {
  readonly sql: string;
}

/** Types the raw texts, by inference or as the contract says, and writes them as Parquet in the source's order. */
export async function writeCanonical(session: Session, table: RawTable, options: CanonicalOptions): Promise<CanonicalTable> {
  const notes: Note[] = [];
  const planned: PlannedColumn[] = [];
  for (const [index, column] of table.columns.entries()) {
    const typeOptions = { decimalComma: table.decimalComma, typed: table.typed, nested: column.nested, dayFirst: options.dayFirst };
    const reading = readColumn(column, typeOptions, options);
    if (!reading) continue;
    for (const note of reading.notes) notes.push({ column: column.name, note });
    const cell = rawCellSql(index, column);
    const label = await labelSql(session, rawTableSql(table), cell, column.name, options, notes);
    planned.push({
      name: column.name,
      type: reading.type,
      markers: reading.markers,
      sql: valueSql(label ?? cell, reading, column.observer),
    });
  }
  addMissing(
    table.columns.map((column) => column.name),
    options,
  );
  const ordered = orderAsContract(planned, options.contract);
  const path = await copyToParquet(session, ordered, rawTableSql(table), table.bytes / Math.max(1, table.rows));
  return { path, rows: table.rows, columns: ordered, notes };
}

function readColumn(column: RawColumn, typeOptions: TypeOptions, options: CanonicalOptions): ColumnReading | undefined {
  const inferred = inferType(column.observer, typeOptions);
  const field = options.contract?.fields.find((candidate) => candidate.name === column.name);
  if (!options.contract) {
    if (inferred.type !== 'timestamp' || !options.asText.has(column.name)) return inferred;
    return readAs('string', column.observer, inferred);
  }
  if (!field) {
    reportExtra(column.name, inferred.type, options);
    return undefined;
  }
  const reading = readAs(field.type, column.observer, inferred);
  if (reading) return reading;
  const strays = column.observer.strays.map(({ text, line }) => `"${text}" at line ${line}`).join(', ');
  const got = strays === '' ? inferred.type : `${inferred.type} (${strays})`;
  options.problems.push({ column: column.name, problem: 'retyped', severity: 'error', expected: field.type, got });
  return inferred;
}

function reportExtra(column: string, type: FieldType, options: CanonicalOptions): void {
  if (options.contract?.ignored.includes(column)) return;
  options.problems.push({ column, problem: 'extra', severity: 'warn', expected: 'a column of the contract', got: `${type}, left out` });
}

function addMissing(names: readonly string[], options: CanonicalOptions): void {
  const present = new Set(names);
  for (const field of options.contract?.fields ?? []) {
    if (!present.has(field.name)) {
      options.problems.push({ column: field.name, problem: 'missing', severity: 'error', expected: field.type, got: 'no such column' });
    }
  }
}

function orderAsContract<T extends CanonicalColumn>(columns: readonly T[], contract: Contract | undefined): readonly T[] {
  if (!contract) return columns;
  const order = new Map(contract.fields.map((field, index) => [field.name, index]));
  return columns.toSorted((left, right) => (order.get(left.name) ?? 0) - (order.get(right.name) ?? 0));
}

/**
 * The test file of a well-known set ends its labels in a full stop. Where the target's values are not the labels of the
 * contract but are without a trailing stop, the stop is dropped, and said so.
 */
async function labelSql(
  session: Session,
  from: string,
  cell: string,
  column: string,
  options: CanonicalOptions,
  notes: Note[],
): Promise<string | undefined> {
  const field = options.contract?.fields.find((candidate) => candidate.name === column && candidate.role === 'target');
  if (!field?.expect.allowedValues || field.type !== 'string') return undefined;
  const labels = new Set(field.expect.allowedValues);
  const rows = await session.rows(`select distinct ${cell} as label from ${from} where ${cell} is not null limit ${LABEL_LIMIT + 1}`);
  const seen = rows.map((row) => String(row['label']));
  const unknown = seen.filter((label) => !labels.has(label));
  if (unknown.length === 0 || !unknown.every((label) => label.endsWith('.') && labels.has(label.slice(0, -1)))) return undefined;
  notes.push({
    column,
    note: `Labels end in a full stop here (${unknown
      .slice(0, 3)
      .map((label) => `"${label}"`)
      .join(', ')}); it was dropped.`,
  });
  const list = unknown.map(quoteText).join(', ');
  return `case when ${cell} in (${list}) then regexp_replace(${cell}, '\\.$', '') else ${cell} end`;
}

export async function copyToParquet(
  session: Session,
  columns: readonly { readonly name: string; readonly sql: string }[],
  from: string,
  rowBytesMean = 1,
): Promise<string> {
  const path = session.path('.parquet');
  const list = columns.map((column) => `${column.sql} as ${quoteName(column.name)}`).join(', ');
  const rowGroup = Math.max(
    2_048,
    Math.min(ROW_GROUP_ROWS_MAX, Math.floor(ROW_GROUP_CELLS / columns.length), Math.floor(ROW_GROUP_BYTES / rowBytesMean)),
  );
  await session.run(
    `copy (select ${list} from ${from}) to ${quoteText(path)} (format parquet, compression zstd, row_group_size ${rowGroup})`,
  );
  return path;
}

/** Reads a foreign Parquet file into the canonical types: every integer as int64, every decimal as float64, times in UTC milliseconds. */
export async function canonicalFromParquet(
  session: Session,
  file: string,
  limits: IngestLimits,
  options: CanonicalOptions,
): Promise<CanonicalTable> {
  const from = `read_parquet(${quoteText(await session.link(file, '.parquet'))})`;
  try {
    return await convertParquet(session, from, limits, options);
  } catch (thrown) {
    if (
      !(thrown instanceof Error) ||
      !/^(?:Invalid Input|Invalid|IO|Conversion|Not implemented|Serialization|Out of Range) Error|parquet/i.test(thrown.message) ||
      'code' in thrown
    )
      throw thrown;
    throw new ParquetError('The Parquet file cannot be read: it is damaged, cut off, encrypted, or uses a feature we do not know.', {
      cause: thrown,
      help: 'Write the file again, for example with pyarrow or DuckDB, without encryption.',
    });
  }
}

async function convertParquet(session: Session, from: string, limits: IngestLimits, options: CanonicalOptions): Promise<CanonicalTable> {
  const described = await session.rows(`describe select * from ${from}`);
  if (described.length > limits.columns) throw new TooManyColumnsError(described.length, limits.columns);
  const sources = described.map((row) => ({ name: String(row['column_name']), sqlType: String(row['column_type']) }));
  checkColumnNames(sources.map((source) => source.name));
  const [counted] = await session.rows(`select count(*)::double as n from ${from}`);
  const rows = Number(counted?.['n'] ?? 0);
  if (rows === 0) throw new NoRowsError({ columns: sources.length });
  if (rows > limits.rows) throw new TooManyRowsError(limits.rows);
  const notes: Note[] = [];
  const planned: PlannedColumn[] = [];
  for (const source of sources) {
    const column = await planParquetColumn(session, from, source, notes, limits);
    const fitted = fitParquetColumn(column, options);
    if (fitted) planned.push(fitted);
  }
  addMissing(
    sources.map((source) => source.name),
    options,
  );
  const ordered = orderAsContract(planned, options.contract);
  return { path: await copyToParquet(session, ordered, from), rows, columns: ordered, notes };
}

function fitParquetColumn(column: PlannedColumn, options: CanonicalOptions): PlannedColumn | undefined {
  const asText = { ...column, type: 'string' as const, sql: `cast(${column.sql} as varchar)` };
  if (!options.contract) return column.type === 'timestamp' && options.asText.has(column.name) ? asText : column;
  const field = options.contract.fields.find((candidate) => candidate.name === column.name);
  if (!field) {
    reportExtra(column.name, column.type, options);
    return undefined;
  }
  if (field.type === column.type) return column;
  if (field.type === 'float64' && column.type === 'int64') return { ...column, type: 'float64', sql: `cast(${column.sql} as double)` };
  if (field.type === 'string' && (column.type === 'int64' || column.type === 'json')) return asText;
  options.problems.push({ column: column.name, problem: 'retyped', severity: 'error', expected: field.type, got: column.type });
  return column;
}

async function planParquetColumn(
  session: Session,
  from: string,
  source: { readonly name: string; readonly sqlType: string },
  notes: Note[],
  limits: IngestLimits,
): Promise<PlannedColumn> {
  const name = quoteName(source.name);
  const base = { name: source.name, markers: {} };
  const type = source.sqlType;
  if (/^(?:U?(?:TINYINT|SMALLINT|INTEGER)|BIGINT)$/.test(type)) return { ...base, type: 'int64', sql: `cast(${name} as bigint)` };
  if (/^(?:UBIGINT|U?HUGEINT)$/.test(type)) return planWideInteger(session, from, source.name, base);
  if (/^(?:FLOAT|DOUBLE|DECIMAL.*)$/.test(type)) {
    await noteInfinite(session, from, source, notes);
    const number = `cast(${name} as double)`;
    return { ...base, type: 'float64', sql: `case when isfinite(${number}) then ${number} + 0.0 end` };
  }
  if (type === 'BOOLEAN') return { ...base, type: 'boolean', sql: name };
  if (/^(?:DATE|TIMESTAMP.*)$/.test(type)) {
    return { ...base, type: 'timestamp', sql: `cast(make_timestamp(epoch_ms(cast(${name} as timestamp)) * 1000) as timestamptz)` };
  }
  if (type === 'BLOB') {
    throw new UnknownFormatError(`Parquet with binary data in column "${source.name}"`, 'Leave that column out, or write it as text.');
  }
  if (/^(?:VARCHAR|ENUM.*|UUID|TIME.*|INTERVAL)$/.test(type)) {
    const text = `cast(${name} as varchar)`;
    await checkTexts(session, from, source.name, text, limits);
    return { ...base, type: 'string', sql: `nullif(${text}, '')` };
  }
  notes.push({ column: source.name, note: 'Holds objects or lists; they are kept as JSON text.' });
  await checkTexts(session, from, source.name, `cast(to_json(${name}) as varchar)`, limits);
  return { ...base, type: 'json', sql: `case when ${name} is not null then cast(to_json(${name}) as varchar) end` };
}

async function planWideInteger(
  session: Session,
  from: string,
  column: string,
  base: { name: string; markers: {} },
): Promise<PlannedColumn> {
  const name = quoteName(column);
  const [row] = await session.rows(
    `select count(*) filter (try_cast(${name} as bigint) is null and ${name} is not null)::double as n from ${from}`,
  );
  if (Number(row?.['n'] ?? 0) === 0) return { ...base, type: 'int64', sql: `cast(${name} as bigint)` };
  return { ...base, type: 'string', sql: `cast(${name} as varchar)` };
}

async function noteInfinite(session: Session, from: string, source: { name: string; sqlType: string }, notes: Note[]): Promise<void> {
  if (source.sqlType.startsWith('DECIMAL')) return;
  const [row] = await session.rows(`select count(*) filter (isinf(${quoteName(source.name)}))::double as n from ${from}`);
  const count = Number(row?.['n'] ?? 0);
  if (count > 0)
    notes.push({ column: source.name, note: `${count} infinite ${count === 1 ? 'value was' : 'values were'} read as missing.` });
}

async function checkTexts(session: Session, from: string, column: string, text: string, limits: IngestLimits): Promise<void> {
  const [row] = await session.rows(
    `select max(strlen(${text}))::double as longest, (min(row) filter (contains(${text}, chr(0))))::double as nul,
      (min(row) filter (strlen(${text}) > ${limits.fieldBytes}))::double as long_row
      from (select *, row_number() over () as row from ${from})`,
  );
  if (row?.['nul'] !== null && row?.['nul'] !== undefined) throw new NulByteError(Number(row['nul']));
  if (row?.['long_row'] !== null && row?.['long_row'] !== undefined) {
    throw new FieldTooLargeError({ line: Number(row['long_row']), column: `column "${column}"`, limitBytes: limits.fieldBytes });
  }
}
