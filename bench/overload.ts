/**
 * What a server still answers when five times as much is asked as it can do: peak goodput by a closed loop, then an open loop
 * at five times that rate, then half of the peak until calls are answered again. Two models: `heavy` computes ~20 ms a run of at
 * most 4 rows on a worker, `cheap` (breast-cancer) keeps the event loop itself busy.
 *
 *     node bench/overload.ts [--model heavy,cheap] [--seconds 20] [--rounds 2] [--factor 5] [--deadline MS] [--profile DIR] [--pauses]
 *                         [--flags='--node-flag ...']
 *
 * Two things say what is the server's and what the machine's. A bare server that only refuses is asked beside it, one call at a time; and the
 * least that can answer such calls takes turns with it, with a peak of its own: for `heavy` node:http and one worker (`overload/bare-loop.ts`),
 * for `cheap` a Hono echo, which refuses nobody. `--pauses` says what the pauses of the server's main thread were made of. How many refusals a second
 * one thread can afford beside its answers follows from bench/overload-refusal.ts; see docs/decisions/0011.
 *
 * Goals: goodput at least 90 % of the peak, refusals below 5 ms (p99), recovered within 30 s. Ends with 1 when one is missed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type OpenLoopPlan, type OpenLoopReport, WINDOW_MS } from './overload/open-loop.ts';
import type { Pause } from './overload/turn-probe.ts';
import type { LoadPlan, LoadReport } from './predict-http/load.ts';
import { HEAVY_NAME, launchHeavy, predictRequest } from './support/heavy-release.ts';
import { SAMPLES, type SampleModel, launchSample, sampleRows } from './support/sample-models.ts';
import { type SlipwayProcess, mainThreadOf, median, startSlipway, threadsOf } from './support/slipway-process.ts';

const GOODPUT_RATIO_MIN = 0.9;
const SHED_MS_P99_MAX = 5;
const RECOVERY_SECONDS_MAX = 30;
const REQUESTS = 64;
const CONNECTIONS_MAX = 1_500;
const PEAK_CONNECTIONS = 32;
const PEAK_SECONDS = 4;
const PAUSES_SHOWN = 12;
/**
 * The first look of the monitors at 100 calls or more (within 20 s) loads DuckDB, which holds the event loop for about 60 ms, once: what is asked
 * for is how a server that runs refuses, so it is waited for.
 */
const AGED_MS = 24_000;
/** A window counts as recovered when this share of its calls is answered. */
const RECOVERED_RATIO = 0.99;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'heavy,cheap' },
    seconds: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '2' },
    factor: { type: 'string', default: '5' },
    deadline: { type: 'string' },
    profile: { type: 'string' },
    pauses: { type: 'boolean', default: false },
    flags: { type: 'string', default: '' },
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

/** Too much asked of one server, and what it answers when it is asked as much as it can answer. */
interface Overload {
  /** Answered in a second by the closed loop, before and after on average. */
  readonly peak: number;
  readonly over: OpenLoopReport;
  /** Of Slipway's main thread, meanwhile. */
  readonly thread: { readonly ranMs: number; readonly waitedMs: number };
  readonly fromMs: number;
  readonly toMs: number;
}

interface Round {
  readonly own: Overload;
  /** The least that could have answered the same calls. */
  readonly bare: Overload;
}

interface Measured {
  readonly rounds: readonly Round[];
  readonly after: OpenLoopReport;
}

