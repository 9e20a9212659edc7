import {
  PARITY_REGRESSION_ERROR_MAX,
  EvaluationReport,
  type GateDefinition,
  type Leak,
  assessForecast,
  checkGates,
  decideGates,
  hashGates,
} from '@slipway/evaluation';
import { type Json, type WorkflowContext, canonicalJson } from '@slipway/kernel';
import { hashJson } from '@slipway/kernel/hash';
import {
  type ForecastRun,
  ForecastVersionMeta,
  forecastMetadata,
  frequencyName,
  openForecaster,
  readForecaster,
  runForecast,
  stateOf,
  stepTime,
} from '@slipway/learning';
import type { LaunchDefinition, LaunchRequest } from '../contract.ts';
import { fixGates } from '../fix-gates.ts';
import { getJson, putJson } from '../json-object.ts';
import { type LaunchDeps, secondsSince } from '../launch-deps.ts';
import { type DatasetStep, type EvaluateStep } from '../launch-state.ts';
import { forecastExample } from './forecast-example.ts';
import { type ForecastPlan, forecastColumns, planForecast, requireForecastColumns, requireForecastOptions } from './forecast-data.ts';
import { ForecastEvidence, ForecastPlanStep, ForecasterMeta, type ForecasterStep } from './forecast-state.ts';
import { measureLatency } from '../measure-latency.ts';
import { reportOnce } from '../report-once.ts';

/** Raised when the same recipe would give another forecaster. */
const FORECAST_CODE_VERSION = 1;
const RESAMPLES = 1_000;
/** How much less than promised the intervals may hold before a gate says so, unless the definition has gates of its own. */
const COVERAGE_SLACK = 0.15;
/** A known column that follows the target this closely is the target. */
const COPY_CORRELATION_MIN = 0.9995;
const LATENCY_CALLS = 60;
const LATENCY_P95_MS_MAX = 200;

const plainJson = (value: unknown) => JSON.parse(canonicalJson(value)) as Json;

/** The series of the launch's dataset. */
export async function loadForecast(
  deps: LaunchDeps,
  project: string,
  datasets: DatasetStep,
  definition: LaunchDefinition,
): Promise<ForecastPlan> {
  const { meta } = await deps.data.dataset(project, datasets.dataset);
  // Said before a new table is stored, too; a known one is not looked at again there.
  requireForecastOptions(definition);
  requireForecastColumns(
    meta.columns.map((column) => column.name),
    definition,
  );
  return planForecast(await deps.data.loadFrame(project, meta, forecastColumns(definition)), definition);
}

/** The gates of a forecast: its own, or better than seasonal naive, intervals that hold, parity, no copy of the target, latency. */
export function forecastGates(definition: LaunchDefinition): GateDefinition[] {
  const level = definition.forecast?.level ?? 0.9;
  const gates: GateDefinition[] = definition.gates ?? [
    { kind: 'betterThanBaseline', metric: 'mase' },
    { kind: 'metric', metric: 'coverage', atLeast: Math.round((level - COVERAGE_SLACK) * 100) / 100 },
    { kind: 'parity', maxError: PARITY_REGRESSION_ERROR_MAX },
    { kind: 'leakage' },
    { kind: 'latency', p95MsMax: LATENCY_P95_MS_MAX },
  ];
  return checkGates([...gates, ...(definition.moreGates ?? [])], 'forecast');
}

/** Fixes gates, seed and recipe before anything is measured, and looks for known columns that are the target. */
export async function forecastPlanStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  datasets: DatasetStep,
  plan: ForecastPlan,
): Promise<ForecastPlanStep> {
  const startedMs = deps.clock.monotonicMs();
  const { definition } = request;
  const { project } = context;
  const gates = forecastGates(definition);
  const newest = (await deps.catalog.list(project, { kind: 'model', name: definition.name, limit: 1 })).items[0];
  const { meta } = await deps.data.dataset(project, datasets.dataset);
  const newestMeta = ForecasterMeta.safeParse(newest?.meta);
  const again = request.mode === 'when-changed' && newestMeta.success ? newestMeta.data.seed : undefined;
  const seed = definition.seed ?? again ?? (newest?.number ?? 0) + 1;
  const recipe = recipeOf(definition, plan, meta.rowsHash, seed);
  const found = await deps.catalog.findByRecipe(project, 'model', definition.name, recipe);
  const gatesHash = await fixGates(deps, context, { model: definition.name, gates });
  return ForecastPlanStep.parse({
    seed,
    gatesHash,
    leaks: copiesOf(plan),
    notes: [...plan.table.notes, ...unusedNotes(definition)],
    existing: found?.id ?? null,
    recipe,
    rows: rowsOf(plan),
    seconds: secondsSince(deps.clock, startedMs),
  });
}

