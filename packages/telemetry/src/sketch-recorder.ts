import type { Invocation } from '@slipway/kernel';
import type { Records, Tx } from '@slipway/records';
import { FieldSketch } from '@slipway/statistics';
import { WindowTooLongError } from './errors.ts';
import { OPEN_MINUTES_LIMIT, SKETCH_MERGE_LIMIT, SKETCH_ROWS_PER_STATEMENT } from './limits.ts';
import { Mutex } from './project-lock.ts';
import type { SegmentFile } from './segment-file.ts';
import { readProgress, saveProgress } from './segment-store.ts';
import { SketchBucket } from './sketch-bucket.ts';
import { type SketchWindow, LEVEL_MS, countSketches, lockSlot, readSketches, saveSlot } from './sketch-store.ts';
import { dropTotals, lockForWriting } from './sketch-total-store.ts';
import type { WatchedInput } from './sketch-values.ts';

/** What one save writes: all sketches up to a position in each segment, in one transaction. */
interface Cut {
  readonly buckets: readonly SketchBucket[];
  readonly progress: ReadonlyMap<string, number>;
}

const MERGES_PER_TURN = 50;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * The sketches of one project that are not saved yet. Each save moves everything counted so far into the store together
 * with how far each segment has been read, so that after a crash the rest of the segment is counted exactly once.
 */
export class SketchRecorder {
  readonly #project: string;
  readonly #records: Records;
  readonly #replica: number;
  readonly #saving = new Mutex();
  #buckets = new Map<string, SketchBucket>();
  #segments = new Map<string, SegmentFile>();
  #lastBucket: SketchBucket | undefined;
  #failedCut: Cut | undefined;
  #isSaving = false;

  constructor(options: { readonly project: string; readonly records: Records; readonly replica: number }) {
    this.#project = options.project;
    this.#records = options.records;
    this.#replica = options.replica;
  }

  /** Whether calls of so many different minutes are unsaved that they should be saved early; false while that happens. */
  get isFull(): boolean {
    return this.#buckets.size > OPEN_MINUTES_LIMIT && !this.#isSaving;
  }

  /** Counts one call: a failed one has an input and no answer, a pending one counts when it ends. */
  observe(call: Invocation, inputs: readonly WatchedInput[] | undefined): void {
    if (call.status === 'pending') return;
    this.#bucketOf(call).observe(call, inputs);
  }

  /** Notes that all lines of the segment below `endByte` have been observed. */
  advance(segment: SegmentFile, endByte: number): void {
    segment.observedBytes = endByte;
    this.#segments.set(segment.id, segment);
  }

  /** Saves everything counted until now. A failed save is kept and tried again with the next one. */
  save(): Promise<void> {
    this.#isSaving = true;
    const saving = this.#saving.run(() => this.#save());
    return saving.finally(() => {
      this.#isSaving = false;
    });
  }

  async #save(): Promise<void> {
    if (this.#failedCut) await this.#write(this.#failedCut);
    this.#failedCut = undefined;
    const cut = this.#cut();
    if (cut.progress.size === 0) return;
    this.#failedCut = cut;
    await this.#write(cut);
    this.#failedCut = undefined;
  }

  /** Saved and unsaved sketches of a window, merged by field. @throws {WindowTooLongError} */
  read(window: SketchWindow): Promise<Map<string, FieldSketch>> {
    return this.#saving.run(async () => {
      const merged = new Map<string, FieldSketch>();
      const db = this.#records.db;
      for (const fields of inStatements(window, await countSketches(db, window))) {
        const texts = await readSketches(db, window, fields, SKETCH_ROWS_PER_STATEMENT);
        for (const field of fields) await mergeTexts(merged, field, texts.get(field) ?? []);
      }
      for (const bucket of [...(this.#failedCut?.buckets ?? []), ...this.#buckets.values()]) {
        if (isInWindow(bucket, window)) for (const [field, sketch] of bucket.sketches()) mergeInto(merged, field, sketch);
      }
      return merged;
    });
  }

