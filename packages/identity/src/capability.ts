import { PageQuery, defineRoute, toRfc3339, type Capability, type Clock, type Route } from '@slipway/kernel';
import { LAST_USED_WRITE_MS } from './authenticator.ts';
import {
  CreateKeyBody,
  CreateProjectBody,
  CreatedKeyReply,
  KeyPage,
  KeyParams,
  KeyReply,
  MeReply,
  ProjectPage,
  ProjectReply,
  RotateKeyBody,
  type KeyStatus,
} from './contract.ts';
import { permissionsOf } from './decide.ts';
import type { CreatedKey, Identity } from './identity-service.ts';
import type { KeyRecord, Project } from './identity-store.ts';
import { identityMigrations } from './migrations.ts';

/** Projects and keys over HTTP. Keys are not replayed by Idempotency-Key: that would store their secret. */
export function identityCapability(identity: Identity, clock: Clock): Capability {
  return {
    name: 'identity',
    migrations: identityMigrations,
    routes: [meRoute(identity), ...projectRoutes(identity), ...keyRoutes(identity, clock)],
    jobs: [{ name: 'identity.last-used', everyMs: LAST_USED_WRITE_MS, run: () => identity.flushLastUsed() }],
  };
}

function meRoute(identity: Identity): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/me',
    permission: 'self.read',
    summary: 'Who the key in use speaks for, and what it may do',
    response: MeReply,
    async handle({ principal }) {
      const { id, name } = await identity.resolveProject(principal.project);
      const { label, role, instance } = principal;
      return { principal: principal.id, label, role, instance, project: { id, name }, permissions: permissionsOf(principal) };
    },
  });
}

function projectRoutes(identity: Identity): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/projects',
      permission: 'instance.manage',
      summary: 'All projects of this installation',
      query: PageQuery,
      response: ProjectPage,
      async handle({ query }) {
        const { items, nextCursor } = await identity.listProjects(query);
        return { items: items.map(toProjectReply), nextCursor };
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/projects',
      permission: 'instance.manage',
      summary: 'Make a project',
      body: CreateProjectBody,
      response: ProjectReply,
      successStatus: 201,
      idempotent: true,
      handle: async ({ body, principal }) => toProjectReply(await identity.createProject(body, principal)),
    }),
  ];
}

function keyRoutes(identity: Identity, clock: Clock): Route[] {
  const reply = ({ key, info }: CreatedKey) => ({ key: key.reveal(), info: toKeyReply(info, clock.nowMs()) });
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/keys',
      permission: 'key.manage',
      summary: 'The keys of the project, newest first, without their secrets',
      query: PageQuery,
      response: KeyPage,
      async handle({ project, query }) {
        const { items, nextCursor } = await identity.listKeys(project, query);
        return { items: items.map((key) => toKeyReply(key, clock.nowMs())), nextCursor };
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/keys',
      permission: 'key.manage',
      summary: 'Make a key; its secret is in this reply and never again',
      body: CreateKeyBody,
      response: CreatedKeyReply,
      successStatus: 201,
      handle: async ({ project, principal, body }) =>
        reply(await identity.createKey({ project, role: body.role, label: body.label, expiresAtMs: toMs(body.expiresAt) }, principal)),
    }),
    defineRoute({
      method: 'DELETE',
      path: '/v1/keys/{key}',
      permission: 'key.manage',
      summary: 'Revoke a key; holds within a second on every replica',
      params: KeyParams,
      response: KeyReply,
      handle: async ({ project, principal, params }) =>
        toKeyReply(await identity.revokeKey({ project, key: params.key }, principal), clock.nowMs()),
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/keys/{key}/rotate',
      permission: 'key.manage',
      summary: 'Replace a key; the old one works until its grace is over',
      params: KeyParams,
      body: RotateKeyBody,
      response: CreatedKeyReply,
      successStatus: 201,
      handle: async ({ project, principal, params, body }) =>
        reply(
          await identity.rotateKey(
            { project, key: params.key, graceMs: body.graceSeconds * 1_000, expiresAtMs: toMs(body.expiresAt) },
            principal,
          ),
        ),
    }),
  ];
}

function toMs(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time);
}

function toProjectReply(project: Project): ProjectReply {
  return { id: project.id, name: project.name, createdAt: toRfc3339(project.createdAtMs) };
}

function statusOf(key: KeyRecord, nowMs: number): KeyStatus {
  if (key.revokedAtMs !== null) return 'revoked';
  if (key.expiresAtMs <= nowMs) return 'expired';
  return key.rotatedAtMs === null ? 'active' : 'rotated';
}

function orNull(timeMs: number | null): string | null {
  return timeMs === null ? null : toRfc3339(timeMs);
}

function toKeyReply(key: KeyRecord, nowMs: number): KeyReply {
  const { id, principal, project, role, instance, label, hint, replacedBy } = key;
  return {
    id,
    principal,
    project,
    role,
    instance,
    label,
    hint,
    status: statusOf(key, nowMs),
    createdAt: toRfc3339(key.createdAtMs),
    expiresAt: toRfc3339(key.expiresAtMs),
    lastUsedAt: orNull(key.lastUsedAtMs),
    revokedAt: orNull(key.revokedAtMs),
    replacedBy,
  };
}
