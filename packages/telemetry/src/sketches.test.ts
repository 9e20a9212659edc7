import assert from 'node:assert/strict';
import { type Contract, fixedClock } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { emptyTables, testEngines } from '@slipway/records/testing';
import { createRandom } from '@slipway/statistics';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WindowTooLongError } from './errors.ts';
import { OPEN_MINUTES_LIMIT, SKETCH_MERGE_LIMIT } from './limits.ts';
import { rollUpSketches } from './sketch-roll-up.ts';
import { countSketches, lockSlot, saveSlot } from './sketch-store.ts';
import { dropTotals, lockForWriting } from './sketch-total-store.ts';
import { CALL_FIELDS } from './sketch-values.ts';
import { type TelemetryFixture, createTelemetryFixture, createTelemetryRecords, invocationMaker } from './testing/index.ts';

const START_MS = Date.UTC(2026, 2, 1, 12);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const field = (name: string, type: 'float64' | 'int64' | 'string' | 'boolean' | 'timestamp', role: string) => ({
  name,
  type,
  role,
  nullable: true,
  expect: {},
  severity: 'warn' as const,
});
const contract = {
  format: 'slipway.contract/1',
  fields: [
    field('amount', 'float64', 'numeric'),
    field('branch', 'int64', 'categorical'),
    field('member', 'boolean', 'boolean'),
    field('since', 'timestamp', 'time'),
    field('note', 'string', 'text'),
    field('prediction', 'float64', 'numeric'),
  ],
  ignored: [],
} as unknown as Contract;

