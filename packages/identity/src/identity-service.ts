import type { Audit } from '@slipway/audit';
import {
  InvalidError,
  Name,
  Redacted,
  isId,
  type Clock,
  type Ids,
  type Page,
  type Principal,
  type RandomBytes,
  type Role,
} from '@slipway/kernel';
import type { Records, Tx } from '@slipway/records';
import { Authenticator } from './authenticator.ts';
import { ROTATION_GRACE_SECONDS_DEFAULT, ROTATION_GRACE_SECONDS_MAX } from './contract.ts';
import { roleContains } from './decide.ts';
import { IdentityLimitError, KeyNotFoundError, KeyStateError, ProjectExistsError, ProjectNotFoundError, ScopeError } from './errors.ts';
import * as store from './identity-store.ts';
import type { KeyRecord, PrincipalRecord, Project } from './identity-store.ts';
import { checkAdminKey, createKeyText, hashKey, keyHint } from './key-format.ts';

const DAY_MS = 24 * 3_600_000;
/** Every key expires; this is when nobody says when. */
export const KEY_LIFETIME_DEFAULT_MS = 90 * DAY_MS;
export const KEY_LIFETIME_MAX_MS = 366 * DAY_MS;
/** The first admin key opens a fresh installation and has nobody to renew it. */
export const ADMIN_KEY_LIFETIME_MS = 10 * 366 * DAY_MS;
export const LIVE_KEYS_PER_PROJECT_LIMIT = 1_000;
export const PROJECTS_LIMIT = 10_000;
export const DEFAULT_PROJECT_NAME = 'default';

/** The part of the audit log that identity needs. */
export type AuditPort = Pick<Audit, 'append'>;

export interface IdentityDeps {
  readonly records: Records;
  readonly audit: AuditPort;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: RandomBytes;
}

export interface Bootstrap {
  /** Id of the project `default`. */
  readonly project: string;
  /** The instance admin, for what the process does on its own account. */
  readonly admin: Principal;
  readonly firstStart: boolean;
  /** The generated admin key, only at a first start without a given key; show it once. */
  readonly createdKey: Redacted | null;
  /** Whether the given key is a key of this store; null when none was given. Lets a start warn about a stale SLIPWAY_KEY. */
  readonly givenKeyWorks: boolean | null;
}

export interface CreatedKey {
  readonly key: Redacted;
  readonly info: KeyRecord;
}

export interface CreateKeyRequest {
  readonly project: string;
  readonly role: Role;
  readonly label: string;
  readonly expiresAtMs?: number | undefined;
}

export interface RotateKeyRequest {
  readonly project: string;
  readonly key: string;
  /** How long the old key goes on working. */
  readonly graceMs?: number | undefined;
  readonly expiresAtMs?: number | undefined;
}

/** Projects, keys and who is calling. `by` is always the principal on whose account the change is audited. */
export interface Identity {
  bootstrap(options: { readonly adminKey?: string | undefined }): Promise<Bootstrap>;
  authenticate(key: string): Promise<Principal>;
  authenticateCached(key: string): Principal | undefined;
  createProject(request: { readonly name: string }, by: Principal): Promise<Project>;
  listProjects(page: { readonly cursor?: string | undefined; readonly limit: number }): Promise<Page<Project>>;
  /** @throws {ProjectNotFoundError} */
  resolveProject(idOrName: string): Promise<Project>;
  createKey(request: CreateKeyRequest, by: Principal): Promise<CreatedKey>;
  listKeys(project: string, page: { readonly cursor?: string | undefined; readonly limit: number }): Promise<Page<KeyRecord>>;
  revokeKey(request: { readonly project: string; readonly key: string }, by: Principal): Promise<KeyRecord>;
  rotateKey(request: RotateKeyRequest, by: Principal): Promise<CreatedKey>;
  /** Writes the times of last use collected in memory. */
  flushLastUsed(): Promise<void>;
}

