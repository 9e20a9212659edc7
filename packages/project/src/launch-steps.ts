import type { Version } from '@slipway/catalog';
import { type Data, metaOf } from '@slipway/data';
import { checkGates, defaultGates, primaryMetric } from '@slipway/evaluation';
import { type Json, PlatformError, type ProgressEvent, type WorkflowContext, canonicalJson, takeRows } from '@slipway/kernel';
import { hashJson } from '@slipway/kernel/hash';
import { type TrainedModel, completeParams, train } from '@slipway/learning';
import { ModelMetadata, maxParityError, openModel } from '@slipway/models';
import type { LaunchDefinition, LaunchRequest } from './contract.ts';
import { launchWeights } from './evidence/conduct.ts';
import { trainedOn } from './evidence/champion.ts';
import { decisionOf } from './evidence/decision.ts';
import { groupThresholdsOf } from './evidence/group-thresholds.ts';
import { findAllLeaks } from './evidence/find-all-leaks.ts';
import { makeExplainer } from './evidence/explanations.ts';
import { rulesNotes } from './evidence/rules-baseline.ts';
import { watchedGroups } from './evidence/watched-groups.ts';
import { fixGates } from './fix-gates.ts';
import { putJson } from './json-object.ts';
import { trainingWishes } from './learning-definition.ts';
import { type LaunchDeps, secondsSince } from './launch-deps.ts';
import { type DatasetStep, LaunchedModelMeta, type PlanStep, type TrainStep, type VersionStep } from './launch-state.ts';
import { type PreparedData, requireAsked, requireLearnable, trainingContract } from './prepare-data.ts';
import { modelRecipe } from './recipe.ts';
import { referenceSketches } from './reference-sketches.ts';
import { pastConfigurations, searchCheckpoint } from './search-memory.ts';

/** Rows of the parity check: enough to meet every branch, bounded so that it stays a fraction of the training time. */
const PARITY_ROWS_LIMIT = 5_000;
const PARITY_SLICE_ROWS = 500;

/** Passes progress on without waiting for it, a few times a second at most. */
function reporter(context: WorkflowContext, deps: LaunchDeps): (event: ProgressEvent) => void {
  const PROGRESS_EVERY_MS = 250;
  let last = { phase: '', atMs: Number.NEGATIVE_INFINITY };
  return (event) => {
    const now = deps.clock.monotonicMs();
    if (event.phase === last.phase && now - last.atMs < PROGRESS_EVERY_MS) return;
    last = { phase: event.phase, atMs: now };
    context.progress(event).catch(() => {});
  };
}

/** Reads the files into dataset versions; the same bytes and options find the version that exists. */
export async function ingestStep(deps: LaunchDeps, context: WorkflowContext, request: LaunchRequest): Promise<DatasetStep> {
  const startedMs = deps.clock.monotonicMs();
  const { definition } = request;
  const { exclude, as, target, time, group, subject, read } = definition;
  const common = { project: context.project, principal: context.principal, run: context.run, signal: context.signal };
  const wishes = { exclude, as, ...(target === '' ? {} : { target }), time, group: group ?? definition.query, subject };
  const report = reporter(context, deps);
  const onProgress = (event: ProgressEvent) => report({ ...event, phase: 'data', message: event.message ?? event.phase });
  const trained = await deps.data.ingestVersion({
    ...common,
    ...wishes,
    name: definition.dataset,
    parents: request.retraining?.parents ?? [],
    source: { ...read, upload: request.data.sha256 },
    ...(definition.contract ? { contract: definition.contract } : {}),
    accept: (table) => requireLearnable(table, definition, request.test !== undefined),
    onProgress,
  });
  if (!request.test) return { dataset: trained.version.id, testDataset: null, seconds: secondsSince(deps.clock, startedMs) };
  const contract = await deps.data.loadContract(context.project, trained.meta);
  const tested = await deps.data
    .ingestVersion({
      ...common,
      ...wishes,
      name: testName(definition.dataset),
      parents: request.retraining?.parents ?? [],
      source: { ...read, upload: request.test.sha256 },
      contract,
      onProgress,
    })
    .catch((thrown: unknown) => {
      throw aboutTestFile(thrown);
    });
  return { dataset: trained.version.id, testDataset: tested.version.id, seconds: secondsSince(deps.clock, startedMs) };
}