function unusedNotes(definition: LaunchDefinition): string[] {
  return definition.forecast?.known.length === 0
    ? ['only the target and its times are used; name columns whose future is known (weather, holidays) with --known']
    : [];
}

function rowsOf({ table, origins, horizon }: ForecastPlan) {
  const test = origins.reduce((sum, list) => sum + list.length * horizon, 0);
  const all = table.series.reduce((sum, { values }) => sum + values.length, 0);
  return { train: all - test, test };
}

function recipeOf(definition: LaunchDefinition, plan: ForecastPlan, data: string, seed: number): string {
  const { table, horizon, seasons, level, known, target, time, series } = plan;
  const { frequency } = table;
  const parts = { data, target, time, series, frequency, horizon, seasons, level, known, seed, testRatio: definition.split.testRatio };
  return hashJson({ kind: 'slipway.forecast/1', code: FORECAST_CODE_VERSION, ...parts });
}

/** Known columns that are the target, or a line through it. */
function copiesOf({ table, known, target }: ForecastPlan): Leak[] {
  return known.flatMap((column, index): Leak[] => {
    let n = 0;
    const sums = { x: 0, y: 0, xx: 0, yy: 0, xy: 0 };
    for (const { values, covariates } of table.series) {
      values.forEach((y, at) => {
        const x = covariates[index]?.[at] ?? Number.NaN;
        if (!Number.isFinite(x + y)) return;
        n += 1;
        sums.x += x;
        sums.y += y;
        sums.xx += x * x;
        sums.yy += y * y;
        sums.xy += x * y;
      });
    }
    const correlation = (n * sums.xy - sums.x * sums.y) / Math.sqrt((n * sums.xx - sums.x ** 2) * (n * sums.yy - sums.y ** 2));
    if (!(Math.abs(correlation) >= COPY_CORRELATION_MIN) || n < 10) return [];
    const reason = `follows ${target} at the same step (correlation ${correlation.toFixed(4)}): its future would be the answer.`;
    const evidence = { correlation, rows: n };
    return [
      {
        column,
        kind: 'target-copy',
        reason,
        evidence,
        action: 'needs-acceptance',
        columns: [column],
        equation: null,
        help: null,
        rows: [],
      },
    ];
  });
}

/** Trains, judges and registers; the version that exists for the recipe is used instead. */
export async function forecasterStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  state: { readonly datasets: DatasetStep; readonly planned: ForecastPlanStep; readonly plan: () => Promise<ForecastPlan> },
): Promise<ForecasterStep> {
  const startedMs = deps.clock.monotonicMs();
  const { planned, datasets } = state;
  const { project } = context;
  if (planned.existing !== null) return { version: planned.existing, created: false, seconds: 0 };
  const plan = await state.plan();
  const run = await trainPlan(context, plan, planned.seed);
  const meta = await storeForecaster(deps, context, plan, planned, run);
  const { version, created } = await deps.records.transaction((tx) =>
    deps.catalog.register(tx, {
      project,
      kind: 'model',
      name: request.definition.name,
      recipe: planned.recipe,
      content: hashJson({ onnx: meta.onnx, metadata: meta.metadata, state: meta.state }),
      run: context.run,
      principal: context.principal.id,
      meta: plainJson(meta),
      parents: [{ id: datasets.dataset, role: 'training-data' }],
    }),
  );
  return { version: version.id, created: created || version.run === context.run, seconds: secondsSince(deps.clock, startedMs) };
}

async function trainPlan(context: WorkflowContext, plan: ForecastPlan, seed: number): Promise<ForecastRun> {
  const { table, horizon, seasons, level, known, origins } = plan;
  let shownRatio = -1;
  return runForecast(
    {
      layout: { shape: { horizon, seasons }, frequency: table.frequency, covariates: known },
      series: table.series,
      origins,
      level,
      seed,
    },
    {
      signal: context.signal,
      onProgress: (ratio, message) => {
        if (ratio - shownRatio < 0.01) return;
        shownRatio = ratio;
        context.progress({ phase: 'train', ratio, message }).catch(() => {});
      },
    },
  );
}

