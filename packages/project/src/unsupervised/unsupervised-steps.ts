import {
  EvaluationReport,
  type GateDefinition,
  type RobustnessSection,
  PARITY_REGRESSION_ERROR_MAX,
  checkGates,
  decideGates,
  primaryMetric,
} from '@slipway/evaluation';
import { INPUT_ROLES, type Json, type Row, type WorkflowContext, canonicalJson, takeRows } from '@slipway/kernel';
import { hashJson } from '@slipway/kernel/hash';
import {
  UnsupervisedMetadata,
  UnsupervisedVersionMeta,
  openUnsupervised,
  openUnsupervisedGraph,
  readUnsupervised,
  runUnsupervised,
  type UnsupervisedRun,
} from '@slipway/learning';
import type { LaunchDefinition, LaunchRequest } from '../contract.ts';
import { rowsOf } from '../evaluate-step.ts';
import { fixGates } from '../fix-gates.ts';
import { getJson, putJson } from '../json-object.ts';
import { type LaunchDeps, secondsSince } from '../launch-deps.ts';
import { type DatasetStep, type EvaluateStep } from '../launch-state.ts';
import { CONTAMINATION_DEFAULT, type UnsupervisedDefinition } from './contract.ts';
import type { UnsupervisedRows } from './unsupervised-data.ts';
import { UnsupervisedEvidence, UnsupervisedMeta, UnsupervisedPlanStep, type UnsupervisedStep } from './unsupervised-state.ts';
import { measureLatency } from '../measure-latency.ts';
import { reportOnce } from '../report-once.ts';
import { holdOfAnswers, unsupervisedReference } from './answers-of-rows.ts';

/** Raised when the same recipe would give another model. */
const CODE_VERSION = 1;
const LATENCY_CALLS = 100;
const LATENCY_ROWS = 20;
const LATENCY_P95_MS_MAX = 50;
/** Agreement of refits on resampled rows below which clusters or scores are an accident of the rows. */
const STABILITY_MIN = 0.5;

const TRAINERS = { cluster: 'k-means', reduce: 'pca', anomaly: 'isolation-forest' } as const;

const plainJson = (value: unknown) => JSON.parse(canonicalJson(value)) as Json;

function optionsOf({ unsupervised }: LaunchDefinition): UnsupervisedDefinition {
  if (!unsupervised) throw new Error('The definition has a target.');
  return unsupervised;
}

/** The gates: its own, or better than unrelated columns (where that can be asked), stable, parity, latency. */
export function unsupervisedGates(definition: LaunchDefinition): GateDefinition[] {
  const { task, label } = optionsOf(definition);
  const better: GateDefinition[] =
    task === 'anomaly' && label === undefined
      ? []
      : [{ kind: 'betterThanBaseline', metric: task === 'anomaly' ? 'roc_auc' : primaryMetric(task) }];
  const gates: GateDefinition[] = definition.gates ?? [
    ...better,
    { kind: 'metric', metric: 'stability', atLeast: STABILITY_MIN },
    { kind: 'parity', maxError: PARITY_REGRESSION_ERROR_MAX },
    { kind: 'latency', p95MsMax: LATENCY_P95_MS_MAX },
  ];
  return checkGates([...gates, ...(definition.moreGates ?? [])], task);
}

/** Fixes gates, seed and recipe before anything is measured. */
export async function unsupervisedPlanStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  datasets: DatasetStep,
  rows: UnsupervisedRows,
): Promise<UnsupervisedPlanStep> {
  const startedMs = deps.clock.monotonicMs();
  const { definition } = request;
  const { project } = context;
  const gates = unsupervisedGates(definition);
  const newest = (await deps.catalog.list(project, { kind: 'model', name: definition.name, limit: 1 })).items[0];
  const { meta } = await deps.data.dataset(project, datasets.dataset);
  const newestMeta = UnsupervisedMeta.safeParse(newest?.meta);
  const again = request.mode === 'when-changed' && newestMeta.success ? newestMeta.data.seed : undefined;
  const seed = definition.seed ?? again ?? (newest?.number ?? 0) + 1;
  const recipe = recipeOf(definition, { contract: hashJson(rows.contract), data: meta.rowsHash, seed });
  const found = await deps.catalog.findByRecipe(project, 'model', definition.name, recipe);
  const gatesHash = await fixGates(deps, context, { model: definition.name, gates });
  return {
    seed,
    gatesHash,
    existing: found?.id ?? null,
    contract: hashJson(rows.contract),
    data: meta.rowsHash,
    rows: { train: rows.train.rowCount, test: rows.test.rowCount },
    seconds: secondsSince(deps.clock, startedMs),
  };
}

interface RecipeParts {
  readonly contract: string;
  readonly data: string;
  readonly seed: number;
  /** Clusters or components that were found, where they were left open. */
  readonly count?: number;
}

