import type { Predictor } from '../fitted-model.ts';
import { buildDesign, planDesign } from '../linear/design.ts';
import { fitLinear } from '../linear/fit.ts';
import { foldLinear } from '../linear/linear-model.ts';
import { boost } from '../trees/boost.ts';
import type { Candidate } from './candidates.ts';
import { type Evaluator, type LearningTask, startWeights } from './evaluate.ts';

/** Rounds for all rows: a little more than was best on the fewer rows of a fold. */
export function refitRounds(rounds: number, rowCount: number, foldRowCount: number): number {
  return Math.max(1, Math.round(rounds * Math.sqrt(rowCount / foldRowCount)));
}

/** Trains a candidate on all training rows. */
export function refit(
  task: LearningTask,
  evaluator: Evaluator,
  candidate: Candidate,
  rounds: number,
  onRound?: (round: number) => void,
): Predictor {
  const { objective, outputCount, targets, matrix } = task;
  if (candidate.trainer === 'gbdt') {
    const { forest } = boost({
      objective,
      outputCount,
      data: evaluator.binned().data,
      targets,
      parameters: candidate.parameters,
      roundLimit: rounds,
      seed: `${task.seed}/${candidate.id}`,
      onRound,
    });
    return { kind: 'trees', forest };
  }
  const plan = planDesign(matrix);
  const design = buildDesign(plan, matrix);
  const start = startWeights(objective, targets, outputCount, design);
  return {
    kind: 'linear',
    linear: foldLinear(plan, fitLinear({ objective, outputCount, design, targets, penalty: candidate.penalty, start })),
  };
}
