import { fdatasync, fsyncSync, mkdirSync, openSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Ids } from '@slipway/kernel';
import { RecordingFailedError, RecordingOverloadedError, TelemetryClosedError } from './errors.ts';
import { OPEN_FILES_LIMIT, SEGMENT_LIMIT_AGE_MS, SEGMENT_LIMIT_BYTES, WAITING_LINES_LIMIT } from './limits.ts';
import type { SegmentKind } from './line.ts';
import { SegmentFile } from './segment-file.ts';

/** What a lost process or machine may lose: `process` survives a killed process, `host` a power loss as well. */
export type Durability = 'process' | 'host';

/** The lines of one project and kind that went out in one write. */
export interface WrittenBatch<T> {
  readonly project: string;
  readonly kind: SegmentKind;
  readonly segment: SegmentFile;
  readonly endByte: number;
  readonly items: readonly T[];
}

export interface SegmentWriterOptions<T> {
  readonly directory: string;
  readonly replica: number;
  readonly durability: Durability;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly segmentLimitBytes?: number;
  readonly segmentLimitAgeMs?: number;
  /** Called in a later turn than the replies, in the order of the writes of each project. */
  readonly onWritten: (batch: WrittenBatch<T>) => void;
  readonly onSegmentOpened: (segment: SegmentFile) => void;
  readonly onSegmentClosed: (segment: SegmentFile) => void;
  readonly onFailure: (error: Error) => void;
}

interface Batch<T> {
  text: string;
  readonly items: T[];
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Lane<T> {
  readonly project: string;
  readonly kind: SegmentKind;
  segment: SegmentFile | undefined;
  batch: Batch<T> | undefined;
  /** Written, not yet on the disk; only under durability `host`. In the order of their segments. */
  unsynced: { readonly segment: SegmentFile; readonly batch: Batch<T> }[];
  syncing: SegmentFile | undefined;
  /** Counts writes of the whole writer, to find the lane that was idle longest. */
  lastWrite: number;
}

/** Memory that texts of one turn are encoded in; longer ones get their own. */
const ENCODED_BYTES = 2 ** 18;
/** Most bytes that a UTF-16 unit takes. */
const UTF8_BYTES_MAX = 3;

/**
 * Writes lines in groups: everything appended in one turn of the event loop goes out with one write per project and
 * kind, at the end of that turn (`setImmediate` runs right after the sockets were read), and only then do the promises
 * of the turn resolve.
 */
export class SegmentWriter<T> {
  readonly #options: SegmentWriterOptions<T>;
  readonly #limitBytes: number;
  readonly #lanes = new Map<string, Lane<T>>();
  #dirty: Lane<T>[] = [];
  #written: WrittenBatch<T>[] = [];
  #writtenScheduled = false;
  #waitingLines = 0;
  #writes = 0;
  #encoded: Buffer | undefined;
  #isClosed = false;

  constructor(options: SegmentWriterOptions<T>) {
    this.#options = options;
    this.#limitBytes = options.segmentLimitBytes ?? SEGMENT_LIMIT_BYTES;
  }

