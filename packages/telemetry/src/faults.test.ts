import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRandom } from '@slipway/statistics';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { migrateHome, openHome } from './testing/open-home.ts';
import type { Telemetry } from './telemetry.ts';

/** Rounds of the kill test; a bench run may ask for more. */
const ROUNDS = Number(process.env['SLIPWAY_FAULT_ROUNDS'] ?? 5);
const SEED = Number(process.env['SLIPWAY_FAULT_SEED'] ?? 2_026);

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'slipway-faults-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** Runs the recorder and kills it at a random moment. @returns the ids of answered calls. */
async function recordAndKill(seed: number, runMs: number): Promise<string[]> {
  const script = join(import.meta.dirname, 'testing', 'record-forever.ts');
  const path = join(home, `answered-${seed}.txt`);
  // A file takes every write at once, as a pipe does not when its reader is slow.
  const output = openSync(path, 'w');
  const child = spawn(process.execPath, ['--no-warnings', script, home, String(seed)], { stdio: ['ignore', output, 'inherit'] });
  const closed = once(child, 'close');
  closeSync(output);
  while (child.exitCode === null && !(await readFile(path, 'utf8')).startsWith('ready\n')) await sleep(10);
  await sleep(runMs);
  assert.equal(child.exitCode, null, 'the recorder ended by itself');
  child.kill('SIGKILL');
  await closed;
  // The last line may be torn.
  return (await readFile(path, 'utf8')).split('\n').slice(1, -1);
}

async function listAll(telemetry: Telemetry): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await telemetry.listInvocations('alpha', { limit: 5_000, cursor });
    ids.push(...page.items.map((item) => item.id));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return ids;
}

test('TL60 after kill -9 at random moments every answered call is there exactly once, also across Parquet, and counted once', async () => {
  const random = createRandom(SEED);
  const answered: string[] = [];
  await migrateHome(home);
  for (let round = 0; round < ROUNDS; round += 1) {
    const runMs = 50 + random.int(600);
    answered.push(...(await recordAndKill(SEED + round, runMs)));
    const opened = await openHome(home);
    try {
      for (const form of ['as found', 'as Parquet']) {
        const found = await listAll(opened.telemetry);
        const where = `seed ${SEED}, round ${round}, ${form}`;
        assert.equal(new Set(found).size, found.length, `${where}: some call is there twice`);
        const there = new Set(found);
        const lost = answered.filter((id) => !there.has(id));
        assert.deepEqual(lost, [], `${where}: of ${answered.length} answered calls some are lost`);
        // Calls that were written and not answered may be there: at most one write of the eight that wait.
        assert.ok(found.length <= answered.length + 8 * (round + 1), `${where}: ${found.length} found, ${answered.length} answered`);
        const window = { release: 'churn', fromMs: Date.now() - 3_600_000, toMs: Date.now() + 3_600_000 };
        const sketches = await opened.telemetry.sketches('alpha', window);
        assert.equal(sketches.get('amount')?.count, found.length, `${where}: sketches`);
        await opened.telemetry.roll();
      }
      await opened.telemetry.maintain();
      const objects = await opened.objects.list('alpha', { limit: 1_000 });
      const stored = await opened.audit.list('alpha', { limit: 1_000 });
      expect(objects.items.length).toBeLessThanOrEqual(stored.length);
    } finally {
      await opened.close();
    }
  }
  expect(answered.length).toBeGreaterThan(ROUNDS * 50);
}, 240_000);

test.each(['process', 'host'])(
  'TL61 under durability %s a full disk refuses calls clearly and never harms earlier lines',
  async (durability) => {
    const script = join(import.meta.dirname, 'testing', 'fill-disk.ts');
    // A file size limit makes the kernel write a part and then refuse, as a full disk does. 100 blocks of 512 or 1024 bytes.
    const run = spawnSync('/bin/sh', [
      '-c',
      'ulimit -f 100; exec "$0" --no-warnings "$1" "$2" "$3"',
      process.execPath,
      script,
      home,
      durability,
    ]);
    assert.equal(run.status, 0, String(run.stderr));
    const result = JSON.parse(String(run.stdout)) as { answered: string[]; refused: string[]; refusedCount: number; failures: number };
    expect(result.refused).toEqual(['telemetry/recording-failed EFBIG']);
    expect(result.refusedCount).toBeGreaterThan(0);
    const [file] = await readdir(join(home, 'alpha'));
    const text = await readFile(join(home, 'alpha', file as string), 'utf8');
    expect(text.endsWith('\n')).toBe(true);
    const ids = text
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { id: string }).id);
    assert.deepEqual(ids, result.answered);
  },
);