async function measure({ port, child }: SlipwayProcess, requests: readonly string[], barePort: number): Promise<Measured> {
  const { child: closed } = await startWorker('./predict-http/load.ts');
  const { child: open } = await startWorker('./overload/open-loop.ts');
  const { child: control, ready } = await startWorker('./overload/bare-server.ts');
  const { port: controlPort } = ready as { port: number };
  try {
    const closedLoop = (to: number, seconds: number) =>
      ask<LoadPlan, LoadReport>(closed, { port: to, requests, seconds, connections: PEAK_CONNECTIONS });
    const openLoop = (to: number, ratePerSecond: number, seconds: number) =>
      ask<OpenLoopPlan, OpenLoopReport>(open, { port: to, requests, ratePerSecond, seconds, connectionsMax: CONNECTIONS_MAX, controlPort });
    // The peak before and after: the machine's speed moves within a minute.
    const tooMany = async (to: number): Promise<Overload> => {
      const before = (await closedLoop(to, PEAK_SECONDS)).requestsPerSecond;
      const fromMs = Date.now();
      const start = mainThreadOf(child.pid ?? 0);
      const over = await openLoop(to, before * Number(values.factor), Number(values.seconds));
      const { ranMs, waitedMs } = mainThreadOf(child.pid ?? 0);
      const thread = { ranMs: ranMs - start.ranMs, waitedMs: waitedMs - start.waitedMs };
      const toMs = Date.now();
      const after = (await closedLoop(to, PEAK_SECONDS)).requestsPerSecond;
      return { peak: (before + after) / 2, over, thread, fromMs, toMs };
    };
    await closedLoop(port, 4);
    await closedLoop(barePort, 2);
    await sleep(AGED_MS - 6_000);
    const rounds: Round[] = [];
    while (rounds.length < Number(values.rounds)) {
      const threads = threadsOf(child.pid ?? 0);
      const own = await tooMany(port);
      if (values.pauses) tellThreads(threads, threadsOf(child.pid ?? 0), own.over.seconds);
      rounds.push({ own, bare: await tooMany(barePort) });
    }
    const peak = median(rounds.map(({ own }) => own.peak));
    return { rounds, after: await openLoop(port, peak / 2, 10) };
  } finally {
    closed.kill();
    open.kill();
    control.kill();
  }
}

/** Where nobody was refused there is nothing to tell; what is no number comes as null from another process. */
function refusalsOf({ shedMsP50, shedMsP99 }: { readonly shedMsP50: number | null; readonly shedMsP99: number | null }): string {
  return shedMsP50 === null || shedMsP99 === null ? 'nobody' : `p50 ${shedMsP50.toFixed(2)} ms, p99 ${shedMsP99.toFixed(1)} ms`;
}

const goodputOf = ({ over, peak }: Overload) => (over.statuses['200'] ?? 0) / over.seconds / peak;

function tellRound({ own, bare }: Round): void {
  const { over, thread } = own;
  console.log(
    `  peak ${own.peak.toFixed(0)}/s, goodput ${goodputOf(own).toFixed(2)} of it; for ${over.seconds.toFixed(0)} s: ${JSON.stringify(over.statuses)}, ${over.unsent} not sent for want of a free connection of ${CONNECTIONS_MAX}, ${over.failed} without a reply`,
  );
  console.log(`    answered p50 ${over.answeredMsP50.toFixed(1)} ms, p99 ${over.answeredMsP99.toFixed(1)} ms; refused ${refusalsOf(over)}`);
  console.log(
    `    beside it a bare server: p50 ${over.controlMsP50.toFixed(1)} ms, p99 ${over.controlMsP99.toFixed(1)} ms; the generator's turns: p99 ${over.tickMsP99.toFixed(1)} ms`,
  );
  console.log(
    `    the server's main thread computed for ${(thread.ranMs / over.seconds / 10).toFixed(0)} % of the time, and waited for a core for ${(thread.waitedMs / over.seconds / 10).toFixed(0)} %`,
  );
  console.log(
    `    a bare one in its place: peak ${bare.peak.toFixed(0)}/s, goodput ${goodputOf(bare).toFixed(2)} of it; ${JSON.stringify(bare.over.statuses)}, answered p50 ${bare.over.answeredMsP50.toFixed(1)} ms, p99 ${bare.over.answeredMsP99.toFixed(1)} ms; refused ${refusalsOf(bare.over)}`,
  );
}

function judge(name: string, { rounds, after }: Measured): boolean {
  console.log(`${name}: at ${values.factor} times the peak`);
  rounds.forEach(tellRound);
  const goodputs = rounds.map(({ own }) => goodputOf(own));
  const typical = median(goodputs);
  // Of rounds in which somebody was refused; the others have null there, as all that is no number when it comes from another process.
  const refused = (pick: (round: Round) => number) => median(rounds.map(pick).filter(Number.isFinite));
  const shedMsP50 = refused(({ own }) => own.over.shedMsP50);
  const shedMsP99 = refused(({ own }) => own.over.shedMsP99);
  const recovery = recoverySeconds(after);
  const results: [string, number, string, boolean][] = [
    ['goodput of the peak, median', typical, `at least ${GOODPUT_RATIO_MIN}`, typical >= GOODPUT_RATIO_MIN],
    ['goodput of the peak, worst round', Math.min(...goodputs), '', true],
    ['goodput of its peak, a bare server, median', median(rounds.map(({ bare }) => goodputOf(bare))), '', true],
    ['refusal p50 ms', shedMsP50, '', true],
    // Where nobody was refused there is nothing to be late.
    ['refusal p99 ms', shedMsP99, `below ${SHED_MS_P99_MAX}`, !(shedMsP99 >= SHED_MS_P99_MAX)],
    ['refusal p99 ms of the bare server', refused(({ bare }) => bare.over.shedMsP99), '', true],
    ['recovery seconds', recovery, `at most ${RECOVERY_SECONDS_MAX}`, recovery <= RECOVERY_SECONDS_MAX && after.failed === 0],
  ];
  console.table(
    results.map(([what, value, goal, met]) => ({
      what,
      value: Number.isFinite(value) ? Number(value.toFixed(2)) : '-',
      goal,
      met,
    })),
  );
  return results.every(([, , , met]) => met);
}

