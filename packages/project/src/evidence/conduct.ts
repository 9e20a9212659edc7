import {
  type FairnessSection,
  type Importances,
  type LabelNoise,
  type Mitigation,
  type ModelPredictions,
  type RobustnessSection,
  type Attribute,
  type SlicesSection,
  type TaskData,
  type Truth,
  appliedMitigation,
  assessFairness,
  assessRobustness,
  attributesOf,
  findSlices,
  intersect,
  measureLabelNoise,
  reweighingMitigation,
  reweighingWeights,
  withLabelNoise,
} from '@slipway/evaluation';
import { type Clock, type Field, type Frame, type WorkflowContext, takeRows } from '@slipway/kernel';
import type { GroupThreshold, OnnxModel } from '@slipway/models';
import { createRandom } from '@slipway/statistics';
import type { LaunchDefinition } from '../contract.ts';
import { trainingWishes } from '../learning-definition.ts';
import type { LaunchedModelMeta } from '../launch-state.ts';
import { type LabelledRows, type PreparedData, trainingContract } from '../prepare-data.ts';
import { decideByGroup, readerOf } from './decide-by-group.ts';
import { Refitter } from './refit.ts';

/** Wall-clock and rows of the small models that label noise and reweighing are measured with. */
const LABEL_NOISE_BUDGET_MS = 8_000;
const LABEL_NOISE_ROWS = 2_000;
const REWEIGHING_BUDGET_MS = 10_000;
const REWEIGHING_ROWS = 10_000;
const LABEL_NOISE_UNMEASURED = 'What wrong training labels would do could not be measured in the time set aside for it.';
/** Test rows that small models are asked about. */
const REFIT_TEST_ROWS = 5_000;
/** Sensitive columns whose intersection is reweighed. */
const REWEIGHED_COLUMN_LIMIT = 3;

export interface ConductRequest {
  readonly context: WorkflowContext;
  readonly clock: Clock;
  readonly definition: LaunchDefinition;
  readonly prepared: PreparedData;
  readonly model: OnnxModel;
  readonly meta: LaunchedModelMeta;
  /** Columns left out of training. */
  readonly leftOut: readonly string[];
  /** What the model said about the test rows. */
  readonly predictions: ModelPredictions;
  readonly predict: (frame: Frame) => Promise<ModelPredictions>;
  readonly importances: Importances | null;
  /** Above it the positive class is decided; 0.5 when left out. */
  readonly threshold?: number | undefined;
}

/** How a model conducts itself towards parts of its data: slices, groups of people, and rows that are not as they should be. */
export interface Conduct {
  readonly slices: SlicesSection | null;
  readonly fairness: FairnessSection | null;
  readonly robustness: RobustnessSection | null;
}

const NOTHING: Conduct = { slices: null, fairness: null, robustness: null };

/** Gathers slices, fairness and robustness of a judged model, as far as asked for. Seeded; bounded in rows and time. Nothing for rankings. */
export async function gatherConduct(
  request: ConductRequest,
  parts: { readonly slices: boolean; readonly fairness: boolean; readonly robustness: boolean },
): Promise<Conduct> {
  // What is right about the order of rows is not a matter of single rows.
  if (request.prepared.task === 'ranking') return NOTHING;
  const { context, prepared, definition, predictions, threshold } = request;
  const fields = inputFields(request);
  // A test file may do without columns that no model reads.
  const sensitive = fieldsOf(prepared, definition.sensitive).filter((field) => prepared.test.frame.columns.has(field.name));
  const data = {
    ...taskOf(prepared),
    truth: truthOf(prepared, prepared.test.target),
    predictions,
    frame: prepared.test.frame,
    seed: definition.split.seed,
    threshold,
    signal: context.signal,
  };
  const slices = parts.slices ? await slicesOf(request, data, [fields, sensitive]) : null;
  const fairness = parts.fairness && sensitive.length > 0 ? await fairnessOf(request, { ...data, sensitive }) : null;
  const robustness = parts.robustness ? await robustnessOf(request, { ...data, fields }) : null;
  return { slices, fairness, robustness };
}

async function slicesOf(
  { context }: ConductRequest,
  data: Omit<Parameters<typeof findSlices>[0], 'fields'>,
  [fields, sensitive]: readonly [readonly Field[], readonly Field[]],
): Promise<SlicesSection> {
  await context.progress({ phase: 'slices', message: 'looking for rows that the model does worse on' });
  const others = sensitive.filter((field) => !fields.some((each) => each.name === field.name));
  return findSlices({ ...data, fields: [...fields.filter((field) => field.role !== 'text'), ...others] });
}

