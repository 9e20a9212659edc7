import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import type { Objects } from '@slipway/objects';
import { BackupError, DumpLine, type Records, dumpRecords, restoreRecords } from '@slipway/records';
import { z } from 'zod';

/** Bytes of an object in one line of a backup. */
const CHUNK_BYTES = 256 * 1024;
const OBJECT_PAGE = 1_000;

const Header = z.strictObject({ type: z.literal('slipway.backup'), version: z.literal(1), createdAt: z.string() });
const ObjectLine = z.strictObject({ type: z.literal('object'), project: z.string(), sha256: z.string(), sizeBytes: z.int().nonnegative() });
const ChunkLine = z.strictObject({ type: z.literal('chunk'), data: z.string() });
const EndLine = z.strictObject({ type: z.literal('end'), rows: z.int(), tables: z.int(), objects: z.int() });
const BackupLine = z.union([Header, DumpLine, ObjectLine, ChunkLine, EndLine]);
type BackupLine = z.infer<typeof BackupLine>;

export interface BackupSummary {
  readonly rows: number;
  readonly tables: number;
  readonly objects: number;
}

/**
 * Everything as one gzipped stream of JSON lines: a logical dump of the records at one moment, then every object. The
 * caller has rolled telemetry, so that no invocation lives only in an open segment. The last line counts what came
 * before: a stream without it was cut.
 */
export function backupStream(deps: { readonly records: Records; readonly objects: Objects; readonly nowMs: number }): Readable {
  const gzip = createGzip({ level: 5 });
  const lines = Readable.from(backupLines(deps), { objectMode: true });
  lines.on('error', (error) => gzip.destroy(error));
  return lines.pipe(gzip);
}

async function* backupLines({ records, objects, nowMs }: { records: Records; objects: Objects; nowMs: number }): AsyncGenerator<string> {
  const line = (value: BackupLine) => `${JSON.stringify(value)}\n`;
  yield line({ type: 'slipway.backup', version: 1, createdAt: new Date(nowMs).toISOString() });
  const queue = new LineQueue();
  const dumped = dumpRecords(records, (each) => queue.push(line(each))).finally(() => queue.end());
  dumped.catch(() => {});
  yield* queue;
  const { rows, tables } = await dumped;
  let count = 0;
  for (const project of await objects.projects()) {
    for await (const { sha256, sizeBytes } of allObjects(objects, project)) {
      yield line({ type: 'object', project, sha256, sizeBytes });
      for await (const bytes of await objects.open(project, sha256)) {
        for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
          yield line({ type: 'chunk', data: Buffer.from(bytes.subarray(start, start + CHUNK_BYTES)).toString('base64') });
        }
      }
      count += 1;
    }
  }
  yield line({ type: 'end', rows, tables, objects: count });
}

async function* allObjects(objects: Objects, project: string) {
  let cursor: string | undefined;
  for (;;) {
    const page = await objects.list(project, { limit: OBJECT_PAGE, ...(cursor === undefined ? {} : { cursor }) });
    yield* page.items;
    if (page.nextCursor === null) return;
    cursor = page.nextCursor;
  }
}

/** Hands lines from a producer that pushes to a reader that pulls, one at a time: the producer waits. */
class LineQueue implements AsyncIterable<string> {
  #waiting: { text: string; taken: () => void } | undefined;
  #ended = false;
  #wake: () => void = () => {};

  push(text: string): Promise<void> {
    return new Promise((taken) => {
      this.#waiting = { text, taken };
      this.#wake();
    });
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (;;) {
      while (!this.#waiting && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
      const next = this.#waiting;
      if (!next) return;
      this.#waiting = undefined;
      yield next.text;
      next.taken();
    }
  }
}

/** Reads a whole backup without using it. @throws {BackupError} when it is damaged or was cut. */
export async function verifyBackup(path: string): Promise<BackupSummary> {
  let end: z.infer<typeof EndLine> | undefined;
  for await (const line of readBackup(path)) if (line.type === 'end') end = line;
  if (!end) throw new BackupError(`The backup "${path}" was cut: its last line is missing.`);
  return end;
}

/** Fills empty stores from a backup. The records come in one transaction, and only once everything was read. */
export async function restoreStores(deps: { readonly records: Records; readonly objects: Objects }, path: string): Promise<BackupSummary> {
  const expected = await verifyBackup(path);
  const lines = readBackup(path)[Symbol.asyncIterator]();
  const header = await lines.next();
  if (header.done || header.value.type !== 'slipway.backup') throw new BackupError(`"${path}" is not a Slipway backup.`);
  let next = await lines.next();
  async function* dump(): AsyncGenerator<DumpLine> {
    for (; !next.done; next = await lines.next()) {
      if (next.value.type === 'object' || next.value.type === 'end') return;
      yield next.value as DumpLine;
    }
  }
  const { rows, tables } = await restoreRecords(deps.records, dump());
  let count = 0;
  while (!next.done && next.value.type === 'object') {
    const { project, sha256 } = next.value;
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (next = await lines.next(); !next.done && next.value.type === 'chunk'; next = await lines.next())
        yield Buffer.from(next.value.data, 'base64');
    }
    const stored = await deps.objects.put(project, chunks());
    if (stored.sha256 !== sha256) throw new BackupError(`An object of the backup is damaged (${sha256}).`);
    count += 1;
  }
  if (count !== expected.objects || rows !== expected.rows) throw new BackupError('The backup does not hold what its last line says.');
  return { rows, tables, objects: count };
}

async function* readBackup(path: string): AsyncGenerator<BackupLine> {
  const unzipped = createReadStream(path)
    .on('error', (error) => unzipped.destroy(error))
    .pipe(createGunzip());
  const reader = createInterface({ input: unzipped, crlfDelay: Number.POSITIVE_INFINITY });
  const failed = new Promise<never>((_, reject) => unzipped.on('error', reject));
  failed.catch(() => {});
  const lines = reader[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([lines.next(), failed]);
      if (next.done) return;
      yield BackupLine.parse(JSON.parse(next.value));
    }
  } catch (cause) {
    if (cause instanceof BackupError) throw cause;
    throw new BackupError(`"${path}" cannot be read as a Slipway backup.`, { cause });
  } finally {
    reader.close();
  }
}
