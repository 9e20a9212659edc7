import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { ConnectionHeldError } from './errors.ts';
import type { Records } from './records.ts';
import { createTestRecords, testEngines } from './testing/index.ts';

const notes = {
  name: 'notes',
  migrations: [
    { id: '0001_create', sql: 'create table notes_note (id bigint primary key, body text, data jsonb, raw bytea, at timestamptz)' },
  ],
};

describe.each(testEngines)('records on %s', (engine) => {
  let records: Records;
  beforeAll(async () => {
    records = await createTestRecords([notes], engine);
  }, 60_000);
  afterAll(() => records.close());

  test('values come back as the same JavaScript values on both engines', async () => {
    const at = new Date('2026-01-02T03:04:05.678Z');
    await sql`insert into notes_note values (${'9007199254740993'}, ${'a\'b"c'}, ${{ list: [1, 'x', null] }}, ${Buffer.from([0, 1, 255])}, ${at})`.execute(
      records.db,
    );
    const { rows } =
      await sql`select id, body, data, raw, at, 1.5::float8 as f, true as t, array['a','b'] as l, null as n from notes_note`.execute(
        records.db,
      );
    assert.deepEqual(rows, [
      {
        id: '9007199254740993',
        body: 'a\'b"c',
        data: { list: [1, 'x', null] },
        raw: Buffer.from([0, 1, 255]),
        at,
        f: 1.5,
        t: true,
        l: ['a', 'b'],
        n: null,
      },
    ]);
    const { rows: some } = await sql`select id from notes_note where id = any(${['1', '9007199254740993']}::bigint[])`.execute(records.db);
    assert.equal(some.length, 1);
  });

  test('a transaction that throws leaves nothing behind', async () => {
    const attempt = records.transaction(async (tx) => {
      await sql`insert into notes_note (id) values (1)`.execute(tx);
      throw new Error('stop');
    });
    await assert.rejects(attempt, /stop/);
    const { rows } = await sql`select 1 from notes_note where id = 1`.execute(records.db);
    assert.equal(rows.length, 0);
  });

  test('two hundred interleaved transactions lose no increment', async () => {
    await sql`insert into notes_note (id, body) values (2, '0')`.execute(records.db);
    const add = () =>
      records.transaction(async (tx) => {
        const { rows } = await sql<{ body: string }>`select body from notes_note where id = 2 for update`.execute(tx);
        await sql`update notes_note set body = ${String(Number(rows[0]?.body) + 1)} where id = 2`.execute(tx);
      });
    await Promise.all(Array.from({ length: 200 }, add));
    const { rows } = await sql`select body from notes_note where id = 2`.execute(records.db);
    assert.deepEqual(rows, [{ body: '200' }]);
  });

  test('a query on the pool from inside a transaction is refused instead of hanging', async () => {
    const attempt = records.transaction(async () => {
      await sql`select 1`.execute(records.db);
    });
    await assert.rejects(attempt, ConnectionHeldError);
    await records.transaction(async (tx) => sql`select 1`.execute(tx));
  });

  test('a constraint violation carries its SQLSTATE', async () => {
    await sql`insert into notes_note (id) values (3)`.execute(records.db);
    await assert.rejects(sql`insert into notes_note (id) values (3)`.execute(records.db), { code: '23505' });
    const { rows } = await sql`select id from notes_note where id = 3`.execute(records.db);
    assert.equal(rows.length, 1);
  });

  test('a notification sent in a transaction arrives after its commit and not after a rollback', async () => {
    const heard: string[] = [];
    const stop = await records.listen('records_test', (payload) => heard.push(payload));
    await records.transaction(async (tx) => sql`select pg_notify('records_test', 'kept')`.execute(tx));
    await records
      .transaction(async (tx) => {
        await sql`select pg_notify('records_test', 'dropped')`.execute(tx);
        throw new Error('undo');
      })
      .catch(() => {});
    for (let wait = 0; heard.length === 0 && wait < 100; wait += 1) await new Promise((resolve) => setTimeout(resolve, 20));
    await stop();
    assert.deepEqual(heard, ['kept']);
  });
});

test('a reply of many rows comes whole and in order, and leaves room for other work', async () => {
  const records = await createTestRecords();
  try {
    const query = () => records.pool.query("select i, 'row ' || i as name from generate_series(1, 50000) i order by i");
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    const { rows, rowCount } = await query();
    clearInterval(timer);
    assert.equal(rowCount, 50_000);
    assert.ok(rows.every((row, index) => row.i === index + 1 && row.name === `row ${index + 1}`));
    assert.ok(turns >= 10, `other work had ${turns} turns`);
    const [counted, again] = await Promise.all([records.pool.query('select 1 as one'), query()]);
    assert.deepEqual(counted.rows, [{ one: 1 }]);
    assert.equal(again.rows.length, 50_000);
  } finally {
    await records.close();
  }
});

test('a row wider than a part of a reply comes as a part of its own', async () => {
  const records = await createTestRecords();
  try {
    const { rows } = await records.pool.query("select i, repeat('x', 600000) as text from generate_series(1, 3) i order by i");
    assert.deepEqual(
      rows.map((row) => [row.i, row.text.length]),
      [1, 2, 3].map((i) => [i, 600_000]),
    );
    assert.deepEqual((await records.pool.query('select 1 where false')).rows, []);
  } finally {
    await records.close();
  }
});