async function robustnessOf(
  request: ConductRequest,
  data: Omit<Parameters<typeof assessRobustness>[0], 'predict'>,
): Promise<RobustnessSection> {
  await request.context.progress({ phase: 'robustness', ratio: 0 });
  // The small models are taught in threads of their own while the graph is asked about spoilt rows here.
  const [labelNoise, measured] = await Promise.all([labelNoiseOf(request), assessRobustness({ ...data, predict: request.predict })]);
  return labelNoise === null ? { ...measured, notes: [...measured.notes, LABEL_NOISE_UNMEASURED] } : withLabelNoise(measured, labelNoise);
}

/** The model's inputs, the most important first, with what the contract expects of them. */
function inputFields({ model, importances }: ConductRequest): Field[] {
  const rank = new Map((importances?.fields ?? []).map((each, index) => [each.field, index]));
  return model.metadata.contract.fields.toSorted((left, right) => (rank.get(left.name) ?? rank.size) - (rank.get(right.name) ?? rank.size));
}

function fieldsOf({ contract }: PreparedData, names: readonly string[]): Field[] {
  return names.flatMap((name) => contract.fields.filter((field) => field.name === name));
}

function taskOf({ task, classes, positive }: PreparedData): Pick<TaskData, 'task' | 'classes' | 'positive'> {
  return { task, classes, positive };
}

function truthOf({ task, classes }: PreparedData, target: Float64Array): Truth {
  return task === 'regression' || classes === null ? target : Int32Array.from(target);
}

async function fairnessOf(request: ConductRequest, data: Parameters<typeof assessFairness>[0]): Promise<FairnessSection> {
  await request.context.progress({ phase: 'fairness', message: `by ${request.definition.sensitive.join(', ')}` });
  const applied = appliedThresholds(request, data);
  const section = await assessFairness({ ...data, ...(applied ? { decisions: applied.after } : {}) });
  if (data.task !== 'binary' && request.definition.mitigate === 'reweighing') {
    return { ...section, notes: [...section.notes, 'The price of reweighing is measured for two classes only.'] };
  }
  if (data.task !== 'binary' || data.sensitive.length < request.definition.sensitive.length) return section;
  if (applied) return { ...section, ...thresholdsApplied(request, applied, section) };
  const reweighing = await reweighingOf(request);
  if (reweighing === null) return { ...section, notes: [...section.notes, 'What reweighing would cost could not be measured in time.'] };
  return { ...section, mitigations: [...section.mitigations, reweighing] };
}

