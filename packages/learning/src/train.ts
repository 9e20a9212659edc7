import { type Column, columnKind, Contract, type Frame, INPUT_ROLES, type Json, type ProgressEvent } from '@slipway/kernel';
import { checkRequest, outputCountOf } from './check-request.ts';
import { ownLoss, trainersFor } from './check-loss.ts';
import { TrainingCancelledError, TrainRequestError } from './errors.ts';
import { type EnsembleMember, type FittedModel, predictFitted, type Task, type TrainerOutputs } from './fitted-model.ts';
import type { EncodedMatrix } from './matrix.ts';
import { GIVEN_CANDIDATE } from './hyper-parameters.ts';
import { productNames } from './linear/products.ts';
import { type ModelPlan, type ModelTrainer, planOf, recipeOfPlan } from './model-plan.ts';
import { type ExcludedField, type Preparation, usedFields } from './preparation.ts';
import { trainRules } from './rules/train-rules.ts';
import type { PastConfiguration, TrainerName } from './search/candidates.ts';
import type { SearchCheckpoint } from './search/checkpoint.ts';
import type { SelectionStrategy } from './search/folds.ts';
import { elapsedFeatures } from './search/elapsed.ts';
import type { LeaderboardEntry } from './search/leaderboard.ts';
import { rootsPay } from './search/root-probe.ts';
import { Search, type SearchResult } from './search/search.ts';
import type { Supervision } from './supervision.ts';
import { mayLearnRoots, type ScaledTarget, scaleTarget, type TargetScale } from './target-scale.ts';
import { TrainingThread } from './training-thread.ts';
import { constraintsWithout, type ModelConstraints } from './trees/constraints.ts';
import type { Loss } from './trees/loss.ts';
import type { RootSquared } from './trees/objective.ts';

export const SECONDS_DEFAULT = 30;
/** Threads one training may use. */
export const THREAD_LIMIT = 8;

export interface TrainRequest {
  /** Training rows only; columns of the contract's input fields. */
  readonly frame: Frame;
  /** Fields with roles; the target and unused columns may be among them under their own roles. */
  readonly contract: Contract;
  readonly task: Task;
  /** One per row: the index of the class in `classes`, or the number. `prepareTarget` makes it. */
  readonly target: Float64Array;
  /** In the order of the probabilities, positive last; null for regression. */
  readonly classes: readonly string[] | null;
  /** One per row, > 0. */
  readonly weights?: Float64Array;
  /** What is made small; `squared` for numbers and `lambdarank` for a ranking by default. Others than `squared` are learnt by trees. */
  readonly loss?: Loss;
  /** Shapes the model must keep, by column; learnt by trees. */
  readonly constraints?: ModelConstraints;
  /**
   * Field by whose order the model will be judged: it is to be used on rows that are later than all of these. Folds then
   * hold out later rows; trees see of the time elapsed only coarse steps, and nothing when later rows show that it misleads.
   */
  readonly timeField?: string;
  /** Ranking: the query of each row, by any number. */
  readonly queries?: Int32Array;
  /**
   * Wall-clock budget, the last training on all rows included; it decides only how many candidates are tried. Less is
   * used when nothing better is in sight. Default SECONDS_DEFAULT.
   */
  readonly seconds?: number;
  readonly seed: number | string;
  readonly trainers?: readonly TrainerName[];
  /**
   * Trains exactly with these hyper-parameters, without a search: those and the seed of an earlier `train` give its bytes
   * again. Missing ones have the defaults of HYPER_PARAMETERS. Not together with `trainers` or `seconds`.
   */
  readonly fixed?: { readonly trainer: ModelTrainer; readonly params: Readonly<Record<string, Json>> };
  /** Configurations of the past that the search tries early; those of the same or similar tables, the likeliest first. */
  readonly history?: readonly PastConfiguration[];
  /** Where finished evaluations are kept, so that a training that is begun again after a crash does not repeat them. */
  readonly checkpoint?: SearchCheckpoint;
  /** Candidates evaluated at the same time, 1 by default. */
  readonly threads?: number;
  /** Written into the ONNX file's metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: ProgressEvent) => void;
}

export interface TrainedModel {
  readonly task: Task;
  readonly classes: readonly string[] | null;
  /** `ensemble` when several models are averaged. */
  readonly trainer: ModelTrainer;
  /**
   * All hyper-parameters, rounds of trees included, and nothing else: what `fixed` takes and a recipe hashes. Of an
   * ensemble its `members`: [{trainer, weight, params}]; with `calibration` when margins are calibrated.
   */
  readonly params: Readonly<Record<string, Json>>;
  /** How they were found. */
  readonly selection: { readonly candidate: string; readonly strategy: SelectionStrategy; readonly folds: number };
  /** The ONNX file. */
  readonly bytes: Uint8Array;
  /** Names of the encoded features, in the order of the graph's `features`. */
  readonly features: readonly string[];
  /** Products of two features that linear models in it use, as people read them (`age × plan=basic`). */
  readonly interactions: readonly string[];
  /** What callers send: the used fields; the other columns of the data are ignored. */
  readonly contract: Contract;
  /** Fields that feed nothing, and why. */
  readonly excluded: readonly ExcludedField[];
  /** Empty when the hyper-parameters were given. */
  readonly leaderboard: readonly LeaderboardEntry[];
  /** The model as plain data. */
  readonly fitted: FittedModel;
  readonly seconds: { readonly prepare: number; readonly search: number; readonly refit: number; readonly total: number };
  /** The trainer's own outputs, for parity with the graph. */
  predict(frame: Frame): TrainerOutputs;
}

