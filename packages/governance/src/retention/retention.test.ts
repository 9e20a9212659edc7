import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditSchema } from '@slipway/audit';
import { type Catalog, catalogSchema, createCatalog } from '@slipway/catalog';
import { createIds, defineWorkflow, InvalidError, systemClock } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import { type Objects, openFolderObjects } from '@slipway/objects';
import type { Records } from '@slipway/records';
import { createTestRecords, emptyTables, testEngines } from '@slipway/records/testing';
import { TEST_PROJECT, launchTestWorkflows, testPrincipal, type TestWorkflows } from '@slipway/workflows/testing';
import { workflowsSchema } from '@slipway/workflows';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from 'vitest';
import { z } from 'zod';
import { governanceSchema } from '../capability.ts';
import { createRetention, type Retention, UploadLostError } from './retention.ts';

const DAY_MS = 86_400_000;
const OTHER = 'prj_other';

describe.each(testEngines)('retention on %s', (engine) => {
  let folder: string;
  let records: Records;
  let objects: Objects;
  let catalog: Catalog;
  let app: TestWorkflows;
  let retention: Retention;
  let nowMs: number;
  let failing: boolean;

  beforeAll(async () => {
    records = await createTestRecords([auditSchema, workflowsSchema, catalogSchema, governanceSchema], engine);
  });
  afterAll(() => records.close());
  beforeEach(async () => {
    failing = true;
    nowMs = systemClock.nowMs();
    folder = await mkdtemp(join(tmpdir(), 'slipway-retention-'));
    await emptyTables(records);
    objects = await openFolderObjects(join(folder, 'objects'));
    const uses = defineWorkflow({
      name: 'uses',
      version: 1,
      input: z.any(),
      run: async (context, { file }) => {
        await context.step('before', async () => 1);
        await context.step('read', async () => {
          if (failing) throw new InvalidError('not yet');
          return (await objects.read(TEST_PROJECT, file)).length;
        });
        return 1;
      },
    });
    app = await launchTestWorkflows(records, [uses]);
    const clock = { ...systemClock, nowMs: () => nowMs };
    catalog = createCatalog({ records, audit: app.audit, clock, ids: createIds(systemClock) });
    retention = createRetention({ records, objects, audit: app.audit, catalog, clock });
  });
  afterEach(async () => {
    await app.workflows.shutdown();
    await rm(folder, { recursive: true, force: true });
  });

  const upload = async (text: string, project = TEST_PROJECT) => {
    const ref = await objects.put(project, new TextEncoder().encode(text));
    await retention.uploaded(project, ref);
    return ref.sha256;
  };
  const has = (sha256: string, project = TEST_PROJECT) => objects.has(project, sha256);
  const later = (days: number) => (nowMs += days * DAY_MS);
  const register = (meta: object) =>
    records.transaction((tx) =>
      catalog.register(tx, {
        project: TEST_PROJECT,
        kind: 'dataset',
        name: 'd',
        recipe: sha256Hex('r'),
        content: sha256Hex('c'),
        run: null,
        principal: 'prn_test',
        meta: meta as never,
        parents: [],
      }),
    );
  const runWith = async (file: string) => {
    const id = await app.start('uses', { file });
    return app.workflows.wait(TEST_PROJECT, id, { timeoutMs: 20_000 });
  };

  test('bytes that nothing uses go after their days and not before, each project its own, and that is audited', async () => {
    const own = await upload('never used');
    const foreign = await upload('never used', OTHER);
    later(6.9);
    assert.deepEqual(await retention.sweep(), []);
    assert.ok((await has(own)) && (await has(foreign, OTHER)));
    await upload('never used', OTHER);
    later(0.2);
    const nothing = { runEvents: 0, runs: 0 };
    assert.deepEqual(await retention.sweep(), [{ project: TEST_PROJECT, uploads: 1, uploadBytes: 10, ...nothing }]);
    assert.deepEqual([await has(own), await has(foreign, OTHER)], [false, true]);
    const { rows } = await sql<{ project: string; type: string }>`
      select project, type from audit_event where type = 'governance.retention.swept'`.execute(records.db);
    assert.deepEqual(rows, [{ project: TEST_PROJECT, type: 'governance.retention.swept' }]);
    assert.deepEqual(await retention.sweep(), []);
  });

  test('bytes that a version names are never swept, while its neighbour that nobody names goes', async () => {
    const named = await upload('the source of a dataset');
    const unnamed = await upload('the source of nothing');
    await register({ source: { sha256: named } });
    later(400);
    await retention.sweep();
    assert.deepEqual([await has(named), await has(unnamed)], [true, false]);
    later(400);
    await retention.sweep();
    assert.equal(await has(named), true);
  });

  test('bytes of a failed launch stay as long as it can be retried, and a retry inside the time finds them', async () => {
    const file = await upload('a table');
    const run = await runWith(file);
    assert.equal(run.status, 'failed');
    // The run ended now; the upload is older.
    await sql`update governance_upload set uploaded_at_ms = uploaded_at_ms - ${20 * DAY_MS}`.execute(records.db);
    later(6.5);
    await retention.sweep();
    assert.equal(await has(file), true);
    failing = false;
    await app.workflows.retry(TEST_PROJECT, run.id, testPrincipal);
    assert.equal((await app.workflows.wait(TEST_PROJECT, run.id, { timeoutMs: 20_000 })).status, 'succeeded');
    // The control: days after its end nothing holds the bytes any more.
    later(8);
    await retention.sweep();
    assert.equal(await has(file), false);
  });

  test('bytes of an open run stay however long it takes', async () => {
    const file = await upload('a large table');
    await runWith(file);
    await sql`update workflows_run set status = 'running', ended_at = null`.execute(records.db);
    later(300);
    await retention.sweep();
    assert.equal(await has(file), true);
    await sql`update workflows_run set status = 'failed', ended_at = now()`.execute(records.db);
  });

  test('bytes that went while they were sent again are asked for again', async () => {
    const ref = await objects.put(TEST_PROJECT, new TextEncoder().encode('late'));
    await objects.delete(TEST_PROJECT, ref.sha256);
    await assert.rejects(retention.uploaded(TEST_PROJECT, ref), UploadLostError);
  });

  test('days are settings, and the report says what is kept', async () => {
    const short = createRetention({
      records,
      objects,
      audit: app.audit,
      catalog,
      clock: { ...systemClock, nowMs: () => nowMs },
      keepDays: { uploads: 1, runEvents: undefined },
    });
    const file = await upload('twelve bytes');
    await runWith('none');
    const report = await short.report(TEST_PROJECT);
    assert.deepEqual(report.keepDays, { uploads: 1, runEvents: 90, runSteps: 30 });
    assert.deepEqual(report.uploads, { count: 1, sizeBytes: 12 });
    assert.deepEqual([report.runs.count, report.runs.open, report.runs.withSteps], [1, 0, 1]);
    assert.deepEqual((await short.report(OTHER)).runs, { count: 0, open: 0, events: 0, withSteps: 0 });
    later(1.1);
    assert.equal((await short.sweep())[0]?.uploads, 1);
    assert.equal(await has(file), false);
  });
});
