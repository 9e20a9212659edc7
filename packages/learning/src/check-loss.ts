import { TargetError, TrainRequestError } from './errors.ts';
import { TRAINER_NAMES, type TrainerName } from './search/candidates.ts';
import type { TrainRequest } from './train.ts';
import { isFree } from './trees/constraints.ts';
import { completeLoss } from './trees/complete-loss.ts';
import { type Loss, linkOf } from './trees/loss.ts';

/** Grades of a ranking at most: a row gains 2 ** grade - 1. */
export const GRADE_MAX = 31;

type LossRequest = Pick<TrainRequest, 'task' | 'target' | 'loss' | 'constraints' | 'queries' | 'trainers' | 'fixed'>;

/** The loss when it is another than the task's own, complete. */
export function ownLoss({ task, loss }: Pick<TrainRequest, 'task' | 'loss'>): Loss | undefined {
  if (loss === undefined || (task === 'regression' && loss.kind === 'squared')) return undefined;
  return completeLoss(loss);
}

/** Whether only trees can learn what is asked: another loss than the task's own, an order, or limited interactions. */
export function needsTrees(request: Pick<TrainRequest, 'task' | 'loss' | 'constraints'>): boolean {
  return request.task === 'ranking' || ownLoss(request) !== undefined || !isFree(request.constraints ?? {});
}

/** Whether hyper-parameters that were given train a linear model, be it one that trees begin from. */
function usesLinear({ trainer, params }: NonNullable<TrainRequest['fixed']>): boolean {
  if (trainer === 'gbdt') return Number(params['linearStrength'] ?? 0) > 0;
  const { members } = params;
  return trainer === 'linear' || (Array.isArray(members) && members.some((member) => usesLinear(member as typeof member & Fixed)));
}
type Fixed = NonNullable<TrainRequest['fixed']>;

/** The trainers a search may try. */
export function trainersFor(request: LossRequest): readonly TrainerName[] {
  const allowed = request.trainers ?? TRAINER_NAMES;
  return needsTrees(request) ? allowed.filter((name) => name === 'gbdt') : allowed;
}

/**
 * Refuses a loss, constraint or query column that contradicts the task, its target or the trainer.
 * @throws {TrainRequestError | TargetError}
 */
export function checkLoss(request: LossRequest): void {
  const { task, target, constraints = {}, queries } = request;
  const loss = ownLoss(request);
  if (loss && task !== 'regression' && task !== 'ranking') {
    throw new TrainRequestError(`The loss ${loss.kind} predicts a number; this target has classes.`, {
      help: 'Leave the loss out, or read the target as a number (--as column=numeric).',
    });
  }
  if ((task === 'ranking') !== (queries !== undefined)) {
    throw new TrainRequestError(
      task === 'ranking' ? 'A ranking needs to know which rows belong to one query.' : 'Queries are for rankings; the task is not one.',
      {
        help: task === 'ranking' ? 'Name the column of the query (--query COLUMN).' : 'Leave the query column out, or say --task ranking.',
      },
    );
  }
  if (queries && queries.length !== target.length)
    throw new TrainRequestError(`There are ${queries.length} queries for ${target.length} rows.`);
  if (task === 'multiclass' && Object.keys(constraints.monotone ?? {}).length > 0) {
    throw new TrainRequestError(
      'With three classes or more no column can be monotone: the probabilities of all classes cannot rise together.',
      {
        help: 'Leave the monotone columns out, or predict one class against the rest.',
      },
    );
  }
  if (needsTrees(request) && ((request.fixed && usesLinear(request.fixed)) || trainersFor(request).length === 0)) {
    throw new TrainRequestError('The linear trainer learns neither other losses nor rankings, monotone columns or limited interactions.', {
      help: 'Use the trainer gbdt, with linearStrength 0.',
    });
  }
  checkTarget(request, loss);
}

function checkTarget({ task, target, fixed }: LossRequest, loss: Loss | undefined): void {
  if (fixed?.params['link'] === 'root' && (task !== 'regression' || loss || target.some((value) => value < 0))) {
    throw new TrainRequestError('Only of numbers from 0 on, with the loss squared, may roots be learnt (link).', {
      help: 'Leave the link out.',
    });
  }
  if (linkOf(loss) === 'log') {
    const row = target.findIndex((value) => value < 0);
    if (row >= 0) {
      throw new TargetError(`The loss ${loss?.kind} is for counts and amounts from 0 on; the target of row ${row + 1} is ${target[row]}.`, {
        details: { row, value: target[row] ?? null },
        help: 'Use the loss squared, absolute or quantile.',
      });
    }
  }
  if (task !== 'ranking' || (loss !== undefined && loss.kind !== 'lambdarank')) return;
  const row = target.findIndex((value) => !(value >= 0 && value <= GRADE_MAX));
  if (row >= 0) {
    throw new TargetError(`A grade must lie in 0..${GRADE_MAX}, more is better; row ${row + 1} has ${target[row]}.`, {
      details: { row, value: target[row] ?? null, limit: GRADE_MAX },
      help: 'Map the target to small grades, or name another loss (--loss squared).',
    });
  }
}
