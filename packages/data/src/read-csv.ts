import { stat } from 'node:fs/promises';
import type { Note } from './contract.ts';
import { CsvTokenizer, type Dialect, type QuoteStyle, type TokenRow, unescapeValue } from './csv-tokenizer.ts';
import type { Session } from './engine.ts';
import {
  ColumnCountError,
  FieldTooLargeError,
  HeaderWidthError,
  NoHeaderError,
  NoRowsError,
  QuoteError,
  RaggedRowsError,
  TooManyColumnsError,
  TooManyRowsError,
  TwoHeadersError,
} from './errors.ts';
import { type IngestLimits, LISTED_MAX } from './limits.ts';
import { ColumnObserver, type MissingMarkers } from './observe-column.ts';
import { HEAD_BYTES, type OpenedSource, readChunks, readHead } from './open-source.ts';
import { type RawTable, RawWriter, checkColumnNames, nameColumns } from './raw-table.ts';
import { type DialectGuess, LITERAL_QUOTE_DELIMITERS, firstRowIsData, firstRowIsNames, sniffDialect } from './sniff-dialect.ts';

export interface CsvOptions {
  readonly columns?: readonly string[] | undefined;
  readonly delimiter?: string | undefined;
  readonly header?: boolean | undefined;
  readonly markers: MissingMarkers;
  readonly limits: IngestLimits;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytes: number, total: number) => void) | undefined;
}

export interface CsvReading {
  readonly table: RawTable;
  readonly dialect: Dialect;
  readonly header: boolean;
  readonly notes: Note[];
}

interface Plan extends CsvOptions {
  readonly dialect: Dialect;
  readonly source: OpenedSource;
  readonly offset: number;
  readonly names: readonly string[];
  readonly skipRows: number;
  /** Lines before `offset`, so that messages count as an editor does. */
  readonly skippedLines: number;
}

/**
 * Reads delimited text in one pass: dialect from the head, then rows are split, checked and observed, and written as
 * plain CSV. @throws the errors of errors.ts; nothing is left in the session's folder that anyone would use.
 */
export async function readCsv(session: Session, source: OpenedSource, options: CsvOptions): Promise<CsvReading> {
  const head = (await readHead(source.path, HEAD_BYTES, source.offset)) as Buffer;
  const guess = sniffDialect(head, { delimiter: options.delimiter, columns: options.columns?.length }, head.length < HEAD_BYTES);
  if (guess.columns > options.limits.columns) throw new TooManyColumnsError(guess.columns, options.limits.columns);
  const notes: Note[] = [];
  if (guess.skippedLines > 0) {
    const lines = guess.skippedLines === 1 ? 'line is' : `${guess.skippedLines} lines are`;
    notes.push({ column: null, note: `The first ${lines} no row of the table and ${guess.skippedLines === 1 ? 'was' : 'were'} skipped.` });
  }
  const { names, header } = decideNames(guess, options, notes);
  checkColumnNames(names);
  const plan = {
    ...options,
    source,
    names,
    offset: source.offset + guess.skipBytes,
    skipRows: header ? 1 : 0,
    skippedLines: guess.skippedLines,
  };
  const { table, quote } = await readWithFallback(session, plan, guess, notes);
  return { table, dialect: { delimiter: guess.delimiter, quote }, header, notes };
}

function decideNames(guess: DialectGuess, options: CsvOptions, notes: Note[]): { names: readonly string[]; header: boolean } {
  const first = guess.sample[0] ?? [];
  if (options.columns) {
    const names = options.columns.map((name) => name.trim());
    const repeated =
      first.length === names.length && first.every((text, index) => text.trim().toLowerCase() === names[index]?.toLowerCase());
    const header = options.header ?? repeated;
    if (first.length !== names.length && guess.columns !== names.length) throw new ColumnCountError(names.length, guess.columns);
    if (options.header === undefined && !repeated && firstRowIsNames(guess.sample, (text) => isMissing(text, options.markers))) {
      throw new TwoHeadersError(first);
    }
    return { names, header };
  }
  if (options.header === false) return { names: first.map((_, index) => `column_${index + 1}`), header: false };
  if (options.header === undefined && firstRowIsData(guess.sample)) throw new NoHeaderError(first);
  if (first.length !== guess.columns && guess.agreement >= HEADER_AGREEMENT_MIN && guess.sample.length > HEADER_ROWS_MIN) {
    throw new HeaderWidthError(first, guess.columns, guess.skippedLines + 1);
  }
  return { names: nameColumns(first, notes), header: true };
}

/** Where so many rows agree on a number of values, it is the first line that is wrong, and not they. */
const HEADER_AGREEMENT_MIN = 0.9;
const HEADER_ROWS_MIN = 5;

function isMissing(text: string, { always, inTyped }: MissingMarkers): boolean {
  const trimmed = text.trim();
  return trimmed === '' || always.has(trimmed) || inTyped.has(trimmed);
}

