import { TrainRequestError } from '../errors.ts';
import type { SinglePredictor } from '../fitted-model.ts';
import { buildDesign, LINEAR_WIDTH_LIMIT, planDesign } from '../linear/design.ts';
import { addMargins, fitLinear } from '../linear/fit.ts';
import { foldLinear } from '../linear/linear-model.ts';
import { planLinear, startWeights } from '../linear/plan-linear.ts';
import type { Penalty } from '../linear/quadratic.ts';
import { boost, type Margins } from '../trees/boost.ts';
import type { Candidate, TreeCandidate } from './candidates.ts';
import type { Evaluator, LearningTask } from './evaluate.ts';

export interface RefitOptions {
  readonly growThreads?: number;
  readonly onRound?: (round: number) => void;
}

/**
 * Trains a candidate on all training rows: deterministic given hyper-parameters, rounds and seed, whatever the threads.
 * @returns predictors whose margins add up to the candidate's: one, or what trees begin from and the trees.
 * @throws {TrainRequestError} when a linear model would have more than LINEAR_WIDTH_LIMIT columns.
 */
export function refit(
  task: LearningTask,
  evaluator: Evaluator,
  candidate: Candidate,
  rounds: number,
  options: RefitOptions = {},
): SinglePredictor[] {
  if (candidate.trainer === 'linear') return [refitLinear(task, candidate).predictor];
  const { linearStrength } = candidate.parameters;
  const first = linearStrength > 0 ? refitLinear(task, { penalty: { strength: linearStrength, l1Ratio: 0 }, interactions: 0 }) : undefined;
  const trees = refitTrees(task, evaluator, { candidate, rounds, start: first?.margins() }, options);
  return first ? [first.predictor, trees] : [trees];
}

function refitTrees(
  task: LearningTask,
  evaluator: Evaluator,
  { candidate, rounds, start }: { readonly candidate: TreeCandidate; readonly rounds: number; readonly start: Margins | undefined },
  { growThreads = 1, onRound }: RefitOptions,
): SinglePredictor {
  const { objective, outputCount, targets, constraints } = task;
  const { forest } = boost({
    objective,
    outputCount,
    data: evaluator.binned(candidate.parameters.binLimit),
    targets,
    start,
    parameters: candidate.parameters,
    constraints,
    roundLimit: rounds,
    // The seed holds nothing of the search: the same hyper-parameters give the same model, however they were found.
    seed: `${task.seed}/refit`,
    threads: growThreads,
    onRound,
  });
  return { kind: 'trees', forest };
}

function refitLinear(task: LearningTask, { penalty, interactions }: { readonly penalty: Penalty; readonly interactions: number }) {
  const { objective, outputCount, targets, matrix } = task;
  const plan = planLinear(task, interactions);
  if (!plan) {
    const { width } = planDesign(matrix);
    throw new TrainRequestError(`The table is too wide for the linear trainer: ${width} columns, categories counted one each.`, {
      details: { columns: width, limit: LINEAR_WIDTH_LIMIT },
      help: 'Use the trainer gbdt with linearStrength 0, or exclude columns with many categories.',
    });
  }
  const design = buildDesign(plan, matrix);
  const weights = fitLinear({ objective, outputCount, design, targets, penalty, start: startWeights(task, design) });
  return {
    predictor: { kind: 'linear', linear: foldLinear(plan, weights) } satisfies SinglePredictor,
    /** Its margins on the training rows. */
    margins: (): Margins =>
      weights.map((each) => {
        const margins = new Float64Array(design.rowCount);
        addMargins(design, each, margins);
        return margins;
      }),
  };
}