/** What the version is made from: with everything that was found, so that the resolved definition means the same. */
function recipeOf(definition: LaunchDefinition, { contract, data, seed, count }: RecipeParts): string {
  const { task, clusters, components, contamination, label } = optionsOf(definition);
  const { split, exclude, group } = definition;
  const options =
    task === 'cluster'
      ? { clusters: clusters ?? count ?? null }
      : task === 'reduce'
        ? { components: components ?? count ?? null }
        : { contamination: contamination ?? CONTAMINATION_DEFAULT };
  return hashJson({
    kind: 'slipway.unsupervised/1',
    code: CODE_VERSION,
    data,
    contract,
    task,
    ...options,
    label: label ?? null,
    exclude: exclude.toSorted(),
    group: group ?? null,
    split: { testRatio: split.testRatio, seed: split.seed },
    seed,
  });
}

/** Fits, judges and registers; the version that exists for the recipe is used instead. */
export async function unsupervisedStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  state: { readonly datasets: DatasetStep; readonly planned: UnsupervisedPlanStep; readonly rows: () => Promise<UnsupervisedRows> },
): Promise<UnsupervisedStep> {
  const startedMs = deps.clock.monotonicMs();
  const { planned, datasets } = state;
  const { definition } = request;
  const { project } = context;
  if (planned.existing !== null) {
    const { recipe } = await deps.catalog.get(project, planned.existing);
    return { version: planned.existing, created: false, recipe, seconds: 0 };
  }
  const rows = await state.rows();
  const { task, clusters, components, contamination = CONTAMINATION_DEFAULT } = optionsOf(definition);
  const run = await runUnsupervised(
    { ...rows, options: { kind: task, clusters, components, contamination, seed: planned.seed } },
    {
      signal: context.signal,
      onProgress: (ratio, message) => void context.progress({ phase: 'train', ratio, message }).catch(() => {}),
    },
  );
  const meta = await store(deps, context, definition, planned, { run, rows });
  const recipe = recipeOf(definition, { ...planned, count: run.count });
  const { version, created } = await deps.records.transaction((tx) =>
    deps.catalog.register(tx, {
      project,
      kind: 'model',
      name: definition.name,
      recipe,
      content: hashJson({ onnx: meta.onnx, metadata: meta.metadata }),
      run: context.run,
      principal: context.principal.id,
      meta: plainJson(meta),
      parents: [{ id: datasets.dataset, role: 'training-data' }],
    }),
  );
  return { version: version.id, created: created || version.run === context.run, recipe, seconds: secondsSince(deps.clock, startedMs) };
}

async function store(
  deps: LaunchDeps,
  { project }: WorkflowContext,
  definition: LaunchDefinition,
  planned: UnsupervisedPlanStep,
  { run, rows }: { readonly run: UnsupervisedRun; readonly rows: UnsupervisedRows },
): Promise<UnsupervisedMeta> {
  const { task, label, contamination = CONTAMINATION_DEFAULT } = optionsOf(definition);
  const { seed } = planned;
  const metadata = UnsupervisedMetadata.parse({
    format: 'slipway.unsupervised/1',
    task,
    contract: { ...run.contract, ...(definition.subject === undefined ? {} : { subject: definition.subject }) },
    features: run.features,
    count: run.count,
    threshold: run.threshold,
    trainer: TRAINERS[task],
    params: task === 'cluster' ? { clusters: run.count } : task === 'reduce' ? { components: run.count } : { contamination },
    seed,
  });
  const estimate = (value: number) => (Number.isFinite(value) ? value : null);
  const { judgement } = run;
  const evidence: UnsupervisedEvidence = {
    metrics: Object.fromEntries(
      Object.entries(judgement.metrics).map(([name, { value, low, high }]) => [
        name,
        { value: estimate(value), low: estimate(low), high: estimate(high) },
      ]),
    ),
    baseline: Object.fromEntries(Object.entries(judgement.baseline).map(([name, value]) => [name, estimate(value)])),
    section: {
      kind: task,
      columns: run.contract.fields.filter((field) => INPUT_ROLES.has(field.role)).map((field) => field.name),
      count: run.count,
      tried: [...run.tried],
      clusters: run.clusters.map((each) => ({ ...each, traits: [...each.traits] })),
      components: run.components.map((each) => ({ ...each, weights: [...each.weights] })),
      threshold: run.threshold,
      contamination: task === 'anomaly' ? contamination : null,
      quantiles: [...judgement.quantiles],
      label: label ?? null,
    },
    notes: [
      ...judgement.notes,
      ...run.excluded
        .filter((each) => each.field !== label && each.reason !== 'role')
        .map(({ field, reason }) => `${field}: not learnt from: ${reason}`),
    ],
  };
  const onnx = await deps.objects.put(project, run.bytes);
  const explainer = await deps.objects.put(project, run.explainer);
  return {
    format: 'slipway.unsupervised/1',
    onnx: onnx.sha256,
    metadata: await putJson(deps.objects, project, metadata),
    evidence: await putJson(deps.objects, project, evidence),
    explainer: explainer.sha256,
    referenceSketches: await putJson(deps.objects, project, await unsupervisedReference(metadata, run.bytes, rows)),
    task,
    trainer: TRAINERS[task],
    seed,
    parity: { maxError: run.maxError },
    rows: planned.rows,
  };
}

