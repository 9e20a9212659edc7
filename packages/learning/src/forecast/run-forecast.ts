import { Worker } from 'node:worker_threads';
import { workerUrl } from '@slipway/kernel';
import { openModel } from '@slipway/models';
import { TrainingCancelledError } from '../errors.ts';
import { graphFrame, graphMetadata } from './export-forecaster.ts';
import type { ForecastDone, ForecastReply, ForecastWork } from './worker-protocol.ts';

export interface ForecastRun extends ForecastDone {
  /** Largest difference between the trees and their graph, relative to max(1, |correction|). */
  readonly maxError: number;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((ratio: number, message: string) => void) | undefined;
}

/**
 * Trains a forecaster on a thread of its own, judges it at the given origins, and compares its graph with its trees.
 * @throws {TrainingCancelledError} when the signal aborts; the thread ends at once.
 */
export async function runForecast(work: ForecastWork, options: RunOptions = {}): Promise<ForecastRun> {
  const done = await askWorker(work, options);
  return { ...done, maxError: await graphError(done) };
}

function askWorker(work: ForecastWork, { signal, onProgress }: RunOptions): Promise<ForecastDone> {
  const cancelled = () => new TrainingCancelledError('The training was cancelled.');
  if (signal?.aborted) return Promise.reject(cancelled());
  const worker = new Worker(workerUrl('forecast-worker', import.meta.url));
  return new Promise<ForecastDone>((resolve, reject) => {
    signal?.addEventListener('abort', () => reject(cancelled()), { once: true });
    worker.on('error', reject);
    worker.on('exit', () => reject(new Error('The forecasting thread ended before it answered.')));
    worker.on('message', (message: ForecastReply) => {
      if (message.type === 'progress') onProgress?.(message.ratio, message.message);
      else if (message.type === 'done') resolve(message.value);
      else reject(Object.assign(new Error(message.message), { stack: message.stack }));
    });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(work);
  }).finally(() => worker.terminate());
}

async function graphError({ bytes, parity }: ForecastDone): Promise<number> {
  const rowCount = parity.margins.length;
  if (rowCount === 0) return 0;
  const model = await openModel({ bytes, metadata: graphMetadata(parity.columns.length), lane: 'worker' });
  try {
    const { values } = await model.predict(graphFrame({ rowCount, features: [], columns: parity.columns }));
    return parity.margins.reduce((worst, margin, row) => {
      const error = Math.abs(margin - (values?.[row] ?? Number.NaN)) / Math.max(1, Math.abs(margin));
      return Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
    }, 0);
  } finally {
    await model.close();
  }
}
