import assert from 'node:assert/strict';
import { createAudit, auditSchema, type Audit } from '@slipway/audit';
import { createIds, isId, systemClock } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { catalogSchema } from './capability.ts';
import { META_LIMIT_BYTES, PARENT_LIMIT, type Catalog, type CatalogKind, type NewVersion, type Version } from './catalog.ts';
import { createCatalog } from './catalog-service.ts';
import { InvalidReferenceError, InvalidVersionError, ParentNotFoundError, VersionNotFoundError, VersionRetiredError } from './errors.ts';
import { ID_KINDS } from './reference.ts';

function newVersion(project: string, label: string, more: Partial<NewVersion> = {}): NewVersion {
  return {
    project,
    kind: 'model',
    name: 'churn',
    recipe: sha256Hex(`recipe ${label}`),
    content: sha256Hex(`content ${label}`),
    run: 'run_1',
    principal: 'prn_1',
    meta: { label },
    parents: [],
    ...more,
  };
}

const parentsOf = (...links: Version[]) => ({ parents: links.map((link) => ({ id: link.id, role: 'part' })) });

describe.each(testEngines)('catalog on %s', (engine) => {
  let records: Records;
  let audit: Audit;
  let catalog: Catalog;
  beforeAll(async () => {
    records = await createTestRecords([auditSchema, catalogSchema], engine);
    const ids = createIds(systemClock);
    audit = createAudit({ records, clock: systemClock, ids });
    catalog = createCatalog({ records, audit, clock: systemClock, ids });
  });
  afterAll(() => records.close());

  const register = (entry: NewVersion) => records.transaction((tx) => catalog.register(tx, entry));
  const make = async (entry: NewVersion): Promise<Version> => (await register(entry)).version;
  const auditTypes = async (project: string) => (await audit.list(project, { limit: 1_000 })).map((event) => event.type);

  test('CA1 a version comes back as it was registered, numbered, with the id of its kind and one audit event', async () => {
    const { version, created } = await register(newVersion('first', 'a', { meta: { text: '\u0000', list: [1, null] } }));

    assert.equal(created, true);
    assert.equal(version.number, 1);
    assert.deepEqual(version.meta, { text: '\u0000', list: [1, null] });
    assert.deepEqual(await catalog.get('first', version.id), version);
    assert.deepEqual(await catalog.findByRecipe('first', 'model', 'churn', version.recipe), version);
    const [event] = await audit.list('first', { limit: 5 });
    assert.equal(event?.type, 'catalog.version.registered');
    assert.deepEqual(event?.subject, { kind: 'version', id: version.id });
    for (const kind of Object.keys(ID_KINDS) as CatalogKind[]) {
      assert.ok(isId(ID_KINDS[kind], (await make(newVersion('first', 'kinds', { kind }))).id));
    }
  });

  test('CA2 the same recipe finds the same version; another recipe gets the next number of its own name', async () => {
    const first = await make(newVersion('recipes', 'a'));
    const again = await register(newVersion('recipes', 'a', { content: sha256Hex('other'), meta: 'other' }));
    assert.deepEqual(again, { version: first, created: false });
    assert.equal((await make(newVersion('recipes', 'b'))).number, 2);
    assert.equal((await make(newVersion('recipes', 'a', { name: 'fraud' }))).number, 1);
    assert.equal((await make(newVersion('recipes', 'a', { kind: 'dataset' }))).number, 1);
    assert.equal((await make(newVersion('recipes-2', 'a'))).number, 1);
    assert.equal((await auditTypes('recipes')).length, 4);
  });

  test('CA2 twenty registrations of one recipe at once make one version and one event', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => register(newVersion('parallel', 'same'))));
    assert.equal(replies.filter((reply) => reply.created).length, 1);
    assert.equal(new Set(replies.map((reply) => reply.version.id)).size, 1);
    assert.deepEqual(await auditTypes('parallel'), ['catalog.version.registered']);
  });

  test('CA3 numbers have no gaps under concurrency and rollbacks, also with several registrations in any order in one transaction', async () => {
    await Promise.allSettled(
      Array.from({ length: 40 }, (_, index) =>
        records.transaction(async (tx) => {
          const names = index % 2 === 0 ? ['left', 'right'] : ['right', 'left'];
          for (const name of names) await catalog.register(tx, newVersion('gapless', `${index}`, { name }));
          if (index % 5 === 0) throw new Error('undo');
        }),
      ),
    );
    for (const name of ['left', 'right']) {
      const { items } = await catalog.list('gapless', { name, limit: 100 });
      assert.deepEqual(
        items.map((version) => version.number).toSorted((a, b) => a - b),
        Array.from({ length: 32 }, (_, index) => index + 1),
      );
    }
    assert.equal((await audit.verify('gapless')).ok, true);
  });

  test('CA4 a parent must exist in the same project', async () => {
    const data = await make(newVersion('parents', 'data', { kind: 'dataset', name: 'rows' }));
    const foreign = await make(newVersion('parents-other', 'data', { kind: 'dataset', name: 'rows' }));
    for (const id of [foreign.id, 'dv_nothing']) {
      const attempt = register(
        newVersion('parents', 'child', {
          parents: [
            { id: data.id, role: 'data' },
            { id, role: 'data' },
          ],
        }),
      );
      await assert.rejects(attempt, ParentNotFoundError);
    }
    assert.equal((await auditTypes('parents')).length, 1);
    const child = await make(
      newVersion('parents', 'child', {
        parents: [
          { id: data.id, role: 'data' },
          { id: data.id, role: 'data' },
        ],
      }),
    );
    assert.deepEqual((await catalog.lineage('parents', child.id, 'up')).edges, [{ parent: data.id, child: child.id, role: 'data' }]);
  });

  test('CA5 references resolve by id, name, latest, alias and number, within project and kind', async () => {
    const versions = [
      await make(newVersion('refs', '1')),
      await make(newVersion('refs', '2')),
      await make(newVersion('refs', '3')),
    ] as const;
    const [one, two, three] = versions;
    await records.transaction((tx) =>
      catalog.setAlias(tx, 'refs', { kind: 'model', name: 'churn', alias: 'champion', version: two.id, principal: 'prn_1' }),
    );
    const found = async (reference: string) => (await catalog.resolve('refs', 'model', reference)).id;
    assert.equal(await found(one.id), one.id);
    assert.equal(await found('churn'), three.id);
    assert.equal(await found('churn@latest'), three.id);
    assert.equal(await found('churn@champion'), two.id);
    assert.equal(await found('churn:1'), one.id);
    for (const reference of ['churn:4', 'churn@nobody', 'other', 'mv_0190a000-0000-7000-8000-000000000000']) {
      await assert.rejects(catalog.resolve('refs', 'model', reference), VersionNotFoundError, reference);
    }
    for (const reference of [
      '',
      'churn:',
      'churn:0',
      'churn:01',
      'churn:9999999999',
      'churn@',
      'churn@2',
      'a@b@c',
      '../x',
      'Churn',
      'x y',
    ]) {
      await assert.rejects(catalog.resolve('refs', 'model', reference), InvalidReferenceError, reference);
    }
    await assert.rejects(catalog.resolve('refs', 'dataset', one.id), VersionNotFoundError);
    await assert.rejects(catalog.resolve('refs-other', 'model', one.id), VersionNotFoundError);
    await assert.rejects(catalog.resolve('refs-other', 'model', 'churn@champion'), VersionNotFoundError);
  });

  test('CA6 an alias moves, is removed, is audited once per change, and cannot be latest, a number or foreign', async () => {
    const [one, two] = [await make(newVersion('alias', '1')), await make(newVersion('alias', '2'))];
    const data = await make(newVersion('alias', '1', { kind: 'dataset' }));
    const target = { kind: 'model', name: 'churn', alias: 'live', principal: 'prn_1' } as const;
    const set = (version: string, alias = 'live') =>
      records.transaction((tx) => catalog.setAlias(tx, 'alias', { ...target, alias, version }));
    const before = (await auditTypes('alias')).length;
    await set(one.id);
    await set(one.id);
    await set(two.id);
    await set(two.id, 'stable');
    assert.equal((await catalog.resolve('alias', 'model', 'churn@live')).id, two.id);
    assert.deepEqual([...(await catalog.aliases('alias', [one.id, two.id]))], [[two.id, ['live', 'stable']]]);
    assert.deepEqual((await auditTypes('alias')).slice(before), ['catalog.alias.set', 'catalog.alias.set', 'catalog.alias.set']);

    for (const alias of ['latest', '7', '7x', '', 'a b', 'a@b', 'A', 'x'.repeat(65)]) {
      await assert.rejects(set(one.id, alias), InvalidReferenceError, alias);
    }
    const foreign = await make(newVersion('alias-other', '1'));
    for (const id of [foreign.id, data.id, 'mv_x']) await assert.rejects(set(id), VersionNotFoundError);

    const remove = (version?: string) =>
      records.transaction((tx) => catalog.removeAlias(tx, 'alias', version === undefined ? target : { ...target, version }));
    assert.equal(await remove(one.id), false);
    assert.equal(await remove(), true);
    assert.equal(await remove(), false);
    await assert.rejects(catalog.resolve('alias', 'model', 'churn@live'), VersionNotFoundError);
  });

  test('CA7 lineage goes up and down through every path once, and says when a limit cut it off', async () => {
    const root = await make(newVersion('line', 'root', { kind: 'dataset' }));
    const left = await make(newVersion('line', 'left', parentsOf(root)));
    const right = await make(newVersion('line', 'right', parentsOf(root)));
    const join = await make(newVersion('line', 'join', parentsOf(left, right)));
    await make(newVersion('line', 'unrelated'));

    const up = await catalog.lineage('line', join.id, 'up');
    assert.deepEqual(up.nodes[0], join);
    assert.deepEqual(up.nodes.map((node) => node.id).toSorted(), [root.id, left.id, right.id, join.id].toSorted());
    assert.equal(up.edges.length, 4);
    assert.equal(up.truncated, false);
    const down = await catalog.lineage('line', root.id, 'down');
    assert.deepEqual(down.nodes.map((node) => node.id).toSorted(), up.nodes.map((node) => node.id).toSorted());
    assert.deepEqual((await catalog.lineage('line', root.id, 'up')).edges, []);

    const short = await catalog.lineage('line', join.id, 'up', { depthLimit: 1 });
    assert.deepEqual([short.nodes.length, short.edges.length, short.truncated], [3, 2, true]);
    assert.equal((await catalog.lineage('line', join.id, 'up', { depthLimit: 2 })).truncated, false);
    for (const depthLimit of [0, 65, 1.5]) {
      await assert.rejects(catalog.lineage('line', join.id, 'up', { depthLimit }), InvalidReferenceError);
    }
    await assert.rejects(catalog.lineage('line-other', join.id, 'up'), VersionNotFoundError);
  });

  test('CA7 more versions than the node limit come back as the limit, truncated', async () => {
    const root = await make(newVersion('wide', 'root', { kind: 'dataset' }));
    await sql`insert into catalog_version (project, id, kind, name, number, recipe, content, meta, principal, created_at_ms)
      select 'wide', 'mv_' || n, 'model', 'm', n, n::text, '', '{}', '', n from generate_series(1, 1000) n`.execute(records.db);
    await sql`insert into catalog_parent (project, child, parent, role)
      select 'wide', 'mv_' || n, ${root.id}, 'data' from generate_series(1, 1000) n`.execute(records.db);
    const all = await catalog.lineage('wide', root.id, 'down');
    assert.deepEqual([all.nodes.length, all.edges.length, all.truncated], [1_000, 999, true]);
    await sql`delete from catalog_parent where child = 'mv_1000'`.execute(records.db);
    const fits = await catalog.lineage('wide', root.id, 'down');
    assert.deepEqual([fits.nodes.length, fits.edges.length, fits.truncated], [1_000, 999, false]);
  });

  test('CA8 retiring erases meta and aliases, keeps row, hashes and lineage, and frees the recipe', async () => {
    const data = await make(newVersion('retire', 'data', { kind: 'dataset' }));
    const one = await make(newVersion('retire', '1', { parents: [{ id: data.id, role: 'data' }] }));
    const two = await make(newVersion('retire', '2'));
    const target = { kind: 'model', name: 'churn', alias: 'live', version: two.id, principal: 'prn_1' } as const;
    await records.transaction((tx) => catalog.setAlias(tx, 'retire', target));
    const retire = (id: string) => records.transaction((tx) => catalog.retire(tx, 'retire', id, 'erasure of a subject', 'prn_2'));

    assert.deepEqual(await retire(two.id), two, 'the version as it was, so that its bytes can be deleted');
    await retire(one.id);

    const tombstone = await catalog.get('retire', two.id);
    assert.deepEqual({ ...tombstone, meta: two.meta, retiredAtMs: null, retiredReason: null }, two);
    assert.deepEqual([tombstone.meta, tombstone.retiredReason], [null, 'erasure of a subject']);
    await assert.rejects(catalog.resolve('retire', 'model', 'churn@live'), VersionNotFoundError);
    await assert.rejects(catalog.resolve('retire', 'model', 'churn'), VersionNotFoundError);
    assert.equal((await catalog.resolve('retire', 'model', 'churn:2')).id, two.id);
    assert.equal((await catalog.lineage('retire', one.id, 'up')).nodes.length, 2);
    await assert.rejects(
      records.transaction((tx) => catalog.setAlias(tx, 'retire', target)),
      VersionRetiredError,
    );
    const count = (await auditTypes('retire')).length;
    await retire(two.id);
    assert.equal((await auditTypes('retire')).length, count);

    const remade = await register(newVersion('retire', '2'));
    assert.deepEqual([remade.created, remade.version.number], [true, 3]);
    assert.equal((await catalog.resolve('retire', 'model', 'churn')).id, remade.version.id);
    await assert.rejects(
      records.transaction((tx) => catalog.retire(tx, 'retire', remade.version.id, '', 'prn_2')),
      InvalidReferenceError,
    );
    await assert.rejects(
      records.transaction((tx) => catalog.retire(tx, 'retire-other', remade.version.id, 'x', 'prn_2')),
      VersionNotFoundError,
    );
  });

  test('CA9 a version that breaks a rule is refused, naming the field; the limits themselves are accepted', async () => {
    const bad: [string, Partial<NewVersion>][] = [
      ['name', { name: 'Churn' }],
      ['name', { name: 'mv_0190a000-0000-7000-8000-000000000000' }],
      ['recipe', { recipe: 'abc' }],
      ['content', { content: 'A'.repeat(64) }],
      ['principal', { principal: '' }],
      ['parents.0.role', { parents: [{ id: 'x', role: 'Data' }] }],
      ['parents', { parents: Array.from({ length: PARENT_LIMIT + 1 }, () => ({ id: 'x', role: 'data' })) }],
      ['meta', { meta: 'x'.repeat(META_LIMIT_BYTES - 1) }],
    ];
    for (const [field, more] of bad) {
      await assert.rejects(register(newVersion('rules', 'a', more)), (error: InvalidVersionError) => {
        assert.ok(error instanceof InvalidVersionError);
        assert.equal(error.details['field'], field);
        return true;
      });
    }
    const data = await make(newVersion('rules', 'data', { kind: 'dataset' }));
    const parents = Array.from({ length: PARENT_LIMIT }, (_, index) => ({ id: data.id, role: `part${index}` }));
    await make(newVersion('rules', 'a', { meta: 'x'.repeat(META_LIMIT_BYTES - 2), parents }));
  });

  test('CA10 pages of every size list each version once, newest first', async () => {
    for (let index = 0; index < 23; index += 1) await make(newVersion('pages', `${index}`, { kind: index % 2 ? 'model' : 'dataset' }));
    const all = (await catalog.list('pages', { limit: 100 })).items.map((version) => version.id);
    assert.equal(new Set(all).size, 23);
    for (const limit of [1, 5, 22, 23]) {
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await catalog.list('pages', cursor === undefined ? { limit } : { limit, cursor });
        found.push(...page.items.map((version) => version.id));
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      assert.deepEqual(found, all);
    }
    assert.equal((await catalog.list('pages', { kind: 'model', limit: 100 })).items.length, 11);
    for (const cursor of ['x', '', 'bnVsbA', 'WzEsMl0']) {
      await assert.rejects(catalog.list('pages', { limit: 5, cursor }), InvalidReferenceError, cursor);
    }
    for (const limit of [0, 501, 1.5]) await assert.rejects(catalog.list('pages', { limit }), InvalidReferenceError);
  });
});
