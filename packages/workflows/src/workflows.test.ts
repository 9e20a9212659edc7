import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { ConflictError, NotFoundError, defineWorkflow } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { z } from 'zod';
import { childRunId } from './child-run-id.ts';
import {
  RunEndedError,
  RunIdTakenError,
  RunInputError,
  RunNotRetryableError,
  StepError,
  UnknownWorkflowError,
  WaitTimeoutError,
} from './errors.ts';
import { TEST_PROJECT, launchTestWorkflows, testPrincipal, testSchemas, type TestWorkflows } from './testing/index.ts';
import type { RunUpdate } from './run.ts';

describe.each(testEngines)('workflows on %s', (engine) => {
  let records: Records;
  let app: TestWorkflows;
  const calls = new Map<string, number>();
  const count = (name: string) => calls.set(name, (calls.get(name) ?? 0) + 1).get(name) ?? 0;
  const startedAt = new Map<string, number>();
  const abortedAt = new Map<string, number>();
  let running = 0;
  let mostRunning = 0;
  let failing = true;

  const definitions = [
    defineWorkflow({
      name: 'sum',
      version: 1,
      input: z.object({ numbers: z.array(z.number()) }),
      run: async (context, input) => {
        startedAt.set(context.run, performance.now());
        let total = 0;
        for (const [index, number] of input.numbers.entries()) {
          total = await context.step(`add ${index}`, async () => total + number);
          await context.progress({ phase: 'adding', message: `after ${index}`, ratio: (index + 1) / input.numbers.length });
        }
        return { total };
      },
    }),
    defineWorkflow({
      name: 'flaky',
      version: 1,
      input: z.object({}),
      run: async (context) =>
        context.step(
          'often fails',
          async () => {
            if (count('flaky') < 3) throw new Error('the network is away');
            return 'in the end';
          },
          { retries: 2 },
        ),
    }),
    defineWorkflow({
      name: 'conflicting',
      version: 1,
      input: z.object({ retries: z.int() }),
      run: async (context, { retries }) =>
        context.step(
          'refused',
          async () => {
            count('conflicting');
            throw new ConflictError('There is one already.', { help: 'Remove it.', details: { name: 'x' } });
          },
          { retries },
        ),
    }),
    defineWorkflow({
      name: 'careful',
      version: 1,
      input: z.object({}),
      run: async (context) => {
        try {
          await context.step('refused', async () => {
            throw new ConflictError('There is one already.');
          });
        } catch (error) {
          assert.ok(error instanceof StepError);
          await context.step('after it', async () => {});
          return { code: error.code, kind: error.kind };
        }
        return {};
      },
    }),
    defineWorkflow({
      name: 'secretive',
      version: 1,
      input: z.object({}),
      run: async () => {
        throw new Error('password=hunter2');
      },
    }),
    defineWorkflow({
      name: 'resumable',
      version: 1,
      input: z.object({}),
      run: async (context) => {
        const [first] = await Promise.all([
          context.step('first', async () => count('first')),
          context.step('second', async () => {
            count('second');
            if (!failing) return;
            // A branch still in flight when the run fails may run again; this one is to be finished by then.
            await delay(300);
            throw new Error('not yet');
          }),
          context.step('third', async () => count('third')),
        ]);
        return { first };
      },
    }),
    defineWorkflow({
      name: 'stubborn',
      version: 1,
      input: z.object({}),
      run: async (context) => {
        await context.step('quick', async () => count('quick'));
        await context.step('long', async () => {
          count('long');
          context.signal.addEventListener('abort', () => abortedAt.set(context.run, performance.now()));
          await delay(count('long') === 2 ? 30_000 : 0, undefined, { signal: context.signal });
        });
        return 'done';
      },
    }),
    defineWorkflow({
      name: 'approval',
      version: 1,
      input: z.object({ waitMs: z.number() }),
      run: async (context, { waitMs }) => {
        const answer = await context.waitFor('approve', waitMs);
        return { answer: answer === undefined ? 'nobody came' : answer };
      },
    }),
    defineWorkflow({
      name: 'sleeper',
      version: 1,
      input: z.object({ sleepMs: z.number() }),
      run: async (context, { sleepMs }) => {
        const from = performance.now();
        await context.sleep(sleepMs);
        return performance.now() - from;
      },
    }),
    defineWorkflow({
      name: 'crowd',
      version: 1,
      input: z.object({}),
      queue: 'narrow',
      run: async (context) =>
        context.step('inside', async () => {
          running += 1;
          mostRunning = Math.max(mostRunning, running);
          await delay(30);
          running -= 1;
        }) as Promise<never>,
    }),
    defineWorkflow({
      name: 'parent',
      version: 1,
      input: z.object({ child: z.string(), input: z.any() }),
      run: async (context, { child, input }) => {
        const runId = childRunId(context.run, child);
        await context.step('start child', async () => {
          const request = { project: context.project, principal: context.principal, workflow: child, input, parent: context.run, runId };
          // Twice, as a crash after the commit would do.
          await records.transaction((tx) => app.workflows.start(tx, request));
          await records.transaction((tx) => app.workflows.start(tx, request));
        });
        const ended = await app.workflows.wait(context.project, runId, { signal: context.signal });
        return { child: runId, output: ended.output };
      },
    }),
    defineWorkflow({
      name: 'chatty',
      version: 1,
      input: z.object({}),
      run: async (context) => {
        await context.step('talk', async () => {
          await context.progress({ phase: 'big', data: { text: 'x'.repeat(20_000) }, ratio: 7, message: `nul \0 ${'m'.repeat(2_000)}` });
        });
        return null;
      },
    }),
  ];

  beforeAll(async () => {
    records = await createTestRecords(testSchemas, engine);
    app = await launchTestWorkflows(records, definitions, { queues: [{ name: 'narrow', concurrency: 2 }] });
  });
  afterAll(async () => {
    await app.workflows.shutdown();
    await records.close();
  });

  const ended = (id: string) => app.workflows.wait(TEST_PROJECT, id, { timeoutMs: 20_000 });

  test('a run starts when its transaction commits, within 100 ms, and ends with the output and an audit trail', async () => {
    await ended(await app.start('sum', { numbers: [0] }));
    const delays: number[] = [];
    for (let index = 0; index < 8; index += 1) {
      // Past the claims that follow the end of a run, which would hide a start that waits for the next poll.
      await delay(250 + 40 * index);
      const id = await app.start('sum', { numbers: [1, 2, 3] });
      const committedAt = performance.now();
      const run = await ended(id);
      assert.equal(run.status, 'succeeded');
      assert.deepEqual(run.output, { total: 6 });
      delays.push((startedAt.get(id) ?? Infinity) - committedAt);
    }
    delays.sort((a, b) => a - b);
    // Without its notification a run would wait for the poll, up to five seconds; a busy machine delays some, not all.
    assert.ok((delays[0] ?? Infinity) < 100, `shortest start delay ${delays[0]} ms`);
    assert.ok((delays[4] ?? Infinity) < 1_000, `median start delay ${delays[4]} ms`);
    const trail = (await app.audit.list(TEST_PROJECT, { limit: 1_000 })).slice(-2);
    const { items } = await app.workflows.list(TEST_PROJECT, { limit: 1 });
    assert.deepEqual(
      trail.map(({ type, subject, principal }) => [type, subject.id, principal]),
      ['workflows.run.started', 'workflows.run.succeeded'].map((type) => [type, items[0]?.id, testPrincipal.id]),
    );
  });

  test('a start that is rolled back leaves nothing and runs nothing', async () => {
    const rolledBack = records.transaction(async (tx) => {
      const run = await app.workflows.start(tx, {
        project: TEST_PROJECT,
        principal: testPrincipal,
        workflow: 'sum',
        input: { numbers: [1] },
      });
      assert.equal(run.status, 'queued');
      startedAt.delete(run.id);
      throw Object.assign(new Error('no'), { run: run.id });
    });
    const id = await rolledBack.catch((error: { run: string }) => error.run);
    await delay(200);
    assert.equal(startedAt.has(id), false);
    await assert.rejects(app.workflows.get(TEST_PROJECT, id), NotFoundError);
    const { rows } = await sql`select 1 from dbos.workflow_status where workflow_uuid = ${id}`.execute(records.db);
    assert.equal(rows.length, 0);
    assert.ok(!(await app.audit.list(TEST_PROJECT, { limit: 1_000 })).some((event) => event.subject.id === id));
  });

  test('an input that the schema refuses, an unknown workflow and a foreign run id start nothing', async () => {
    await assert.rejects(app.start('sum', { numbers: ['1'] }), (error: unknown) => {
      assert.ok(error instanceof RunInputError);
      assert.deepEqual((error.details['problems'] as { field: string }[])[0]?.field, 'numbers.0');
      return true;
    });
    await assert.rejects(app.start('sums', {}), UnknownWorkflowError);
    const id = await app.start('sum', { numbers: [] });
    assert.equal(await app.start('sum', { numbers: [] }, { runId: id }), id);
    await assert.rejects(app.start('sum', { numbers: [] }, { runId: id, project: 'prj_other' }), RunIdTakenError);
    await ended(id);
  });

  test('the runs of another project do not exist', async () => {
    const id = await app.start('sum', { numbers: [] });
    const other = 'prj_other';
    await assert.rejects(app.workflows.get(other, id), NotFoundError);
    await assert.rejects(app.workflows.events(other, id, { limit: 1 }), NotFoundError);
    await assert.rejects(app.workflows.cancel(other, id, testPrincipal), NotFoundError);
    await assert.rejects(app.workflows.retry(other, id, testPrincipal), NotFoundError);
    await assert.rejects(app.workflows.signal(other, id, 'x', 1), NotFoundError);
    await assert.rejects(app.workflows.wait(other, id), NotFoundError);
    assert.deepEqual(await app.workflows.list(other, { limit: 10 }), { items: [], nextCursor: null });
    await ended(id);
  });

  test('progress is delivered live and in order, and kept', async () => {
    const id = await app.start('sum', { numbers: [1, 2, 3] });
    const seen: RunUpdate[] = [];
    await new Promise<void>((resolve) => {
      app.workflows.subscribe(TEST_PROJECT, id, (update) => {
        seen.push(update);
        if (update.type === 'run' && update.run.status === 'succeeded') resolve();
      });
    });
    const messages = seen.flatMap((update) => (update.type === 'event' ? [update.event.message] : []));
    assert.deepEqual(messages, ['after 0', 'after 1', 'after 2']);
    const kept = await app.workflows.events(TEST_PROJECT, id, { afterSeq: 1, limit: 10 });
    assert.deepEqual(
      kept.map(({ seq, phase, ratio }) => ({ seq, phase, ratio })),
      [
        { seq: 2, phase: 'adding', ratio: 2 / 3 },
        { seq: 3, phase: 'adding', ratio: 1 },
      ],
    );
  });

  test('what a progress event carries is bounded', async () => {
    const id = await app.start('chatty');
    await ended(id);
    const [event] = await app.workflows.events(TEST_PROJECT, id, { limit: 10 });
    assert.deepEqual(event?.data, { omitted: 'larger than 16384 bytes' });
    assert.equal(event?.message?.length, 500);
    assert.equal(event?.ratio, 1);
  });

  test('a step is repeated as often as it asks, and not when its error says that the input is wrong', async () => {
    const flaky = await ended(await app.start('flaky'));
    assert.equal(flaky.output, 'in the end');
    assert.equal(calls.get('flaky'), 3);
    const refused = await ended(await app.start('conflicting', { retries: 3 }));
    assert.equal(calls.get('conflicting'), 1);
    assert.equal(refused.status, 'failed');
    const { code, kind, message, help, details } = refused.error ?? {};
    const expected = {
      code: 'kernel/conflict',
      kind: 'conflict',
      message: 'There is one already.',
      help: 'Remove it.',
      details: { name: 'x' },
    };
    assert.deepEqual({ code, kind, message, help, details }, expected);
  });

  test('a workflow may catch the failure of a step by its code', async () => {
    const run = await ended(await app.start('careful'));
    assert.deepEqual(run.output, { code: 'kernel/conflict', kind: 'conflict' });
  });

  test('the text of an unexpected error is in the log and not in the run', async () => {
    const run = await ended(await app.start('secretive'));
    assert.equal(run.error?.code, 'kernel/internal');
    assert.equal(run.error?.requestId, run.id);
    assert.ok(!JSON.stringify(run).includes('hunter2'));
    assert.ok(app.log.some((entry) => entry.run === run.id && String(entry.error).includes('hunter2')));
  });

  test('a retried run keeps its finished steps, also those of parallel branches', async () => {
    const id = await app.start('resumable');
    assert.equal((await ended(id)).status, 'failed');
    await assert.rejects(app.workflows.signal(TEST_PROJECT, id, 'x', 1), RunEndedError);
    failing = false;
    const queued = await app.workflows.retry(TEST_PROJECT, id, testPrincipal);
    assert.deepEqual([queued.status, queued.attempt, queued.error], ['queued', 2, null]);
    const run = await ended(id);
    assert.equal(run.status, 'succeeded');
    assert.deepEqual([calls.get('first'), calls.get('second'), calls.get('third')], [1, 2, 1]);
    await assert.rejects(app.workflows.retry(TEST_PROJECT, id, testPrincipal), RunNotRetryableError);
    await assert.rejects(app.workflows.cancel(TEST_PROJECT, id, testPrincipal), RunEndedError);
  });

  test('cancelling stops a step within a second, and a retry continues there', async () => {
    const id = await app.start('stubborn');
    while (calls.get('long') === undefined) await delay(10);
    await delay(50);
    const from = performance.now();
    const cancelled = await app.workflows.cancel(TEST_PROJECT, id, testPrincipal);
    assert.equal(cancelled.status, 'cancelled');
    assert.equal((await app.workflows.cancel(TEST_PROJECT, id, testPrincipal)).status, 'cancelled');
    while (!abortedAt.has(id) && performance.now() - from < 5_000) await delay(5);
    const abortMs = (abortedAt.get(id) ?? Infinity) - from;
    assert.ok(abortMs < 1_000, `the signal fired after ${abortMs} ms`);
    await app.workflows.retry(TEST_PROJECT, id, testPrincipal);
    const run = await ended(id);
    assert.equal(run.output, 'done');
    assert.ok(performance.now() - from < 5_000);
    assert.equal(calls.get('quick'), 1);
  });

  test('a signal is received within half a second, also one sent before the run waits, and a wait that ends says so', async () => {
    const early = await app.start('approval', { waitMs: 20_000 }, { delayMs: 500 });
    await app.workflows.signal(TEST_PROJECT, early, 'approve', { by: 'early' });
    assert.deepEqual((await ended(early)).output, { answer: { by: 'early' } });
    const tookMs: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const id = await app.start('approval', { waitMs: 20_000 });
      while ((await app.workflows.get(TEST_PROJECT, id)).status !== 'running') await delay(5);
      await delay(100);
      const from = performance.now();
      await app.workflows.signal(TEST_PROJECT, id, 'approve', null);
      assert.deepEqual((await ended(id)).output, { answer: null });
      tookMs.push(performance.now() - from);
    }
    // A busy machine delays some of them, a lost notification all.
    assert.ok(Math.min(...tookMs) < 500, `signals took ${tookMs.join(', ')} ms`);
    assert.deepEqual((await ended(await app.start('approval', { waitMs: 50 }))).output, { answer: 'nobody came' });
  });

  test('a sleeping run sleeps as long as it says, and can be cancelled meanwhile', async () => {
    const run = await ended(await app.start('sleeper', { sleepMs: 120 }));
    assert.ok((run.output as number) >= 119 && (run.output as number) < 1_000, String(run.output));
    const id = await app.start('sleeper', { sleepMs: 60_000 });
    await delay(100);
    await app.workflows.cancel(TEST_PROJECT, id, testPrincipal);
    assert.equal((await ended(id)).status, 'cancelled');
  });

  test('a delayed run waits for its time', async () => {
    const from = performance.now();
    const id = await app.start('sum', { numbers: [] }, { delayMs: 700 });
    await ended(id);
    const waitedMs = (startedAt.get(id) ?? 0) - from;
    assert.ok(waitedMs >= 690 && waitedMs < 4_000, `started after ${waitedMs} ms`);
  });

  test('a queue executes as many runs at a time as it may, and not one more', async () => {
    const from = performance.now();
    const ids = await Promise.all(Array.from({ length: 10 }, () => app.start('crowd')));
    for (const id of ids) assert.equal((await ended(id)).status, 'succeeded');
    assert.equal(mostRunning, 2);
    const tookMs = performance.now() - from;
    assert.ok(tookMs < 4_000, `ten runs took ${tookMs} ms`);
  });

  test('a child is started once, its parent waits for it, and cancelling the parent cancels it', async () => {
    const run = await ended(await app.start('parent', { child: 'sum', input: { numbers: [4] } }));
    const child = (run.output as { child: string }).child;
    assert.deepEqual(run.output, { child, output: { total: 4 } });
    assert.equal((await app.workflows.get(TEST_PROJECT, child)).parent, run.id);
    const id = await app.start('parent', { child: 'sleeper', input: { sleepMs: 60_000 } });
    const below = childRunId(id, 'sleeper');
    while ((await app.workflows.get(TEST_PROJECT, below).catch(() => undefined)) === undefined) await delay(10);
    await app.workflows.cancel(TEST_PROJECT, id, testPrincipal);
    assert.equal((await ended(below)).status, 'cancelled');
    assert.equal((await app.workflows.list(TEST_PROJECT, { parent: id, limit: 5 })).items.length, 1);
  });

  test('waiting ends with the time given, and the run goes on', async () => {
    const id = await app.start('sleeper', { sleepMs: 400 });
    await assert.rejects(app.workflows.wait(TEST_PROJECT, id, { timeoutMs: 50 }), WaitTimeoutError);
    assert.equal((await ended(id)).status, 'succeeded');
  });

  test('the list is newest first and its pages fit together', async () => {
    const all = await app.workflows.list(TEST_PROJECT, { limit: 500 });
    const paged: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await app.workflows.list(TEST_PROJECT, { limit: 7, ...(cursor ? { cursor } : {}) });
      paged.push(...page.items.map((run) => run.id));
      cursor = page.nextCursor;
    }
    assert.deepEqual(
      paged,
      all.items.map((run) => run.id),
    );
    const failed = await app.workflows.list(TEST_PROJECT, { limit: 50, status: 'failed', workflow: 'conflicting' });
    assert.ok(failed.items.length > 0 && failed.items.every((run) => run.status === 'failed' && run.workflow === 'conflicting'));
    await assert.rejects(app.workflows.list(TEST_PROJECT, { limit: 1, cursor: 'nonsense' }), /cursor/);
  });

  test('the engine agrees with the runs about every end', async () => {
    await delay(1_500);
    const { rows } = await sql<{ status: string; engine: string }>`
      select distinct run.status, status.status as engine from workflows_run run
      join dbos.workflow_status status on status.workflow_uuid = run.id order by 1, 2`.execute(records.db);
    assert.deepEqual(rows, [
      { status: 'cancelled', engine: 'CANCELLED' },
      { status: 'failed', engine: 'ERROR' },
      { status: 'succeeded', engine: 'SUCCESS' },
    ]);
    assert.deepEqual((await app.audit.verify()).problems, []);
  });
});
