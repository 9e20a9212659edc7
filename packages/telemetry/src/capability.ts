import { type Capability, type Route, RawReply, defineRoute } from '@slipway/kernel';
import { z } from 'zod';
import {
  InvocationDetail,
  InvocationPage,
  InvocationQuery,
  OutcomesReply,
  OutcomesRequest,
  toInvocationView,
  toOutcomeView,
} from './contract.ts';
import { MAINTENANCE_EVERY_MS } from './limits.ts';
import { METRICS_CONTENT_TYPE } from './metrics-registry.ts';
import { migrations } from './migrations.ts';
import { resolveOutcomes } from './resolve-outcomes.ts';
import type { Telemetry } from './telemetry.ts';

/** The tables alone, for tests that need them before there is a {@link Telemetry}. */
export const telemetrySchema: Pick<Capability, 'name' | 'migrations'> = { name: 'telemetry', migrations };

/** What telemetry brings to the house: tables, routes and the maintenance job. */
export function telemetryCapability(telemetry: Telemetry): Capability {
  return {
    ...telemetrySchema,
    routes: [listRoute(telemetry), getRoute(telemetry), outcomesRoute(telemetry), metricsRoute(telemetry)],
    jobs: [{ name: 'telemetry.maintain', everyMs: MAINTENANCE_EVERY_MS, run: (signal) => telemetry.maintain(signal) }],
  };
}

function listRoute(telemetry: Telemetry): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/invocations',
    permission: 'invocation.read',
    summary: 'Lists recorded calls, the newest first',
    query: InvocationQuery,
    response: InvocationPage,
    async handle({ project, query: { from, to, ...query } }) {
      const page = await telemetry.listInvocations(project, { ...query, fromMs: from, toMs: to });
      return { items: page.items.map(toInvocationView), nextCursor: page.nextCursor };
    },
  });
}

function getRoute(telemetry: Telemetry): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/invocations/{invocation}',
    permission: 'invocation.read',
    summary: 'Shows one recorded call and its outcomes',
    params: z.object({ invocation: z.string().max(64) }),
    response: InvocationDetail,
    async handle({ project, params }) {
      const { invocation, outcomes } = await telemetry.getInvocation(project, params.invocation);
      const standing = new Set(resolveOutcomes(outcomes).map((outcome) => outcome.id));
      return {
        invocation: toInvocationView(invocation),
        outcomes: outcomes.map((outcome) => toOutcomeView(outcome, standing.has(outcome.id))),
      };
    },
  });
}

function outcomesRoute(telemetry: Telemetry): Route {
  return defineRoute({
    method: 'POST',
    path: '/v1/outcomes',
    permission: 'outcome.write',
    summary: 'Says what turned out to be true of recorded calls',
    body: OutcomesRequest,
    response: OutcomesReply,
    // Each outcome has a key of its own, so repeating the call is harmless without an Idempotency-Key.
    handle: ({ project, body }) => telemetry.appendOutcomes(project, body.outcomes),
  });
}

function metricsRoute(telemetry: Telemetry): Route {
  return defineRoute({
    method: 'GET',
    path: '/metrics',
    permission: 'project.read',
    summary: 'Metrics of this process in the Prometheus text format',
    response: z.string(),
    async handle({ principal, project }) {
      // Numbers of other projects are shown to instance keys only.
      const text = telemetry.metrics.render(principal.instance ? undefined : project);
      return new RawReply(text, { contentType: METRICS_CONTENT_TYPE });
    },
  });
}
