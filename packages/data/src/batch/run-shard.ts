import type { DuckDBConnection, DuckDBDataChunk, DuckDBVector } from '@duckdb/node-api';
import { type Column, type Frame, categoryText } from '@slipway/kernel';
import { randomUUID } from 'node:crypto';
import { type Engine, type Session, quoteName, quoteText, throwIfAborted } from '../engine.ts';
import { StreamEndedError } from '../errors.ts';
import { doublesOf } from '../vectors.ts';
import { moveFile } from './move-file.ts';
import type { BatchField, BatchPlan } from './plan-batch.ts';

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

export interface ShardRequest {
  /** Parquet, as `convertSource` left it. */
  readonly file: string;
  readonly plan: BatchPlan;
  /** Rows `from` (inclusive) to `to` (exclusive) of the file. */
  readonly from: number;
  readonly to: number;
  /** Columns of the table that are written beside the answers. */
  readonly keep: readonly string[];
  /** Texts of a column that make a difference; all others are one. */
  readonly knownTexts: ReadonlyMap<string, readonly string[]>;
  readonly answer: (frame: Frame) => Promise<Answers>;
  /** Where the answers and the rejects are written, as Parquet. */
  readonly outputPath: string;
  readonly rejectsPath: string;
  readonly onRows?: (rows: number) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface ShardResult {
  readonly rows: number;
  readonly rejected: number;
}

/** Rows that are answered at a time. */
export const PIECE_ROWS = 16_384;
/** Reason of rows that the model itself could not answer. */
const NO_ANSWER = 'the model gave no finite number';

/**
 * Answers a range of a table's rows: those that keep the contract go through `answer` piece by piece, the others are set aside
 * with their reasons. Nothing is left at the paths unless it is complete.
 * @throws {StreamEndedError} when not every row is accounted for.
 */
export async function runShard(engine: Engine, request: ShardRequest): Promise<ShardResult> {
  return engine.use(async (session) => {
    const file = await session.link(request.file, '.parquet');
    const suffix = randomUUID().replaceAll('-', '');
    const enums = await createEnums(session, request, suffix);
    try {
      const answered = await answerPieces(session, file, request, enums);
      await writeOutput(session, file, request, answered.columns);
      const rejected = await writeRejects(session, file, request, answered.columns !== undefined);
      const rows = request.to - request.from;
      const accounted = answered.rows + rejected - answered.failed;
      if (accounted !== rows) throw new StreamEndedError(accounted, rows);
      return { rows, rejected };
    } finally {
      for (const name of enums.values()) await session.run(`drop type if exists ${name}`).catch(() => {});
    }
  }, request.signal);
}

/** A type for each column of known texts: reading codes is many times cheaper than reading texts. */
async function createEnums(session: Session, { plan, knownTexts }: ShardRequest, suffix: string): Promise<Map<string, string>> {
  const enums = new Map<string, string>();
  for (const { name, kind } of plan.fields) {
    const texts = knownTexts.get(name)?.filter((text) => text !== '');
    if (kind !== 'text' || !texts || texts.length === 0) continue;
    const type = `batch_${suffix}_${enums.size}`;
    await session.run(`create type ${type} as enum (${texts.map(quoteText).join(', ')})`);
    enums.set(name, type);
  }
  return enums;
}

function sourceSql(file: string, { from, to }: Pick<ShardRequest, 'from' | 'to'>): string {
  return `(select * from read_parquet(${quoteText(file)}, file_row_number = true) where file_row_number >= ${from} and file_row_number < ${to})`;
}

interface Answered {
  /** Undefined when no row kept the contract. */
  readonly columns: Written | undefined;
  readonly rows: number;
  /** Of these, rows that the model could not answer. */
  readonly failed: number;
}

type Written = readonly { readonly name: string; readonly levels: readonly string[] | undefined }[];

async function answerPieces(session: Session, file: string, request: ShardRequest, enums: ReadonlyMap<string, string>): Promise<Answered> {
  const { plan, signal } = request;
  const loaders = plan.fields.map((field) => loaderFor(field, enums.get(field.name), request.knownTexts.get(field.name)));
  const columns = ['file_row_number::double', ...loaders.map((loader) => loader.sql)];
  const list = columns.map((sql, index) => `${sql} as v${index}`).join(', ');
  const where = plan.isBroken === undefined ? '' : ` where not (${plan.isBroken})`;
  const rows = new Float64Array(PIECE_ROWS);
  let filled = 0;
  let total = 0;
  let failed = 0;
  let writer: AnswerWriter | undefined;
  const flush = async () => {
    if (filled === 0) return;
    throwIfAborted(signal);
    const frame = {
      rowCount: filled,
      columns: new Map(plan.fields.map((field, index) => [field.name, (loaders[index] as Loader).take(filled)])),
    };
    const answers = await request.answer(frame);
    writer ??= await AnswerWriter.create(session, answers.columns);
    writer.append(rows.subarray(0, filled), answers);
    request.onRows?.(filled);
    total += filled;
    for (const each of answers.failed) failed += each;
    filled = 0;
  };
  // The answers are written meanwhile, by the session's own connection.
  for await (const chunk of session.stream(`select ${list} from ${sourceSql(file, request)}${where}`)) {
    if (filled + chunk.rowCount > PIECE_ROWS) await flush();
    rows.set(doublesOf(chunk.getColumnVector(0)).subarray(0, chunk.rowCount), filled);
    loaders.forEach((loader, index) => loader.fill(chunk.getColumnVector(index + 1), chunk.rowCount, filled));
    filled += chunk.rowCount;
  }
  await flush();
  writer?.close();
  return { columns: writer?.columns, rows: total, failed };
}

interface Loader {
  readonly sql: string;
  fill(vector: DuckDBVector, rows: number, offset: number): void;
  take(rows: number): Column;
}

/** Stands for every text that a model does not know. */
const OTHER_TEXT = '\u0000other';

function loaderFor({ kind, sql }: BatchField, enumType: string | undefined, known: readonly string[] | undefined): Loader {
  if (kind === 'number') return numberLoader(sql);
  if (kind === 'decimal') return textLoader(sql, (value) => (Number.isNaN(value as number) ? null : categoryText(value)));
  return enumType === undefined || known === undefined
    ? textLoader(sql, (value) => value as string | null)
    : codeLoader(sql, enumType, known);
}

function numberLoader(sql: string): Loader {
  const values = new Float64Array(PIECE_ROWS);
  return {
    sql,
    fill: (vector, rows, offset) => values.set(doublesOf(vector).subarray(0, rows), offset),
    take: (rows) => ({ kind: 'number', values: values.subarray(0, rows) }),
  };
}

function codeLoader(sql: string, type: string, known: readonly string[]): Loader {
  const texts = known.filter((text) => text !== '');
  const levels = [...texts, OTHER_TEXT];
  const codes = new Int32Array(PIECE_ROWS);
  return {
    sql: `case when ${sql} is null then -1.0 else coalesce(enum_code(try_cast(${sql} as ${type}))::double, ${texts.length}.0) end`,
    fill: (vector, rows, offset) => codes.set(doublesOf(vector).subarray(0, rows), offset),
    take: (rows) => ({ kind: 'text', codes: codes.subarray(0, rows), levels }),
  };
}

/** Different texts of one column that are remembered from piece to piece. */
const REMEMBERED_TEXTS = 20_000;

function textLoader(sql: string, toText: (value: unknown) => string | null): Loader {
  const codes = new Int32Array(PIECE_ROWS);
  let codeOf = new Map<unknown, number>();
  let levels: string[] = [];
  return {
    sql,
    fill(vector, rows, offset) {
      for (let row = 0; row < rows; row += 1) {
        const value = vector.getItem(row) as unknown;
        let code = value === null ? -1 : codeOf.get(value);
        if (code === undefined) {
          const text = toText(value);
          code = text === null ? -1 : levels.push(text) - 1;
          codeOf.set(value, code);
        }
        codes[offset + row] = code;
      }
    },
    take(rows) {
      const column: Column = { kind: 'text', codes: codes.slice(0, rows), levels };
      if (levels.length > REMEMBERED_TEXTS) {
        codeOf = new Map();
        levels = [];
      }
      return column;
    },
  };
}

const ANSWERS = 'batch_answers';
/** Rows of DuckDB's vectors. */
const VECTOR_ROWS = 2_048;

/** Collects answers in a temporary table, a block of numbers at a time. */
class AnswerWriter {
  readonly columns: Written;
  readonly #appender: Awaited<ReturnType<DuckDBConnection['createAppender']>>;
  readonly #chunk: (rows: number) => DuckDBDataChunk;

