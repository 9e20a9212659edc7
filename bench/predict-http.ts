/**
 * One-row predictions over HTTP with recording on, against a bare Hono echo of the same requests. Servers and load run in
 * their own processes; the two take turns in short rounds, so that a busy machine slows them alike.
 *
 *     node bench/predict-http.ts [--model breast-cancer,telco] [--rounds 7] [--seconds 2] [--connections 32] [--home DIR]
 *                                [--profile DIR]
 *
 * Goal: at least half of the echo's throughput, p50 within 1 ms. Ends with 1 when a goal is missed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { LoadPlan, LoadReport } from './predict-http/load.ts';
import { SAMPLES, type SampleModel, isAvailable, launchSample, sampleRows } from './support/sample-models.ts';
import { KEY, cpuMicrosOf, mainThreadMicrosOf, median, startSlipway } from './support/slipway-process.ts';

const REQUESTS = 64;
/** Rounds that only warm the compilers up. */
const WARM_ROUNDS = 3;
const THROUGHPUT_RATIO_MIN = 0.5;
const P50_DIFFERENCE_MS_MAX = 1;

interface Measured extends LoadReport {
  readonly cpuMicrosEach: number;
  /** Of the thread that answers; says more than throughput does while other things run on the machine. */
  readonly loopMicrosEach: number;
}

interface Target {
  readonly pid: number;
  readonly port: number;
}

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'breast-cancer,telco' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '32' },
    home: { type: 'string' },
    profile: { type: 'string' },
  },
});
const rounds = Number(values.rounds);

function requestsFor(sample: SampleModel): string[] {
  return sampleRows(sample, REQUESTS).map((row) => {
    const body = JSON.stringify({ rows: [row] });
    const head = [
      `POST /v1/releases/${sample.name}/predict HTTP/1.1`,
      'Host: 127.0.0.1:PORT',
      `Authorization: Bearer ${KEY}`,
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    return `${head.join('\r\n')}\r\n\r\n${body}`;
  });
}

async function measure(load: ChildProcess, target: Target, plan: Omit<LoadPlan, 'port'>): Promise<Measured> {
  const before = cpuMicrosOf(target.pid);
  const loopBefore = mainThreadMicrosOf(target.pid);
  load.send({ ...plan, port: target.port } satisfies LoadPlan);
  const [report] = (await once(load, 'message')) as [LoadReport | { error: string }];
  if ('error' in report) throw new Error(report.error);
  return {
    ...report,
    cpuMicrosEach: (cpuMicrosOf(target.pid) - before) / report.requests,
    loopMicrosEach: (mainThreadMicrosOf(target.pid) - loopBefore) / report.requests,
  };
}

async function startEcho(): Promise<{ child: ChildProcess; target: Target }> {
  const child = fork(new URL('./predict-http/echo.ts', import.meta.url));
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { child, target: { pid: child.pid ?? 0, port } };
}

async function startLoad(): Promise<ChildProcess> {
  const child = fork(new URL('./predict-http/load.ts', import.meta.url));
  await once(child, 'message');
  return child;
}

interface Pair {
  readonly echo: Measured;
  readonly slipway: Measured;
}

async function compare(home: string, sample: SampleModel): Promise<Pair[]> {
  await launchSample({ home }, sample);
  const nodeFlags = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
  const server = await startSlipway({ home, nodeFlags });
  const echo = await startEcho();
  const load = await startLoad();
  try {
    const plan = { requests: requestsFor(sample), seconds: Number(values.seconds), connections: Number(values.connections) };
    const target = { pid: server.child.pid ?? 0, port: server.port };
    const pairs: Pair[] = [];
    for (let round = -WARM_ROUNDS; round < rounds; round += 1) {
      const pair = { echo: await measure(load, echo.target, plan), slipway: await measure(load, target, plan) };
      if (round >= 0) pairs.push(pair);
    }
    return pairs;
  } finally {
    load.kill();
    echo.child.kill();
    await server.stop();
  }
}

function summarize(name: string, pairs: readonly Pair[]) {
  const of = (pick: (pair: Pair) => number) => median(pairs.map(pick));
  const ratio = of(({ slipway, echo }) => slipway.requestsPerSecond / echo.requestsPerSecond);
  const p50DifferenceMs = of(({ slipway, echo }) => slipway.latencyMsP50 - echo.latencyMsP50);
  const row = (variant: string, pick: (pair: Pair) => Measured) => ({
    model: name,
    variant,
    requestsPerSecond: Math.round(of((pair) => pick(pair).requestsPerSecond)),
    latencyMsP50: Number(of((pair) => pick(pair).latencyMsP50).toFixed(2)),
    latencyMsP99: Number(of((pair) => pick(pair).latencyMsP99).toFixed(2)),
    cpuMicrosEach: Number(of((pair) => pick(pair).cpuMicrosEach).toFixed(1)),
    loopMicrosEach: Number(of((pair) => pick(pair).loopMicrosEach).toFixed(1)),
  });
  console.table([row('bare Hono echo', (pair) => pair.echo), row('Slipway predict', (pair) => pair.slipway)]);
  const met = ratio >= THROUGHPUT_RATIO_MIN && p50DifferenceMs <= P50_DIFFERENCE_MS_MAX;
  console.log(
    `${name}: ${(ratio * 100).toFixed(0)} % of the echo's throughput (goal ${THROUGHPUT_RATIO_MIN * 100} %), ` +
      `p50 ${p50DifferenceMs.toFixed(2)} ms above it (goal ${P50_DIFFERENCE_MS_MAX} ms): ${met ? 'met' : 'MISSED'}`,
  );
  return met;
}

const folder = values.home === undefined ? await mkdtemp(join(tmpdir(), 'slipway-bench-')) : undefined;
try {
  let met = true;
  for (const name of values.model.split(',')) {
    const sample = SAMPLES[name];
    if (!sample) throw new Error(`There is no model "${name}"; there are ${Object.keys(SAMPLES).join(', ')}.`);
    if (!isAvailable(sample)) {
      console.log(`${name}: skipped, ${sample.file} is not here`);
      continue;
    }
    met = summarize(name, await compare(values.home ?? join(folder ?? '', 'home'), sample)) && met;
  }
  process.exitCode = met ? 0 : 1;
} finally {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}
