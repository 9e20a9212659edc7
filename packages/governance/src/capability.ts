import { type Capability, PageQuery, defineRoute } from '@slipway/kernel';
import { z } from 'zod';
import { ErasurePage, ErasureReceipt, ErasureRequest } from './contract.ts';
import type { Erasures } from './erasure-service.ts';
import { type ErasureDeps, erasureWorkflow } from './erasure-workflow.ts';
import { migrations } from './migrations.ts';
import { type Retention, retentionJob, retentionRoutes } from './retention/retention.ts';

/** The tables alone. */
export const governanceSchema: Pick<Capability, 'name' | 'migrations'> = { name: 'governance', migrations };

/** Erasure and retention: tables, workflow, job and routes. */
export function governanceCapability(deps: ErasureDeps, erasures: Erasures, retention: Retention): Capability {
  return {
    ...governanceSchema,
    workflows: [erasureWorkflow(deps)],
    jobs: [retentionJob(retention)],
    routes: [
      ...retentionRoutes(retention),
      defineRoute({
        method: 'POST',
        path: '/v1/erasures',
        permission: 'subject.erase',
        summary: "Remove a person's dataset rows, calls and outcomes; replies with the receipt.",
        body: ErasureRequest,
        response: ErasureReceipt,
        handle: ({ project, principal, body, signal }) => erasures.erase(project, principal, body.subject, signal),
      }),
      defineRoute({
        method: 'GET',
        path: '/v1/erasures',
        permission: 'audit.read',
        summary: 'List receipts, newest first.',
        query: PageQuery,
        response: ErasurePage,
        async handle({ project, query: { cursor, limit } }) {
          const page = await erasures.list(project, { limit, ...(cursor === undefined ? {} : { cursor }) });
          return { items: [...page.items], nextCursor: page.nextCursor };
        },
      }),
      defineRoute({
        method: 'GET',
        path: '/v1/erasures/{erasure}',
        permission: 'audit.read',
        summary: 'One receipt.',
        params: z.object({ erasure: z.string() }),
        response: ErasureReceipt,
        handle: ({ project, params }) => erasures.get(project, params.erasure),
      }),
    ],
  };
}
