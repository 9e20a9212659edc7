import { checkLoss } from './check-loss.ts';
import { TargetError, TooFewRowsError, TrainRequestError } from './errors.ts';
import type { Task } from './fitted-model.ts';
import { completeParams, planOf } from './model-plan.ts';
import { TRAINER_NAMES } from './search/candidates.ts';
import type { TrainRequest } from './train.ts';

/** Fewer rows than this cannot be divided into folds that say anything. */
export const ROW_COUNT_MIN = 20;
/** Each class needs this many training rows: one to learn from while the other is held out. */
export const CLASS_ROWS_MIN = 2;

/** Margins a model computes for a row: one for each of several classes, otherwise one. */
export function outputCountOf({ task, classes }: Pick<TrainRequest, 'task' | 'classes'>): number {
  return task === 'multiclass' ? (classes?.length ?? 1) : 1;
}

/**
 * Refuses what contradicts itself or cannot be learnt, before a thread is started.
 * @throws {TrainRequestError | TargetError | TooFewRowsError}
 */
export function checkRequest(request: TrainRequest): void {
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
  checkFixed(request);
  checkLoss(request);
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
  if (task === 'regression' || task === 'ranking') checkNumbers(target);
  else checkClasses(target, classes, task);
}

function checkFixed(request: TrainRequest): void {
  const { fixed, trainers, seconds } = request;
  if (!fixed) return;
  if (trainers ?? seconds) {
    throw new TrainRequestError('With given hyper-parameters nothing is searched: leave out the seconds and the trainers.');
  }
  if (fixed.trainer === 'rules') completeParams('rules', fixed.params);
  else planOf(fixed, outputCountOf(request));
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
  const rows = counts[rare] as number;
  throw new TooFewRowsError(
    `The class ${JSON.stringify(classes[rare])} has ${rows === 0 ? 'no training row' : 'one training row only'}; a class needs at least ${CLASS_ROWS_MIN}.`,
    {
      details: { class: classes[rare] ?? null, rows, minimum: CLASS_ROWS_MIN },
      help: 'Give more rows of that class, group it with another, or leave its rows out.',
    },
  );
}
