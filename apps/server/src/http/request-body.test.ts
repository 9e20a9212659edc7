import assert from 'node:assert/strict';
import { request as nodeRequest } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { ErrorBody } from '@slipway/kernel';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { BODY_LIMIT_DEFAULT_BYTES, BODY_WINDOW_MS, HEADERS_TIMEOUT_MS } from './limits.ts';
import { sampleRoutes } from './testing/sample-routes.ts';
import { startTestServer, type TestServer } from './testing/index.ts';

const KEY = 'engineer@prj_own';
const LANES = ['/v1/releases/churn/predict', '/v1/slow/churn/predict'] as const;

describe.each(LANES)('a body sent to %s', (path) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer(sampleRoutes);
  });
  afterAll(() => server.close({ timeoutMs: 100 }));

  async function send(body: string | Uint8Array, headers: Record<string, string> = {}) {
    const init = { method: 'POST', key: KEY, body: body as string, headers: { 'content-type': 'application/json', ...headers } };
    const response = await server.request(path, init);
    const reply = (await response.json()) as ErrorBody;
    return { status: response.status, error: reply.error, problems: reply.error?.details['problems'] as { path: string }[] | undefined };
  }

  test('HT13 each problem names the field, what was expected and what came', async () => {
    const { status, error, problems } = await send('{"rows":[{"age":"x"},{"age":1,"naem":"a"},{"age":2,"name":"12345678901"}],"more":1}');
    assert.equal(status, 422);
    assert.deepEqual(problems, [
      { path: 'body.rows[0].age', expected: 'a number', got: 'text "x"' },
      { path: 'body.rows[1].naem', expected: 'no such field', got: 'text "a"' },
      { path: 'body.rows[2].name', expected: 'at most 10 characters', got: 'text "12345678901"' },
      { path: 'body.more', expected: 'one of the fields rows', got: 'number 1' },
    ]);
    assert.equal(error.message, 'body.rows[0].age: expected a number, got text "x" (and 3 more problems).');
    assert.deepEqual((await send('{"row":[]}')).problems, [
      { path: 'body.rows', expected: 'an array', got: 'nothing' },
      { path: 'body.row', expected: 'a known field; did you mean "rows"?', got: 'an array of 0' },
    ]);
    assert.deepEqual((await send('')).problems, [{ path: 'body.rows', expected: 'an array', got: 'nothing' }]);
  });

  test.each<[string, string | Uint8Array, RegExp]>([
    ['not JSON', '{"rows":', /not valid JSON/],
    ['NaN', '{"rows":[{"age":NaN}]}', /not valid JSON/],
    ['a number that overflows', '{"rows":[{"age":1e999}]}', /too large for a double/],
    ['a nesting bomb', '['.repeat(100_000), /nests deeper than 64/],
    ['__proto__', '{"rows":[],"__proto__":{"admin":true}}', /__proto__/],
    ['an escaped __proto__', '{"rows":[],"\\u005f_proto__":{"admin":true}}', /__proto__/],
    ['invalid UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), /UTF-8/],
    ['NUL in a text', '{"rows":[{"age":1,"name":"a\\u0000"}]}', /body\.rows\[0\]\.name: expected text without NUL/],
    ['half a surrogate pair', '{"rows":[{"age":1,"name":"\\ud800"}]}', /half surrogate/],
  ])('HT14 that holds %s is 422', async (_name, body, message) => {
    const { status, error } = await send(body);
    assert.equal(status, 422);
    assert.match(error.message, message);
    assert.ok(error.message.length < 400);
  });

  test('HT15 the content type must be JSON in UTF-8 and nothing may be compressed', async () => {
    const good = '{"rows":[]}';
    for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"', 'application/x+json'])
      assert.equal((await send(good, { 'content-type': type })).status, 200, type);
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/json; charset=latin1',
      'multipart/form-data; boundary=x',
    ])
      assert.match((await send(good, { 'content-type': type })).error.message, /Content-Type/, type);
    for (const encoding of ['gzip', 'br', 'deflate, gzip', 'nonsense']) {
      const { status, error } = await send(gzipSync(good), { 'content-encoding': encoding });
      assert.deepEqual([status, error.code], [422, 'http/body-format'], encoding);
    }
    assert.equal((await send(good, { 'content-encoding': 'identity' })).status, 200);
  });

  test('HT16 a body of exactly the limit is read and one byte more is 413', async () => {
    const fill = (sizeBytes: number) => `{"rows":[]${' '.repeat(sizeBytes - 11)}}`;
    assert.equal((await send(fill(BODY_LIMIT_DEFAULT_BYTES))).status, 200);
    const { status, error } = await send(fill(BODY_LIMIT_DEFAULT_BYTES + 1));
    assert.deepEqual([status, error.code, error.details], [413, 'http/body-too-large', { limitBytes: BODY_LIMIT_DEFAULT_BYTES }]);
  });

  test('HT17 an endless body is refused, announced or not, without being kept, and the connection ends', async () => {
    for (const announced of [true, false]) {
      const before = process.memoryUsage().rss;
      const { status, sentBytes } = await floodUntilClosed(server.port, path, announced);
      assert.equal(status, 413);
      assert.ok(sentBytes < 64_000_000, `took ${sentBytes} bytes`);
      assert.ok(process.memoryUsage().rss - before < 64_000_000);
    }
    assert.equal((await send('{"rows":[]}')).status, 200);
  });

  test('HT17 a refusal that comes before the body does not read the rest of it', async () => {
    const { status, sentBytes } = await floodUntilClosed(server.port, path, true, 'viewer@prj_own');
    assert.equal(status, 403);
    assert.ok(sentBytes < 64_000_000);
  });
});

