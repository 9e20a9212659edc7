/**
 * How much processor time one turn of a server's event loop takes while a model of ~20 ms a run is under load: what a quiet
 * machine would show as delay, for machines that are not. The server runs in this process, the load in another.
 *
 *     node bench/event-loop-cpu.ts [--seconds 8] [--connections 32]
 *
 * Goal: p99 of the turns below 10 ms. Ends with 1 when it is missed.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startServer } from '@slipway/server';
import type { LoadPlan, LoadReport } from './predict-http/load.ts';
import { HEAVY_NAME, launchHeavy, predictRequest } from './support/heavy-release.ts';
import { KEY } from './support/slipway-process.ts';

const TURN_MS_P99_MAX = 10;
const REQUESTS = 64;
const WARM_SECONDS = 2;

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '8' }, connections: { type: 'string', default: '32' } } });

/** Processor time of this thread alone, in milliseconds. */
function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Processor time of each turn of the event loop until `work` ends. */
async function turnsOf<T>(work: () => Promise<T>): Promise<{ turnsMs: number[]; result: T }> {
  const turnsMs: number[] = [];
  let beforeMs = threadCpuMs();
  let isOver = false;
  const turn = () => {
    const nowMs = threadCpuMs();
    turnsMs.push(nowMs - beforeMs);
    beforeMs = nowMs;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const result = await work();
  isOver = true;
  return { turnsMs, result };
}

const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
const home = join(folder, 'home');
try {
  await launchHeavy({ home }, folder);
  const server = await startServer({ home, port: 0, adminKey: KEY, listen: true });
  const load = fork(new URL('./predict-http/load.ts', import.meta.url));
  await once(load, 'message');
  const port = Number(new URL(server.url ?? '').port);
  const requests = Array.from({ length: REQUESTS }, (_, index) => predictRequest(HEAVY_NAME, { x: index / REQUESTS }));
  const run = async (seconds: number): Promise<LoadReport> => {
    load.send({ port, requests, seconds, connections: Number(values.connections) } satisfies LoadPlan);
    const [report] = (await once(load, 'message')) as [LoadReport | { error: string }];
    if ('error' in report) throw new Error(report.error);
    return report;
  };
  await run(WARM_SECONDS);
  const { turnsMs, result } = await turnsOf(() => run(Number(values.seconds)));
  load.kill();
  await server.close();
  // Turns in which nothing happened say nothing.
  const busy = Float64Array.from(turnsMs.filter((turnMs) => turnMs > 0.1)).toSorted();
  const at = (share: number) => busy[Math.floor(share * (busy.length - 1))] ?? Number.NaN;
  console.log(
    `${busy.length} busy turns, ${result.requestsPerSecond.toFixed(0)} requests/s, latency p50 ${result.latencyMsP50.toFixed(1)} ms`,
  );
  console.log(`processor time of a turn: p50 ${at(0.5).toFixed(2)} ms, p99 ${at(0.99).toFixed(2)} ms, longest ${at(1).toFixed(2)} ms`);
  const met = at(0.99) < TURN_MS_P99_MAX;
  console.log(`goal p99 below ${TURN_MS_P99_MAX} ms: ${met ? 'met' : 'MISSED'}`);
  process.exitCode = met ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
