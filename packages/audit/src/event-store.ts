import type { Json } from '@slipway/kernel';
import type { Db, Tx } from '@slipway/records';
import { sql, type RawBuilder } from 'kysely';
import { z } from 'zod';
import type { AuditEvent, AuditHead } from './audit.ts';
import { GENESIS_HASH, type LeafFields, type PayloadFields } from './chain.ts';
import { CorruptEventError } from './errors.ts';

/** The channel on which each append tells its project. */
export const CHANGE_CHANNEL = 'slipway_change';

const HeadRow = z.object({ seq: z.coerce.number(), hash: z.string() });

/** Locks and returns the project's head until the transaction ends, making one for a project without events. */
export async function lockHead(tx: Tx, project: string): Promise<AuditHead> {
  const select = () => sql`select seq, hash from audit_head where project = ${project} for update`.execute(tx);
  let { rows } = await select();
  if (rows.length === 0) {
    // Waits for a transaction that is making the same head, so the second look finds one in any case.
    await sql`insert into audit_head (project, seq, hash) values (${project}, 0, ${GENESIS_HASH}) on conflict do nothing`.execute(tx);
    ({ rows } = await select());
  }
  return { project, ...HeadRow.parse(rows[0]) };
}

/** Writes event, payload and head and queues the notification: one trip to the database. */
export async function insertEvent(tx: Tx, event: LeafFields & { readonly hash: string }, payload: PayloadFields): Promise<void> {
  const { project, seq, id, type, principal, subject, atMs, payloadHash, hash } = event;
  await sql`
    with added as (
      insert into audit_event (project, seq, id, type, principal, subject_kind, subject_id, at_ms, payload_hash, hash)
      values (${project}, ${seq}, ${id}, ${type}, ${principal}, ${subject.kind}, ${subject.id}, ${atMs}, ${payloadHash}, ${hash})),
    kept as (
      insert into audit_payload (project, seq, salt, data, erasable_subject)
      values (${project}, ${seq}, ${payload.salt}, ${payload.dataText}, ${payload.erasableSubject})),
    moved as (
      update audit_head set seq = ${seq}, hash = ${hash} where project = ${project})
    select pg_notify(${CHANGE_CHANNEL}, ${project})`.execute(tx);
}

/** One event as stored, with its payload's columns; `payloadSeq` is null when the payload's row is gone. */
export const StoredEvent = z.object({
  seq: z.coerce.number(),
  id: z.string(),
  type: z.string(),
  principal: z.string(),
  subject_kind: z.string(),
  subject_id: z.string(),
  at_ms: z.coerce.number(),
  payload_hash: z.string(),
  hash: z.string(),
  payload_seq: z.coerce.number().nullable(),
  salt: z.string().nullable(),
  data: z.string().nullable(),
  erasable_subject: z.string().nullable(),
  erased_by: z.coerce.number().nullable(),
});
export type StoredEvent = z.infer<typeof StoredEvent>;
const StoredEvents = z.array(StoredEvent);

/**
 * Events of a project with their payloads. The events are limited before they are joined: otherwise the planner may read
 * the payloads of the whole project for each page.
 */
async function selectEvents(
  db: Db,
  project: string,
  where: RawBuilder<unknown>,
  limit: number,
  newestFirst = false,
): Promise<StoredEvent[]> {
  const order = newestFirst ? sql`desc` : sql`asc`;
  const { rows } = await sql`
    select e.seq, e.id, e.type, e.principal, e.subject_kind, e.subject_id, e.at_ms, e.payload_hash, e.hash,
      p.seq as payload_seq, p.salt, p.data, p.erasable_subject, p.erased_by
    from (select * from audit_event where project = ${project} ${where} order by seq ${order} limit ${limit}) e
      left join audit_payload p on p.project = e.project and p.seq = e.seq
    order by e.seq ${order}`.execute(db);
  return StoredEvents.parse(rows);
}

export async function listEvents(
  db: Db,
  project: string,
  options: { readonly afterSeq: number; readonly limit: number; readonly type: string | undefined },
): Promise<AuditEvent[]> {
  const ofType = options.type === undefined ? sql`` : sql`and type = ${options.type}`;
  const rows = await selectEvents(db, project, sql`and seq > ${options.afterSeq} ${ofType}`, options.limit);
  return rows.map((row) => toEvent(project, row));
}