describe('bodies of other routes', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer(sampleRoutes);
  });
  afterAll(() => server.close({ timeoutMs: 100 }));

  test('HT18 a stream arrives whole up to its own limit and is 413 beyond it', async () => {
    const upload = async (body: Uint8Array | ReadableStream<Uint8Array>) => {
      const init = { method: 'POST', key: KEY, body, duplex: 'half' } as RequestInit & { key: string };
      const response = await server.request('/v1/uploads', init);
      return [response.status, ((await response.json()) as { sizeBytes?: number }).sizeBytes];
    };
    assert.deepEqual(await upload(new Uint8Array(1_000_000)), [201, 1_000_000]);
    assert.deepEqual(await upload(chunks(10, 100_000)), [201, 1_000_000]);
    assert.deepEqual(await upload(new Uint8Array(0)), [201, 0]);
    assert.equal((await upload(new Uint8Array(1_000_001)))[0], 413);
    assert.equal((await upload(chunks(11, 100_000)))[0], 413);
  });

  test('HT19 query parameters are parsed by the schema', async () => {
    const get = (query: string) => server.request(`/v1/things?${query}`, { key: 'viewer@prj_own' });
    assert.deepEqual(await (await get('limit=7')).json(), { limit: 7, project: 'prj_own' });
    for (const bad of [
      'limit=11',
      'limit=x',
      'limit=1&limit=2',
      'cursor=%00',
      'cursor=%ff',
      '__proto__=1',
      `${'a=1&'.repeat(101)}`,
      `cursor=${'x'.repeat(9_000)}`,
    ]) {
      const response = await get(bad);
      const { error } = (await response.json()) as ErrorBody;
      assert.deepEqual([response.status, error.code], [422, 'http/invalid-request'], bad.slice(0, 40));
      assert.match(error.message, /^query/);
    }
    assert.equal(({} as Record<string, unknown>)['a'], undefined);
  });

  test('HT20 a route without a body takes none, or an empty object', async () => {
    const remove = (body: string) => server.request('/v1/things/x', { method: 'DELETE', key: KEY, body });
    assert.equal((await remove('{}')).status, 200);
    assert.equal((await remove('')).status, 200);
    assert.equal((await remove('{"force":true}')).status, 422);
    assert.equal((await remove(' '.repeat(2_000))).status, 413);
  });

  test('HT21 a request that is no HTTP, has too many headers or an odd target is answered and closed', async () => {
    const { port } = server;
    assert.match(await rawExchange(port, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 .*"code":"kernel\/invalid"/s);
    assert.match(await rawExchange(port, 'GET /health HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400/);
    assert.match(
      await rawExchange(port, `GET /health HTTP/1.1\r\nHost: localhost:${port}\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`),
      /^HTTP\/1\.1 431/,
    );
    for (const target of ['http://evil.example/health', '//evil.example/health', '/health\\..', '/a/../health']) {
      const reply = await rawExchange(port, `GET ${target} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\n\r\n`);
      assert.match(reply, /^HTTP\/1\.1 422 .*http\/body-format/s, target);
    }
    const smuggled = `POST /v1/failures HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\n`;
    assert.match(await rawExchange(port, smuggled), /^HTTP\/1\.1 400/);
  });

  test('HT22 slow headers and slow bodies are cut off, and others are served meanwhile', { timeout: 30_000 }, async () => {
    const { port } = server;
    const startMs = performance.now();
    const head = `POST /v1/releases/churn/predict HTTP/1.1\r\nHost: localhost:${port}\r\nAuthorization: Bearer ${KEY}\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n`;
    const upload = `POST /v1/uploads HTTP/1.1\r\nHost: localhost:${port}\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: 500000\r\n\r\n`;
    const replies = Promise.all([drip(port, 'GET /health HTTP/1.1\r\nHost: loc'), drip(port, head), drip(port, upload)]);
    assert.equal((await server.request('/health')).status, 200);
    const [headers, body, stream] = await replies;
    assert.match(headers, /^HTTP\/1\.1 408/);
    assert.match(body, /^HTTP\/1\.1 504 .*http\/slow-body/s);
    assert.match(stream, /^HTTP\/1\.1 504 .*http\/slow-body/s);
    assert.ok(performance.now() - startMs < Math.max(HEADERS_TIMEOUT_MS, 2 * BODY_WINDOW_MS) + 4_000);
  });
});

function chunks(count: number, sizeBytes: number): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      sent += 1;
      if (sent > count) controller.close();
      else controller.enqueue(new Uint8Array(sizeBytes));
    },
  });
}