  /** Continues a segment that an earlier process left; false when its project and kind have one already. */
  adopt(segment: SegmentFile): boolean {
    const lane = this.#lane(segment.project, segment.kind);
    if (lane.segment !== undefined || segment.committedBytes >= this.#limitBytes) return false;
    lane.segment = segment;
    return true;
  }

  /**
   * Adds one line (ending in a line feed) to the write of this turn. The promise is shared by the turn's lines.
   * @throws {RecordingFailedError} {@link RecordingOverloadedError} as a rejection; the line then does not count.
   */
  append(project: string, kind: SegmentKind, line: string, item: T): Promise<void> {
    if (this.#isClosed) return Promise.reject(new TelemetryClosedError('Recording has been closed.'));
    if (this.#waitingLines >= WAITING_LINES_LIMIT) return Promise.reject(overloaded());
    this.#waitingLines += 1;
    const lane = this.#lane(project, kind);
    let batch = lane.batch;
    if (batch === undefined) {
      batch = newBatch();
      lane.batch = batch;
      this.#dirty.push(lane);
      if (this.#dirty.length === 1) setImmediate(() => this.flush());
    }
    batch.text += line;
    batch.items.push(item);
    return batch.promise;
  }

  /** Writes what waits now, without waiting for the end of the turn. */
  flush(): void {
    const lanes = this.#dirty;
    this.#dirty = [];
    for (const lane of lanes) this.#write(lane);
    this.#releaseOldFiles();
  }

  /** Hands over all written lines that `onWritten` has not seen yet. */
  deliverWritten(): void {
    const written = this.#written;
    this.#written = [];
    this.#writtenScheduled = false;
    for (const batch of written) this.#options.onWritten(batch);
  }

  /** Closes the open segments (of one project, or all); the next line opens a new one. */
  roll(project?: string): void {
    this.flush();
    for (const lane of this.#lanes.values()) {
      if (project === undefined || lane.project === project) this.#closeSegment(lane);
    }
  }

  /** Closes the segments older than the limit. */
  rollOld(): void {
    const limitMs = this.#options.segmentLimitAgeMs ?? SEGMENT_LIMIT_AGE_MS;
    const now = this.#options.clock.nowMs();
    for (const lane of this.#lanes.values()) {
      if (lane.segment && now - lane.segment.openedMs >= limitMs) this.#closeSegment(lane);
    }
  }

  /** Writes what waits, waits for the disk and lets all files go. The segments stay as they are. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.flush();
    for (const lane of this.#lanes.values())
      while (lane.syncing || lane.unsynced.length > 0) await new Promise((resolve) => setImmediate(resolve));
    this.deliverWritten();
    for (const lane of this.#lanes.values()) lane.segment?.release();
  }

  #lane(project: string, kind: SegmentKind): Lane<T> {
    const key = kind === 'invocation' ? project : `${project}/${kind}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = { project, kind, segment: undefined, batch: undefined, unsynced: [], syncing: undefined, lastWrite: 0 };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #write(lane: Lane<T>): void {
    const batch = lane.batch;
    if (batch === undefined) return;
    lane.batch = undefined;
    this.#writes += 1;
    lane.lastWrite = this.#writes;
    try {
      const segment = this.#openSegment(lane);
      segment.append(this.#encode(batch.text));
      this.#noteWritten({ project: lane.project, kind: lane.kind, segment, endByte: segment.committedBytes, items: batch.items });
      if (this.#options.durability === 'host') lane.unsynced.push({ segment, batch });
      else this.#settle(batch);
      this.#sync(lane);
      if (segment.committedBytes >= this.#limitBytes) this.#closeSegment(lane);
    } catch (cause) {
      if (lane.segment?.closed) this.#closeSegment(lane);
      this.#settle(batch, this.#failed(cause));
    }
  }

  /** UTF-8 of a text, in memory that is used again: what is written at once needs no buffer of its own. */
  #encode(text: string): Buffer {
    if (text.length * UTF8_BYTES_MAX > ENCODED_BYTES) return Buffer.from(text, 'utf8');
    this.#encoded ??= Buffer.allocUnsafeSlow(ENCODED_BYTES);
    return this.#encoded.subarray(0, this.#encoded.write(text, 'utf8'));
  }

  #openSegment(lane: Lane<T>): SegmentFile {
    if (lane.segment !== undefined) return lane.segment;
    const { directory, replica, clock, ids, durability } = this.#options;
    const folder = join(directory, lane.project);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const id = ids.next('segment');
    const path = join(folder, segmentFileName({ kind: lane.kind, replica, id }));
    const segment = SegmentFile.create({ id, project: lane.project, kind: lane.kind, path, openedMs: clock.nowMs() });
    if (durability === 'host') syncFolder(folder);
    lane.segment = segment;
    this.#options.onSegmentOpened(segment);
    return segment;
  }

  #closeSegment(lane: Lane<T>): void {
    const segment = lane.segment;
    if (segment === undefined) return;
    lane.segment = undefined;
    segment.closed = true;
    this.#releaseIfSynced(lane, segment);
    this.#options.onSegmentClosed(segment);
  }

  #releaseIfSynced(lane: Lane<T>, segment: SegmentFile): void {
    if (lane.syncing !== segment && lane.unsynced.every((entry) => entry.segment !== segment)) segment.release();
  }

