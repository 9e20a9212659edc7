import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openRecords } from '@slipway/records';
import { TEST_DATABASE_URL } from '@slipway/records/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { ReplicaConflictError } from './errors.ts';
import { requireTogether } from './replicas.ts';
import { ReplicaChild, type ReplicaPlace } from './testing/replica-child.ts';
import { replicaModel } from './testing/replica-model.ts';

const KEY = 'replica-test-key-0123456789-0123456789';
const SECRET = 'a1'.repeat(32);
/** A second where nothing else runs; a busy machine takes longer, and what is not followed at all never comes. */
const SEEN_WITHIN_MS = 10_000;

describe('two replicas work together', () => {
  const row = { replica: 1, secretKeys: ['new', 'old'], objectStore: 'store' };
  const other = { ...row, replica: 2 };

  test('when each opens what the other seals, also in the middle of a change of keys', () => {
    requireTogether(row, other);
    requireTogether(row, { ...other, secretKeys: ['old', 'new'] });
  });

  test.each([
    ['a key here', { secretKeys: [] }, {}, /SLIPWAY_SECRET_KEY is not set here/],
    ['a key there', {}, { secretKeys: [] }, /without SLIPWAY_SECRET_KEY/],
    ['the same key', {}, { secretKeys: ['another'] }, /another SLIPWAY_SECRET_KEY/],
    ['to open what is sealed here', {}, { secretKeys: ['old'] }, /another SLIPWAY_SECRET_KEY/],
    ['the same objects', {}, { objectStore: 'elsewhere' }, /keeps its objects elsewhere/],
  ])('and not without %s', (_, mine, theirs, message) => {
    assert.throws(
      () => requireTogether({ ...row, ...mine }, { ...other, ...theirs }),
      (error) => error instanceof ReplicaConflictError && message.test(error.message),
    );
  });
});

describe.skipIf(TEST_DATABASE_URL === undefined)('replicas on one PostgreSQL', () => {
  const database = `slipway_replicas_${randomBytes(6).toString('hex')}`;
  const started: ReplicaChild[] = [];
  let folder: string;
  let first: ReplicaChild;
  let second: ReplicaChild;

  async function onServer(statement: string): Promise<void> {
    const records = await openRecords({ kind: 'postgres', url: TEST_DATABASE_URL ?? '' });
    await sql.raw(statement).execute(records.db);
    await records.close();
  }

  async function startReplica(name: string, changes: Partial<ReplicaPlace> = {}): Promise<ReplicaChild> {
    const url = new URL(TEST_DATABASE_URL ?? '');
    url.pathname = `/${database}`;
    const objectsUrl = pathToFileURL(join(folder, 'objects')).href;
    const usual = { home: join(folder, name), databaseUrl: url.href, objectsUrl, secretKey: SECRET, adminKey: KEY };
    const replica = await ReplicaChild.start({ ...usual, ...changes });
    started.push(replica);
    return replica;
  }

  const [row] = replicaModel(1).rows(1);
  const predict = (replica: ReplicaChild) => replica.call('/v1/releases/shared/predict', { rows: [row] });
  type Replied = Awaited<ReturnType<typeof predict>>;
  const prediction = ({ body }: Replied) => (body['predictions'] as { invocation: string; probabilities: unknown }[])[0];
  const find = (replica: ReplicaChild, invocation: string) => replica.call(`/v1/invocations/${invocation}`);

  async function until<T>(what: string, limitMs: number, look: () => Promise<T | undefined>): Promise<T> {
    const endMs = performance.now() + limitMs;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      assert.ok(performance.now() < endMs, `${what} took longer than ${limitMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-replicas-'));
    await onServer(`create database ${database}`);
    [first, second] = await Promise.all([startReplica('first'), startReplica('second')]);
  }, 120_000);
  afterAll(async () => {
    await Promise.all(started.map((replica) => replica.kill()));
    await onServer(`drop database if exists ${database} with (force)`);
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  test('what is released on one is answered by the other, and both answer alike', async () => {
    await first.ask({ do: 'publish', seed: 1 });
    const [here, there] = [await predict(first), await predict(second)];
    assert.deepEqual([here.status, there.status, there.body['revision']], [200, 200, 1], JSON.stringify(there.body));
    assert.deepEqual(prediction(there)?.probabilities, prediction(here)?.probabilities);
  }, 60_000);

  test('a new revision, and a rollback on either, are followed by both', async () => {
    const shows = (replica: ReplicaChild, revision: number) =>
      until(`revision ${revision}`, SEEN_WITHIN_MS, async () =>
        (await predict(replica)).body['revision'] === revision ? true : undefined,
      );
    await second.ask({ do: 'publish', seed: 2 });
    await Promise.all([shows(first, 2), shows(second, 2)]);
    assert.equal((await first.call('/v1/releases/shared/rollback', { to: 1 })).status, 200);
    await Promise.all([shows(first, 1), shows(second, 1)]);
  }, 60_000);

  test('an outcome may be told to either, and a call is known to the other once its segment is closed', async () => {
    const { invocation } = prediction(await predict(first)) ?? { invocation: '' };
    const reply = await second.call('/v1/outcomes', { outcomes: [{ invocation, name: 'label', value: 'yes' }] });
    assert.deepEqual([reply.status, reply.body['accepted']], [200, 1], JSON.stringify(reply.body));
    assert.equal((await find(second, invocation)).status, 404);
    // The control: a replica knows its own calls, and takes nothing on trust about them.
    const unknown = `${invocation.slice(0, -4)}${invocation.endsWith('ffff') ? '0000' : 'ffff'}`;
    assert.equal((await first.call('/v1/outcomes', { outcomes: [{ invocation: unknown, name: 'label', value: 'yes' }] })).status, 404);
    for (const replica of [first, second]) await replica.ask({ do: 'roll' });
    for (const replica of [first, second]) {
      const { status, body } = await find(replica, invocation);
      assert.deepEqual([status, (body['outcomes'] as unknown[]).length], [200, 1], JSON.stringify(body));
    }
  }, 60_000);

  test('one that could not work with the others does not start, and says what to set', async () => {
    await assert.rejects(startReplica('third', { secretKey: undefined }), /SLIPWAY_SECRET_KEY is not set here/);
    await assert.rejects(startReplica('third', { secretKey: 'b2'.repeat(32) }), /another SLIPWAY_SECRET_KEY/);
    await assert.rejects(startReplica('third', { objectsUrl: undefined }), /keeps its objects elsewhere/);
    await (await startReplica('third')).close();
  }, 60_000);

  test('when one is killed the other goes on, takes its runs over, and its calls are there when it comes back', async () => {
    await first.close();
    const { invocation } = prediction(await predict(second)) ?? { invocation: '' };
    const run = String(await second.ask({ do: 'run' }));
    await until('the start of the run', 30_000, async () =>
      (await second.call(`/v1/runs/${run}`)).body['status'] === 'running' ? true : undefined,
    );
    first = await startReplica('first');
    const killedPid = second.pid;
    await second.kill();
    assert.equal((await predict(first)).status, 200);
    const { by } = await until('the run', 60_000, async () => {
      const { body } = await first.call(`/v1/runs/${run}`);
      return body['status'] === 'succeeded' ? (body['output'] as { by: number[] }) : undefined;
    });
    assert.deepEqual([by[0], by.at(-1)], [killedPid, first.pid]);
    assert.equal((await find(first, invocation)).status, 404);
    second = await startReplica('second');
    assert.equal((await find(second, invocation)).status, 200);
    await second.ask({ do: 'roll' });
    assert.equal((await find(first, invocation)).status, 200);
  }, 120_000);
});