/** Which threads of the server computed, in percent of a core. */
function tellThreads(before: ReturnType<typeof threadsOf>, after: ReturnType<typeof threadsOf>, seconds: number): void {
  const percent = (value: number) => Number((value / seconds / 10).toFixed(1));
  const lines = [...after].map(([thread, { ranMs, waitedMs }]) => {
    const from = before.get(thread) ?? { ranMs: 0, waitedMs: 0 };
    return { thread, 'computed %': percent(ranMs - from.ranMs), 'waited for a core %': percent(waitedMs - from.waitedMs) };
  });
  console.table(lines.filter((line) => line['computed %'] >= 0.5));
}

/** What the pauses of the server's main thread were made of, while it was asked too much. */
function tellPauses(pauses: readonly Pause[], { rounds }: Measured): void {
  const within = pauses.filter(({ atMs }) => rounds.some(({ own }) => atMs >= own.fromMs && atMs <= own.toMs));
  const sum = (pick: (pause: Pause) => number) => within.reduce((total, pause) => total + pick(pause), 0).toFixed(0);
  console.log(
    `${within.length} pauses of the main thread, ${sum((pause) => pause.tookMs)} ms in all: ${sum((pause) => pause.computedMs)} ms computed (${sum((pause) => pause.youngMs)} ms around collections of the young generation, ${sum((pause) => pause.fullMs)} ms of all), ${sum((pause) => pause.waitedMs)} ms waited for a core. The longest:`,
  );
  const shown = within.toSorted((left, right) => right.tookMs - left.tookMs).slice(0, PAUSES_SHOWN);
  const round = (value: number) => Number(value.toFixed(1));
  console.table(
    shown.map(({ tookMs, computedMs, waitedMs, youngMs, fullMs }) => ({
      ms: round(tookMs),
      computed: round(computedMs),
      'waited for a core': round(waitedMs),
      'collecting the young': round(youngMs),
      'collecting all': round(fullMs),
    })),
  );
}

const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
const home = join(folder, 'home');
try {
  const sample = SAMPLES['breast-cancer'] as SampleModel;
  const headers = values.deadline === undefined ? [] : [`x-slipway-deadline-ms: ${values.deadline}`];
  const models = values.model.split(',');
  if (models.includes('heavy')) await launchHeavy({ home }, folder, 'maxBatchRows=4,lanes=1');
  if (models.includes('cheap')) await launchSample({ home }, sample);
  const nodeFlags = values.flags.split(' ').filter(Boolean);
  if (values.profile !== undefined) nodeFlags.push('--cpu-prof', `--cpu-prof-dir=${values.profile}`);
  const pausesFile = join(folder, 'pauses.json');
  if (values.pauses) {
    process.env['SLIPWAY_BENCH_TURNS'] = pausesFile;
    nodeFlags.push('--import', new URL('./overload/turn-probe.ts', import.meta.url).href);
  }
  const server = await startSlipway({ home, nodeFlags });
  let met = true;
  const all: Measured[] = [];
  for (const model of models) {
    const requests =
      model === 'heavy'
        ? Array.from({ length: REQUESTS }, (_, index) => predictRequest(HEAVY_NAME, { x: index / REQUESTS }, headers))
        : sampleRows(sample, REQUESTS).map((row) => predictRequest(sample.name, row, headers));
    const bare = await startWorker(model === 'heavy' ? './overload/bare-loop.ts' : './predict-http/echo.ts');
    const measured = await measure(server, requests, (bare.ready as { port: number }).port);
    bare.child.kill();
    met = judge(model, measured) && met;
    all.push(measured);
  }
  await server.stop();
  if (values.pauses) {
    const pauses = JSON.parse(await readFile(pausesFile, 'utf8')) as Pause[];
    for (const measured of all) tellPauses(pauses, measured);
  }
  process.exitCode = met ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
