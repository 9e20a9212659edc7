import {
  type Column,
  type Field,
  type FieldRole,
  type FieldType,
  type Frame,
  type Json,
  categoryText,
  columnKind,
  nearestName,
  parseJson,
  toRfc3339,
} from '@slipway/kernel';
import { type Session, quoteName, quoteText } from './engine.ts';
import { FrameTooLargeError, UnknownColumnError } from './errors.ts';
import { FRAME_CELL_LIMIT, PREVIEW_ROW_LIMIT } from './limits.ts';
import { numberSql } from './profile-table.ts';
import { doublesOf } from './vectors.ts';

/** What is needed of a column to load it. */
export interface StoredColumn {
  readonly name: string;
  readonly type: FieldType;
  readonly role: FieldRole;
}

interface Loader {
  /** SQL of the column's values as a DOUBLE or VARCHAR vector. */
  readonly sql: string;
  take(vector: Parameters<typeof doublesOf>[0], rows: number, offset: number): void;
  finish(): Column;
}

/**
 * Loads a canonical Parquet file as a frame, chunk by chunk into typed arrays. Levels of text columns are in order of first
 * use. Measured 2026-11 on two cores: 500,000 rows x 30 columns (5 of them text) in about 1 s.
 * @throws {UnknownColumnError} when a wanted column is not there; {@link StreamEndedError} when the file has other than `rows` rows.
 */
export async function loadFrameFrom(session: Session, file: string, rows: number, columns: readonly StoredColumn[]): Promise<Frame> {
  if (rows * columns.length > FRAME_CELL_LIMIT) throw new FrameTooLargeError(rows * columns.length, FRAME_CELL_LIMIT);
  const loaders = columns.map((column) => createLoader(column, rows));
  if (loaders.length === 0) return { rowCount: rows, columns: new Map() };
  const list = loaders.map((loader, index) => `${loader.sql} as c${index}`).join(', ');
  let offset = 0;
  for await (const chunk of session.stream(`select ${list} from read_parquet(${quoteText(file)})`, rows)) {
    for (const [index, loader] of loaders.entries()) loader.take(chunk.getColumnVector(index), chunk.rowCount, offset);
    offset += chunk.rowCount;
  }
  return { rowCount: offset, columns: new Map(columns.map((column, index) => [column.name, (loaders[index] as Loader).finish()])) };
}

/** The stored columns of the wanted names, in the wanted order; all when none are named. */
export function pickColumns(columns: readonly StoredColumn[], wanted: readonly string[] | undefined): readonly StoredColumn[] {
  if (!wanted) return columns;
  const byName = new Map(columns.map((column) => [column.name, column]));
  return wanted.map((name) => {
    const column = byName.get(name);
    if (column) return column;
    const near = nearestName(name, [...byName.keys()]);
    throw new UnknownColumnError(`The dataset has no column "${name}".${near ? ` Did you mean "${near}"?` : ''}`, {
      details: { column: name },
    });
  });
}

function createLoader(column: StoredColumn, rows: number): Loader {
  const field: Field = { name: column.name, type: column.type, role: column.role, nullable: true, expect: {}, severity: 'warn' };
  if (columnKind(field) === 'number') return numberLoader(column, rows);
  // Doubles and times become text here, so that the text is ECMAScript's, as it will be in calls.
  if (column.type === 'float64') return textLoader(numberSql(column), rows, (value) => categoryText(value));
  if (column.type === 'timestamp') return textLoader(numberSql(column), rows, (value) => toRfc3339(value as number));
  return textLoader(`${quoteName(column.name)}::varchar`, rows, (value) => value as string);
}

function numberLoader(column: StoredColumn, rows: number): Loader {
  const values = new Float64Array(rows);
  return {
    sql: `coalesce(${numberSql(column)}, 'nan'::double)`,
    take: (vector, _rows, offset) => values.set(doublesOf(vector), offset),
    finish: () => ({ kind: 'number', values }),
  };
}

function textLoader(sql: string, rows: number, toText: (value: unknown) => string | null): Loader {
  const codes = new Int32Array(rows);
  const codeOf = new Map<unknown, number>();
  const levels: string[] = [];
  return {
    sql,
    take(vector, count, offset) {
      for (let row = 0; row < count; row += 1) {
        const value = vector.getItem(row) as unknown;
        let code = value === null ? -1 : codeOf.get(value);
        if (code === undefined) {
          const text = toText(value);
          code = text === null ? -1 : levels.length;
          codeOf.set(value, code);
          if (text !== null) levels.push(text);
        }
        codes[offset + row] = code;
      }
    },
    finish: () => ({ kind: 'text', codes, levels }),
  };
}

/** Rows as the API shows them: times in RFC 3339, int64 past 2^53 as text, JSON parsed, missing as null. */
export async function readRowsFrom(
  session: Session,
  file: string,
  columns: readonly StoredColumn[],
  range: { readonly offset: number; readonly limit: number },
): Promise<Record<string, Json>[]> {
  const limit = Math.min(range.limit, PREVIEW_ROW_LIMIT);
  const list = columns
    .map((column, index) => `${column.type === 'timestamp' ? numberSql(column) : quoteName(column.name)} as c${index}`)
    .join(', ');
  const rows = await session.rows(
    `select ${list} from read_parquet(${quoteText(file)}, file_row_number = true)
      where file_row_number >= ${range.offset} and file_row_number < ${range.offset + limit} order by file_row_number`,
  );
  return rows.map((row) => Object.fromEntries(columns.map((column, index) => [column.name, shown(row[`c${index}`], column.type)])));
}

function shown(value: unknown, type: FieldType): Json {
  if (value === null || value === undefined) return null;
  if (type === 'timestamp') return toRfc3339(Number(value));
  if (type === 'json') return parseJson(String(value));
  if (type !== 'int64') return value as Json;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

/** One frame under the other, as a training file and its test file; both have the same columns. */
export function concatFrames(top: Frame, bottom: Frame): Frame {
  const columns = new Map<string, Column>();
  for (const [name, upper] of top.columns) {
    const lower = bottom.columns.get(name);
    if (!lower || lower.kind !== upper.kind)
      throw new UnknownColumnError(`The second table has no matching column "${name}".`, { details: { column: name } });
    columns.set(name, upper.kind === 'number' ? concatNumbers(upper, lower as typeof upper) : concatTexts(upper, lower as typeof upper));
  }
  return { rowCount: top.rowCount + bottom.rowCount, columns };
}

function concatNumbers(upper: Column & { kind: 'number' }, lower: Column & { kind: 'number' }): Column {
  const values = new Float64Array(upper.values.length + lower.values.length);
  values.set(upper.values);
  values.set(lower.values, upper.values.length);
  return { kind: 'number', values };
}

function concatTexts(upper: Column & { kind: 'text' }, lower: Column & { kind: 'text' }): Column {
  const levels = [...upper.levels];
  const codeOf = new Map(levels.map((level, code) => [level, code]));
  const recoded = lower.levels.map((level) => {
    const known = codeOf.get(level);
    if (known !== undefined) return known;
    codeOf.set(level, levels.length);
    return levels.push(level) - 1;
  });
  const codes = new Int32Array(upper.codes.length + lower.codes.length);
  codes.set(upper.codes);
  lower.codes.forEach((code, row) => {
    codes[upper.codes.length + row] = code < 0 ? -1 : (recoded[code] as number);
  });
  return { kind: 'text', codes, levels };
}
