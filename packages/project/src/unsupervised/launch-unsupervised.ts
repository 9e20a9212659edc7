import { EvaluationReport } from '@slipway/evaluation/contract';
import type { WorkflowContext } from '@slipway/kernel';
import { UnsupervisedVersionMeta, readUnsupervised } from '@slipway/learning';
import { type LaunchDefinition, type LaunchRequest, LaunchResult } from '../contract.ts';
import { exampleRow } from '../example-row.ts';
import { getJson } from '../json-object.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import { type Release, asJson, endLaunch } from '../launch-end.ts';
import { DatasetStep, EvaluateStep, type ReleaseStep, ReportMeta } from '../launch-state.ts';
import { ingestStep } from '../launch-steps.ts';
import { type UnsupervisedRows, unsupervisedRows } from './unsupervised-data.ts';
import { UnsupervisedMeta, UnsupervisedPlanStep, UnsupervisedStep } from './unsupervised-state.ts';
import { unsupervisedGates, unsupervisedPlanStep, unsupervisedReportStep, unsupervisedStep } from './unsupervised-steps.ts';

/** `source -> dataset version -> fit and judge -> version -> gates -> revision`, without a target; durable steps as in every launch. */
export async function launchUnsupervised(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  release: Release,
): Promise<LaunchResult> {
  const startedMs = deps.clock.monotonicMs();
  const { project } = context;
  const datasets = DatasetStep.parse(await context.step('dataset', async () => asJson(await ingestStep(deps, context, request))));
  let loading: Promise<UnsupervisedRows> | undefined;
  const rows = () => (loading ??= unsupervisedRows(deps, project, datasets, request.definition));
  const planned = UnsupervisedPlanStep.parse(
    await context.step('plan', async () => asJson(await unsupervisedPlanStep(deps, context, request, datasets, await rows()))),
  );
  const made = UnsupervisedStep.parse(
    await context.step('train', async () => asJson(await unsupervisedStep(deps, context, request, { datasets, planned, rows }))),
  );
  const evaluated = EvaluateStep.parse(
    await context.step('evaluate', async () =>
      asJson(await unsupervisedReportStep(deps, context, request, { datasets, planned, made, rows })),
    ),
  );
  loading = undefined;
  const { released, seconds } = await endLaunch(deps, context, request, {
    release,
    version: made.version,
    evaluated,
    startedMs,
    seconds: { dataset: datasets.seconds, plan: planned.seconds, train: made.seconds },
  });
  return describe(deps, context, request, { datasets, made, evaluated, released, seconds });
}

interface Finished {
  readonly datasets: DatasetStep;
  readonly made: UnsupervisedStep;
  readonly evaluated: EvaluateStep;
  readonly released: ReleaseStep;
  readonly seconds: LaunchResult['seconds'];
}

async function describe(deps: LaunchDeps, context: WorkflowContext, request: LaunchRequest, finished: Finished): Promise<LaunchResult> {
  const { datasets, made, evaluated, released } = finished;
  const { project } = context;
  const version = await deps.catalog.get(project, made.version);
  const meta = UnsupervisedMeta.parse(version.meta);
  const metadata = await readUnsupervised(deps, project, UnsupervisedVersionMeta.parse(version.meta));
  const { report: reportObject } = ReportMeta.parse((await deps.catalog.get(project, evaluated.report)).meta);
  const report = await getJson(deps.objects, project, reportObject, EvaluationReport);
  const dataset = (await deps.data.dataset(project, datasets.dataset)).meta;
  // Parsed, so that sections of other kinds of launch take their defaults.
  return LaunchResult.parse({
    release: released && { ...released, url: `${deps.publicUrl()}/v1/releases/${released.name}/predict` },
    version: made.version,
    recipe: made.recipe,
    created: made.created,
    task: meta.task,
    trainer: meta.trainer,
    dataset: datasets.dataset,
    rows: meta.rows,
    split: { strategy: 'random', seed: request.definition.split.seed },
    seed: meta.seed,
    leakage: [],
    notes: report.notes.map((note) => ({ column: '', note })),
    baseline: report.baseline.metrics,
    metrics: report.metrics,
    gates: report.gates,
    forced: released !== null && !evaluated.passed,
    parity: meta.parity,
    importances: [],
    unsupervised: report.unsupervised,
    report: evaluated.report,
    example: exampleRow(metadata.contract, await deps.data.loadProfile(project, dataset)),
    run: context.run,
    seconds: finished.seconds,
  });
}

/** The definition of a finished launch with everything that was found written out. */
export function resolvedUnsupervised(definition: LaunchDefinition, result: LaunchResult): LaunchDefinition {
  const { moreGates: _, unsupervised, ...rest } = definition;
  const count = result.unsupervised?.count;
  return {
    ...rest,
    seed: result.seed,
    gates: unsupervisedGates(definition),
    ...(unsupervised
      ? {
          unsupervised: {
            ...unsupervised,
            ...(unsupervised.task === 'cluster' && count ? { clusters: count } : {}),
            ...(unsupervised.task === 'reduce' && count ? { components: count } : {}),
          },
        }
      : {}),
  };
}
