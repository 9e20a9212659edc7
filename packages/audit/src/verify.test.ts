import assert from 'node:assert/strict';
import { createIds, systemClock, type Json } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import * as fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, test } from 'vitest';
import { PROBLEM_LIMIT, type Audit, type AuditEntry } from './audit.ts';
import { createAudit } from './audit-service.ts';
import { auditSchema } from './capability.ts';
import { GENESIS_HASH, chainHash, eventLeafHash, hashPayload } from './chain.ts';
import { ERASURE_EVENT_LIMIT } from './erasure.ts';
import { VERIFY_PAGE_ROWS } from './verify.ts';

const TEXT_COLUMNS = {
  audit_event: ['project', 'id', 'type', 'principal', 'subject_kind', 'subject_id', 'payload_hash', 'hash'],
  audit_payload: ['project', 'salt', 'data', 'erasable_subject'],
  audit_head: ['project', 'hash'],
} as const;
const NUMBER_COLUMNS = { audit_event: ['seq', 'at_ms'], audit_payload: ['seq', 'erased_by'], audit_head: ['seq'] } as const;
const COLUMNS = [
  ...Object.entries(TEXT_COLUMNS).flatMap(([table, columns]) => columns.map((column) => ({ table, column, kind: 'text' as const }))),
  ...Object.entries(NUMBER_COLUMNS).flatMap(([table, columns]) => columns.map((column) => ({ table, column, kind: 'number' as const }))),
];
const PROJECT = 'alpha';
const EVENTS = 12;

function entryOf(index: number): AuditEntry {
  const data: Json = { index, text: 'déjà vu', list: [index, null, { deep: true }] };
  return {
    type: `capability.thing.verb${index % 3}`,
    principal: `prn_${index}`,
    subject: { kind: 'thing', id: `id-${index}` },
    data,
    erasableSubject: `person-${index % 4}`,
  };
}

