import { type Capability, defineRoute } from '@slipway/kernel';
import type { Workflows } from '@slipway/workflows';
import { z } from 'zod';
import { batchRoutes } from './batch/batch-routes.ts';
import { type BatchDeps, batchWorkflow } from './batch/batch-workflow.ts';
import { LaunchRequest, LaunchStarted, ResolvedLaunch } from './contract.ts';
import type { Launches } from './launch-service.ts';
import { modelLaunchRoutes } from './imported/import-service.ts';
import { modelLaunchWorkflow } from './imported/import-workflow.ts';
import { reportRoutes } from './report-routes.ts';
import { launchWorkflow } from './launch-workflow.ts';
import { evidenceWorkflow } from './retrain/evidence-workflow.ts';
import type { RetrainServiceDeps, Retrainings } from './retrain/retrain-service.ts';
import { retrainJob, retrainRoutes, retrainWorkflow } from './retrain/retrain-workflow.ts';
import { migrations } from './migrations.ts';

/** Launches over HTTP, the workflow behind them, and the reports they leave. */
export function projectCapability(
  deps: RetrainServiceDeps,
  { launches, retrainings }: { readonly launches: Launches; readonly retrainings: Retrainings },
  workflows: Workflows,
  batch: BatchDeps,
): Capability {
  return {
    name: 'project',
    migrations,
    workflows: [launchWorkflow(deps), modelLaunchWorkflow(deps), batchWorkflow(batch), retrainWorkflow(deps), evidenceWorkflow(deps)],
    jobs: [retrainJob(retrainings)],
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
      ...retrainRoutes(retrainings),
      ...modelLaunchRoutes(deps, workflows),
      ...batchRoutes(batch, workflows),
      ...reportRoutes(deps),
    ],
  };
}