  /** One fdatasync covers all batches written before it began; those written meanwhile share the next one. */
  #sync(lane: Lane<T>): void {
    const segment = lane.unsynced[0]?.segment;
    if (lane.syncing || segment === undefined) return;
    const covered = lane.unsynced.filter((entry) => entry.segment === segment);
    lane.unsynced = lane.unsynced.slice(covered.length);
    lane.syncing = segment;
    fdatasync(segment.hold(), (error) => {
      lane.syncing = undefined;
      const failure = error ? this.#failed(error) : undefined;
      for (const { batch } of covered) this.#settle(batch, failure);
      // After a failed sync nothing says which pages reached the disk: later lines go to a new file.
      if (failure && lane.segment === segment) this.#closeSegment(lane);
      else if (segment.closed) this.#releaseIfSynced(lane, segment);
      this.#sync(lane);
    });
  }

  #settle(batch: Batch<T>, error?: Error): void {
    this.#waitingLines -= batch.items.length;
    if (error) batch.reject(error);
    else batch.resolve();
  }

  #failed(cause: unknown): RecordingFailedError {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    this.#options.onFailure(cause instanceof Error ? cause : new Error(String(cause)));
    return new RecordingFailedError('The call could not be recorded, so it was not answered.', {
      cause,
      details: { reason: code },
      help: code === 'ENOSPC' ? 'The disk is full: free some space and try again.' : 'Try again; the server log names the cause.',
    });
  }

  #noteWritten(batch: WrittenBatch<T>): void {
    this.#written.push(batch);
    if (this.#writtenScheduled) return;
    this.#writtenScheduled = true;
    setImmediate(() => this.deliverWritten());
  }

  #releaseOldFiles(): void {
    if (this.#lanes.size <= OPEN_FILES_LIMIT) return;
    const held = [...this.#lanes.values()].filter((lane) => lane.segment?.isHeldOpen && !lane.syncing && lane.unsynced.length === 0);
    if (held.length <= OPEN_FILES_LIMIT) return;
    held.sort((left, right) => left.lastWrite - right.lastWrite);
    for (const lane of held.slice(0, held.length - OPEN_FILES_LIMIT)) lane.segment?.release();
  }
}

function newBatch<T>(): Batch<T> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // A caller that does not wait for its line must not bring the process down when the write fails.
  promise.catch(() => {});
  return { text: '', items: [], promise, resolve, reject };
}

function overloaded(): RecordingOverloadedError {
  return new RecordingOverloadedError(`More than ${WAITING_LINES_LIMIT} calls wait to be recorded.`, {
    details: { limit: WAITING_LINES_LIMIT },
    help: 'Send fewer calls at once.',
  });
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const FILE_NAME = /^(invocation|outcome)\.(\d{4})\.(seg_[0-9a-f-]{36})\.ndjson$/;

export interface SegmentName {
  readonly kind: SegmentKind;
  readonly replica: number;
  readonly id: string;
}

export function segmentFileName({ kind, replica, id }: SegmentName): string {
  return `${kind}.${String(replica).padStart(4, '0')}.${id}.ndjson`;
}

/** @returns undefined when the file is not a segment. */
export function parseSegmentFileName(name: string): SegmentName | undefined {
  const match = FILE_NAME.exec(name);
  if (!match) return undefined;
  return { kind: match[1] as SegmentKind, replica: Number(match[2]), id: match[3] as string };
}
