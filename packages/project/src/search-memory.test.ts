import assert from 'node:assert/strict';
import type { Catalog, Version } from '@slipway/catalog';
import type { Clock } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { migrations } from './migrations.ts';
import { pastConfigurations, searchCheckpoint } from './search-memory.ts';

const DAY_MS = 24 * 3_600_000;

describe.each(testEngines)('a search remembers its finished evaluations (%s)', (engine) => {
  let records: Records;
  let nowMs = 1_700_000_000_000;
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const checkpointOf = (project: string, run: string) => searchCheckpoint({ records, clock }, { project, run });
  beforeAll(async () => {
    records = await createTestRecords([{ name: 'project', migrations }], engine);
  });
  afterAll(() => records.close());

  test('by project, run and key, byte for byte, until it forgets them', async () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => (at * 7) & 255);
    const mine = checkpointOf('alpha', 'run_1');
    await mine.save('a', bytes);
    await mine.save('a', Uint8Array.of(1));
    await mine.save('b', new Uint8Array(0));
    const found = await checkpointOf('alpha', 'run_1').load('a');
    assert.deepEqual(Uint8Array.from(found ?? []), bytes);
    assert.equal((await mine.load('b'))?.byteLength, 0);
    assert.equal(await mine.load('c'), undefined);
    assert.equal(await checkpointOf('alpha', 'run_2').load('a'), undefined);
    assert.equal(await checkpointOf('beta', 'run_1').load('a'), undefined);
    await checkpointOf('beta', 'run_1').forget();
    assert.ok(await mine.load('a'));
    await mine.forget();
    assert.equal(await mine.load('a'), undefined);
  });

  test('what is too large is not kept, and what nobody came back for is forgotten after a week', async () => {
    const left = checkpointOf('alpha', 'run_left');
    await left.save('a', Uint8Array.of(1));
    await left.save('large', new Uint8Array(8 * 1024 * 1024 + 1));
    assert.equal(await left.load('large'), undefined);
    nowMs += 6 * DAY_MS;
    await checkpointOf('alpha', 'run_other').forget();
    assert.ok(await left.load('a'));
    nowMs += 2 * DAY_MS;
    await checkpointOf('alpha', 'run_other').forget();
    assert.equal(await left.load('a'), undefined);
  });
});

describe('what was good before', () => {
  const version = (name: string, number: number, task: string): Version =>
    ({
      id: `${name}${number}`,
      name,
      meta: {
        onnx: 'x',
        metadata: 'x',
        task,
        classes: null,
        positive: null,
        target: 'y',
        trainer: 'gbdt',
        params: { leafLimit: number },
        seed: 1,
        parity: { maxError: 0 },
        leaderboard: 'x',
      },
    }) as unknown as Version;
  const versions = [
    version('other', 9, 'binary'),
    version('churn', 8, 'binary'),
    version('prices', 7, 'regression'),
    version('churn', 6, 'binary'),
  ];
  const broken = { ...version('churn', 5, 'binary'), meta: { imported: true } } as Version;
  const list: Catalog['list'] = async (_project, { name, limit }) => ({
    items: [...versions, broken].filter((each) => name === undefined || each.name === name).slice(0, limit),
    nextCursor: null,
  });

  test('the model itself first, then others of its task; versions that were not trained here teach nothing', async () => {
    const past = await pastConfigurations({ list }, 'alpha', { name: 'churn', task: 'binary' });
    assert.deepEqual(
      past.map((each) => each.params['leafLimit']),
      [8, 6, 9],
    );
    assert.deepEqual(await pastConfigurations({ list }, 'alpha', { name: 'churn', task: 'multiclass' }), []);
  });
});
