import type { EncodedMatrix } from '../matrix.ts';
import { baseScores, type Objective, type Targets } from '../trees/objective.ts';
import { buildDesign, type Design, type DesignPlan, LINEAR_WIDTH_LIMIT, planDesign, withProducts } from './design.ts';
import { screenProducts } from './screen-products.ts';

/** Rows that a linear model learns from. */
export interface LinearTask {
  readonly objective: Objective;
  readonly outputCount: number;
  readonly matrix: EncodedMatrix;
  readonly targets: Targets;
  readonly shouldStop?: (() => boolean) | undefined;
}

/**
 * The columns of a linear model, with at most so many products of two features, chosen by these rows alone.
 * @returns undefined when there would be more than LINEAR_WIDTH_LIMIT columns.
 */
export function planLinear(task: LinearTask, interactions: number): DesignPlan | undefined {
  const plan = planDesign(task.matrix);
  if (plan.width > LINEAR_WIDTH_LIMIT) return undefined;
  if (interactions === 0) return plan;
  const design = buildDesign(plan, task.matrix);
  const start = startWeights(task, design);
  const limit = Math.min(interactions, LINEAR_WIDTH_LIMIT - plan.width);
  return withProducts(plan, screenProducts({ ...task, design, plan, start, limit }));
}

/** All weights zero, the intercept at the prior. */
export function startWeights(
  { objective, targets, outputCount }: Pick<LinearTask, 'objective' | 'targets' | 'outputCount'>,
  design: Design,
): Float64Array[] {
  return Array.from(baseScores(objective, targets, outputCount), (score) => {
    const weights = new Float64Array(design.width + 1);
    weights[design.width] = score;
    return weights;
  });
}
