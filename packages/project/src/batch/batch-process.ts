import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { workerUrl } from '@slipway/kernel';
import { BatchProcessEndedError } from '../errors.ts';
import {
  type BatchOrder,
  type BatchReplies,
  type BatchSetup,
  type FromBatchProcess,
  type ToBatchProcess,
  reviveFailure,
} from './batch-messages.ts';

/** JavaScript heap of the process; tables and graphs lie outside it. */
const HEAP_MIB = 512;
/** Room for young objects: few live longer than a piece of the table, and the default would keep three times as much. */
const YOUNG_HEAP_MIB = 4;
/** Heaps of the C library: with one for each thread, what engines have let go of stays with the process (150 MB of 380, 2026-11). */
const NATIVE_HEAPS = 2;

interface Waiting {
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onRows: ((rows: number) => void) | undefined;
  readonly onRatio: ((ratio: number) => void) | undefined;
}

export interface OrderOptions {
  readonly onRows?: (rows: number) => void;
  readonly onRatio?: (ratio: number) => void;
}

/** A process that works on one batch run, started at its first order and ended with the run, or with this process. */
export class BatchProcess {
  readonly #setup: () => Promise<BatchSetup>;
  readonly #waiting = new Map<number, Waiting>();
  #child: Promise<ChildProcess> | undefined;
  #started: ChildProcess | undefined;
  #next = 0;

  constructor(setup: () => Promise<BatchSetup>, signal: AbortSignal) {
    this.#setup = setup;
    signal.addEventListener('abort', () => this.close(), { once: true });
  }

  async ask<T extends BatchOrder>(order: T, { onRows, onRatio }: OrderOptions = {}): Promise<BatchReplies[T['type']]> {
    const child = await (this.#child ??= this.#start());
    const id = (this.#next += 1);
    return new Promise((resolve, reject) => {
      // The process answers an order with what BatchReplies says of its type.
      this.#waiting.set(id, { resolve: resolve as (reply: unknown) => void, reject, onRows, onRatio });
      child.send(
        { id, order } satisfies ToBatchProcess,
        (cause) => cause && this.#fail(new BatchProcessEndedError('The batch process is gone.', { cause })),
      );
    });
  }

  close(): void {
    this.#started?.kill('SIGKILL');
  }

  async #start(): Promise<ChildProcess> {
    const setup = await this.#setup();
    const child = fork(fileURLToPath(workerUrl('batch-worker', import.meta.url)), [], {
      // It needs nothing of our environment, keys least of all.
      env: { MALLOC_ARENA_MAX: String(NATIVE_HEAPS) },
      execArgv: [`--max-old-space-size=${HEAP_MIB}`, `--max-semi-space-size=${YOUNG_HEAP_MIB}`, '--expose-gc'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#started = child;
    child.on('message', (message) => this.#settle(message as FromBatchProcess));
    child.on('error', (cause) => this.#fail(new BatchProcessEndedError('The batch process could not start.', { cause })));
    child.on('exit', (code, signal) =>
      this.#fail(
        new BatchProcessEndedError(`The batch process ended (${signal ?? `code ${code}`}).`, {
          help: 'The run can be continued: slipway runs, then POST /v1/runs/{run}/retry. If it was killed for memory, give the machine more.',
        }),
      ),
    );
    child.send({ setup } satisfies ToBatchProcess);
    return child;
  }

  #settle(message: FromBatchProcess): void {
    const waiting = this.#waiting.get(message.id);
    if (message.type === 'rows') return waiting?.onRows?.(message.rows);
    if (message.type === 'ratio') return waiting?.onRatio?.(message.ratio);
    this.#waiting.delete(message.id);
    if (message.type === 'failed') waiting?.reject(reviveFailure(message.failure));
    else waiting?.resolve(message.reply);
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