/** Says which of the two files an error is about; its code, details and advice stay. */
function aboutTestFile(thrown: unknown): unknown {
  if (thrown instanceof PlatformError && thrown.kind !== 'internal') thrown.message = `The test file: ${thrown.message}`;
  return thrown;
}

/** Name of the dataset that a test file becomes. */
export function testName(dataset: string): string {
  return `${dataset.slice(0, 59)}-test`;
}

/** Looks for leaks, divides the rows, and fixes the gates before anything is measured. */
export async function planStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  datasets: DatasetStep,
  prepared: PreparedData,
): Promise<PlanStep> {
  const startedMs = deps.clock.monotonicMs();
  const { definition } = request;
  // Said before a new table is stored, too; a known one is not looked at again there.
  requireAsked(prepared.contract, definition, prepared);
  await context.progress({ phase: 'leaks', message: 'looking for columns that know the answer' });
  const { project } = context;
  const { task, classes, train: rows } = prepared;
  const asked = new Set([...definition.exclude, ...[definition.group, definition.query].filter((name) => name !== undefined)]);
  const leaks = await findAllLeaks(definition, prepared, asked, context.signal);
  const accepted = new Set(definition.acceptLeak);
  const dropped = leaks.filter((leak) => leak.action === 'dropped' && !accepted.has(leak.column)).map((leak) => leak.column);
  const gates = gatesOf(definition, task);
  const { meta } = await deps.data.dataset(project, datasets.dataset);
  const newest = (await deps.catalog.list(project, { kind: 'model', name: definition.name, limit: 1 })).items[0];
  const parts = { definition, prepared, dropped, data: meta.rowsHash };
  const existing = request.mode === 'when-changed' ? await existingVersion(deps, project, parts, newest) : undefined;
  const seed = existing?.seed ?? definition.seed ?? (newest?.number ?? 0) + 1;
  const gatesHash = await fixGates(deps, context, { model: definition.name, gates });
  return {
    task,
    classes: classes === null ? null : [...classes],
    positive: prepared.positive,
    rows: { train: rows.frame.rowCount, test: prepared.test.frame.rowCount },
    split: prepared.split,
    seed,
    leaks: [...leaks],
    notes: [...prepared.notes, ...(await datasetNotes(deps.data, project, datasets)), ...constraintNotes(definition, dropped)],
    leftOut: [...new Set([...asked, ...dropped])],
    gatesHash,
    existing: existing?.version ?? null,
    seconds: secondsSince(deps.clock, startedMs),
  };
}

/** The gates a launch is judged by: its own, or the defaults of its task. */
export function gatesOf(definition: LaunchDefinition, task: PlanStep['task']) {
  const { loss, objective, moreGates = [] } = definition;
  const gates = [...(definition.gates ?? defaultGates(task, loss)), ...moreGates];
  if (definition.baseline && definition.gates === undefined) gates.push({ kind: 'betterThanRules', metric: primaryMetric(task, loss) });
  if (objective && !gates.some((gate) => gate.kind === 'objective')) gates.push({ kind: 'objective' });
  return checkGates(gates, task, loss);
}

/** A demand on a column that turned out to be a leak has nothing to hold. */
function constraintNotes({ monotone = {}, interactions = [] }: LaunchDefinition, dropped: readonly string[]): PlanStep['notes'] {
  const limited = new Set([...Object.keys(monotone), ...interactions.flat()]);
  return dropped
    .filter((column) => limited.has(column))
    .map((column) => ({ column, note: 'left out as a leak, so what was demanded of it (monotone, interactions) has no effect' }));
}

async function datasetNotes(data: Data, project: string, { dataset, testDataset }: DatasetStep): Promise<PlanStep['notes']> {
  const trained = (await data.dataset(project, dataset)).meta.notes;
  const tested = testDataset === null ? [] : (await data.dataset(project, testDataset)).meta.notes;
  const seen = new Set(trained.map((each) => `${each.column}: ${each.note}`));
  const extra = tested
    .filter((each) => !seen.has(`${each.column}: ${each.note}`))
    .map((each) => ({ ...each, note: `test file: ${each.note}` }));
  return [...trained, ...extra].map(({ column, note }) => ({ column: column ?? '', note }));
}

interface RecipeParts {
  readonly definition: LaunchDefinition;
  readonly prepared: PreparedData;
  readonly dropped: readonly string[];
  readonly seed: number;
  readonly data: string;
}