/** The head may not show that quotes are literal or escaped by backslashes; then the next style is tried on the whole file. */
async function readWithFallback(
  session: Session,
  plan: Omit<Plan, 'dialect'>,
  guess: DialectGuess,
  notes: Note[],
): Promise<{ table: RawTable; quote: QuoteStyle }> {
  const literal = LITERAL_QUOTE_DELIMITERS.has(guess.delimiter) ? (['none'] as const) : [];
  const styles: QuoteStyle[] = guess.quote === 'double' ? ['double', 'backslash', ...literal] : [guess.quote];
  let first: unknown;
  for (const quote of styles) {
    const attempt: Note[] = [];
    try {
      const table = await readRows(session, { ...plan, dialect: { delimiter: guess.delimiter, quote } }, attempt);
      if (quote !== 'double') attempt.push({ column: null, note: QUOTE_NOTES[quote] });
      notes.push(...attempt);
      return { table, quote };
    } catch (thrown) {
      first ??= thrown;
      if (!(thrown instanceof QuoteError || thrown instanceof RaggedRowsError || thrown instanceof FieldTooLargeError)) throw thrown;
    }
  }
  throw first;
}

const QUOTE_NOTES = {
  backslash: 'Quotes inside quoted values are escaped by backslashes.',
  none: 'Quotes in the file do not pair up, so they are read as ordinary characters.',
} as const;

async function readRows(session: Session, plan: Plan, notes: Note[]): Promise<RawTable> {
  const writer = await RawWriter.create(session.path('.raw'));
  const collector = new RowCollector(plan, writer);
  const tokenizer = new CsvTokenizer(plan.dialect, plan.limits, (row) => collector.add(row), plan.skippedLines + 1);
  try {
    const { size } = await stat(plan.source.path);
    let read = plan.offset;
    for await (const chunk of readChunks(plan.source.path, plan.offset, plan.signal)) {
      tokenizer.write(chunk);
      await writer.flush();
      read += chunk.length;
      plan.onBytes?.(read, size);
    }
    tokenizer.end();
    collector.finish();
    await writer.close();
  } catch (thrown) {
    await writer.abandon();
    throw thrown;
  }
  if (tokenizer.blankLines > 0) {
    notes.push({ column: null, note: `${tokenizer.blankLines} blank ${tokenizer.blankLines === 1 ? 'line was' : 'lines were'} skipped.` });
  }
  return {
    path: writer.path,
    rows: writer.rows,
    rowBytesMax: writer.rowBytesMax,
    bytes: writer.bytes,
    columns: plan.names.map((name, index) => ({
      name,
      observer: collector.observers[index] as ColumnObserver,
      nested: false,
      escaped: writer.escaped.has(index),
    })),
    decimalComma: plan.dialect.delimiter !== ',',
    typed: false,
  };
}

/** Checks the number of values, observes them and writes them down. */
class RowCollector {
  readonly observers: ColumnObserver[];
  readonly #plan: Plan;
  readonly #writer: RawWriter;
  readonly #ragged: { line: number; values: number }[] = [];
  #raggedCount = 0;
  #seen = 0;

  constructor(plan: Plan, writer: RawWriter) {
    this.#plan = plan;
    this.#writer = writer;
    this.observers = plan.names.map(() => new ColumnObserver(plan.markers));
  }

  add(row: TokenRow): void {
    this.#seen += 1;
    const { line } = row;
    if (row.count !== this.observers.length) {
      if (this.#seen <= this.#plan.skipRows) throw new ColumnCountError(this.observers.length, row.count);
      this.#raggedCount += 1;
      if (this.#ragged.length < LISTED_MAX) this.#ragged.push({ line, values: row.count });
      return;
    }
    if (this.#seen <= this.#plan.skipRows) return;
    if (this.#writer.rows >= this.#plan.limits.rows) throw new TooManyRowsError(this.#plan.limits.rows);
    for (let index = 0; index < row.count; index += 1) this.#value(row, index, line);
    this.#writer.endRow();
  }

  #value(row: TokenRow, index: number, line: number): void {
    const observer = this.observers[index] as ColumnObserver;
    let buffer = row.buffer;
    let start = row.starts[index] as number;
    let end = row.ends[index] as number;
    if (row.quoting[index] === 2) {
      buffer = unescapeValue(buffer, start, end, this.#plan.dialect.quote);
      start = 0;
      end = buffer.length;
    }
    const blanks = observer.blanks;
    observer.observe(buffer, start, end, line);
    this.#writer.value(buffer, start, observer.blanks > blanks ? start : end);
  }

  finish(): void {
    if (this.#raggedCount > 0) {
      throw new RaggedRowsError({ columns: this.observers.length, count: this.#raggedCount, lines: this.#ragged });
    }
    if (this.#writer.rows === 0) throw new NoRowsError({ columns: this.observers.length });
  }
}
