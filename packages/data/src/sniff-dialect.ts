import { CsvTokenizer, type Dialect, type QuoteStyle, valueText } from './csv-tokenizer.ts';
import { EmptySourceError } from './errors.ts';
import { isNumberText } from './observe-column.ts';

/** Delimiters tried, in the order that breaks ties. */
export const DELIMITERS = [',', '\t', ';', '|'] as const;
/** Rows of the head that decide. */
const SAMPLE_ROW_LIMIT = 300;
/** Lines before the table that may be comments. */
const COMMENT_LINE_LIMIT = 20;
const COMMENT = /^(?:#|%|\/\/|\||--)/;

export interface DialectGuess extends Dialect {
  /** Values of most rows. */
  readonly columns: number;
  /** Comment lines before the table, to be skipped: byte offset and how many. */
  readonly skipBytes: number;
  readonly skippedLines: number;
  /** Share of sample rows with that many values. */
  readonly agreement: number;
  readonly sample: readonly (readonly string[])[];
}

export interface DialectWish {
  readonly delimiter?: string | undefined;
  /** How many columns the caller named. */
  readonly columns?: number | undefined;
}

/**
 * Finds delimiter, quoting and leading comments from the first part of a file. Each delimiter is tried with each style
 * of quotes on up to 300 rows; the one whose rows agree best on a number of values above one wins. Deterministic.
 */
export function sniffDialect(head: Buffer, wish: DialectWish, headIsAll: boolean): DialectGuess {
  const hint = /^"?sep=(.)"?\r?\n/.exec(head.toString('latin1', 0, 16));
  const offset = hint ? hint[0].length : 0;
  const delimiters = wish.delimiter ? [wish.delimiter] : hint ? [hint[1] as string] : DELIMITERS;
  let best: (DialectGuess & { score: number }) | undefined;
  for (const quote of ['double', 'backslash', 'none'] as const) {
    for (const delimiter of delimiters) {
      // Commas without quoting are prose, not a dialect; tab and pipe files often take quotes literally.
      if (quote === 'none' && !LITERAL_QUOTE_DELIMITERS.has(delimiter)) continue;
      const guess = tryDialect(head, offset, { delimiter, quote }, wish, headIsAll);
      if (guess && (!best || guess.score > best.score + 1e-9)) best = guess;
    }
  }
  if (!best) throw new EmptySourceError();
  return best;
}

export const LITERAL_QUOTE_DELIMITERS: ReadonlySet<string> = new Set(['\t', '|']);
/** An unfinished row longer than this at the end of the head means a quote that was never meant as one. */
const PENDING_BYTES_MAX = 64 * 1024;

/** Quote styles after the first cost a little, so that a file without quotes is read as RFC 4180. */
const QUOTE_PENALTY: Readonly<Record<QuoteStyle, number>> = { double: 0, backslash: 0.02, none: 0.04 };

function tryDialect(
  head: Buffer,
  offset: number,
  dialect: Dialect,
  wish: DialectWish,
  headIsAll: boolean,
): (DialectGuess & { score: number }) | undefined {
  const read = readSample(head.subarray(offset), dialect, headIsAll);
  if (read.rows.length === 0) return undefined;
  const columns = mostCommonCount(read.rows, wish.columns);
  const comments = countComments(read.rows, columns);
  const rows = read.rows.slice(comments.length);
  const agreeing = rows.filter((row) => row.length === columns).length;
  const agreement = agreeing / Math.max(1, rows.length);
  // A header that the rest does not follow means that the delimiter belongs to the text of the values.
  const headerFits = (rows[0]?.length ?? 0) === columns;
  const wished = wish.columns !== undefined && columns === wish.columns ? 1 : 0;
  const score =
    (columns > 1 ? 1 : 0) * (headerFits ? 1 : 0.5) * agreement + wished - QUOTE_PENALTY[dialect.quote] - (read.broken ? 0.5 : 0);
  const skip = skipBytes(head, offset, comments);
  return { ...dialect, columns, agreement, sample: rows, score, skipBytes: skip, skippedLines: comments.length + (offset > 0 ? 1 : 0) };
}

class SampleFull extends Error {}

function readSample(head: Buffer, dialect: Dialect, headIsAll: boolean): { rows: string[][]; broken: boolean } {
  const rows: string[][] = [];
  const limits = { columns: head.length + 1, fieldBytes: head.length, rowBytes: head.length };
  const tokenizer = new CsvTokenizer(dialect, limits, (row) => {
    rows.push(Array.from({ length: row.count }, (_, index) => valueText(row, index, dialect.quote)));
    if (rows.length >= SAMPLE_ROW_LIMIT) throw new SampleFull();
  });
  try {
    tokenizer.write(head);
    if (!headIsAll && rows.length > 0) return { rows, broken: tokenizer.pendingBytes > PENDING_BYTES_MAX };
    tokenizer.end();
    return { rows, broken: false };
  } catch (thrown) {
    return { rows, broken: !(thrown instanceof SampleFull) };
  }
}

function mostCommonCount(rows: readonly string[][], wished: number | undefined): number {
  const counts = new Map<number, number>();
  for (const row of rows) counts.set(row.length, (counts.get(row.length) ?? 0) + 1);
  if (wished !== undefined && (counts.get(wished) ?? 0) * 2 >= rows.length) return wished;
  let best = 1;
  let bestCount = 0;
  for (const [columns, count] of counts) {
    if (count > bestCount || (count === bestCount && columns > best)) {
      best = columns;
      bestCount = count;
    }
  }
  return best;
}

/** Lines at the top that begin like a comment and do not have the table's number of values. */
function countComments(rows: readonly string[][], columns: number): string[][] {
  let count = 0;
  while (count < COMMENT_LINE_LIMIT && count < rows.length) {
    const row = rows[count] as string[];
    const opens = COMMENT.test(row[0] ?? '') || (row[0] === '' && row.length > 1);
    if (row.length === columns || !opens) break;
    count += 1;
  }
  return rows.slice(0, count);
}

function skipBytes(head: Buffer, offset: number, comments: readonly string[][]): number {
  let at = offset;
  let seen = 0;
  while (seen < comments.length) {
    const end = head.indexOf(10, at);
    if (end < 0) return head.length;
    // Blank lines between comments are skipped as well, but are no comment.
    if (head.toString('latin1', at, end).trim() !== '') seen += 1;
    at = end + 1;
  }
  return at;
}

/**
 * Whether the first row holds values rather than names: some of its cells are numbers, above columns of numbers. Counting
 * series (years, or 0, 1, 2 …) are names that data frames give to wide tables.
 */
export function firstRowIsData(sample: readonly (readonly string[])[]): boolean {
  const [first, ...rest] = sample;
  if (!first || rest.length === 0) return false;
  const numeric = first.flatMap((text, index) => (isNumberText(text) ? [index] : []));
  if (numeric.length === 0) return false;
  const aboveNumbers = numeric.filter((index) => {
    const below = rest.map((row) => row[index] ?? '').filter((text) => text !== '');
    return below.length > 0 && below.filter(isNumberText).length >= 0.9 * below.length;
  });
  if (aboveNumbers.length === 0) return false;
  return !isCountingSeries(numeric.map((index) => first[index] as string));
}

/** Fewer rows say nothing about what their columns hold. */
const ROWS_FOR_NAMES = 5;

/** Whether the first row can only hold names: wherever the rows below are numbers, it has a text of its own. */
export function firstRowIsNames(sample: readonly (readonly string[])[], isMissing: (text: string) => boolean): boolean {
  const [first, ...rest] = sample;
  if (!first || rest.length < ROWS_FOR_NAMES || new Set(first).size < first.length) return false;
  const numeric = first.flatMap((_text, index) => {
    const below = rest.map((row) => row[index] ?? '').filter((text) => !isMissing(text));
    return below.length >= ROWS_FOR_NAMES && below.filter(isNumberText).length >= 0.9 * below.length ? [index] : [];
  });
  const isName = (text: string) => /\p{L}/u.test(text) && !isNumberText(text) && !isMissing(text);
  return numeric.length > 0 && numeric.every((index) => isName(first[index] as string));
}

function isCountingSeries(texts: readonly string[]): boolean {
  const numbers = texts.map(Number);
  const steps = numbers.every(
    (number, index) => Number.isInteger(number) && (index === 0 || number === (numbers[index - 1] as number) + 1),
  );
  const start = numbers[0] as number;
  return steps && numbers.length >= 3 && (start === 0 || start === 1 || (start >= 1_500 && start <= 2_500));
}
