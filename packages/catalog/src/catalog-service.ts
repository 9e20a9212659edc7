import type { Audit } from '@slipway/audit';
import { PAGE_LIMIT_MAX, type Clock, type Ids, type Page } from '@slipway/kernel';
import type { Db, Records, Tx } from '@slipway/records';
import { LINEAGE_DEPTH_MAX, type Catalog, type CatalogKind, type NewVersion, type Version } from './catalog.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { checkEntry, type CheckedEntry } from './entry.ts';
import { InvalidReferenceError, ParentNotFoundError, VersionNotFoundError, VersionRetiredError } from './errors.ts';
import { walkLineage } from './lineage.ts';
import { Alias, ID_KINDS, parseReference } from './reference.ts';
import * as store from './version-store.ts';

export interface CatalogDeps {
  readonly records: Records;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
}

/** The catalog over the records. */
export function createCatalog(deps: CatalogDeps): Catalog {
  const { db } = deps.records;
  return {
    register: (tx, entry) => register(deps, tx, entry),
    findByRecipe: (project, kind, name, recipe) => store.findByRecipe(db, { project, kind, name }, recipe),
    get: (project, id) => getVersion(db, project, id),
    resolve: (project, kind, reference) => resolve(db, { project, kind, reference }),
    list: (project, query) => list(db, project, query),
    async aliases(project, ids) {
      const byVersion = Map.groupBy(await store.listAliases(db, project, ids), (row) => row.version);
      return new Map([...byVersion].map(([version, rows]) => [version, rows.map((row) => row.alias)]));
    },
    mentions: (at, project, text) => store.mentions(at, project, text),
    setAlias: (tx, project, change) => setAlias(deps, tx, { project, ...change }),
    removeAlias: (tx, project, change) => removeAlias(deps, tx, { project, ...change }),
    async lineage(project, id, direction, options = {}) {
      return walkLineage(db, await getVersion(db, project, id), direction, options.depthLimit ?? LINEAGE_DEPTH_MAX);
    },
    retire: (tx, project, id, reason, principal) => retire(deps, tx, { project, id, reason, principal }),
  };
}

/**
 * The audit head is the one lock of a registration: taken before the number is chosen, it makes numbers gapless, and
 * since there is no second lock, any number of registrations in any order in one transaction cannot deadlock.
 */
async function register(deps: CatalogDeps, tx: Tx, given: NewVersion): Promise<{ version: Version; created: boolean }> {
  const entry = checkEntry(given);
  const before = await store.findByRecipe(tx, entry, entry.recipe);
  if (before) return { version: before, created: false };
  await deps.audit.lock(tx, entry.project);
  const meanwhile = await store.findByRecipe(tx, entry, entry.recipe);
  if (meanwhile) return { version: meanwhile, created: false };
  await requireParents(tx, entry);
  const made = {
    id: deps.ids.next(ID_KINDS[entry.kind]),
    number: await store.nextNumber(tx, entry),
    createdAtMs: deps.clock.nowMs(),
  };
  await store.insertVersion(tx, entry, made);
  const { project, kind, name, recipe, content, run, principal, parents } = entry;
  await deps.audit.append(tx, project, {
    type: 'catalog.version.registered',
    principal,
    subject: { kind: 'version', id: made.id },
    data: { kind, name, number: made.number, recipe, content, run, parents },
  });
  return { version: await getVersion(tx, project, made.id), created: true };
}

async function requireParents(tx: Tx, entry: CheckedEntry): Promise<void> {
  const wanted = [...new Set(entry.parents.map((link) => link.id))];
  const found = new Set((await store.findByIds(tx, entry.project, wanted)).map((version) => version.id));
  const missing = wanted.filter((id) => !found.has(id));
  if (missing.length === 0) return;
  throw new ParentNotFoundError(`The parents of ${entry.kind} ${entry.name} include ${missing.length} that this project does not have.`, {
    details: { field: 'parents', missing: missing.slice(0, 10) },
    help: 'Register the parents first.',
  });
}

async function getVersion(db: Db, project: string, id: string): Promise<Version> {
  const version = await store.findById(db, project, id);
  if (version) return version;
  throw new VersionNotFoundError(`There is no version ${id.slice(0, 100)}.`, {
    details: { version: id.slice(0, 100) },
    help: 'List them with: slipway versions',
  });
}

