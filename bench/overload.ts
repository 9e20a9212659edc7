/**
 * What a server still answers when five times as much is asked as it can do: peak goodput by a closed loop, then an open loop
 * at five times that rate, then half of the peak until calls are answered again. Two models: `heavy` computes ~20 ms a run of at
 * most 4 rows on a worker, `cheap` (breast-cancer) keeps the event loop itself busy.
 *
 *     node bench/overload.ts [--model heavy,cheap] [--seconds 20] [--factor 5] [--deadline MS] [--profile DIR]
 *
 * A bare server in a process of its own is asked beside it: where its p99 is not below the goal either, the machine is too busy to tell. How
 * many refusals a second one thread can afford beside its answers follows from bench/overload-refusal.ts; see docs/decisions/0011.
 *
 * Goals: goodput at least 90 % of the peak, refusals below 5 ms (p99), recovered within 30 s. Ends with 1 when one is missed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type OpenLoopPlan, type OpenLoopReport, WINDOW_MS } from './overload/open-loop.ts';
import type { LoadPlan, LoadReport } from './predict-http/load.ts';
import { HEAVY_NAME, launchHeavy, predictRequest } from './support/heavy-release.ts';
import { SAMPLES, type SampleModel, launchSample, sampleRows } from './support/sample-models.ts';
import { type SlipwayProcess, mainThreadOf, startSlipway } from './support/slipway-process.ts';

const GOODPUT_RATIO_MIN = 0.9;
const SHED_MS_P99_MAX = 5;
const RECOVERY_SECONDS_MAX = 30;
const REQUESTS = 64;
const CONNECTIONS_MAX = 1_500;
const PEAK_CONNECTIONS = 32;
/** A window counts as recovered when this share of its calls is answered. */
const RECOVERED_RATIO = 0.99;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'heavy,cheap' },
    seconds: { type: 'string', default: '20' },
    factor: { type: 'string', default: '5' },
    deadline: { type: 'string' },
    profile: { type: 'string' },
  },
});

async function startWorker(file: string): Promise<{ child: ChildProcess; ready: unknown }> {
  const child = fork(new URL(file, import.meta.url));
  const [ready] = (await once(child, 'message')) as [unknown];
  return { child, ready };
}

async function ask<Plan extends object, Report>(child: ChildProcess, plan: Plan): Promise<Report> {
  child.send(plan);
  const [report] = (await once(child, 'message')) as [Report | { error: string }];
  if (report !== null && typeof report === 'object' && 'error' in report) throw new Error(String(report.error));
  return report as Report;
}

/** Seconds until calls were answered again: the end of the last window in which they were not. */
function recoverySeconds({ windows }: OpenLoopReport): number {
  const last = windows.findLastIndex((ratio) => ratio < RECOVERED_RATIO);
  return ((last + 1) * WINDOW_MS) / 1_000;
}

async function measure({ port, child }: SlipwayProcess, requests: readonly string[]) {
  const { child: closed } = await startWorker('./predict-http/load.ts');
  const { child: open } = await startWorker('./overload/open-loop.ts');
  const { child: bare, ready } = await startWorker('./overload/bare-server.ts');
  const { port: controlPort } = ready as { port: number };
  try {
    const closedLoop = (seconds: number) => ask<LoadPlan, LoadReport>(closed, { port, requests, seconds, connections: PEAK_CONNECTIONS });
    await closedLoop(4);
    const peak = (await closedLoop(5)).requestsPerSecond;
    const openLoop = (ratePerSecond: number, seconds: number) =>
      ask<OpenLoopPlan, OpenLoopReport>(open, { port, requests, ratePerSecond, seconds, connectionsMax: CONNECTIONS_MAX, controlPort });
    const before = mainThreadOf(child.pid ?? 0);
    const over = await openLoop(peak * Number(values.factor), Number(values.seconds));
    const { ranMs, waitedMs } = mainThreadOf(child.pid ?? 0);
    const thread = { ranMs: ranMs - before.ranMs, waitedMs: waitedMs - before.waitedMs };
    const after = await openLoop(peak / 2, 10);
    return { peak, over, after, thread };
  } finally {
    closed.kill();
    open.kill();
    bare.kill();
  }
}

function judge(name: string, { peak, over, after, thread }: Awaited<ReturnType<typeof measure>>): boolean {
  const goodput = (over.statuses['200'] ?? 0) / over.seconds;
  const recovery = recoverySeconds(after);
  console.log(
    `${name}: peak ${peak.toFixed(0)}/s; at ${values.factor}x for ${over.seconds.toFixed(0)} s: ${JSON.stringify(over.statuses)},`,
  );
  console.log(`  ${over.unsent} not sent for want of a free connection of ${CONNECTIONS_MAX}, ${over.failed} without a reply`);
  console.log(`  answered p50 ${over.answeredMsP50.toFixed(1)} ms, p99 ${over.answeredMsP99.toFixed(1)} ms`);
  console.log(
    `  beside it a bare server: p50 ${over.controlMsP50.toFixed(1)} ms, p99 ${over.controlMsP99.toFixed(1)} ms; the generator's turns: p99 ${over.tickMsP99.toFixed(1)} ms`,
  );
  console.log(
    `  the server's main thread computed for ${(thread.ranMs / over.seconds / 10).toFixed(0)} % of the time, and waited for a core for ${(thread.waitedMs / over.seconds / 10).toFixed(0)} %`,
  );
  const results: [string, number, string, boolean][] = [
    ['goodput of the peak', goodput / peak, `at least ${GOODPUT_RATIO_MIN}`, goodput / peak >= GOODPUT_RATIO_MIN],
    ['refusal p50 ms', over.shedMsP50, '', true],
    // Where nobody was refused there is nothing to be late.
    ['refusal p99 ms', over.shedMsP99, `below ${SHED_MS_P99_MAX}`, !(over.shedMsP99 >= SHED_MS_P99_MAX)],
    ['recovery seconds', recovery, `at most ${RECOVERY_SECONDS_MAX}`, recovery <= RECOVERY_SECONDS_MAX && over.failed === 0],
  ];
  console.table(
    results.map(([what, value, goal, met]) => ({
      what,
      // Not a number, where nobody was refused; it is null once it has come from another process.
      value: Number.isFinite(value) ? Number(value.toFixed(2)) : '-',
      goal,
      met,
    })),
  );
  return results.every(([, , , met]) => met);
}

const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
const home = join(folder, 'home');
try {
  const sample = SAMPLES['breast-cancer'] as SampleModel;
  const headers = values.deadline === undefined ? [] : [`x-slipway-deadline-ms: ${values.deadline}`];
  const models = values.model.split(',');
  if (models.includes('heavy')) await launchHeavy({ home }, folder, 'maxBatchRows=4,lanes=1');
  if (models.includes('cheap')) await launchSample({ home }, sample);
  const nodeFlags = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
  const server = await startSlipway({ home, nodeFlags });
  let met = true;
  for (const model of models) {
    const requests =
      model === 'heavy'
        ? Array.from({ length: REQUESTS }, (_, index) => predictRequest(HEAVY_NAME, { x: index / REQUESTS }, headers))
        : sampleRows(sample, REQUESTS).map((row) => predictRequest(sample.name, row, headers));
    met = judge(model, await measure(server, requests)) && met;
  }
  await server.stop();
  process.exitCode = met ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
