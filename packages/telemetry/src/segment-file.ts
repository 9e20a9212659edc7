import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { constants, copyFile, open, truncate } from 'node:fs/promises';
import { isWholeLine, lineKey, type SegmentKind } from './line.ts';
import { Mutex } from './project-lock.ts';

const NEWLINE = 10;
const CHUNK_BYTES = 1024 * 1024;
const TAIL_BYTES = 64 * 1024;

export interface SegmentFileOptions {
  readonly id: string;
  readonly project: string;
  readonly kind: SegmentKind;
  readonly path: string;
  readonly openedMs: number;
}

/**
 * An append-only file of lines that is not yet Parquet. Only bytes below `committedBytes` exist for readers; they never
 * change. All writing is synchronous: one call, one write.
 */
export class SegmentFile {
  readonly id: string;
  readonly project: string;
  readonly kind: SegmentKind;
  readonly path: string;
  readonly openedMs: number;
  committedBytes = 0;
  /** No line is longer than this: the longest single write, or all of what an earlier process left. */
  longestBytes = 0;
  /** Bytes whose lines are in the sketches. */
  observedBytes = 0;
  /** A closed segment takes no more lines and waits to become Parquet. */
  closed = false;
  readonly #index = new Map<string, number | number[]>();
  #earliestId: string | undefined;
  readonly #indexing = new Mutex();
  #indexedBytes = 0;
  #descriptor: number | undefined;

  constructor(options: SegmentFileOptions) {
    this.id = options.id;
    this.project = options.project;
    this.kind = options.kind;
    this.path = options.path;
    this.openedMs = options.openedMs;
  }

  /** Makes a new file; throws when it exists. */
  static create(options: SegmentFileOptions): SegmentFile {
    const file = new SegmentFile(options);
    file.#descriptor = openSync(options.path, 'ax', 0o600);
    return file;
  }

  /** Takes over a file that an earlier process left, cutting a torn end. */
  static recover(options: SegmentFileOptions): SegmentFile {
    const file = new SegmentFile(options);
    const descriptor = openSync(options.path, 'r+');
    try {
      const size = fstatSync(descriptor).size;
      file.committedBytes = wholeBytes(descriptor, size, options.kind);
      file.longestBytes = file.committedBytes;
      if (file.committedBytes < size) ftruncateSync(descriptor, file.committedBytes);
    } finally {
      closeSync(descriptor);
    }
    return file;
  }

  get isHeldOpen(): boolean {
    return this.#descriptor !== undefined;
  }

  /**
   * Appends with one write. When it fails, what was written of it is cut off again, so that earlier lines stay whole; if
   * even that fails the segment is closed, and its torn end is cut when it is next read.
   */
  append(bytes: Buffer): void {
    const descriptor = this.hold();
    try {
      let written = 0;
      // A regular file takes all of it at once unless the disk is full or a signal interrupts.
      while (written < bytes.length) written += writeSync(descriptor, bytes, written);
    } catch (cause) {
      try {
        ftruncateSync(descriptor, this.committedBytes);
      } catch {
        this.closed = true;
      }
      throw cause;
    }
    this.committedBytes += bytes.length;
    this.longestBytes = Math.max(this.longestBytes, bytes.length);
  }

  /** The descriptor for appending, opened when needed. */
  hold(): number {
    this.#descriptor ??= openSync(this.path, 'a');
    return this.#descriptor;
  }

