import { Worker } from 'node:worker_threads';
import { workerUrl } from '@slipway/kernel';
import type { ModelMetadata } from './contract.ts';
import type { EngineOptions, Numbers } from './engine.ts';
import { InferenceError, ModelClosedError, ModelTooLargeError } from './errors.ts';
import { createGate, holdExitFor, releaseExit } from './exit-gate.ts';
import type { EncodedRows, InputPlan } from './input-plan.ts';
import type { ModelSource, PrepareOptions, PreparedModel } from './prepare.ts';
import { reviveError, type WorkerReply, type WorkerRequest } from './worker-messages.ts';

/** JavaScript heap of a worker; the engine's own memory is not part of it. */
const WORKER_HEAP_MB = 2_048;

interface Waiting {
  readonly resolve: (reply: WorkerReply) => void;
  readonly reject: (error: Error) => void;
}

/** A thread that holds one model. */
export class ModelWorker {
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
    const { threads, provider, limits, pack, compile } = options;
    const request = {
      type: 'prepare',
      source,
      metadata,
      options: { threads, provider, pack, compile, ...(limits ? { limits } : {}) },
    } as const;
    const reply = await this.#ask(request, []);
    if (reply.type !== 'prepared') throw new InferenceError('The model worker gave an unexpected reply.');
    return reply.prepared;
  }

  /** Opens what another worker has prepared. */
  async open(source: ModelSource, plan: InputPlan, options: EngineOptions): Promise<void> {
    await this.#ask({ type: 'open', source, plan, options }, []);
  }

  /** Why it answers no more; undefined while it does. */
  get ended(): Error | undefined {
    return this.#ended;
  }

  /** Requests that have not been answered. */
  get waiting(): number {
    return this.#waiting.size;
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
