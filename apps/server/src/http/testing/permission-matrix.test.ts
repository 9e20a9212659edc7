import assert from 'node:assert/strict';
import { Role, type Route } from '@slipway/kernel';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { sampleRoutes } from './sample-routes.ts';
import {
  assertPermissionMatrix,
  runPermissionMatrix,
  startTestServer,
  type MatrixKeys,
  type MatrixResult,
  type MatrixTarget,
  type TestServer,
} from './index.ts';

const byRole = (project: string) => Object.fromEntries(Role.options.map((role) => [role, `${role}@${project}`])) as Record<Role, string>;
const keys: MatrixKeys = {
  ownProject: 'prj_own',
  otherProject: 'prj_other',
  own: byRole('prj_own'),
  other: byRole('prj_other'),
  instance: 'instance@prj_own',
};
/** The sample that fails on purpose answers 5xx only when asked to, so `{}` is answered 422. */
const declared = sampleRoutes;

async function matrix(
  server: TestServer,
  wrap: (request: Request) => Promise<Response> = (request) => fetch(request),
): Promise<MatrixResult> {
  const target: MatrixTarget = { fetch: wrap };
  return runPermissionMatrix(target, declared, keys, { origin: server.url });
}

describe('the permission matrix', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer(sampleRoutes);
  });
  afterAll(() => server.close({ timeoutMs: 100 }));

  test('HT60 finds nothing wrong with the router, over real HTTP and over Fetch', async () => {
    const overHttp = await matrix(server);
    assertPermissionMatrix(overHttp);
    assert.ok(overHttp.checks > 1_300, String(overHttp.checks));
    const overFetch = await matrix(server, (request) => server.http.fetch(request));
    assert.deepEqual(overFetch, overHttp);
  });

  /** Each hole is one that a router might have; the matrix must name the route. */
  test.each<[string, (route: Route) => Route, RegExp]>([
    [
      'a route that became public',
      (route) => (route.path === '/v1/page' ? { ...route, permission: 'public' } : route),
      /GET \/v1\/page as nobody: expected 401, got 202/,
    ],
    [
      'a route that asks for less',
      (route) => (route.method === 'DELETE' ? { ...route, permission: 'project.read' } : route),
      /DELETE \/v1\/things\/\{thing\} as viewer: expected 403, got 200/,
    ],
    [
      'a fast route that asks for less',
      (route) => (route.fast ? { ...route, permission: 'self.read' } : route),
      /POST \/v1\/releases\/\{name\}\/predict as viewer: expected 403, got 422/,
    ],
    [
      'a route that asks for more',
      (route) => (route.path === '/v1/events' ? { ...route, permission: 'key.manage' } : route),
      /GET \/v1\/events as viewer: expected neither/,
    ],
    [
      'a handler that fails inside',
      (route) => (route.path === '/v1/page' ? { ...route, handle: () => Promise.reject(new Error('x')) } : route),
      /GET \/v1\/page as admin: expected neither/,
    ],
  ])('HT61 catches %s', async (_name, change, message) => {
    const holed = await startTestServer(sampleRoutes.map(change));
    const result = await matrix(holed, (request) => holed.http.fetch(request));
    assert.throws(() => assertPermissionMatrix(result), message);
    await holed.close({ timeoutMs: 100 });
  });

  test.each<[string, (request: Request) => Response | undefined, RegExp]>([
    [
      'a method nobody declared',
      (request) => (request.method === 'PUT' && request.url.endsWith('/v1/things/newest') ? new Response('') : undefined),
      /PUT \/v1\/things\/newest as nobody: expected 404 or 405, got 200/,
    ],
    [
      'a denial for what should be hidden',
      (request) => (request.url.includes('prj_other/things') && request.method === 'GET' ? new Response('', { status: 403 }) : undefined),
      /in another project: expected 404, got 403/,
    ],
    [
      'an unknown key that is let in',
      (request) => (request.headers.get('authorization')?.includes('unknown') ? new Response('') : undefined),
      /as an unknown key: expected 401, got 200/,
    ],
  ])('HT61 catches %s', async (_name, hole, message) => {
    const result = await matrix(server, async (request) => hole(request) ?? server.http.fetch(request));
    assert.throws(() => assertPermissionMatrix(result), message);
  });

  test('HT61 an empty matrix is no success', async () => {
    const result = await runPermissionMatrix({ fetch: (request) => fetch(request) }, [], keys, { origin: server.url });
    assert.throws(() => assertPermissionMatrix(result), /checked nothing/);
  });
});
