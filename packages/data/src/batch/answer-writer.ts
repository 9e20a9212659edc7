import type { DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api';
import type { Session } from '../engine.ts';
import { doublesOf } from '../vectors.ts';

/** One column of answers: numbers, or texts by code. */
export type AnswerColumn =
  | { readonly name: string; readonly kind: 'number'; readonly values: ArrayLike<number> }
  | { readonly name: string; readonly kind: 'text'; readonly codes: ArrayLike<number>; readonly levels: readonly string[] };

/** Answers for the rows of one piece, in its order. */
export interface Answers {
  readonly columns: readonly AnswerColumn[];
  /** 1 for a row that got no answer; it joins the rejects. */
  readonly failed: Uint8Array;
}

/** Columns of answers that were written; texts lie there as codes of their levels. */
export type Written = readonly { readonly name: string; readonly levels: readonly string[] | undefined }[];

/** The temporary table that answers are collected in. */
export const ANSWERS = 'batch_answers';
/** Rows of DuckDB's vectors. */
const VECTOR_ROWS = 2_048;

type Appender = Awaited<ReturnType<DuckDBConnection['createAppender']>>;

/** Collects answers in a temporary table, a block of numbers at a time. */
export class AnswerWriter {
  readonly columns: Written;
  readonly #appender: Appender;
  readonly #chunk: (rows: number) => DuckDBDataChunk;

  private constructor(columns: Written, appender: Appender, chunk: (rows: number) => DuckDBDataChunk) {
    this.columns = columns;
    this.#appender = appender;
    this.#chunk = chunk;
  }

  static async create(session: Session, columns: readonly AnswerColumn[]): Promise<AnswerWriter> {
    const { DOUBLE, DuckDBDataChunk: Chunk } = await import('@duckdb/node-api');
    const list = columns.map((_, index) => `a${index} double`).join(', ');
    await session.run(`create or replace temp table ${ANSWERS} (row double, failed double${list === '' ? '' : `, ${list}`})`);
    const appender = await session.connection.createAppender(ANSWERS);
    const types = Array.from({ length: columns.length + 2 }, () => DOUBLE);
    return new AnswerWriter(
      columns.map((column) => ({ name: column.name, levels: column.kind === 'text' ? column.levels : undefined })),
      appender,
      (rows) => Chunk.create(types, rows),
    );
  }

  append(rows: Float64Array, { columns, failed }: Answers): void {
    for (let start = 0; start < rows.length; start += VECTOR_ROWS) {
      const count = Math.min(VECTOR_ROWS, rows.length - start);
      const chunk = this.#chunk(count);
      const sources: ArrayLike<number>[] = [
        rows,
        failed,
        ...columns.map((column) => (column.kind === 'number' ? column.values : column.codes)),
      ];
      sources.forEach((source, index) => {
        const vector = chunk.getColumnVector(index);
        const block = doublesOf(vector);
        for (let row = 0; row < count; row += 1) block[row] = source[start + row] as number;
        vector.flush();
      });
      this.#appender.appendDataChunk(chunk);
    }
  }

  close(): void {
    this.#appender.flushSync();
    this.#appender.closeSync();
  }
}
