import { Worker } from 'node:worker_threads';
import { workerUrl } from '@slipway/kernel';
import { reviveError } from './errors.ts';
import type { TrainReplies, TrainReplyMessage, TrainRequestMessage } from './worker-protocol.ts';

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onProgress: ((ratio: number) => void) | undefined;
}

/** One training thread, asked one thing at a time. Closing it ends whatever it computes at once. */
export class TrainingThread {
  readonly #worker: Worker;
  #pending: Pending | undefined;
  #broken: unknown;

  constructor() {
    this.#worker = new Worker(workerUrl('train-worker', import.meta.url));
    this.#worker.on('message', (message: TrainReplyMessage) => this.#receive(message));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('The training thread ended before it answered.')));
  }

  async ask<K extends keyof TrainReplies>(
    message: Extract<TrainRequestMessage, { kind: K }>,
    onProgress?: (ratio: number) => void,
  ): Promise<TrainReplies[K]> {
    if (this.#broken !== undefined) throw this.#broken;
    return new Promise<TrainReplies[K]>((resolve, reject) => {
      // The thread answers a request of kind K with a reply of kind K.
      this.#pending = { resolve: resolve as (value: unknown) => void, reject, onProgress };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      this.#worker.postMessage(message);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #receive(message: TrainReplyMessage): void {
    const pending = this.#pending;
    if (message.type === 'progress') {
      pending?.onProgress?.(message.ratio);
      return;
    }
    this.#pending = undefined;
    if (message.type === 'done') pending?.resolve(message.value);
    else pending?.reject(reviveError(message.error));
  }

  #fail(error: unknown): void {
    this.#broken ??= error;
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(error);
  }
}
