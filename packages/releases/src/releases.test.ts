import assert from 'node:assert/strict';
import { createAudit, auditSchema } from '@slipway/audit';
import { createCatalog, catalogSchema } from '@slipway/catalog';
import { type Invocation, type Principal, type ServableKind, createIds, createInvocationIds, systemClock } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import { type Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { createAnswering } from './answer.ts';
import { releasesSchema } from './capability.ts';
import { CallInvalidError, ReleaseNotFoundError, RevisionNotFoundError, TooManyRowsError } from './errors.ts';
import { createReleases } from './release-service.ts';
import { createRouting } from './routing.ts';
import { fakeLoader, fakeModel } from './testing/index.ts';

const clock = systemClock;
const ids = createIds(clock);
const PROJECT = ids.next('project');
const principal: Principal = { id: ids.next('principal'), project: PROJECT, role: 'service', instance: false, label: 'test' };

async function setUp(records: Records) {
  const audit = createAudit({ records, clock, ids });
  const catalog = createCatalog({ records, audit, clock, ids });
  const loader = fakeLoader('model', fakeModel);
  const routing = createRouting({
    records,
    catalog,
    loaders: new Map([[loader.kind, loader]]),
    monotonicMs: clock.monotonicMs,
    describe: async () => {},
  });
  const releases = createReleases({ records, audit, catalog, clock, ids, onChange: routing.follow });
  const written: Invocation[] = [];
  const recorder = { append: async (invocation: Invocation) => void written.push(invocation) };
  const answering = createAnswering({
    routing,
    recorder,
    clock,
    replica: 7,
    nextInvocationId: createInvocationIds(clock, 7),
    draw: Math.random,
  });
  return { audit, catalog, releases, routing, answering, written, loader };
}

describe.each(testEngines)('releases on %s', (engine) => {
  let records: Records;
  let house: Awaited<ReturnType<typeof setUp>>;
  let number = 0;

  beforeAll(async () => {
    records = await createTestRecords([auditSchema, catalogSchema, releasesSchema], engine);
    house = await setUp(records);
  });
  afterAll(() => records.close());

  async function makeVersion(name: string, kind: ServableKind = 'model') {
    number += 1;
    const hash = sha256Hex(`${name}${number}`);
    const { version } = await records.transaction((tx) =>
      house.catalog.register(tx, {
        project: PROJECT,
        kind,
        name,
        recipe: hash,
        content: hash,
        run: null,
        principal: principal.id,
        meta: {},
        parents: [],
      }),
    );
    return version.id;
  }

  const publish = (name: string, version: string, more: { run?: string; revise?: 'always' | 'when-changed' } = {}) =>
    records.transaction((tx) =>
      house.releases.publish(tx, {
        project: PROJECT,
        name,
        version,
        kind: 'model',
        run: more.run ?? null,
        principal: principal.id,
        revise: more.revise ?? 'always',
      }),
    );

  const answer = (release: string, inputs: unknown[], more: { project?: string; unit?: string; subject?: string } = {}) =>
    house.answering.answer({ project: PROJECT, release, principal, requestId: 'req_1', inputs, ...more });

  test('RL1 publishing numbers revisions without gaps, gives the new one all traffic, and is audited', async () => {
    const versions = [await makeVersion('one'), await makeVersion('one')];
    await Promise.all(versions.map((version) => publish('one', version)));
    const release = await house.releases.get(PROJECT, 'one');
    assert.deepEqual(
      release.revisions.map((revision) => revision.number),
      [2, 1],
    );
    assert.deepEqual(release.traffic, [{ name: 'live', revision: 2, weight: 1 }]);
    const events = await house.audit.list(PROJECT, { limit: 500, type: 'releases.revision.created' });
    assert.equal(events.filter((event) => event.subject.id === 'one').length, 2);
  });

  test('RL11 a call that names a revision is answered by it and recorded as pinned; unknown ones are not found', async () => {
    for (const version of [await makeVersion('pins'), await makeVersion('pins')]) await publish('pins', version);
    const { revision } = await house.answering.answer({
      project: PROJECT,
      release: 'pins',
      revision: 1,
      principal,
      requestId: 'req_1',
      inputs: [{ x: 1 }],
    });
    assert.equal(revision, 1);
    assert.equal(house.written.at(-1)?.arm, 'pinned');
    assert.equal((await answer('pins', [{ x: 1 }])).revision, 2, 'traffic is as it was');
    await assert.rejects(house.routing.pinned(PROJECT, 'pins', 3), RevisionNotFoundError);
    await assert.rejects(house.routing.pinned(ids.next('project'), 'pins', 1), RevisionNotFoundError);
  });

  test('RL11 an unloaded release is loaded again by its next call', async () => {
    await publish('unloaded', await makeVersion('unloaded'));
    await answer('unloaded', [{ x: 1 }]);
    const before = house.loader.loaded.length;
    assert.equal(house.routing.unload(PROJECT, 'unloaded'), true);
    // Retiring waits for the promise of the loaded servable, one turn.
    await new Promise(setImmediate);
    assert.equal(house.routing.peek(PROJECT, 'unloaded'), undefined);
    assert.equal(house.routing.unload(PROJECT, 'unloaded'), false, 'there is nothing left to unload');
    await answer('unloaded', [{ x: 1 }]);
    assert.equal(house.loader.loaded.length, before + 1);
  });

  test('RL1 a publication that is rolled back leaves no release and no event', async () => {
    const version = await makeVersion('undone');
    await assert.rejects(
      records.transaction(async (tx) => {
        await house.releases.publish(tx, {
          project: PROJECT,
          name: 'undone',
          version,
          kind: 'model',
          run: null,
          principal: 'p',
          revise: 'always',
        });
        throw new Error('undo');
      }),
    );
    await assert.rejects(house.releases.get(PROJECT, 'undone'), ReleaseNotFoundError);
  });

  test('RL2 publishing the same pins again makes a revision only when asked to', async () => {
    const version = await makeVersion('same');
    await publish('same', version);
    assert.deepEqual(await publish('same', version, { revise: 'when-changed' }), {
      release: 'same',
      revision: 1,
      created: false,
      live: true,
    });
    assert.deepEqual(await publish('same', version), { release: 'same', revision: 2, created: true, live: true });
  });

  test('RL5 a resumed run finds the revision it has made', async () => {
    const version = await makeVersion('resumed');
    const run = ids.next('run');
    assert.equal((await publish('resumed', version, { run })).created, true);
    assert.deepEqual(await publish('resumed', version, { run }), { release: 'resumed', revision: 1, created: false, live: true });
  });

  test('RL3 RL7 a rollback is followed by the very next call', async () => {
    const [first, second] = [await makeVersion('back'), await makeVersion('back')];
    await publish('back', first);
    assert.equal((await answer('back', [{ x: 1 }])).version, first);
    await publish('back', second);
    await house.routing.follow(PROJECT, 'back');
    assert.equal((await answer('back', [{ x: 1 }])).version, second);
    const release = await house.releases.rollback({ project: PROJECT, name: 'back', principal: principal.id, reason: 'test' });
    assert.deepEqual(release.traffic, [{ name: 'live', revision: 1, weight: 1 }]);
    const answered = await answer('back', [{ x: 1 }]);
    assert.deepEqual([answered.revision, answered.version], [1, first]);
  });

  test('RL32 while what a change needs is loaded, the old route answers; whoever changed it hears of it once the new one does', async () => {
    const versions = [await makeVersion('steady'), await makeVersion('steady'), await makeVersion('steady')];
    const gates = new Map<string, PromiseWithResolvers<void>>();
    const loader = fakeLoader('model', fakeModel);
    const slow = {
      ...loader,
      async load(...args: Parameters<typeof loader.load>) {
        await gates.get(args[1].id)?.promise;
        return loader.load(...args);
      },
    };
    const routing = createRouting({
      records,
      catalog: house.catalog,
      loaders: new Map([[slow.kind, slow]]),
      monotonicMs: clock.monotonicMs,
      describe: async () => {},
    });
    const revisionOf = () => routing.peek(PROJECT, 'steady')?.arms[0]?.revision;
    await publish('steady', versions[0] ?? '');
    await routing.resolve(PROJECT, 'steady');
    for (const version of versions.slice(1)) gates.set(version, Promise.withResolvers());
    await publish('steady', versions[1] ?? '');
    let isFollowed = false;
    const followed = routing.follow(PROJECT, 'steady').then(() => (isFollowed = true));
    // A second change overtakes the first one: what that one reads must not come back afterwards.
    await publish('steady', versions[2] ?? '');
    const again = routing.follow(PROJECT, 'steady');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual([revisionOf(), isFollowed], [1, false]);
    gates.get(versions[2] ?? '')?.resolve();
    await again;
    assert.equal(revisionOf(), 3);
    gates.get(versions[1] ?? '')?.resolve();
    await followed;
    assert.equal(revisionOf(), 3);
    // What cannot be loaded leaves the old route answering.
    await publish('steady', await makeVersion('steady'));
    const broken = Promise.withResolvers<void>();
    broken.promise.catch(() => {});
    gates.set((await house.releases.revision(PROJECT, 'steady', 4)).version, broken);
    broken.reject(new Error('cannot be loaded'));
    await routing.follow(PROJECT, 'steady');
    assert.equal(revisionOf(), 3);
    await routing.close();
  });

  test('RL7 a warm release answers with the database out of reach', async () => {
    const version = await makeVersion('warm');
    await publish('warm', version);
    await answer('warm', [{ x: 1 }]);
    const broken = new Proxy(records, {
      get: (target, property) => {
        if (property === 'db' || property === 'pool') throw new Error('the database is out of reach');
        return Reflect.get(target, property) as unknown;
      },
    });
    const routing = createRouting({
      records: broken,
      catalog: house.catalog,
      loaders: new Map(),
      monotonicMs: clock.monotonicMs,
      describe: async () => {},
    });
    await assert.rejects(routing.resolve(PROJECT, 'warm'), /out of reach/, 'negative control: a cold release needs the database');
    const warm = house.routing.peek(PROJECT, 'warm');
    assert.ok(warm, 'the warm route is in memory');
    assert.equal((await answer('warm', [{ x: 4 }])).results.length, 1);
  });

  test('RL6 every result is recorded with its own status before the reply', async () => {
    await publish('mixed', await makeVersion('mixed'));
    const before = house.written.length;
    const { results } = await answer('mixed', [{ x: 2, customer: 'c-9' }, { x: -1 }], { unit: 'u1' });
    assert.deepEqual(
      results.map(({ result }) => result.status),
      ['ok', 'error'],
    );
    const lines = house.written.slice(before);
    assert.deepEqual(
      lines.map(({ id, status, row, unit, replica }) => ({ id, status, row, unit, replica })),
      [
        { id: results[0]?.invocation, status: 'ok', row: 0, unit: 'u1', replica: 7 },
        { id: results[1]?.invocation, status: 'error', row: 1, unit: 'u1', replica: 7 },
      ],
    );
    assert.deepEqual([lines[0]?.subject, lines[1]?.subject], ['c-9', null], "the contract's subject column says whose data a row is");
    assert.equal(lines[1]?.error, 'kernel/invalid');
  });

  test('RL6 input that breaks the contract is refused before anything is invoked or recorded', async () => {
    await publish('strict', await makeVersion('strict'));
    const before = house.written.length;
    await assert.rejects(answer('strict', [{ x: '2' }]), (error: CallInvalidError) => {
      assert.ok(error instanceof CallInvalidError);
      assert.deepEqual(error.details['problems'], [{ row: 0, field: 'x', rule: 'type', expected: 'a number', got: 'text "2"' }]);
      return true;
    });
    await assert.rejects(
      answer(
        'strict',
        Array.from({ length: 1_001 }, () => ({ x: 1 })),
      ),
      TooManyRowsError,
    );
    assert.equal(house.written.length, before);
  });

  test('RL8 a release is not found from another project', async () => {
    await publish('mine', await makeVersion('mine'));
    const other = ids.next('project');
    await assert.rejects(house.releases.get(other, 'mine'), ReleaseNotFoundError);
    await assert.rejects(answer('mine', [{ x: 1 }], { project: other }), ReleaseNotFoundError);
    assert.deepEqual((await house.releases.list(other, { limit: 10 })).items, []);
    assert.ok(
      (await house.releases.list(PROJECT, { limit: 500 })).items.some((release) => release.name === 'mine'),
      'negative control: the owner sees it',
    );
  });
});
