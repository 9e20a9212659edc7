import type { Job } from '@slipway/kernel';
import type { Log } from './log.ts';

/** Runs each job now and then, never twice at once. @returns what stops them and waits for the ones that run. */
export function startJobs(jobs: readonly Job[], log: Log): () => Promise<void> {
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  const timers = jobs.map((job) => {
    let busy = false;
    const timer = setInterval(() => {
      if (busy || stopping.signal.aborted) return;
      busy = true;
      const run = job
        .run(stopping.signal)
        .catch((error: unknown) =>
          log({
            level: 'warn',
            message: `job ${job.name} failed`,
            fields: { error: error instanceof Error ? error.message : String(error) },
          }),
        )
        .finally(() => {
          busy = false;
          running.delete(run);
        });
      running.add(run);
    }, job.everyMs);
    timer.unref();
    return timer;
  });
  return async () => {
    stopping.abort();
    timers.forEach(clearInterval);
    await Promise.all(running);
  };
}
