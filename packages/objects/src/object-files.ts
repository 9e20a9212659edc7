import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { ObjectCorruptError, ObjectTooLargeError, StoreFullError } from './errors.ts';
import type { ObjectRef } from './objects.ts';

/** Small pieces are gathered to this size before they are written: a write costs a trip through the thread pool. */
const GATHER_BYTES = 256 * 1024;
/** Large pieces are hashed and written in slices of this size; hashing one takes about a millisecond. */
const SLICE_BYTES = 1024 * 1024;
const READ_CHUNK_BYTES = 256 * 1024;

/** Writes a stream to a new file (0600) that nobody else may have made, hashing on the way. */
export async function writeHashed(
  path: string,
  source: Uint8Array | AsyncIterable<Uint8Array>,
  options: { readonly limitBytes: number; readonly sync: boolean },
): Promise<ObjectRef> {
  const handle = await open(path, 'wx', 0o600);
  try {
    const writer = new HashingWriter(handle, options.limitBytes);
    if (source instanceof Uint8Array) await writer.write(source);
    else for await (const chunk of source) await writer.write(chunk);
    await writer.flush();
    if (options.sync) await handle.sync();
    return { sha256: writer.digest(), sizeBytes: writer.sizeBytes };
  } catch (error) {
    throw explainFull(error);
  } finally {
    await handle.close();
  }
}

class HashingWriter {
  sizeBytes = 0;
  readonly #handle: FileHandle;
  readonly #limitBytes: number;
  readonly #hash = createHash('sha256');
  readonly #gathered = Buffer.allocUnsafe(GATHER_BYTES);
  #gatheredBytes = 0;

  constructor(handle: FileHandle, limitBytes: number) {
    this.#handle = handle;
    this.#limitBytes = limitBytes;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('an object is made of Uint8Array pieces');
    this.sizeBytes += chunk.byteLength;
    if (this.sizeBytes > this.#limitBytes) throw tooLarge(this.#limitBytes);
    if (chunk.byteLength <= GATHER_BYTES - this.#gatheredBytes) {
      this.#gathered.set(chunk, this.#gatheredBytes);
      this.#gatheredBytes += chunk.byteLength;
      return;
    }
    await this.flush();
    for (let start = 0; start < chunk.byteLength; start += SLICE_BYTES) await this.#put(chunk.subarray(start, start + SLICE_BYTES));
  }

  async flush(): Promise<void> {
    const bytes = this.#gathered.subarray(0, this.#gatheredBytes);
    this.#gatheredBytes = 0;
    await this.#put(bytes);
  }

  digest(): string {
    return this.#hash.digest('hex');
  }

  async #put(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    for (let done = 0; done < bytes.byteLength;) {
      const { bytesWritten } = await this.#handle.write(bytes, done);
      done += bytesWritten;
    }
  }
}

/** Streams a file. Each piece is a buffer of its own, because the consumer may keep it. */
export async function* readPieces(path: string): AsyncGenerator<Uint8Array> {
  const handle = await open(path, 'r');
  try {
    for (;;) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ_CHUNK_BYTES), 0, READ_CHUNK_BYTES, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Streams an object's file, checking at its end that it still has the hash it is stored under. */
export async function* readChecked(path: string, sha256: string): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const piece of readPieces(path)) {
    hash.update(piece);
    yield piece;
  }
  if (hash.digest('hex') !== sha256) throw corrupt(sha256);
}

/** The hash and size of a finished file; fsyncs it when asked. */
export async function hashFile(path: string, options: { readonly limitBytes: number; readonly sync: boolean }): Promise<ObjectRef> {
  const handle = await open(path, 'r');
  try {
    const hash = createHash('sha256');
    const piece = Buffer.allocUnsafe(SLICE_BYTES);
    let sizeBytes = 0;
    for (;;) {
      const { bytesRead } = await handle.read(piece, 0, SLICE_BYTES, null);
      if (bytesRead === 0) break;
      sizeBytes += bytesRead;
      if (sizeBytes > options.limitBytes) throw tooLarge(options.limitBytes);
      hash.update(piece.subarray(0, bytesRead));
    }
    if (options.sync) await handle.sync();
    return { sha256: hash.digest('hex'), sizeBytes };
  } finally {
    await handle.close();
  }
}

/** Makes a rename in the folder survive power loss. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function tooLarge(limitBytes: number): ObjectTooLargeError {
  return new ObjectTooLargeError(`The object has more than the ${limitBytes} bytes allowed here.`, { details: { limitBytes } });
}

export function corrupt(sha256: string): ObjectCorruptError {
  return new ObjectCorruptError(`The stored object ${sha256} no longer has the bytes that its hash names.`, {
    details: { sha256 },
    help: 'Restore it from a backup, or make it again; then check the disk.',
  });
}

function explainFull(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new StoreFullError('There is no room left for the object.', {
    cause: error,
    help: 'Free space on the disk that holds the objects.',
  });
}
