import { Worker } from 'node:worker_threads';
import { workerUrl } from '@slipway/kernel';
import { fitHead, type HeadRequest } from './head.ts';
import { type HeadWork, TaskState, takeHeads } from './take-heads.ts';

/** Products of one pass over all rows from which a helper is worth its start, about 0.2 s of a core. */
const SHARED_PRODUCTS_MIN = 1_000_000;
/** Threads that fit heads together at most; each needs some memory of its own. */
const THREADS_MAX = 4;
/** A helper that does not come back within this time is gone, and its heads are fitted here. */
const HELPER_MS_MAX = 600_000;

/**
 * Fits heads that do not depend on each other, on several threads where they are large. Blocks until all are there.
 * @returns the heads in the order of the requests; the same bit for bit whatever the threads.
 */
export function fitHeads(requests: readonly HeadRequest[], threads: number): Float64Array[] {
  const helperCount = Math.min(threads, THREADS_MAX, requests.length) - 1;
  const isLarge = requests.some(({ matrix, outputCount }) => matrix.columns.length * outputCount >= SHARED_PRODUCTS_MIN);
  if (helperCount < 1 || !isLarge) return requests.map(fitHead);
  const states = new Int32Array(new SharedArrayBuffer(4 * requests.length));
  const heads = requests.map(({ matrix, outputCount }) => new Float64Array(new SharedArrayBuffer(8 * (matrix.width + 1) * outputCount)));
  const work: HeadWork = { requests, states, heads };
  const helpers = Array.from({ length: helperCount }, () => new Worker(workerUrl('text-worker', import.meta.url), { workerData: work }));
  for (const helper of helpers) {
    helper.unref();
    // What it did not finish is fitted below.
    helper.on('error', () => undefined);
  }
  takeHeads(work);
  requests.forEach((request, task) => {
    waitFor(states, task);
    if (Atomics.load(states, task) !== TaskState.done) (heads[task] as Float64Array).set(fitHead(request));
  });
  for (const helper of helpers) void helper.terminate();
  return heads;
}

function waitFor(states: Int32Array, task: number): void {
  const startedMs = performance.now();
  while (Atomics.load(states, task) === TaskState.taken && performance.now() - startedMs < HELPER_MS_MAX)
    Atomics.wait(states, task, TaskState.taken, 1_000);
}
