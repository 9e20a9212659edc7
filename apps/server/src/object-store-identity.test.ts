import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { identifyStore } from './object-store-identity.ts';

const ROUNDS = 200;
const WORKERS = 2;

describe('the identity of a folder of objects', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-identity-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('is the same for all who ask for it at once, and for those who ask later', async () => {
    const gate = new Int32Array(new SharedArrayBuffer(4 * ROUNDS));
    const answers = await Promise.all(
      Array.from({ length: WORKERS }, async () => {
        const workerData = { folder, rounds: ROUNDS, workers: WORKERS, gate };
        const worker = new Worker(new URL('./testing/identify-worker.ts', import.meta.url), { workerData });
        const [found] = (await once(worker, 'message')) as [string[]];
        await worker.terminate();
        return found;
      }),
    );
    for (const found of answers) assert.deepEqual(found, answers[0]);
    for (const round of [0, ROUNDS - 1]) {
      const directory = join(folder, String(round));
      assert.equal(await identifyStore(directory), answers[0]?.[round]);
      assert.deepEqual((await readdir(directory, { recursive: true })).toSorted(), ['.store', '.temporary']);
    }
    assert.match(answers[0]?.[0] ?? '', /^[0-9a-f-]{36}$/);
  }, 60_000);

  test('is another one for another folder', async () => {
    assert.notEqual(await identifyStore(join(folder, 'here')), await identifyStore(join(folder, 'there')));
  });
});
