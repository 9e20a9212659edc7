import { CancelledError } from './errors.ts';

/** Longest stretch of computing between two turns of the event loop; a server may be answering calls meanwhile. */
const COMPUTE_SLICE_MS = 8;

/** Lets everything that waits in the event loop run once. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Calls `work` until it returns false, letting the event loop turn every few milliseconds. @throws {CancelledError} */
export async function computeInSlices(work: () => boolean, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    if (signal?.aborted) throw new CancelledError('It was cancelled.');
    const until = performance.now() + COMPUTE_SLICE_MS;
    while (performance.now() < until) if (!work()) return;
    await breathe();
  }
}
