import type { DuckDBDataChunk, DuckDBVector } from '@duckdb/node-api';
import { type Column, type Frame, categoryText } from '@slipway/kernel';
import { doublesOf } from '../vectors.ts';
import type { BatchField } from './plan-batch.ts';

/** Rows that are answered at a time: one run of a graph. */
export const PIECE_ROWS = 4_096;

/** Memory for one piece of a table, used again for a later piece. */
export interface Piece {
  /** Numbers of its rows in the file. */
  readonly rows: Float64Array;
  /** One for each field: numbers, or codes of texts. */
  readonly columns: readonly (Float64Array | Int32Array)[];
  filled: number;
}

/** Reads the fields of a plan from chunks of a query into pieces. */
export interface PieceLoader {
  /** What the query selects, for `add` to read. */
  readonly list: string;
  create(): Piece;
  add(piece: Piece, chunk: DuckDBDataChunk): void;
  /** The rows so far; the frame is the piece's memory, so it stands until that is filled again. */
  frameOf(piece: Piece): Frame;
}

/** @param enums a type for each column of known texts: reading codes is many times cheaper than reading texts. */
export function createPieceLoader(
  fields: readonly BatchField[],
  knownTexts: ReadonlyMap<string, readonly string[]>,
  enums: ReadonlyMap<string, string>,
): PieceLoader {
  const readers = fields.map((field) => readerFor(field, enums.get(field.name), knownTexts.get(field.name)));
  const columns = ['file_row_number::double', ...readers.map((reader) => reader.sql)];
  return {
    list: columns.map((sql, index) => `${sql} as v${index}`).join(', '),
    create: () => ({ rows: new Float64Array(PIECE_ROWS), columns: readers.map((reader) => reader.allocate()), filled: 0 }),
    add(piece, chunk) {
      const { rowCount } = chunk;
      piece.rows.set(doublesOf(chunk.getColumnVector(0)).subarray(0, rowCount), piece.filled);
      readers.forEach((reader, index) =>
        reader.fill(chunk.getColumnVector(index + 1), rowCount, piece.columns[index] as Float64Array | Int32Array, piece.filled),
      );
      piece.filled += rowCount;
    },
    frameOf: (piece) => ({
      rowCount: piece.filled,
      columns: new Map(
        fields.map(({ name }, index) => [
          name,
          (readers[index] as Reader).column((piece.columns[index] as Float64Array | Int32Array).subarray(0, piece.filled)),
        ]),
      ),
    }),
  };
}

interface Reader {
  readonly sql: string;
  allocate(): Float64Array | Int32Array;
  fill(vector: DuckDBVector, rows: number, target: Float64Array | Int32Array, offset: number): void;
  column(values: Float64Array | Int32Array): Column;
}

/** Stands for every text that a model does not know. */
const OTHER_TEXT = '\u0000other';

function readerFor({ kind, sql }: BatchField, enumType: string | undefined, known: readonly string[] | undefined): Reader {
  if (kind === 'number') return numberReader(sql);
  if (kind === 'decimal') return textReader(sql, (value) => (Number.isNaN(value as number) ? null : categoryText(value)));
  return enumType === undefined || known === undefined
    ? textReader(sql, (value) => value as string | null)
    : codeReader(sql, enumType, known);
}

function numberReader(sql: string): Reader {
  return {
    sql,
    allocate: () => new Float64Array(PIECE_ROWS),
    fill: (vector, rows, target, offset) => target.set(doublesOf(vector).subarray(0, rows), offset),
    // What this reader allocated.
    column: (values) => ({ kind: 'number', values: values as Float64Array }),
  };
}

const allocateCodes = () => new Int32Array(PIECE_ROWS);

function codeReader(sql: string, type: string, known: readonly string[]): Reader {
  const texts = known.filter((text) => text !== '');
  const levels = [...texts, OTHER_TEXT];
  return {
    sql: `case when ${sql} is null then -1.0 else coalesce(enum_code(try_cast(${sql} as ${type}))::double, ${texts.length}.0) end`,
    allocate: allocateCodes,
    fill: (vector, rows, target, offset) => target.set(doublesOf(vector).subarray(0, rows), offset),
    column: (codes) => ({ kind: 'text', codes: codes as Int32Array, levels }),
  };
}

/** Different texts of one column that are remembered from piece to piece. */
const REMEMBERED_TEXTS = 20_000;

function textReader(sql: string, toText: (value: unknown) => string | null): Reader {
  let codeOf = new Map<unknown, number>();
  let levels: string[] = [];
  return {
    sql,
    allocate: allocateCodes,
    fill(vector, rows, target, offset) {
      for (let row = 0; row < rows; row += 1) {
        const value = vector.getItem(row) as unknown;
        let code = value === null ? -1 : codeOf.get(value);
        if (code === undefined) {
          const text = toText(value);
          code = text === null ? -1 : levels.push(text) - 1;
          codeOf.set(value, code);
        }
        target[offset + row] = code;
      }
    },
    column(codes) {
      // Frames that are being answered keep their list: it is only ever added to.
      const column: Column = { kind: 'text', codes: codes as Int32Array, levels };
      if (levels.length > REMEMBERED_TEXTS) {
        codeOf = new Map();
        levels = [];
      }
      return column;
    },
  };
}
