import { EvaluationReport } from '@slipway/evaluation/contract';
import { type Field, type WorkflowContext, type WorkflowDefinition, defineWorkflow } from '@slipway/kernel';
import { ModelMetadata } from '@slipway/models';
import { LaunchRequest, type LaunchResult } from './contract.ts';
import { evaluateStep } from './evaluate-step.ts';
import { launchConduct } from './evidence/launch-conduct.ts';
import { launchWorth } from './evidence/launch-worth.ts';
import { withLossOfCosts } from './loss-of-costs.ts';
import { exampleRow } from './example-row.ts';
import { launchForecast } from './forecast/launch-forecast.ts';
import { getJson } from './json-object.ts';
import type { LaunchDeps } from './launch-deps.ts';
import { asJson, endLaunch } from './launch-end.ts';
import {
  DatasetStep,
  EvaluateStep,
  LaunchedModelMeta,
  PlanStep,
  type ReleaseStep,
  ReportMeta,
  TrainStep,
  VersionStep,
} from './launch-state.ts';
import { ingestStep, planStep, trainStep, versionStep } from './launch-steps.ts';
import { type PreparedData, prepareData } from './prepare-data.ts';
import { publishVersion } from './publish-version.ts';
import { publishReason } from './retrain/publish-reason.ts';
import { setPolicy } from './retrain/set-policy.ts';
import { launchUnsupervised } from './unsupervised/launch-unsupervised.ts';

export const LAUNCH_WORKFLOW = 'project.launch';
/** Columns named with a result; the report has them all. */
const IMPORTANCES_SHOWN = 10;

/**
 * `source -> dataset version -> split -> fit -> version -> evaluate -> gates -> revision`. Each arrow is a durable step: a
 * killed process continues with the one it was in. Steps write under hashes or recipes, so doing one again makes nothing twice.
 */
export function launchWorkflow(deps: LaunchDeps): WorkflowDefinition {
  return defineWorkflow({
    name: LAUNCH_WORKFLOW,
    version: 1,
    input: LaunchRequest,
    queue: 'launch',
    run: async (context, request) => asJson(await launch(deps, context, request)),
  });
}

async function launch(deps: LaunchDeps, context: WorkflowContext, asked: LaunchRequest): Promise<LaunchResult> {
  const request = { ...asked, definition: withLossOfCosts(asked.definition) };
  if (request.definition.unsupervised) return launchUnsupervised(deps, context, request, releaseStep);
  if (request.definition.forecast) return launchForecast(deps, context, request, releaseStep);
  const startedMs = deps.clock.monotonicMs();
  const { definition } = request;
  const datasets = DatasetStep.parse(await context.step('dataset', async () => asJson(await ingestStep(deps, context, request))));
  // Rows are loaded once a process and only when a step needs them: a resumed run may need none.
  let loading: Promise<PreparedData> | undefined;
  const prepared = () => (loading ??= prepareData(deps.data, context.project, datasets, definition));
  const plan = PlanStep.parse(
    await context.step('plan', async () => asJson(await planStep(deps, context, request, datasets, await prepared()))),
  );
  const { version, trainSeconds } = await makeVersion(deps, context, request, { datasets, plan, prepared });
  const evaluated = EvaluateStep.parse(
    await context.step('evaluate', async () => asJson(await evaluateStep(deps, context, request, { datasets, plan, version, prepared }))),
  );
  loading = undefined;
  const { released, seconds } = await endLaunch(deps, context, request, {
    release: releaseStep,
    version: version.version,
    evaluated,
    startedMs,
    seconds: { dataset: datasets.seconds, plan: plan.seconds, train: trainSeconds },
  });
  return describe(deps, context, request, { datasets, plan, version, evaluated, released, seconds });
}

interface MakeState {
  readonly datasets: DatasetStep;
  readonly plan: PlanStep;
  readonly prepared: () => Promise<PreparedData>;
}

/** The version that exists for this recipe, or a new one. */
async function makeVersion(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  { datasets, plan, prepared }: MakeState,
): Promise<{ version: VersionStep; trainSeconds: number }> {
  if (plan.existing !== null) {
    const found = await deps.catalog.get(context.project, plan.existing);
    const { trainer } = LaunchedModelMeta.parse(found.meta);
    return { version: { version: found.id, created: false, recipe: found.recipe, trainer }, trainSeconds: 0 };
  }
  const trained = TrainStep.parse(
    await context.step('train', async () =>
      asJson(await trainStep(deps, context, request, { datasets, plan, prepared: await prepared() })),
    ),
  );
  const version = VersionStep.parse(
    await context.step('version', async () =>
      asJson(await versionStep(deps, context, request, { datasets, plan, trained, prepared: await prepared() })),
    ),
  );
  return { version, trainSeconds: trained.seconds };
}

