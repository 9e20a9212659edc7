import { Worker } from 'node:worker_threads';
import { CancelledError, type ExplainOptions, type Frame, type Row, UnavailableError, workerUrl } from '@slipway/kernel';
import { reviveError } from '../errors.ts';
import type { BuildRequest } from './build-explainer.ts';
import type { ExplainMessage, ExplainReplies, ExplainReply } from './explain-protocol.ts';
import type { Decision } from './explainer.ts';

/** Questions that may wait for the thread; more are refused, since their callers would wait too long anyway. */
export const EXPLAIN_QUEUE_LIMIT = 256;
/** A thread with nothing to do is ended after this time, so that an idle server does not pay for it. */
const IDLE_LIMIT_MS = 60_000;

/** Too many explanations are being waited for. */
export class ExplainBusyError extends UnavailableError {
  override readonly code = 'learning/explain-busy';
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Questions = { [K in keyof ExplainReplies]: Omit<Extract<ExplainMessage, { kind: K }>, 'kind'> };

/** One thread that builds explainers and explains with them. Starts when asked and ends when idle. */
export class ExplainThread {
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #next = 0;
  #isClosed = false;
  readonly #pending = new Map<number, Pending>();
  readonly #loaded = new Map<string, Promise<unknown>>();

  /** Takes from training rows what explanations need. */
  async build(request: BuildRequest, signal?: AbortSignal): Promise<ExplainReplies['build']> {
    signal?.throwIfAborted();
    const cancel = () => void this.close();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await this.#ask('build', { request });
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Opens a stored explainer; `read` gives its bytes when the thread does not have it. */
  load(key: string, read: () => Promise<Uint8Array>): Promise<ExplainReplies['load']> {
    const loading = read().then((bytes) => this.#ask('load', { key, bytes }));
    this.#loaded.set(key, loading);
    loading.catch(() => this.#loaded.delete(key));
    return loading;
  }

  explain(
    stored: { readonly key: string; readonly read: () => Promise<Uint8Array> },
    rows: readonly Row[],
    options: ExplainOptions,
    decision: Decision,
  ): Promise<ExplainReplies['explain']> {
    return this.#with(stored, () => this.#ask('explain', { key: stored.key, rows, options, decision }));
  }

  contributions(
    stored: { readonly key: string; readonly read: () => Promise<Uint8Array> },
    frame: Frame,
  ): Promise<ExplainReplies['contributions']> {
    return this.#with(stored, () => this.#ask('contributions', { key: stored.key, frame }));
  }

  interactions(
    stored: { readonly key: string; readonly read: () => Promise<Uint8Array> },
    frame: Frame,
  ): Promise<ExplainReplies['interactions']> {
    return this.#with(stored, () => this.#ask('interactions', { key: stored.key, frame }));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#stop(new CancelledError('Explaining was cancelled.'));
  }

  /** Asks once more after loading when the thread had given the explainer up. */
  async #with<T>({ key, read }: { readonly key: string; readonly read: () => Promise<Uint8Array> }, ask: () => Promise<T>): Promise<T> {
    await (this.#loaded.get(key) ?? this.load(key, read));
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof UnloadedError)) throw error;
      await this.load(key, read);
      return ask();
    }
  }

  #ask<K extends keyof ExplainReplies>(kind: K, question: Questions[K]): Promise<ExplainReplies[K]> {
    if (this.#isClosed) return Promise.reject(new CancelledError('The explaining thread was closed.'));
    if (this.#pending.size >= EXPLAIN_QUEUE_LIMIT)
      return Promise.reject(
        new ExplainBusyError(`${EXPLAIN_QUEUE_LIMIT} explanations are waited for already.`, { help: 'Ask again in a moment.' }),
      );
    const worker = this.#start();
    clearTimeout(this.#idle);
    worker.ref();
    const id = (this.#next += 1);
    return new Promise<ExplainReplies[K]>((resolve, reject) => {
      // The thread answers a question of kind K with a reply of kind K.
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage({ id, message: { kind, ...question } });
    });
  }

  #start(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(workerUrl('explain-worker', import.meta.url));
    worker.on('message', (message: ExplainReply) => this.#receive(message));
    const fail = (error: unknown) => {
      if (this.#worker === worker) void this.#stop(error);
    };
    worker.on('error', fail);
    worker.on('exit', () => fail(new Error('The explaining thread ended before it answered.')));
    this.#worker = worker;
    return worker;
  }

  #receive(message: ExplainReply): void {
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (this.#pending.size === 0) {
      this.#worker?.unref();
      this.#idle = setTimeout(() => void this.#stop(new CancelledError('The explaining thread was idle.')), IDLE_LIMIT_MS);
      this.#idle.unref();
    }
    if (message.type === 'done') pending?.resolve(message.value);
    else pending?.reject(message.type === 'unloaded' ? new UnloadedError() : reviveError(message.error));
  }

  async #stop(reason: unknown): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    this.#loaded.clear();
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of waiting) reject(reason);
    await worker?.terminate();
  }
}

class UnloadedError extends Error {}
