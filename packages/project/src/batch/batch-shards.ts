import { rm } from 'node:fs/promises';
import type { Objects } from '@slipway/objects';
import type { BatchProcess } from './batch-process.ts';
import { type OpenedStep, SHARD_ROWS, type ShardStep } from './batch-state.ts';

/**
 * Shards that are made at once: the rows of one are answered while the one before is written, hashed and recorded. A killed run
 * makes at most this many shards again.
 */
export const SHARDS_IN_HAND = 2;

/** A shard's finished files, not yet stored. */
interface ShardFiles {
  readonly outputPath: string | null;
  readonly rejectsPath: string | null;
  readonly rejected: number;
}

export interface ShardsOptions {
  readonly objects: Pick<Objects, 'temporaryPath' | 'localPath' | 'putFile'>;
  readonly project: string;
  readonly worker: Pick<BatchProcess, 'ask'>;
  readonly opened: Pick<OpenedStep, 'source' | 'rows' | 'keep'>;
  readonly onRows: (rows: number) => void;
}

/** Makes the shards of a table, each when it is taken or shortly before. */
export class BatchShards {
  readonly count: number;
  readonly #options: ShardsOptions;
  readonly #made = new Map<number, Promise<ShardFiles>>();

  constructor(options: ShardsOptions) {
    this.#options = options;
    this.count = Math.ceil(options.opened.rows / SHARD_ROWS);
  }

  /** The shard's files as objects; the next one is begun as well. */
  async take(number: number): Promise<ShardStep> {
    for (let next = number; next < Math.min(this.count, number + SHARDS_IN_HAND); next += 1) await this.#begin(next);
    return this.#store(number);
  }

  /** The shard made once more, and no other. */
  async again(number: number): Promise<ShardStep> {
    await this.#begin(number);
    return this.#store(number);
  }

  /** Removes what was made and not taken; for when the process of the batch has been closed. */
  async discard(): Promise<void> {
    for (const made of this.#made.values()) {
      const files = await made.catch(() => undefined);
      for (const path of [files?.outputPath, files?.rejectsPath]) if (path) await rm(path, { force: true });
    }
    this.#made.clear();
  }

  /** @returns when the process has its order, which it finishes in its own time. */
  async #begin(number: number): Promise<void> {
    if (this.#made.has(number)) return;
    const { objects, project, worker, opened, onRows } = this.#options;
    const outputPath = await objects.temporaryPath(project);
    const rejectsPath = await objects.temporaryPath(project);
    const file = await objects.localPath(project, opened.source);
    const from = number * SHARD_ROWS;
    const to = Math.min(from + SHARD_ROWS, opened.rows);
    const order = { type: 'shard', file, from, to, keep: opened.keep, outputPath, rejectsPath } as const;
    const made = worker.ask(order, { onRows }).then(({ rejected, hasOutput }) => ({
      outputPath: hasOutput ? outputPath : null,
      rejectsPath: rejected > 0 ? rejectsPath : null,
      rejected,
    }));
    // Whoever takes it is told; until then nobody may be waiting.
    made.catch(() => {});
    this.#made.set(number, made);
  }

  async #store(number: number): Promise<ShardStep> {
    const { objects, project } = this.#options;
    const made = this.#made.get(number);
    if (!made) throw new Error(`Broken invariant: shard ${number} is stored before it was begun`);
    try {
      const { outputPath, rejectsPath, rejected } = await made;
      const stored = async (path: string | null) => (path === null ? null : (await objects.putFile(project, path)).sha256);
      return { output: await stored(outputPath), rejects: await stored(rejectsPath), rejected };
    } finally {
      this.#made.delete(number);
    }
  }
}
