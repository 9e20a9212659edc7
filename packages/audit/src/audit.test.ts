import assert from 'node:assert/strict';
import { createIds, fixedClock, systemClock, type Json } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { PAYLOAD_LIMIT_BYTES, type Audit, type AuditEntry } from './audit.ts';
import { createAudit } from './audit-service.ts';
import { auditSchema } from './capability.ts';
import { GENESIS_HASH, chainHash, eventLeafHash } from './chain.ts';
import { CorruptEventError, InvalidEntryError, PayloadTooLargeError } from './errors.ts';
import { merkleRoot } from './merkle.ts';

const entry = (data: Json = {}, more: Partial<AuditEntry> = {}): AuditEntry => ({
  type: 'catalog.version.registered',
  principal: 'prn_1',
  subject: { kind: 'version', id: 'mv_1' },
  data,
  ...more,
});

describe.each(testEngines)('audit on %s', (engine) => {
  let records: Records;
  let audit: Audit;
  beforeAll(async () => {
    records = await createTestRecords([auditSchema], engine);
    audit = createAudit({ records, clock: systemClock, ids: createIds(systemClock) });
  });
  afterAll(() => records.close());

  const append = (project: string, what: AuditEntry = entry()) => records.transaction((tx) => audit.append(tx, project, what));

  test('AU1 events are numbered 1, 2, 3 per project and come back as they were appended', async () => {
    const clock = fixedClock(1_800_000_000_123);
    const timed = createAudit({ records, clock, ids: createIds(clock) });
    const awkward = { text: 'NUL \u0000, lone \ud800, "quotes"', list: [1, -0.5, 1e21, null, true], ['__proto__x']: {} };
    const first = await records.transaction((tx) => timed.append(tx, 'plain', entry(awkward)));
    const second = await records.transaction((tx) => timed.append(tx, 'plain', entry('second', { type: 'releases.revision.created' })));

    assert.deepEqual([first.seq, second.seq], [1, 2]);
    const events = await audit.list('plain', { limit: 10 });
    assert.deepEqual(
      events.map(({ seq, id, type, principal, subject, atMs, data, erased }) => ({
        seq,
        id,
        type,
        principal,
        subject,
        atMs,
        data,
        erased,
      })),
      [
        { ...entry(awkward), seq: 1, id: first.id, atMs: 1_800_000_000_123, erased: false },
        { ...entry('second'), type: 'releases.revision.created', seq: 2, id: second.id, atMs: 1_800_000_000_123, erased: false },
      ],
    );
    assert.deepEqual(
      (await audit.list('plain', { limit: 10, type: 'releases.revision.created' })).map((event) => event.seq),
      [2],
    );
    assert.deepEqual(
      (await audit.list('plain', { limit: 10, afterSeq: 1 })).map((event) => event.seq),
      [2],
    );
    assert.deepEqual(
      (await audit.list('plain', { limit: 1 })).map((event) => event.seq),
      [1],
    );
    assert.deepEqual(
      (await audit.history('plain', { kind: 'nothing', id: 'here' }, { limit: 10 })).map((event) => event.seq),
      [],
    );
    const newest = (await audit.list('plain', { limit: 10 })).at(-1);
    assert.equal((await audit.history('plain', newest?.subject ?? { kind: '', id: '' }, { limit: 1 }))[0]?.seq, newest?.seq);
    assert.deepEqual(await audit.list('nothing-here', { limit: 10 }), []);
  });

  test('AU2 the chain and the Merkle root can be recomputed from what list returns', async () => {
    for (let index = 0; index < 7; index += 1) await append('offline', entry({ index }));
    const events = await audit.list('offline', { limit: 100 });
    let hash = GENESIS_HASH;
    for (const event of events) {
      hash = chainHash(hash, eventLeafHash(event));
      assert.equal(hash, event.hash);
    }
    const checkpoint = await audit.checkpoint('offline');
    assert.deepEqual(checkpoint, { project: 'offline', seq: 7, hash, root: merkleRoot(events.map(eventLeafHash)) });
    assert.equal((await audit.checkpoint('nothing-here')).root, merkleRoot([]));
  });

  test('AU1 a rollback leaves no gap and no event', async () => {
    await append('rollback');
    await assert.rejects(
      records.transaction(async (tx) => {
        assert.equal((await audit.append(tx, 'rollback', entry('lost'))).seq, 2);
        throw new Error('undo');
      }),
      /undo/,
    );
    assert.equal((await append('rollback', entry('kept'))).seq, 2);
    assert.deepEqual(
      (await audit.list('rollback', { limit: 10 })).map((event) => event.data),
      [{}, 'kept'],
    );
    assert.equal((await audit.verify('rollback')).ok, true);
  });

  test('AU1 fifty transactions at once in three projects, some rolled back, leave gapless intact chains', async () => {
    const projects = ['many-a', 'many-b', 'many-c'];
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) =>
        records.transaction(async (tx) => {
          const project = projects[index % 3] as string;
          for (let each = 0; each <= index % 4; each += 1) await audit.append(tx, project, entry({ index, each }));
          if (index % 7 === 3) throw new Error('undo');
        }),
      ),
    );
    let expected = 0;
    for (const [index, outcome] of outcomes.entries()) {
      assert.equal(outcome.status, index % 7 === 3 ? 'rejected' : 'fulfilled');
      if (outcome.status === 'fulfilled') expected += (index % 4) + 1;
    }
    let found = 0;
    for (const project of projects) {
      const verification = await audit.verify(project);
      assert.deepEqual(verification.problems, []);
      const events = await audit.list(project, { limit: 1_000 });
      assert.deepEqual(
        events.map((event) => event.seq),
        events.map((_, index) => index + 1),
      );
      found += events.length;
    }
    assert.equal(found, expected);
  });

  test('AU1 a reader that follows the cursor misses no event while writers append', async () => {
    const seen: number[] = [];
    const writers = { done: false };
    const read = async () => {
      while (!writers.done || seen.length < 60) {
        const events = await audit.changes('followed', { afterSeq: seen.at(-1) ?? 0, limit: 7, waitMs: 200 });
        seen.push(...events.map((event) => event.seq));
      }
    };
    const reading = read();
    await Promise.all(Array.from({ length: 60 }, (_, index) => append('followed', entry({ index }))));
    writers.done = true;
    await reading;
    assert.deepEqual(
      seen,
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
  });

  test('AU6 erasing a subject removes data, salt and whose it was, says so, and the chain verifies', async () => {
    await append('erasure', entry({ email: 'a@example.org' }, { erasableSubject: 'person-1' }));
    await append('erasure', entry({ email: 'b@example.org' }, { erasableSubject: 'person-2' }));
    await append('erasure', entry({ email: 'a2@example.org' }, { erasableSubject: 'person-1' }));
    await append('other', entry({ email: 'a@example.org' }, { erasableSubject: 'person-1' }));

    const erased = await records.transaction((tx) => audit.erasePayloads(tx, 'erasure', 'person-1', 'prn_9'));

    assert.equal(erased, 2);
    const events = await audit.list('erasure', { limit: 10 });
    assert.deepEqual(
      events.map((event) => [event.type, event.erased, event.data]),
      [
        ['catalog.version.registered', true, null],
        ['catalog.version.registered', false, { email: 'b@example.org' }],
        ['catalog.version.registered', true, null],
        [
          'audit.payload.erased',
          false,
          {
            events: [
              [1, 1],
              [3, 3],
            ],
            count: 2,
          },
        ],
      ],
    );
    assert.equal(events[3]?.principal, 'prn_9');
    const { rows } = await sql`select * from audit_payload where project = 'erasure'`.execute(records.db);
    assert.ok(!JSON.stringify(rows).includes('person-1') && !JSON.stringify(rows).includes('a@example.org'));
    assert.deepEqual((await audit.verify('erasure')).problems, []);
    assert.deepEqual((await audit.list('other', { limit: 1 }))[0]?.data, { email: 'a@example.org' });
    assert.equal(await records.transaction((tx) => audit.erasePayloads(tx, 'erasure', 'person-1')), 0);
  });

  test('AU6 an erasure that is rolled back erases nothing', async () => {
    await append('undone', entry('kept', { erasableSubject: 'person-1' }));
    await records
      .transaction(async (tx) => {
        await audit.erasePayloads(tx, 'undone', 'person-1');
        throw new Error('undo');
      })
      .catch(() => {});
    assert.deepEqual(
      (await audit.list('undone', { limit: 5 })).map((event) => event.data),
      ['kept'],
    );
    assert.equal((await audit.verify('undone')).ok, true);
  });

  test('AU7 an entry that could not be hashed or stored faithfully is refused; the largest payload is accepted', async () => {
    const bad: Partial<AuditEntry>[] = [
      { type: 'nodots' },
      { type: 'Upper.case' },
      { type: `a.${'x'.repeat(99)}` },
      { principal: '' },
      { principal: 'a\0b' },
      { principal: 'a\ud800' },
      { subject: { kind: 'k', id: 'x'.repeat(501) } },
      { subject: { kind: '', id: 'x' } },
      { erasableSubject: 'line\nbreak' },
    ];
    for (const more of bad) await assert.rejects(append('strict', entry({}, more)), InvalidEntryError, JSON.stringify(more));
    for (const project of ['', '..', 'A', 'a/b']) await assert.rejects(append(project), InvalidEntryError);
    await assert.rejects(append('strict', entry('x'.repeat(PAYLOAD_LIMIT_BYTES - 1))), PayloadTooLargeError);
    await append('strict', entry('x'.repeat(PAYLOAD_LIMIT_BYTES - 2)));
    await assert.rejects(append('strict', entry(Number.NaN)), TypeError);
    for (const limit of [0, 1_001, 1.5]) await assert.rejects(async () => audit.list('strict', { limit }), /limit/);
    for (const afterSeq of [-1, 0.5]) await assert.rejects(async () => audit.list('strict', { limit: 1, afterSeq }), /cursor/);
    assert.equal((await audit.verify('strict')).events, 1);
  });

  test('AU3 a payload that is not even JSON any more is a clear error of list and a problem of verify', async () => {
    await append('damaged');
    await sql`update audit_payload set data = '{' where project = 'damaged'`.execute(records.db);
    await assert.rejects(audit.list('damaged', { limit: 5 }), CorruptEventError);
    assert.deepEqual((await audit.verify('damaged')).problems, [
      { project: 'damaged', seq: 1, problem: 'the payload does not match its hash' },
    ]);
  });

  test('AU1 the lock may be taken early and again in the same transaction', async () => {
    const { seq } = await records.transaction(async (tx) => {
      await audit.lock(tx, 'locked');
      await audit.lock(tx, 'locked');
      return audit.append(tx, 'locked', entry());
    });
    assert.equal(seq, 1);
  });
});