describe.each(testEngines)('sketches on %s', (engine) => {
  let records: Records;
  let fixture: TelemetryFixture;
  let clock = fixedClock(START_MS);
  const window = { release: 'churn', fromMs: START_MS - 30 * 86_400_000, toMs: START_MS + 30 * 86_400_000 };
  const rowsOf = async (table: string) => {
    const { rows } = await sql<{ n: number }>`select count(*)::int as n from ${sql.table(table)} where field = 'amount'`.execute(
      records.db,
    );
    return rows[0]?.n ?? 0;
  };
  const counts = async (query: Partial<typeof window> & { revision?: number } = {}) => {
    const sketches = await fixture.telemetry.sketches('alpha', { ...window, ...query });
    return Object.fromEntries([...sketches].map(([name, sketch]) => [name, sketch.count]));
  };
  beforeAll(async () => {
    records = await createTelemetryRecords(engine);
  });
  afterAll(() => records.close());
  beforeEach(async () => {
    await emptyTables(records);
    clock = fixedClock(START_MS);
    fixture = await createTelemetryFixture({ records, clock });
  });
  afterEach(() => fixture.close());

  test('TL20 inputs are read as the contract says, answers beside them, free text not at all', async () => {
    await fixture.telemetry.describe('alpha', 'mv_1', contract);
    const make = invocationMaker(clock);
    const input = { amount: 5, branch: 7, member: true, since: '2026-01-01T00:00:00Z', note: 'call Ada at home', prediction: 3 };
    for (let index = 0; index < 6; index += 1) await fixture.telemetry.append(make({ input }));
    await fixture.telemetry.append(make({ input: { amount: null }, status: 'error', output: null }));
    const sketches = await fixture.telemetry.sketches('alpha', window);
    expect([...sketches.keys()].toSorted()).toEqual(
      [
        'amount',
        'branch',
        ...Object.values(CALL_FIELDS).toSorted(),
        'input.prediction',
        'member',
        'prediction',
        'probability:no',
        'probability:yes',
        'since',
      ].toSorted(),
    );
    expect(sketches.get('branch')?.topValues()[0]).toMatchObject({ value: '7', count: 6 });
    expect(sketches.get('member')?.mean).toBe(1);
    expect(sketches.get('since')?.mean).toBe(Date.UTC(2026, 0, 1));
    expect(sketches.get('amount')).toMatchObject({ count: 7, missing: 1 });
    expect(sketches.get('input.prediction')?.mean).toBe(3);
    expect(sketches.get('prediction')?.topValues()[0]).toMatchObject({ value: 'no', count: 6 });
    expect(sketches.get('probability:yes')?.mean).toBeCloseTo(0.2, 12);
  });

  test('TL21 without a contract the first value says what a column is, and what was missing before counts', async () => {
    const make = invocationMaker(clock);
    for (const amount of [null, null, 4, 'four'])
      await fixture.telemetry.append(make({ input: { amount, text: 'x'.repeat(65) }, output: 1 }));
    const sketches = await fixture.telemetry.sketches('alpha', window);
    expect([...sketches.keys()].filter((name) => !name.startsWith('call:'))).toEqual(['amount']);
    expect(sketches.get('amount')).toMatchObject({ kind: 'number', count: 4, missing: 3 });
  });

  test('TL22 every call counts once over saves, restarts and crashes, whatever was saved (seeded)', async () => {
    const random = createRandom(22);
    const make = invocationMaker(clock);
    let appended = 0;
    for (let round = 0; round < 25; round += 1) {
      const calls = 1 + random.int(30);
      const eventTimeMs = START_MS + random.int(5) * 60_000;
      await Promise.all(Array.from({ length: calls }, () => fixture.telemetry.append(make({ eventTimeMs }))));
      appended += calls;
      const action = random.int(5);
      if (action === 0) await fixture.telemetry.maintain();
      if (action === 1) await fixture.telemetry.roll();
      if (action === 2) {
        await fixture.telemetry.close();
        await fixture.reopen();
      }
      // A crash: the process before is forgotten with whatever it had not saved.
      if (action === 3) await fixture.reopen();
      assert.equal((await counts())['amount'], appended, `round ${round}, seed 22`);
    }
    expect((await fixture.telemetry.listInvocations('alpha', { limit: 500 })).items.length).toBe(Math.min(500, appended));
  });

  test('TL23 minutes become hours, hours become days, and the merged sketch of the window stays the same', async () => {
    const random = createRandom(23);
    const make = invocationMaker(clock);
    const values: number[] = [];
    for (let index = 0; index < 300; index += 1) {
      const eventTimeMs = START_MS - random.int(12 * 24) * HOUR_MS - random.int(60) * 60_000;
      values.push(random.int(40));
      await fixture.telemetry.append(make({ eventTimeMs, input: { amount: values.at(-1) as number } }));
    }
    const levels = async () => {
      const { rows } = await sql<{ level: string }>`select distinct level from telemetry_sketch order by level`.execute(fixture.records.db);
      return rows.map((row) => row.level);
    };
    await fixture.telemetry.maintain();
    expect(await levels()).toEqual(['day', 'hour', 'minute']);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const merged = (await fixture.telemetry.sketches('alpha', window)).get('amount');
    expect(merged?.count).toBe(300);
    expect(merged?.mean).toBeCloseTo(mean, 9);
    // What comes late for an hour that was rolled up already is added to it.
    await fixture.telemetry.append(make({ eventTimeMs: START_MS - 5 * HOUR_MS, input: { amount: 1 } }));
    clock.advance(11 * 60_000);
    await fixture.telemetry.maintain();
    expect((await counts())['amount']).toBe(301);
    const day = await counts({ fromMs: START_MS - 86_400_000, toMs: START_MS });
    expect(day['amount']).toBeLessThan(301);
  });

  test('TL28 a closed hour or day is read as its total, and whatever is written, when and beside what, counts once (seeded)', async () => {
    const random = createRandom(28);
    const make = invocationMaker(clock);
    const times: number[] = [];
    for (let round = 0; round < 15; round += 1) {
      const late = Array.from({ length: 1 + random.int(12) }, () => clock.nowMs() - random.int(9 * 24 * 60) * 60_000);
      const written = late.map((eventTimeMs) => fixture.telemetry.append(make({ eventTimeMs, input: { amount: 1 } })));
      times.push(...late);
      await Promise.all(written);
      clock.advance((1 + random.int(40)) * 60_000);
      // Of two replicas one writes while the other totals and rolls up.
      await Promise.all([fixture.telemetry.maintain(), rollUpSketches(records, clock.nowMs()), rollUpSketches(records, clock.nowMs())]);
      const dayMs = Math.floor(clock.nowMs() / DAY_MS) * DAY_MS;
      const fromMs = dayMs - random.int(10) * DAY_MS;
      const toMs = fromMs + (1 + random.int(10)) * DAY_MS;
      const expected = times.filter((time) => time >= fromMs && time < toMs).length;
      assert.equal((await counts({ fromMs, toMs }))['amount'] ?? 0, expected, `round ${round}, seed 28`);
      assert.equal((await counts())['amount'], times.length, `round ${round}, seed 28`);
    }
    const rows = await rowsOf('telemetry_sketch');
    const totals = await rowsOf('telemetry_sketch_total');
    const read = await countSketches(records.db, { project: 'alpha', ...window });
    assert.ok(totals > 0 && (read.get('amount') ?? 0) < rows, `${read.get('amount')} read of ${rows} rows with ${totals} totals, seed 28`);
    // Control: what the totals say is what is read.
    await sql`update telemetry_sketch_total set sketch = replace(sketch, '"count":', '"count":1')
      where field = 'amount' and level = 'day'`.execute(records.db);
    await expect(counts()).rejects.toThrow('were counted');
  });

  test('TL29 a total waits for whoever writes into its time', async () => {
    const make = invocationMaker(clock);
    for (const minute of [0, 1]) await fixture.telemetry.append(make({ eventTimeMs: START_MS + minute * 60_000 }));
    await fixture.telemetry.maintain();
    const owner = { project: 'alpha', release: 'churn', revision: 1, startMs: START_MS };
    const stored = await lockSlot(records.db, { ...owner, level: 'minute', replica: 0 });
    const [written, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const writing = records.transaction(async (tx) => {
      await lockForWriting(tx, owner);
      await dropTotals(tx, owner);
      await saveSlot(tx, { ...owner, level: 'minute', replica: 1 }, stored);
      written.resolve();
      await commit.promise;
    });
    await written.promise;
    const totalling = rollUpSketches(records, START_MS + 70 * 60_000);
    await new Promise((resolve) => setTimeout(resolve, 300));
    commit.resolve();
    await Promise.all([writing, totalling]);
    assert.equal(await rowsOf('telemetry_sketch_total'), 1);
    assert.equal((await counts())['amount'], 3);
  });

  test('TL24 calls of more minutes than the limit are saved early and none is lost', async () => {
    const make = invocationMaker(clock);
    for (let index = 0; index < OPEN_MINUTES_LIMIT * 3; index += 1) {
      await fixture.telemetry.append(make({ eventTimeMs: START_MS - index * 60_000 }));
    }
    await fixture.telemetry.maintain();
    expect((await counts())['amount']).toBe(OPEN_MINUTES_LIMIT * 3);
  });

  test('TL25 a window of more sketches than one query merges is refused and says what to do', async () => {
    const make = invocationMaker(clock);
    await fixture.telemetry.append(make());
    await fixture.telemetry.maintain();
    await sql`insert into telemetry_sketch select project, release, revision, field, level, start_ms - 60000 * n, replica, sketch
      from telemetry_sketch, generate_series(1, ${SKETCH_MERGE_LIMIT}) as n where field = 'amount'`.execute(fixture.records.db);
    await expect(fixture.telemetry.sketches('alpha', window)).rejects.toThrow(WindowTooLongError);
    const fromMs = START_MS - 60_000 * (SKETCH_MERGE_LIMIT - 1);
    expect((await counts({ fromMs }))['amount']).toBe(SKETCH_MERGE_LIMIT);
  });

  test('TL26 rare values are nowhere in the store', async () => {
    const make = invocationMaker(clock);
    for (let index = 0; index < 5; index += 1) await fixture.telemetry.append(make({ input: { plan: 'basic' } }));
    await fixture.telemetry.append(make({ input: { plan: 'Ada Lovelace' } }));
    await fixture.telemetry.maintain();
    const { rows } = await sql<{ sketch: string }>`select sketch from telemetry_sketch where field = 'plan'`.execute(fixture.records.db);
    assert.equal(rows.length, 1);
    expect(rows[0]?.sketch).toContain('basic');
    expect(rows[0]?.sketch).not.toContain('Ada');
  });

  test('TL27 projects, releases and revisions are kept apart', async () => {
    const make = invocationMaker(clock);
    await fixture.telemetry.append(make());
    await fixture.telemetry.append(make({ revision: 2 }));
    await fixture.telemetry.append(make({ release: 'price' }));
    await fixture.telemetry.append(make({ project: 'beta' }));
    for (let round = 0; round < 2; round += 1) {
      // Unsaved at first, then saved.
      expect((await counts())['amount']).toBe(2);
      expect((await counts({ revision: 2 }))['amount']).toBe(1);
      expect((await counts({ release: 'price' }))['amount']).toBe(1);
      expect((await fixture.telemetry.sketches('beta', window)).get('amount')?.count).toBe(1);
      expect((await fixture.telemetry.sketches('gamma', window)).size).toBe(0);
      await fixture.telemetry.maintain();
    }
  });
});