/** Goes live when every gate passed, or when somebody takes it on themselves; both are audited. */
async function releaseStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  { version, evaluated }: { readonly version: Pick<VersionStep, 'version'>; readonly evaluated: EvaluateStep },
): Promise<ReleaseStep> {
  const { definition, force, mode, retraining } = request;
  const { project, principal } = context;
  if (!evaluated.passed && !force) return null;
  const reason = retraining && (await publishReason(deps, project, retraining, evaluated.report));
  const publishing = { definition, version: version.version, mode, reason, parent: retraining?.run };
  return publishVersion(deps, context, publishing, async (tx, { name, revision }) => {
    if (definition.retrain) await setPolicy(deps, tx, { project, release: name, policy: definition.retrain, principal });
    if (evaluated.passed) return;
    await deps.audit.append(tx, project, {
      type: 'evaluation.gates.overridden',
      principal: principal.id,
      subject: { kind: 'release', id: name },
      data: { revision, version: version.version, report: evaluated.report },
    });
  });
}

interface Finished {
  readonly datasets: DatasetStep;
  readonly plan: PlanStep;
  readonly version: VersionStep;
  readonly evaluated: EvaluateStep;
  readonly released: ReleaseStep;
  readonly seconds: LaunchResult['seconds'];
}

/** Columns that are no inputs of the model but decide which threshold a row has: callers send them too. */
async function thresholdFields(
  deps: LaunchDeps,
  project: string,
  { groupThresholds, contract }: ModelMetadata,
  dataset: Parameters<LaunchDeps['data']['loadContract']>[1],
): Promise<Field[]> {
  if (groupThresholds === undefined) return [];
  const columns = new Set(groupThresholds.flatMap((group) => group.conditions.map((condition) => condition.column)));
  for (const field of contract.fields) columns.delete(field.name);
  return (await deps.data.loadContract(project, dataset)).fields.filter((field) => columns.has(field.name));
}

async function describe(deps: LaunchDeps, context: WorkflowContext, request: LaunchRequest, finished: Finished): Promise<LaunchResult> {
  const { plan, version, evaluated, released, datasets } = finished;
  const { project } = context;
  const model = LaunchedModelMeta.parse((await deps.catalog.get(project, version.version)).meta);
  const metadata = await getJson(deps.objects, project, model.metadata, ModelMetadata);
  const { report: reportObject } = ReportMeta.parse((await deps.catalog.get(project, evaluated.report)).meta);
  const report = await getJson(deps.objects, project, reportObject, EvaluationReport);
  const { meta } = await deps.data.dataset(project, datasets.dataset);
  return {
    release: released && { ...released, url: `${deps.publicUrl()}/v1/releases/${released.name}/predict` },
    version: version.version,
    recipe: version.recipe,
    created: version.created,
    task: plan.task,
    trainer: version.trainer,
    dataset: datasets.dataset,
    rows: plan.rows,
    split: { strategy: plan.split.strategy, seed: plan.split.seed },
    seed: plan.seed,
    leakage: report.leakage.map(({ column, kind, reason, action, equation, rows }) => ({
      equation,
      rows,
      column,
      kind,
      reason,
      action: report.acceptedLeaks.includes(column) ? 'accepted' : action,
    })),
    notes: [...plan.notes, ...(model.excluded ?? [])],
    baseline: report.baseline.metrics,
    metrics: report.metrics,
    gates: report.gates,
    forced: released !== null && !evaluated.passed,
    parity: model.parity,
    importances: (report.importances?.fields ?? [])
      .slice(0, IMPORTANCES_SHOWN)
      .map(({ field, importance }) => ({ column: field, importance })),
    ...launchConduct(report),
    ...launchWorth(report),
    rules: report.rules,
    forecast: null,
    unsupervised: null,
    report: evaluated.report,
    example: exampleRow(
      metadata.contract,
      await deps.data.loadProfile(project, meta),
      await thresholdFields(deps, project, metadata, meta),
    ),
    run: context.run,
    seconds: finished.seconds,
  };
}
