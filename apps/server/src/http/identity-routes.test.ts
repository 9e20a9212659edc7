import assert from 'node:assert/strict';
import { auditSchema, createAudit, type Audit } from '@slipway/audit';
import { createIdentity, identityCapability, identityMigrations, type Identity } from '@slipway/identity';
import { CreatedKeyReply, KeyPage, MeReply, ProjectReply } from '@slipway/identity/contract';
import { Role, createIds, systemClock, systemRandomBytes, type ErrorBody } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { createIdempotencyStore, httpCapability } from './idempotency-store.ts';
import { assertPermissionMatrix, runPermissionMatrix, startTestServer, type TestServer } from './testing/index.ts';

const ADMIN = 'the-first-admin-key-0123456789-abcdef';

describe.each(testEngines)('identity over HTTP on %s', (engine) => {
  let records: Records;
  let audit: Audit;
  let identity: Identity;
  let server: TestServer;
  beforeAll(async () => {
    const clock = systemClock;
    const ids = createIds(clock);
    const identitySchema = { name: 'identity', migrations: identityMigrations };
    records = await createTestRecords([auditSchema, identitySchema, httpCapability({} as Records)], engine);
    audit = createAudit({ records, clock, ids });
    identity = createIdentity({ records, audit, clock, ids, random: systemRandomBytes });
    await identity.bootstrap({ adminKey: ADMIN });
    server = await startTestServer(identityCapability(identity, clock).routes ?? [], {
      identity,
      idempotency: createIdempotencyStore(records, clock),
    });
  });
  afterAll(async () => {
    await server.close({ timeoutMs: 100 });
    await records.close();
  });

  const send = (method: string, path: string, body?: unknown, key = ADMIN) =>
    server.request(path, {
      method,
      key,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });

  test('HT70 a key is made, used, rotated and revoked, and each step is in the audit log', async () => {
    const made = CreatedKeyReply.parse(await (await send('POST', '/v1/keys', { role: 'viewer', label: 'reader' })).json());
    const me = MeReply.parse(await (await send('GET', '/v1/me', undefined, made.key)).json());
    assert.deepEqual([me.role, me.instance, me.project.name, me.label], ['viewer', false, 'default', 'reader']);

    const rotated = CreatedKeyReply.parse(await (await send('POST', `/v1/keys/${made.info.id}/rotate`, {})).json());
    assert.equal((await send('GET', '/v1/me', undefined, made.key)).status, 200);
    assert.equal((await send('DELETE', `/v1/keys/${made.info.id}`)).status, 200);
    const dead = await send('GET', '/v1/me', undefined, made.key);
    const { error } = (await dead.json()) as ErrorBody;
    assert.deepEqual([dead.status, error.code, error.details], [401, 'identity/key-rejected', { reason: 'revoked' }]);
    assert.equal((await send('GET', '/v1/me', undefined, rotated.key)).status, 200);

    const page = KeyPage.parse(await (await send('GET', '/v1/keys?limit=2')).json());
    assert.deepEqual(
      page.items.map((key) => key.status),
      ['active', 'revoked'],
    );
    const events = await audit.list(me.project.id, { limit: 100 });
    assert.deepEqual(
      events.slice(2).map((event) => event.type),
      ['identity.key.created', 'identity.key.created', 'identity.key.rotated', 'identity.key.revoked', 'identity.key.reused'],
    );
    assert.ok((await audit.verify()).ok);
  });

  test('HT71 a key cannot be made with fields nobody offered', async () => {
    for (const extra of [{ instance: true }, { project: 'prj_x' }, { role: 'root' }, { label: '' }, { expiresAt: 'tomorrow' }]) {
      assert.equal((await send('POST', '/v1/keys', { role: 'viewer', label: 'x', ...extra })).status, 422, JSON.stringify(extra));
    }
    const late = await send('POST', '/v1/keys', { role: 'viewer', label: 'x', expiresAt: '2999-01-01T00:00:00Z' });
    assert.equal(late.status, 422);
  });

  test('HT72 an instance admin makes a project once a key and works in it by name', async () => {
    const init = {
      method: 'POST',
      key: ADMIN,
      headers: { 'content-type': 'application/json', 'idempotency-key': 'p1' },
      body: '{"name":"retention"}',
    };
    const first = ProjectReply.parse(await (await server.request('/v1/projects', init)).json());
    const again = await server.request('/v1/projects', init);
    assert.deepEqual([again.status, again.headers.get('idempotency-replayed'), await again.json()], [201, 'true', first]);
    const made = CreatedKeyReply.parse(
      await (await send('POST', '/v1/projects/retention/keys', { role: 'admin', label: 'retention admin' })).json(),
    );
    assert.equal(made.info.project, first.id);
    assert.equal((await send('GET', '/v1/projects/default/keys', undefined, made.key)).status, 404);
    assert.equal((await send('GET', '/v1/projects', undefined, made.key)).status, 403);
    assert.equal((await send('GET', '/v1/projects/retention/keys', undefined, made.key)).status, 200);
  });

  test('HT73 the permission matrix holds with real keys', async () => {
    const own = await send('POST', '/v1/projects', { name: 'own' }).then(async (reply) => ProjectReply.parse(await reply.json()));
    const other = await send('POST', '/v1/projects', { name: 'other' }).then(async (reply) => ProjectReply.parse(await reply.json()));
    const admin = await identity.authenticate(ADMIN);
    const keysOf = async (project: string) => {
      const made = await Promise.all(
        Role.options.map(async (role) => [role, (await identity.createKey({ project, role, label: role }, admin)).key.reveal()]),
      );
      return Object.fromEntries(made) as Record<Role, string>;
    };
    const keys = {
      ownProject: own.id,
      otherProject: other.name,
      own: await keysOf(own.id),
      other: await keysOf(other.id),
      instance: ADMIN,
    };
    const routes = identityCapability(identity, systemClock).routes ?? [];
    const result = await runPermissionMatrix({ fetch: (request) => server.http.fetch(request) }, routes, keys, { origin: server.url });
    assertPermissionMatrix(result);
    assert.ok(result.checks > 300, String(result.checks));
  });
});
