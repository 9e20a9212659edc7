import { Worker } from 'node:worker_threads';
import { workerUrl } from '@slipway/kernel';
import { createGate, holdExitFor, releaseExit } from './exit-gate.ts';
import type { ModelMetadata } from './contract.ts';
import { openEngine, type Numbers } from './engine.ts';
import { InferenceError, ModelClosedError, ModelTooLargeError } from './errors.ts';
import type { EncodedRows } from './input-plan.ts';
import { prepareModel, type ModelSource, type PrepareOptions, type PreparedModel } from './prepare.ts';
import { reviveError, type WorkerReply, type WorkerRequest } from './worker-messages.ts';

/** Where a model computes: on the thread that asks, or on a worker of its own. */
export type LaneKind = 'inline' | 'worker';

export interface Lane {
  readonly kind: LaneKind;
  run(rows: EncodedRows, outputs: readonly string[]): Promise<Numbers[]>;
  close(): Promise<void>;
}

/** A model whose single row takes longer than this leaves the event loop's thread. */
export const INLINE_LIMIT_MS = 1;
/** JavaScript heap of a worker; the engine's own memory is not part of it. */
const WORKER_HEAP_MB = 2_048;

export interface LaneOptions extends PrepareOptions {
  /** `auto` decides by measuring. */
  readonly lane: LaneKind | 'auto';
}

/** Prepares a model on a worker, so that parsing, packing and measuring never block the caller, and opens its lane. */
export async function openLane(
  source: ModelSource,
  metadata: ModelMetadata,
  options: LaneOptions,
): Promise<{ lane: Lane; prepared: PreparedModel }> {
  const worker = new ModelWorker();
  try {
    const prepared = await worker.prepare(source, metadata, options);
    const kind = options.lane === 'auto' ? laneFor(prepared.rowMs) : options.lane;
    if (kind === 'worker') return { lane: worker, prepared };
    const engine = await openEngine(prepared.packedBytes ?? source, prepared.plan, options);
    await worker.close();
    return { lane: { kind: 'inline', run: engine.run, close: engine.close }, prepared };
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
  return { lane: { kind: 'inline', run: engine.run, close: engine.close }, prepared };
}

export function laneFor(rowMs: number): LaneKind {
  return rowMs > INLINE_LIMIT_MS ? 'worker' : 'inline';
}

interface Waiting {
  readonly resolve: (reply: WorkerReply) => void;
  readonly reject: (error: Error) => void;
}

class ModelWorker implements Lane {
  readonly kind = 'worker';
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #gate: Int32Array;
  readonly #exited: Promise<void>;
  #next = 0;
  #ended: Error | undefined;

  constructor() {
    this.#gate = createGate();
    this.#worker = new Worker(workerUrl('model-worker', import.meta.url), {
      workerData: this.#gate,
      // Flags such as --input-type make sense for the caller's entry only.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB },
    });
    holdExitFor(this.#gate);
    this.#worker.on('message', (reply: WorkerReply) => this.#settle(reply));
    this.#worker.on('error', (cause) => this.#end(workerFailure(cause)));
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        releaseExit(this.#gate);
        this.#end(new ModelClosedError('The model was closed.'));
        resolve();
      });
    });
    // A server that is shutting down is not held up by an idle model.
    this.#worker.unref();
  }

  async prepare(source: ModelSource, metadata: ModelMetadata, options: PrepareOptions): Promise<PreparedModel> {
    const { threads, limits, pack } = options;
    const request = { type: 'prepare', source, metadata, options: { threads, pack, ...(limits ? { limits } : {}) } } as const;
    const reply = await this.#ask(request, []);
    if (reply.type !== 'prepared') throw new InferenceError('The model worker gave an unexpected reply.');
    return reply.prepared;
  }

  async run(rows: EncodedRows, outputs: readonly string[]): Promise<Numbers[]> {
    const reply = await this.#ask({ type: 'run', rows, outputs }, [rows.numbers.buffer as ArrayBuffer]);
    if (reply.type !== 'ran') throw new InferenceError('The model worker gave an unexpected reply.');
    return [...reply.numbers];
  }

  /**
   * Asks the worker to end after the run it is in. It is never terminated: the engine's binding aborts the whole
   * process when its thread is stopped in the middle of a run (onnxruntime-node 1.30, 2026-11).
   */
  async close(): Promise<void> {
    this.#end(new ModelClosedError('The model was closed.'));
    this.#worker.ref();
    this.#worker.postMessage({ id: 0, request: { type: 'close' } satisfies WorkerRequest }, []);
    await this.#exited;
  }

  async #ask(request: WorkerRequest, transfer: ArrayBuffer[]): Promise<WorkerReply> {
    if (this.#ended) throw this.#ended;
    const id = (this.#next += 1);
    // A call that is being answered keeps the process alive; an idle worker does not.
    if (this.#waiting.size === 0) this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, request }, transfer);
    });
  }

  #settle(reply: WorkerReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (reply.type === 'failed') waiting?.reject(reviveError(reply.error));
    else waiting?.resolve(reply);
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}

function workerFailure(cause: unknown): Error {
  const isMemory = cause instanceof Error && (cause as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
  if (isMemory) return new ModelTooLargeError(`Reading the model needs more than ${WORKER_HEAP_MB} MB.`, { cause });
  return new InferenceError('The worker of the model stopped unexpectedly.', { cause });
}
