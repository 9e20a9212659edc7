import { type DecisionRule, bestF1Threshold, chooseThreshold, thresholdOfCosts } from '@slipway/evaluation';
import type { WorkflowContext } from '@slipway/kernel';
import type { TrainedModel } from '@slipway/learning';
import type { LaunchDefinition } from '../contract.ts';
import type { LaunchDeps } from '../launch-deps.ts';
import type { PlanStep } from '../launch-state.ts';
import { trainingWishes } from '../learning-definition.ts';
import { type PreparedData, trainingContract } from '../prepare-data.ts';
import { launchWeights } from './conduct.ts';
import { outOfFold } from './out-of-fold.ts';

/** A positive class with a smaller share than this is rare: half is then seldom the right threshold. */
const RARE_RATIO = 0.2;
/** What advice nobody asked for may cost. */
const ADVICE_ROW_LIMIT = 10_000;
const ADVICE_SECONDS = 20;
const ADVICE_FOLDS = 2;
/** A model that takes longer to prepare and fit gets no advice. */
const ADVICE_FIT_SECONDS = 8;

const DEFAULT: DecisionRule = { threshold: 0.5, source: 'default', rows: 0, advice: null };

interface DecisionRequest {
  readonly definition: LaunchDefinition;
  readonly plan: PlanStep;
  readonly prepared: PreparedData;
  readonly trained: TrainedModel;
}

/**
 * From which probability on a binary model says "positive": chosen for the definition's costs on training rows that the
 * fit has not seen, never on the test rows. Without costs it stays a half, and a rare class gets advice. Null when there
 * are not two classes.
 */
export async function decisionOf(deps: LaunchDeps, context: WorkflowContext, request: DecisionRequest): Promise<DecisionRule | null> {
  const { definition, prepared } = request;
  if (prepared.task !== 'binary') return null;
  // Rules decide as they were reviewed.
  if (request.trained.trainer === 'rules') return DEFAULT;
  const costs = definition.objective?.costs;
  if (costs) {
    await context.progress({ phase: 'threshold', message: 'choosing the threshold for the costs' });
    const seen = await unseenPredictions(deps, context, request, {});
    if (!seen) return { threshold: thresholdOfCosts(costs), source: 'costs', rows: 0, advice: null };
    const { threshold, source, rows } = chooseThreshold({ ...seen, costs, constraint: definition.objective?.constraint });
    return { threshold, source, rows, advice: null };
  }
  const positives = prepared.train.target.reduce((sum, code) => sum + (code === 1 ? 1 : 0), 0);
  if (positives >= RARE_RATIO * prepared.train.target.length) return DEFAULT;
  const { prepare, refit } = request.trained.seconds;
  if (prepare + refit > ADVICE_FIT_SECONDS) return DEFAULT;
  await context.progress({ phase: 'threshold', message: 'the positive class is rare: looking for its best threshold' });
  const limit = AbortSignal.timeout(ADVICE_SECONDS * 1_000);
  const seen = await unseenPredictions(deps, context, request, { rowLimit: ADVICE_ROW_LIMIT, foldLimit: ADVICE_FOLDS, limit });
  if (!seen) return DEFAULT;
  return { ...DEFAULT, rows: seen.labels.length, advice: { metric: 'f1', ...bestF1Threshold(seen.probabilities, seen.labels) } };
}

/** Probabilities of the positive class, the last of two, with labels; null when a part of the rows cannot be learnt from, or time is up. */
async function unseenPredictions(
  deps: LaunchDeps,
  context: WorkflowContext,
  { definition, plan, prepared, trained }: DecisionRequest,
  { rowLimit, foldLimit, limit }: { readonly rowLimit?: number; readonly foldLimit?: number; readonly limit?: AbortSignal },
): Promise<{ probabilities: Float64Array; labels: Uint8Array } | null> {
  const { signal } = context;
  try {
    const { rows, outputs, width } = await outOfFold({
      rows: prepared.train,
      contract: trainingContract(prepared.contract, definition.target, plan.leftOut),
      trained,
      seed: plan.seed,
      group: definition.group,
      weights: launchWeights(prepared, definition),
      extra: trainingWishes(definition),
      threads: deps.trainingThreads,
      signal: limit ? AbortSignal.any([signal, limit]) : signal,
      ...(rowLimit === undefined ? {} : { rowLimit }),
      ...(foldLimit === undefined ? {} : { foldLimit }),
    });
    return {
      probabilities: Float64Array.from({ length: rows.length }, (_, at) => outputs[at * width + width - 1] as number),
      labels: Uint8Array.from(rows, (row) => (prepared.train.target[row] === 1 ? 1 : 0)),
    };
  } catch (error) {
    signal.throwIfAborted();
    const isUnlearnable = error instanceof Error && 'kind' in error && error.kind === 'invalid';
    if (limit?.aborted || isUnlearnable) return null;
    throw error;
  }
}
