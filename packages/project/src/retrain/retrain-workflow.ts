import { EvaluationReport } from '@slipway/evaluation/contract';
import { type Job, type Route, type WorkflowContext, type WorkflowDefinition, Name, defineRoute, defineWorkflow } from '@slipway/kernel';
import { childRunId } from '@slipway/workflows';
import { z } from 'zod';
import { LaunchRequest, LaunchResult } from '../contract.ts';
import { RetrainFailedError } from '../errors.ts';
import { getJson } from '../json-object.ts';
import { ReportMeta } from '../launch-state.ts';
import { LAUNCH_WORKFLOW } from '../launch-workflow.ts';
import { assembleData } from './assemble-data.ts';
import { AttemptFacts, RetrainPolicy, RetrainPolicyBody, RetrainRequest, RetrainStarted, Retraining, TriggerFinding } from './contract.ts';
import { startEvidence } from './evidence-workflow.ts';
import { findOrigin } from './origin.ts';
import { asJson } from './retrain-store.ts';
import { RETRAIN_QUEUE, RETRAIN_WORKFLOW, type RetrainServiceDeps, type Retrainings, endAttempt, noteFacts } from './retrain-service.ts';

const RetrainInput = z.strictObject({
  release: Name,
  policy: RetrainPolicy,
  trigger: TriggerFinding,
  eventNowMs: z.int(),
  champion: z.object({ version: z.string(), revision: z.int() }),
});
type RetrainInput = z.infer<typeof RetrainInput>;

const DataStep = z.object({ request: LaunchRequest });
const LaunchStep = z.object({ run: z.string() });
const RolloutStep = z.object({ status: z.string(), reason: z.string().nullable() });

/**
 * `data -> launch (train, evaluate, gates, revision) -> rollout`, one run with a run below it for each of the last two. What a
 * launch does is done by a launch; a killed process goes on with the step it was in.
 */
export function retrainWorkflow(deps: RetrainServiceDeps): WorkflowDefinition {
  return defineWorkflow({
    name: RETRAIN_WORKFLOW,
    version: 1,
    input: RetrainInput,
    queue: RETRAIN_QUEUE.name,
    run: (context, input) => retrain(deps, context, input),
  });
}

async function retrain(deps: RetrainServiceDeps, context: WorkflowContext, input: RetrainInput) {
  const { project, run } = context;
  const { release } = input;
  const place = { project, release, run, principal: context.principal.id };
  const { request } = DataStep.parse(await context.step('data', async () => asJson(await dataStep(deps, context, input)), { retries: 3 }));
  await context.step('launch', () => startLaunch(deps, context, request));
  const launch = childRunId(run, 'launch');
  const outcome = LaunchStep.parse(await context.step('train', async () => ({ run: await waitFor(deps, context, launch) })));
  const result = LaunchResult.parse((await deps.workflows.get(project, outcome.run)).output);
  const facts = AttemptFacts.parse(await context.step('judged', async () => asJson(await noteResult(deps, place, result))));
  const made = { version: result.version, trainSeconds: result.seconds['train'] ?? null };
  if (!result.release) {
    const reason = facts.failedGates[0] ?? 'a gate failed';
    await context.step('end', () => endAttempt(deps, place, { ...made, status: 'refused', reason, facts }));
    await context.progress({ phase: 'done', ratio: 1, message: `refused: ${reason}` });
    return { release, status: 'refused', reason, version: result.version, revision: null, launch };
  }
  const { revision, rollout } = result.release;
  const ended =
    rollout === null
      ? { status: 'promoted', reason: null }
      : RolloutStep.parse(await context.step('rollout', () => watchRollout(deps, context, { release, revision, rollout })));
  const status = ended.status === 'promoted' ? ('promoted' as const) : ('rolled-back' as const);
  await context.step('end', () =>
    endAttempt(deps, place, {
      ...made,
      revision,
      status,
      reason: ended.reason,
      facts: { ...facts, rollout: rollout === null ? null : ended },
    }),
  );
  if (status === 'promoted')
    await context.step('evidence', () => startEvidence(deps, context, { release, launch, version: result.version, report: result.report }));
  await context.progress({ phase: 'done', ratio: 1, message: `${release} revision ${revision} was ${status.replace('-', ' ')}` });
  return { release, status, reason: ended.reason, version: result.version, revision, launch };
}

async function dataStep(deps: RetrainServiceDeps, context: WorkflowContext, input: RetrainInput) {
  const { release, policy, trigger, eventNowMs } = input;
  const { project, run } = context;
  const origin = await findOrigin(deps, project, release);
  const { request, data } = await assembleData(deps, context, { release, policy, origin, reason: trigger.reason, eventNowMs });
  await noteFacts(deps, { project, release, run }, { facts: { data, champion: origin.champion } });
  return { request };
}