function recipeOf(parts: RecipeParts, trainer: string, params: Readonly<Record<string, unknown>>): string {
  const { definition, prepared, dropped, seed, data } = parts;
  return modelRecipe({ data, contract: hashJson(prepared.contract), dropped, definition, split: prepared.split, trainer, params, seed });
}

/**
 * With a given trainer the recipe is known before training; a version that has it need not be trained again. A definition
 * that leaves the seed open means the seed of its newest version, or every application would make another one.
 */
async function existingVersion(
  deps: LaunchDeps,
  project: string,
  parts: Omit<RecipeParts, 'seed'>,
  newest: Version | undefined,
): Promise<{ version: string; seed: number } | undefined> {
  const { train: trainer, name, seed = newest && LaunchedModelMeta.safeParse(newest.meta).data?.seed } = parts.definition;
  if (trainer.kind === 'auto' || seed === undefined) return undefined;
  const params = completeParams(trainer.kind, trainer.params);
  const found = await deps.catalog.findByRecipe(project, 'model', name, recipeOf({ ...parts, seed }, trainer.kind, params));
  return found && { version: found.id, seed };
}

/** Trains, exports, proves that the graph says what the trainer says, and stores the graph. */
export async function trainStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  state: { readonly datasets: DatasetStep; readonly plan: PlanStep; readonly prepared: PreparedData },
): Promise<TrainStep> {
  const startedMs = deps.clock.monotonicMs();
  const { definition } = request;
  const { plan, prepared } = state;
  const { project } = context;
  const weights = launchWeights(prepared, definition);
  const isSearch = definition.train.kind === 'auto';
  const checkpoint = searchCheckpoint(deps, context);
  const trained = await train({
    frame: prepared.train.frame,
    contract: trainingContract(prepared.contract, definition.target, plan.leftOut),
    task: plan.task,
    target: prepared.train.target,
    classes: plan.classes,
    ...trainingWishes(definition),
    ...((plan.split.strategy === 'time' || request.retraining) && definition.time !== undefined ? { timeField: definition.time } : {}),
    ...(prepared.train.queries ? { queries: prepared.train.queries } : {}),
    ...(weights ? { weights } : {}),
    seed: plan.seed,
    threads: deps.trainingThreads,
    ...(definition.train.kind === 'auto'
      ? {
          seconds: definition.train.seconds,
          history: await pastConfigurations(deps.catalog, project, { ...definition, task: plan.task }),
          checkpoint,
        }
      : { fixed: { trainer: definition.train.kind, params: definition.train.params as Readonly<Record<string, Json>> } }),
    signal: context.signal,
    onProgress: reporter(context, deps),
  });
  if (isSearch) await checkpoint.forget();
  await context.progress({ phase: 'parity', message: 'comparing the exported graph with the trainer' });
  const decision = await decisionOf(deps, context, { definition, plan, prepared, trained });
  const groupThresholds = await groupThresholdsOf(deps, context, { definition, plan, prepared, trained, threshold: decision?.threshold });
  const metadata = { ...metadataOf(definition, plan, trained, decision), ...(groupThresholds ? { groupThresholds } : {}) };
  // Each waits for a thread of its own most of the time. Rules are their own explanation.
  const [maxError, explainer] = await Promise.all([
    parityError(trained, metadata, prepared),
    trained.trainer === 'rules' ? undefined : makeExplainer(deps, context, { definition, trained, prepared, seed: plan.seed }),
  ]);
  const onnx = await deps.objects.put(project, trained.bytes);
  const { meta } = await deps.data.dataset(project, state.datasets.dataset);
  const dropped = plan.leaks.filter((leak) => plan.leftOut.includes(leak.column) && leak.action === 'dropped').map((leak) => leak.column);
  return {
    trainer: trained.trainer,
    params: { ...trained.params },
    recipe: recipeOf({ definition, prepared, dropped, seed: plan.seed, data: meta.rowsHash }, trained.trainer, trained.params),
    onnx: onnx.sha256,
    metadata: await putJson(deps.objects, project, metadata),
    leaderboard: await putJson(deps.objects, project, trained.leaderboard),
    explainer,
    decision,
    sizeBytes: onnx.sizeBytes,
    parity: { maxError },
    excluded: notesOf(trained),
    seconds: secondsSince(deps.clock, startedMs),
  };
}

/** What people should know of how the columns are used. */
function notesOf({ excluded, interactions }: TrainedModel): { column: string; note: string }[] {
  const left = excluded.filter((each) => each.reason !== 'role');
  const notes = left.map((each) => ({ column: each.field, note: `not learnt from: ${each.reason}` }));
  if (interactions.length === 0) return notes;
  return [...notes, { column: '', note: `products the linear model uses: ${interactions.join(', ')}` }];
}

