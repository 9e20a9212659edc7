import { Name, Role } from '@slipway/kernel';
import type { Db, Tx } from '@slipway/records';
import { sql } from 'kysely';
import { z } from 'zod';

/** Any number that all Slipway processes share: keeps two first starts, or two changes of keys, from passing each other. */
const IDENTITY_LOCK = 7_274_927;

export interface Project {
  readonly id: string;
  readonly name: string;
  readonly createdAtMs: number;
}

/** A key as it may be shown: everything but the secret. */
export interface KeyRecord {
  readonly id: string;
  readonly project: string;
  readonly principal: string;
  readonly role: Role;
  readonly instance: boolean;
  readonly label: string;
  readonly hint: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly lastUsedAtMs: number | null;
  readonly revokedAtMs: number | null;
  readonly rotatedAtMs: number | null;
  readonly replacedBy: string | null;
}

const TimeMs = z.date().transform((date) => date.getTime());

const ProjectRow = z
  .object({ id: z.string(), name: Name, created_at: TimeMs })
  .transform(({ id, name, created_at }): Project => ({ id, name, createdAtMs: created_at }));

const KeyRow = z
  .object({
    id: z.string(),
    project: z.string(),
    principal: z.string(),
    role: Role,
    instance: z.boolean(),
    label: z.string(),
    hint: z.string(),
    created_at: TimeMs,
    expires_at: TimeMs,
    last_used_at: TimeMs.nullable(),
    revoked_at: TimeMs.nullable(),
    rotated_at: TimeMs.nullable(),
    replaced_by: z.string().nullable(),
  })
  .transform((row): KeyRecord => ({
    id: row.id,
    project: row.project,
    principal: row.principal,
    role: row.role,
    instance: row.instance,
    label: row.label,
    hint: row.hint,
    createdAtMs: row.created_at,
    expiresAtMs: row.expires_at,
    lastUsedAtMs: row.last_used_at,
    revokedAtMs: row.revoked_at,
    rotatedAtMs: row.rotated_at,
    replacedBy: row.replaced_by,
  }));

const keyColumns = sql.raw(
  'k.id, k.project, k.principal, p.role, p.instance, p.label, k.hint, k.created_at, k.expires_at, k.last_used_at, k.revoked_at, k.rotated_at, k.replaced_by',
);