async function resolve(
  db: Db,
  { project, kind, reference }: { readonly project: string; readonly kind: CatalogKind; readonly reference: string },
): Promise<Version> {
  const parsed = parseReference(reference);
  if (parsed.by === 'id') {
    const version = await store.findById(db, project, parsed.id);
    if (version?.kind === kind) return version;
    throw notFound(kind, reference);
  }
  const named = { project, kind, name: parsed.name };
  const version =
    parsed.by === 'latest'
      ? await store.findLatest(db, named)
      : parsed.by === 'alias'
        ? await store.findByAlias(db, named, parsed.alias)
        : await store.findByNumber(db, named, parsed.number);
  if (version) return version;
  throw notFound(kind, reference);
}

function notFound(kind: CatalogKind, reference: string): VersionNotFoundError {
  return new VersionNotFoundError(`There is no ${kind} ${reference}.`, {
    details: { kind, reference },
    help: 'slipway versions lists what there is.',
  });
}

async function list(
  db: Db,
  project: string,
  query: { readonly kind?: CatalogKind; readonly name?: string; readonly cursor?: string; readonly limit: number },
): Promise<Page<Version>> {
  const { kind, name, cursor, limit } = query;
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_LIMIT_MAX) {
    throw new InvalidReferenceError(`The limit must be an integer from 1 to ${PAGE_LIMIT_MAX}.`, { details: { field: 'limit' } });
  }
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const found = await store.listNewest(db, project, { kind, name, after, limit: limit + 1 });
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: found.length > limit && last ? encodeCursor(last) : null };
}

interface AliasChange extends store.Named {
  readonly alias: string;
  readonly principal: string;
}

async function setAlias(deps: CatalogDeps, tx: Tx, change: AliasChange & { readonly version: string }): Promise<void> {
  const { project, kind, name, principal } = change;
  const alias = checkAlias(change.alias);
  await deps.audit.lock(tx, project);
  const version = await getVersion(tx, project, change.version);
  if (version.kind !== kind || version.name !== name) throw notFound(kind, `${name} with the id ${version.id}`);
  if (version.retiredAtMs !== null) {
    throw new VersionRetiredError(`Version ${version.number} of ${kind} ${name} is retired; no alias can point at it.`, {
      details: { version: version.id },
    });
  }
  const before = await store.upsertAlias(tx, change, { alias, version: version.id, principal, atMs: deps.clock.nowMs() });
  if (before === version.id) return;
  await deps.audit.append(tx, project, {
    type: 'catalog.alias.set',
    principal,
    subject: { kind: 'version', id: version.id },
    data: { kind, name, alias, number: version.number, before },
  });
}

async function removeAlias(deps: CatalogDeps, tx: Tx, change: AliasChange & { readonly version?: string }): Promise<boolean> {
  const { project, kind, name, principal } = change;
  const alias = checkAlias(change.alias);
  await deps.audit.lock(tx, project);
  const before = await store.deleteAlias(tx, change, { alias, version: change.version });
  if (before === undefined) return false;
  await deps.audit.append(tx, project, {
    type: 'catalog.alias.removed',
    principal,
    subject: { kind: 'version', id: before },
    data: { kind, name, alias },
  });
  return true;
}

function checkAlias(alias: string): string {
  const parsed = Alias.safeParse(alias);
  if (parsed.success) return parsed.data;
  throw new InvalidReferenceError(`The alias is not acceptable: ${parsed.error.issues[0]?.message}.`, { details: { field: 'alias' } });
}

async function retire(
  deps: CatalogDeps,
  tx: Tx,
  {
    project,
    id,
    reason,
    principal,
  }: { readonly project: string; readonly id: string; readonly reason: string; readonly principal: string },
): Promise<Version> {
  if (reason.length === 0 || reason.length > 500) {
    throw new InvalidReferenceError('Say why the version is retired, in 1 to 500 characters.', { details: { field: 'reason' } });
  }
  await deps.audit.lock(tx, project);
  const version = await getVersion(tx, project, id);
  if (version.retiredAtMs !== null) return version;
  const aliases = await store.deleteAliasesOf(tx, project, id);
  await store.markRetired(tx, project, id, { atMs: deps.clock.nowMs(), reason });
  await deps.audit.append(tx, project, {
    type: 'catalog.version.retired',
    principal,
    subject: { kind: 'version', id },
    data: { kind: version.kind, name: version.name, number: version.number, reason, aliases },
  });
  return version;
}