async function storeForecaster(
  deps: LaunchDeps,
  context: WorkflowContext,
  plan: ForecastPlan,
  planned: ForecastPlanStep,
  run: ForecastRun,
): Promise<ForecasterMeta> {
  const { project } = context;
  const { table, target, time, series, level, horizon, seasons } = plan;
  await context.progress({ phase: 'evaluate', message: `judging ${run.trials.length} forecasts` });
  const assessed = await assessForecast({
    trials: run.trials,
    series: table.series.map(({ id, values }, index) => ({ id, values, firstOrigin: plan.origins[index]?.[0] ?? values.length })),
    horizon,
    seasons,
    frequency: frequencyName(table.frequency),
    level,
    members: [...run.leaderboard],
    timeOf: (index, step) => stepTime(table.frequency, (table.series[index]?.startIndex ?? 0) + step),
    seed: planned.seed,
    resamples: RESAMPLES,
    signal: context.signal,
  });
  const evidence = ForecastEvidence.parse({ ...assessed, resamples: RESAMPLES });
  const metadata = forecastMetadata(run.forecaster, { target, time, series, frequency: table.frequency, level, seed: planned.seed });
  const onnx = await deps.objects.put(project, run.bytes);
  const explainer = await deps.objects.put(project, run.explainer);
  return {
    format: 'slipway.forecast/1',
    onnx: onnx.sha256,
    metadata: await putJson(deps.objects, project, metadata),
    state: await putJson(deps.objects, project, stateOf(run.forecaster, table.series)),
    evidence: await putJson(deps.objects, project, evidence),
    explainer: explainer.sha256,
    task: 'forecast',
    target,
    trainer: 'forecaster',
    seed: planned.seed,
    parity: { maxError: run.maxError },
    rows: planned.rows,
  };
}

/** Decides the gates fixed before by the evidence beside the version, and registers the report. */
export async function forecastReportStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  { datasets, planned, made }: { readonly datasets: DatasetStep; readonly planned: ForecastPlanStep; readonly made: ForecasterStep },
): Promise<EvaluateStep> {
  const { project } = context;
  const { definition } = request;
  const recipe = hashJson({
    kind: 'slipway.report/1',
    version: made.version,
    gates: planned.gatesHash,
    acceptLeak: definition.acceptLeak.toSorted(),
  });
  const place = { name: definition.name, recipe, version: made.version, gatesHash: planned.gatesHash, testData: datasets.dataset };
  return reportOnce(deps, context, place, async () => {
    const meta = ForecasterMeta.parse((await deps.catalog.get(project, made.version)).meta);
    const evidence = await getJson(deps.objects, project, meta.evidence, ForecastEvidence);
    return reportOf(definition, planned, meta, evidence, await measureForecaster(deps, project, made.version, meta));
  });
}

function reportOf(
  definition: LaunchDefinition,
  planned: ForecastPlanStep,
  meta: ForecasterMeta,
  { metrics, baseline, improvements, section, resamples }: ForecastEvidence,
  latency: { readonly p50Ms: number; readonly p95Ms: number },
): EvaluationReport {
  const gates = forecastGates(definition);
  const facts = { metrics, improvements, parity: meta.parity, leaks: planned.leaks, acceptedLeaks: definition.acceptLeak, latency };
  return EvaluationReport.parse({
    format: 'slipway.report/1',
    task: 'forecast',
    target: definition.target,
    classes: null,
    positive: null,
    rows: meta.rows,
    seed: meta.seed,
    resamples,
    level: 0.95,
    primary: 'mase',
    metrics,
    baseline: { name: 'seasonal-naive', metrics: baseline },
    improvement: { metric: 'mase', ...improvements['mase'] },
    confusion: null,
    curves: null,
    calibration: null,
    balance: null,
    importances: null,
    forecast: section,
    leakage: planned.leaks,
    acceptedLeaks: definition.acceptLeak,
    parity: meta.parity,
    latency: { p50Ms: latency.p50Ms, p95Ms: latency.p95Ms },
    gatesHash: hashGates(gates),
    gates: decideGates(gates, facts),
    notes: planned.notes,
    timings: {},
  });
}

/** Single calls as production would make them. */
async function measureForecaster(deps: LaunchDeps, project: string, version: string, meta: ForecasterMeta) {
  const { metadata, state } = await readForecaster(deps, project, ForecastVersionMeta.parse(meta));
  const { kind: _, ...reference } = await deps.catalog.get(project, version);
  const source = { path: await deps.objects.localPath(project, meta.onnx) };
  const servable = await openForecaster({ version: { ...reference, kind: 'model' }, metadata, state, source });
  return measureLatency(deps.clock, servable, {
    calls: LATENCY_CALLS,
    inputOf: (call) => forecastExample(metadata, state, call, metadata.horizon),
  });
}