  #bucketOf(call: Invocation): SketchBucket {
    const startMs = Math.floor(call.eventTimeMs / LEVEL_MS.minute) * LEVEL_MS.minute;
    const last = this.#lastBucket;
    if (last?.startMs === startMs && last.revision === call.revision && last.release === call.release) return last;
    const key = `${call.release} ${call.revision} ${startMs}`;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = new SketchBucket({ release: call.release, revision: call.revision, startMs });
      this.#buckets.set(key, bucket);
    }
    this.#lastBucket = bucket;
    return bucket;
  }

  #cut(): Cut {
    const progress = new Map([...this.#segments].map(([id, segment]) => [id, segment.observedBytes]));
    const buckets = [...this.#buckets.values()];
    this.#segments = new Map();
    this.#buckets = new Map();
    this.#lastBucket = undefined;
    return { buckets, progress };
  }

  async #write(cut: Cut): Promise<void> {
    await this.#records.transaction(async (tx) => {
      // A commit whose reply was lost looks like a failure and comes here again.
      const saved = await readProgress(tx, this.#project, [...cut.progress.keys()]);
      if ([...cut.progress].every(([segment, bytes]) => saved.get(segment) === bytes)) return;
      for (const bucket of cut.buckets) await this.#writeBucket(tx, bucket);
      await saveProgress(tx, this.#project, this.#replica, cut.progress);
    });
  }

  async #writeBucket(tx: Tx, bucket: SketchBucket): Promise<void> {
    const { release, revision, startMs } = bucket;
    const slot = { project: this.#project, release, revision, level: 'minute' as const, startMs, replica: this.#replica };
    await lockForWriting(tx, slot);
    const stored = await lockSlot(tx, slot);
    const texts = new Map<string, string>();
    for (const [field, sketch] of bucket.sketches()) {
      const before = stored.get(field);
      const merged = new Map<string, FieldSketch>();
      if (before !== undefined) merged.set(field, FieldSketch.fromJson(JSON.parse(before)));
      mergeInto(merged, field, sketch);
      texts.set(field, JSON.stringify(merged.get(field)?.toJson()));
    }
    await saveSlot(tx, slot, texts);
    await dropTotals(tx, slot);
  }
}

/** Adds a copy of a sketch to its field's; of two kinds under one name the one with more values stays. */
export function mergeInto(merged: Map<string, FieldSketch>, field: string, sketch: FieldSketch): void {
  let into = merged.get(field);
  if (into === undefined || (into.kind !== sketch.kind && into.count < sketch.count)) {
    into = new FieldSketch(sketch.kind);
    merged.set(field, into);
  }
  if (into.kind === sketch.kind) into.merge(sketch);
}

/** Merges stored sketches without holding the event loop. */
export async function mergeTexts(merged: Map<string, FieldSketch>, field: string, texts: readonly string[]): Promise<void> {
  for (const [index, text] of texts.entries()) {
    mergeInto(merged, field, FieldSketch.fromJson(JSON.parse(text)));
    if (index % MERGES_PER_TURN === MERGES_PER_TURN - 1) await nextTurn();
  }
}

/** Fields whose sketches are read together. @throws {WindowTooLongError} */
function inStatements(window: SketchWindow, counts: ReadonlyMap<string, number>): string[][] {
  const groups: string[][] = [];
  let rows = Number.POSITIVE_INFINITY;
  for (const [field, count] of counts) {
    if (count > SKETCH_MERGE_LIMIT) throw tooLong(window, field, count);
    rows += count;
    if (rows > SKETCH_ROWS_PER_STATEMENT) {
      groups.push([]);
      rows = count;
    }
    groups.at(-1)?.push(field);
  }
  return groups;
}

function isInWindow(bucket: SketchBucket, window: SketchWindow): boolean {
  if (bucket.release !== window.release || (window.revision !== undefined && bucket.revision !== window.revision)) return false;
  return bucket.startMs < window.toMs && bucket.startMs + LEVEL_MS.minute > window.fromMs;
}

function tooLong(window: SketchWindow, field: string, count: number): WindowTooLongError {
  return new WindowTooLongError(`The window holds ${count} sketches of "${field}"; one query merges at most ${SKETCH_MERGE_LIMIT}.`, {
    details: { limit: SKETCH_MERGE_LIMIT, found: count, release: window.release },
    help: 'Ask for a shorter window, or name one revision.',
  });
}
