import { defineRoute, type Capability, type Route } from '@slipway/kernel';
import {
  RunEventPage,
  RunEventsQuery,
  RunListQuery,
  RunPage,
  RunParams,
  RunReply,
  SignalBody,
  SignalParams,
  SignalReply,
} from './contract.ts';
import { migrations } from './migrations.ts';
import { eventReply, runReply, runStream } from './run-stream.ts';
import type { Workflows } from './workflows.ts';

/** The tables alone, for tests that need them before there are {@link Workflows}. */
export const workflowsSchema: Pick<Capability, 'name' | 'migrations'> = { name: 'workflows', migrations };

/** What workflows bring to the house: their tables and the routes over runs. */
export function workflowsCapability(workflows: Workflows): Capability {
  return { ...workflowsSchema, routes: [...readRoutes(workflows), ...changeRoutes(workflows)] };
}

function readRoutes(workflows: Workflows): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/runs',
      permission: 'project.read',
      summary: 'List runs, newest first',
      query: RunListQuery,
      response: RunPage,
      handle: async ({ project, query }) => {
        const page = await workflows.list(project, query);
        return { items: page.items.map(runReply), nextCursor: page.nextCursor };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/runs/{run}',
      permission: 'project.read',
      summary: 'Show a run',
      params: RunParams,
      response: RunReply,
      handle: async ({ project, params }) => runReply(await workflows.get(project, params.run)),
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/runs/{run}/events',
      permission: 'project.read',
      summary: 'List the progress of a run, or stream it live as server-sent events',
      params: RunParams,
      query: RunEventsQuery,
      response: RunEventPage,
      handle: async ({ project, params, query, header, signal }) => {
        if (query.stream === '1' || header('accept')?.includes('text/event-stream')) {
          return streamRun(workflows, { project, run: params.run, after: lastEventId(header('last-event-id')) ?? query.after, signal });
        }
        const events = await workflows.events(project, params.run, { afterSeq: query.after, limit: query.limit });
        return { items: events.map(eventReply), nextAfter: events.at(-1)?.seq ?? query.after };
      },
    }),
  ];
}

async function streamRun(workflows: Workflows, request: { project: string; run: string; after: number; signal: AbortSignal }) {
  // Before the stream begins, so that an unknown run is a 404 and not a broken stream.
  await workflows.get(request.project, request.run);
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, request.signal]);
  return runStream(workflows.follow(request.project, request.run, { afterSeq: request.after, signal }), stop);
}

/** What a browser sends when it reconnects. */
function lastEventId(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function changeRoutes(workflows: Workflows): Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/v1/runs/{run}/cancel',
      permission: 'run.write',
      summary: 'Cancel a run and the runs it started',
      params: RunParams,
      bodyKind: 'none',
      response: RunReply,
      handle: async ({ project, params, principal }) => runReply(await workflows.cancel(project, params.run, principal)),
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/runs/{run}/retry',
      permission: 'run.write',
      summary: 'Continue a failed or cancelled run after its last finished step',
      params: RunParams,
      bodyKind: 'none',
      response: RunReply,
      successStatus: 202,
      handle: async ({ project, params, principal }) => runReply(await workflows.retry(project, params.run, principal)),
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/runs/{run}/signals/{name}',
      permission: 'run.write',
      summary: 'Give a value to a run that waits for it',
      params: SignalParams,
      body: SignalBody,
      response: SignalReply,
      successStatus: 202,
      handle: async ({ project, params, body }) => {
        await workflows.signal(project, params.run, params.name, body.value ?? null);
        return { accepted: true as const };
      },
    }),
  ];
}