async function startLaunch(deps: RetrainServiceDeps, context: WorkflowContext, request: LaunchRequest): Promise<void> {
  const { project, principal, run } = context;
  const title = `launch ${request.definition.name} from ${request.data.fileName}`;
  await deps.records.transaction(async (tx) => {
    const start = { project, principal, workflow: LAUNCH_WORKFLOW, input: asJson(request), title, parent: run };
    await deps.workflows.start(tx, { ...start, runId: childRunId(run, 'launch') });
  });
  await context.progress({ phase: 'launch', message: `training and judging in ${childRunId(run, 'launch')}` });
}

/** @returns the run's id once it has ended well. @throws {RetrainFailedError} when it has not. */
async function waitFor(deps: RetrainServiceDeps, context: WorkflowContext, id: string): Promise<string> {
  const ended = await deps.workflows.wait(context.project, id, { signal: context.signal });
  if (ended.status === 'succeeded') return id;
  throw new RetrainFailedError(
    `The run ${id} ${ended.status === 'cancelled' ? 'was cancelled' : `failed: ${ended.error?.message ?? ''}`}`,
    {
      details: { run: id, status: ended.status },
      help: `slipway runs ${id}`,
    },
  );
}

async function noteResult(
  deps: RetrainServiceDeps,
  place: { project: string; release: string; run: string },
  result: LaunchResult,
): Promise<AttemptFacts> {
  const failedGates = result.gates.filter((gate) => !gate.passed).map((gate) => gate.message ?? gate.name);
  const metric = result.comparison?.metric;
  const compared = metric === undefined ? undefined : await comparedValues(deps, place.project, result.report, metric);
  const { improvement } = result.comparison ?? {};
  const comparison =
    metric === undefined || !improvement
      ? null
      : {
          metric,
          champion: compared?.champion ?? null,
          candidate: compared?.candidate ?? null,
          improvement: improvement.value,
          low: improvement.low,
          high: improvement.high,
        };
  return noteFacts(deps, place, {
    version: result.version,
    trainSeconds: result.seconds['train'] ?? null,
    facts: { comparison, failedGates: failedGates.slice(0, 20) },
  });
}

async function comparedValues(deps: RetrainServiceDeps, project: string, report: string, metric: string) {
  const meta = ReportMeta.parse((await deps.catalog.get(project, report)).meta);
  const { comparison } = await getJson(deps.objects, project, meta.report, EvaluationReport);
  return comparison?.metrics.find((each) => each.metric === metric);
}

async function watchRollout(
  deps: RetrainServiceDeps,
  context: WorkflowContext,
  { release, revision, rollout }: { release: string; revision: number; rollout: string },
): Promise<z.infer<typeof RolloutStep>> {
  await context.progress({ phase: 'rollout', message: `revision ${revision} is in the rollout ${rollout}` });
  await deps.workflows.wait(context.project, rollout, { signal: context.signal });
  const { items } = await deps.rollouts.list(context.project, { release, limit: 50 });
  const found = items.find((each) => each.run === rollout);
  return { status: found?.status ?? 'aborted', reason: found?.reason ?? null };
}

/** Looks every few seconds; each release at its own pace. */
export function retrainJob(retrainings: Retrainings): Job {
  return { name: 'project.retraining', everyMs: 2_000, run: (signal) => retrainings.round(signal) };
}

const params = z.object({ name: Name });

/** Retraining over HTTP. */
export function retrainRoutes(retrainings: Retrainings): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/releases/{name}/retraining',
      permission: 'project.read',
      summary: 'When a release trains again, and every attempt with its trigger, data, comparison and rollout, newest first.',
      params,
      response: Retraining,
      handle: ({ project, params: { name } }) => retrainings.get(project, name),
    }),
    defineRoute({
      method: 'PUT',
      path: '/v1/releases/{name}/retraining',
      permission: 'release.write',
      summary: 'Set when and how a release trains again, or with null never by itself.',
      params,
      body: RetrainPolicyBody,
      response: Retraining,
      handle: ({ project, params: { name }, body, principal }) => retrainings.configure(project, name, body.policy, principal),
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/releases/{name}/retrain',
      permission: 'release.write',
      summary: 'Train the model of a release again on its labelled calls, prove it against the live version and roll it out.',
      params,
      body: RetrainRequest,
      response: RetrainStarted,
      successStatus: 202,
      idempotent: true,
      handle: ({ project, params: { name }, body, principal }) => retrainings.start(project, name, body.reason, principal),
    }),
  ];
}
