/**
 * What an idle server with a released model costs, how soon it is there again, and how long reading large replies from
 * the embedded records keeps the event loop from other work.
 *
 *     node bench/footprint.ts [--starts 5] [--idle 60] [--home DIR]
 *
 * With SLIPWAY_TEST_DATABASE_URL (tools/test-postgres.sh) also with the records in PostgreSQL. Ends with 1 when a goal is
 * missed. On a busy machine the processor times say more than the clock.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { temporaryDatabase } from '../conformance/faults/database.ts';
import type { LoopBlocks } from './support/loop-blocks.ts';
import { SAMPLES, type SampleModel, launchSample, sampleRows } from './support/sample-models.ts';
import { KEY, type ServerOptions, cpuMicrosOf, median, residentMbOf, startSlipway } from './support/slipway-process.ts';

const EMBEDDED_MB_MAX = 650;
const DATABASE_MB_MAX = 250;
const READY_MS_MAX = 2_500;
const BLOCK_MS_MAX = 20;

const { values } = parseArgs({
  options: { starts: { type: 'string', default: '5' }, idle: { type: 'string', default: '60' }, home: { type: 'string' } },
});
const sample = SAMPLES['breast-cancer'] as SampleModel;

interface Start {
  readonly upMs: number;
  readonly healthMs: number;
  readonly predictMs: number;
  /** Processor time of the whole process until the first prediction. */
  readonly cpuMs: number;
  readonly idleMb: number;
}

async function predictOnce(url: string): Promise<void> {
  const reply = await fetch(`${url}/v1/releases/${sample.name}/predict`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ rows: sampleRows(sample, 1) }),
  });
  if (!reply.ok) throw new Error(`predict answered ${reply.status}: ${await reply.text()}`);
}

async function measureStart(options: ServerOptions): Promise<Start> {
  const startedMs = performance.now();
  const server = await startSlipway(options);
  try {
    const health = await fetch(`${server.url}/health`);
    if (!health.ok) throw new Error(`/health answered ${health.status}`);
    const healthMs = performance.now() - startedMs;
    await predictOnce(server.url);
    const predictMs = performance.now() - startedMs;
    const pid = server.child.pid ?? 0;
    const cpuMs = cpuMicrosOf(pid) / 1_000;
    await sleep(Number(values.idle) * 1_000);
    return { upMs: server.upMs, healthMs, predictMs, cpuMs, idleMb: residentMbOf(pid) };
  } finally {
    await server.stop();
  }
}

async function measureEngine(name: string, options: ServerOptions, limitMb: number): Promise<boolean> {
  await launchSample(options, sample, 3);
  const starts: Start[] = [];
  for (let index = 0; index < Number(values.starts); index += 1) starts.push(await measureStart(options));
  const of = (pick: (start: Start) => number) => Math.round(median(starts.map(pick)));
  const idleMb = Math.round(Math.max(...starts.map((start) => start.idleMb)));
  const fastestMs = Math.round(Math.min(...starts.map((start) => start.predictMs)));
  console.table([
    {
      engine: name,
      upMs: of((s) => s.upMs),
      healthMs: of((s) => s.healthMs),
      predictMs: of((s) => s.predictMs),
      fastestMs,
      cpuMs: of((s) => s.cpuMs),
      idleMb,
    },
  ]);
  return [
    verdict(`${name}: idle with a model`, idleMb, limitMb, 'MB'),
    verdict(
      `${name}: second start to the first prediction (median)`,
      of((s) => s.predictMs),
      READY_MS_MAX,
      'ms',
    ),
  ].every(Boolean);
}

function verdict(what: string, value: number, limit: number, unit: string): boolean {
  const met = value <= limit;
  console.log(`${what}: ${value} ${unit} (goal ${limit} ${unit}): ${met ? 'met' : 'MISSED'}`);
  return met;
}

async function measureBlocks(): Promise<boolean> {
  const child = fork(new URL('./support/loop-blocks.ts', import.meta.url));
  const [blocks] = (await once(child, 'message')) as [LoopBlocks];
  console.table([Object.fromEntries(Object.entries(blocks).map(([name, value]) => [name, Number(value.toFixed(1))]))]);
  return verdict('records: longest turn of the event loop, processor time', Number(blocks.turnCpuMsMax.toFixed(1)), BLOCK_MS_MAX, 'ms');
}

const folder = await mkdtemp(join(tmpdir(), 'slipway-footprint-'));
const verdicts: boolean[] = [];
try {
  verdicts.push(await measureBlocks());
  verdicts.push(await measureEngine('embedded', { home: values.home ?? join(folder, 'embedded') }, EMBEDDED_MB_MAX));
  if (process.env['SLIPWAY_TEST_DATABASE_URL'] === undefined) console.log('PostgreSQL: skipped, SLIPWAY_TEST_DATABASE_URL is not set');
  else {
    const database = await temporaryDatabase();
    verdicts.push(await measureEngine('PostgreSQL', { home: join(folder, 'postgres'), databaseUrl: database.url }, DATABASE_MB_MAX));
    await database.remove();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exitCode = verdicts.every(Boolean) ? 0 : 1;