describe.each(testEngines)('audit verify on %s', (engine) => {
  let records: Records;
  let audit: Audit;
  beforeAll(async () => {
    records = await createTestRecords([auditSchema], engine);
    audit = createAudit({ records, clock: systemClock, ids: createIds(systemClock) });
  });
  afterAll(() => records.close());

  const run = (text: string) => sql.raw(text).execute(records.db);

  beforeEach(async () => {
    await run('truncate audit_head, audit_event, audit_payload');
    for (let index = 1; index <= EVENTS; index += 1) await append(entryOf(index));
    await records.transaction((tx) => audit.erasePayloads(tx, PROJECT, 'person-2'));
    await append(entryOf(20));
  });

  async function append(entry: AuditEntry): Promise<void> {
    await records.transaction((tx) => audit.append(tx, PROJECT, entry));
  }

  /** Changes one value; undone by restoring the old one, so that one set of events serves many flips. */
  async function isFound(flip: { table: string; column: string; kind: 'text' | 'number' }, row: number, at: number, bit: number) {
    const { table, column, kind } = flip;
    const { rows } = await sql<{ ctid: string; value: string | null }>`
      select ctid::text, ${sql.ref(column)}::text as value from ${sql.table(table)} order by seq, project`.execute(records.db);
    const target = rows[row % rows.length];
    assert.ok(target);
    const changed = kind === 'number' ? flipNumber(target.value, bit) : flipText(target.value, at, bit);
    const type = sql.raw(kind === 'number' ? 'bigint' : 'text');
    const set = (value: string | null, ctid: string) =>
      sql<{ ctid: string }>`update ${sql.table(table)} set ${sql.ref(column)} = ${value}::text::${type}
        where ctid = ${ctid}::tid returning ctid::text`.execute(records.db);
    const moved = await set(changed, target.ctid).catch((error: { code?: string }) => {
      // Two events of one number cannot even be stored.
      if (error.code === '23505') return undefined;
      throw error;
    });
    if (!moved) return true;
    const { ok } = await audit.verify();
    await set(target.value, moved.rows[0]?.ctid ?? '');
    return !ok;
  }

  test('AU3 untouched events verify (negative control of the flips below)', async () => {
    const verification = await audit.verify();
    assert.deepEqual(verification.problems, []);
    assert.equal(verification.ok, true);
    assert.equal(verification.events, EVENTS + 2);
    assert.deepEqual(
      verification.heads.map((head) => [head.project, head.seq]),
      [[PROJECT, EVENTS + 2]],
    );
  });

  test('AU3 a flipped bit in any column of any row of any table is found', async () => {
    const seen = new Set<string>();
    for (const flip of COLUMNS) {
      await fc.assert(
        fc.asyncProperty(fc.nat(1_000), fc.nat(1_000), fc.nat(6), async (row, at, bit) => {
          seen.add(`${flip.table}.${flip.column}`);
          assert.equal(await isFound(flip, row, at, bit), true, `${flip.table}.${flip.column} row ${row} at ${at} bit ${bit}`);
        }),
        { numRuns: engine === 'embedded' ? 12 : 6 },
      );
    }
    assert.equal(seen.size, COLUMNS.length);
    const { rows } = await sql<{ name: string }>`select table_name || '.' || column_name as name from information_schema.columns
      where table_name like 'audit\\_%'`.execute(records.db);
    assert.deepEqual(rows.map((row) => row.name).toSorted(), [...seen].toSorted(), 'every column there is was flipped');
    assert.equal((await audit.verify()).ok, true, 'the flips were undone');
  });

  test('AU3 a dropped event in the middle is found where it was', async () => {
    await run(`delete from audit_event where seq = 5`);
    const { problems } = await audit.verify(PROJECT);
    assert.deepEqual(
      problems.filter((problem) => problem.problem === 'this event is missing').map((problem) => problem.seq),
      [5],
    );
    await run(`delete from audit_payload where seq = 5`);
    assert.deepEqual((await audit.verify(PROJECT)).problems, [{ project: PROJECT, seq: 5, problem: 'this event is missing' }]);
  });

  test('AU3 several dropped events, also the first, are found', async () => {
    await run(`delete from audit_event where seq in (1, 2, 7); delete from audit_payload where seq in (1, 2, 7)`);
    const found = (await audit.verify(PROJECT)).problems.map((problem) => problem.seq);
    assert.ok(found.includes(1) && found.includes(7));
  });

  test('AU3 a tail dropped without its head is found against the head', async () => {
    await run(`delete from audit_event where seq > 10; delete from audit_payload where seq > 10`);
    const { problems } = await audit.verify(PROJECT);
    assert.ok(problems.some((problem) => problem.seq === 11 && problem.problem.includes('up to the head, 14, are missing')));
  });

  test('AU4 a tail dropped together with its head is found only by a witness', async () => {
    const [witness] = (await audit.verify(PROJECT)).heads;
    assert.ok(witness);
    await append(entryOf(30));
    assert.equal((await audit.verify(PROJECT, { witnesses: [witness] })).ok, true, 'a longer chain still agrees with its witness');
    await run(`delete from audit_event where seq > 10; delete from audit_payload where seq > 10 or erased_by > 10;
      insert into audit_payload (project, seq, salt, data) select project, seq, '', '' from audit_event e
        where not exists (select 1 from audit_payload p where p.seq = e.seq);
      update audit_head set seq = 10, hash = (select hash from audit_event where seq = 10)`);
    const alone = await audit.verify(PROJECT);
    assert.deepEqual(
      alone.problems.filter((problem) => !problem.problem.includes('payload')),
      [],
    );
    const { problems } = await audit.verify(PROJECT, { witnesses: [witness] });
    assert.ok(problems.some((problem) => problem.seq === 14 && problem.problem.includes('no longer reaches event 14')));
    await run('truncate audit_head, audit_event, audit_payload');
    assert.equal((await audit.verify()).ok, true);
    assert.equal((await audit.verify(undefined, { witnesses: [witness] })).ok, false, 'a project that vanished is found as well');
  });

  test('AU4 a forked chain, recomputed to its head, is found only by a witness', async () => {
    const [witness] = (await audit.verify(PROJECT)).heads;
    assert.ok(witness);
    await forkAt(9);
    assert.deepEqual((await audit.verify(PROJECT)).problems, []);
    const { problems } = await audit.verify(PROJECT, { witnesses: [witness] });
    assert.deepEqual(
      problems.map((problem) => [problem.seq, problem.problem.includes('forked')]),
      [[14, true]],
    );
  });

  /** What somebody with write access and this source can do: change an event and recompute everything after it. */
  async function forkAt(seq: number): Promise<void> {
    const payload = { salt: '00', dataText: '"forged"', erasableSubject: null };
    await sql`update audit_event set principal = 'prn_forger', payload_hash = ${hashPayload(payload)} where seq = ${seq}`.execute(
      records.db,
    );
    await sql`update audit_payload set salt = ${payload.salt}, data = ${payload.dataText}, erasable_subject = null
      where seq = ${seq}`.execute(records.db);
    let hash = GENESIS_HASH;
    for (const event of await audit.list(PROJECT, { limit: 100 })) {
      hash = chainHash(hash, eventLeafHash(event));
      await sql`update audit_event set hash = ${hash} where seq = ${event.seq}`.execute(records.db);
    }
    await sql`update audit_head set hash = ${hash}`.execute(records.db);
  }

  test('AU3 two events that changed places are found', async () => {
    await run(`update audit_event set seq = -1 where seq = 4; update audit_event set seq = 4 where seq = 5;
      update audit_event set seq = 5 where seq = -1`);
    const found = (await audit.verify(PROJECT)).problems.map((problem) => problem.seq);
    assert.ok(found.includes(4) && found.includes(5));
  });

  test('AU3 an event added behind the head, or before the first, is found', async () => {
    for (const seq of [EVENTS + 3, 0, -7]) {
      await run(`insert into audit_event select project, ${seq}, 'evt_x', type, principal, subject_kind, subject_id, at_ms, payload_hash, hash
        from audit_event where seq = 3; insert into audit_payload select project, ${seq}, salt, data from audit_payload where seq = 3`);
      assert.equal((await audit.verify(PROJECT)).ok, false, String(seq));
      await run(`delete from audit_event where seq = ${seq}; delete from audit_payload where seq = ${seq}`);
      assert.equal((await audit.verify(PROJECT)).ok, true);
    }
  });

  test('AU6 a payload that vanished, was marked as erased, or claims the wrong erasure, and numbers out of all bounds are found', async () => {
    const attacks = [
      `delete from audit_payload where seq = 3`,
      `update audit_payload set data = null, salt = null, erasable_subject = null where seq = 3`,
      `update audit_payload set data = null, salt = null, erasable_subject = null, erased_by = 13 where seq = 3`,
      `update audit_payload set data = null, salt = null, erasable_subject = null, erased_by = 12 where seq = 3`,
      `update audit_payload set data = null, salt = null, erasable_subject = null, erased_by = 3 where seq = 3`,
      `update audit_payload set data = null, salt = null, erasable_subject = null, erased_by = 99 where seq = 3`,
      `update audit_payload set data = '{"events":[[1,14]],"count":14}' where seq = 13;
       update audit_payload set data = null, salt = null, erasable_subject = null, erased_by = 13 where seq = 3`,
      `insert into audit_payload (project, seq, salt, data) values ('${PROJECT}', 99, '', '1')`,
      `insert into audit_payload (project, seq, salt, data) values ('beta', 1, '', '1')`,
      `delete from audit_head`,
      `update audit_head set seq = 9223372036854775807`,
      `update audit_head set seq = -9223372036854775808`,
      `update audit_event set seq = 9223372036854775807 where seq = 3`,
      `update audit_event set seq = -9223372036854775808 where seq = 3`,
      `update audit_event set at_ms = 9223372036854775807 where seq = 3`,
      `update audit_payload set seq = 9223372036854775807 where seq = 3`,
      `update audit_payload set seq = -9223372036854775808 where seq = 3`,
      `update audit_payload set data = null, salt = null, erasable_subject = null, erased_by = 9223372036854775807 where seq = 3`,
    ];
    const before = await dump();
    for (const attack of attacks) {
      await run(attack);
      assert.equal((await audit.verify()).ok, false, attack);
      await restore(before);
      assert.equal((await audit.verify()).ok, true);
    }
  });

  type Dump = Record<string, Record<string, unknown>[]>;

  async function dump(): Promise<Dump> {
    const tables: Dump = {};
    for (const table of Object.keys(TEXT_COLUMNS)) {
      tables[table] = (await sql<Record<string, unknown>>`select * from ${sql.table(table)}`.execute(records.db)).rows;
    }
    return tables;
  }

  async function restore(tables: Dump): Promise<void> {
    await run('truncate audit_head, audit_event, audit_payload');
    for (const [table, rows] of Object.entries(tables)) {
      const text = JSON.stringify(rows);
      await sql`insert into ${sql.table(table)} select * from json_populate_recordset(null::${sql.table(table)}, ${text}::json)`.execute(
        records.db,
      );
    }
  }

  /** Many events at once, as `append` would have made them: for what needs more than a page of them. */
  async function appendMany(project: string, count: number): Promise<void> {
    const tables: Dump = { audit_event: [], audit_payload: [], audit_head: [] };
    let hash = GENESIS_HASH;
    for (let seq = 1; seq <= count; seq += 1) {
      const payload = { salt: '00', dataText: String(seq), erasableSubject: 'everybody' };
      const fields = { project, seq, id: `evt_${seq}`, type: 'a.b.c', principal: 'p', atMs: seq, payloadHash: hashPayload(payload) };
      hash = chainHash(hash, eventLeafHash({ ...fields, subject: { kind: 'k', id: 'i' } }));
      const { id, type, principal } = fields;
      const columns = {
        project,
        seq,
        id,
        type,
        principal,
        subject_kind: 'k',
        subject_id: 'i',
        at_ms: seq,
        payload_hash: fields.payloadHash,
      };
      tables['audit_event']?.push({ ...columns, hash });
      tables['audit_payload']?.push({ project, seq, salt: '00', data: payload.dataText, erasable_subject: 'everybody', erased_by: null });
    }
    tables['audit_head']?.push({ project, seq: count, hash });
    await restore(tables);
  }

  test('AU3 what is wrong at the borders of pages is found, and nothing else', async () => {
    const count = VERIFY_PAGE_ROWS * 3;
    await appendMany('paged', count);
    assert.deepEqual(await audit.verify('paged').then(({ ok, events }) => [ok, events]), [true, count]);
    const before = await dump();
    for (const seq of [1, VERIFY_PAGE_ROWS, VERIFY_PAGE_ROWS + 1, count - 1, count]) {
      await run(`delete from audit_event where seq = ${seq}`);
      const { problems } = await audit.verify('paged');
      assert.deepEqual([...new Set(problems.map((problem) => problem.seq))], [seq], `dropped ${seq}: ${JSON.stringify(problems)}`);
      await restore(before);
      await run(`update audit_payload set data = '0' where seq = ${seq}`);
      const changed = await audit.verify('paged');
      assert.deepEqual(changed.problems, [{ project: 'paged', seq, problem: 'the payload does not match its hash' }]);
      await restore(before);
    }
    await run(`update audit_event set principal = 'x'`);
    assert.equal((await audit.verify('paged')).problems.length, count);
  });

  test('AU6 more payloads than one erasure event may list are erased by two, and the problem list is bounded', async () => {
    await appendMany('erased', ERASURE_EVENT_LIMIT + 1);
    assert.equal(await records.transaction((tx) => audit.erasePayloads(tx, 'erased', 'everybody')), ERASURE_EVENT_LIMIT + 1);
    const events = await audit.list('erased', { limit: 10, afterSeq: ERASURE_EVENT_LIMIT + 1 });
    assert.deepEqual(
      events.map((event) => event.data),
      [
        { events: [[1, ERASURE_EVENT_LIMIT]], count: ERASURE_EVENT_LIMIT },
        { events: [[ERASURE_EVENT_LIMIT + 1, ERASURE_EVENT_LIMIT + 1]], count: 1 },
      ],
    );
    assert.deepEqual((await audit.verify('erased')).problems, []);
    await run(`update audit_payload set erased_by = 1`);
    assert.equal((await audit.verify('erased')).problems.length, PROBLEM_LIMIT);
  });

  test('AU3 verification goes on while events are appended and finds nothing wrong', async () => {
    const appending = Promise.all(Array.from({ length: 40 }, (_, index) => append(entryOf(index))));
    for (let round = 0; round < 10; round += 1) assert.deepEqual((await audit.verify(PROJECT)).problems, []);
    await appending;
    assert.equal((await audit.verify(PROJECT)).events, EVENTS + 2 + 40);
  });

  test('AU3 a verification that is given up stops', async () => {
    await assert.rejects(audit.verify(PROJECT, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  });
});

function flipNumber(value: string | null, bit: number): string {
  return value === null ? String(bit + 1) : String(Number(value) ^ 0 ? Number(value) + (1 << bit) : 1 << bit);
}

/** Flips a bit of one byte; where that is no text the byte is replaced by another letter. */
function flipText(value: string | null, at: number, bit: number): string {
  if (value === null || value === '') return 'x';
  const bytes = Buffer.from(value);
  const index = at % bytes.length;
  const old = bytes[index] as number;
  bytes[index] = old ^ (1 << bit);
  const isText = bytes[index] >= 32 && Buffer.from(bytes.toString()).equals(bytes);
  if (!isText) bytes[index] = old === 120 ? 121 : 120;
  return Buffer.from(bytes.toString()).equals(bytes) ? bytes.toString() : `${value}x`;
}
