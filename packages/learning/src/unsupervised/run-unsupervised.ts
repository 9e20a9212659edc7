import { Worker } from 'node:worker_threads';
import { takeRows, workerUrl } from '@slipway/kernel';
import { openModel } from '@slipway/models';
import { reviveError, TrainingCancelledError } from '../errors.ts';
import { graphMetadata } from './export.ts';
import type { UnsupervisedDone, UnsupervisedReply, UnsupervisedWork } from './worker-protocol.ts';

export interface UnsupervisedRun extends UnsupervisedDone {
  /** Largest difference between model and graph over test rows, relative to max(1, |value|). */
  readonly maxError: number;
}

export interface UnsupervisedRunOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((ratio: number, message: string) => void) | undefined;
}

/**
 * Fits a model without a target on a thread of its own, judges it by the test rows, and compares its graph with it.
 * @throws {TrainingCancelledError} when the signal aborts; the thread ends at once. {NoFeatureError | TrainRequestError}
 */
export async function runUnsupervised(work: UnsupervisedWork, options: UnsupervisedRunOptions = {}): Promise<UnsupervisedRun> {
  const done = await askWorker(work, options);
  return { ...done, maxError: await graphError(done, work) };
}

function askWorker(work: UnsupervisedWork, { signal, onProgress }: UnsupervisedRunOptions): Promise<UnsupervisedDone> {
  const cancelled = () => new TrainingCancelledError('The training was cancelled.');
  if (signal?.aborted) return Promise.reject(cancelled());
  const worker = new Worker(workerUrl('unsupervised-worker', import.meta.url));
  return new Promise<UnsupervisedDone>((resolve, reject) => {
    signal?.addEventListener('abort', () => reject(cancelled()), { once: true });
    worker.on('error', reject);
    worker.on('exit', () => reject(new Error('The thread ended before it answered.')));
    worker.on('message', (message: UnsupervisedReply) => {
      if (message.type === 'progress') onProgress?.(message.ratio, message.message);
      else if (message.type === 'done') resolve(message.value);
      else reject(reviveError(message.error));
    });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(work);
  }).finally(() => worker.terminate());
}

async function graphError({ bytes, parity, contract }: UnsupervisedDone, { test }: UnsupervisedWork): Promise<number> {
  const model = await openModel({ bytes, metadata: graphMetadata(contract, parity.width), lane: 'worker' });
  try {
    const frame = takeRows(
      test,
      Array.from({ length: parity.rows }, (_, row) => row),
    );
    const { values = new Float64Array(0) } = await model.predict(frame);
    const features = await model.features(frame);
    return Math.max(worst(parity.prediction, values), worst(parity.features, features.values));
  } finally {
    await model.close();
  }
}

function worst(expected: ArrayLike<number>, got: ArrayLike<number>): number {
  if (expected.length !== got.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let at = 0; at < expected.length; at += 1) {
    const [a, b] = [expected[at] as number, got[at] as number];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    const error = Math.abs(a - b) / Math.max(1, Math.abs(a));
    most = Math.max(most, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
  }
  return most;
}
