import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import type { Row } from '@slipway/kernel';
import { Batcher, type BatcherOptions } from './batcher.ts';
import { ModelBusyError } from './errors.ts';

/** A run that doubles each row's x, fails on x < 0, and remembers how many rows each run had. */
function doubling(overrides: Partial<BatcherOptions> = {}) {
  const runs: number[] = [];
  const run = async (rows: readonly Row[]) => {
    runs.push(rows.length);
    await new Promise(setImmediate);
    if (rows.some((row) => Number(row['x']) < 0)) throw new RangeError('negative');
    return Float64Array.from(rows, (row) => Number(row['x']) * 2);
  };
  return { runs, batcher: new Batcher({ rowLimit: 8, queueLimit: 100, width: 1, run, ...overrides }) };
}

async function add(batcher: Batcher, ...values: number[]): Promise<number[]> {
  return Array.from(await batcher.add(values.map((x) => ({ x }))));
}

describe('Batcher', () => {
  test('the first call starts at once; those that arrive until its answer share the next run', async () => {
    const { batcher, runs } = doubling();
    const answers = await Promise.all([add(batcher, 1), add(batcher, 2), add(batcher, 3, 4)]);
    assert.deepEqual(answers, [[2], [4], [6, 8]]);
    assert.deepEqual(runs, [1, 3]);
  });

  test('a run has at most the limit of rows, and a call above it runs in pieces', async () => {
    const { batcher, runs } = doubling({ rowLimit: 3 });
    const answers = await Promise.all([add(batcher, 0), add(batcher, 1, 2), add(batcher, 3, 4), add(batcher, 5, 6, 7, 8, 9, 10, 11)]);
    assert.deepEqual(answers, [[0], [2, 4], [6, 8], [10, 12, 14, 16, 18, 20, 22]]);
    assert.deepEqual(runs, [1, 2, 2, 3, 3, 1]);
  });

  test('MO4 one bad call in a shared run fails alone', async () => {
    const { batcher, runs } = doubling();
    const answers = await Promise.allSettled([add(batcher, 1), add(batcher, 2), add(batcher, -1), add(batcher, 3)]);
    assert.deepEqual(
      answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : 'failed')),
      [[2], [4], 'failed', [6]],
    );
    assert.deepEqual(runs, [1, 3, 1, 1, 1]);
    assert.deepEqual(await add(batcher, 5), [10]);
  });

  test('rows beyond the queue are refused, at the limit they are not, and answered rows leave the queue', async () => {
    const { batcher } = doubling({ queueLimit: 4 });
    const running = add(batcher, 1);
    const waiting = add(batcher, 2, 3, 4, 5);
    await assert.rejects(add(batcher, 6), ModelBusyError);
    assert.deepEqual([await running, await waiting], [[2], [4, 6, 8, 10]]);
    assert.deepEqual(await add(batcher, 6, 7, 8, 9), [12, 14, 16, 18]);
  });
});