export function createIdentity(deps: IdentityDeps): Identity {
  const authenticator = new Authenticator(deps.records, deps.clock, (key) => auditReuse(deps, key));
  return {
    bootstrap: (options) => bootstrap(deps, options.adminKey),
    authenticate: (key) => authenticator.authenticate(key),
    authenticateCached: (key) => authenticator.authenticateCached(key),
    createProject: (request, by) => createProject(deps, request.name, by),
    listProjects: (page) => listProjects(deps, page),
    async resolveProject(idOrName) {
      const project = await store.findProject(deps.records.db, idOrName);
      if (!project) throw projectNotFound(idOrName);
      return project;
    },
    createKey: (request, by) => createKey(deps, request, by),
    listKeys: (project, page) => listKeys(deps, project, page),
    async revokeKey(request, by) {
      const key = await revokeKey(deps, request, by);
      authenticator.forget(key.principal);
      return key;
    },
    async rotateKey(request, by) {
      const created = await rotateKey(deps, request, by);
      authenticator.forget(created.info.principal);
      return created;
    },
    flushLastUsed: () => authenticator.flushLastUsed(),
  };
}

function projectNotFound(idOrName: string): ProjectNotFoundError {
  return new ProjectNotFoundError(`There is no project "${idOrName}" here.`, { details: { project: idOrName } });
}

async function bootstrap(deps: IdentityDeps, adminKey: string | undefined): Promise<Bootstrap> {
  if (adminKey !== undefined) checkAdminKey(adminKey);
  const { records } = deps;
  return records.transaction(async (tx) => {
    await store.lockIdentity(tx);
    const admin = await store.findInstancePrincipal(tx);
    if (admin) {
      const found = adminKey === undefined ? undefined : await store.findKeyByHash(tx, hashKey(adminKey));
      const works = found !== undefined && found.key.revokedAtMs === null && found.key.expiresAtMs > deps.clock.nowMs();
      return { project: admin.project, admin, firstStart: false, createdKey: null, givenKeyWorks: adminKey === undefined ? null : works };
    }
    return firstStart(deps, tx, adminKey);
  });
}

async function firstStart(deps: IdentityDeps, tx: Tx, adminKey: string | undefined): Promise<Bootstrap> {
  const nowMs = deps.clock.nowMs();
  const admin: PrincipalRecord = {
    id: deps.ids.next('principal'),
    project: deps.ids.next('project'),
    role: 'admin',
    instance: true,
    label: 'first admin',
  };
  await saveProject(deps, tx, { id: admin.project, name: DEFAULT_PROJECT_NAME, createdAtMs: nowMs }, admin.id);
  await store.insertPrincipal(tx, admin, admin.id, nowMs);
  const text = adminKey ?? createKeyText(deps.random);
  await saveKey(deps, tx, { principal: admin, text, expiresAtMs: nowMs + ADMIN_KEY_LIFETIME_MS, by: admin.id });
  return {
    project: admin.project,
    admin,
    firstStart: true,
    createdKey: adminKey === undefined ? new Redacted(text) : null,
    givenKeyWorks: adminKey === undefined ? null : true,
  };
}

async function saveProject(deps: IdentityDeps, tx: Tx, project: Project, by: string): Promise<void> {
  await store.insertProject(tx, project, by);
  await deps.audit.append(tx, project.id, {
    type: 'identity.project.created',
    principal: by,
    subject: { kind: 'project', id: project.id },
    data: { name: project.name },
  });
}

async function saveKey(
  deps: IdentityDeps,
  tx: Tx,
  request: { principal: PrincipalRecord; text: string; expiresAtMs: number; by: string; replaces?: string },
): Promise<KeyRecord> {
  const { principal, text, expiresAtMs, by } = request;
  const id = deps.ids.next('key');
  const createdAtMs = deps.clock.nowMs();
  const hint = keyHint(text);
  const key = { id, project: principal.project, principal: principal.id, sha256: hashKey(text), hint, createdAtMs, expiresAtMs };
  await store.insertKey(tx, key, by);
  await deps.audit.append(tx, principal.project, {
    type: 'identity.key.created',
    principal: by,
    subject: { kind: 'key', id },
    data: {
      principal: principal.id,
      role: principal.role,
      instance: principal.instance,
      label: principal.label,
      expiresAt: new Date(expiresAtMs).toISOString(),
      replaces: request.replaces ?? null,
    },
  });
  const { role, instance, label, project } = principal;
  return {
    id,
    project,
    principal: principal.id,
    role,
    instance,
    label,
    hint,
    createdAtMs,
    expiresAtMs,
    lastUsedAtMs: null,
    revokedAtMs: null,
    rotatedAtMs: null,
    replacedBy: null,
  };
}

