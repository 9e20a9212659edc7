/**
 * Loaded into a server with `--import`: what long pauses of its main thread were made of, written to the file in
 * SLIPWAY_BENCH_TURNS when the process ends. A timer that wants a turn each millisecond sees how late it is, and asks the kernel how
 * much of that the thread computed and how much it was ready and waited for a core; the rest it slept, which a late timer does
 * only when something held the thread (a lock, the disk) or the collector's helpers had not finished.
 */
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { type PerformanceEntry, PerformanceObserver, constants } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** Shorter ones are not kept. */
const PAUSE_MS_MIN = 3;
const PAUSES_LIMIT = 100_000;
const TICK_MS = 1;

export interface Pause {
  /** Since 1970, when it ended. */
  readonly atMs: number;
  readonly tookMs: number;
  readonly computedMs: number;
  readonly waitedMs: number;
  /** Of the main thread's garbage collections that ended in it: of the young generation, and of all. */
  readonly youngMs: number;
  readonly fullMs: number;
}

const file = process.env['SLIPWAY_BENCH_TURNS'];
// The flag that loads this is inherited by workers, whose turns are not asked about.
if (file !== undefined && isMainThread) watch(file);

function watch(path: string): void {
  const pauses: Pause[] = [];
  const collections: { endMs: number; tookMs: number; isYoung: boolean }[] = [];
  new PerformanceObserver((list) => {
    // What kind of collection an entry tells of is not part of the web's type for it.
    for (const { startTime, duration, detail } of list.getEntries() as (PerformanceEntry & { detail?: { kind?: number } })[]) {
      const isYoung = detail?.kind === constants.NODE_PERFORMANCE_GC_MINOR;
      collections.push({ endMs: startTime + duration, tookMs: duration, isYoung });
    }
  }).observe({ entryTypes: ['gc'] });
  const descriptor = openSync('/proc/thread-self/schedstat', 'r');
  const buffer = Buffer.alloc(128);
  const read = (): [number, number] => {
    const length = readSync(descriptor, buffer, 0, buffer.length, 0);
    const [ran = '0', waited = '0'] = buffer.toString('latin1', 0, length).split(' ');
    return [Number(ran) / 1e6, Number(waited) / 1e6];
  };
  let lastMs = performance.now();
  let [ranMs, waitedMs] = read();
  setInterval(() => {
    const nowMs = performance.now();
    const [ran, waited] = read();
    if (nowMs - lastMs >= PAUSE_MS_MIN && pauses.length < PAUSES_LIMIT) {
      const startMs = lastMs;
      const pause = { atMs: Date.now(), tookMs: nowMs - lastMs, computedMs: ran - ranMs, waitedMs: waited - waitedMs };
      // Collections are told of in a later turn.
      setTimeout(() => {
        const within = collections.filter(({ endMs }) => endMs > startMs && endMs <= nowMs);
        const sumOf = (young: boolean) => within.reduce((sum, { tookMs, isYoung }) => sum + (isYoung === young ? tookMs : 0), 0);
        pauses.push({ ...pause, youngMs: sumOf(true), fullMs: sumOf(false) });
        collections.splice(0, collections.length - 1_000);
      }, 5);
    }
    [lastMs, ranMs, waitedMs] = [nowMs, ran, waited];
  }, TICK_MS).unref();
  process.on('exit', () => {
    closeSync(descriptor);
    writeFileSync(path, JSON.stringify(pauses));
  });
}
