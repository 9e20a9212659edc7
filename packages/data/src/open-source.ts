import { createHash } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type Session, throwIfAborted } from './engine.ts';
import {
  BrokenGzipError,
  EmptySourceError,
  InvalidEncodingError,
  NulByteError,
  SourceTooLargeError,
  UnknownFormatError,
} from './errors.ts';
import type { IngestLimits } from './limits.ts';
import type { Encoding, SourceFormat } from './contract.ts';
import { type TextShape, detectFormat, detectText, refuseKnownBinary } from './sniff-format.ts';

export const READ_CHUNK_BYTES = 256 * 1024;
/** The first bytes, by which format, encoding and dialect are told. */
export const HEAD_BYTES = 1024 * 1024;

export interface OpenedSource {
  readonly format: SourceFormat;
  /** A local file: UTF-8 text without a byte order mark at `offset`, or Parquet. */
  readonly path: string;
  readonly offset: number;
  readonly encoding: Encoding | null;
  /** Digest and size of the source as given. */
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly compressed: boolean;
  readonly notes: string[];
}

export interface OpenOptions {
  readonly path: string;
  readonly format?: SourceFormat | undefined;
  readonly encoding?: Encoding | undefined;
  readonly limits: IngestLimits;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Tells format and encoding by content, decompresses, and turns text into UTF-8, streaming throughout. Names and
 * extensions are not looked at.
 */
export async function openSource(session: Session, options: OpenOptions): Promise<OpenedSource> {
  const info = await stat(options.path);
  if (info.size === 0) throw new EmptySourceError();
  if (info.size > options.limits.sourceBytes) throw new SourceTooLargeError(options.limits.sourceBytes, false);
  const notes: string[] = [];
  const compressed = isGzip(await readHead(options.path, 2));
  const digest = { path: options.path, sha256: await digestFile(options.path, options.signal), sizeBytes: info.size, compressed, notes };
  const path = compressed ? await gunzip(session, options) : options.path;
  const head = await readHead(path, HEAD_BYTES);
  if (head.length === 0) throw new EmptySourceError();
  refuseKnownBinary(head);
  const format = options.format ?? detectFormat(head);
  if (format === 'parquet') {
    if (detectFormat(head) !== 'parquet') throw new UnknownFormatError('not Parquet although it was said to be');
    return { ...digest, format, path, offset: 0, encoding: null };
  }
  const shape = detectText(head, options.encoding);
  const text = await prepareText(session, path, shape, options, notes);
  const textHead = await readHead(text.path, HEAD_BYTES);
  // A UTF-16 head hides what it holds until it is decoded, so the format is asked again.
  return { ...digest, ...text, format: options.format ?? detectFormat(textHead.subarray(text.offset)) };
}

function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

export async function readHead(path: string, bytes: number, position = 0): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    let filled = 0;
    while (filled < bytes) {
      const { bytesRead } = await file.read(buffer, filled, bytes - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  } finally {
    await file.close();
  }
}

export async function* readChunks(path: string, offset: number, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  for await (const chunk of createReadStream(path, { start: offset, highWaterMark: READ_CHUNK_BYTES })) {
    throwIfAborted(signal);
    yield chunk as Buffer;
  }
}

async function digestFile(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of readChunks(path, 0, signal)) hash.update(chunk);
  return hash.digest('hex');
}

async function gunzip(session: Session, options: OpenOptions): Promise<string> {
  const target = session.path('.plain');
  const limit = options.limits.decompressedBytes;
  let total = 0;
  const count = async function* (source: AsyncIterable<Buffer>) {
    for await (const chunk of source) {
      throwIfAborted(options.signal);
      total += chunk.length;
      if (total > limit) throw new SourceTooLargeError(limit, true);
      yield chunk;
    }
  };
  try {
    await pipeline(createReadStream(options.path), createGunzip(), count, createWriteStream(target, { mode: 0o600 }));
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code;
    if (code === 'Z_BUF_ERROR') throw new BrokenGzipError(true, thrown);
    if (code?.startsWith('Z_')) throw new BrokenGzipError(false, thrown);
    throw thrown;
  }
  return target;
}

type PreparedText = Pick<OpenedSource, 'path' | 'offset' | 'encoding'>;

async function prepareText(session: Session, path: string, shape: TextShape, options: OpenOptions, notes: string[]): Promise<PreparedText> {
  if (shape.encoding === 'utf-8') {
    const scan = await scanUtf8(path, shape.bomBytes, options.signal);
    if (scan.valid) return { path, offset: shape.bomBytes, encoding: 'utf-8' };
    // Bytes above 127 that mostly form UTF-8 sequences are damaged UTF-8; ones that never do are an 8-bit code page.
    if (shape.declared || shape.bomBytes > 0 || scan.sequences > scan.invalid) {
      throw new InvalidEncodingError(
        `Line ${scan.firstInvalidLine} is not valid UTF-8 (${scan.invalid} damaged ${scan.invalid === 1 ? 'place' : 'places'}).`,
        {
          details: { line: scan.firstInvalidLine, invalid: scan.invalid },
          help: 'Export the file again as UTF-8, or give its encoding (latin1, utf-16le, utf-16be).',
        },
      );
    }
    notes.push(`The file is not UTF-8 (first at line ${scan.firstInvalidLine}); it was read as Latin-1 (Windows-1252).`);
    return { path: await transcode(session, path, 'latin1', 0, options), offset: 0, encoding: 'latin1' };
  }
  return { path: await transcode(session, path, shape.encoding, shape.bomBytes, options), offset: 0, encoding: shape.encoding };
}