interface AppliedThresholds {
  readonly groups: readonly GroupThreshold[];
  readonly truth: Uint8Array;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** What the test rows are decided as with and without the thresholds that the version has for its groups. */
function appliedThresholds({ prepared, model, predictions, threshold = 0.5 }: ConductRequest, data: TaskData): AppliedThresholds | null {
  const groups = model.metadata.groupThresholds;
  if (groups === undefined || data.task !== 'binary') return null;
  const positive = positiveOf(prepared);
  const { scores: said } = decisionsOf(predictions, positive, threshold);
  const read = readerOf(prepared.test.frame, prepared.contract.fields);
  return {
    groups,
    truth: Uint8Array.from(data.truth, (code) => (code === positive ? 1 : 0)),
    before: decideByGroup([], { said, threshold, read }),
    after: decideByGroup(groups, { said, threshold, read }),
  };
}

function thresholdsApplied(
  request: ConductRequest,
  applied: AppliedThresholds,
  section: FairnessSection,
): Pick<FairnessSection, 'mitigations' | 'notes'> {
  const { prepared, definition } = request;
  const mitigation = appliedMitigation({
    attribute: sensitiveAttribute(prepared, definition, prepared.test.frame),
    criterion: definition.mitigate === 'thresholds:equal_opportunity' ? 'equal_opportunity' : 'demographic_parity',
    ...applied,
  });
  const note = 'Groups are judged by decisions with their own thresholds; the metrics of the report are those of the common threshold.';
  return {
    mitigations: [mitigation, ...section.mitigations.filter((each) => each.method !== 'thresholds')],
    notes: [...section.notes, note],
  };
}

/** Rows of the test that small models are asked about. */
function testSample({ test }: PreparedData, seed: number): LabelledRows {
  if (test.frame.rowCount <= REFIT_TEST_ROWS) return test;
  const rows = createRandom(`refit-test:${seed}`).sampleWithoutReplacement(test.frame.rowCount, REFIT_TEST_ROWS).toSorted();
  return { frame: takeRows(test.frame, rows), target: Float64Array.from(rows, (row) => test.target[row] as number) };
}

function refitter(request: ConductRequest, test: LabelledRows, limits: { readonly budgetMs: number; readonly rowLimit: number }): Refitter {
  const { prepared, definition, meta, leftOut, clock, context } = request;
  return new Refitter({
    ...limits,
    frame: prepared.train.frame,
    target: prepared.train.target,
    contract: trainingContract(prepared.contract, definition.target, leftOut),
    task: prepared.task,
    classes: prepared.classes,
    trainer: meta.trainer,
    params: meta.params,
    seed: meta.seed,
    test: test.frame,
    nowMs: () => clock.monotonicMs(),
    signal: context.signal,
    extra: trainingWishes(definition),
  });
}

async function labelNoiseOf(request: ConductRequest): Promise<LabelNoise | null> {
  const { prepared, definition } = request;
  const test = testSample(prepared, definition.split.seed);
  const small = refitter(request, test, { budgetMs: LABEL_NOISE_BUDGET_MS, rowLimit: LABEL_NOISE_ROWS });
  return measureLabelNoise({
    ...taskOf(prepared),
    truth: truthOf(prepared, test.target),
    trainTruth: truthOf(prepared, small.target),
    seed: definition.split.seed,
    refit: (truth) => small.refitTruth(truth),
  });
}

async function reweighingOf(request: ConductRequest): Promise<Mitigation | null> {
  const { prepared, definition, threshold } = request;
  const test = testSample(prepared, definition.split.seed);
  const small = refitter(request, test, { budgetMs: REWEIGHING_BUDGET_MS, rowLimit: REWEIGHING_ROWS });
  const weights = launchWeights(prepared, { ...definition, mitigate: 'reweighing' });
  if (!weights) return null;
  const plain = await small.refit(small.target);
  const weighed =
    plain &&
    (await small.refit(
      small.target,
      Float64Array.from(small.rows, (row) => weights[row] as number),
    ));
  if (!plain || !weighed) return null;
  const attribute = sensitiveAttribute(prepared, definition, test.frame);
  const positive = positiveOf(prepared);
  return reweighingMitigation({
    attribute,
    truth: test.target.map((code) => (code === positive ? 1 : 0)),
    before: decisionsOf(plain, positive, threshold),
    after: decisionsOf(weighed, positive, threshold),
    applied: definition.mitigate === 'reweighing',
    note: `Two models of the same trainer and parameters were taught the same ${small.rows.length} rows, with and without the weights.`,
  });
}

function positiveOf({ classes, positive }: PreparedData): number {
  return positive === null ? (classes?.length ?? 1) - 1 : (classes?.indexOf(positive) ?? 1);
}

function decisionsOf(predictions: ModelPredictions, positive: number, threshold = 0.5): { scores: Float64Array; decisions: Uint8Array } {
  const probabilities = 'probabilities' in predictions ? predictions.probabilities : new Float64Array(0);
  const scores = Float64Array.from({ length: probabilities.length / 2 }, (_, row) => probabilities[2 * row + positive] as number);
  return { scores, decisions: Uint8Array.from(scores, (score) => (score > threshold ? 1 : 0)) };
}

/** The sensitive columns of a definition as one attribute: a column, or the intersection of the first few. */
export function sensitiveAttribute(prepared: PreparedData, definition: LaunchDefinition, frame: Frame): Attribute {
  const fields = fieldsOf(prepared, definition.sensitive).slice(0, REWEIGHED_COLUMN_LIMIT);
  const attributes = attributesOf(frame, fields);
  return fields.length === 1 && attributes[0] ? attributes[0] : intersect(attributes.slice(0, fields.length));
}

/** Weights that make group and label independent, when the definition asks for them; undefined when it does not. */
export function launchWeights(prepared: PreparedData, definition: LaunchDefinition): Float64Array | undefined {
  const { mitigate, sensitive } = definition;
  if (mitigate !== 'reweighing' || sensitive.length === 0 || prepared.classes === null) return undefined;
  const attribute = sensitiveAttribute(prepared, definition, prepared.train.frame);
  return reweighingWeights(attribute.codes, attribute.groups.length, prepared.train.target, prepared.classes.length);
}