/**
 * Prepares, searches (unless `fixed` says what to train), refits and exports, in worker threads. Cancelled by `signal` at
 * any moment.
 * @throws {TrainRequestError | TargetError | TooFewRowsError | NoFeatureError | TreeSpaceError | TrainingCancelledError}
 */
export async function train(request: TrainRequest): Promise<TrainedModel> {
  checkRequest(request);
  const { signal, fixed } = request;
  if (fixed?.trainer === 'rules') return trainRules(request, fixed.params);
  const count =
    request.fixed && request.fixed.trainer !== 'ensemble' ? 1 : Math.max(1, Math.min(THREAD_LIMIT, Math.floor(request.threads ?? 1)));
  const threads = Array.from({ length: count }, () => new TrainingThread());
  const close = () => Promise.all(threads.map((thread) => thread.close()));
  const cancel = () => void close();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await trainOn(threads, request);
  } catch (error) {
    if (signal?.aborted) throw new TrainingCancelledError('Training was cancelled.', { cause: error });
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
    await close();
  }
}

async function trainOn(threads: readonly TrainingThread[], request: TrainRequest): Promise<TrainedModel> {
  request.signal?.throwIfAborted();
  const startedMs = Date.now();
  const [first] = threads;
  if (!first) throw new TrainRequestError('Training needs a thread.');
  request.onProgress?.({ phase: 'prepare', ratio: 0 });
  const { scaled, preparation, matrix } = await prepare(threads, request);
  const { target, scale, root } = scaled;
  const preparedMs = Date.now();
  const { leaderboard, selection, plan } = await choose(threads, request, {
    matrix,
    target,
    scale,
    root,
    excluded: new Set(preparation.excluded.map(({ field }) => field)),
    startedMs: searchStartMs(request, startedMs, preparedMs),
    ...timeOf(request, preparation),
  });
  const searchedMs = Date.now();
  request.onProgress?.({ phase: 'refit', ratio: 0 });
  const members = await refitMembers(threads, plan, request);
  const { fitted, bytes } = await first.ask<'export'>({
    kind: 'export',
    members,
    calibration: plan.calibration,
    preparation,
    classes: request.classes,
    scale: { mean: scale.mean, deviation: scale.deviation },
    metadata: request.metadata ?? {},
  });
  request.onProgress?.({ phase: 'refit', ratio: 1 });
  const endedMs = Date.now();
  return {
    task: request.task,
    classes: request.classes,
    ...recipeOfPlan(plan),
    selection,
    bytes,
    features: preparation.features.map((feature) => feature.name),
    interactions: productNames(preparation, members),
    contract: inputContract(request.contract, preparation),
    excluded: preparation.excluded,
    leaderboard,
    fitted,
    seconds: {
      prepare: (preparedMs - startedMs) / 1_000,
      search: (searchedMs - preparedMs) / 1_000,
      refit: (endedMs - searchedMs) / 1_000,
      total: (endedMs - startedMs) / 1_000,
    },
    predict: (frame) => predictFitted(fitted, frame),
  };
}