/** Serialises first starts and the changes whose rules look at several keys; freed at the end of the transaction. */
export async function lockIdentity(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(${IDENTITY_LOCK})`.execute(tx);
}

export async function insertProject(tx: Tx, project: Project, createdBy: string): Promise<void> {
  await sql`insert into identity_project (id, name, created_by, created_at)
    values (${project.id}, ${project.name}, ${createdBy}, ${new Date(project.createdAtMs)})`.execute(tx);
}

export async function countProjects(db: Db): Promise<number> {
  const { rows } = await sql`select count(*)::int as count from identity_project`.execute(db);
  return z.object({ count: z.int() }).parse(rows[0]).count;
}

export async function findProject(db: Db, idOrName: string): Promise<Project | undefined> {
  const { rows } = await sql`select id, name, created_at from identity_project
    where id = ${idOrName} or name = ${idOrName} order by (id = ${idOrName}) desc limit 1`.execute(db);
  return rows.length === 0 ? undefined : ProjectRow.parse(rows[0]);
}

export async function listProjects(db: Db, afterName: string, limit: number): Promise<Project[]> {
  const { rows } = await sql`select id, name, created_at from identity_project
    where name collate "C" > ${afterName} order by name collate "C" limit ${limit}`.execute(db);
  return z.array(ProjectRow).parse(rows);
}

export interface PrincipalRecord {
  readonly id: string;
  readonly project: string;
  readonly role: Role;
  readonly instance: boolean;
  readonly label: string;
}

const PrincipalRow = z.object({ id: z.string(), project: z.string(), role: Role, instance: z.boolean(), label: z.string() });

export async function insertPrincipal(tx: Tx, principal: PrincipalRecord, createdBy: string, nowMs: number): Promise<void> {
  await sql`insert into identity_principal (id, project, role, instance, label, created_by, created_at)
    values (${principal.id}, ${principal.project}, ${principal.role}, ${principal.instance}, ${principal.label}, ${createdBy}, ${new Date(nowMs)})`.execute(
    tx,
  );
}

/** The first principal that may act on every project; there is one from the first start on. */
export async function findInstancePrincipal(db: Db): Promise<PrincipalRecord | undefined> {
  const { rows } =
    await sql`select id, project, role, instance, label from identity_principal where instance order by created_at, id limit 1`.execute(db);
  return rows.length === 0 ? undefined : PrincipalRow.parse(rows[0]);
}

export interface NewKey {
  readonly id: string;
  readonly project: string;
  readonly principal: string;
  readonly sha256: string;
  readonly hint: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export async function insertKey(tx: Tx, key: NewKey, createdBy: string): Promise<void> {
  await sql`insert into identity_key (id, project, principal, sha256, hint, created_by, created_at, expires_at)
    values (${key.id}, ${key.project}, ${key.principal}, ${key.sha256}, ${key.hint}, ${createdBy}, ${new Date(key.createdAtMs)}, ${new Date(key.expiresAtMs)})`.execute(
    tx,
  );
}

/** Looks a key up by its hash, across projects: this is how a caller's project becomes known. */
export async function findKeyByHash(db: Db, sha256: string): Promise<{ sha256: string; key: KeyRecord } | undefined> {
  const { rows } = await sql`select k.sha256, ${keyColumns} from identity_key k join identity_principal p on p.id = k.principal
    where k.sha256 = ${sha256}`.execute(db);
  if (rows.length === 0) return undefined;
  return { sha256: z.object({ sha256: z.string() }).parse(rows[0]).sha256, key: KeyRow.parse(rows[0]) };
}

export async function findKey(db: Db, project: string, id: string): Promise<KeyRecord | undefined> {
  const { rows } = await sql`select ${keyColumns} from identity_key k join identity_principal p on p.id = k.principal
    where k.project = ${project} and k.id = ${id}`.execute(db);
  return rows.length === 0 ? undefined : KeyRow.parse(rows[0]);
}

/** Newest first; ids sort by creation. */
export async function listKeys(db: Db, project: string, beforeId: string | undefined, limit: number): Promise<KeyRecord[]> {
  const before = beforeId === undefined ? sql`` : sql`and k.id collate "C" < ${beforeId}`;
  const { rows } = await sql`select ${keyColumns} from identity_key k join identity_principal p on p.id = k.principal
    where k.project = ${project} ${before} order by k.id collate "C" desc limit ${limit}`.execute(db);
  return z.array(KeyRow).parse(rows);
}

const CountRow = z.object({ count: z.int() });

export async function countLiveKeys(db: Db, project: string, nowMs: number): Promise<number> {
  const { rows } = await sql`select count(*)::int as count from identity_key
    where project = ${project} and revoked_at is null and expires_at > ${new Date(nowMs)}`.execute(db);
  return CountRow.parse(rows[0]).count;
}

/** Keys of instance principals that work now and are not on their way out, other than the one named. */
export async function countOtherInstanceKeys(db: Db, exceptKey: string, nowMs: number): Promise<number> {
  const { rows } = await sql`select count(*)::int as count from identity_key k join identity_principal p on p.id = k.principal
    where p.instance and k.id <> ${exceptKey} and k.revoked_at is null and k.rotated_at is null and k.expires_at > ${new Date(nowMs)}`.execute(
    db,
  );
  return CountRow.parse(rows[0]).count;
}

export async function markRevoked(tx: Tx, project: string, id: string, nowMs: number): Promise<void> {
  await sql`update identity_key set revoked_at = ${new Date(nowMs)} where project = ${project} and id = ${id}`.execute(tx);
}

export async function markRotated(
  tx: Tx,
  change: { project: string; id: string; replacedBy: string; rotatedAtMs: number; expiresAtMs: number },
): Promise<void> {
  await sql`update identity_key set rotated_at = ${new Date(change.rotatedAtMs)}, replaced_by = ${change.replacedBy}, expires_at = ${new Date(change.expiresAtMs)}
    where project = ${change.project} and id = ${change.id}`.execute(tx);
}

/** Writes the time of last use of many keys in one statement; an older time never replaces a newer one. */
export async function saveLastUsed(db: Db, uses: readonly { id: string; atMs: number }[]): Promise<void> {
  const ids = uses.map((use) => use.id);
  const times = uses.map((use) => new Date(use.atMs).toISOString());
  await sql`update identity_key k set last_used_at = u.at
    from unnest(${ids}::text[], ${times}::timestamptz[]) as u (id, at)
    where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at)`.execute(db);
}
