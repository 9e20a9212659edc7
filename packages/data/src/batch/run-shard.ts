import { randomUUID } from 'node:crypto';
import { type Engine, type Session, quoteName, quoteText } from '../engine.ts';
import { StreamEndedError } from '../errors.ts';
import { AnswerLine, type AnswerLineOptions, type Answered } from './answer-line.ts';
import { ANSWERS, type Written } from './answer-writer.ts';
import { PIECE_ROWS, createPieceLoader } from './load-piece.ts';
import { moveFile } from './move-file.ts';
import type { BatchPlan } from './plan-batch.ts';

export interface ShardRequest extends AnswerLineOptions {
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
  /** Where the answers and the rejects are written, as Parquet. */
  readonly outputPath: string;
  readonly rejectsPath: string;
  /** Every row was answered: what is left is writing, so that another shard may begin. */
  readonly onAnswered?: () => void;
}

export interface ShardResult {
  readonly rows: number;
  readonly rejected: number;
}

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
      request.onAnswered?.();
      await writeOutput(session, file, request, answered.columns);
      const rejected = await writeRejects(session, file, request, answered);
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

async function answerPieces(session: Session, file: string, request: ShardRequest, enums: ReadonlyMap<string, string>): Promise<Answered> {
  const { plan, knownTexts } = request;
  const loader = createPieceLoader(plan.fields, knownTexts, enums);
  const line = new AnswerLine(session, loader, request);
  const where = plan.isBroken === undefined ? '' : ` where not (${plan.isBroken})`;
  let piece = loader.create();
  // The answers are written meanwhile, by the session's own connection.
  for await (const chunk of session.stream(`select ${loader.list} from ${sourceSql(file, request)}${where}`)) {
    if (piece.filled + chunk.rowCount > PIECE_ROWS) piece = await line.exchange(piece);
    loader.add(piece, chunk);
  }
  return line.finish(piece);
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
  // The table of answers is in the order of the rows; what it is joined with may not be.
  const [from, order] =
    keep.length === 0
      ? [`${ANSWERS} a`, '']
      : [`${ANSWERS} a join ${sourceSql(file, request)} s on s.file_row_number = a.row::bigint`, 'order by a.row'];
  await session.run(
    `copy (select ${['a.row::bigint as "row"', ...kept, ...answers].join(', ')} from ${from} where a.failed = 0 ${order})
      to ${quoteText(path)} (format parquet, compression zstd)`,
  );
  await moveFile(path, request.outputPath);
}

async function writeRejects(session: Session, file: string, request: ShardRequest, answered: Answered): Promise<number> {
  const { plan, from, to } = request;
  const parts: string[] = [];
  // Looking for broken rows costs as much as reading the table once more: not when every row was answered.
  if (plan.isBroken !== undefined && answered.rows < to - from)
    parts.push(`select file_row_number as "row", ${plan.reasons} as reasons from src where ${plan.isBroken}`);
  if (answered.failed > 0) parts.push(`select row::bigint as "row", ${quoteText(NO_ANSWER)} as reasons from ${ANSWERS} where failed = 1`);
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
