import type { Clock, WorkflowContext } from '@slipway/kernel';

/** Events of one run stay far below what a run may have, also when it takes hours. */
const REPORT_EVERY_MS = 2_000;

/** Counts rows and says now and then how many are done, how fast, and how long it will still take. */
export function batchProgress(context: Pick<WorkflowContext, 'progress'>, clock: Clock, total: number) {
  const startedMs = clock.monotonicMs();
  let start: number | undefined;
  let done = 0;
  let reportedMs = Number.NEGATIVE_INFINITY;
  const report = () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - reportedMs < REPORT_EVERY_MS) return;
    reportedMs = nowMs;
    context
      .progress({ phase: 'predict', ratio: done / total, message: progressText(done, done - (start ?? 0), total, nowMs - startedMs) })
      .catch(() => {});
  };
  return {
    /** A shard begins at this row; finished ones of an earlier process do not count for the rate. */
    at(row: number) {
      start ??= row;
      done = row;
      report();
    },
    add(rows: number) {
      done = Math.min(total, done + rows);
      report();
    },
  };
}

/** `1,200,000 of 5,000,000 rows, 95,000 rows/s, 40 s left`. */
export function progressText(done: number, since: number, total: number, elapsedMs: number): string {
  const counted = `${thousands(done)} of ${thousands(total)} rows`;
  if (since <= 0 || elapsedMs <= 0) return counted;
  const rate = (since * 1000) / elapsedMs;
  return `${counted}, ${thousands(Math.round(rate))} rows/s, ${duration((total - done) / rate)} left`;
}

function thousands(count: number): string {
  return count.toLocaleString('en-US');
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}
