import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { defineWorkflow, systemClock, type WorkflowDefinition } from '@slipway/kernel';
import { createTestRecords, emptyTables, testEngines } from '@slipway/records/testing';
import type { Records } from '@slipway/records';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from 'vitest';
import { z } from 'zod';
import { AlreadyLaunchedError, DefinitionError, NotLaunchedError } from './errors.ts';
import { RECOVERY_LIMIT, RUN_EVENT_LIMIT } from './limits.ts';
import { TEST_PROJECT, launchTestWorkflows, testPrincipal, testSchemas, type TestWorkflows } from './testing/index.ts';
import { reconcile, takeOver } from './upkeep.ts';
import { createWorkflows } from './workflows.ts';

type Body = (context: Parameters<WorkflowDefinition['run']>[0]) => Promise<unknown>;

function workflow(name: string, version: number, body: Body, input: z.ZodType = z.object({})): WorkflowDefinition {
  return defineWorkflow({ name, version, input, run: async (context) => (await body(context)) as never });
}

describe.each(testEngines)('recovery on %s', (engine) => {
  let records: Records;
  const launched = new Set<TestWorkflows>();
  const launch = async (definitions: WorkflowDefinition[], options: Parameters<typeof launchTestWorkflows>[2] = {}) => {
    const app = await launchTestWorkflows(records, definitions, options);
    launched.add(app);
    return app;
  };
  const shutdown = async (app: TestWorkflows) => {
    launched.delete(app);
    await app.workflows.shutdown();
  };
  const ended = (app: TestWorkflows, id: string) => app.workflows.wait(TEST_PROJECT, id, { timeoutMs: 20_000 });
  beforeAll(async () => {
    records = await createTestRecords(testSchemas, engine);
  });
  beforeEach(() => emptyTables(records));
  afterEach(async () => {
    for (const app of launched) await shutdown(app);
  });
  afterAll(() => records.close());

  test('a shutdown lets a running step finish, and the next launch continues after it', async () => {
    const seen: string[] = [];
    const steps = workflow('steps', 1, async (context) => {
      for (const name of ['a', 'b', 'c']) {
        await context.step(name, async () => {
          seen.push(name);
          await delay(150);
        });
      }
      return seen.length;
    });
    const first = await launch([steps]);
    const id = await first.start('steps');
    while (seen.length === 0) await delay(5);
    await shutdown(first);
    assert.deepEqual(seen, ['a']);
    assert.equal((await first.workflows.get(TEST_PROJECT, id)).status, 'running');
    const second = await launch([steps]);
    assert.equal((await ended(second, id)).status, 'succeeded');
    assert.deepEqual(seen, ['a', 'b', 'c']);
  });

  test('a shutdown does not record as failed what it interrupts', async () => {
    let tries = 0;
    const waits = workflow('waits', 1, async (context) => {
      await context.step('wait', async () => {
        tries += 1;
        if (tries === 1) await delay(60_000, undefined, { signal: context.signal });
      });
      await context.waitFor('go', 60_000);
      return tries;
    });
    const first = await launch([waits]);
    const id = await first.start('waits');
    while (tries === 0) await delay(5);
    await shutdown(first);
    const second = await launch([waits]);
    while (tries === 1) await delay(5);
    await delay(50);
    await shutdown(second);
    const third = await launch([waits]);
    await third.workflows.signal(TEST_PROJECT, id, 'go', null);
    const run = await ended(third, id);
    assert.deepEqual([run.status, run.output], ['succeeded', 2]);
  });

  test('the engine is one per process, and workflows are registered before it', async () => {
    const app = await launch([]);
    await assert.rejects(launchTestWorkflows(records, []), AlreadyLaunchedError);
    assert.throws(() => app.workflows.register([workflow('late', 1, async () => null)]), DefinitionError);
    await shutdown(app);
    await launch([]);
  });

  test('before the first launch of a store no run can be started', async () => {
    const fresh = await createTestRecords(testSchemas, engine);
    const app = createWorkflows({
      records: fresh,
      audit: { append: async () => ({ seq: 1, id: 'evt' }) } as never,
      clock: systemClock,
      ids: { next: () => 'run_00000000-0000-7000-8000-000000000000' },
      executorId: 'x',
      applicationVersion: 'x',
    });
    app.register([workflow('w', 1, async () => null)]);
    const start = fresh.transaction((tx) => app.start(tx, { project: 'p', principal: testPrincipal, workflow: 'w', input: {} }));
    await assert.rejects(start, NotLaunchedError);
    await fresh.close();
  });

  test('a run that has finished steps keeps its version: without it the run fails and can be retried with it', async () => {
    let open = false;
    const old = workflow('changing', 1, async (context) => {
      await context.step('old step', async () => {});
      if (!open) await context.waitFor('never', 600_000);
      return 'old';
    });
    const young = workflow('changing', 2, async (context) => context.step('new step', async () => 'new'));
    const first = await launch([old]);
    const id = await first.start('changing');
    while ((await sql`select 1 from dbos.operation_outputs`.execute(records.db)).rows.length < 2) await delay(10);
    await shutdown(first);
    const second = await launch([young]);
    const failed = await ended(second, id);
    assert.deepEqual([failed.status, failed.error?.code, failed.version], ['failed', 'workflows/definition-missing', 1]);
    await shutdown(second);
    open = true;
    const third = await launch([old, young]);
    await third.workflows.retry(TEST_PROJECT, id, testPrincipal);
    assert.equal((await ended(third, id)).output, 'old');
    assert.equal((await ended(third, await third.start('changing'))).output, 'new');
  });

  test('a run that has not begun is taken by the newer version if its input fits', async () => {
    const old = workflow('moving', 1, async () => 'old');
    const first = await launch([old]);
    const fits = await first.start('moving', {}, { delayMs: 500 });
    await shutdown(first);
    const second = await launch([workflow('moving', 2, async () => 'new')]);
    const run = await ended(second, fits);
    assert.deepEqual([run.version, run.output], [2, 'new']);
    const unfit = await second.start('moving', {}, { delayMs: 500 });
    await shutdown(second);
    const third = await launch([workflow('moving', 3, async () => 'newer', z.object({ needed: z.string() }))]);
    assert.equal((await ended(third, unfit)).error?.code, 'workflows/input');
  });

  test('during a rolling upgrade a run is left to the live worker that knows its version', async () => {
    const next = workflow('upgraded', 2, async () => 'new');
    const first = await launch([next]);
    const id = await first.start('upgraded', {}, { delayMs: 300 });
    await shutdown(first);
    const lease = sql`insert into workflows_lease values ('upgraded one', 'x', now() + interval '1 hour', '["upgraded@2"]')`;
    await lease.execute(records.db);
    const old = await launch([workflow('upgraded', 1, async () => 'old')]);
    const putBack = sql`select 1 from dbos.workflow_status where workflow_uuid = ${id} and status = 'DELAYED' and recovery_attempts = 0 and executor_id = 'test'`;
    while ((await putBack.execute(records.db)).rows.length === 0) await delay(20);
    assert.equal((await old.workflows.get(TEST_PROJECT, id)).status, 'queued');
    await shutdown(old);
    const upgraded = await launch([next]);
    assert.equal((await ended(upgraded, id)).output, 'new');
  });

  test('steps do not nest, and one that nobody awaits harms only itself', async () => {
    const app = await launch([
      workflow('nesting', 1, async (context) => context.step('outer', () => context.step('inner', async () => 1))),
      workflow('forgetful', 1, async (context) => {
        void context.step('forgotten', async () => {
          throw new Error('nobody looks');
        });
        return context.step('remembered', async () => 'fine');
      }),
    ]);
    assert.equal((await ended(app, await app.start('nesting'))).error?.code, 'kernel/invalid');
    assert.equal((await ended(app, await app.start('forgetful'))).output, 'fine');
  });

  test('a result that is too large, or no JSON, fails the run and says why', async () => {
    const app = await launch([
      workflow('large', 1, async (context) => context.step('large', async () => 'x'.repeat(1_100_000))),
      workflow('endless', 1, async () => ({ value: Number.POSITIVE_INFINITY })),
      workflow('nothing', 1, async (context) => {
        const value: unknown = await context.step('void', async () => {});
        return [value === undefined, await context.step('null', async () => null)];
      }),
    ]);
    assert.equal((await ended(app, await app.start('large'))).error?.code, 'workflows/result-too-large');
    assert.equal((await ended(app, await app.start('endless'))).error?.code, 'workflows/result-not-json');
    assert.deepEqual((await ended(app, await app.start('nothing'))).output, [true, null]);
  });

  test('changed steps under the same version are found, not guessed around', async () => {
    const first = await launch([
      workflow('silent', 1, async (context) => {
        await context.step('one', async () => 1);
        await context.waitFor('never', 600_000);
      }),
    ]);
    const id = await first.start('silent');
    while ((await sql`select 1 from dbos.operation_outputs`.execute(records.db)).rows.length < 2) await delay(10);
    await shutdown(first);
    const second = await launch([workflow('silent', 1, async (context) => context.step('another', async () => 1))]);
    assert.equal((await ended(second, id)).error?.code, 'workflows/changed-workflow');
  });

  test('a run that ended just before the kill stays as it ended, and the engine follows', async () => {
    const app = await launch([workflow('done', 1, async () => 'right')]);
    const id = await app.start('done');
    await ended(app, id);
    await delay(100);
    // What a kill between the two commits leaves behind.
    await sql`update dbos.workflow_status set status = 'PENDING', executor_id = 'test', queue_name = 'default' where workflow_uuid = ${id}`.execute(
      records.db,
    );
    await shutdown(app);
    const again = await launch([
      workflow('done', 1, async () => {
        throw new Error('ran again');
      }),
    ]);
    await delay(400);
    const run = await again.workflows.get(TEST_PROJECT, id);
    assert.deepEqual([run.status, run.output], ['succeeded', 'right']);
    const { rows } = await sql`select status from dbos.workflow_status where workflow_uuid = ${id}`.execute(records.db);
    assert.deepEqual(rows, [{ status: 'SUCCESS' }]);
  });

  test('a run that the engine gave up is ended as failed, with the reason', async () => {
    const app = await launch([workflow('gone', 1, async (context) => context.waitFor('never', 600_000))]);
    const [tired, lost] = [await app.start('gone'), await app.start('gone')];
    await delay(200);
    await sql`update dbos.workflow_status set status = 'PENDING', recovery_attempts = ${RECOVERY_LIMIT + 5}, executor_id = 'dead' where workflow_uuid = ${tired}`.execute(
      records.db,
    );
    await sql`update dbos.workflow_status set status = 'ERROR' where workflow_uuid = ${lost}`.execute(records.db);
    await shutdown(app);
    const again = await launch([workflow('gone', 1, async (context) => context.waitFor('never', 600_000))], { leaseMs: 300 });
    assert.equal((await ended(again, lost)).error?.code, 'workflows/engine-ended');
    while ((await again.workflows.get(TEST_PROJECT, tired)).status !== 'failed') {
      await reconcile({ records, audit: again.audit, clock: systemClock, log: () => {} });
      await delay(50);
    }
    assert.equal((await again.workflows.get(TEST_PROJECT, tired)).error?.code, 'workflows/recovery-exhausted');
  });

  test('the runs of another worker are left alone while its lease is valid, and taken when it is out', async () => {
    let ran = 0;
    const app = await launch([workflow('held', 1, async () => (ran += 1))]);
    const id = await app.start('held', {}, { delayMs: 60_000 });
    const lease = sql`insert into workflows_lease values ('other', 'x', now() + interval '1 hour', '[]')`;
    await lease.execute(records.db);
    await sql`update dbos.workflow_status set status = 'PENDING', executor_id = 'other' where workflow_uuid = ${id}`.execute(records.db);
    const own = { executor: 'test', instance: 'x', leaseMs: 1_000, definitions: [] };
    const deps = { records, log: () => {}, lease: () => own };
    await takeOver(deps);
    await delay(300);
    assert.equal(ran, 0);
    await sql`update workflows_lease set expires_at = now() - interval '1 millisecond' where executor = 'other'`.execute(records.db);
    await takeOver(deps);
    assert.equal((await ended(app, id)).output, 1);
  });

  test('a process whose executor id was taken by another start stops executing', async () => {
    let ran = 0;
    const app = await launch([workflow('counted', 1, async () => (ran += 1))], { leaseMs: 300 });
    await ended(app, await app.start('counted'));
    await sql`update workflows_lease set instance = 'another'`.execute(records.db);
    while (!app.log.some((entry) => entry.message.includes('Another process'))) await delay(20);
    await delay(100);
    const id = await app.start('counted');
    await delay(300);
    assert.equal(ran, 1);
    assert.equal((await app.workflows.get(TEST_PROJECT, id)).status, 'queued');
  });

  test(`a run keeps ${RUN_EVENT_LIMIT} events and says that there were more`, async () => {
    const app = await launch([
      workflow('chatty', 1, async (context) => {
        await context.step('talk', async () => {
          await sql`update workflows_run set event_count = ${RUN_EVENT_LIMIT - 2} where id = ${context.run}`.execute(records.db);
          for (let index = 0; index < 4; index += 1) await context.progress({ phase: 'talk', message: `m${index}` });
        });
      }),
    ]);
    const id = await app.start('chatty');
    assert.equal((await ended(app, id)).status, 'succeeded');
    const events = await app.workflows.events(TEST_PROJECT, id, { limit: 10 });
    assert.deepEqual(
      events.map(({ seq, phase }) => [seq, phase]),
      [
        [RUN_EVENT_LIMIT - 1, 'talk'],
        [RUN_EVENT_LIMIT, 'limit'],
      ],
    );
  });
});