  /** Lets the descriptor go; the next append opens it again. */
  release(): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  /** The lines whose invocation is one of these, in file order. Indexes what was appended since the last call. */
  async find(ids: Iterable<string>): Promise<Map<string, string[]>> {
    const end = this.committedBytes;
    await this.#indexing.run(() => this.#indexTo(end));
    const found = new Map<string, string[]>();
    const wanted = [...ids].filter((id) => this.#index.has(id));
    if (wanted.length === 0) return found;
    const handle = await open(this.path, 'r');
    try {
      for (const id of wanted) {
        const lines: string[] = [];
        for (const offset of [this.#index.get(id) ?? []].flat()) lines.push(await readLine(handle, offset));
        found.set(id, lines);
      }
    } finally {
      await handle.close();
    }
    return found;
  }

  /** Which of these invocations have a line here. */
  async has(ids: Iterable<string>): Promise<Set<string>> {
    const end = this.committedBytes;
    await this.#indexing.run(() => this.#indexTo(end));
    return new Set([...ids].filter((id) => this.#index.has(id)));
  }

  /** The least invocation id of all lines: the earliest made. */
  async earliestId(): Promise<string | undefined> {
    await this.has([]);
    return this.#earliestId;
  }

  /** All lines between two offsets that begin and end a line, in blocks of at most about a mebibyte. */
  async *lines(startByte: number, endByte: number): AsyncGenerator<string[]> {
    for await (const { bytes, starts } of this.#blocks(startByte, endByte)) {
      yield starts.map((start, index) => bytes.toString('utf8', start, (starts[index + 1] ?? bytes.length) - 1));
    }
  }

  /** How many lines the file holds. */
  async countLines(): Promise<number> {
    let lines = 0;
    for await (const { starts } of this.#blocks(0, this.committedBytes)) lines += starts.length;
    return lines;
  }

  /** Copies what is committed now, for an engine that reads whole files while this one grows. */
  async snapshot(path: string): Promise<void> {
    const end = this.committedBytes;
    await copyFile(this.path, path, constants.COPYFILE_FICLONE);
    await truncate(path, end);
  }

  async #indexTo(end: number): Promise<void> {
    for await (const { bytes, starts, offset } of this.#blocks(this.#indexedBytes, end)) {
      for (const start of starts) {
        const key = lineKey(this.kind, bytes, start);
        if (key === undefined) continue;
        if (this.#earliestId === undefined || key < this.#earliestId) this.#earliestId = key;
        const before = this.#index.get(key);
        if (before === undefined) this.#index.set(key, offset + start);
        else this.#index.set(key, [before, offset + start].flat());
      }
      this.#indexedBytes = offset + bytes.length;
    }
  }

  /** Whole lines in blocks: `bytes` ends with a line feed, `starts` are the lines' positions in it. */
  async *#blocks(startByte: number, endByte: number): AsyncGenerator<{ bytes: Buffer; starts: number[]; offset: number }> {
    if (startByte >= endByte) return;
    const handle = await open(this.path, 'r');
    try {
      let offset = startByte;
      let sizeBytes = CHUNK_BYTES;
      while (offset < endByte) {
        const buffer = Buffer.allocUnsafe(Math.min(sizeBytes, endByte - offset));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
        const last = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE);
        if (last < 0) {
          if (bytesRead < buffer.length || offset + bytesRead >= endByte) return;
          sizeBytes *= 2;
          continue;
        }
        const bytes = buffer.subarray(0, last + 1);
        yield { bytes, starts: lineStarts(bytes), offset };
        offset += bytes.length;
        sizeBytes = CHUNK_BYTES;
      }
    } finally {
      await handle.close();
    }
  }
}

function lineStarts(bytes: Buffer): number[] {
  const starts: number[] = [];
  for (let start = 0; start < bytes.length; start = bytes.indexOf(NEWLINE, start) + 1) starts.push(start);
  return starts;
}

async function readLine(handle: Awaited<ReturnType<typeof open>>, offset: number): Promise<string> {
  for (let sizeBytes = 4096; ; sizeBytes *= 8) {
    const buffer = Buffer.allocUnsafe(sizeBytes);
    const { bytesRead } = await handle.read(buffer, 0, sizeBytes, offset);
    const end = buffer.subarray(0, bytesRead).indexOf(NEWLINE);
    if (end >= 0) return buffer.toString('utf8', 0, end);
    if (bytesRead < sizeBytes) throw new Error('Broken invariant: every committed line ends with a line feed');
  }
}

/** How much of the file is whole lines: a torn last line goes, and so does a last line that does not parse (a power loss may leave zeros). */
function wholeBytes(descriptor: number, sizeBytes: number, kind: SegmentKind): number {
  let end = lastNewline(descriptor, sizeBytes);
  while (end > 0) {
    const start = lastNewline(descriptor, end - 1);
    const line = Buffer.alloc(end - 1 - start);
    readSync(descriptor, line, 0, line.length, start);
    if (isWholeLine(kind, line.toString('utf8'))) return end;
    end = start;
  }
  return 0;
}

/** The offset after the last line feed before `end`; 0 when there is none. */
function lastNewline(descriptor: number, end: number): number {
  const buffer = Buffer.allocUnsafe(TAIL_BYTES);
  for (let high = end; high > 0;) {
    const low = Math.max(0, high - TAIL_BYTES);
    const read = readSync(descriptor, buffer, 0, high - low, low);
    const found = buffer.subarray(0, read).lastIndexOf(NEWLINE);
    if (found >= 0) return low + found + 1;
    high = low;
  }
  return 0;
}
