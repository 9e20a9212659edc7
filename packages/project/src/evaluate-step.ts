import { type Evaluation, type Leak, type ModelPredictions, buildReport, decideGates, evaluate } from '@slipway/evaluation';
import { type Contract, type Frame, INPUT_ROLES, type Row, type WorkflowContext, cell, takeRows, toRfc3339 } from '@slipway/kernel';
import { ModelMetadata, measureLatency, openModel } from '@slipway/models';
import type { LaunchDefinition, LaunchRequest } from './contract.ts';
import { LEAN_NOTE, WHOLE_EVIDENCE, evidenceForGates, gatherEvidence } from './evidence/gather-evidence.ts';
import { worthOf } from './evidence/worth.ts';
import { getJson } from './json-object.ts';
import { type LaunchDeps } from './launch-deps.ts';
import { type DatasetStep, type EvaluateStep, LaunchedModelMeta, type PlanStep, type VersionStep } from './launch-state.ts';
import { gatesOf, testHash } from './launch-steps.ts';
import { predictionsOf } from './predictions-of.ts';
import type { PreparedData } from './prepare-data.ts';
import { reportRecipe } from './recipe.ts';
import { reportOnce } from './report-once.ts';

/** One-row calls that the latency gate is measured with, and the rows they take turns with. */
const LATENCY_CALLS = 300;
const LATENCY_ROWS = 50;

interface EvaluateState {
  readonly datasets: DatasetStep;
  readonly plan: PlanStep;
  readonly version: VersionStep;
  /** Loaded only when there is something to compute. */
  readonly prepared: () => Promise<PreparedData>;
}

/** Judges a version by rows it has not seen, decides the gates fixed before, and registers the report. */
export async function evaluateStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  state: EvaluateState,
): Promise<EvaluateStep> {
  const { project } = context;
  const { definition } = request;
  const { plan, version } = state;
  const test = await testHash(deps, project, state.datasets, plan);
  const recipe = reportRecipe({
    version: version.version,
    test,
    gates: plan.gatesHash,
    acceptLeak: definition.acceptLeak,
    sensitive: definition.sensitive,
    objective: definition.objective,
    baseline: definition.baseline,
    evidence: request.retraining ? 'gates' : 'whole',
  });
  const place = {
    name: definition.name,
    recipe,
    version: version.version,
    gatesHash: plan.gatesHash,
    testData: state.datasets.testDataset ?? state.datasets.dataset,
  };
  return reportOnce(deps, context, place, () => judge(deps, context, request, state));
}

async function judge(deps: LaunchDeps, context: WorkflowContext, request: LaunchRequest, state: EvaluateState) {
  const { plan, version } = state;
  const { definition, retraining } = request;
  const { project } = context;
  const prepared = await state.prepared();
  const meta = LaunchedModelMeta.parse((await deps.catalog.get(project, version.version)).meta);
  const metadata = await getJson(deps.objects, project, meta.metadata, ModelMetadata);
  const model = await openModel({ path: await deps.objects.localPath(project, meta.onnx), metadata });
  try {
    await context.progress({ phase: 'evaluate', message: `judging by ${prepared.test.frame.rowCount} rows` });
    const predict = (frame: Frame) => predictionsOf(model, frame);
    const predictions = await predict(prepared.test.frame);
    const threshold = metadata.decision?.threshold;
    const evaluation = await evaluateModel(context, definition, prepared, { predictions, threshold });
    const judged = { definition, prepared, predictions, threshold, decision: meta.decision ?? null, unseenBy: retraining?.champion };
    const { notes, ...worth } = await worthOf(deps, context, { ...state, ...judged, metadata, version: version.version });
    const gates = gatesOf(definition, plan.task);
    const looked = { ...judged, context, clock: deps.clock, model, meta, metadata, leftOut: plan.leftOut, predict };
    const evidence = await gatherEvidence(deps, looked, retraining ? evidenceForGates(gates) : WHOLE_EVIDENCE);
    const rows = rowsOf(metadata.contract, takeRows(prepared.test.frame, firstRows(prepared.test.frame, LATENCY_ROWS)));
    const latency = await measureLatency(model, rows, { repeats: LATENCY_CALLS });
    const leaks: Leak[] = plan.leaks.filter((leak) => !plan.leftOut.includes(leak.column) || leak.action === 'dropped');
    const facts = {
      metrics: evaluation.metrics,
      improvements: evaluation.improvements,
      parity: meta.parity,
      leaks,
      acceptedLeaks: definition.acceptLeak,
      latency,
      fairness: evidence.fairness,
      robustness: evidence.robustness,
      objective: worth.objective,
      rules: worth.rules,
      comparison: worth.comparison,
    };
    return buildReport({
      evaluation,
      target: definition.target,
      classes: plan.classes,
      positive: plan.positive,
      gates,
      gateResults: decideGates(gates, facts),
      ...evidence,
      ...worth,
      leakage: leaks,
      acceptedLeaks: definition.acceptLeak,
      parity: meta.parity,
      latency: { p50Ms: latency.p50Ms, p95Ms: latency.p95Ms },
      notes: [
        ...[...plan.notes, ...(meta.excluded ?? [])].map(({ column, note }) => (column === '' ? note : `${column}: ${note}`)),
        ...notes,
        ...(retraining ? [LEAN_NOTE] : []),
      ],
    });
  } finally {
    await model.close();
  }
}

async function evaluateModel(
  context: WorkflowContext,
  definition: LaunchDefinition,
  prepared: PreparedData,
  said: { readonly predictions: ModelPredictions; readonly threshold: number | undefined },
): Promise<Evaluation> {
  const { task, classes, positive, train, test } = prepared;
  const time = definition.time === undefined ? undefined : test.frame.columns.get(definition.time);
  return evaluate({
    task,
    classes,
    positive,
    truth: truthOf(prepared, test.target),
    trainTruth: truthOf(prepared, train.target),
    ...said,
    loss: definition.loss,
    queries: test.queries,
    times: time?.kind === 'number' ? time.values : undefined,
    seed: definition.split.seed,
    signal: context.signal,
  });
}

function truthOf({ classes }: PreparedData, target: Float64Array): Int32Array | Float64Array {
  return classes === null ? target : Int32Array.from(target);
}

function firstRows(frame: Frame, limit: number): number[] {
  return Array.from({ length: Math.min(frame.rowCount, limit) }, (_, row) => row);
}

/** Rows of a frame as calls would send them. */
export function rowsOf(contract: Contract, frame: Frame): Row[] {
  const fields = contract.fields.filter((field) => INPUT_ROLES.has(field.role));
  return Array.from({ length: frame.rowCount }, (_, row) =>
    Object.fromEntries(
      fields.map((field) => {
        const column = frame.columns.get(field.name);
        const value = column ? cell(column, row) : null;
        if (value === null || typeof value === 'string') return [field.name, value];
        if (field.type === 'boolean') return [field.name, value === 1];
        return [field.name, field.type === 'timestamp' ? toRfc3339(value) : value];
      }),
    ),
  );
}