const DECODER_LABELS = { 'utf-8': 'utf-8', latin1: 'windows-1252', 'utf-16le': 'utf-16le', 'utf-16be': 'utf-16be' } as const;

async function transcode(session: Session, path: string, encoding: Encoding, offset: number, options: OpenOptions): Promise<string> {
  const target = session.path('.utf8');
  const decoder = new TextDecoder(DECODER_LABELS[encoding], { fatal: true, ignoreBOM: true });
  let line = 1;
  let total = 0;
  const decode = async function* (source: AsyncIterable<Buffer>) {
    for await (const chunk of source) {
      throwIfAborted(options.signal);
      const bytes = Buffer.from(decodeChunk(decoder, chunk, true, encoding, line));
      total += bytes.length;
      if (total > options.limits.decompressedBytes) throw new SourceTooLargeError(options.limits.decompressedBytes, true);
      line = checkNul(bytes, line);
      yield bytes;
    }
    yield Buffer.from(decodeChunk(decoder, new Uint8Array(0), false, encoding, line));
  };
  await pipeline(
    createReadStream(path, { start: offset, highWaterMark: READ_CHUNK_BYTES }),
    decode,
    createWriteStream(target, { mode: 0o600 }),
  );
  return target;
}

function decodeChunk(
  decoder: InstanceType<typeof TextDecoder>,
  chunk: Uint8Array,
  stream: boolean,
  encoding: Encoding,
  line: number,
): string {
  try {
    return decoder.decode(chunk, { stream });
  } catch (cause) {
    throw new InvalidEncodingError(`Near line ${line} the file is not valid ${encoding}.`, {
      cause,
      details: { line, encoding },
      help: 'Give the right encoding (utf-8, latin1, utf-16le, utf-16be), or export the file as UTF-8.',
    });
  }
}

const NEWLINE = 10;

/** @returns the line number after the chunk. @throws {NulByteError} */
function checkNul(chunk: Buffer, line: number): number {
  const at = chunk.indexOf(0);
  if (at >= 0) throw new NulByteError(line + countLines(chunk, 0, at));
  return line + countLines(chunk, 0, chunk.length);
}

function countLines(chunk: Buffer, start: number, end: number): number {
  let lines = 0;
  for (let at = chunk.indexOf(NEWLINE, start); at >= 0 && at < end; at = chunk.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}

interface Utf8Scan {
  readonly valid: boolean;
  readonly firstInvalidLine: number;
  /** Well-formed sequences of two bytes and more, and places that are not UTF-8. */
  readonly sequences: number;
  readonly invalid: number;
}

/** Checks a whole file for UTF-8 and NUL bytes. ASCII and valid chunks cost a native scan; only broken ones are looked at by byte. */
async function scanUtf8(path: string, offset: number, signal: AbortSignal | undefined): Promise<Utf8Scan> {
  let rest: Buffer = Buffer.alloc(0);
  let line = 1;
  let firstInvalidLine = 0;
  let sequences = 0;
  let invalid = 0;
  const scan = (chunk: Buffer) => {
    const nextLine = checkNul(chunk, line);
    if (!isUtf8(chunk)) {
      const found = countSequences(chunk);
      if (firstInvalidLine === 0) firstInvalidLine = line + countLines(chunk, 0, found.firstInvalid);
      invalid += found.invalid;
      sequences += found.sequences;
    }
    line = nextLine;
  };
  for await (const piece of readChunks(path, offset, signal)) {
    const chunk = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const end = wholeSequencesEnd(chunk);
    rest = chunk.subarray(end);
    scan(chunk.subarray(0, end));
  }
  if (rest.length > 0) scan(rest);
  return { valid: invalid === 0, firstInvalidLine, sequences, invalid };
}

/** Where the last sequence that may continue in the next chunk begins. */
function wholeSequencesEnd(chunk: Buffer): number {
  for (let back = 1; back <= Math.min(3, chunk.length); back += 1) {
    const byte = chunk[chunk.length - back] as number;
    if (byte < 0x80) return chunk.length;
    if (byte >= 0xc0) return sequenceLength(byte) > back ? chunk.length - back : chunk.length;
  }
  return chunk.length;
}

function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

function countSequences(chunk: Buffer): { sequences: number; invalid: number; firstInvalid: number } {
  let sequences = 0;
  let invalid = 0;
  let firstInvalid = -1;
  for (let at = 0; at < chunk.length;) {
    const length = sequenceLength(chunk[at] as number);
    if (length === 1) at += 1;
    else if (length > 1 && isUtf8(chunk.subarray(at, at + length)) && at + length <= chunk.length) {
      sequences += 1;
      at += length;
    } else {
      invalid += 1;
      if (firstInvalid < 0) firstInvalid = at;
      at += 1;
    }
  }
  return { sequences, invalid, firstInvalid };
}
