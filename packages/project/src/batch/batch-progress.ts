import type { Clock, WorkflowContext } from '@slipway/kernel';

/** Least time between two reports; it grows with the run, so that the events of a run stay far below their limit also after days. */
const REPORT_EVERY_MS = 2_000;
const REPORTS_PER_AGE = 1_000;
/** Shards whose beginning is reported each; of more, only now and then. */
export const SHARD_EVENTS_LIMIT = 2_000;

export interface BatchPlanSize {
  readonly rows: number;
  readonly shards: number;
}

/** What a batch tells of itself. */
export type BatchProgress = ReturnType<typeof batchProgress>;

/** Says which shard begins, and now and then how many rows are done, how fast, and how long it will still take. */
export function batchProgress(
  context: Pick<WorkflowContext, 'progress'>,
  clock: Pick<Clock, 'monotonicMs'>,
  { rows: total, shards }: BatchPlanSize,
) {
  const startedMs = clock.monotonicMs();
  let start: number | undefined;
  let done = 0;
  let reportedMs = Number.NEGATIVE_INFINITY;
  const report = async (begun: { shard?: number } = {}) => {
    const nowMs = clock.monotonicMs();
    reportedMs = nowMs;
    const message = progressText(done, done - (start ?? 0), total, nowMs - startedMs);
    await context
      .progress({ phase: 'predict', ratio: done / total, message, ...(begun.shard === undefined ? {} : { data: { shard: begun.shard } }) })
      .catch(() => {});
  };
  const isDue = () => {
    const nowMs = clock.monotonicMs();
    return nowMs - reportedMs >= Math.max(REPORT_EVERY_MS, (nowMs - startedMs) / REPORTS_PER_AGE);
  };
  return {
    /** A shard begins at this row: its event says so before its work does, so that the events tell what was done how often. */
    async begin(shard: number, row: number): Promise<void> {
      // Finished shards of an earlier process do not count for the rate.
      start ??= row;
      // Rows of this shard may have been answered while the one before was written.
      done = Math.max(done, row);
      if (shards <= SHARD_EVENTS_LIMIT || isDue()) await report({ shard });
    },
    add(rows: number): void {
      done = Math.min(total, done + rows);
      if (isDue()) void report();
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