/** Sends 100 MB as fast as the server takes it and tells how much that was when the reply came and the connection ended. */
function floodUntilClosed(port: number, path: string, announced: boolean, key = KEY): Promise<{ status: number; sentBytes: number }> {
  return new Promise((resolve) => {
    const chunk = Buffer.alloc(65_536, ' ');
    let status = 0;
    let over = false;
    const headers: Record<string, string> = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    if (announced) headers['content-length'] = '100000000';
    else headers['transfer-encoding'] = 'chunked';
    const request = nodeRequest({ host: '127.0.0.1', port, path, method: 'POST', headers, agent: false });
    const end = () => {
      if (over) return;
      over = true;
      resolve({ status, sentBytes: request.socket?.bytesWritten ?? 0 });
    };
    request.on('response', (response) => {
      status = response.statusCode ?? 0;
      response.resume();
    });
    request.on('error', () => {});
    request.on('close', end);
    const pour = () => {
      while (!over && request.writable && (request.socket?.bytesWritten ?? 0) < 100_000_000) {
        if (!request.write(chunk)) return void request.once('drain', pour);
      }
    };
    pour();
  });
}

function rawExchange(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let reply = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (data) => (reply += data.toString('latin1')));
    socket.on('error', () => resolve(reply));
    socket.on('close', () => resolve(reply));
  });
}

/** One byte a second after the given start, until the server ends it. */
function drip(port: number, start: string): Promise<string> {
  return new Promise((resolve) => {
    let reply = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(start));
    const timer = setInterval(() => socket.write('x'), 1_000);
    const end = () => {
      clearInterval(timer);
      resolve(reply);
    };
    socket.on('data', (data) => (reply += data.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', end);
  });
}
