import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { AlertSeverity } from '../contract.ts';
import { DELIVERY_LEASE_MS } from '../limits.ts';
import { News } from './render-news.ts';

/** What may be seen of where a channel sends to. `destination` is what its secrets are bound to. */
const PublicTarget = z.object({ kind: z.string(), host: z.string(), destination: z.string() });
export type PublicTarget = z.infer<typeof PublicTarget>;

const ChannelRow = z.object({
  project: z.string(),
  id: z.string(),
  name: z.string(),
  target: PublicTarget,
  /** The whole target and the signing secret, sealed. */
  sealed: z.string(),
  minimum_severity: AlertSeverity,
  created_at_ms: z.coerce.number(),
});
export type ChannelRow = z.infer<typeof ChannelRow>;

const CHANNEL = sql.raw('c.project, c.id, c.name, c.target, c.sealed, c.minimum_severity, c.created_at_ms');

export async function listChannelRows(db: Db | Tx, project: string, limit: number): Promise<ChannelRow[]> {
  const { rows } = await sql`select ${CHANNEL} from monitoring_channel c where c.project = ${project} and c.sealed is not null
      order by c.name limit ${limit}`.execute(db);
  return z.array(ChannelRow).parse(rows);
}

export async function findChannelRow(db: Db | Tx, project: string, name: string): Promise<ChannelRow | undefined> {
  const { rows } = await sql`select ${CHANNEL} from monitoring_channel c where c.project = ${project} and c.name = ${name}
      and c.sealed is not null`.execute(db);
  return rows.length === 0 ? undefined : ChannelRow.parse(rows[0]);
}

export async function insertChannel(tx: Tx, row: ChannelRow): Promise<void> {
  await sql`insert into monitoring_channel (project, id, name, target, sealed, minimum_severity, created_at_ms)
    values (${row.project}, ${row.id}, ${row.name}, ${JSON.stringify(row.target)}::jsonb, ${row.sealed}, ${row.minimum_severity},
      ${row.created_at_ms})`.execute(tx);
}

const OpenRow = z.object({ project: z.string(), id: z.string(), target: z.unknown(), secret: z.string().nullable() });
/** A channel as it was kept before secrets were sealed. */
export type OpenChannelRow = z.infer<typeof OpenRow>;

/** Channels whose target and secret lie open, locked until the transaction ends. */
export async function lockOpenChannels(tx: Tx, limit: number): Promise<OpenChannelRow[]> {
  const { rows } = await sql`select project, id, target, secret from monitoring_channel where sealed is null
    order by id limit ${limit} for update`.execute(tx);
  return z.array(OpenRow).parse(rows);
}

/** Channels of every project, for sealing them again under a newer key; locked until the transaction ends. */
export async function lockSealedChannels(tx: Tx, limit: number): Promise<ChannelRow[]> {
  const { rows } = await sql`select ${CHANNEL} from monitoring_channel c where c.sealed is not null order by c.id limit ${limit}
    for update`.execute(tx);
  return z.array(ChannelRow).parse(rows);
}

/** Replaces what is open by what is sealed. */
export async function sealChannelRow(tx: Tx, row: Pick<ChannelRow, 'project' | 'id' | 'target' | 'sealed'>): Promise<void> {
  await sql`update monitoring_channel set sealed = ${row.sealed}, target = ${JSON.stringify(row.target)}::jsonb, secret = null
    where project = ${row.project} and id = ${row.id}`.execute(tx);
}

export async function deleteChannel(tx: Tx, project: string, name: string): Promise<boolean> {
  const { rows } = await sql`delete from monitoring_channel where project = ${project} and name = ${name} returning id`.execute(tx);
  return rows.length > 0;
}

const Counts = z.object({
  channel: z.string(),
  sent: z.coerce.number(),
  waiting: z.coerce.number(),
  failed: z.coerce.number(),
  last_error: z.string().nullable(),
});

/** Deliveries of each channel by what became of them. */
export async function countDeliveries(db: Db | Tx, project: string): Promise<Map<string, z.infer<typeof Counts>>> {
  const { rows } = await sql`select channel, count(*) filter (where status = 'sent') as sent,
      count(*) filter (where status = 'waiting') as waiting, count(*) filter (where status = 'failed') as failed,
      (array_agg(last_error order by id desc) filter (where last_error is not null and status <> 'sent'))[1] as last_error
    from monitoring_delivery where project = ${project} group by channel order by channel`.execute(db);
  return new Map(
    z
      .array(Counts)
      .parse(rows)
      .map((row) => [row.channel, row]),
  );
}

export async function insertDelivery(
  tx: Tx,
  row: { readonly project: string; readonly id: string; readonly channel: string; readonly payload: News; readonly nowMs: number },
): Promise<void> {
  await sql`insert into monitoring_delivery (project, id, channel, payload, status, attempts, next_at_ms, created_at_ms)
    values (${row.project}, ${row.id}, ${row.channel}, ${JSON.stringify(row.payload)}::jsonb, 'waiting', 0, ${row.nowMs}, ${row.nowMs})`.execute(
    tx,
  );
}

const DueRow = ChannelRow.extend({ delivery: z.string(), payload: News, attempts: z.coerce.number() });
export type DueDelivery = z.infer<typeof DueRow>;

/** Takes deliveries that are due; until the lease ends nobody else gets them. */
export async function takeDueDeliveries(db: Db, nowMs: number, limit: number): Promise<DueDelivery[]> {
  const { rows } = await sql`with due as (
      select id from monitoring_delivery where status = 'waiting' and next_at_ms <= ${nowMs} order by next_at_ms, id limit ${limit}
      for update skip locked),
    taken as (
      update monitoring_delivery d set next_at_ms = ${nowMs + DELIVERY_LEASE_MS}, attempts = d.attempts + 1
      from due where d.id = due.id returning d.id, d.channel, d.payload, d.attempts)
    select taken.id as delivery, taken.payload, taken.attempts, ${CHANNEL}
    from taken join monitoring_channel c on c.id = taken.channel and c.sealed is not null
    order by taken.id`.execute(db);
  return z.array(DueRow).parse(rows);
}

export async function finishDelivery(
  db: Db,
  project: string,
  id: string,
  end: { readonly status: 'sent' | 'waiting' | 'failed'; readonly error: string | null; readonly nextAtMs: number; readonly nowMs: number },
): Promise<void> {
  await sql`update monitoring_delivery set status = ${end.status}, last_error = ${end.error}, next_at_ms = ${end.nextAtMs},
      sent_at_ms = ${end.status === 'sent' ? end.nowMs : null}
    where project = ${project} and id = ${id}`.execute(db);
}

/** Forgets what was delivered or given up before a time. */
export async function deleteOldDeliveries(db: Db, beforeMs: number): Promise<void> {
  await sql`delete from monitoring_delivery where status <> 'waiting' and created_at_ms < ${beforeMs}`.execute(db);
}
