import assert from 'node:assert/strict';
import { ConflictError, createIds, defineRoute, fixedClock, systemClock, type ErrorBody } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, test } from 'vitest';
import { z } from 'zod';
import { createIdempotencyStore, httpCapability } from './idempotency-store.ts';
import { IDEMPOTENCY_LEASE_MS, IDEMPOTENCY_LIFETIME_MS, IDEMPOTENCY_ROWS_PER_PROJECT_LIMIT } from './limits.ts';
import { startTestServer, type TestServer } from './testing/index.ts';

const clock = fixedClock(Date.UTC(2026, 10, 21));
let made = 0;
let gate: Promise<void> = Promise.resolve();

const route = defineRoute({
  method: 'POST',
  path: '/v1/orders',
  permission: 'data.write',
  summary: 'Makes something',
  idempotent: true,
  successStatus: 201,
  body: z.strictObject({ item: z.string() }),
  response: z.object({ id: z.string(), item: z.string() }),
  async handle({ body }) {
    await gate;
    if (body.item === 'taken') throw new ConflictError('That is taken.');
    made += 1;
    return { id: `order-${made}`, item: body.item };
  },
});

describe.each(testEngines)('Idempotency-Key on %s', (engine) => {
  let records: Records;
  let server: TestServer;
  beforeAll(async () => {
    records = await createTestRecords([httpCapability(systemStore())], engine);
    server = await startTestServer([route], { clock, ids: createIds(clock), idempotency: createIdempotencyStore(records, clock) });
  });
  afterAll(async () => {
    await server.close({ timeoutMs: 100 });
    await records.close();
  });
  beforeEach(async () => {
    made = 0;
    await sql`delete from http_idempotency`.execute(records.db);
  });

  async function order(item: string, idempotencyKey?: string, options: { key?: string; path?: string } = {}) {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (idempotencyKey !== undefined) headers['idempotency-key'] = idempotencyKey;
    const init = { method: 'POST', key: options.key ?? 'engineer@prj_own', headers, body: JSON.stringify({ item }) };
    const response = await server.request(options.path ?? '/v1/orders', init);
    const body = (await response.json()) as { id?: string } & Partial<ErrorBody>;
    return { status: response.status, id: body.id, error: body.error, replayed: response.headers.get('idempotency-replayed') };
  }

  test('HT30 a repeated call gets the first reply and is done once; without a key it is done again', async () => {
    const first = await order('a', 'k1');
    const again = await order('a', 'k1');
    assert.deepEqual([first.status, first.id, first.replayed], [201, 'order-1', null]);
    assert.deepEqual([again.status, again.id, again.replayed, made], [201, 'order-1', 'true', 1]);
    await order('a');
    assert.equal(made, 2);
  });

  test('HT31 the same key with another body is a conflict', async () => {
    await order('a', 'k1');
    const other = await order('b', 'k1');
    assert.deepEqual([other.status, other.error?.code, made], [409, 'http/idempotency', 1]);
  });

  test('HT32 a key belongs to its principal and project', async () => {
    await order('a', 'k1');
    await order('a', 'k1', { key: 'admin@prj_own' });
    await order('a', 'k1', { key: 'engineer@prj_other' });
    assert.equal(made, 3);
    assert.equal((await order('a', 'k1', { path: '/v1/projects/own/orders' })).status, 409);
  });

  test('HT33 of twenty calls at once one is done, the others replay or are told to wait', async () => {
    let open = () => {};
    gate = new Promise((resolve) => (open = resolve));
    const calls = Array.from({ length: 20 }, () => order('a', 'k1'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    open();
    const replies = await Promise.all(calls);
    assert.equal(made, 1);
    assert.ok(replies.every((reply) => reply.status === 201 || reply.error?.code === 'http/idempotency-busy'));
    assert.equal((await order('a', 'k1')).replayed, 'true');
  });

  test('HT34 a call that fails frees its key, and invalid ones never take it', async () => {
    assert.equal((await order('taken', 'k1')).status, 409);
    assert.equal((await order('b', 'k1')).status, 201);
    assert.equal((await order(7 as never, 'k2')).status, 422);
    assert.equal((await order('c', 'k2')).status, 201);
    for (const bad of ['x'.repeat(256), 'a b']) assert.equal((await order('d', bad)).error?.code, 'http/idempotency');
  });

  test('HT35 a reply is kept a day, and the key of a call that died is free after its lease', async () => {
    await order('a', 'k1');
    clock.advance(IDEMPOTENCY_LIFETIME_MS - 1);
    assert.equal((await order('a', 'k1')).replayed, 'true');
    clock.advance(2);
    assert.equal((await order('a', 'k1')).id, 'order-2');

    const store = createIdempotencyStore(records, clock);
    const scope = { project: 'p', principal: 'q', route: 'r', key: 'k' };
    assert.equal((await store.begin(scope, 'h')).state, 'new');
    assert.equal((await store.begin(scope, 'h')).state, 'busy');
    clock.advance(IDEMPOTENCY_LEASE_MS + 1);
    assert.equal((await store.begin(scope, 'other')).state, 'mismatch');
    assert.equal((await store.begin(scope, 'h')).state, 'new');
  });

  test('HT36 the sweep deletes what is old and the oldest beyond the limit of a project', async () => {
    const store = createIdempotencyStore(records, clock);
    const now = clock.nowMs();
    await sql`insert into http_idempotency (project, principal, route, key, request_hash, created_at)
      select 'p', 'q', 'r', 'k' || n, 'h', ${new Date(now)}::timestamptz - n * interval '1 second' from generate_series(1, ${IDEMPOTENCY_ROWS_PER_PROJECT_LIMIT + 2}) n`.execute(
      records.db,
    );
    await sql`insert into http_idempotency (project, principal, route, key, request_hash, created_at)
      values ('old', 'q', 'r', 'k', 'h', ${new Date(now - IDEMPOTENCY_LIFETIME_MS - 1)})`.execute(records.db);
    assert.equal(await store.sweep(), 3);
    assert.equal((await store.begin({ project: 'p', principal: 'q', route: 'r', key: 'k1' }, 'h')).state, 'busy');
    assert.equal(await store.sweep(), 0);
  });
});

/** The capability is asked only for its migrations here. */
function systemStore(): Records {
  return { db: undefined } as unknown as Records;
}

test('HT37 a route without the mark ignores Idempotency-Key', async () => {
  const { idempotent: _idempotent, ...plain } = route;
  const server = await startTestServer([plain], { clock: systemClock });
  const call = () =>
    server.request('/v1/orders', {
      method: 'POST',
      key: 'engineer@prj_own',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'k' },
      body: '{"item":"a"}',
    });
  made = 0;
  gate = Promise.resolve();
  await (await call()).text();
  await (await call()).text();
  assert.equal(made, 2);
  await server.close({ timeoutMs: 100 });
});
