import { defineRoute, toRfc3339, type Capability, type Route } from '@slipway/kernel';
import type { Audit, AuditEvent } from './audit.ts';
import {
  AuditEventsQuery,
  AuditEventsReply,
  AuditVerificationReply,
  ChangesQuery,
  ChangesReply,
  type AuditEventBody,
  type ChangeBody,
} from './contract.ts';
import { migrations } from './migrations.ts';

/** The tables alone, for tests that need them before there is an {@link Audit}. */
export const auditSchema: Pick<Capability, 'name' | 'migrations'> = { name: 'audit', migrations };

/** What audit brings to the house: its tables and routes. */
export function auditCapability(audit: Audit): Capability {
  return { ...auditSchema, routes: [eventsRoute(audit), verifyRoute(audit), changesRoute(audit)] };
}

function eventsRoute(audit: Audit): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/audit/events',
    permission: 'audit.read',
    summary: 'List audit events in order',
    query: AuditEventsQuery,
    response: AuditEventsReply,
    async handle({ project, query }) {
      const { after, limit, type } = query;
      const events = await audit.list(project, type === undefined ? { afterSeq: after, limit } : { afterSeq: after, limit, type });
      return { items: events.map(toEventBody), nextAfter: events.at(-1)?.seq ?? after };
    },
  });
}

function verifyRoute(audit: Audit): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/audit/verify',
    permission: 'audit.read',
    summary: "Recompute every hash of the project's audit log",
    response: AuditVerificationReply,
    async handle({ project, signal }) {
      const { ok, events, problems, heads } = await audit.verify(project, { signal });
      return { ok, events, problems: [...problems], heads: [...heads] };
    },
  });
}

function changesRoute(audit: Audit): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/changes',
    permission: 'project.read',
    summary: 'Wait for what changes in the project',
    query: ChangesQuery,
    response: ChangesReply,
    async handle({ project, query, signal }) {
      const { after, limit, waitMs } = query;
      const events = await audit.changes(project, { afterSeq: after, limit, waitMs, signal });
      return { items: events.map(toChangeBody), nextAfter: events.at(-1)?.seq ?? after };
    },
  });
}

function toChangeBody(event: AuditEvent): ChangeBody {
  const { project, seq, id, type, principal, subject, atMs, payloadHash, hash } = event;
  return { project, seq, id, type, principal, subject, at: toRfc3339(atMs), payloadHash, hash };
}

function toEventBody(event: AuditEvent): AuditEventBody {
  return { ...toChangeBody(event), data: event.data, erased: event.erased };
}
