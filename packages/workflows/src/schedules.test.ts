import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { NotFoundError, createIds, defineWorkflow, systemClock } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { z } from 'zod';
import { Definitions } from './definitions.ts';
import { CronError, RunInputError } from './errors.ts';
import { startRun } from './run-changes.ts';
import { fireDueSchedules, type SchedulesDeps } from './schedules.ts';
import { TEST_PROJECT, launchTestWorkflows, testPrincipal, testSchemas, type TestWorkflows } from './testing/index.ts';

const tick = defineWorkflow({ name: 'tick', version: 1, input: z.object({ of: z.string() }), run: async (_context, input) => input.of });

describe.each(testEngines)('schedules on %s', (engine) => {
  let records: Records;
  let app: TestWorkflows;
  beforeAll(async () => {
    records = await createTestRecords(testSchemas, engine);
    app = await launchTestWorkflows(records, [tick]);
  });
  afterAll(async () => {
    await app.workflows.shutdown();
    await records.close();
  });
  const set = (name: string, cron: string, input: unknown = { of: name }) =>
    records.transaction((tx) =>
      app.workflows.schedule(tx, { project: TEST_PROJECT, principal: testPrincipal, name, workflow: 'tick', cron, input: input as never }),
    );
  const runsOf = async (name: string) => {
    const { items } = await app.workflows.list(TEST_PROJECT, { limit: 500, workflow: 'tick' });
    return items.filter((run) => (run.provenance as { schedule?: string }).schedule === name);
  };

  test('a schedule starts runs by itself, once a tick, until it is removed', async () => {
    await set('often', '* * * * * *');
    while ((await runsOf('often')).length < 3) await delay(50);
    await records.transaction((tx) => app.workflows.unschedule(tx, { project: TEST_PROJECT, principal: testPrincipal, name: 'often' }));
    const runs = await runsOf('often');
    const ticks = runs.map((run) => (run.provenance as { tick: string }).tick);
    assert.equal(new Set(ticks).size, ticks.length);
    await delay(1_200);
    assert.equal((await runsOf('often')).length, runs.length);
    const removed = records.transaction((tx) =>
      app.workflows.unschedule(tx, { project: TEST_PROJECT, principal: testPrincipal, name: 'often' }),
    );
    await assert.rejects(removed, NotFoundError);
  });

  test('a tick starts one run however many workers look, and missed ticks are made up by one', async () => {
    await set('raced', '0 0 1 1 *');
    await sql`update workflows_schedule set next_at = now() - interval '3 years' where name = 'raced'`.execute(records.db);
    const definitions = new Definitions();
    definitions.add(tick);
    const deps = {
      records,
      audit: app.audit,
      clock: systemClock,
      ids: createIds(systemClock),
      applicationVersion: 'x',
      definitions,
    };
    const worker = { ...deps, log: () => {}, start: (...[tx, request]: Parameters<SchedulesDeps['start']>) => startRun(deps, tx, request) };
    await Promise.all(Array.from({ length: 8 }, () => fireDueSchedules(worker)));
    assert.equal((await runsOf('raced')).length, 1);
    const schedule = (await app.workflows.schedules(TEST_PROJECT)).find(({ name }) => name === 'raced');
    assert.equal(new Date(schedule?.nextAtMs ?? 0).toISOString().slice(4), '-01-01T00:00:00.000Z');
    assert.ok((schedule?.nextAtMs ?? 0) > Date.now());
  });

  test('a bad cron expression, name or input is refused when it is set', async () => {
    await assert.rejects(set('bad', '* * *'), CronError);
    await assert.rejects(set('bad', '* * * * *', { of: 1 }), RunInputError);
    await assert.rejects(set('Bad Name', '* * * * *'), /name of a schedule/);
    assert.ok(!(await app.workflows.schedules(TEST_PROJECT)).some(({ name }) => name.toLowerCase().startsWith('bad')));
  });

  test('an input that no longer fits stops its own schedule and not the others', async () => {
    await set('stale', '0 0 1 1 *');
    await set('sound', '0 0 1 1 *');
    await sql`update workflows_schedule set input = '{}' where name = 'stale'`.execute(records.db);
    await sql`update workflows_schedule set next_at = now() - interval '1 minute' where name in ('stale', 'sound')`.execute(records.db);
    while ((await runsOf('sound')).length === 0) await delay(20);
    assert.equal((await runsOf('stale')).length, 0);
    const code = async () => {
      const { rows } = await sql<{
        code: string | null;
      }>`select last_error ->> 'code' as code from workflows_schedule where name = 'stale'`.execute(records.db);
      return rows[0]?.code;
    };
    // Which of the two comes first is open.
    while ((await code()) === null) await delay(20);
    assert.equal(await code(), 'workflows/input');
    assert.ok(app.log.some((entry) => entry.message.includes('stale')));
  });
});
