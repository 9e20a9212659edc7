import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openModel } from '@slipway/models';
import { syntheticModel } from '@slipway/models/testing';
import { afterAll, beforeAll, test } from 'vitest';
import { BatchProcess } from './batch-process.ts';

const ROWS = 30_000;
const SHARD_ROWS = 10_000;
/** Rows whose answers are compared with those of calls. */
const CALLED_ROWS = 2_000;

const model = syntheticModel({ numeric: 4, categorical: 2, trees: 20, depth: 4, task: 'multiclass' });
const rows = model.rows(ROWS);

let folder = '';
let batch: BatchProcess;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-batch-process-'));
  const modelPath = join(folder, 'model.onnx');
  await writeFile(modelPath, model.bytes);
  await writeFile(join(folder, 'table.ndjson'), rows.map((row) => JSON.stringify(row)).join('\n'));
  const setup = { workDirectory: join(folder, 'work'), threads: 2, modelPath, metadata: model.metadata };
  batch = new BatchProcess(async () => setup, new AbortController().signal);
  await batch.ask({ type: 'open', path: join(folder, 'table.ndjson'), read: { format: 'ndjson' }, target: join(folder, 'table.parquet') });
});
afterAll(async () => {
  batch.close();
  await rm(folder, { recursive: true, force: true });
});

const froms = Array.from({ length: ROWS / SHARD_ROWS }, (_, number) => number * SHARD_ROWS);

function askShard(name: string, from: number, file = join(folder, 'table.parquet')) {
  const [outputPath, rejectsPath] = [join(folder, `${name}-${from}`), join(folder, `${name}-${from}-rejects`)];
  return batch.ask({ type: 'shard', file, from, to: from + SHARD_ROWS, keep: ['n0', 'c0'], outputPath, rejectsPath });
}

interface AnswerLine {
  readonly row: number;
  readonly prediction: string;
  readonly n0: number | null;
  readonly probability_b: number;
}

async function joined(name: string): Promise<string> {
  const target = join(folder, `${name}.ndjson`);
  await batch.ask({ type: 'join', files: froms.map((from) => join(folder, `${name}-${from}`)), format: 'ndjson', target });
  return readFile(target, 'utf8');
}

test('shards asked for at once are answered as one by one, in the order of the rows and as calls are', async () => {
  for (const from of froms) assert.deepEqual(await askShard('single', from), { rejected: 0, hasOutput: true });
  await Promise.all(froms.map((from) => askShard('together', from)));
  const text = await joined('together');
  assert.equal(text, await joined('single'));
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AnswerLine);
  assert.deepEqual(
    lines.map((line) => line.row),
    rows.map((_, row) => row),
  );
  assert.deepEqual(
    lines.map((line) => line.n0),
    rows.map((row) => row['n0'] ?? null),
  );
  const called = await openModel({ bytes: model.bytes, metadata: model.metadata, lane: 'inline', prepare: 'here' });
  const { labels, probabilities } = await called.predictRows(rows.slice(0, CALLED_ROWS));
  await called.close();
  assert.deepEqual(
    lines.slice(0, CALLED_ROWS).map((line) => line.prediction),
    labels,
  );
  lines
    .slice(0, CALLED_ROWS)
    .forEach((line, row) => assert.ok(Math.abs(line.probability_b - (probabilities?.[row * 3 + 1] as number)) < 1e-6));
});

test('a shard that fails holds up none that was asked for after it', async () => {
  const [failed, good] = await Promise.allSettled([askShard('bad', 0, join(folder, 'no-such.parquet')), askShard('good', SHARD_ROWS)]);
  assert.equal(failed?.status, 'rejected');
  assert.deepEqual(good, { status: 'fulfilled', value: { rejected: 0, hasOutput: true } });
});
