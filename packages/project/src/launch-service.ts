import { type Json, type Principal, ForbiddenError, canonicalJson, roleAllows } from '@slipway/kernel';
import { requireProvider } from '@slipway/models';
import type { Workflows } from '@slipway/workflows';
import { LaunchRequest, LaunchTask, LaunchResult, TrainerDefinition, type ResolvedLaunch } from './contract.ts';
import { LaunchNotResolvedError, UploadMissingError } from './errors.ts';
import type { LaunchDeps } from './launch-deps.ts';
import { LaunchedModelMeta } from './launch-state.ts';
import { gatesOf } from './launch-steps.ts';
import { resolvedForecast } from './forecast/resolved-forecast.ts';
import { resolvedUnsupervised } from './unsupervised/launch-unsupervised.ts';
import { LAUNCH_WORKFLOW } from './launch-workflow.ts';

export interface Launches {
  /** Starts a durable launch. @throws {UploadMissingError} when the bytes are not there. */
  start(project: string, principal: Principal, request: LaunchRequest): Promise<{ run: string }>;
  /** The definition with everything chosen written out. @throws {LaunchNotResolvedError} before the run has ended well. */
  resolved(project: string, run: string): Promise<ResolvedLaunch>;
}

export function createLaunches(deps: LaunchDeps, workflows: Workflows): Launches {
  return {
    async start(project, principal, request) {
      if (request.force && !roleAllows(principal.role, 'gate.override')) {
        throw new ForbiddenError('Releasing past a failed gate needs the permission gate.override.', {
          details: { permission: 'gate.override' },
        });
      }
      for (const file of request.test ? [request.data, request.test] : [request.data]) {
        if (await deps.objects.has(project, file.sha256)) continue;
        throw new UploadMissingError(`The bytes of "${file.fileName}" are not here.`, {
          details: { sha256: file.sha256 },
          help: 'Send them to POST /v1/uploads first.',
        });
      }
      // What this server cannot compute with is said before anything is trained for it.
      await requireProvider(request.definition.serving?.provider ?? 'cpu');
      const input = JSON.parse(canonicalJson(request)) as Json;
      const title = `launch ${request.definition.name} from ${request.data.fileName}`;
      const run = await deps.records.transaction((tx) =>
        workflows.start(tx, { project, principal, workflow: LAUNCH_WORKFLOW, input, title, provenance: provenanceOf(request) }),
      );
      return { run: run.id };
    },
    async resolved(project, runId) {
      const run = await workflows.get(project, runId);
      if (run.workflow !== LAUNCH_WORKFLOW || run.status !== 'succeeded') {
        throw new LaunchNotResolvedError(`The run ${runId} is no launch that has ended well.`, {
          details: { run: runId, status: run.status },
        });
      }
      const request = LaunchRequest.parse(run.input);
      const result = LaunchResult.parse(run.output);
      const files = { data: request.data, test: request.test ?? null };
      if (result.task === 'forecast') return { run: runId, definition: resolvedForecast(request.definition, result), ...files };
      if (request.definition.unsupervised) return { run: runId, definition: resolvedUnsupervised(request.definition, result), ...files };
      const { trainer, params } = LaunchedModelMeta.parse((await deps.catalog.get(project, result.version)).meta);
      const { strategy } = request.definition.split;
      // They are among the gates below; twice they would be other gates.
      const { moreGates: _, ...rest } = request.definition;
      const definition = {
        ...rest,
        train: TrainerDefinition.parse({ kind: trainer, params: { ...params } }),
        seed: result.seed,
        split: {
          ...request.definition.split,
          strategy: result.split.strategy === 'given' ? strategy : (result.split.strategy as typeof strategy),
        },
        gates: gatesOf(request.definition, LaunchTask.parse(result.task)),
      };
      return { run: runId, definition, ...files };
    },
  };
}

/** Where the rows came from and what computed on them. */
function provenanceOf(request: LaunchRequest): Json {
  const files = [request.data, ...(request.test ? [request.test] : [])];
  const provenance = {
    sources: files.map(({ fileName, sha256 }) => ({ uri: fileName, sha256 })),
    ...request.origin,
    runtime: { node: process.versions.node, platform: process.platform, arch: process.arch },
  };
  return JSON.parse(canonicalJson(provenance)) as Json;
}