async function createProject(deps: IdentityDeps, name: string, by: Principal): Promise<Project> {
  if (!by.instance) throw new ScopeError('Only an instance admin may make projects.');
  if (!Name.safeParse(name).success || isId('project', name)) {
    throw new InvalidError(`"${name}" is no valid project name.`, {
      details: { field: 'name' },
      help: 'Use 1 to 64 of a-z, 0-9, dot, dash.',
    });
  }
  return deps.records.transaction(async (tx) => {
    await store.lockIdentity(tx);
    if (await store.findProject(tx, name)) throw new ProjectExistsError(`There is a project "${name}" already.`, { details: { name } });
    if ((await store.countProjects(tx)) >= PROJECTS_LIMIT) throw new IdentityLimitError(`There are ${PROJECTS_LIMIT} projects already.`);
    const project = { id: deps.ids.next('project'), name, createdAtMs: deps.clock.nowMs() };
    await saveProject(deps, tx, project, by.id);
    return project;
  });
}

async function listProjects(deps: IdentityDeps, page: { cursor?: string | undefined; limit: number }): Promise<Page<Project>> {
  const rows = await store.listProjects(deps.records.db, page.cursor ?? '', page.limit + 1);
  const items = rows.slice(0, page.limit);
  return { items, nextCursor: rows.length > page.limit ? (items.at(-1)?.name ?? null) : null };
}

async function listKeys(
  deps: IdentityDeps,
  project: string,
  page: { cursor?: string | undefined; limit: number },
): Promise<Page<KeyRecord>> {
  if (page.cursor !== undefined && !isId('key', page.cursor)) {
    throw new InvalidError('The cursor is not one that this list gave out.', {
      details: { field: 'cursor' },
      help: 'Begin again without a cursor, or give the nextCursor of the last page.',
    });
  }
  const rows = await store.listKeys(deps.records.db, project, page.cursor, page.limit + 1);
  const items = rows.slice(0, page.limit);
  return { items, nextCursor: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null };
}

/** An expiry in the future and not beyond the longest life of a key. @throws {InvalidError} naming expiresAt. */
function decideExpiry(nowMs: number, wantedMs: number | undefined, lifetimeMaxMs: number): number {
  const expiresAtMs = wantedMs ?? nowMs + Math.min(KEY_LIFETIME_DEFAULT_MS, lifetimeMaxMs);
  if (!(expiresAtMs > nowMs && expiresAtMs <= nowMs + lifetimeMaxMs)) {
    throw new InvalidError(`expiresAt must lie in the future and at most ${lifetimeMaxMs / DAY_MS} days ahead.`, {
      details: { field: 'expiresAt', maximum: new Date(nowMs + lifetimeMaxMs).toISOString() },
    });
  }
  return expiresAtMs;
}

function checkScope(by: Principal, project: string, wanted: { role: Role; instance: boolean }): void {
  if (by.project !== project && !by.instance) throw projectNotFound(project);
  const contained = roleContains(by.role, wanted.role) && (by.instance || !wanted.instance);
  if (contained) return;
  const what = wanted.instance ? 'instance admin' : wanted.role;
  throw new ScopeError(`A key of role ${by.role} may not make, rotate or revoke one of role ${what}.`, {
    details: { role: by.role, wanted: what },
    help: 'Ask somebody whose key has at least those rights.',
  });
}

async function createKey(deps: IdentityDeps, request: CreateKeyRequest, by: Principal): Promise<CreatedKey> {
  checkScope(by, request.project, { role: request.role, instance: false });
  const expiresAtMs = decideExpiry(deps.clock.nowMs(), request.expiresAtMs, KEY_LIFETIME_MAX_MS);
  const text = createKeyText(deps.random);
  const info = await deps.records.transaction(async (tx) => {
    await store.lockIdentity(tx);
    if (!(await store.findProject(tx, request.project))) throw projectNotFound(request.project);
    if ((await store.countLiveKeys(tx, request.project, deps.clock.nowMs())) >= LIVE_KEYS_PER_PROJECT_LIMIT) {
      throw new IdentityLimitError(`The project has ${LIVE_KEYS_PER_PROJECT_LIMIT} working keys already.`, {
        help: 'Revoke keys that nobody uses.',
      });
    }
    const { project, role, label } = request;
    const principal: PrincipalRecord = { id: deps.ids.next('principal'), project, role, instance: false, label };
    await store.insertPrincipal(tx, principal, by.id, deps.clock.nowMs());
    return saveKey(deps, tx, { principal, text, expiresAtMs, by: by.id });
  });
  return { key: new Redacted(text), info };
}

