import assert from 'node:assert/strict';
import { Agent, request as nodeRequest } from 'node:http';
import { RawReply, defineRoute } from '@slipway/kernel';
import { test } from 'vitest';
import { z } from 'zod';
import { ONE_WRITE_BYTES_MAX } from './limits.ts';
import { eventEnds, sampleRoutes } from './testing/sample-routes.ts';
import { startTestServer, type TestServer } from './testing/index.ts';

const signals: string[] = [];

const slow = defineRoute({
  method: 'GET',
  path: '/v1/slow',
  permission: 'project.read',
  summary: 'Answers after a while',
  query: z.object({ waitMs: z.coerce.number() }),
  response: z.string(),
  async handle({ query, signal }) {
    signal.addEventListener('abort', () => signals.push(String(query.waitMs)));
    await new Promise((resolve) => setTimeout(resolve, query.waitMs));
    return 'done';
  },
});

const ask = (server: TestServer, waitMs: number, init: RequestInit = {}) =>
  server.request(`/v1/slow?waitMs=${waitMs}`, { key: 'viewer@prj_own', ...init });
const pause = (timeMs: number) => new Promise((resolve) => setTimeout(resolve, timeMs));

test('HT50 closing answers what is in flight, says so on the connection, and refuses newcomers', async () => {
  const server = await startTestServer([slow]);
  const agent = new Agent({ keepAlive: true });
  await new Promise<void>((resolve) =>
    nodeRequest({ host: '127.0.0.1', port: server.port, path: '/health', agent }, (response) =>
      response.resume().on('end', () => resolve()),
    ).end(),
  );
  const inFlight = ask(server, 400);
  await pause(100);
  const closing = server.close({ timeoutMs: 5_000 });
  await assert.rejects(ask(server, 0));
  const reply = await inFlight;
  assert.deepEqual([reply.status, await reply.json(), reply.headers.get('connection')], [200, 'done', 'close']);
  assert.deepEqual(await closing, { cut: 0 });
  agent.destroy();
});

test('HT51 what does not end within the limit is cut and counted', async () => {
  const server = await startTestServer([slow]);
  const inFlight = ask(server, 60_000).catch(() => 'cut');
  await pause(100);
  const startMs = performance.now();
  assert.deepEqual(await server.close({ timeoutMs: 200 }), { cut: 1 });
  assert.ok(performance.now() - startMs < 20_000);
  assert.equal(await inFlight, 'cut');
});

test('HT52 a caller that goes away aborts the signal of its call and cancels its stream', async () => {
  const server = await startTestServer([slow, ...sampleRoutes]);
  const controller = new AbortController();
  const call = ask(server, 10_000, { signal: controller.signal }).catch(() => 'gone');
  await pause(100);
  controller.abort();
  await call;
  eventEnds.length = 0;
  const events = await server.request('/v1/events', { key: 'viewer@prj_own' });
  assert.equal(events.headers.get('content-type'), 'text/event-stream');
  const reader = events.body?.getReader();
  assert.match(new TextDecoder().decode((await reader?.read())?.value), /^data: 1/);
  await reader?.cancel();
  for (let wait = 0; wait < 100 && (eventEnds.length < 2 || !signals.includes('10000')); wait += 1) await pause(20);
  assert.deepEqual([signals.filter((waitMs) => waitMs === '10000').length, eventEnds.toSorted()], [1, ['aborted', 'cancelled']]);
  assert.equal(server.logged.length, 0);
  await server.close({ timeoutMs: 100 });
});

test('HT53 closing ends streams of events at once instead of waiting for them', async () => {
  const server = await startTestServer(sampleRoutes);
  const events = await server.request('/v1/events', { key: 'viewer@prj_own' });
  const text = events.text();
  await pause(50);
  const startMs = performance.now();
  assert.deepEqual(await server.close({ timeoutMs: 5_000 }), { cut: 0 });
  assert.ok(performance.now() - startMs < 4_500);
  assert.match(await text, /^data: 1\n\n/);
});

test('HT54 a port that is taken is an error with its code', async () => {
  const server = await startTestServer([]);
  const { listen } = await import('./listen.ts');
  await assert.rejects(listen(server.http, { port: server.port, host: '127.0.0.1' }), { code: 'EADDRINUSE' });
  await server.close();
});

test('HT55 bytes arrive as they are, whether they leave with their headers or after them', async () => {
  const every = (count: number) => Uint8Array.from({ length: count }, (_, index) => index);
  const bytes = defineRoute({
    method: 'GET',
    path: '/v1/bytes',
    permission: 'project.read',
    summary: 'Answers with bytes of every value',
    query: z.object({ count: z.coerce.number() }),
    response: z.string(),
    // A view of something larger: what lies beside it must not leave.
    handle: async ({ query: { count } }) => new RawReply(every(count + 7).subarray(0, count), { contentType: 'application/octet-stream' }),
  });
  const server = await startTestServer([bytes]);
  for (const count of [0, 1, 256, ONE_WRITE_BYTES_MAX, ONE_WRITE_BYTES_MAX + 1, 100_000]) {
    const reply = await server.request(`/v1/bytes?count=${count}`, { key: 'viewer@prj_own' });
    assert.equal(reply.headers.get('content-length'), String(count));
    assert.deepEqual(new Uint8Array(await reply.arrayBuffer()), every(count));
  }
  await server.close();
});
