import { EvaluationReport } from '@slipway/evaluation/contract';
import type { WorkflowContext } from '@slipway/kernel';
import { ForecastVersionMeta, readForecaster } from '@slipway/learning';
import { type LaunchRequest, LaunchResult } from '../contract.ts';
import { getJson } from '../json-object.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import { type Release, asJson, endLaunch } from '../launch-end.ts';
import { DatasetStep, EvaluateStep, type ReleaseStep, ReportMeta } from '../launch-state.ts';
import { ingestStep } from '../launch-steps.ts';
import type { ForecastPlan } from './forecast-data.ts';
import { EXAMPLE_FUTURE_STEPS, forecastExample } from './forecast-example.ts';
import { ForecastPlanStep, ForecasterMeta, ForecasterStep } from './forecast-state.ts';
import { forecastPlanStep, forecastReportStep, forecasterStep, loadForecast } from './forecast-steps.ts';

/** `source -> dataset version -> series -> forecaster, judged by rolling origins -> version -> gates -> revision`; durable steps as in every launch. */
export async function launchForecast(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  release: Release,
): Promise<LaunchResult> {
  const startedMs = deps.clock.monotonicMs();
  const { project } = context;
  const datasets = DatasetStep.parse(await context.step('dataset', async () => asJson(await ingestStep(deps, context, request))));
  let loading: Promise<ForecastPlan> | undefined;
  const plan = () => (loading ??= loadForecast(deps, project, datasets, request.definition));
  const planned = ForecastPlanStep.parse(
    await context.step('plan', async () => asJson(await forecastPlanStep(deps, context, request, datasets, await plan()))),
  );
  const made = ForecasterStep.parse(
    await context.step('train', async () => asJson(await forecasterStep(deps, context, request, { datasets, planned, plan }))),
  );
  const evaluated = EvaluateStep.parse(
    await context.step('evaluate', async () => asJson(await forecastReportStep(deps, context, request, { datasets, planned, made }))),
  );
  loading = undefined;
  const { released, seconds } = await endLaunch(deps, context, request, {
    release,
    version: made.version,
    evaluated,
    startedMs,
    seconds: { dataset: datasets.seconds, plan: planned.seconds, train: made.seconds },
  });
  return describeForecast(deps, context, request, { datasets, planned, made, evaluated, released, seconds });
}

interface Finished {
  readonly datasets: DatasetStep;
  readonly planned: ForecastPlanStep;
  readonly made: ForecasterStep;
  readonly evaluated: EvaluateStep;
  readonly released: ReleaseStep;
  readonly seconds: LaunchResult['seconds'];
}

async function describeForecast(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  finished: Finished,
): Promise<LaunchResult> {
  const { datasets, planned, made, evaluated, released } = finished;
  const { project } = context;
  const version = await deps.catalog.get(project, made.version);
  const meta = ForecasterMeta.parse(version.meta);
  const { metadata, state } = await readForecaster(deps, project, ForecastVersionMeta.parse(version.meta));
  const { report: reportObject } = ReportMeta.parse((await deps.catalog.get(project, evaluated.report)).meta);
  const report = await getJson(deps.objects, project, reportObject, EvaluationReport);
  const { forecast } = report;
  const accepted = new Set(report.acceptedLeaks);
  // Parsed, so that sections of other kinds of launch take their defaults.
  return LaunchResult.parse({
    release: released && { ...released, url: `${deps.publicUrl()}/v1/releases/${released.name}/predict` },
    version: made.version,
    recipe: planned.recipe,
    created: made.created,
    task: 'forecast',
    trainer: meta.trainer,
    dataset: datasets.dataset,
    rows: meta.rows,
    split: { strategy: 'rolling', seed: request.definition.split.seed },
    seed: meta.seed,
    leakage: report.leakage.map(({ column, kind, reason, action }) => ({
      column,
      kind,
      reason,
      action: accepted.has(column) ? 'accepted' : action,
    })),
    notes: planned.notes.map((note) => ({ column: '', note })),
    baseline: report.baseline.metrics,
    metrics: report.metrics,
    gates: report.gates,
    forced: released !== null && !evaluated.passed,
    parity: meta.parity,
    importances: [],
    slices: [],
    fairness: null,
    robustness: null,
    forecast: forecast && {
      series: forecast.series,
      horizon: forecast.horizon,
      frequency: forecast.frequency,
      seasons: forecast.seasons,
      known: metadata.covariates,
      level: forecast.interval.level,
      coverage: forecast.interval.coverage,
      forecasts: forecast.forecasts,
      members: forecast.members.toSorted((a, b) => b.weight - a.weight).map(({ member, weight, error }) => ({ member, weight, error })),
    },
    report: evaluated.report,
    example: forecastExample(metadata, state, 0, EXAMPLE_FUTURE_STEPS),
    run: context.run,
    seconds: finished.seconds,
  });
}
