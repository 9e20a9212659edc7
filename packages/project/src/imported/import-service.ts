import { type Json, type Principal, canonicalJson, defineRoute, type Route } from '@slipway/kernel';
import { requireProvider } from '@slipway/models';
import type { Workflows } from '@slipway/workflows';
import { LaunchStarted } from '../contract.ts';
import { UploadMissingError } from '../errors.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import { ModelLaunchRequest } from './contract.ts';
import { MODEL_LAUNCH_WORKFLOW } from './import-workflow.ts';

/** Starts a durable launch of a model made elsewhere. @throws {UploadMissingError} when the bytes are not there. */
export async function startModelLaunch(
  deps: LaunchDeps,
  workflows: Workflows,
  { project, principal }: { readonly project: string; readonly principal: Principal },
  request: ModelLaunchRequest,
): Promise<{ run: string }> {
  for (const file of request.reference ? [request.model, request.reference] : [request.model]) {
    if (await deps.objects.has(project, file.sha256)) continue;
    throw new UploadMissingError(`The bytes of "${file.fileName}" are not here.`, {
      details: { sha256: file.sha256 },
      help: 'Send them to POST /v1/uploads first.',
    });
  }
  // What this server cannot compute with is said before anything is imported for it.
  await requireProvider(request.definition.serving?.provider ?? 'cpu');
  const input = JSON.parse(canonicalJson(request)) as Json;
  const title = `launch ${request.definition.name} from ${request.model.fileName}`;
  const sources = [request.model, ...(request.reference ? [request.reference] : [])].map(({ fileName, sha256 }) => ({
    uri: fileName,
    sha256,
  }));
  const provenance = { sources, runtime: { node: process.versions.node, platform: process.platform, arch: process.arch } };
  const run = await deps.records.transaction((tx) =>
    workflows.start(tx, { project, principal, workflow: MODEL_LAUNCH_WORKFLOW, input, title, provenance }),
  );
  return { run: run.id };
}

export function modelLaunchRoutes(deps: LaunchDeps, workflows: Workflows): Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/v1/model-launches',
      permission: 'release.write',
      summary: 'Launch a model made elsewhere: from uploaded ONNX bytes to a release, as a durable run.',
      body: ModelLaunchRequest,
      response: LaunchStarted,
      successStatus: 202,
      idempotent: true,
      handle: ({ project, principal, body }) => startModelLaunch(deps, workflows, { project, principal }, body),
    }),
  ];
}