/** Decides the gates fixed before by the evidence beside the version, and registers the report. */
export async function unsupervisedReportStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  state: {
    readonly datasets: DatasetStep;
    readonly planned: UnsupervisedPlanStep;
    readonly made: UnsupervisedStep;
    readonly rows: () => Promise<UnsupervisedRows>;
  },
): Promise<EvaluateStep> {
  const { project } = context;
  const { definition } = request;
  const { planned, made, datasets } = state;
  const recipe = hashJson({ kind: 'slipway.report/1', version: made.version, gates: planned.gatesHash });
  const place = { name: definition.name, recipe, version: made.version, gatesHash: planned.gatesHash, testData: datasets.dataset };
  return reportOnce(deps, context, place, async () => {
    const meta = UnsupervisedMeta.parse((await deps.catalog.get(project, made.version)).meta);
    const evidence = await getJson(deps.objects, project, meta.evidence, UnsupervisedEvidence);
    return reportOf(definition, planned, meta, evidence, await measure(deps, context, made.version, meta, await state.rows()));
  });
}

const BASELINES = { cluster: 'unrelated-columns', reduce: 'unrelated-columns', anomaly: 'random' } as const;

function reportOf(
  definition: LaunchDefinition,
  planned: UnsupervisedPlanStep,
  meta: UnsupervisedMeta,
  { metrics, baseline, section, notes }: UnsupervisedEvidence,
  { latency, robustness }: Measured,
): EvaluationReport {
  const gates = unsupervisedGates(definition);
  // The baseline is one number; what varies is the model's.
  const improvements = Object.fromEntries(
    Object.entries(metrics).map(([name, { value, low, high }]) => {
      const base = baseline[name] ?? null;
      const over = (each: number | null) => (each === null || base === null ? null : each - base);
      return [name, { value: over(value), low: over(low), high: over(high) }];
    }),
  );
  const primary = primaryMetric(meta.task);
  const facts = { metrics, improvements, parity: meta.parity, leaks: [], acceptedLeaks: [], latency, robustness };
  return EvaluationReport.parse({
    format: 'slipway.report/1',
    task: meta.task,
    target: '',
    classes: null,
    positive: null,
    rows: meta.rows,
    seed: meta.seed,
    resamples: 500,
    level: 0.95,
    primary,
    metrics,
    baseline: { name: BASELINES[meta.task], metrics: baseline },
    improvement: { metric: primary, ...(improvements[primary] ?? { value: null, low: null, high: null }) },
    confusion: null,
    curves: null,
    calibration: null,
    balance: null,
    importances: null,
    unsupervised: section,
    leakage: [],
    acceptedLeaks: [],
    parity: meta.parity,
    latency,
    robustness,
    gatesHash: planned.gatesHash,
    gates: decideGates(gates, facts),
    notes: [
      'The interval of "stability" spans the refits; a baseline of unrelated columns has every column shuffled on its own.',
      ...notes,
    ],
    timings: {},
  });
}

/** What is found by asking the stored graph. */
interface Measured {
  readonly latency: { readonly p50Ms: number; readonly p95Ms: number };
  readonly robustness: RobustnessSection | null;
}

async function measure(
  deps: LaunchDeps,
  { project, signal }: WorkflowContext,
  version: string,
  meta: UnsupervisedMeta,
  { test }: UnsupervisedRows,
): Promise<Measured> {
  const metadata = await readUnsupervised(deps, project, UnsupervisedVersionMeta.parse(meta));
  const source = { path: await deps.objects.localPath(project, meta.onnx) };
  const latency = await latencyOf(deps, { project, version, metadata, source }, test);
  const graph = await openUnsupervisedGraph({ metadata, source });
  try {
    return { latency, robustness: await holdOfAnswers(metadata, graph, test, { seed: meta.seed, signal }) };
  } finally {
    await graph.close();
  }
}

/** Single calls as production would make them. */
async function latencyOf(
  deps: LaunchDeps,
  {
    project,
    version,
    metadata,
    source,
  }: {
    readonly project: string;
    readonly version: string;
    readonly metadata: UnsupervisedMetadata;
    readonly source: { readonly path: string };
  },
  test: UnsupervisedRows['test'],
): Promise<Measured['latency']> {
  const { kind: _, ...reference } = await deps.catalog.get(project, version);
  const servable = await openUnsupervised({ version: { ...reference, kind: 'model' }, metadata, source });
  const rows: Row[] = rowsOf(
    metadata.contract,
    takeRows(
      test,
      Array.from({ length: Math.min(LATENCY_ROWS, test.rowCount) }, (__, row) => row),
    ),
  );
  return measureLatency(deps.clock, servable, { calls: LATENCY_CALLS, inputOf: (call) => rows[call % rows.length] as Row });
}
