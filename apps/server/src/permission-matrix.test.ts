import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Principal, Role, type Route } from '@slipway/kernel';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type MatrixKeys, assertPermissionMatrix, runPermissionMatrix } from './http/testing/index.ts';
import { type RunningServer, startServer } from './start-server.ts';

const ADMIN_KEY = 'matrix-admin-key-0123456789-0123456789';

describe('the permission matrix of the whole server', () => {
  let folder: string;
  let server: RunningServer;
  let keys: MatrixKeys;
  let routes: readonly Route[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-matrix-'));
    server = await startServer({ home: join(folder, 'home'), listen: false, adminKey: ADMIN_KEY, log: () => {} });
    keys = await createKeys(server);
    routes = server.house.capabilities.flatMap((capability) => capability.routes ?? []);
  });
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('every route answers every role, key and project as it declares', async () => {
    const result = await runPermissionMatrix(server.http, routes, keys);
    assertPermissionMatrix(result);
    assert.ok(routes.length >= 35, `only ${routes.length} routes`);
    assert.ok(result.checks > 3_000, `only ${result.checks} checks`);
  });

  test('only what needs no key is public, and nothing else', () => {
    const open = server.http.routes.filter((compiled) => compiled.permission === undefined).map((compiled) => compiled.name);
    assert.deepEqual([...new Set(open)].toSorted(), [
      'GET /health',
      'GET /health/ready',
      'GET /openapi.json',
      'GET /v2',
      'GET /v2/health/live',
      'GET /v2/health/ready',
    ]);
  });

  test('the matrix fails when what is declared is not what is served', async () => {
    const wrong = routes
      .filter((route) => ['/v1/keys', '/v1/releases', '/v1/releases/{name}/predict'].includes(route.path))
      .map((route): Route => ({ ...route, permission: route.permission === 'predict' ? 'instance.manage' : 'self.read' }));
    const { problems } = await runPermissionMatrix(server.http, wrong, keys);
    const told = problems.map(({ request, caller, status }) => `${request} as ${caller}: ${status}`);
    assert.ok(told.includes('GET /v1/keys as viewer: 403'), told.join('\n'));
    assert.ok(told.includes('GET /v1/releases as service: 403'), told.join('\n'));
    assert.ok(told.includes('POST /v1/releases/{name}/predict as service: 422'), told.join('\n'));
  });
});

/** Keys of every role in the project of the first start and in another one. */
async function createKeys({ house: { identity } }: RunningServer): Promise<MatrixKeys> {
  const admin = await identity.authenticate(ADMIN_KEY);
  const other = await identity.createProject({ name: 'other' }, admin);
  const byRole = async (project: string, by: Principal) =>
    Object.fromEntries(
      await Promise.all(
        Role.options.map(async (role) => [role, (await identity.createKey({ project, role, label: role }, by)).key.reveal()] as const),
      ),
    ) as Record<Role, string>;
  return {
    ownProject: admin.project,
    otherProject: other.id,
    own: await byRole(admin.project, admin),
    other: await byRole(other.id, admin),
    instance: ADMIN_KEY,
  };
}
