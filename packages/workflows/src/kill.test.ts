import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RecordsOptions } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { afterEach, describe, test } from 'vitest';
import type { Run } from './run.ts';
import { copyWorkflowStore, testSchemas } from './testing/index.ts';
import { checkLines } from './testing/line-workflow.ts';
import { killWorkers, spawnWorker } from './testing/worker-process.ts';

/** Kills per engine: a few in the suite; the seeds are printed, so that any failure can be repeated. */
const KILLS = Number(process.env['SLIPWAY_KILLS'] ?? 4);
const RUNS = 6;
const STEPS = 12;

afterEach(killWorkers);

/** mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Finished {
  readonly finished: readonly Run[];
  readonly between: readonly string[][];
}

async function assertFinished({ finished, between }: Finished, linesFile: string, repeatLimit: number, context: string): Promise<void> {
  assert.deepEqual(
    finished.map(({ status, output }) => ({ status, output })),
    Array.from({ length: RUNS }, () => ({ status: 'succeeded', output: { steps: STEPS } })),
    context,
  );
  const lines = checkLines(await readFile(linesFile, 'utf8'));
  assert.deepEqual(lines.wrong, [], `completed steps ran again; ${context}`);
  assert.deepEqual(
    [...lines.last.values()],
    Array.from({ length: RUNS }, () => STEPS - 1),
    context,
  );
  assert.equal(lines.executed - lines.repeated, RUNS * STEPS);
  assert.ok(lines.repeated <= repeatLimit, `${lines.repeated} repeated steps; ${context}`);
  const steps = Array.from({ length: STEPS }, (_, step) => String(step));
  for (const messages of between) assert.deepEqual(messages, steps, `progress between steps is kept once; ${context}`);
}

describe.each(testEngines)('kill -9 on %s', (engine) => {
  test('every run completes and no completed step runs twice', async () => {
    const seed = Number(process.env['SLIPWAY_SEED'] ?? Date.now() % 1_000_000);
    const random = seeded(seed);
    const folder = await mkdtemp(join(tmpdir(), 'slipway-kill-'));
    const postgres = engine === 'postgres' ? await createTestRecords(testSchemas, engine) : undefined;
    const store: RecordsOptions = postgres
      ? { kind: 'postgres', url: postgres.pool.options.connectionString ?? '' }
      : { kind: 'embedded', directory: join(folder, 'records') };
    if (store.kind === 'embedded') await copyWorkflowStore(join(folder, 'records'), testSchemas);
    const file = join(folder, 'lines.txt');
    const order = { store, executorId: 'stable' };
    let context = `seed ${seed}`;
    try {
      const first = spawnWorker({ ...order, start: { runs: RUNS, input: { file, steps: STEPS, stepMs: 40 } } });
      await first.said('started');
      for (let kill = 0, worker = first; kill < KILLS; kill += 1) {
        // Some kills hit the start of the process, some the runs.
        const afterMs = random() < 0.3 && kill > 0 ? random() * 1_000 : (await worker.said('ready'), random() * 350);
        await delay(afterMs);
        await worker.kill();
        context += `, kill ${kill} after ${Math.round(afterMs)} ms`;
        worker = spawnWorker(kill === KILLS - 1 ? { ...order, finish: true } : order);
        if (kill === KILLS - 1) {
          const ready = await worker.said<{ openMs: number; launchMs: number; rssMb: number }>('ready');
          await assertFinished(await worker.said<Finished>('finished'), file, KILLS * 4, context);
          // Half a second when nothing else runs; a launch that waits for its own old lease takes fifteen.
          assert.ok(ready.launchMs < 10_000, `launch on a migrated store took ${ready.launchMs} ms`);
        }
      }
    } finally {
      await killWorkers();
      await postgres?.close();
      await rm(folder, { recursive: true, force: true });
    }
  }, 180_000);
});

test('the check of the lines notices completed work that ran again and work that was left out', () => {
  assert.deepEqual(checkLines('a 0\na 0\nb 0\na 1\n').wrong, []);
  assert.equal(checkLines('a 0\na 0\nb 0\na 1\n').repeated, 1);
  assert.deepEqual(checkLines('a 0\na 1\na 0\n').wrong, ['a 0']);
  assert.deepEqual(checkLines('a 0\na 2\n').wrong, ['a 2']);
});

describe.runIf(testEngines.includes('postgres'))('takeover on postgres', () => {
  test('the runs of a killed worker are finished by another one, whose lease is valid', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'slipway-takeover-'));
    const postgres = await createTestRecords(testSchemas, 'postgres');
    const store: RecordsOptions = { kind: 'postgres', url: postgres.pool.options.connectionString ?? '' };
    const file = join(folder, 'lines.txt');
    try {
      const leaseMs = 1_500;
      const doomed = spawnWorker({
        store,
        executorId: 'doomed',
        leaseMs,
        // Long enough that they still run once the other process is up, on a busy machine too.
        start: { runs: RUNS, input: { file, steps: STEPS, stepMs: 500 } },
      });
      await doomed.said('started');
      const survivor = spawnWorker({ store, executorId: 'survivor', leaseMs, finish: true });
      await survivor.said('ready');
      await delay(150);
      await doomed.kill();
      const killedAtMs = Date.now();
      const result = await survivor.said<Finished>('finished');
      await assertFinished(result, file, 4, 'takeover');
      const inFlight = result.finished.filter((run) => (run.startedAtMs ?? 0) < killedAtMs && (run.endedAtMs ?? 0) > killedAtMs);
      assert.ok(inFlight.length > 0, 'the kill hit runs');
      assert.ok(inFlight.every((run) => run.executor === 'survivor'));
    } finally {
      await killWorkers();
      await postgres.close();
      await rm(folder, { recursive: true, force: true });
    }
  }, 60_000);
});
