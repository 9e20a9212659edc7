import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { appendFile, mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Audit } from '@slipway/audit';
import { type Clock, idTimeMs, invariant } from '@slipway/kernel';
import type { Objects } from '@slipway/objects';
import type { Records } from '@slipway/records';
import { type Engine, literal } from './engine.ts';
import { SegmentDamagedError } from './errors.ts';
import { type SegmentKind, isWholeLine } from './line.ts';
import type { ProjectState } from './project-state.ts';
import { KEY_COLUMN, type RelationFiles, emptyRelationSql, relationSql, writeParquetSql } from './relation.ts';
import type { SegmentFile } from './segment-file.ts';
import {
  type StoredSegment,
  addGarbage,
  deleteProgress,
  deleteSegments,
  insertSegment,
  listGarbage,
  removeGarbage,
} from './segment-store.ts';

export interface ArchiveDeps {
  readonly directory: string;
  readonly records: Records;
  readonly objects: Objects;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly replica: number;
  readonly onProblem: (error: Error) => void;
}

/** Why a segment's bytes come into being; part of the audit event. */
export type SwapReason = 'closed' | 'merged' | 'erased';

interface Swap {
  readonly reason: SwapReason;
  readonly add: StoredSegment | undefined;
  readonly remove: readonly StoredSegment[];
  readonly pending: SegmentFile | undefined;
}

const GARBAGE_PER_SWEEP = 1_000;

/**
 * Turns lines into Parquet and Parquet into other Parquet. An object is first noted as garbage, then stored, then named
 * by the catalogue in the transaction that removes the note: whatever moment the process dies at, every line is in
 * exactly one place, and bytes that nothing names are deleted later. `store`, `replace` and `sweep` never run at once:
 * the caller sees to that.
 */
export class Archive {
  readonly #deps: ArchiveDeps;
  readonly #temporary: string;
  #nextTemporary = 0;

  constructor(deps: ArchiveDeps) {
    this.#deps = deps;
    this.#temporary = join(deps.directory, 'temporary', String(deps.replica));
  }

