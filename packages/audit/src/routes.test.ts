import assert from 'node:assert/strict';
import { createIds, systemClock, type Capability, type Principal } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { Audit } from './audit.ts';
import { createAudit } from './audit-service.ts';
import { auditCapability, auditSchema } from './capability.ts';
import { CHANGES_WAITERS_LIMIT } from './change-feed.ts';
import { AuditEventsReply, AuditVerificationReply, ChangesReply } from './contract.ts';
import { TooManyWaitersError } from './errors.ts';

const principal: Principal = { id: 'prn_1', project: 'alpha', role: 'admin', instance: false, label: 'test' };

describe.each(testEngines)('audit routes on %s', (engine) => {
  let records: Records;
  let audit: Audit;
  let capability: Capability;
  beforeAll(async () => {
    records = await createTestRecords([auditSchema], engine);
    audit = createAudit({ records, clock: systemClock, ids: createIds(systemClock) });
    capability = auditCapability(audit);
  });
  afterAll(() => records.close());

  const append = (project: string, data: string) =>
    records.transaction((tx) =>
      audit.append(tx, project, { type: 'a.b.c', principal: 'prn_1', subject: { kind: 'thing', id: '1' }, data, erasableSubject: 'p' }),
    );

  /** Calls a route as the server does: inputs and reply go through the route's schemas. */
  async function call(path: string, given: { query?: unknown; project?: string; signal?: AbortSignal } = {}): Promise<unknown> {
    const route = capability.routes?.find((each) => each.path === path);
    assert.ok(route, path);
    const reply = await route.handle({
      principal,
      project: given.project ?? 'alpha',
      params: undefined,
      query: route.query?.parse(given.query ?? {}),
      body: undefined,
      requestId: 'req_1',
      header: () => undefined,
      signal: given.signal ?? new AbortController().signal,
    } as never);
    return route.response.parse(reply);
  }

  test('AU8 events are listed with payloads, changes without, both only of the own project', async () => {
    for (const data of ['one', 'two', 'three']) await append('alpha', data);
    await append('beta', 'secret');

    const events = AuditEventsReply.parse(await call('/v1/audit/events', { query: { after: '1', limit: '1' } }));
    assert.deepEqual([events.items.map((item) => item.data), events.nextAfter], [['two'], 2]);
    assert.match(events.items[0]?.at ?? '', /Z$/);
    const end = AuditEventsReply.parse(await call('/v1/audit/events', { query: { after: '3' } }));
    assert.deepEqual(end, { items: [], nextAfter: 3 });
    const typed = AuditEventsReply.parse(await call('/v1/audit/events', { query: { type: 'x.y.z' } }));
    assert.deepEqual(typed.items, []);
    const changes = ChangesReply.parse(await call('/v1/changes', { query: { after: '0' } }));
    assert.deepEqual([changes.items.map((item) => item.seq), changes.nextAfter], [[1, 2, 3], 3]);
    assert.ok(!JSON.stringify(changes).includes('two') && !JSON.stringify(changes).includes('secret'));
  });

  test('AU3 verify over HTTP tells only of the own project', async () => {
    await append('gamma', 'x');
    await sql`update audit_event set principal = 'prn_2' where project = 'gamma'`.execute(records.db);
    const broken = AuditVerificationReply.parse(await call('/v1/audit/verify', { project: 'gamma' }));
    assert.deepEqual([broken.ok, broken.problems.map((problem) => problem.seq)], [false, [1]]);
    const whole = AuditVerificationReply.parse(await call('/v1/audit/verify'));
    assert.deepEqual([whole.ok, whole.heads.map((head) => head.project)], [true, ['alpha']]);
  });

  test('AU8 a caller that waits is answered soon after the change, and others are not woken by it', async () => {
    const mine = call('/v1/changes', { project: 'waiting', query: { waitMs: '10000' } });
    const other = call('/v1/changes', { project: 'waiting-other', query: { waitMs: '600' } });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const startedMs = performance.now();
    await append('waiting', 'news');
    const reply = ChangesReply.parse(await mine);
    const waitedMs = performance.now() - startedMs;
    assert.deepEqual(
      reply.items.map((item) => item.seq),
      [1],
    );
    assert.ok(waitedMs < 5_000, `answered ${waitedMs} ms after the change began`);
    assert.deepEqual(ChangesReply.parse(await other), { items: [], nextAfter: 0 });
  });

  test('AU8 a caller that gives up is let go at once', async () => {
    const controller = new AbortController();
    const startedMs = performance.now();
    setTimeout(() => controller.abort(), 100);
    assert.deepEqual(await call('/v1/changes', { project: 'quiet', query: { waitMs: '20000' }, signal: controller.signal }), {
      items: [],
      nextAfter: 0,
    });
    assert.ok(performance.now() - startedMs < 2_000);
  });

  test('AU8 one waiting caller more than the limit is told so', async () => {
    const controller = new AbortController();
    const waiting = Array.from({ length: CHANGES_WAITERS_LIMIT }, () =>
      audit.changes('crowd', { limit: 1, waitMs: 20_000, signal: controller.signal }),
    );
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await assert.rejects(audit.changes('crowd', { limit: 1, waitMs: 20_000 }), TooManyWaitersError);
    assert.deepEqual(await audit.changes('crowd', { limit: 1, waitMs: 0 }), []);
    controller.abort();
    await Promise.all(waiting);
    assert.deepEqual(await audit.changes('crowd', { limit: 1, waitMs: 1 }), []);
  });
});
