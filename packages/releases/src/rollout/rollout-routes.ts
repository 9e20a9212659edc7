import { Name, PageQuery, type Permission, type Route, defineRoute } from '@slipway/kernel';
import { z } from 'zod';
import { Rollout, RolloutPage, RolloutReason, RolloutRequest } from './contract.ts';
import type { RolloutAction, Rollouts } from './rollout-service.ts';

const NameParams = z.object({ name: Name });

const ACTIONS: Readonly<Record<RolloutAction, { permission: Permission; summary: string }>> = {
  pause: { permission: 'release.rollback', summary: 'Hold a rollout where it is; what is worse is still rolled back.' },
  resume: { permission: 'release.write', summary: 'Let a paused rollout go on.' },
  approve: { permission: 'release.approve', summary: 'Say yes to a rollout that waits for a person.' },
  promote: { permission: 'release.write', summary: 'Give the candidate all traffic now, whatever the evidence.' },
  abort: { permission: 'release.rollback', summary: 'Give the champion all traffic back and end the rollout.' },
};

/** Rollouts over HTTP. */
export function rolloutRoutes(rollouts: Rollouts): Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/v1/releases/{name}/rollouts',
      permission: 'release.write',
      summary: 'Begin a rollout: shadow, canary or A/B, judged by always-valid statistics, as a durable run.',
      params: NameParams,
      body: RolloutRequest,
      response: Rollout,
      successStatus: 201,
      idempotent: true,
      handle: ({ project, params, body, principal }) => rollouts.start(project, params.name, body, principal),
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/rollouts',
      permission: 'project.read',
      summary: 'The rollouts of all releases of the project, the newest first.',
      query: PageQuery,
      response: RolloutPage,
      handle: async ({ project, query: { cursor, limit } }) => {
        const page = await rollouts.list(project, { limit, ...(cursor === undefined ? {} : { cursor }) });
        return { items: [...page.items], nextCursor: page.nextCursor };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/releases/{name}/rollouts',
      permission: 'project.read',
      summary: 'The rollouts of a release, the newest first.',
      params: NameParams,
      query: PageQuery,
      response: RolloutPage,
      handle: async ({ project, params, query: { cursor, limit } }) => {
        const page = await rollouts.list(project, { release: params.name, limit, ...(cursor === undefined ? {} : { cursor }) });
        return { items: [...page.items], nextCursor: page.nextCursor };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/releases/{name}/rollout',
      permission: 'project.read',
      summary: 'The rollout that a release is in, or was in last, with its latest look at the evidence.',
      params: NameParams,
      response: Rollout,
      handle: ({ project, params }) => rollouts.latest(project, params.name),
    }),
    ...(Object.keys(ACTIONS) as RolloutAction[]).map((action) =>
      defineRoute({
        method: 'POST',
        path: `/v1/releases/{name}/rollout/${action}`,
        permission: ACTIONS[action].permission,
        summary: ACTIONS[action].summary,
        params: NameParams,
        body: RolloutReason,
        response: Rollout,
        handle: ({ project, params, body, principal }) =>
          rollouts.act(project, params.name, action, { principal: principal.id, reason: body.reason }),
      }),
    ),
  ];
}