  /** Empties the folder of copies that an earlier process left. */
  async open(): Promise<void> {
    await rm(this.#temporary, { recursive: true, force: true });
    await mkdir(this.#temporary, { recursive: true, mode: 0o700 });
  }

  /**
   * Gives `work` one SQL table of all rows of these segments. The caller holds the project's lock, shared.
   * Lines still being appended to are copied first, because the engine would read a half-written end.
   */
  async withRelation<T>(
    kind: SegmentKind,
    segments: { readonly stored: readonly StoredSegment[]; readonly pending: readonly SegmentFile[] },
    work: (relation: string) => Promise<T>,
  ): Promise<T> {
    const copies: string[] = [];
    try {
      const parquet: string[] = [];
      for (const segment of segments.stored) parquet.push(await this.#deps.objects.localPath(segment.project, segment.sha256));
      const lines: string[] = [];
      let longestBytes = 0;
      for (const segment of segments.pending) {
        if (segment.kind !== kind || segment.committedBytes === 0) continue;
        lines.push(await this.#stablePath(segment, copies));
        // After the copy: it holds no longer line than has been committed by now.
        longestBytes = Math.max(longestBytes, segment.longestBytes);
      }
      return await work(relationSql(kind, { parquet, lines, longestBytes } satisfies RelationFiles) ?? emptyRelationSql(kind));
    } finally {
      for (const copy of copies) await rm(copy, { force: true });
    }
  }

  /** Turns a closed segment into Parquet. @returns undefined when it was empty. */
  async store(state: ProjectState, segment: SegmentFile): Promise<StoredSegment | undefined> {
    invariant(segment.closed, 'only a closed segment becomes Parquet');
    const { kind } = segment;
    const write = (relation: string) => this.#write({ project: state.id, kind, id: segment.id, relation, where: 'true' });
    let lineCount = await segment.countLines();
    let added: StoredSegment | undefined;
    try {
      added = await this.withRelation(kind, { stored: [], pending: [segment] }, write);
    } catch (cause) {
      const copy = this.#temporaryPath();
      try {
        const salvaged = await salvage(segment, copy);
        if (salvaged.lost === 0) throw cause;
        this.#deps.onProblem(new SegmentDamagedError(segment.id, salvaged.lost));
        lineCount = salvaged.kept;
        added = salvaged.kept === 0 ? undefined : await write(relationSql(kind, { parquet: [], lines: [copy] }) ?? '');
      } finally {
        await rm(copy, { force: true });
      }
    }
    invariant((added?.rowCount ?? 0) === lineCount, `the Parquet of segment ${segment.id} has a row for each of its ${lineCount} lines`);
    await this.#swap(state, { reason: 'closed', add: added, remove: [], pending: segment });
    return added;
  }

  /** Replaces stored segments by one with those of their rows for which `where` holds. */
  async replace(
    state: ProjectState,
    sources: readonly StoredSegment[],
    options: { readonly id: string; readonly reason: SwapReason; readonly where: string },
  ): Promise<StoredSegment | undefined> {
    const first = sources[0];
    invariant(first, 'something is replaced');
    const { kind } = first;
    const added = await this.withRelation(kind, { stored: sources, pending: [] }, (relation) =>
      this.#write({ project: state.id, kind, id: options.id, relation, where: options.where }),
    );
    await this.#swap(state, { reason: options.reason, add: added, remove: sources, pending: undefined });
    return added;
  }

  /** Deletes the objects that nothing names: of erasures, merges and interrupted work. @returns how many went. */
  async sweep(): Promise<number> {
    const { records, objects, replica } = this.#deps;
    let deleted = 0;
    for (const { project, sha256, used } of await listGarbage(records.db, replica, GARBAGE_PER_SWEEP)) {
      if (!used && (await objects.delete(project, sha256))) deleted += 1;
      await removeGarbage(records.db, project, sha256);
    }
    return deleted;
  }

  async #stablePath(segment: SegmentFile, copies: string[]): Promise<string> {
    if (segment.closed && (await stat(segment.path)).size === segment.committedBytes) return segment.path;
    const copy = this.#temporaryPath();
    copies.push(copy);
    await segment.snapshot(copy);
    return copy;
  }

  #temporaryPath(): string {
    this.#nextTemporary += 1;
    return join(this.#temporary, `${this.#nextTemporary}.ndjson`);
  }

  async #write(options: {
    readonly project: string;
    readonly kind: SegmentKind;
    readonly id: string;
    readonly relation: string;
    readonly where: string;
  }): Promise<StoredSegment | undefined> {
    const { engine, objects, records, clock, replica } = this.#deps;
    const { project, kind, id } = options;
    const path = await objects.temporaryPath(project);
    try {
      await engine.query(writeParquetSql(kind, options.relation, path, options.where));
      const range = await this.#describe(kind, path);
      if (range.rowCount === 0) return undefined;
      const sha256 = await hashFile(path);
      await addGarbage(records.db, [{ project, sha256, replica, createdMs: clock.nowMs() }]);
      const stored = await objects.putFile(project, path);
      invariant(stored.sha256 === sha256, 'the stored object has the hash that was noted');
      return { id, project, kind, replica, ...range, sizeBytes: stored.sizeBytes, sha256, createdMs: clock.nowMs() };
    } finally {
      await rm(path, { force: true });
    }
  }

  async #describe(
    kind: SegmentKind,
    path: string,
  ): Promise<Pick<StoredSegment, 'firstMs' | 'lastMs' | 'firstEventMs' | 'lastEventMs' | 'rowCount'>> {
    const key = KEY_COLUMN[kind];
    const [row] = await this.#deps.engine.query(`select count(*) as rows, min("${key}") as first, max("${key}") as last,
      min("eventTimeMs") as "firstEvent", max("eventTimeMs") as "lastEvent" from read_parquet(${literal(path)})`);
    const rowCount = Number(row?.['rows']);
    if (!row || rowCount === 0) return { rowCount: 0, firstMs: 0, lastMs: 0, firstEventMs: 0, lastEventMs: 0 };
    return {
      rowCount,
      firstMs: idTimeMs(String(row['first'])),
      lastMs: idTimeMs(String(row['last'])),
      firstEventMs: Number(row['firstEvent']),
      lastEventMs: Number(row['lastEvent']),
    };
  }

  /** One transaction changes the catalogue; readers of the project see the state before it or after it, never both. */
  async #swap(state: ProjectState, swap: Swap): Promise<void> {
    const { records, objects, clock, replica } = this.#deps;
    const project = state.id;
    await state.lock.exclusive(async () => {
      await records.transaction(async (tx) => {
        if (swap.remove.length > 0) {
          const removed = await deleteSegments(tx, project, swap.remove);
          invariant(removed === swap.remove.length, 'the segments to replace are still as they were read');
          await addGarbage(
            tx,
            swap.remove.map(({ sha256 }) => ({ project, sha256, replica, createdMs: clock.nowMs() })),
          );
        }
        if (swap.pending) await deleteProgress(tx, project, swap.pending.id);
        if (swap.add) {
          await insertSegment(tx, swap.add);
          await removeGarbage(tx, project, swap.add.sha256);
        }
        await this.#audit(tx, project, swap);
      });
      if (swap.pending) {
        state.pending.delete(swap.pending.id);
        swap.pending.release();
        await rm(swap.pending.path, { force: true });
      }
      for (const { sha256 } of swap.remove) {
        if (sha256 === swap.add?.sha256) continue;
        await objects.delete(project, sha256);
        await removeGarbage(records.db, project, sha256);
      }
    });
  }

  async #audit(tx: Parameters<Audit['append']>[0], project: string, swap: Swap): Promise<void> {
    const named = swap.add ?? swap.remove[0];
    if (!named) return;
    await this.#deps.audit.append(tx, project, {
      type: swap.remove.length === 0 ? 'telemetry.segment.stored' : 'telemetry.segment.replaced',
      principal: 'system',
      subject: { kind: 'segment', id: named.id },
      data: {
        kind: named.kind,
        reason: swap.reason,
        firstMs: named.firstMs,
        lastMs: named.lastMs,
        added: swap.add ? summary(swap.add) : null,
        removed: swap.remove.map(summary),
      },
    });
  }
}

function summary({ id, sha256, rowCount }: StoredSegment): { segment: string; sha256: string; rows: number } {
  return { segment: id, sha256, rows: rowCount };
}

/** Copies the lines that are whole. A disk that loses bytes must not keep the rest from being stored, or erased. */
async function salvage(segment: SegmentFile, path: string): Promise<{ kept: number; lost: number }> {
  let kept = 0;
  let lost = 0;
  for await (const lines of segment.lines(0, segment.committedBytes)) {
    const whole = lines.filter((line) => isWholeLine(segment.kind, line));
    kept += whole.length;
    lost += lines.length - whole.length;
    await appendFile(path, whole.map((line) => `${line}\n`).join(''), { mode: 0o600 });
  }
  return { kept, lost };
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
