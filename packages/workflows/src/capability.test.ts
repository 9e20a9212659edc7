import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { NotFoundError, RawReply, defineWorkflow, type Route, type RouteCall } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords } from '@slipway/records/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { z } from 'zod';
import { workflowsCapability } from './capability.ts';
import { RunEventPage, RunEventReply, RunPage, RunReply } from './contract.ts';
import { TEST_PROJECT, launchTestWorkflows, testPrincipal, testSchemas, type TestWorkflows } from './testing/index.ts';

const talk = defineWorkflow({
  name: 'talk',
  version: 1,
  input: z.object({}),
  run: async (context) => {
    for (const message of ['one', 'two']) {
      await context.progress({ phase: 'talk', message });
      await context.step(message, async () => delay(30));
    }
    return { heard: (await context.waitFor('answer', 10_000)) ?? null };
  },
});

describe('the routes over runs', () => {
  let records: Records;
  let app: TestWorkflows;
  let routes: readonly Route[];
  beforeAll(async () => {
    records = await createTestRecords(testSchemas);
    app = await launchTestWorkflows(records, [talk]);
    routes = workflowsCapability(app.workflows).routes ?? [];
  });
  afterAll(async () => {
    await app.workflows.shutdown();
    await records.close();
  });

  /** What the server does with a route: parse, handle, and check the reply against the published schema. */
  async function call(
    name: string,
    input: {
      params?: unknown;
      query?: unknown;
      body?: unknown;
      headers?: Record<string, string>;
      project?: string;
      signal?: AbortSignal;
    } = {},
  ) {
    const route = routes.find((each) => `${each.method} ${each.path}` === name);
    assert.ok(route, name);
    const request: RouteCall = {
      principal: testPrincipal,
      project: input.project ?? TEST_PROJECT,
      params: route.params?.parse(input.params ?? {}),
      query: route.query?.parse(input.query ?? {}),
      body: route.body?.parse(input.body),
      requestId: 'req_test',
      header: (header) => input.headers?.[header],
      signal: input.signal ?? new AbortController().signal,
    };
    const reply = await route.handle(request as never);
    return reply instanceof RawReply ? reply : route.response.parse(reply);
  }

  test('a run is listed, shown, signalled and its progress paged, each reply as published', async () => {
    const run = await app.start('talk', {}, { title: 'a talk', provenance: { commit: 'abc' } });
    await call('POST /v1/runs/{run}/signals/{name}', { params: { run, name: 'answer' }, body: { value: 'yes' } });
    await app.workflows.wait(TEST_PROJECT, run, { timeoutMs: 10_000 });
    const shown = RunReply.parse(await call('GET /v1/runs/{run}', { params: { run } }));
    assert.deepEqual(
      [shown.status, shown.output, shown.title, shown.provenance],
      ['succeeded', { heard: 'yes' }, 'a talk', { commit: 'abc' }],
    );
    assert.deepEqual(shown.principal, { id: testPrincipal.id, label: testPrincipal.label });
    const page = RunPage.parse(await call('GET /v1/runs', { query: { status: 'succeeded', workflow: 'talk', limit: '1' } }));
    assert.deepEqual([page.items[0]?.id, page.items.length], [run, 1]);
    const first = RunEventPage.parse(await call('GET /v1/runs/{run}/events', { params: { run }, query: { limit: '1' } }));
    assert.deepEqual([first.items[0]?.message, first.nextAfter], ['one', 1]);
    const second = RunEventPage.parse(await call('GET /v1/runs/{run}/events', { params: { run }, query: { after: first.nextAfter } }));
    assert.deepEqual([second.items[0]?.message, second.nextAfter], ['two', 2]);
  });

  test('a run is streamed live from the event after the one seen last, and the stream ends with the run', async () => {
    const run = await app.start('talk');
    await call('POST /v1/runs/{run}/signals/{name}', { params: { run, name: 'answer' }, body: {} });
    const reply = await call('GET /v1/runs/{run}/events', {
      params: { run },
      headers: { accept: 'text/event-stream', 'last-event-id': '1' },
    });
    assert.ok(reply instanceof RawReply && reply.body instanceof ReadableStream);
    const text = await new Response(reply.body).text();
    const events = text.split('\n\n').filter((frame) => frame.includes('event: '));
    const data = (frame: string): unknown => JSON.parse(/^data: (.*)$/m.exec(frame)?.[1] ?? '');
    const progress = events.filter((frame) => frame.includes('event: progress')).map((frame) => RunEventReply.parse(data(frame)));
    assert.deepEqual(
      progress.map(({ seq, message }) => [seq, message]),
      [[2, 'two']],
    );
    const last = RunReply.parse(data(events.at(-1) ?? ''));
    assert.deepEqual([last.status, last.output], ['succeeded', { heard: null }]);
  });

  test('a reader that goes away stops being served', async () => {
    const run = await app.start('talk');
    const reply = await call('GET /v1/runs/{run}/events', { params: { run }, query: { stream: '1' } });
    assert.ok(reply instanceof RawReply && reply.body instanceof ReadableStream);
    const reader = reply.body.getReader();
    await reader.read();
    const left = reader.cancel();
    await app.workflows.cancel(TEST_PROJECT, run, testPrincipal);
    await left;
    const stop = new AbortController();
    const aborted = await call('GET /v1/runs/{run}/events', {
      params: { run: await app.start('talk') },
      query: { stream: '1' },
      signal: stop.signal,
    });
    assert.ok(aborted instanceof RawReply && aborted.body instanceof ReadableStream);
    setTimeout(() => stop.abort(), 50);
    await new Response(aborted.body).text();
  });

  test('a run is cancelled and retried', async () => {
    const run = await app.start('talk');
    const cancelled = RunReply.parse(await call('POST /v1/runs/{run}/cancel', { params: { run } }));
    assert.equal(cancelled.status, 'cancelled');
    const retried = RunReply.parse(await call('POST /v1/runs/{run}/retry', { params: { run } }));
    assert.deepEqual([retried.status, retried.attempt], ['queued', 2]);
    await call('POST /v1/runs/{run}/cancel', { params: { run } });
  });

  test('every route refuses the runs of another project as not found', async () => {
    const run = await app.start('talk');
    for (const route of routes.filter(({ path }) => path.includes('{run}'))) {
      const params = { run, name: 'answer' };
      const foreign = call(`${route.method} ${route.path}`, { params, project: 'prj_other', body: {}, query: { stream: '1' } });
      await assert.rejects(foreign, NotFoundError, `${route.method} ${route.path}`);
    }
    await app.workflows.cancel(TEST_PROJECT, run, testPrincipal);
  });
});
