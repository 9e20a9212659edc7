import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@slipway/client';
import { syntheticModel } from '@slipway/models/testing';
import { BatchRequest, BatchResult } from '@slipway/project/contract';
import { type TestEngine, testEngines } from '@slipway/records/testing';
import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import { batchProblems, begunShards } from './batch-checks.ts';
import { temporaryDatabase } from './database.ts';
import { objectProblems, strayFiles } from './home-checks.ts';
import { untilEnded } from './quickstart.ts';
import { LONG_ROUNDS, type Round, roundsOf } from './rounds.ts';
import { type ServerProcess, type Where, endAll, runCli, startServerProcess, temporaryHome } from './server-process.ts';

const RELEASE = 'killed-batch';
const ROWS = 700_000;
/** As the workflow cuts them. */
const SHARD_ROWS = 200_000;
const SHARDS = Math.ceil(ROWS / SHARD_ROWS);
/** Every so many rows one has a text where the model takes a number. */
const BROKEN_EVERY = 10_000;
const SHARD_LIMIT_MS = 240_000;
const PAUSE_MS = 20;
/** A kill comes this long after its shard began, at most: within the shard, on most machines. */
const INTO_SHARD_MS = 800;

interface Place extends Where {
  readonly table: { readonly sha256: string; readonly fileName: string };
  remove(): Promise<void>;
}

async function makeTable(path: string): Promise<void> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const columns = [
    `case when range % ${BROKEN_EVERY} = 7 then 'broken' else (hash(range) % 8000 / 1000.0)::varchar end as n0`,
    ...[1, 2, 3].map((index) => `(hash(range * 31 + ${index}) % 8000) / 1000.0 as n${index}`),
    `['red','green','blue'][1 + (hash(range * 17) % 3)::int] as c0`,
  ];
  await connection.run(`copy (select ${columns.join(', ')} from range(${ROWS})) to '${path}' (format parquet)`);
  connection.closeSync();
}

/** A home with a release and an uploaded table, no server running. */
async function preparePlace(engine: TestEngine): Promise<Place> {
  const { home, remove } = await temporaryHome();
  const database = engine === 'postgres' ? await temporaryDatabase() : undefined;
  const where = { home, databaseUrl: database?.url };
  const folder = dirname(home);
  const [file, parquet] = [join(folder, 'model.onnx'), join(folder, 'table.parquet')];
  await writeFile(file, syntheticModel({ numeric: 4, categorical: 1, trees: 150, depth: 6 }).bytes);
  await makeTable(parquet);
  const launched = await runCli(where, ['launch', file, '--name', RELEASE, '--output', 'probabilities', '--json']);
  assert.equal(launched.code, 0, launched.stderr);
  const server = await startServerProcess(where);
  const stream = Readable.toWeb(createReadStream(parquet)) as ReadableStream<Uint8Array>;
  const { sha256 } = await server.client.uploads.put(stream, 'table.parquet');
  await server.stop();
  const removeAll = async () => {
    await database?.remove();
    await remove();
  };
  return { ...where, table: { sha256, fileName: 'table.parquet' }, remove: removeAll };
}

async function startBatch(client: Client, { table }: Place): Promise<string> {
  // Text, so that equal answers are equal bytes.
  const { run } = await client.batches.start(BatchRequest.parse({ release: RELEASE, input: table, format: 'ndjson', keep: ['c0'] }));
  return run;
}

async function untilShard(client: Client, run: string, shard: number): Promise<void> {
  const limitMs = performance.now() + SHARD_LIMIT_MS;
  while (!(await begunShards(client, run)).includes(shard)) {
    assert.ok(performance.now() < limitMs, `shard ${shard} has not begun: ${JSON.stringify(await client.runs.get(run))}`);
    await sleep(PAUSE_MS);
  }
}

interface Files {
  readonly output: string;
  readonly rejects: string;
  readonly outputLines: number;
  readonly rejectLines: number;
}

async function filesOf(client: Client, run: string): Promise<Files> {
  const read = async (file: 'output' | 'rejects') => {
    const hash = createHash('sha256');
    let lines = 0;
    for await (const chunk of await client.batches.file(run, file)) {
      hash.update(chunk);
      for (const byte of chunk) if (byte === 10) lines += 1;
    }
    return { sha256: hash.digest('hex'), lines };
  };
  const [output, rejects] = [await read('output'), await read('rejects')];
  return { output: output.sha256, rejects: rejects.sha256, outputLines: output.lines, rejectLines: rejects.lines };
}

/** The processes that the server started and that are alive: those that work on batches. */
async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.trim().split(/\s+/).filter(Boolean).map(Number);
}

describe.each(testEngines)('kill -9 in the middle of a batch (%s)', (engine) => {
  let place: Place;
  let whole: Files;

  beforeAll(async () => {
    place = await preparePlace(engine);
    const server = await startServerProcess(place);
    const run = await startBatch(server.client, place);
    assert.equal(await untilEnded(server.client, run), 'succeeded');
    whole = await filesOf(server.client, run);
    assert.deepEqual(batchProblems({ begun: await begunShards(server.client, run), shards: SHARDS, kills: 0 }), []);
    await server.stop();
  });
  afterEach(endAll);
  afterAll(() => place?.remove());

  test('without a kill, broken rows are set aside and all others are answered', () => {
    assert.deepEqual([whole.outputLines, whole.rejectLines], [ROWS - ROWS / BROKEN_EVERY, ROWS / BROKEN_EVERY]);
  });

  async function killDuring(server: ServerProcess, run: string, { place: at, random }: Round): Promise<void> {
    await untilShard(server.client, run, Math.floor(at * SHARDS));
    await sleep(random.next() * INTO_SHARD_MS);
    await server.kill();
  }

  test.for(roundsOf(`kill-batch ${engine}`, LONG_ROUNDS))(
    'round $number: no finished shard is done again, and the output is the same',
    async (round) => {
      const doomed = await startServerProcess(place);
      const run = await startBatch(doomed.client, place);
      await killDuring(doomed, run, round);
      const server = await startServerProcess(place);
      assert.equal(await untilEnded(server.client, run), 'succeeded', server.output());
      assert.deepEqual(batchProblems({ begun: await begunShards(server.client, run), shards: SHARDS, kills: 1 }), []);
      assert.deepEqual(await filesOf(server.client, run), whole);
      await server.stop();
      assert.deepEqual(await objectProblems(place.home), []);
      assert.deepEqual(await strayFiles(place.home), []);
    },
  );

  test('when only the process of the batch is killed, its run fails with a reason, and a retry goes on where it was', async () => {
    const server = await startServerProcess(place);
    const run = await startBatch(server.client, place);
    await untilShard(server.client, run, 2);
    for (const pid of await childrenOf(server.pid)) process.kill(pid, 'SIGKILL');
    await assert.rejects(untilEnded(server.client, run), /batch process ended \(SIGKILL\)/);
    await server.client.runs.retry(run);
    assert.equal(await untilEnded(server.client, run), 'succeeded', server.output());
    assert.deepEqual(batchProblems({ begun: await begunShards(server.client, run), shards: SHARDS, kills: 1 }), []);
    assert.deepEqual(await filesOf(server.client, run), whole);
    const { output } = await server.client.runs.get(run);
    assert.equal(BatchResult.parse(output).rejected, ROWS / BROKEN_EVERY);
    await server.stop();
  });
});