interface Prepared {
  readonly scaled: ScaledTarget;
  readonly preparation: Preparation;
  readonly matrix: EncodedMatrix;
}

/** Decides what is learnt of the target, the number or its root, and prepares the columns for that. */
async function prepare(threads: readonly TrainingThread[], request: TrainRequest): Promise<Prepared> {
  const [thread, second = thread] = threads as readonly [TrainingThread, TrainingThread?];
  const { contract, fixed, timeField, weights, seed } = request;
  const frame = sharedFrame(request);
  const prepareFor = async (scaled: ScaledTarget, order: string | undefined): Promise<Prepared> => {
    const supervision = supervisionOf(request, scaled.target);
    const loss = ownLoss(request);
    return { scaled, ...(await thread.ask<'prepare'>({ kind: 'prepare', contract, frame, supervision, timeField: order, loss })) };
  };
  const isGiven = fixed !== undefined && planOf(fixed, outputCountOf(request)).isRoot === true;
  if (fixed || !mayLearnRoots(request)) return prepareFor(scaleTarget(request, isGiven), timeField);
  const [plain, root] = [scaleTarget(request, false), scaleTarget(request, true)];
  const looked = await prepareFor(plain, undefined);
  const probe = { matrix: looked.matrix, weights, seed, trainers: trainersFor(request), ...timeOf(request, looked.preparation) };
  const errorsOf = async (asked: TrainingThread, scaled: ScaledTarget) =>
    (await asked.ask<'probe'>({ kind: 'probe', probe: { ...probe, scaled } })).errors;
  const ofPlain = errorsOf(thread, plain);
  // A thread answers one question at a time.
  if (second === thread) await ofPlain;
  const [before, after] = await Promise.all([ofPlain, errorsOf(second, root)]);
  const isRoot = rootsPay(before, after);
  return isRoot || timeField !== undefined ? prepareFor(isRoot ? root : plain, timeField) : looked;
}

/** Trains every member on all rows, as many at a time as there are threads. */
async function refitMembers(threads: readonly TrainingThread[], { members }: ModelPlan, request: TrainRequest): Promise<EnsembleMember[]> {
  const trained: EnsembleMember[][] = [];
  const done = members.map(() => 0);
  const waiting = [...members.entries()];
  const report = (index: number, ratio: number) => {
    done[index] = ratio;
    request.onProgress?.({ phase: 'refit', ratio: done.reduce((sum, each) => sum + each, 0) / done.length });
  };
  // Threads that have no member of their own help those that have.
  const growThreads = Math.max(1, Math.floor(Math.min(THREAD_LIMIT, request.threads ?? 1) / members.length));
  const work = async (thread: TrainingThread) => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [index, { weight, choice }] = next;
      const { predictors } = await thread.ask<'refit'>({ kind: 'refit', ...choice, growThreads }, (ratio) => report(index, ratio));
      trained[index] = predictors.map((predictor) => ({ weight, predictor }));
    }
  };
  await Promise.all(threads.map(work));
  return trained.flat();
}

/** The time of the rows, and which features say how much of it has elapsed. */
function timeOf({ frame, timeField }: TrainRequest, preparation: Preparation): Pick<Encoded, 'order' | 'coarse'> {
  const column = timeField === undefined ? undefined : frame.columns.get(timeField);
  if (column?.kind !== 'number') return { order: undefined, coarse: [] };
  return { order: share(column.values), coarse: elapsedFeatures(preparation, frame, timeField ?? '') };
}

interface Encoded {
  /** Columns that feed no feature. */
  readonly excluded: ReadonlySet<string>;
  readonly order: Float64Array | undefined;
  readonly coarse: readonly number[];
  readonly matrix: EncodedMatrix;
  readonly target: Float64Array;
  readonly scale: TargetScale;
  readonly root: RootSquared | undefined;
  readonly startedMs: number;
}

