import { type Frame, invariant } from '@slipway/kernel';
import { type EncodedMatrix, takeValues } from '../matrix.ts';
import type { FittedPreparation, Preparation } from '../preparation.ts';
import type { Supervision } from '../supervision.ts';
import { objectiveFor } from '../trees/objective.ts';
import type { Loss } from '../trees/loss.ts';
import { firstGroups, MANY_OUTPUTS } from './candidates.ts';
import { weightedMean } from './compare.ts';
import { Evaluator } from './evaluate.ts';
import { type Fold, planForwardFolds } from './folds.ts';

/** What an elapsed time is judged by: rows in order of time, later ones after earlier ones. */
export interface ElapsedRequest {
  /** The field whose order the model will be judged by, and its value in each row. */
  readonly timeField: string;
  readonly order: Float64Array;
  readonly frame: Frame;
  readonly loss: Loss | undefined;
  readonly matrix: EncodedMatrix;
  readonly supervision: Supervision;
}

/** Correlation from which on one time is as good as another. */
const ALONG_MIN = 0.999;
/** Rows of a fold that a forest learns from here; more would tell the same. */
const ROW_LIMIT = 20_000;
/** Standard errors by which the elapsed time must lower the losses of the folds to stay. */
const ERRORS_MIN = 2;

/** Positions of features that say how much time has elapsed: of the field, or of one that runs along with it (its day). */
export function elapsedFeatures({ features }: Preparation, { columns }: Frame, timeField: string): number[] {
  const order = columns.get(timeField);
  if (order?.kind !== 'number') return [];
  return features.flatMap((plan, at) => {
    if (plan.kind !== 'time' || plan.periodMs !== 0) return [];
    const own = columns.get(plan.field);
    return plan.field === timeField || (own?.kind === 'number' && runsAlong(own.values, order.values)) ? [at] : [];
  });
}

/** Whether two times rise and fall together, by the correlation of the rows that have both. */
function runsAlong(left: Float64Array, right: Float64Array): boolean {
  const rows = Int32Array.from(left.keys()).filter((row) => !Number.isNaN((left[row] as number) + (right[row] as number)));
  const centred = (values: Float64Array) => {
    const mean = rows.reduce((sum, row) => sum + (values[row] as number) / rows.length, 0);
    return Float64Array.from(rows, (row) => (values[row] as number) - mean);
  };
  const [one, other] = [centred(left), centred(right)];
  const product = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, at) => sum + value * (b[at] as number), 0);
  return product(one, other) > ALONG_MIN * Math.sqrt(product(one, one) * product(other, other));
}

/**
 * Leaves the elapsed time out unless forests with it say more about later rows than forests without it. Every later row
 * lies beyond its last value, where a tree knows nothing: a changed level shows there, but much that merely differed
 * between two seasons would be taken for one. Deterministic; for some seconds of one thread at most.
 */
export function withoutIdleElapsed(fitted: FittedPreparation, request: ElapsedRequest): FittedPreparation {
  const { preparation } = fitted;
  const { timeField, frame, matrix, supervision } = request;
  const idle = elapsedFeatures(preparation, frame, timeField);
  const isOnly = preparation.features.length === idle.length;
  if (idle.length === 0 || isOnly || supervision.task === 'ranking' || supervision.outputCount > MANY_OUTPUTS) return fitted;
  const { folds } = planForwardFolds(request.order, false);
  if (folds.some(({ train, test }) => train.length === 0 || test.length === 0)) return fitted;
  const without = withoutColumns(matrix, idle);
  const [before, after] = [lossesOf(request, without, [], folds), lossesOf(request, matrix, idle, folds)];
  if (isGain(before.map((loss, fold) => loss - (after[fold] as number)))) return fitted;
  return { ...fitted, preparation: withoutFeatures(preparation, idle) };
}

/** Whether gains are more than their standard errors. Each fold counts once: rows of one season err alike. */
function isGain(gains: readonly number[]): boolean {
  const mean = gains.reduce((sum, gain) => sum + gain, 0) / gains.length;
  const variance = gains.reduce((sum, gain) => sum + (gain - mean) ** 2, 0) / (gains.length - 1);
  return mean > ERRORS_MIN * Math.sqrt(variance / gains.length);
}

/** Mean loss of the rows that each fold holds out, by the first forest of a search. */
function lossesOf(
  { supervision, loss }: ElapsedRequest,
  matrix: EncodedMatrix,
  coarse: readonly number[],
  folds: readonly Fold[],
): number[] {
  const { task, outputCount, target, weights, seed } = supervision;
  const evaluator = new Evaluator({
    objective: objectiveFor(task, loss),
    outputCount,
    matrix,
    targets: { target, weights },
    coarse,
    folds,
    seed: `${seed}/elapsed`,
  });
  const [group = []] = firstGroups({ trainers: ['gbdt'], rowCount: matrix.rowCount, outputCount, seed });
  return folds.map(({ train, test }, fold) => {
    const rowRatio = Math.min(1, ROW_LIMIT / train.length);
    const [result] = evaluator.evaluate(group, { fold, rowRatio, deadlineMs: Number.POSITIVE_INFINITY, mustFinish: true });
    invariant(result, 'a forest without a deadline is finished');
    return weightedMean(Float64Array.from(result.losses), weights && takeValues(weights, test));
  });
}

function withoutColumns({ features, columns, rowCount }: EncodedMatrix, positions: readonly number[]): EncodedMatrix {
  const isKept = (_: unknown, at: number) => !positions.includes(at);
  return { rowCount, features: features.filter(isKept), columns: columns.filter(isKept) };
}

function withoutFeatures(preparation: Preparation, positions: readonly number[]): Preparation {
  const features = preparation.features.filter((_, at) => !positions.includes(at));
  const used = new Set(features.map(({ field }) => field));
  const idle = new Set(positions.map((at) => (preparation.features[at] as Preparation['features'][number]).field));
  const excluded = [...idle].filter((field) => !used.has(field)).map((field) => ({ field, reason: 'elapsed time' as const }));
  return { ...preparation, features, excluded: [...preparation.excluded, ...excluded] };
}
