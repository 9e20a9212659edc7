import { EvaluationReport } from '@slipway/evaluation/contract';
import { type Capability, NotFoundError, RawReply, defineRoute } from '@slipway/kernel';
import { z } from 'zod';
import { LaunchRequest, LaunchStarted, ResolvedLaunch } from './contract.ts';
import { getJson } from './json-object.ts';
import type { LaunchDeps } from './launch-deps.ts';
import type { Launches } from './launch-service.ts';
import { ReportMeta } from './launch-state.ts';
import { launchWorkflow } from './launch-workflow.ts';
import { migrations } from './migrations.ts';

const MARKDOWN_LIMIT_BYTES = 16 * 1024 * 1024;

/** Launches over HTTP, the workflow behind them, and the reports they leave. */
export function projectCapability(deps: LaunchDeps, launches: Launches): Capability {
  return {
    name: 'project',
    migrations,
    workflows: [launchWorkflow(deps)],
    routes: [
      defineRoute({
        method: 'POST',
        path: '/v1/launches',
        permission: 'release.write',
        summary: 'Launch: from uploaded data to a gated release, as a durable run.',
        body: LaunchRequest,
        response: LaunchStarted,
        successStatus: 202,
        idempotent: true,
        handle: ({ project, principal, body }) => launches.start(project, principal, body),
      }),
      defineRoute({
        method: 'GET',
        path: '/v1/launches/{run}/definition',
        permission: 'project.read',
        summary: 'The definition of a finished launch with everything that was chosen written out.',
        params: z.object({ run: z.string() }),
        response: ResolvedLaunch,
        handle: ({ project, params }) => launches.resolved(project, params.run),
      }),
      defineRoute({
        method: 'GET',
        path: '/v1/reports/{report}',
        permission: 'project.read',
        summary: 'An evaluation report, as JSON or (format=markdown) as text.',
        params: z.object({ report: z.string() }),
        query: z.object({ format: z.enum(['json', 'markdown']).default('json') }),
        response: EvaluationReport,
        async handle({ project, params, query }) {
          const version = await deps.catalog.get(project, params.report);
          const meta = ReportMeta.extend({ markdown: z.string() }).safeParse(version.meta);
          if (version.kind !== 'report' || !meta.success) throw new NotFoundError(`There is no report "${params.report}".`);
          if (query.format === 'json') return getJson(deps.objects, project, meta.data.report, EvaluationReport);
          const text = await deps.objects.read(project, meta.data.markdown, MARKDOWN_LIMIT_BYTES);
          return new RawReply(text, { contentType: 'text/markdown; charset=utf-8' });
        },
      }),
    ],
  };
}
