import type { Db, Tx } from '@slipway/records';
import { sql, type RawBuilder } from 'kysely';
import { z } from 'zod';
import type { CatalogKind, LineageEdge, Version } from './catalog.ts';
import type { CheckedEntry } from './entry.ts';
import { ID_KINDS } from './reference.ts';

const VersionRow = z.object({
  id: z.string(),
  kind: z.enum(Object.keys(ID_KINDS) as [CatalogKind]),
  name: z.string(),
  number: z.coerce.number(),
  recipe: z.string(),
  content: z.string(),
  run: z.string().nullable(),
  meta: z.string(),
  principal: z.string(),
  created_at_ms: z.coerce.number(),
  retired_at_ms: z.coerce.number().nullable(),
  retired_reason: z.string().nullable(),
});
const VersionRows = z.array(VersionRow);

const COLUMNS = sql`v.id, v.kind, v.name, v.number, v.recipe, v.content, v.run, v.meta, v.principal,
  v.created_at_ms, v.retired_at_ms, v.retired_reason`;

function toVersion(project: string, row: z.infer<typeof VersionRow>): Version {
  const { id, kind, name, number, recipe, content, run, meta, principal } = row;
  return {
    id,
    project,
    kind,
    name,
    number,
    recipe,
    content,
    run,
    meta: JSON.parse(meta),
    createdAtMs: row.created_at_ms,
    principal,
    retiredAtMs: row.retired_at_ms,
    retiredReason: row.retired_reason,
  };
}

/** Every read of versions goes through here, so each one names the project. */
async function selectVersions(db: Db, project: string, rest: RawBuilder<unknown>): Promise<Version[]> {
  const { rows } = await sql`select ${COLUMNS} from catalog_version v where v.project = ${project} ${rest}`.execute(db);
  return VersionRows.parse(rows).map((row) => toVersion(project, row));
}

export async function findById(db: Db, project: string, id: string): Promise<Version | undefined> {
  return (await selectVersions(db, project, sql`and v.id = ${id}`))[0];
}

export async function findByIds(db: Db, project: string, ids: readonly string[]): Promise<Version[]> {
  return ids.length === 0 ? [] : selectVersions(db, project, sql`and v.id = any(${[...ids]}::text[]) order by v.id`);
}

/** A version's kind and name within its project. */
export interface Named {
  readonly project: string;
  readonly kind: CatalogKind;
  readonly name: string;
}

export async function findByRecipe(db: Db, { project, kind, name }: Named, recipe: string): Promise<Version | undefined> {
  const rest = sql`and v.kind = ${kind} and v.name = ${name} and v.recipe = ${recipe} and v.retired_at_ms is null`;
  return (await selectVersions(db, project, rest))[0];
}

export async function findByNumber(db: Db, { project, kind, name }: Named, number: number): Promise<Version | undefined> {
  return (await selectVersions(db, project, sql`and v.kind = ${kind} and v.name = ${name} and v.number = ${number}`))[0];
}

export async function findLatest(db: Db, { project, kind, name }: Named): Promise<Version | undefined> {
  const rest = sql`and v.kind = ${kind} and v.name = ${name} and v.retired_at_ms is null order by v.number desc limit 1`;
  return (await selectVersions(db, project, rest))[0];
}

export async function findByAlias(db: Db, { project, kind, name }: Named, alias: string): Promise<Version | undefined> {
  const rest = sql`and v.id = (select a.version from catalog_alias a
    where a.project = ${project} and a.kind = ${kind} and a.name = ${name} and a.alias = ${alias})`;
  return (await selectVersions(db, project, rest))[0];
}

/** Where a page begins: behind this version, newest first. */
export interface Position {
  readonly createdAtMs: number;
  readonly id: string;
}

export async function listNewest(
  db: Db,
  project: string,
  query: {
    readonly kind: CatalogKind | undefined;
    readonly name: string | undefined;
    readonly after: Position | undefined;
    readonly limit: number;
  },
): Promise<Version[]> {
  const { kind, name, after, limit } = query;
  const ofKind = kind === undefined ? sql`` : sql`and v.kind = ${kind}`;
  const ofName = name === undefined ? sql`` : sql`and v.name = ${name}`;
  const behind = after === undefined ? sql`` : sql`and (v.created_at_ms, v.id) < (${after.createdAtMs}, ${after.id})`;
  return selectVersions(db, project, sql`${ofKind} ${ofName} ${behind} order by v.created_at_ms desc, v.id desc limit ${limit}`);
}

/** The next free number; gapless because the caller holds the project's lock until it commits. */
export async function nextNumber(tx: Tx, { project, kind, name }: Named): Promise<number> {
  const { rows } = await sql`select coalesce(max(number), 0) + 1 as next from catalog_version
    where project = ${project} and kind = ${kind} and name = ${name}`.execute(tx);
  return z.object({ next: z.coerce.number() }).parse(rows[0]).next;
}