async function findKeyOrThrow(tx: Tx, project: string, id: string): Promise<KeyRecord> {
  const key = await store.findKey(tx, project, id);
  if (!key) throw new KeyNotFoundError(`There is no key ${id} in this project.`, { details: { key: id } });
  return key;
}

async function revokeKey(deps: IdentityDeps, request: { project: string; key: string }, by: Principal): Promise<KeyRecord> {
  return deps.records.transaction(async (tx) => {
    await store.lockIdentity(tx);
    const key = await findKeyOrThrow(tx, request.project, request.key);
    checkScope(by, request.project, key);
    if (key.revokedAtMs !== null) return key;
    const nowMs = deps.clock.nowMs();
    const usable = key.expiresAtMs > nowMs && key.rotatedAtMs === null;
    if (key.instance && usable && (await store.countOtherInstanceKeys(tx, key.id, nowMs)) === 0) {
      throw new KeyStateError('This is the last key of an instance admin; revoking it would lock everybody out.', {
        details: { key: key.id },
        help: `Rotate it instead: POST /v1/keys/${key.id}/rotate.`,
      });
    }
    await store.markRevoked(tx, request.project, key.id, nowMs);
    await deps.audit.append(tx, request.project, {
      type: 'identity.key.revoked',
      principal: by.id,
      subject: { kind: 'key', id: key.id },
      data: { principal: key.principal, label: key.label },
    });
    return { ...key, revokedAtMs: nowMs };
  });
}

async function rotateKey(deps: IdentityDeps, request: RotateKeyRequest, by: Principal): Promise<CreatedKey> {
  const graceMs = request.graceMs ?? ROTATION_GRACE_SECONDS_DEFAULT * 1_000;
  if (!(graceMs >= 0 && graceMs <= ROTATION_GRACE_SECONDS_MAX * 1_000)) {
    throw new InvalidError(`graceSeconds must lie in 0..${ROTATION_GRACE_SECONDS_MAX}.`, { details: { field: 'graceSeconds' } });
  }
  const text = createKeyText(deps.random);
  const info = await deps.records.transaction(async (tx) => {
    await store.lockIdentity(tx);
    const old = await findKeyOrThrow(tx, request.project, request.key);
    checkScope(by, request.project, old);
    const nowMs = deps.clock.nowMs();
    if (old.revokedAtMs !== null || old.rotatedAtMs !== null || old.expiresAtMs <= nowMs) {
      throw new KeyStateError('Only a working key that has not been rotated yet can be rotated.', {
        details: { key: old.id, replacedBy: old.replacedBy },
        help: 'Make a new key with POST /v1/keys.',
      });
    }
    const lifetimeMs = old.instance ? ADMIN_KEY_LIFETIME_MS : KEY_LIFETIME_MAX_MS;
    const wantedMs = request.expiresAtMs ?? (old.instance ? nowMs + ADMIN_KEY_LIFETIME_MS : undefined);
    const expiresAtMs = decideExpiry(nowMs, wantedMs, lifetimeMs);
    const principal: PrincipalRecord = { ...old, id: old.principal };
    const fresh = await saveKey(deps, tx, { principal, text, expiresAtMs, by: by.id, replaces: old.id });
    const oldEndsMs = Math.min(old.expiresAtMs, nowMs + graceMs);
    await store.markRotated(tx, { project: old.project, id: old.id, replacedBy: fresh.id, rotatedAtMs: nowMs, expiresAtMs: oldEndsMs });
    await deps.audit.append(tx, old.project, {
      type: 'identity.key.rotated',
      principal: by.id,
      subject: { kind: 'key', id: old.id },
      data: { principal: old.principal, replacedBy: fresh.id, worksUntil: new Date(oldEndsMs).toISOString() },
    });
    return fresh;
  });
  return { key: new Redacted(text), info };
}

/** Somebody used a key that is dead: a left-over configuration, or a stolen key. The log should know. */
async function auditReuse(deps: IdentityDeps, key: KeyRecord): Promise<void> {
  await deps.records.transaction((tx) =>
    deps.audit.append(tx, key.project, {
      type: 'identity.key.reused',
      principal: key.principal,
      subject: { kind: 'key', id: key.id },
      data: { state: key.revokedAtMs === null ? 'rotated' : 'revoked', replacedBy: key.replacedBy },
    }),
  );
}
