import { FieldTooLargeError, QuoteError, TooManyColumnsError } from './errors.ts';
import type { IngestLimits } from './limits.ts';

export type QuoteStyle = 'double' | 'backslash' | 'none';

/** How a delimited text is written. `double`: a quote inside quotes is doubled (RFC 4180); `backslash`: it is escaped. */
export interface Dialect {
  readonly delimiter: string;
  readonly quote: QuoteStyle;
}

/** The values of one row as positions in `buffer`; valid only during the call. */
export interface TokenRow {
  buffer: Buffer;
  count: number;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** 0 as it stands (already trimmed); 1 was quoted; 2 was quoted and holds escapes. */
  readonly quoting: Uint8Array;
  /** Line, from 1, on which the row begins. */
  line: number;
}

export interface TokenizerLimits extends Pick<IngestLimits, 'columns' | 'fieldBytes' | 'rowBytes'> {}

const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;
const TAB = 9;
const QUOTE = 34;
const BACKSLASH = 92;

/**
 * Splits delimited UTF-8 into rows, chunk by chunk; only the unfinished row is kept between chunks. Spaces and tabs
 * around unquoted values are dropped, and so are rows without any character. A quote is special only where a value begins.
 * @throws {QuoteError} {@link FieldTooLargeError} {@link TooManyColumnsError}
 */
export class CsvTokenizer {
  readonly #delimiter: number;
  readonly #quote: QuoteStyle;
  readonly #limits: TokenizerLimits;
  readonly #onRow: (row: TokenRow) => void;
  readonly #row: TokenRow;
  #rest: Buffer = Buffer.alloc(0);
  #line: number;
  blankLines = 0;
  rowBytesMax = 0;

