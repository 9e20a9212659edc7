import type { Capability } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import { sql } from 'kysely';
import { MigrationError } from './errors.ts';
import type { Records, Tx } from './records.ts';

interface AppliedRow {
  readonly capability: string;
  readonly id: string;
  readonly sha256: string;
}

/** Any number that all Slipway processes share: it keeps two replicas from migrating at once. */
const MIGRATION_LOCK = 7_274_926;

/**
 * Brings the schema forward: every migration not yet applied runs in one transaction, in the order of the
 * capabilities given and then of their ids. @returns the ids that ran, as `capability/id`.
 * @throws {MigrationError} when an applied migration's text has changed since.
 */
export async function migrate(records: Records, capabilities: readonly Pick<Capability, 'name' | 'migrations'>[]): Promise<string[]> {
  return records.transaction(async (tx) => {
    await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(tx);
    await sql`create table if not exists records_migration (
      capability text not null, id text not null, sha256 text not null, applied_at timestamptz not null default now(),
      primary key (capability, id))`.execute(tx);
    const { rows } = await sql<AppliedRow>`select capability, id, sha256 from records_migration`.execute(tx);
    const applied = new Map(rows.map((row) => [`${row.capability}/${row.id}`, row.sha256]));
    const ran: string[] = [];
    for (const capability of capabilities) {
      for (const migration of capability.migrations ?? []) {
        if (await applyOne(tx, capability.name, migration, applied)) ran.push(`${capability.name}/${migration.id}`);
      }
    }
    return ran;
  });
}

async function applyOne(
  tx: Tx,
  capability: string,
  migration: { id: string; sql: string },
  applied: ReadonlyMap<string, string>,
): Promise<boolean> {
  const sha256 = sha256Hex(migration.sql);
  const before = applied.get(`${capability}/${migration.id}`);
  if (before === sha256) return false;
  if (before !== undefined) {
    throw new MigrationError(`Migration ${capability}/${migration.id} was changed after it had been applied.`, {
      details: { capability, migration: migration.id },
      help: 'Add a new migration instead; applied ones never change.',
    });
  }
  await sql.raw(migration.sql).execute(tx);
  await sql`insert into records_migration (capability, id, sha256) values (${capability}, ${migration.id}, ${sha256})`.execute(tx);
  return true;
}
