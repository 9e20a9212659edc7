import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditSchema, createAudit } from '@slipway/audit';
import { type Catalog, catalogSchema, createCatalog } from '@slipway/catalog';
import { type Route, NotFoundError, createIds, systemClock } from '@slipway/kernel';
import { type Objects, openFolderObjects } from '@slipway/objects';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { dataCapability } from './capability.ts';
import { DatasetPage, DatasetVersion, Profile, RowsPage, Upload } from './contract.ts';
import { type Data, createData } from './data-service.ts';
import { cells } from './testing/index.ts';

const CSV = `customer,age,joined,plan\n${Array.from({ length: 40 }, (_, row) => `cust-${row % 8},${20 + row},2024-02-${String((row % 28) + 1).padStart(2, '0')},${row % 2 ? 'pro' : 'free'}`).join('\n')}\n`;
const principal = { id: 'prn_test' };

describe.each(testEngines)('datasets on %s', (engine) => {
  let records: Records;
  let objects: Objects;
  let catalog: Catalog;
  let data: Data;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'slipway-data-service-'));
    const ids = createIds(systemClock);
    const clock = systemClock;
    objects = await openFolderObjects(join(directory, 'objects'));
    records = await createTestRecords([auditSchema, catalogSchema], engine);
    const audit = createAudit({ records, clock, ids });
    catalog = createCatalog({ records, audit, clock, ids });
    data = createData({ records, objects, catalog, clock, workDirectory: join(directory, 'work') });
  });
  afterAll(async () => {
    await data.close();
    await records.close();
    await rm(directory, { recursive: true, force: true });
  });

  const file = async (content: string) => {
    const path = join(directory, `f-${Math.random()}`);
    await writeFile(path, content);
    return path;
  };
  const request = async (project: string, content = CSV) => ({
    project,
    name: 'customers',
    principal,
    source: { path: await file(content) },
    target: 'plan',
    subject: 'customer',
  });

  test('DA12 the same bytes and options are one version, wherever the file lies; other options are another', async () => {
    const first = await data.ingestVersion(await request('one'));
    const again = await data.ingestVersion(await request('one'));
    const other = await data.ingestVersion({ ...(await request('one')), exclude: ['age'] });

    assert.equal(first.created, true);
    assert.deepEqual([again.created, again.version.id], [false, first.version.id]);
    assert.deepEqual([other.version.number, other.version.content], [2, first.version.content]);
    assert.equal(first.version.content, first.meta.rowsHash);
  });

  test('DA12 frames, rows, profile and contract come back from the store', async () => {
    const { meta } = await data.ingestVersion(await request('read'));
    const frame = await data.loadFrame('read', meta, ['plan', 'joined']);
    const page = await data.readRows('read', meta, { limit: 2, offset: 3 });

    assert.deepEqual([...frame.columns.keys()], ['plan', 'joined']);
    assert.deepEqual(cells(frame, 'joined')[1], Date.UTC(2024, 1, 2));
    assert.deepEqual(page.rows, [
      { customer: 'cust-3', age: 23, joined: '2024-02-04T00:00:00.000Z', plan: 'pro' },
      { customer: 'cust-4', age: 24, joined: '2024-02-05T00:00:00.000Z', plan: 'free' },
    ]);
    assert.deepEqual([page.offset, page.total], [3, 40]);
    assert.equal((await data.loadProfile('read', meta)).rows, 40);
    assert.equal((await data.loadContract('read', meta)).fields.find((field) => field.name === 'customer')?.role, 'identifier');
    await assert.rejects(data.loadFrame('read', meta, ['plann']), { message: /Did you mean "plan"/ });
  });

  test('DA12 an upload is ingested by its id, and belongs to its project', async () => {
    const upload = await data.upload(
      'ups',
      (async function* () {
        yield Buffer.from(CSV);
      })(),
    );
    const source = { upload: upload.upload };
    const direct = await data.ingestVersion({ ...(await request('ups')) });
    const uploaded = await data.ingestVersion({ ...(await request('ups')), source });

    assert.equal(uploaded.version.id, direct.version.id);
    await assert.rejects(data.ingestVersion({ ...(await request('elsewhere')), source }), NotFoundError);
  });

  test('DA13 a subject leaves the rows: a new table, rows hash and profile, and the old objects named', async () => {
    const { meta } = await data.ingestVersion(await request('erase'));
    const erased = await data.eraseSubjectRows({ project: 'erase', meta, subject: 'cust-3' });
    const nobody = await data.eraseSubjectRows({ project: 'erase', meta, subject: 'cust-33' });
    const without = CSV.split('\n')
      .filter((line) => !line.startsWith('cust-3,'))
      .join('\n');
    const direct = await data.ingestVersion({ ...(await request('erase', without)), name: 'other' });

    assert.equal(erased.removed, 5);
    assert.equal(erased.meta.rows, 35);
    assert.equal(erased.meta.rowsHash, direct.meta.rowsHash);
    assert.ok(!cells(await data.loadFrame('erase', erased.meta), 'customer').includes('cust-3'));
    assert.deepEqual(erased.obsolete.slice(0, 2), [meta.parquet.sha256, meta.profile]);
    assert.deepEqual([nobody.removed, nobody.meta], [0, meta]);
  });

  test('DA12 enforcing another contract on a stored dataset names what differs', async () => {
    const { meta } = await data.ingestVersion(await request('enforce'));
    const contract = await data.loadContract('enforce', meta);
    const age = contract.fields.find((field) => field.name === 'age');
    assert.ok(age);
    const other = {
      ...contract,
      fields: [
        { ...age, expect: { maximum: 30 }, severity: 'error' as const },
        { ...age, name: 'height' },
      ],
    };
    const found = await data.enforce('enforce', meta, other);

    assert.deepEqual(found.counts, [{ field: 'age', rule: 'maximum', severity: 'error', count: 29 }]);
    assert.deepEqual(
      found.columns.map(({ column, problem }) => `${column} ${problem}`),
      ['height missing', 'customer extra', 'joined extra', 'plan extra'],
    );
    assert.equal((await data.enforce('enforce', meta, contract)).ok, true);
  });

  test('DA14 the routes answer in their published shapes, and another project sees nothing', async () => {
    const { version } = await data.ingestVersion(await request('api'));
    const { routes = [] } = dataCapability({ data, catalog });
    const call = async (
      method: string,
      path: string,
      project: string,
      parts: { params?: unknown; query?: unknown; body?: unknown } = {},
    ) => {
      const route = routes.find((candidate) => candidate.method === method && candidate.path === path) as Route;
      const query = route.query ? route.query.parse(parts.query ?? {}) : undefined;
      const input = {
        project,
        params: parts.params,
        query,
        body: parts.body,
        requestId: 'req',
        header: () => undefined,
        signal: AbortSignal.timeout(60_000),
      };
      return route.handle(input as unknown as Parameters<Route['handle']>[0]);
    };
    const params = { dataset: 'customers' };

    const page = DatasetPage.parse(await call('GET', '/v1/datasets', 'api'));
    assert.deepEqual(
      page.items.map((item) => item.id),
      [version.id],
    );
    assert.equal(
      DatasetVersion.parse(await call('GET', '/v1/datasets/{dataset}', 'api', { params: { dataset: version.id } })).name,
      'customers',
    );
    assert.equal(Profile.parse(await call('GET', '/v1/datasets/{dataset}/profile', 'api', { params })).rows, 40);
    assert.equal(RowsPage.parse(await call('GET', '/v1/datasets/{dataset}/rows', 'api', { params, query: { limit: '1' } })).rows.length, 1);
    const body = new Blob([CSV]).stream();
    assert.equal(Upload.parse(await call('POST', '/v1/uploads', 'api', { body })).sizeBytes, CSV.length);
    for (const dataset of ['customers', version.id]) {
      await assert.rejects(call('GET', '/v1/datasets/{dataset}', 'stranger', { params: { dataset } }), NotFoundError);
    }
    assert.ok(routes.every((route) => route.permission !== 'public'));
  });
});