/** What happened to one thing, newest first. */
export async function listHistory(
  db: Db,
  project: string,
  subject: { readonly kind: string; readonly id: string },
  limit: number,
): Promise<AuditEvent[]> {
  const where = sql`and subject_kind = ${subject.kind} and subject_id = ${subject.id}`;
  return (await selectEvents(db, project, where, limit, true)).map((row) => toEvent(project, row));
}

function toEvent(project: string, row: StoredEvent): AuditEvent {
  return {
    ...toLeafFields(project, row),
    data: row.data === null ? null : parsePayload(project, row.seq, row.data),
    erased: row.data === null,
    hash: row.hash,
  };
}

function parsePayload(project: string, seq: number, dataText: string): Json {
  try {
    return JSON.parse(dataText) as Json;
  } catch (cause) {
    throw new CorruptEventError(`The payload of audit event ${seq} is not readable any more.`, {
      cause,
      details: { project, seq },
      help: 'slipway audit verify lists everything that was changed.',
    });
  }
}

export function toLeafFields(project: string, row: StoredEvent): LeafFields {
  return {
    project,
    seq: row.seq,
    id: row.id,
    type: row.type,
    principal: row.principal,
    subject: { kind: row.subject_kind, id: row.subject_id },
    atMs: row.at_ms,
    payloadHash: row.payload_hash,
  };
}

/** One page for verification. The bounds are text, because they reach further than a double counts. */
export async function readPage(
  db: Db,
  project: string,
  range: { readonly afterSeq: string; readonly lastSeq: string; readonly limit: number },
): Promise<StoredEvent[]> {
  return selectEvents(db, project, sql`and seq > ${range.afterSeq}::bigint and seq <= ${range.lastSeq}::bigint`, range.limit);
}

/** Numbers of payloads without an event in a range; at most `limit`. */
export async function listOrphans(
  db: Db,
  project: string,
  range: { readonly afterSeq: string; readonly lastSeq: string; readonly limit: number },
): Promise<number[]> {
  const { rows } = await sql`select p.seq from audit_payload p
    where p.project = ${project} and p.seq > ${range.afterSeq}::bigint and p.seq <= ${range.lastSeq}::bigint
      and not exists (select 1 from audit_event e where e.project = p.project and e.seq = p.seq
        and e.seq > ${range.afterSeq}::bigint and e.seq <= ${range.lastSeq}::bigint)
    order by p.seq limit ${range.limit}`.execute(db);
  return z
    .array(z.object({ seq: z.coerce.number() }))
    .parse(rows)
    .map((row) => row.seq);
}

/** The head and the highest event, as of one moment. */
export async function readEnds(db: Db, project: string): Promise<{ head: AuditHead | undefined; lastSeq: number }> {
  const { rows } = await sql`select h.seq, h.hash, (select max(seq) from audit_event where project = ${project}) as last
    from (select 1) one left join audit_head h on h.project = ${project}`.execute(db);
  const row = z
    .object({ seq: z.coerce.number().nullable(), hash: z.string().nullable(), last: z.coerce.number().nullable() })
    .parse(rows[0]);
  const head = row.seq === null || row.hash === null ? undefined : { project, seq: row.seq, hash: row.hash };
  return { head, lastSeq: row.last ?? 0 };
}

/** Every project that any of the tables names. */
export async function listProjects(db: Db): Promise<string[]> {
  const { rows } = await sql`select project from audit_head union select project from audit_event
    union select project from audit_payload order by 1`.execute(db);
  return z
    .array(z.object({ project: z.string() }))
    .parse(rows)
    .map((row) => row.project);
}

/** Numbers of the events whose payload belongs to a subject; at most `limit`. */
export async function listErasable(tx: Tx, project: string, erasableSubject: string, limit: number): Promise<number[]> {
  const { rows } = await sql`select seq from audit_payload
    where project = ${project} and erasable_subject = ${erasableSubject} order by seq limit ${limit}`.execute(tx);
  return z
    .array(z.object({ seq: z.coerce.number() }))
    .parse(rows)
    .map((row) => row.seq);
}

export async function erasePayloadRows(tx: Tx, project: string, seqs: readonly number[], erasedBy: number): Promise<void> {
  await sql`update audit_payload set salt = null, data = null, erasable_subject = null, erased_by = ${erasedBy}
    where project = ${project} and seq = any(${seqs.map(String)}::bigint[])`.execute(tx);
}
