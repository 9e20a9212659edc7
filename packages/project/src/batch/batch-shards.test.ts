import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Objects, openFolderObjects } from '@slipway/objects';
import { afterEach, beforeEach, test } from 'vitest';
import type { BatchOrder } from './batch-messages.ts';
import type { BatchProcess } from './batch-process.ts';
import { BatchShards, SHARDS_IN_HAND } from './batch-shards.ts';
import { SHARD_ROWS } from './batch-state.ts';

const PROJECT = 'alpha';
const SHARDS = 5;

let folder = '';
let objects: Objects;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-shards-'));
  objects = await openFolderObjects(join(folder, 'objects'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type ShardOrder = Extract<BatchOrder, { type: 'shard' }>;

/** Stands for the process: it writes which rows it was asked for, one order at a time. */
class FakeWorker {
  readonly begun: number[] = [];
  readonly written: string[] = [];
  failing = new Set<number>();
  #last: Promise<unknown> = Promise.resolve();

  readonly ask = ((order: ShardOrder) => {
    const number = order.from / SHARD_ROWS;
    this.begun.push(number);
    const reply = this.#last.then(async () => {
      if (this.failing.has(number)) throw new Error(`shard ${number} fell over`);
      await writeFile(order.outputPath, `${order.from} to ${order.to}`);
      this.written.push(order.outputPath);
      return { rejected: 0, hasOutput: true };
    });
    this.#last = reply.catch(() => {});
    return reply;
    // It answers orders of this one type only.
  }) as BatchProcess['ask'];
}

async function shardsOf(worker: FakeWorker): Promise<BatchShards> {
  const path = join(folder, 'table');
  await writeFile(path, 'a table');
  const { sha256: source } = await objects.putFile(PROJECT, path);
  const opened = { source, rows: (SHARDS - 1) * SHARD_ROWS + 10, keep: [] };
  return new BatchShards({ objects, project: PROJECT, worker, opened, onRows: () => {} });
}

async function textOf(sha256: string | null): Promise<string> {
  return readFile(await objects.localPath(PROJECT, sha256 ?? ''), 'utf8');
}

test('taking a shard begins the next one and no other, and every shard is made once', async () => {
  const worker = new FakeWorker();
  const shards = await shardsOf(worker);
  assert.equal(shards.count, SHARDS);
  for (let number = 0; number < SHARDS; number += 1) {
    const { output } = await shards.take(number);
    assert.equal(await textOf(output), `${number * SHARD_ROWS} to ${Math.min((number + 1) * SHARD_ROWS, (SHARDS - 1) * SHARD_ROWS + 10)}`);
    assert.equal(worker.begun.length, Math.min(SHARDS, number + SHARDS_IN_HAND));
  }
  assert.deepEqual(worker.begun, [0, 1, 2, 3, 4]);
});

test('a run that goes on begins with the shard that it takes first', async () => {
  const worker = new FakeWorker();
  const shards = await shardsOf(worker);
  await shards.take(3);
  assert.deepEqual(worker.begun, [3, 4]);
});

test('a shard that fails tells whoever takes it, not whoever takes the one before, and can be taken again', async () => {
  const worker = new FakeWorker();
  worker.failing.add(1);
  const shards = await shardsOf(worker);
  await shards.take(0);
  await assert.rejects(shards.take(1), /shard 1 fell over/);
  worker.failing.clear();
  assert.equal(await textOf((await shards.take(1)).output), `${SHARD_ROWS} to ${2 * SHARD_ROWS}`);
});

test('what was made and is not taken leaves no file behind', async () => {
  const worker = new FakeWorker();
  const shards = await shardsOf(worker);
  await shards.take(0);
  while (worker.written.length < SHARDS_IN_HAND) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    worker.written.map((path) => existsSync(path)),
    [false, true],
  );
  await shards.discard();
  assert.deepEqual(
    worker.written.map((path) => existsSync(path)),
    [false, false],
  );
});

test('a shard that is made again begins no other', async () => {
  const worker = new FakeWorker();
  const shards = await shardsOf(worker);
  await shards.again(2);
  assert.deepEqual(worker.begun, [2]);
});