function metadataOf(definition: LaunchDefinition, plan: PlanStep, trained: TrainedModel, decision: TrainStep['decision']): ModelMetadata {
  return ModelMetadata.parse({
    format: 'slipway.model/1',
    task: plan.task,
    target: definition.target,
    classes: plan.classes,
    positive: plan.positive,
    contract: {
      ...trained.contract,
      ignored: [...new Set([...trained.contract.ignored, definition.target])],
      ...(definition.subject === undefined ? {} : { subject: definition.subject }),
    },
    features: trained.features,
    trainer: trained.trainer,
    params: trained.params,
    seed: plan.seed,
    ...(rulesNotes(trained) ? { notes: rulesNotes(trained) } : {}),
    // The likelier class is what an answer names anyway.
    ...(decision && decision.source !== 'default' ? { decision: { threshold: decision.threshold } } : {}),
  });
}

/** Largest difference between trainer and graph over test and training rows, computed in slices that leave the event loop free. */
async function parityError(trained: TrainedModel, metadata: ModelMetadata, prepared: PreparedData): Promise<number> {
  const model = await openModel({ bytes: trained.bytes, metadata, lane: 'worker' });
  let worst = 0;
  try {
    for (const { frame } of [prepared.test, prepared.train]) {
      const rows = Math.min(frame.rowCount, PARITY_ROWS_LIMIT);
      for (let start = 0; start < rows; start += PARITY_SLICE_ROWS) {
        const positions = Array.from({ length: Math.min(PARITY_SLICE_ROWS, rows - start) }, (_, index) => start + index);
        const slice = takeRows(frame, positions);
        const expected = trained.predict(slice);
        const got = await model.predict(slice);
        const error = maxParityError(expected.probabilities ?? expected.values ?? [], got.probabilities ?? got.values ?? [], trained.task);
        worst = Math.max(worst, error.maxError);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  } finally {
    await model.close();
  }
  return worst;
}

/** Registers the version with its lineage; a recipe that exists keeps its version. */
export async function versionStep(
  deps: LaunchDeps,
  context: WorkflowContext,
  request: LaunchRequest,
  state: { readonly datasets: DatasetStep; readonly plan: PlanStep; readonly trained: TrainStep; readonly prepared: PreparedData },
): Promise<VersionStep> {
  const { plan, trained, datasets } = state;
  const { project } = context;
  const sketches = await referenceSketches(deps.objects, project, { ...state, classes: plan.classes });
  const groups = watchedGroups(state.prepared.contract.fields, request.definition.sensitive);
  const meta: LaunchedModelMeta = {
    onnx: trained.onnx,
    metadata: trained.metadata,
    referenceSketches: sketches,
    task: plan.task,
    classes: plan.classes,
    positive: plan.positive,
    target: request.definition.target,
    trainer: trained.trainer,
    params: trained.params,
    seed: plan.seed,
    parity: trained.parity,
    leaderboard: trained.leaderboard,
    excluded: trained.excluded,
    decision: trained.decision,
    trainedOn: trainedOn(request.definition, (await deps.catalog.get(project, datasets.dataset)).content, plan),
    ...(trained.explainer === undefined ? {} : { explainer: trained.explainer }),
    ...(groups.length === 0 ? {} : { sensitive: groups }),
  };
  const { version, created } = await deps.records.transaction((tx) =>
    deps.catalog.register(tx, {
      project,
      kind: 'model',
      name: request.definition.name,
      recipe: trained.recipe,
      content: hashJson({ onnx: trained.onnx, metadata: trained.metadata }),
      run: context.run,
      principal: context.principal.id,
      meta: JSON.parse(canonicalJson(meta)) as Json,
      parents: [{ id: datasets.dataset, role: 'training-data' }],
    }),
  );
  return { version: version.id, created: created || version.run === context.run, recipe: trained.recipe, trainer: trained.trainer };
}

/** Rows hash of what a launch judges by; part of a report's identity. */
export async function testHash(deps: LaunchDeps, project: string, datasets: DatasetStep, plan: PlanStep): Promise<string> {
  const reference = datasets.testDataset ?? datasets.dataset;
  const version = await deps.catalog.get(project, reference);
  return hashJson({ rows: metaOf(version)?.rowsHash ?? version.content, split: plan.split });
}
