import { availableParallelism } from 'node:os';
import type { ModelMetadata } from './contract.ts';
import { type Engine, openEngine, type Numbers } from './engine.ts';
import type { EncodedRows } from './input-plan.ts';
import { ModelWorker } from './lane-worker.ts';
import { prepareModel, type ModelSource, type PrepareOptions, type PreparedModel } from './prepare.ts';

/** Where a model computes: on the thread that asks, or on workers of its own. */
export type LaneKind = 'inline' | 'worker';

export interface Lane {
  readonly kind: LaneKind;
  /** Runs that compute at once. */
  readonly lanes: number;
  /** What the sessions hold: their files, or what the process grew by when they were opened; see {@link measured}. */
  readonly memoryBytes: number;
  run(rows: EncodedRows, outputs: readonly string[]): Promise<Numbers[]>;
  /** How long the engine computed in the run that ended last; NaN where another thread did. */
  readonly lastRunMs: number;
  close(): Promise<void>;
}

/** A model whose single row takes longer than this leaves the event loop's thread. */
export const INLINE_LIMIT_MS = 1;
/** Workers of one model when nobody says; each costs a thread and a copy of the model. */
export const LANES_DEFAULT_MAX = 4;
/** A model larger than this is not copied unless somebody asks for it. */
const COPIED_BYTES_MAX = 256 * 2 ** 20;
/** The growth of a process says little about one session: it counts for at most this much more than the file. */
const GROWTH_BYTES_MAX = 64 * 2 ** 20;
const GROWTH_RATIO_MAX = 8;

export interface LaneOptions extends PrepareOptions {
  /** `auto` decides by measuring. */
  readonly lane: LaneKind | 'auto';
  /** Workers at once; `auto` decides by the cores, the threads of a run and the size of the model. */
  readonly lanes: number | 'auto';
}

/** Prepares a model on a worker, so that parsing, packing and measuring never block the caller, and opens its lane. */
export async function openLane(
  source: ModelSource,
  metadata: ModelMetadata,
  options: LaneOptions,
): Promise<{ lane: Lane; prepared: PreparedModel }> {
  const worker = new ModelWorker();
  try {
    const beforeBytes = process.memoryUsage.rss();
    const prepared = await worker.prepare(source, metadata, options);
    const kind = options.lane === 'auto' ? laneFor(prepared.rowMs) : options.lane;
    if (kind === 'worker') {
      const each = measured(prepared.sizeBytes, process.memoryUsage.rss() - beforeBytes);
      return { lane: await withMoreWorkers(worker, source, prepared, options, each), prepared };
    }
    const lane = await openInline(source, prepared, options);
    await worker.close();
    return { lane, prepared };
  } catch (error) {
    await worker.close();
    throw error;
  }
}

/** Prepares on the calling thread: for workers and short-lived processes, where a second thread only costs. */
export async function openLaneHere(
  source: ModelSource,
  metadata: ModelMetadata,
  options: PrepareOptions,
): Promise<{ lane: Lane; prepared: PreparedModel }> {
  const { prepared, engine } = await prepareModel(source, metadata, options);
  return { lane: new InlineLane(engine, prepared.sizeBytes), prepared };
}

export function laneFor(rowMs: number): LaneKind {
  return rowMs > INLINE_LIMIT_MS ? 'worker' : 'inline';
}

/** Workers that a model gets when nobody says: as many as the cores beside the event loop's compute at once. */
export function lanesFor({ cores, threads, sizeBytes }: { cores: number; threads: number; sizeBytes: number }): number {
  if (sizeBytes > COPIED_BYTES_MAX) return 1;
  return Math.max(1, Math.min(LANES_DEFAULT_MAX, Math.floor((cores - 1) / threads)));
}

/**
 * What a session is taken to hold: what the process grew by when it was opened, never less than its file, and bounded, since
 * other work grows the process too.
 */
export function measured(sizeBytes: number, growthBytes: number): number {
  return Math.max(sizeBytes, Math.min(growthBytes, GROWTH_RATIO_MAX * sizeBytes + GROWTH_BYTES_MAX));
}

async function openInline(source: ModelSource, prepared: PreparedModel, options: LaneOptions): Promise<Lane> {
  const beforeBytes = process.memoryUsage.rss();
  const engine = await openEngine(prepared.packedBytes ?? source, prepared.plan, options);
  return new InlineLane(engine, measured(prepared.sizeBytes, process.memoryUsage.rss() - beforeBytes));
}

async function withMoreWorkers(
  first: ModelWorker,
  source: ModelSource,
  prepared: PreparedModel,
  options: LaneOptions,
  eachBytes: number,
): Promise<Lane> {
  const { threads = 1, provider, lanes } = options;
  const count = lanes === 'auto' ? lanesFor({ cores: availableParallelism(), threads, sizeBytes: prepared.sizeBytes }) : lanes;
  const workers = [first];
  try {
    for (let index = 1; index < count; index += 1) {
      const worker = new ModelWorker();
      workers.push(worker);
      await worker.open(prepared.packedBytes ?? source, prepared.plan, { threads, provider });
    }
  } catch (error) {
    await Promise.all(workers.map((worker) => worker.close()));
    throw error;
  }
  return new WorkerLanes(workers, eachBytes * workers.length);
}

/** Computes on the calling thread. */
class InlineLane implements Lane {
  readonly kind = 'inline';
  readonly lanes = 1;
  readonly memoryBytes: number;
  lastRunMs = Number.NaN;
  readonly #engine: Engine;
  #startedMs = 0;
  #running = 0;
  #ended: (() => void) | undefined;
  readonly #mark = () => {
    this.#startedMs = performance.now();
  };

  constructor(engine: Engine, memoryBytes: number) {
    this.#engine = engine;
    this.memoryBytes = memoryBytes;
  }

  async run(rows: EncodedRows, outputs: readonly string[]): Promise<Numbers[]> {
    this.#running += 1;
    try {
      // The engine computes in a setImmediate of its own: one queued just before tells when that begins.
      setImmediate(this.#mark);
      const numbers = await this.#engine.run(rows, outputs);
      this.lastRunMs = performance.now() - this.#startedMs;
      return numbers;
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#ended?.();
    }
  }

  /** Waits for the run in hand: a session must not be released between its call and its computing. */
  async close(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#ended = resolve));
    await this.#engine.close();
  }
}

/** Several workers with a copy of the model each; a run goes to the one with the least to do. */
class WorkerLanes implements Lane {
  readonly kind = 'worker';
  readonly lanes: number;
  readonly memoryBytes: number;
  readonly lastRunMs = Number.NaN;
  readonly #workers: readonly ModelWorker[];

  constructor(workers: readonly ModelWorker[], memoryBytes: number) {
    this.#workers = workers;
    this.lanes = workers.length;
    this.memoryBytes = memoryBytes;
  }

  run(rows: EncodedRows, outputs: readonly string[]): Promise<Numbers[]> {
    let best = this.#workers[0] as ModelWorker;
    for (const worker of this.#workers) if (worker.waiting < best.waiting) best = worker;
    return best.run(rows, outputs);
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
}
