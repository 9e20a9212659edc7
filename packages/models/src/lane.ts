import { availableParallelism } from 'node:os';
import { openCompiledEngine, programBytes } from './compiled/compiled-engine.ts';
import type { GraphProgram } from './compiled/program.ts';
import type { ModelMetadata } from './contract.ts';
import { type Engine, openEngine, type Numbers } from './engine.ts';
import { ModelClosedError } from './errors.ts';
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
  /** The same at once, where the thread that asks computes in JavaScript. */
  readonly runNow?: ((rows: EncodedRows, outputs: readonly string[]) => Numbers[]) | undefined;
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
  if (!prepared.program) return { lane: new InlineLane(engine, prepared.sizeBytes), prepared };
  await engine.close();
  return { lane: programLane(prepared.program), prepared };
}

export function laneFor(rowMs: number): LaneKind {
  return rowMs > INLINE_LIMIT_MS ? 'worker' : 'inline';
}

/**
 * Workers that a model gets when nobody says: as many as the cores compute at once. The event loop of a model that is worth a worker
 * has little to do, and gets its turn within a few milliseconds (`bench/event-loop.ts --serving lanes=2` on two cores).
 */
export function lanesFor({ cores, threads, sizeBytes }: { cores: number; threads: number; sizeBytes: number }): number {
  if (sizeBytes > COPIED_BYTES_MAX) return 1;
  return Math.max(1, Math.min(LANES_DEFAULT_MAX, Math.floor(cores / threads)));
}

/**
 * What a session is taken to hold: what the process grew by when it was opened, never less than its file, and bounded, since
 * other work grows the process too.
 */
export function measured(sizeBytes: number, growthBytes: number): number {
  return Math.max(sizeBytes, Math.min(growthBytes, GROWTH_RATIO_MAX * sizeBytes + GROWTH_BYTES_MAX));
}

function programLane(program: GraphProgram): Lane {
  return new InlineLane(openCompiledEngine(program), programBytes(program));
}

async function openInline(source: ModelSource, prepared: PreparedModel, options: LaneOptions): Promise<Lane> {
  if (prepared.program) return programLane(prepared.program);
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
  const openAnother = async (): Promise<ModelWorker> => {
    const worker = new ModelWorker();
    try {
      await worker.open(prepared.packedBytes ?? source, prepared.plan, { threads, provider });
      return worker;
    } catch (error) {
      await worker.close();
      throw error;
    }
  };
  try {
    while (workers.length < count) workers.push(await openAnother());
  } catch (error) {
    await Promise.all(workers.map((worker) => worker.close()));
    throw error;
  }
  return new WorkerLanes(workers, eachBytes * workers.length, openAnother);
}

/** Computes on the calling thread. */
class InlineLane implements Lane {
  readonly kind = 'inline';
  readonly lanes = 1;
  readonly memoryBytes: number;
  lastRunMs = Number.NaN;
  readonly runNow: Lane['runNow'];
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
    const { runNow } = engine;
    this.runNow =
      runNow &&
      ((rows, outputs) => {
        const startedMs = performance.now();
        const numbers = runNow(rows, outputs);
        this.lastRunMs = performance.now() - startedMs;
        return numbers;
      });
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

/** Workers of one model that are started again when they have died; more deaths than this are no accident. */
export const REPLACEMENTS_LIMIT = 5;

/**
 * Several workers with a copy of the model each; a run goes to the one with the least to do. One that has died (out of heap)
 * fails the runs it had and is replaced.
 */
export class WorkerLanes implements Lane {
  readonly kind = 'worker';
  readonly lanes: number;
  readonly memoryBytes: number;
  readonly lastRunMs = Number.NaN;
  readonly #workers: ModelWorker[];
  readonly #openAnother: () => Promise<ModelWorker>;
  #replacements = 0;
  #replacing: Promise<void> | undefined;
  #isClosed = false;

  constructor(workers: readonly ModelWorker[], memoryBytes: number, openAnother: () => Promise<ModelWorker>) {
    this.#workers = [...workers];
    this.lanes = workers.length;
    this.memoryBytes = memoryBytes;
    this.#openAnother = openAnother;
  }

  async run(rows: EncodedRows, outputs: readonly string[]): Promise<Numbers[]> {
    let best: ModelWorker | undefined;
    let dead: ModelWorker | undefined;
    for (const worker of this.#workers) {
      if (worker.ended) dead = worker;
      else if (!best || worker.waiting < best.waiting) best = worker;
    }
    if (dead && !this.#isClosed && this.#replacements < REPLACEMENTS_LIMIT) this.#replacing ??= this.#replace(dead);
    if (best) return best.run(rows, outputs);
    // Nobody is left: the replacement is worth waiting for.
    if (!this.#replacing) throw dead?.ended ?? new ModelClosedError('The model was closed.');
    await this.#replacing;
    return this.run(rows, outputs);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#replacing;
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  /** Never rejects: a worker that cannot be opened again stays dead. */
  async #replace(dead: ModelWorker): Promise<void> {
    this.#replacements += 1;
    const fresh = await this.#openAnother().catch(() => undefined);
    if (fresh) this.#workers.splice(this.#workers.indexOf(dead), 1, fresh);
    this.#replacing = undefined;
  }
}