  constructor(dialect: Dialect, limits: TokenizerLimits, onRow: (row: TokenRow) => void, firstLine = 1) {
    this.#line = firstLine;
    this.#delimiter = dialect.delimiter.charCodeAt(0);
    this.#quote = dialect.quote;
    this.#limits = limits;
    this.#onRow = onRow;
    // One more than the limit, so that a row past it can be told from one at it.
    const size = limits.columns + 2;
    this.#row = {
      buffer: this.#rest,
      count: 0,
      starts: new Int32Array(size),
      ends: new Int32Array(size),
      quoting: new Uint8Array(size),
      line: 1,
    };
  }

  write(chunk: Buffer): void {
    const buffer = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const consumed = this.#scan(buffer, false);
    this.#rest = consumed === buffer.length ? Buffer.alloc(0) : buffer.subarray(consumed);
    if (this.#rest.length > this.#limits.rowBytes) this.#tooLarge(this.#row.count);
  }

  end(): void {
    if (this.#rest.length > 0) this.#scan(this.#rest, true);
    this.#rest = Buffer.alloc(0);
  }

  /** Emits every complete row of the buffer. @returns how many bytes were used up. */
  #scan(buffer: Buffer, final: boolean): number {
    this.#row.buffer = buffer;
    let at = 0;
    while (at < buffer.length) {
      const next = this.#scanRow(buffer, at, final);
      if (next < 0) return at;
      if (next - at > this.rowBytesMax) this.rowBytesMax = next - at;
      at = next;
    }
    return at;
  }

  /** Bytes of the row that has begun and not ended. */
  get pendingBytes(): number {
    return this.#rest.length;
  }

  /** Reads one row from `start`. @returns where the next row begins, or -1 when the row is not complete. */
  #scanRow(buffer: Buffer, start: number, final: boolean): number {
    const row = this.#row;
    const length = buffer.length;
    row.count = 0;
    row.line = this.#line;
    let lines = 0;
    let at = start;
    for (;;) {
      let begin = at;
      while (begin < length && this.#isBlank(buffer[begin] as number)) begin += 1;
      let end: number;
      let quoting = 0;
      if (this.#quote !== 'none' && buffer[begin] === QUOTE) {
        const closed = this.#scanQuoted(buffer, begin + 1, row.line + lines, final);
        if (closed < 0) return -1;
        quoting = this.#escaped ? 2 : 1;
        lines += this.#quotedLines;
        begin += 1;
        end = closed;
        at = closed + 1;
        while (at < length && this.#isBlank(buffer[at] as number)) at += 1;
      } else {
        const delimiter = this.#delimiter;
        at = begin;
        while (at < length) {
          const byte = buffer[at] as number;
          if (byte === delimiter || byte === NEWLINE || byte === RETURN) break;
          at += 1;
        }
        end = at;
        while (end > begin && this.#isBlank(buffer[end - 1] as number)) end -= 1;
      }
      if (end - begin > this.#limits.fieldBytes) this.#tooLarge(row.count, row.line + lines);
      if (at >= length && !final) return -1;
      row.starts[row.count] = begin;
      row.ends[row.count] = end;
      row.quoting[row.count] = quoting;
      row.count += 1;
      if (row.count > this.#limits.columns) throw new TooManyColumnsError(row.count, this.#limits.columns);
      const byte = at < length ? (buffer[at] as number) : NEWLINE;
      if (byte === this.#delimiter) {
        at += 1;
        // A delimiter at the very end of the text still begins one more, empty value.
        if (at >= length && !final) return -1;
        continue;
      }
      if (byte !== NEWLINE && byte !== RETURN) this.#strayText(row.line + lines);
      if (byte === RETURN) {
        if (at + 1 >= length && !final) return -1;
        if (buffer[at + 1] === NEWLINE) at += 1;
      }
      this.#line = row.line + lines + 1;
      this.#emit();
      return Math.min(at + 1, length);
    }
  }

  #escaped = false;
  #quotedLines = 0;

  /** @returns the position of the closing quote, or -1 when it has not arrived. */
  #scanQuoted(buffer: Buffer, start: number, line: number, final: boolean): number {
    this.#escaped = false;
    this.#quotedLines = 0;
    const length = buffer.length;
    const backslash = this.#quote === 'backslash';
    for (let at = start; at < length; at += 1) {
      const byte = buffer[at] as number;
      if (byte === QUOTE) {
        if (buffer[at + 1] === QUOTE) {
          this.#escaped = true;
          at += 1;
        } else if (at + 1 >= length && !final) return -1;
        else return at;
      } else if (byte === NEWLINE) this.#quotedLines += 1;
      else if (byte === RETURN && at + 1 < length && buffer[at + 1] !== NEWLINE) this.#quotedLines += 1;
      else if (backslash && byte === BACKSLASH) {
        this.#escaped = true;
        at += 1;
      }
      if (at - start > this.#limits.fieldBytes) this.#tooLarge(this.#row.count, line);
    }
    if (final) {
      throw new QuoteError(`The quote that opens at line ${line} is never closed.`, {
        details: { line },
        help: 'Close the quote; a quote inside a quoted value is written twice.',
      });
    }
    return -1;
  }

  #isBlank(byte: number): boolean {
    return (byte === SPACE || byte === TAB) && byte !== this.#delimiter;
  }

  #emit(): void {
    const row = this.#row;
    const blank = row.count === 1 && row.starts[0] === row.ends[0] && row.quoting[0] === 0;
    if (blank) this.blankLines += 1;
    else this.#onRow(row);
  }

  #tooLarge(index: number, line = this.#row.line): never {
    throw new FieldTooLargeError({ line, column: `column ${index + 1}`, limitBytes: this.#limits.fieldBytes });
  }

  #strayText(line: number): never {
    throw new QuoteError(`At line ${line} there is text after a closing quote.`, {
      details: { line },
      help: 'A quote inside a quoted value is written twice ("").',
    });
  }
}

/** The bytes of a value with its escapes undone. */
export function unescapeValue(buffer: Buffer, start: number, end: number, quote: QuoteStyle): Buffer {
  const out = Buffer.allocUnsafe(end - start);
  let size = 0;
  for (let at = start; at < end; at += 1) {
    const byte = buffer[at] as number;
    if (byte === QUOTE && buffer[at + 1] === QUOTE) at += 1;
    else if (quote === 'backslash' && byte === BACKSLASH && at + 1 < end) {
      at += 1;
      out[size] = buffer[at] as number;
      size += 1;
      continue;
    }
    out[size] = byte;
    size += 1;
  }
  return out.subarray(0, size);
}

/** Text of one value of a row. */
export function valueText(row: TokenRow, index: number, quote: QuoteStyle): string {
  const start = row.starts[index] as number;
  const end = row.ends[index] as number;
  if (row.quoting[index] === 2) return unescapeValue(row.buffer, start, end, quote).toString('utf8');
  return row.buffer.toString('utf8', start, end);
}