export async function insertVersion(
  tx: Tx,
  entry: CheckedEntry,
  made: { readonly id: string; readonly number: number; readonly createdAtMs: number },
): Promise<void> {
  const { project, kind, name, recipe, content, run, metaText, principal, parents } = entry;
  await sql`insert into catalog_version (project, id, kind, name, number, recipe, content, run, meta, principal, created_at_ms)
    values (${project}, ${made.id}, ${kind}, ${name}, ${made.number}, ${recipe}, ${content}, ${run}, ${metaText}, ${principal},
      ${made.createdAtMs})`.execute(tx);
  if (parents.length === 0) return;
  await sql`insert into catalog_parent (project, child, parent, role)
    select ${project}, ${made.id}, link.parent, link.role
    from unnest(${parents.map((link) => link.id)}::text[], ${parents.map((link) => link.role)}::text[]) as link (parent, role)`.execute(tx);
}

export async function markRetired(
  tx: Tx,
  project: string,
  id: string,
  tombstone: { readonly atMs: number; readonly reason: string },
): Promise<void> {
  await sql`update catalog_version set meta = 'null', retired_at_ms = ${tombstone.atMs}, retired_reason = ${tombstone.reason}
    where project = ${project} and id = ${id}`.execute(tx);
}

const EdgeRows = z.array(z.object({ parent: z.string(), child: z.string(), role: z.string() }));

/** The edges one step up or down from some versions; at most `limit`. */
export async function listEdges(
  db: Db,
  project: string,
  step: { readonly from: readonly string[]; readonly direction: 'up' | 'down'; readonly limit: number },
): Promise<LineageEdge[]> {
  const end = sql.ref(step.direction === 'up' ? 'child' : 'parent');
  const { rows } = await sql`select parent, child, role from catalog_parent
    where project = ${project} and ${end} = any(${[...step.from]}::text[])
    order by child, parent, role limit ${step.limit}`.execute(db);
  return EdgeRows.parse(rows);
}

const AliasRows = z.array(z.object({ version: z.string(), alias: z.string() }));

export async function listAliases(db: Db, project: string, ids: readonly string[]): Promise<{ version: string; alias: string }[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql`select version, alias from catalog_alias
    where project = ${project} and version = any(${[...ids]}::text[]) order by version, alias`.execute(db);
  return AliasRows.parse(rows);
}

/** Points the alias at a version. @returns the version it pointed at before. */
export async function upsertAlias(
  tx: Tx,
  { project, kind, name }: Named,
  row: { readonly alias: string; readonly version: string; readonly principal: string; readonly atMs: number },
): Promise<string | null> {
  const { rows } = await sql`select version, alias from catalog_alias
    where project = ${project} and kind = ${kind} and name = ${name} and alias = ${row.alias}`.execute(tx);
  const before = AliasRows.parse(rows)[0]?.version ?? null;
  await sql`insert into catalog_alias (project, kind, name, alias, version, principal, set_at_ms)
    values (${project}, ${kind}, ${name}, ${row.alias}, ${row.version}, ${row.principal}, ${row.atMs})
    on conflict (project, kind, name, alias)
    do update set version = excluded.version, principal = excluded.principal, set_at_ms = excluded.set_at_ms`.execute(tx);
  return before;
}

/** Removes an alias, if it points at `version` when one is given. @returns the version it pointed at, if it was removed. */
export async function deleteAlias(
  tx: Tx,
  { project, kind, name }: Named,
  target: { readonly alias: string; readonly version: string | undefined },
): Promise<string | undefined> {
  const atVersion = target.version === undefined ? sql`` : sql`and version = ${target.version}`;
  const { rows } = await sql`delete from catalog_alias
    where project = ${project} and kind = ${kind} and name = ${name} and alias = ${target.alias} ${atVersion}
    returning version, alias`.execute(tx);
  return AliasRows.parse(rows)[0]?.version;
}

/** Removes every alias of a version. @returns their names. */
export async function deleteAliasesOf(tx: Tx, project: string, version: string): Promise<string[]> {
  const { rows } = await sql`delete from catalog_alias
    where project = ${project} and version = ${version} returning version, alias`.execute(tx);
  return AliasRows.parse(rows)
    .map((row) => row.alias)
    .toSorted();
}

/** Whether a version that was not retired names a text in its meta. */
export async function mentions(db: Db | Tx, project: string, text: string): Promise<boolean> {
  const { rows } = await sql`select 1 from catalog_version
    where project = ${project} and retired_at_ms is null and strpos(meta, ${text}) > 0 limit 1`.execute(db);
  return rows.length > 0;
}
