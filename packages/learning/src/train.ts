import { type Column, columnKind, Contract, type Frame, INPUT_ROLES, type Json, type ProgressEvent } from '@slipway/kernel';
import { TargetError, TooFewRowsError, TrainingCancelledError, TrainRequestError } from './errors.ts';
import { type FittedModel, predictFitted, type Task, type TrainerOutputs } from './fitted-model.ts';
import { type ExcludedField, type Preparation, usedFields } from './preparation.ts';
import { TRAINER_NAMES, type TrainerName } from './search/candidates.ts';
import { type LeaderboardEntry, Search } from './search/search.ts';
import { TrainingThread } from './training-thread.ts';

/** Fewer rows than this cannot be divided into folds that say anything. */
export const ROW_COUNT_MIN = 20;
/** Each class needs this many rows, to be present in every fold. */
export const CLASS_ROWS_MIN = 5;
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
  /** Wall-clock budget; it decides only how many candidates are tried. Default SECONDS_DEFAULT. */
  readonly seconds?: number;
  readonly seed: number | string;
  readonly trainers?: readonly TrainerName[];
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
  readonly trainer: TrainerName;
  /** The hyper-parameters chosen, the number of trees included: what a recipe hashes, instead of the seconds allowed. */
  readonly params: Readonly<Record<string, Json>>;
  /** The ONNX file. */
  readonly bytes: Uint8Array;
  /** Names of the encoded features, in the order of the graph's `features`. */
  readonly features: readonly string[];
  /** What callers send: the used fields; the other columns of the data are ignored. */
  readonly contract: Contract;
  /** Fields that feed nothing, and why. */
  readonly excluded: readonly ExcludedField[];
  readonly leaderboard: readonly LeaderboardEntry[];
  /** The model as plain data. */
  readonly fitted: FittedModel;
  readonly seconds: { readonly prepare: number; readonly search: number; readonly refit: number; readonly total: number };
  /** The trainer's own outputs, for parity with the graph. */
  predict(frame: Frame): TrainerOutputs;
}

/**
 * Prepares, searches, refits and exports, in worker threads. Cancelled by `signal` at any moment.
 * @throws {TrainRequestError | TargetError | TooFewRowsError | NoFeatureError | TreeSpaceError | TrainingCancelledError}
 */
