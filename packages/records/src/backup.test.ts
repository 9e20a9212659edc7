import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { describe, test } from 'vitest';
import { type DumpLine, dumpRecords, restoreRecords } from './backup.ts';
import { BackupError } from './errors.ts';
import { createTestRecords, testEngines } from './testing/index.ts';

const shop = {
  name: 'shop',
  migrations: [
    {
      id: '0001_create',
      sql: `create table shop_order (id bigint primary key, note text, data jsonb, raw bytea, at timestamptz, tags text[], price double precision);
        create table shop_line (id bigint generated always as identity primary key, order_id bigint not null references shop_order (id), qty int)`,
    },
  ],
};

async function dumpAll(records: Parameters<typeof dumpRecords>[0]): Promise<DumpLine[]> {
  const lines: DumpLine[] = [];
  await dumpRecords(records, async (line) => void lines.push(line));
  return lines;
}

async function* from(lines: readonly DumpLine[]): AsyncIterable<DumpLine> {
  for (const line of lines) yield JSON.parse(JSON.stringify(line)) as DumpLine;
}

describe.each(testEngines)('backup on %s', (engine) => {
  test('a dump restores to the same rows, also from one engine to the other', async () => {
    const source = await createTestRecords([shop], engine);
    await sql`insert into shop_order select i, 'it''s ' || i || E'\n"x"', ('{"n":' || i || ',"z":null}')::jsonb, decode('00ff', 'hex'),
      timestamptz '2026-01-01 00:00:00.123456Z' + i * interval '1 second', array['a', null, 'c,"d"'], i / 3.0::float8 from generate_series(1, 1203) i`.execute(
      source.db,
    );
    await sql`insert into shop_order (id, data, price) values (-1, 'null'::jsonb, 'NaN')`.execute(source.db);
    await sql`insert into shop_line (order_id, qty) select id, 2 from shop_order`.execute(source.db);
    const lines = await dumpAll(source);

    for (const target of testEngines) {
      const restored = await createTestRecords([shop], target);
      await restoreRecords(restored, from(lines));
      assert.deepEqual(await dumpAll(restored), lines);
      await sql`insert into shop_line (order_id, qty) values (1, 5)`.execute(restored.db);
      await restored.close();
    }
    await source.close();
  });

  test('a dump of a newer program is refused and nothing of it stays', async () => {
    const records = await createTestRecords([shop], engine);
    await sql`insert into shop_order (id) values (7)`.execute(records.db);
    const newer: DumpLine[] = [
      { type: 'table', table: 'public.shop_order', columns: ['id'] },
      { type: 'rows', rows: [['1']] },
      { type: 'migrations', applied: ['shop/0001_create', 'shop/0099_future'] },
    ];
    await assert.rejects(restoreRecords(records, from(newer)), BackupError);
    const { rows } = await sql`select id from shop_order`.execute(records.db);
    assert.deepEqual(rows, [{ id: '7' }]);
    await records.close();
  });
});
