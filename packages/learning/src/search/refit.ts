import { TrainRequestError } from '../errors.ts';
import type { SinglePredictor } from '../fitted-model.ts';
import { buildDesign, LINEAR_WIDTH_LIMIT, planDesign } from '../linear/design.ts';
import { fitLinear } from '../linear/fit.ts';
import { foldLinear } from '../linear/linear-model.ts';
import { planLinear, startWeights } from '../linear/plan-linear.ts';
import { boost } from '../trees/boost.ts';
import type { Candidate } from './candidates.ts';
import type { Evaluator, LearningTask } from './evaluate.ts';

/**
 * Trains a candidate on all training rows: deterministic given hyper-parameters, rounds and seed, whatever the threads.
 * @throws {TrainRequestError} when a linear model would have more than LINEAR_WIDTH_LIMIT columns.
 */
export function refit(
  task: LearningTask,
  evaluator: Evaluator,
  candidate: Candidate,
  rounds: number,
  { growThreads = 1, onRound }: { readonly growThreads?: number; readonly onRound?: (round: number) => void } = {},
): SinglePredictor {
  const { objective, outputCount, targets, matrix, constraints } = task;
  // The seed holds nothing of the search: the same hyper-parameters give the same model, however they were found.
  const seed = `${task.seed}/refit`;
  if (candidate.trainer === 'gbdt') {
    const { forest } = boost({
      objective,
      outputCount,
      data: evaluator.binned(candidate.parameters.binLimit),
      targets,
      parameters: candidate.parameters,
      constraints,
      roundLimit: rounds,
      seed,
      threads: growThreads,
      onRound,
    });
    return { kind: 'trees', forest };
  }
  const plan = planLinear(task, candidate.interactions);
  if (!plan) {
    const { width } = planDesign(matrix);
    throw new TrainRequestError(`The table is too wide for the linear trainer: ${width} columns, categories counted one each.`, {
      details: { columns: width, limit: LINEAR_WIDTH_LIMIT },
      help: 'Use the trainer gbdt, or exclude columns with many categories.',
    });
  }
  const design = buildDesign(plan, matrix);
  const start = startWeights(task, design);
  return {
    kind: 'linear',
    linear: foldLinear(plan, fitLinear({ objective, outputCount, design, targets, penalty: candidate.penalty, start })),
  };
}
