import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { createIds, fixedClock, systemRandomBytes, type Json, type Principal, type Role } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords, emptyTables, testEngines } from '@slipway/records/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, test } from 'vitest';
import { CACHE_REFRESH_MS, CACHE_TTL_MS, FAILED_LOOKUPS_BURST, FAILED_LOOKUPS_PER_SECOND, OUTAGE_GRACE_MS } from './authenticator.ts';
import {
  IdentityLimitError,
  KeyNotFoundError,
  KeyRejectedError,
  KeyStateError,
  ProjectExistsError,
  ProjectNotFoundError,
  ScopeError,
  TooManyAttemptsError,
  WeakKeyError,
} from './errors.ts';
import { ADMIN_KEY_LIFETIME_MS, KEY_LIFETIME_DEFAULT_MS, KEY_LIFETIME_MAX_MS, createIdentity, type Identity } from './identity-service.ts';
import { createKeyText } from './key-format.ts';
import { identityMigrations } from './migrations.ts';

const OWN_KEY = 'a-key-that-somebody-brought-along-0123';
const HOUR_MS = 3_600_000;

interface Event {
  type: string;
  project: string;
  principal: string;
  data: Json;
}

describe.each(testEngines)('identity on %s', (engine) => {
  let records: Records;
  let identity: Identity;
  let events: Event[];
  let auditFails: boolean;
  const clock = fixedClock(Date.UTC(2026, 10, 21));

  function build(store: Records = records): Identity {
    const audit = {
      async append(_tx: unknown, project: string, entry: Omit<Event, 'project'>) {
        if (auditFails) throw new Error('the log is full');
        events.push({ project, ...entry });
        return { seq: events.length, id: `evt_${events.length}` };
      },
    };
    return createIdentity({ records: store, audit, clock, ids: createIds(clock), random: systemRandomBytes });
  }

  beforeAll(async () => {
    records = await createTestRecords([{ name: 'identity', migrations: identityMigrations }], engine);
  });
  afterAll(() => records.close());
  beforeEach(async () => {
    await emptyTables(records);
    events = [];
    auditFails = false;
    identity = build();
  });

  async function start(adminKey = OWN_KEY): Promise<{ admin: Principal; project: string }> {
    return identity.bootstrap({ adminKey });
  }
  const make = (project: string, role: Role, by: Principal) => identity.createKey({ project, role, label: `the ${role}` }, by);

  test('ID5 the first start makes the project, an instance admin and a key that is shown once', async () => {
    const first = await identity.bootstrap({});
    assert.ok(first.createdKey && first.firstStart);
    const key = first.createdKey.reveal();
    assert.match(key, /^slw_/);
    assert.doesNotMatch(inspect(first) + JSON.stringify(first), new RegExp(key));

    const principal = await identity.authenticate(key);
    assert.deepEqual({ ...principal }, { id: first.admin.id, project: first.project, role: 'admin', instance: true, label: 'first admin' });
    assert.equal((await identity.resolveProject('default')).id, first.project);
    assert.deepEqual(
      events.map((event) => event.type),
      ['identity.project.created', 'identity.key.created'],
    );

    const second = await build().bootstrap({});
    assert.deepEqual([second.createdKey, second.firstStart, second.project], [null, false, first.project]);
    assert.equal(events.length, 2);
  });

  test('ID5 two processes that start for the first time together make one admin', async () => {
    const results = await Promise.all([build().bootstrap({}), build().bootstrap({}), build().bootstrap({})]);
    assert.equal(results.filter((result) => result.createdKey !== null).length, 1);
    assert.equal(new Set(results.map((result) => result.project)).size, 1);
  });

  test('ID6 a given SLIPWAY_KEY becomes the admin key at the first start and another one later changes nothing', async () => {
    const first = await identity.bootstrap({ adminKey: OWN_KEY });
    assert.deepEqual([first.createdKey, first.givenKeyWorks], [null, true]);
    assert.equal((await identity.authenticate(OWN_KEY)).instance, true);
    const before = await dump(records);

    const other = `${OWN_KEY}-another`;
    const later = await build().bootstrap({ adminKey: other });
    assert.equal(later.givenKeyWorks, false);
    assert.deepEqual(await dump(records), before);
    await assert.rejects(identity.authenticate(other), KeyRejectedError);
    assert.equal((await build().bootstrap({ adminKey: OWN_KEY })).givenKeyWorks, true);
  });

  test('ID6 a SLIPWAY_KEY that is too short is refused before anything is stored', async () => {
    await assert.rejects(identity.bootstrap({ adminKey: 'short' }), WeakKeyError);
    const { rows } = await sql`select 1 from identity_project`.execute(records.db);
    assert.equal(rows.length, 0);
  });

  test('ID7 no secret is stored anywhere, only its SHA-256', async () => {
    const { admin, project } = await start();
    const created = await make(project, 'engineer', admin);
    const stored = JSON.stringify(await dump(records)) + JSON.stringify(events);
    assert.doesNotMatch(stored, new RegExp(OWN_KEY));
    assert.equal(stored.includes(created.key.reveal()), false);
    // Negative control: the same search finds what is stored.
    assert.ok(stored.includes(created.info.hint));
  });

  test('ID8 every key expires: 90 days unless said otherwise, at most a year, the first admin key ten years', async () => {
    const { admin, project } = await start();
    const nowMs = clock.nowMs();
    const { info, key } = await make(project, 'viewer', admin);
    assert.equal(info.expiresAtMs, nowMs + KEY_LIFETIME_DEFAULT_MS);
    const [firstKey] = (await identity.listKeys(project, { limit: 10 })).items.filter((item) => item.instance);
    assert.equal(firstKey?.expiresAtMs, nowMs + ADMIN_KEY_LIFETIME_MS);
    for (const expiresAtMs of [nowMs, nowMs - 1, nowMs + KEY_LIFETIME_MAX_MS + 1, Number.NaN]) {
      const attempt = identity.createKey({ project, role: 'viewer', label: 'x', expiresAtMs }, admin);
      await assert.rejects(attempt, /expiresAt/);
    }
    await identity.authenticate(key.reveal());
    clock.advance(KEY_LIFETIME_DEFAULT_MS);
    assert.equal(identity.authenticateCached(key.reveal()), undefined);
    await assert.rejects(identity.authenticate(key.reveal()), /expired/);
  });

  test('ID9 a confirmed key answers from memory for at most a second', async () => {
    const { admin, project } = await start();
    const { key } = await make(project, 'service', admin);
    const text = key.reveal();
    assert.equal(identity.authenticateCached(text), undefined);
    await identity.authenticate(text);
    assert.equal(identity.authenticateCached(text)?.role, 'service');
    clock.advance(CACHE_TTL_MS);
    assert.equal(identity.authenticateCached(text), undefined);
    assert.equal((await identity.authenticate(text)).role, 'service');
  });

  test('ID9 a busy key is confirmed again in the background before its second is over', async () => {
    await start();
    await identity.authenticate(OWN_KEY);
    clock.advance(CACHE_REFRESH_MS);
    assert.ok(identity.authenticateCached(OWN_KEY));
    await new Promise((resolve) => setTimeout(resolve, 100));
    clock.advance(CACHE_TTL_MS - CACHE_REFRESH_MS);
    assert.ok(identity.authenticateCached(OWN_KEY));
  });

  test('ID10 a revocation holds at once here and within a second in another process', async () => {
    const { admin, project } = await start();
    const { key, info } = await make(project, 'engineer', admin);
    const elsewhere = build();
    await identity.authenticate(key.reveal());
    await elsewhere.authenticate(key.reveal());

    const revoked = await identity.revokeKey({ project, key: info.id }, admin);
    assert.equal(revoked.revokedAtMs, clock.nowMs());
    assert.equal(identity.authenticateCached(key.reveal()), undefined);
    await assert.rejects(identity.authenticate(key.reveal()), /revoked/);
    clock.advance(CACHE_TTL_MS);
    await assert.rejects(elsewhere.authenticate(key.reveal()), /revoked/);
  });

  test('ID11 a rotated key works until its grace is over, and its use after that is audited once an hour', async () => {
    const { admin, project } = await start();
    const old = await make(project, 'service', admin);
    const fresh = await identity.rotateKey({ project, key: old.info.id, graceMs: HOUR_MS }, admin);
    assert.equal(fresh.info.principal, old.info.principal);
    assert.equal((await identity.authenticate(old.key.reveal())).id, (await identity.authenticate(fresh.key.reveal())).id);
    assert.equal(
      events.some((event) => event.type === 'identity.key.reused'),
      false,
    );

    clock.advance(HOUR_MS);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await assert.rejects(identity.authenticate(old.key.reveal()), /replaced by a newer one/);
      clock.advance(10_000);
    }
    assert.equal(events.filter((event) => event.type === 'identity.key.reused').length, 1);
    clock.advance(HOUR_MS);
    await assert.rejects(identity.authenticate(old.key.reveal()), KeyRejectedError);
    assert.equal(events.filter((event) => event.type === 'identity.key.reused').length, 2);
    assert.equal((await identity.authenticate(fresh.key.reveal())).role, 'service');
    await assert.rejects(identity.rotateKey({ project, key: old.info.id }, admin), KeyStateError);
  });

  test('ID12 nobody makes, rotates or revokes a key wider than their own', async () => {
    const { admin, project } = await start();
    const { key: adminKey } = await make(project, 'admin', admin);
    const projectAdmin = await identity.authenticate(adminKey.reveal());
    const engineer = await identity.authenticate((await make(project, 'engineer', admin)).key.reveal());
    const [instanceKey] = (await identity.listKeys(project, { limit: 10 })).items.filter((item) => item.instance);
    assert.ok(instanceKey);

    await assert.rejects(make(project, 'admin', engineer), ScopeError);
    await assert.rejects(identity.rotateKey({ project, key: instanceKey.id }, projectAdmin), ScopeError);
    await assert.rejects(identity.revokeKey({ project, key: instanceKey.id }, projectAdmin), ScopeError);
    await assert.rejects(identity.createProject({ name: 'more' }, projectAdmin), ScopeError);
    const made = await make(project, 'admin', projectAdmin);
    assert.equal(made.info.instance, false);
  });

  test('ID13 keys of another project do not exist for a project admin', async () => {
    const { admin, project } = await start();
    const other = await identity.createProject({ name: 'other' }, admin);
    const here = await make(project, 'viewer', admin);
    const otherAdmin = await identity.authenticate((await make(other.id, 'admin', admin)).key.reveal());
    assert.equal(otherAdmin.project, other.id);

    assert.equal((await identity.listKeys(other.id, { limit: 10 })).items.length, 1);
    await assert.rejects(identity.revokeKey({ project: other.id, key: here.info.id }, otherAdmin), KeyNotFoundError);
    await assert.rejects(identity.revokeKey({ project, key: here.info.id }, otherAdmin), ProjectNotFoundError);
    await assert.rejects(make(project, 'viewer', otherAdmin), ProjectNotFoundError);
  });

  test('ID14 the last key of an instance admin cannot be revoked, only rotated', async () => {
    const { admin, project } = await start();
    const [key] = (await identity.listKeys(project, { limit: 1 })).items;
    assert.ok(key);
    await assert.rejects(identity.revokeKey({ project, key: key.id }, admin), KeyStateError);
    const fresh = await identity.rotateKey({ project, key: key.id }, admin);
    assert.equal(fresh.info.instance, true);
    await identity.revokeKey({ project, key: key.id }, admin);
    await assert.rejects(identity.revokeKey({ project, key: fresh.info.id }, admin), KeyStateError);
  });

  test('ID15 a change that cannot be audited does not happen', async () => {
    const { admin, project } = await start();
    const { info, key } = await make(project, 'viewer', admin);
    const before = await dump(records);
    auditFails = true;
    await assert.rejects(make(project, 'viewer', admin), /log is full/);
    await assert.rejects(identity.revokeKey({ project, key: info.id }, admin), /log is full/);
    await assert.rejects(identity.rotateKey({ project, key: info.id }, admin), /log is full/);
    await assert.rejects(identity.createProject({ name: 'p' }, admin), /log is full/);
    assert.deepEqual(await dump(records), before);
    auditFails = false;
    assert.equal((await identity.authenticate(key.reveal())).role, 'viewer');
  });

  test('ID16 unknown keys are remembered, limited in rate, and do not stop known ones', async () => {
    await start();
    await identity.authenticate(OWN_KEY);
    let queries = 0;
    const counted = build(countingQueries(records, () => (queries += 1)));
    const unknown = createKeyText(systemRandomBytes);
    for (let attempt = 0; attempt < 5; attempt += 1) await assert.rejects(counted.authenticate(unknown), KeyRejectedError);
    assert.equal(queries, 1);
    await assert.rejects(counted.authenticate('not even a key'), KeyRejectedError);
    await assert.rejects(counted.authenticate(`${unknown.slice(0, -1)}x`), KeyRejectedError);
    assert.equal(queries, 1);

    await counted.authenticate(OWN_KEY);
    for (let attempt = 1; attempt < FAILED_LOOKUPS_BURST; attempt += 1)
      await assert.rejects(counted.authenticate(createKeyText(systemRandomBytes)), KeyRejectedError);
    await assert.rejects(counted.authenticate(createKeyText(systemRandomBytes)), TooManyAttemptsError);
    assert.equal((await counted.authenticate(OWN_KEY)).role, 'admin');
    clock.advance(1_000);
    for (let attempt = 0; attempt < FAILED_LOOKUPS_PER_SECOND; attempt += 1)
      await assert.rejects(counted.authenticate(createKeyText(systemRandomBytes)), KeyRejectedError);
    await assert.rejects(counted.authenticate(createKeyText(systemRandomBytes)), TooManyAttemptsError);
  });

  test('ID17 while the store is away, confirmed keys go on for a bounded time and others are unavailable', async () => {
    const { admin, project } = await start();
    const { key } = await make(project, 'service', admin);
    let away = false;
    const flaky = build(failingQueries(records, () => away));
    await flaky.authenticate(key.reveal());
    away = true;
    clock.advance(CACHE_TTL_MS);
    assert.equal((await flaky.authenticate(key.reveal())).role, 'service');
    assert.ok(flaky.authenticateCached(key.reveal()));
    await assert.rejects(flaky.authenticate(OWN_KEY), { kind: 'unavailable' });
    clock.advance(OUTAGE_GRACE_MS);
    await assert.rejects(flaky.authenticate(key.reveal()), { kind: 'unavailable' });
    away = false;
    assert.equal((await flaky.authenticate(key.reveal())).role, 'service');
  });

  test('ID18 the time of last use is written in one go and never moves backwards', async () => {
    const { admin, project } = await start();
    const { key, info } = await make(project, 'viewer', admin);
    const read = async () => (await identity.listKeys(project, { limit: 10 })).items.find((item) => item.id === info.id)?.lastUsedAtMs;
    assert.equal(await read(), null);
    await identity.authenticate(key.reveal());
    const usedAtMs = clock.nowMs();
    assert.equal(await read(), null);
    await identity.flushLastUsed();
    assert.equal(await read(), usedAtMs);
    await identity.flushLastUsed();
    assert.equal(await read(), usedAtMs);
  });

  test('ID19 project names are unique, valid, and cannot pose as the id of another project', async () => {
    const { admin, project } = await start();
    await identity.createProject({ name: 'retention' }, admin);
    await assert.rejects(identity.createProject({ name: 'retention' }, admin), ProjectExistsError);
    await assert.rejects(identity.createProject({ name: 'Not A Name' }, admin), /no valid project name/);
    await assert.rejects(identity.createProject({ name: project }, admin), /no valid project name/);
    assert.equal((await identity.resolveProject(project)).name, 'default');
    await assert.rejects(identity.resolveProject('nowhere'), ProjectNotFoundError);
    const page = await identity.listProjects({ limit: 1 });
    assert.deepEqual([page.items[0]?.name, page.nextCursor], ['default', 'default']);
    const rest = await identity.listProjects({ limit: 1, cursor: page.nextCursor ?? undefined });
    assert.deepEqual([rest.items[0]?.name, rest.nextCursor], ['retention', null]);
  });

  test('ID20 keys are listed newest first in pages, and there is a limit to working keys', async () => {
    const { admin, project } = await start();
    for (let index = 0; index < 4; index += 1) {
      clock.advance(1);
      await make(project, 'viewer', admin);
    }
    const first = await identity.listKeys(project, { limit: 3 });
    const second = await identity.listKeys(project, { limit: 3, cursor: first.nextCursor ?? undefined });
    assert.deepEqual([first.items.length, second.items.length, second.nextCursor], [3, 2, null]);
    const times = [...first.items, ...second.items].map((item) => item.createdAtMs);
    assert.deepEqual(
      times,
      times.toSorted((left, right) => right - left),
    );
    await assert.rejects(identity.listKeys(project, { limit: 3, cursor: "' or 1=1" }), /cursor/);

    await sql`insert into identity_key (id, project, principal, sha256, hint, created_by, created_at, expires_at)
      select 'key_' || n, ${project}, ${admin.id}, 'x' || n, '', '', now(), ${new Date(clock.nowMs() + HOUR_MS)} from generate_series(1, 995) n`.execute(
      records.db,
    );
    await assert.rejects(make(project, 'viewer', admin), IdentityLimitError);
  });
});

async function dump(records: Records): Promise<unknown> {
  const tables = ['identity_project', 'identity_principal', 'identity_key'];
  return Promise.all(tables.map(async (table) => (await sql`select * from ${sql.table(table)} order by id`.execute(records.db)).rows));
}

function withDb(records: Records, before: () => void): Records {
  const db = new Proxy(records.db, {
    get(target, property) {
      if (property === 'getExecutor') before();
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { ...records, db };
}

function countingQueries(records: Records, count: () => void): Records {
  return withDb(records, count);
}

function failingQueries(records: Records, isAway: () => boolean): Records {
  return withDb(records, () => {
    if (isAway()) throw new Error('connection refused');
  });
}
