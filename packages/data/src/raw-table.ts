import { type FileHandle, open } from 'node:fs/promises';
import { COLUMN_NAME_LENGTH_MAX } from './limits.ts';
import { ColumnNameError, DuplicateColumnError } from './errors.ts';
import type { ColumnObserver } from './observe-column.ts';

/**
 * A source after the first pass: its values as texts in a file of ours (one row a line, unit separators, control
 * characters escaped, blanks empty), and for each column what its values look like. DuckDB reads only this file, so
 * neither its sniffing nor its handling of quotes and line ends decides anything.
 */
export interface RawTable {
  readonly path: string;
  readonly columns: readonly RawColumn[];
  readonly rows: number;
  readonly rowBytesMax: number;
  /** Size of the raw file. */
  readonly bytes: number;
  /** Whether a decimal comma may be meant: never where the comma separates values. */
  readonly decimalComma: boolean;
  /** Whether the source tells texts from numbers itself (JSON). */
  readonly typed: boolean;
}

export interface RawColumn {
  readonly name: string;
  readonly observer: ColumnObserver;
  /** Holds JSON objects or lists. */
  readonly nested: boolean;
  /** Some value holds a line end or a separator, written as an escape. */
  readonly escaped: boolean;
}

/** @throws {ColumnNameError} {@link DuplicateColumnError} */
export function checkColumnNames(names: readonly string[]): void {
  const seen = new Map<string, number>();
  for (const name of names) {
    if (name.length > COLUMN_NAME_LENGTH_MAX) {
      throw new ColumnNameError(`The column name "${name.slice(0, 40)}…" is longer than ${COLUMN_NAME_LENGTH_MAX} characters.`, {
        details: { limit: COLUMN_NAME_LENGTH_MAX },
        help: 'Shorten it; if the first line holds no names, give them with `columns`.',
      });
    }
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    if (name === '__proto__' || /[\u0000-\u001f\u007f]/.test(name) || !name.isWellFormed()) {
      throw new ColumnNameError(`The column name ${JSON.stringify(name)} is not accepted.`, {
        details: { column: name },
        help: 'Rename it: no control characters, and not "__proto__".',
      });
    }
    const key = name.toLowerCase();
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  const duplicates = [...new Set(names.filter((name) => (seen.get(name.toLowerCase()) ?? 0) > 1))];
  if (duplicates.length > 0) throw new DuplicateColumnError(duplicates.slice(0, 10));
}

/** Gives empty names a number and says so. */
export function nameColumns(given: readonly string[], notes: { column: string | null; note: string }[]): string[] {
  return given.map((text, index) => {
    const name = text.trim();
    if (name !== '') return name;
    const made = `column_${index + 1}`;
    notes.push({ column: made, note: `Column ${index + 1} has no name; it is called ${made} here.` });
    return made;
  });
}

const BLOCK_BYTES = 1024 * 1024;
const NEWLINE = 10;
const RETURN = 13;
/** Unit separator between values, record separator as the escape: characters that tables hardly ever hold. */
const SEPARATOR = 31;
const ESCAPE = 30;
/** What follows the escape for each byte that has a meaning of its own. */
const ESCAPED: ReadonlyMap<number, number> = new Map([
  [NEWLINE, 110],
  [RETURN, 114],
  [SEPARATOR, 117],
  [ESCAPE, 101],
]);

/** How DuckDB reads a raw table. Nothing is detected, nothing is quoted, and every line is a row. */
export function rawTableSql(table: RawTable): string {
  const columns = table.columns.map((_, index) => `'c${index}': 'VARCHAR'`);
  // A table of one column has an empty second one: a line without any character would be skipped.
  if (columns.length === 1) columns.push("'pad': 'VARCHAR'");
  const line = Math.max(LINE_BYTES_DEFAULT, table.rowBytesMax + 1_024);
  // Each thread holds such a buffer; DuckDB's default would be 32 lines of the longest kind.
  const buffer = Math.max(BUFFER_BYTES_MIN, line * 2);
  return `read_csv('${table.path.replaceAll("'", "''")}', auto_detect = false, header = false, skip = 0, delim = chr(31), quote = '', escape = '',
    comment = '', new_line = '\\n', nullstr = '', max_line_size = ${line}, buffer_size = ${buffer}, columns = {${columns.join(', ')}})`;
}

const LINE_BYTES_DEFAULT = 2_000_000;
const BUFFER_BYTES_MIN = 8_000_000;

/** SQL of a cell's text as it was in the source. */
export function rawCellSql(index: number, column: RawColumn): string {
  const cell = `c${index}`;
  if (!column.escaped) return cell;
  return `replace(replace(replace(replace(${cell}, chr(30) || 'n', chr(10)), chr(30) || 'r', chr(13)), chr(30) || 'u', chr(31)), chr(30) || 'e', chr(30))`;
}

/** Writes rows of texts, one a line; `flush` between chunks keeps the writing off the caller's loop. */
export class RawWriter {
  readonly path: string;
  readonly #file: FileHandle;
  #block = Buffer.allocUnsafe(BLOCK_BYTES * 2);
  #size = 0;
  #column = 0;
  #rowStart = 0;
  rows = 0;
  rowBytesMax = 0;
  bytes = 0;
  /** Columns with a value that had to be escaped. */
  readonly escaped = new Set<number>();

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  static async create(path: string): Promise<RawWriter> {
    return new RawWriter(path, await open(path, 'wx', 0o600));
  }

  /** One value; blank when start = end. */
  value(buffer: Buffer, start: number, end: number): void {
    this.#reserve(2 * (end - start) + 2);
    const block = this.#block;
    let size = this.#size;
    if (this.#column > 0) {
      block[size] = SEPARATOR;
      size += 1;
    }
    for (let at = start; at < end; at += 1) {
      const byte = buffer[at] as number;
      if (byte < 32) {
        const code = ESCAPED.get(byte);
        if (code !== undefined) {
          this.escaped.add(this.#column);
          block[size] = ESCAPE;
          block[size + 1] = code;
          size += 2;
          continue;
        }
      }
      block[size] = byte;
      size += 1;
    }
    this.#column += 1;
    this.#size = size;
  }

  endRow(): void {
    this.#reserve(4);
    if (this.#column === 1) {
      this.#block[this.#size] = SEPARATOR;
      this.#size += 1;
    }
    this.#block[this.#size] = NEWLINE;
    this.#size += 1;
    this.rowBytesMax = Math.max(this.rowBytesMax, this.#size - this.#rowStart);
    this.bytes += this.#size - this.#rowStart;
    this.#rowStart = this.#size;
    this.#column = 0;
    this.rows += 1;
  }

  #reserve(bytes: number): void {
    if (this.#size + bytes <= this.#block.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#block.length * 2, this.#size + bytes));
    this.#block.copy(larger, 0, 0, this.#size);
    this.#block = larger;
  }

  /** Call between rows. */
  async flush(force = false): Promise<void> {
    if (this.#size === 0 || (!force && this.#size < BLOCK_BYTES)) return;
    const block = this.#block.subarray(0, this.#rowStart);
    for (let written = 0; written < block.length;) {
      const { bytesWritten } = await this.#file.write(block, written);
      written += bytesWritten;
    }
    this.#size = 0;
    this.#rowStart = 0;
  }

  async close(): Promise<void> {
    await this.flush(true);
    await this.#file.close();
  }

  /** Closes without writing what is left. */
  async abandon(): Promise<void> {
    await this.#file.close().catch(() => {});
  }
}
