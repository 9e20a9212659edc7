import assert from 'node:assert/strict';
import { defineWorkflow, InvalidError, type WorkflowDefinition } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords, emptyTables, testEngines } from '@slipway/records/testing';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from 'vitest';
import { z } from 'zod';
import { RunNotRetryableError } from './errors.ts';
import { pruneRuns, runSizes, runsMention } from './retention.ts';
import { TEST_PROJECT, launchTestWorkflows, testPrincipal, testSchemas, type TestWorkflows } from './testing/index.ts';

const DAY_MS = 86_400_000;
const NOW = Date.now();

describe.each(testEngines)('what is kept of runs on %s', (engine) => {
  let records: Records;
  let app: TestWorkflows;
  let failing = true;

  const workflow = (name: string, run: WorkflowDefinition['run']) =>
    defineWorkflow({ name, version: 1, input: z.any(), run: run as never });
  beforeAll(async () => {
    records = await createTestRecords(testSchemas, engine);
  });
  afterAll(() => records.close());
  beforeEach(async () => {
    failing = true;
    await emptyTables(records);
    app = await launchTestWorkflows(records, [
      workflow('once', async (context) => {
        await context.progress({ phase: 'work', ratio: 0.5 });
        await context.step('first', async () => 1);
        await context.step('second', async () => {
          if (failing) throw new InvalidError('not yet');
          return 2;
        });
        return 3;
      }),
      workflow('waits', async (context) => {
        await context.progress({ phase: 'waiting' });
        return (await context.waitFor('go', 60_000)) ?? null;
      }),
    ]);
  });
  afterEach(async () => {
    await app.workflows.shutdown();
  });

  const ended = (id: string) => app.workflows.wait(TEST_PROJECT, id, { timeoutMs: 20_000 });
  const endDaysAgo = (id: string, days: number) =>
    sql`update workflows_run set ended_at = ${new Date(NOW - days * DAY_MS)}::timestamptz where id = ${id}`.execute(records.db);
  const prune = () => pruneRuns(records, { eventsBeforeMs: NOW - 90 * DAY_MS, stepsBeforeMs: NOW - 30 * DAY_MS });

  test('progress and steps of old runs go, the run stays and says that it cannot be retried any more', async () => {
    const id = await app.start('once');
    assert.equal((await ended(id)).status, 'failed');
    const before = await runSizes(records.db, TEST_PROJECT);
    assert.deepEqual([before.runs, before.open, before.withSteps], [1, 0, 1]);
    assert.ok(before.events > 0);
    await endDaysAgo(id, 100);
    assert.deepEqual(await prune(), [{ project: TEST_PROJECT, events: before.events, runs: 1 }]);
    assert.deepEqual(await runSizes(records.db, TEST_PROJECT), { runs: 1, open: 0, events: 0, withSteps: 0 });
    const { rows } = await sql`select 1 from dbos.operation_outputs`.execute(records.db);
    assert.equal(rows.length, 0);
    await assert.rejects(app.workflows.retry(TEST_PROJECT, id, testPrincipal), RunNotRetryableError);
    assert.equal((await app.workflows.get(TEST_PROJECT, id)).status, 'failed');
    // Nothing is left to do, and doing it again is harmless.
    assert.deepEqual(await prune(), []);
  });

  test('inside the time a failed run keeps its steps and is retried from the one that failed', async () => {
    const id = await app.start('once');
    await ended(id);
    await endDaysAgo(id, 29);
    assert.deepEqual(await prune(), []);
    failing = false;
    await app.workflows.retry(TEST_PROJECT, id, testPrincipal);
    assert.equal((await ended(id)).status, 'succeeded');
  });

  test('a run that is open is untouched however old it is, and so is the child of one', async () => {
    const parent = await app.start('waits');
    const child = await app.start('once', {}, { parent });
    await ended(child);
    await sql`update workflows_run set created_at = ${new Date(NOW - 400 * DAY_MS)}::timestamptz`.execute(records.db);
    await endDaysAgo(child, 400);
    assert.deepEqual(await prune(), []);
    await app.workflows.signal(TEST_PROJECT, parent, 'go', 'now');
    assert.equal((await ended(parent)).status, 'succeeded');
    // The control: with its parent ended, the child goes.
    assert.deepEqual(
      (await prune()).map(({ runs }) => runs),
      [1],
    );
  });

  test('a pass takes at most so many runs', async () => {
    for (let count = 0; count < 3; count += 1) {
      const id = await app.start('once');
      await ended(id);
      await endDaysAgo(id, 100);
    }
    const request = { eventsBeforeMs: NOW, stepsBeforeMs: NOW, limit: 2 };
    assert.equal((await pruneRuns(records, request))[0]?.runs, 2);
    assert.equal((await pruneRuns(records, request))[0]?.runs, 1);
  });

  test('a text is found in the input of open and recent runs of its project only', async () => {
    const id = await app.start('once', { file: 'abc123' });
    await ended(id);
    const mention = (text: string, days: number, project = TEST_PROJECT) => runsMention(records.db, project, text, NOW - days * DAY_MS);
    assert.equal(await mention('abc123', 7), true);
    assert.equal(await mention('abc124', 7), false);
    assert.equal(await mention('abc123', 7, 'prj_other'), false);
    await endDaysAgo(id, 8);
    assert.equal(await mention('abc123', 7), false);
  });
});
