import assert from 'node:assert/strict';
import { auditSchema, createAudit } from '@slipway/audit';
import { NotFoundError, createIds, systemClock, type Capability, type Method, type Principal } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import type { Records } from '@slipway/records';
import { createTestRecords } from '@slipway/records/testing';
import { afterAll, beforeAll, test } from 'vitest';
import { catalogCapability, catalogSchema } from './capability.ts';
import type { Catalog, Version } from './catalog.ts';
import { createCatalog } from './catalog-service.ts';
import { LineageReply, VersionBody, VersionsReply } from './contract.ts';

const principal: Principal = { id: 'prn_1', project: 'alpha', role: 'engineer', instance: false, label: 'test' };
let records: Records;
let catalog: Catalog;
let capability: Capability;

beforeAll(async () => {
  records = await createTestRecords([auditSchema, catalogSchema]);
  const ids = createIds(systemClock);
  const audit = createAudit({ records, clock: systemClock, ids });
  catalog = createCatalog({ records, audit, clock: systemClock, ids });
  capability = catalogCapability(catalog, records);
});
afterAll(() => records.close());

/** Calls a route as the server does: inputs and reply go through the route's schemas. */
async function call(method: Method, path: string, given: { params?: unknown; query?: unknown; project?: string } = {}): Promise<unknown> {
  const route = capability.routes?.find((each) => each.method === method && each.path === path);
  assert.ok(route, `${method} ${path}`);
  const reply = await route.handle({
    principal,
    project: given.project ?? 'alpha',
    params: route.params?.parse(given.params ?? {}),
    query: route.query?.parse(given.query ?? {}),
    body: undefined,
    requestId: 'req_1',
    header: () => undefined,
    signal: new AbortController().signal,
  } as never);
  return route.response.parse(reply);
}

async function make(label: string, parents: Version[] = []): Promise<Version> {
  const { version } = await records.transaction((tx) =>
    catalog.register(tx, {
      project: 'alpha',
      kind: parents.length === 0 ? 'dataset' : 'model',
      name: 'churn',
      recipe: sha256Hex(label),
      content: sha256Hex(label),
      run: null,
      principal: 'prn_1',
      meta: { label },
      parents: parents.map((parent) => ({ id: parent.id, role: 'data' })),
    }),
  );
  return version;
}

test('CA12 versions are listed, shown with their aliases and lineage, and aliases are set and removed over HTTP', async () => {
  const data = await make('data');
  const one = await make('one', [data]);
  const two = await make('two', [data]);

  const page = VersionsReply.parse(await call('GET', '/v1/versions', { query: { kind: 'model', limit: '1' } }));
  assert.deepEqual([page.items.length, page.nextCursor === null], [1, false]);
  const rest = VersionsReply.parse(await call('GET', '/v1/versions', { query: { kind: 'model', limit: '1', cursor: page.nextCursor } }));
  assert.deepEqual([...page.items, ...rest.items].map((item) => item.id).toSorted(), [one.id, two.id].toSorted());

  const alias = { version: one.id, alias: 'champion' };
  const set = VersionBody.parse(await call('PUT', '/v1/versions/{version}/aliases/{alias}', { params: alias }));
  assert.deepEqual([set.id, set.aliases, set.retiredAt], [one.id, ['champion'], null]);
  assert.match(set.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(await call('GET', '/v1/versions/{version}', { params: { version: one.id } }), set);
  // Asking to remove it from a version it does not point at leaves it where it is.
  await call('DELETE', '/v1/versions/{version}/aliases/{alias}', { params: { ...alias, version: two.id } });
  assert.equal((await catalog.resolve('alpha', 'model', 'churn@champion')).id, one.id);
  const removed = VersionBody.parse(await call('DELETE', '/v1/versions/{version}/aliases/{alias}', { params: alias }));
  assert.deepEqual(removed.aliases, []);

  const lineage = LineageReply.parse(
    await call('GET', '/v1/versions/{version}/lineage', { params: { version: data.id }, query: { direction: 'down' } }),
  );
  assert.deepEqual([lineage.nodes.length, lineage.edges.length, lineage.truncated], [3, 2, false]);
});

test("CA12 every route answers 404 for another project's version and declares a permission", async () => {
  const { id } = await make('mine');
  for (const route of capability.routes ?? []) {
    assert.ok(route.permission !== 'public');
    if (!route.path.includes('{version}')) continue;
    await assert.rejects(call(route.method, route.path, { params: { version: id, alias: 'x' }, project: 'beta' }), NotFoundError);
  }
  assert.deepEqual(await call('GET', '/v1/versions', { project: 'beta' }), { items: [], nextCursor: null });
});