/** The hyper-parameters that were given, or those a search finds; afterwards every thread has the data. */
async function choose(
  threads: readonly TrainingThread[],
  request: TrainRequest,
  { excluded, matrix, target, scale, root, startedMs, order, coarse }: Encoded,
): Promise<SearchResult & Pick<TrainedModel, 'selection'>> {
  const { task, fixed, weights, seed, queries, constraints } = request;
  const loss = ownLoss(request);
  const outputCount = outputCountOf(request);
  const load = {
    kind: 'load',
    task,
    outputCount,
    matrix,
    target,
    weights,
    queries,
    order,
    coarse,
    loss,
    root,
    constraints: constraints && constraintsWithout(constraints, excluded),
    seed,
    withFolds: !fixed,
  } as const;
  const [loaded] = await Promise.all(threads.map((thread) => thread.ask<'load'>(load)));
  const { tests = [], rungs = [], strategy = 'fixed', foldRowCount = matrix.rowCount } = loaded ?? {};
  if (fixed) {
    const plan = planOf(fixed, outputCount);
    return { plan, chosen: GIVEN_CANDIDATE, leaderboard: [], selection: { candidate: GIVEN_CANDIDATE, strategy, folds: tests.length } };
  }
  const search = new Search(threads, {
    trainers: trainersFor(request),
    rowCount: matrix.rowCount,
    tests,
    rungs,
    foldRowCount,
    outputCount,
    seed,
    weights,
    task,
    unit: scale.unit,
    loss: task === 'ranking' ? (loss ?? { kind: 'lambdarank' }) : loss,
    startedMs,
    seconds: request.seconds ?? SECONDS_DEFAULT,
    isForward: order !== undefined,
    history: request.history,
    checkpoint: request.checkpoint,
    onProgress: request.onProgress,
  });
  const found = await search.run();
  const plan = { ...found.plan, isRoot: root !== undefined };
  return { ...found, plan, selection: { candidate: found.chosen, strategy, folds: tests.length } };
}

/** Encoding long texts for many classes may take all of the seconds; most of them are the search's all the same. */
const PREPARE_RATIO = 0.25;

function searchStartMs({ seconds = SECONDS_DEFAULT }: TrainRequest, startedMs: number, preparedMs: number): number {
  return Math.max(startedMs, preparedMs - PREPARE_RATIO * seconds * 1_000);
}

/** What target-aware encodings are fitted to. */
function supervisionOf(request: TrainRequest, target: Float64Array): Supervision {
  const { task, weights, seed, classes, threads = 1 } = request;
  return { task, outputCount: outputCountOf(request), target, weights, seed, classes, threads: Math.min(THREAD_LIMIT, threads) };
}

/** The columns the contract lets a model read, in memory that all threads share. */
function sharedFrame({ frame, contract }: TrainRequest): Frame {
  const columns = new Map<string, Column>();
  for (const field of contract.fields) {
    const column = frame.columns.get(field.name);
    if (!column || !INPUT_ROLES.has(field.role)) continue;
    if (column.kind !== columnKind(field)) throw new TrainRequestError(`The column "${field.name}" does not hold what its field says.`);
    columns.set(
      field.name,
      column.kind === 'number' ? { kind: 'number', values: share(column.values) } : { ...column, codes: share(column.codes) },
    );
  }
  return { rowCount: frame.rowCount, columns };
}

function share<T extends Float64Array | Int32Array>(values: T): T {
  const shared = new SharedArrayBuffer(values.byteLength);
  const copy = values instanceof Float64Array ? new Float64Array(shared) : new Int32Array(shared);
  copy.set(values);
  return copy as T;
}

function inputContract(contract: Contract, preparation: Preparation): Contract {
  const used = new Set(usedFields(preparation));
  const ignored = contract.fields.filter((field) => !used.has(field.name) && field.role !== 'target').map((field) => field.name);
  return Contract.parse({
    ...contract,
    fields: contract.fields.filter((field) => used.has(field.name)),
    ignored: [...new Set([...contract.ignored, ...ignored])],
  });
}