export async function train(request: TrainRequest): Promise<TrainedModel> {
  checkRequest(request);
  const { signal } = request;
  const count = Math.max(1, Math.min(THREAD_LIMIT, Math.floor(request.threads ?? 1)));
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
  const { preparation, matrix } = await first.ask<'prepare'>({ kind: 'prepare', contract: request.contract, frame: sharedFrame(request) });
  const preparedMs = Date.now();
  const { target, scale } = scaleTarget(request);
  const outputCount = request.task === 'multiclass' ? (request.classes?.length ?? 1) : 1;
  const load = { kind: 'load', task: request.task, outputCount, matrix, target, weights: request.weights, seed: request.seed } as const;
  const [folds] = await Promise.all(threads.map((thread) => thread.ask<'load'>(load)));
  const search = new Search(threads, {
    trainers: request.trainers ?? TRAINER_NAMES,
    rowCount: matrix.rowCount,
    seed: request.seed,
    weights: request.weights,
    task: request.task,
    scale,
    startedMs,
    seconds: request.seconds ?? SECONDS_DEFAULT,
    onProgress: request.onProgress,
  });
  const { chosen, leaderboard } = await search.run();
  const searchedMs = Date.now();
  request.onProgress?.({ phase: 'refit', ratio: 0 });
  const { candidate, rounds } = chosen;
  const refit = {
    kind: 'refit',
    candidate,
    rounds,
    preparation,
    classes: request.classes,
    scale,
    metadata: request.metadata ?? {},
  } as const;
  const {
    fitted,
    bytes,
    rounds: finalRounds,
  } = await first.ask<'refit'>(refit, (ratio) => request.onProgress?.({ phase: 'refit', ratio }));
  request.onProgress?.({ phase: 'refit', ratio: 1 });
  const endedMs = Date.now();
  const detail: Record<string, Json> =
    candidate.trainer === 'gbdt' ? { ...candidate.parameters, rounds: finalRounds } : { ...candidate.penalty };
  return {
    task: request.task,
    classes: request.classes,
    trainer: candidate.trainer,
    params: { ...detail, candidate: candidate.id, selection: folds?.strategy ?? '', folds: folds?.folds ?? 0 },
    bytes,
    features: preparation.features.map((plan) => plan.name),
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

function checkRequest(request: TrainRequest): void {
  const { frame, target, weights, trainers, seconds } = request;
  const rows = frame.rowCount;
  if (target.length !== rows) throw new TrainRequestError(`The target has ${target.length} values for ${rows} rows.`);
  if (weights && (weights.length !== rows || weights.some((weight) => !(weight > 0 && Number.isFinite(weight))))) {
    throw new TrainRequestError(`Weights must be ${rows} positive numbers, one a row.`);
  }
  if (trainers?.length === 0) throw new TrainRequestError(`Name at least one trainer: ${TRAINER_NAMES.join(', ')}.`);
  const unknown = trainers?.find((name) => !TRAINER_NAMES.includes(name));
  if (unknown !== undefined) throw new TrainRequestError(`There is no trainer "${unknown}"; there are ${TRAINER_NAMES.join(', ')}.`);
  if (seconds !== undefined && !(seconds > 0)) throw new TrainRequestError('The seconds to train must be more than 0.');
  requireTrainable(request);
}

/**
 * Whether these targets can be learnt from at all; told before any work, by whoever has them first.
 * @throws {TooFewRowsError | TargetError}
 */
export function requireTrainable({ target, classes, task }: Pick<TrainRequest, 'target' | 'classes' | 'task'>): void {
  const rows = target.length;
  if (rows < ROW_COUNT_MIN) {
    throw new TooFewRowsError(`There are ${rows} training rows; at least ${ROW_COUNT_MIN} are needed.`, {
      details: { rows, minimum: ROW_COUNT_MIN },
      help: 'Give more rows that have a target.',
    });
  }
  if (task === 'regression') checkNumbers(target);
  else checkClasses(target, classes, task);
}

function checkNumbers(target: Float64Array): void {
  if (target.some((value) => !Number.isFinite(value))) throw new TargetError('The target has missing or infinite values.');
  if (target.every((value) => value === target[0]))
    throw new TargetError('The target is constant; there is nothing to learn.', { details: { value: target[0] ?? null } });
}

function checkClasses(target: Float64Array, classes: readonly string[] | null, task: Task): void {
  if (!classes || classes.length < 2 || (task === 'binary' && classes.length !== 2))
    throw new TargetError('The target needs two classes or more; it has one.');
  const counts = new Int32Array(classes.length);
  for (const value of target) {
    if (!Number.isInteger(value) || value < 0 || value >= classes.length)
      throw new TrainRequestError(`The target value ${value} is not the index of a class.`);
    counts[value] = (counts[value] as number) + 1;
  }
  const present = counts.filter((count) => count > 0).length;
  if (present < 2)
    throw new TargetError('Only one class occurs in the training rows; there is nothing to learn.', {
      details: { classes: [...classes].slice(0, 10) },
    });
  const rare = counts.findIndex((count) => count < CLASS_ROWS_MIN);
  if (rare < 0) return;
  throw new TooFewRowsError(
    `The class ${JSON.stringify(classes[rare])} has ${counts[rare]} training rows; every class needs at least ${CLASS_ROWS_MIN}.`,
    {
      details: { class: classes[rare] ?? null, rows: counts[rare] ?? 0, minimum: CLASS_ROWS_MIN },
      help: 'Give more rows of that class, group it with another, or leave its rows out.',
    },
  );
}

/** The columns the contract lets a model read, in memory that all threads share. */
function sharedFrame({ frame, contract }: TrainRequest): Frame {
  const columns = new Map<string, Column>();
  for (const field of contract.fields) {
    const column = frame.columns.get(field.name);
    if (!column || !INPUT_ROLES.has(field.role) || field.role === 'text') continue;
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

/** Regression learns (y - mean) / deviation, so that penalties and limits mean the same on every scale. */
function scaleTarget({ task, target, weights }: TrainRequest): { target: Float64Array; scale: FittedModel['scale'] } {
  if (task !== 'regression') return { target: share(target), scale: { mean: 0, deviation: 1 } };
  let total = 0;
  let sum = 0;
  target.forEach((value, row) => {
    const weight = weights ? (weights[row] as number) : 1;
    total += weight;
    sum += weight * value;
  });
  const mean = sum / total;
  let squares = 0;
  target.forEach((value, row) => {
    squares += (weights ? (weights[row] as number) : 1) * (value - mean) ** 2;
  });
  const deviation = Math.sqrt(squares / total);
  if (!Number.isFinite(deviation) || deviation === 0)
    throw new TargetError('The target varies too little or too much for its numbers to be learnt.');
  return { target: share(target.map((value) => (value - mean) / deviation)), scale: { mean, deviation } };
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