  private constructor(columns: Written, appender: AnswerWriter['appender'], chunk: (rows: number) => DuckDBDataChunk) {
    this.columns = columns;
    this.#appender = appender;
    this.#chunk = chunk;
  }

  get appender() {
    return this.#appender;
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

async function writeOutput(session: Session, file: string, request: ShardRequest, written: Written | undefined): Promise<void> {
  const path = session.path('.parquet');
  const { keep } = request;
  if (!written) {
    // Every row was set aside; the shard has no output, and an empty file would have no columns.
    return;
  }
  const answers = written.map(({ name, levels }, index) => {
    const value = levels === undefined ? `a.a${index}` : `[${levels.map(quoteText).join(', ')}][a.a${index}::int + 1]`;
    return `${value} as ${quoteName(name)}`;
  });
  const kept = keep.map((name) => `s.${quoteName(name)}`);
  const from = keep.length === 0 ? `${ANSWERS} a` : `${ANSWERS} a join ${sourceSql(file, request)} s on s.file_row_number = a.row::bigint`;
  await session.run(
    `copy (select ${['a.row::bigint as "row"', ...kept, ...answers].join(', ')} from ${from} where a.failed = 0 order by a.row)
      to ${quoteText(path)} (format parquet, compression zstd)`,
  );
  await moveFile(path, request.outputPath);
}

async function writeRejects(session: Session, file: string, request: ShardRequest, answered: boolean): Promise<number> {
  const { plan } = request;
  const broken =
    plan.isBroken === undefined ? [] : [`select file_row_number as "row", ${plan.reasons} as reasons from src where ${plan.isBroken}`];
  const failed = answered ? [`select row::bigint as "row", ${quoteText(NO_ANSWER)} as reasons from ${ANSWERS} where failed = 1`] : [];
  const parts = [...broken, ...failed];
  if (parts.length === 0) return 0;
  const path = session.path('.parquet');
  const definitions = `with src as ${sourceSql(file, request)}, bad as (${parts.join(' union all ')})`;
  const count = Number((await session.rows(`${definitions} select count(*)::double as n from bad`))[0]?.['n'] ?? 0);
  if (count === 0) return 0;
  await session.run(
    `copy (${definitions} select bad."row", bad.reasons, src.* exclude (file_row_number) from bad join src on src.file_row_number = bad."row" order by bad."row")
      to ${quoteText(path)} (format parquet, compression zstd)`,
  );
  await moveFile(path, request.rejectsPath);
  return count;
}
