import { type FileHandle, open } from 'node:fs/promises';
import { COLUMN_NAME_LENGTH_MAX } from './limits.ts';
import { ColumnNameError, DuplicateColumnError } from './errors.ts';
import type { ColumnObserver } from './observe-column.ts';

/**
 * A source after the first pass: its values as texts in a plain CSV of ours (comma, RFC 4180, no header, blanks empty),
 * and for each column what its values look like. DuckDB reads only this file, so its own sniffing decides nothing.
 */
export interface RawTable {
  readonly path: string;
  readonly columns: readonly { readonly name: string; readonly observer: ColumnObserver; readonly nested: boolean }[];
  readonly rows: number;
  readonly rowBytesMax: number;
  /** Whether a decimal comma may be meant: never where the comma separates values. */
  readonly decimalComma: boolean;
  /** Whether the source tells texts from numbers itself (JSON). */
  readonly typed: boolean;
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
const COMMA = 44;
const QUOTE = 34;
const NEWLINE = 10;
const RETURN = 13;

/** Writes rows of texts as plain CSV; `flush` between chunks keeps the writing off the caller's loop. */
export class RawWriter {
  readonly path: string;
  readonly #file: FileHandle;
  #block = Buffer.allocUnsafe(BLOCK_BYTES * 2);
  #size = 0;
  #first = true;
  #rowStart = 0;
  rows = 0;
  rowBytesMax = 0;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  static async create(path: string): Promise<RawWriter> {
    return new RawWriter(path, await open(path, 'wx', 0o600));
  }

  /** One value; blank when start = end. */
  value(buffer: Buffer, start: number, end: number): void {
    const length = end - start;
    this.#reserve(2 * length + 4);
    const block = this.#block;
    let size = this.#size;
    if (!this.#first) {
      block[size] = COMMA;
      size += 1;
    }
    this.#first = false;
    const begin = size;
    for (let at = start; at < end; at += 1) {
      const byte = buffer[at] as number;
      if (byte === COMMA || byte === QUOTE || byte === NEWLINE || byte === RETURN) {
        this.#size = this.#quoted(buffer, start, end, begin);
        return;
      }
      block[size] = byte;
      size += 1;
    }
    // A leading or trailing space is data here: quotes make sure that no reader drops it.
    if (length > 0 && (isSpace(buffer[start] as number) || isSpace(buffer[end - 1] as number))) {
      size = this.#quoted(buffer, start, end, begin);
    }
    this.#size = size;
  }

  #quoted(buffer: Buffer, start: number, end: number, begin: number): number {
    const block = this.#block;
    let size = begin;
    block[size] = QUOTE;
    size += 1;
    for (let at = start; at < end; at += 1) {
      const byte = buffer[at] as number;
      if (byte === QUOTE) {
        block[size] = QUOTE;
        size += 1;
      }
      block[size] = byte;
      size += 1;
    }
    block[size] = QUOTE;
    return size + 1;
  }

  endRow(): void {
    this.#reserve(4);
    // A row of one blank would be an empty line, which readers skip.
    if (this.#size === this.#rowStart) {
      this.#block[this.#size] = QUOTE;
      this.#block[this.#size + 1] = QUOTE;
      this.#size += 2;
    }
    this.#block[this.#size] = NEWLINE;
    this.#size += 1;
    this.rowBytesMax = Math.max(this.rowBytesMax, this.#size - this.#rowStart);
    this.#rowStart = this.#size;
    this.#first = true;
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

function isSpace(byte: number): boolean {
  return byte === 32 || byte === 9;
}
