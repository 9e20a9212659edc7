import { InvalidError, RawReply, defineRoute, type Route } from '@slipway/kernel';
import { z } from 'zod';

const Rows = z.strictObject({ rows: z.array(z.strictObject({ age: z.number(), name: z.string().max(10).optional() })).max(100) });
const Anything = z.record(z.string(), z.unknown());

/** One route of each sort, for tests of the router. */
export const sampleRoutes: readonly Route[] = [
  defineRoute({
    method: 'POST',
    path: '/v1/releases/{name}/predict',
    permission: 'predict',
    summary: 'The fast lane',
    fast: true,
    params: z.object({ name: z.string().regex(/^[a-z-]+$/) }),
    body: Rows,
    response: Anything,
    handle: async ({ params, body, project, requestId }) => ({ release: params.name, rows: body.rows.length, project, requestId }),
  }),
  defineRoute({
    method: 'POST',
    path: '/v1/slow/{name}/predict',
    permission: 'predict',
    summary: 'The same in the general lane',
    params: z.object({ name: z.string().regex(/^[a-z-]+$/) }),
    body: Rows,
    response: Anything,
    handle: async ({ params, body, project, requestId }) => ({ release: params.name, rows: body.rows.length, project, requestId }),
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/things',
    permission: 'project.read',
    summary: 'A list',
    query: z.object({ limit: z.coerce.number().int().min(1).max(10).default(5), cursor: z.string().optional() }),
    response: z.object({ limit: z.number(), project: z.string() }),
    handle: async ({ query, project }) => ({ limit: query.limit, project }),
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/things/{thing}',
    permission: 'project.read',
    summary: 'One thing',
    response: Anything,
    handle: async ({ params }) => params as Record<string, string>,
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/things/newest',
    permission: 'project.read',
    summary: 'A fixed segment beside a parameter',
    response: Anything,
    handle: async () => ({ fixed: true }),
  }),
  defineRoute({
    method: 'DELETE',
    path: '/v1/things/{thing}',
    permission: 'data.write',
    summary: 'Delete one',
    response: Anything,
    handle: async () => ({}),
  }),
  defineRoute({
    method: 'POST',
    path: '/v1/failures',
    permission: 'data.write',
    summary: 'Fails in several ways',
    body: z.strictObject({ how: z.enum(['bug', 'invalid', 'header', 'reply', 'stream']) }),
    response: z.object({ ok: z.boolean() }),
    async handle({ body }) {
      if (body.how === 'invalid') throw new InvalidError('That cannot be.', { details: { field: 'how' } });
      if (body.how === 'header') return new RawReply('x', { contentType: 'text/plain', headers: { 'x-bad': 'a\r\nset-cookie: b' } });
      if (body.how === 'reply') return { wrong: 'secret-reply' } as never;
      if (body.how === 'stream') return new RawReply(brokenStream(), { contentType: 'text/csv' });
      throw new Error('secret-detail of a bug at /some/path');
    },
  }),
  defineRoute({
    method: 'POST',
    path: '/v1/uploads',
    permission: 'data.write',
    summary: 'A byte stream',
    bodyKind: 'stream',
    bodyLimitBytes: 1_000_000,
    body: z.custom<ReadableStream<Uint8Array>>(),
    response: z.object({ sizeBytes: z.number() }),
    successStatus: 201,
    async handle({ body }) {
      let sizeBytes = 0;
      for await (const chunk of body) sizeBytes += chunk.length;
      return { sizeBytes };
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/events',
    permission: 'project.read',
    summary: 'Server-sent events until the caller leaves',
    response: Anything,
    handle: async ({ signal }) => new RawReply(ticks(signal), { contentType: 'text/event-stream' }),
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/page',
    permission: 'project.read',
    summary: 'A reply with its own headers',
    response: Anything,
    handle: async () =>
      new RawReply('<p>hi</p>', {
        contentType: 'text/html',
        status: 202,
        headers: { 'content-security-policy': "default-src 'self'", etag: '"1"' },
      }),
  }),
];

/** What the event route saw of its callers, newest last. */
export const eventEnds: string[] = [];

function ticks(signal: AbortSignal): ReadableStream<Uint8Array> {
  let count = 0;
  signal.addEventListener('abort', () => eventEnds.push('aborted'));
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      count += 1;
      controller.enqueue(new TextEncoder().encode(`data: ${count}\n\n`));
    },
    cancel() {
      eventEnds.push('cancelled');
    },
  });
}

function brokenStream(): ReadableStream<Uint8Array> {
  let count = 0;
  return new ReadableStream({
    pull(controller) {
      count += 1;
      if (count === 1) controller.enqueue(new TextEncoder().encode('a,b\n'));
      else controller.error(new Error('secret-stream failure'));
    },
  });
}
