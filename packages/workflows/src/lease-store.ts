import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { jsonText } from './run-store.ts';
import './tables.ts';

export interface Lease {
  readonly executor: string;
  /** Of this start of the process; a restart under the same executor id takes the lease over. */
  readonly instance: string;
  readonly leaseMs: number;
  /** `name@version` of what this worker can execute. */
  readonly definitions: readonly string[];
}

/** Takes or takes over the lease of an executor id. Times are the database's. */
export async function takeLease(db: Db, lease: Lease): Promise<void> {
  await sql`
    insert into workflows_lease (executor, instance, expires_at, definitions)
    values (${lease.executor}, ${lease.instance}, now() + ${lease.leaseMs} * interval '1 millisecond', ${jsonText(lease.definitions)}::json)
    on conflict (executor) do update set instance = excluded.instance, expires_at = excluded.expires_at, definitions = excluded.definitions`.execute(
    db,
  );
}

/** @returns false when another start of this executor id holds the lease. */
export async function renewLease(db: Db, lease: Lease): Promise<boolean> {
  const { rows } = await sql`
    insert into workflows_lease as held (executor, instance, expires_at, definitions)
    values (${lease.executor}, ${lease.instance}, now() + ${lease.leaseMs} * interval '1 millisecond', ${jsonText(lease.definitions)}::json)
    on conflict (executor) do update set expires_at = excluded.expires_at where held.instance = excluded.instance
    returning 1`.execute(db);
  return rows.length > 0;
}

export async function dropLease(tx: Tx, lease: Lease): Promise<void> {
  await sql`delete from workflows_lease where executor = ${lease.executor} and instance = ${lease.instance}`.execute(tx);
}

/** Forgets workers that have been gone for long. */
export async function sweepLeases(db: Db): Promise<void> {
  await sql`delete from workflows_lease where expires_at < now() - interval '1 day'`.execute(db);
}

/** Whether another live worker has this version of a workflow. */
export async function anotherKnows(db: Db, query: { executor: string; workflow: string; version: number }): Promise<boolean> {
  const { rows } = await sql`
    select definitions from workflows_lease where executor <> ${query.executor} and expires_at > now() order by executor limit 1000`.execute(
    db,
  );
  const key = `${query.workflow}@${query.version}`;
  return z
    .array(z.object({ definitions: z.array(z.string()) }))
    .parse(rows)
    .some((row) => row.definitions.includes(key));
}
