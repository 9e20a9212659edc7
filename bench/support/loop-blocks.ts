/**
 * How long reading 200,000 rows from the embedded records keeps the event loop from other work. Runs in a process of its
 * own and tells the parent; the histogram is the same one that monitoring would use.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openRecords } from '@slipway/records';

const ROWS = 200_000;
const QUERIES = 5;
const RESOLUTION_MS = 1;
const NANOS_PER_MS = 1e6;

export interface LoopBlocks {
  readonly rows: number;
  readonly queryMs: number;
  /** Longest time between two turns while nothing ran, for comparison: what the machine itself adds. */
  readonly idleMaxMs: number;
  readonly maxMs: number;
  readonly p99Ms: number;
  /** Most processor time that one turn of the event loop took: what a quiet machine would show as `maxMs`. */
  readonly turnCpuMsMax: number;
}

const records = await openRecords({ kind: 'embedded', directory: undefined });
await records.pool.query('create table bench_rows (id int8 primary key, name text, amount float8, made_at timestamptz, tags jsonb)');
await records.pool.query(
  `insert into bench_rows select i, 'row number ' || i, i / 7.0, now(), '{"a": [1, 2], "b": "text"}' from generate_series(1, ${ROWS}) i`,
);

/** Processor time of this thread alone, in milliseconds: a turn that was interrupted by another process is not longer for it. */
function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Turns of the event loop follow each other until `work` ends. */
async function longestTurnMs(work: () => Promise<void>): Promise<number> {
  let longestMs = 0;
  let beforeMs = threadCpuMs();
  let ended = false;
  const turn = () => {
    const nowMs = threadCpuMs();
    longestMs = Math.max(longestMs, nowMs - beforeMs);
    beforeMs = nowMs;
    if (!ended) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  ended = true;
  return longestMs;
}

async function measure(work: () => Promise<void>): Promise<{ maxMs: number; p99Ms: number }> {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  await new Promise((resolve) => setTimeout(resolve, 50));
  histogram.reset();
  await work();
  await new Promise((resolve) => setTimeout(resolve, 5));
  histogram.disable();
  return { maxMs: histogram.max / NANOS_PER_MS - RESOLUTION_MS, p99Ms: histogram.percentile(99) / NANOS_PER_MS - RESOLUTION_MS };
}

const query = async () => {
  const { rows } = await records.pool.query('select id, name, amount, made_at, tags from bench_rows order by id');
  if (rows.length !== ROWS) throw new Error(`expected ${ROWS} rows, got ${rows.length}`);
};
await query();
const startedMs = performance.now();
const busy = await measure(async () => {
  for (let index = 0; index < QUERIES; index += 1) await query();
});
const queryMs = (performance.now() - startedMs) / QUERIES;
const idle = await measure(() => new Promise((resolve) => setTimeout(resolve, queryMs * QUERIES)));
const turnCpuMsMax = await longestTurnMs(query);
await records.close();
process.send?.({ rows: ROWS, queryMs, idleMaxMs: idle.maxMs, ...busy, turnCpuMsMax } satisfies LoopBlocks);
