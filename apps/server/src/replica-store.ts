import type { Migration } from '@slipway/kernel';
import type { Db, Records } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';
import { ReplicaStartError } from './errors.ts';

/** Replicas that are read at most; more than this do not fit one database's connections. */
const REPLICAS_READ_LIMIT = 256;

export const replicaMigration: Migration = {
  id: '0002_replicas',
  sql: `create table server_live_replica (
    replica integer primary key,
    secret_keys text not null,
    object_store text not null,
    alive_until timestamptz not null
  )`,
};

/** What a replica says of itself to the others. */
export interface ReplicaRow {
  readonly replica: number;
  /** Ids of its secret keys, the one that seals first; empty when its key is its home's own. */
  readonly secretKeys: readonly string[];
  /** Identity of the place where it keeps objects. */
  readonly objectStore: string;
}

const Row = z.object({ replica: z.coerce.number(), secret_keys: z.string(), object_store: z.string() });

/** How long a start waits for the starts of other replicas. */
const START_WAIT_LIMIT_MS = 120_000;
const START_RETRY_MS = 100;
/** The advisory lock of whoever starts; a number that nothing else on the database uses. */
const START_LOCK = 7_700_001;

/**
 * Waits until no other replica starts. By asking again and again: a statement that waits holds a snapshot, which the workflow
 * engine's `create index concurrently` would wait for in turn.
 * @returns what lets the next one start; the lock also ends with the process. @throws {ReplicaStartError} after {@link START_WAIT_LIMIT_MS}.
 */
export async function lockStart({ pool }: Pick<Records, 'pool'>): Promise<() => void> {
  const client = await pool.connect();
  try {
    for (let waitedMs = 0; waitedMs < START_WAIT_LIMIT_MS; waitedMs += START_RETRY_MS) {
      const { rows } = await client.query<{ isMine: boolean }>('select pg_try_advisory_lock($1) as "isMine"', [START_LOCK]);
      // The connection ends with its lock.
      if (rows[0]?.isMine === true) return () => client.release(true);
      await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS));
    }
    throw new ReplicaStartError(START_WAIT_LIMIT_MS / 1_000);
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** The replicas that are alive beside this one, by the database's clock. */
export async function listOthers(db: Db, replica: number): Promise<ReplicaRow[]> {
  const { rows } = await sql`
    select replica, secret_keys, object_store from server_live_replica
    where replica <> ${replica} and alive_until > now() order by replica limit ${REPLICAS_READ_LIMIT}`.execute(db);
  return z
    .array(Row)
    .parse(rows)
    .map((row) => ({
      replica: row.replica,
      secretKeys: row.secret_keys.split(',').filter((id) => id !== ''),
      objectStore: row.object_store,
    }));
}

/** Says that a replica is alive for a while. */
export async function saveReplica(db: Db, row: ReplicaRow, aliveMs: number): Promise<void> {
  await sql`
    insert into server_live_replica (replica, secret_keys, object_store, alive_until)
    values (${row.replica}, ${row.secretKeys.join(',')}, ${row.objectStore}, now() + ${aliveMs} * interval '1 millisecond')
    on conflict (replica) do update set
      secret_keys = excluded.secret_keys, object_store = excluded.object_store, alive_until = excluded.alive_until`.execute(db);
}

export async function deleteReplica(db: Db, replica: number): Promise<void> {
  await sql`delete from server_live_replica where replica = ${replica}`.execute(db);
}
