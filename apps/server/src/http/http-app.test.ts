import assert from 'node:assert/strict';
import { request as nodeRequest } from 'node:http';
import { checkIfMatch } from '@slipway/kernel/etag';
import { defineRoute, type ErrorBody, type Route } from '@slipway/kernel';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { z } from 'zod';
import { compileRoutes } from './compile-routes.ts';
import { RouteDeclarationError } from './errors.ts';
import { sampleRoutes } from './testing/sample-routes.ts';
import { startTestServer, type TestServer } from './testing/index.ts';

const route = (change: Partial<Route> = {}): Route => ({
  ...defineRoute({ method: 'GET', path: '/v1/x', permission: 'project.read', summary: 'x', response: z.unknown(), handle: async () => 1 }),
  ...change,
});

describe('routes are refused at start', () => {
  const compile = (...routes: Route[]) => compileRoutes([{ name: 'one', routes }]);
  test.each<[string, Route[]]>([
    ['declares no permission', [{ ...route(), permission: undefined as never }]],
    ['unknown permission "admin"', [route({ permission: 'admin' as never })]],
    ['unknown permission "toString"', [route({ permission: 'toString' as never })]],
    ['unknown method', [route({ method: 'TRACE' as never })]],
    ['served by one already', [route(), route()]],
    ['served by one already', [route({ path: '/v1/x/{a}' }), route({ path: '/v1/x/{b}' })]],
    ['served by one already', [route({ path: '/v1/keys' }), route({ path: '/v1/projects/{project}/keys', permission: 'instance.manage' })]],
    ['neither a plain segment', [route({ path: '/v1/x/*' })]],
    ['neither a plain segment', [route({ path: '/v1/x/{a}:do' })]],
    ['{project}', [route({ path: '/v1/x/{project}' })]],
    ['{project}', [route({ path: '/v1/projects/{project}/keys' })]],
    ['twice', [route({ path: '/v1/{a}/{a}' })]],
    ['GET with a body', [route({ body: z.object({}) })]],
    ['cannot be fast', [route({ method: 'POST', idempotent: true, fast: true })]],
    ['no handler', [{ ...route(), handle: undefined as never }]],
  ])('a router with a route that %s', (message, routes) => {
    assert.throws(
      () => compile(...routes),
      (error) => {
        assert.ok(error instanceof RouteDeclarationError);
        assert.ok(error.message.includes(message), error.message);
        assert.match(error.message, /\/v1\//);
        return true;
      },
    );
  });

  test('an idempotent route without a store to remember replies', async () => {
    await assert.rejects(startTestServer([route({ method: 'POST', idempotent: true })]), /no idempotency store/);
    compile(route());
  });
});

describe('a server', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer(sampleRoutes);
  });
  afterAll(() => server.close({ timeoutMs: 100 }));

  const predict = (path: string, init: RequestInit & { key?: string } = {}) =>
    server.request(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"rows":[{"age":1}]}', ...init });
  const errorOf = async (response: Response) => ((await response.json()) as ErrorBody).error;

  test.each([
    '/v1/releases/churn/predict',
    '/v1/slow/churn/predict',
    '/v1/projects/prj_own/releases/churn/predict',
    '/v1/projects/own/slow/churn/predict',
  ])('HT1 %s answers with the key’s project, a request id and the security headers', async (path) => {
    const response = await predict(path, { key: 'service@prj_own' });
    assert.equal(response.status, 200);
    const body = (await response.json()) as Record<string, unknown>;
    assert.deepEqual([body['release'], body['rows'], body['project']], ['churn', 1, 'prj_own']);
    assert.match(String(body['requestId']), /^req_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(response.headers.get('x-request-id'), body['requestId']);
    assert.equal(response.headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'");
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(response.headers.get('access-control-allow-origin'), null);
  });

  test.each(['/v1/releases/churn/predict', '/v1/slow/churn/predict'])('HT2 %s refuses callers in the same words', async (path) => {
    const missing = await predict(path);
    assert.equal(missing.status, 401);
    assert.match(missing.headers.get('www-authenticate') ?? '', /^Bearer/);
    assert.match((await errorOf(missing)).help ?? '', /Authorization: Bearer/);
    const odd = await predict(path, { headers: { authorization: 'Basic YTpi', 'content-type': 'application/json' } });
    assert.deepEqual([odd.status, (await errorOf(odd)).code], [401, 'http/key-missing']);
    assert.equal((await predict(path, { key: 'wrong' })).status, 401);

    const denied = await predict(path, { key: 'viewer@prj_own' });
    const error = await errorOf(denied);
    assert.deepEqual([denied.status, error.kind, error.code], [403, 'forbidden', 'http/permission-denied']);
    assert.equal(
      error.message,
      'This needs the permission "predict", which the roles admin, engineer and service have; this key\'s role is viewer.',
    );
    assert.deepEqual(error.details, { permission: 'predict', roles: ['admin', 'engineer', 'service'], role: 'viewer' });
    assert.equal(error.requestId, denied.headers.get('x-request-id'));
  });

  test('HT3 another project and one that does not exist are the same 404, except for an instance admin', async () => {
    const get = (project: string, key: string) => server.request(`/v1/projects/${project}/things`, { key });
    const foreign = await get('prj_other', 'admin@prj_own');
    const absent = await get('prj_nowhere', 'admin@prj_own');
    assert.deepEqual([foreign.status, absent.status], [404, 404]);
    const [one, two] = [await errorOf(foreign), await errorOf(absent)];
    assert.deepEqual([one.code, one.message.replace('prj_other', 'P')], [two.code, two.message.replace('prj_nowhere', 'P')]);
    assert.deepEqual(await (await get('other', 'instance@prj_own')).json(), { limit: 5, project: 'prj_other' });
    assert.equal((await get('nowhere', 'instance@prj_own')).status, 404);
  });

  test('HT4 a fixed segment wins over a parameter, whatever the order of declaration', async () => {
    assert.deepEqual(await (await server.request('/v1/things/newest', { key: 'viewer@prj_own' })).json(), { fixed: true });
    assert.deepEqual(await (await server.request('/v1/things/other', { key: 'viewer@prj_own' })).json(), { thing: 'other' });
  });

  test('HT5 unknown paths are 404 and wrong methods 405 with Allow, both with the error body', async () => {
    const unknown = await server.request('/v1/nothing/here', { key: 'admin@prj_own' });
    assert.deepEqual([unknown.status, (await errorOf(unknown)).code], [404, 'http/no-such-route']);
    const wrong = await server.request('/v1/things/x', { method: 'PATCH', key: 'admin@prj_own' });
    assert.deepEqual([wrong.status, wrong.headers.get('allow'), (await errorOf(wrong)).kind], [405, 'GET, DELETE', 'invalid']);
    assert.equal((await server.request('/v1/releases/churn/predict', { key: 'admin@prj_own' })).status, 405);
    assert.equal((await server.request('/v1/releases/churn/predict', { method: 'OPTIONS' })).status, 405);
    for (const path of ['/v1/things/', '//v1/things', '/V1/things', '/v1/things/a/b', '/v1/x/..%2fthings', '/v1/%2e%2e/v1/things']) {
      const status = await rawStatus(server.port, path, { authorization: 'Bearer viewer@prj_own' });
      assert.ok([404, 422].includes(status), `${path} ${status}`);
    }
  });

  test('HT6 path parameters are decoded once and refused when they hold separators or controls', async () => {
    const get = (text: string) => server.request(`/v1/things/${text}`, { key: 'viewer@prj_own' });
    assert.deepEqual(await (await get('a%20b%40c')).json(), { thing: 'a b@c' });
    assert.deepEqual(await (await get('%252e%252e')).json(), { thing: '%2e%2e' });
    for (const bad of ['a%2Fb', 'a%5Cb', 'a%00b', 'a%0ab', 'x'.repeat(257)]) {
      const response = await get(bad);
      assert.deepEqual([response.status, (await errorOf(response)).code], [422, 'http/invalid-request'], bad);
    }
    const fast = await predict('/v1/releases/churn%2Fx/predict', { key: 'service@prj_own' });
    assert.equal(fast.status, 422);
    assert.equal((await predict('/v1/releases/ch%75rn/predict', { key: 'service@prj_own' })).status, 200);
  });

  test('HT7 a caller’s request id is kept when it is harmless and replaced otherwise', async () => {
    const send = async (id: string) => (await server.request('/health', { headers: { 'x-request-id': id } })).headers.get('x-request-id');
    assert.equal(await send('abc-123.X:y_z'), 'abc-123.X:y_z');
    for (const bad of ['a b', '<script>', 'x'.repeat(129), '"']) assert.match((await send(bad)) ?? '', /^req_/);
  });

  test('HT8 only the loopback names with this port are answered for, against DNS rebinding', async () => {
    const { port } = server;
    const status = (headers: Record<string, string>, path = '/health') => rawStatus(port, path, headers);
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, `LOCALHOST:${port}`])
      assert.equal(await status({ host }), 200, host);
    for (const host of ['evil.example', `evil.example:${port}`, 'localhost', `localhost:${port + 1}`, `127.0.0.1.evil.example:${port}`])
      assert.equal(await status({ host }), 403, host);
    const host = `localhost:${port}`;
    assert.equal(await status({ host, origin: `http://localhost:${port}` }), 200);
    for (const origin of ['http://evil.example', 'null', 'http://localhost:1', `http://localhost:${port}.evil.example`, 'file://'])
      assert.equal(await status({ host, origin }), 403, origin);
    assert.equal(await status({ host: 'evil.example' }, '/nowhere'), 403);
    const response = await rawStatus(
      port,
      '/v1/releases/churn/predict',
      { host: 'evil.example', authorization: 'Bearer service@prj_own' },
      'POST',
    );
    assert.equal(response, 403);
  });

  test('HT8 configured names are answered for, with any port or the one given', async () => {
    const other = await startTestServer([], { options: { allowedHosts: ['slipway.example', 'fixed.example:8443'] } });
    const status = (host: string) => rawStatus(other.port, '/health', { host });
    assert.deepEqual(
      [
        await status('slipway.example'),
        await status('Slipway.Example:99'),
        await status('fixed.example:8443'),
        await status('fixed.example'),
      ],
      [200, 200, 200, 403],
    );
    await other.close();
  });

  test('HT9 a bug’s text goes to the log under the request id and never to the caller', async () => {
    const fail = (how: string) =>
      server.request('/v1/failures', {
        method: 'POST',
        key: 'engineer@prj_own',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ how }),
      });
    for (const how of ['bug', 'reply']) {
      const response = await fail(how);
      const text = await response.text();
      assert.equal(response.status, 500);
      assert.doesNotMatch(text, /secret|at \/|\.ts/);
      assert.equal(server.logged.at(-1)?.fields['requestId'], response.headers.get('x-request-id'));
      assert.ok(text.includes(response.headers.get('x-request-id') ?? '?'));
    }
    const before = server.logged.length;
    const known = await fail('invalid');
    assert.deepEqual([known.status, (await errorOf(known)).details], [422, { field: 'how' }]);
    assert.equal(server.logged.length, before);
    await assert.rejects(fail('header').then((response) => response.text()));
    await assert.rejects(fail('stream').then((response) => response.text()));
    assert.match(String(server.logged.at(-1)?.fields['error']), /secret-stream/);
  });

  test('HT10 a raw reply keeps its own status, type and headers', async () => {
    const response = await server.request('/v1/page', { key: 'viewer@prj_own' });
    assert.deepEqual([response.status, response.headers.get('content-type'), response.headers.get('etag')], [202, 'text/html', '"1"']);
    assert.equal(response.headers.get('content-security-policy'), "default-src 'self'");
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(await response.text(), '<p>hi</p>');
    const head = await server.request('/v1/page', { method: 'HEAD', key: 'viewer@prj_own' });
    assert.deepEqual([head.status, await head.text()], [202, '']);
    assert.equal((await server.request('/v1/page', { method: 'HEAD' })).status, 401);
  });

  test('HT11 health needs no key', async () => {
    const response = await server.request('/health');
    const body = (await response.json()) as Record<string, unknown>;
    assert.deepEqual([response.status, body['status'], body['version']], [200, 'ok', '0.0.0']);
    assert.equal(typeof body['uptimeSeconds'], 'number');
  });

  test('HT23 what can be edited carries an ETag, and an edit of something older is a conflict', async () => {
    let colour = 'red';
    const response = z.object({ colour: z.string() });
    const common = { path: '/v1/paint', permission: 'data.write', summary: 'x', response } as const;
    const paint = await startTestServer([
      defineRoute({ ...common, method: 'GET', handle: async () => ({ colour }) }),
      defineRoute({
        ...common,
        method: 'PUT',
        body: response,
        async handle({ body, header }) {
          checkIfMatch(header('if-match'), { colour });
          colour = body.colour;
          return { colour };
        },
      }),
    ]);
    const read = (headers: Record<string, string> = {}) => paint.request('/v1/paint', { key: 'admin@prj_own', headers });
    const write = (text: string, headers: Record<string, string> = {}) =>
      paint.request('/v1/paint', {
        method: 'PUT',
        key: 'admin@prj_own',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ colour: text }),
      });
    const etag = (await read()).headers.get('etag') ?? '';
    assert.match(etag, /^"[0-9a-f]{32}"$/);
    const same = await read({ 'if-none-match': etag });
    assert.deepEqual([same.status, await same.text()], [304, '']);
    assert.equal((await write('blue', { 'if-match': etag })).status, 200);
    const stale = await write('green', { 'if-match': etag });
    assert.deepEqual([stale.status, (await errorOf(stale)).code, colour], [409, 'kernel/etag-mismatch', 'blue']);
    assert.equal((await read({ 'if-none-match': etag })).status, 200);
    assert.equal((await write('green', { 'if-match': '*' })).status, 200);
    assert.equal((await write('white')).status, 200);
    await paint.close({ timeoutMs: 100 });
  });

  test('HT12 the same application answers Fetch Requests', async () => {
    const request = new Request('http://localhost/v1/things?limit=2', { headers: { authorization: 'Bearer viewer@prj_own' } });
    const response = await server.http.fetch(new Request(request.url.replace('localhost', `localhost:${server.port}`), request));
    assert.deepEqual([response.status, await response.json()], [200, { limit: 2, project: 'prj_own' }]);
    assert.equal((await server.http.fetch(new Request('http://evil.example/health'))).status, 403);
  });
});

function rawStatus(port: number, path: string, headers: Record<string, string>, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = nodeRequest({ port, path, method, headers, host: '127.0.0.1', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
    request.end();
  });
}
