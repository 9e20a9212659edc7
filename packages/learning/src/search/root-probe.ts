import { invariant } from '@slipway/kernel';
import { type EncodedMatrix, takeValues } from '../matrix.ts';
import type { ScaledTarget } from '../target-scale.ts';
import { firstGroups, type TrainerName } from './candidates.ts';
import { weightedMean } from './compare.ts';
import { Evaluator } from './evaluate.ts';
import { planFolds, planForwardFolds } from './folds.ts';

export interface RootProbe {
  readonly matrix: EncodedMatrix;
  readonly weights: Float64Array | undefined;
  /** Time of each row when later rows judge. */
  readonly order: Float64Array | undefined;
  readonly coarse: readonly number[];
  readonly trainers: readonly TrainerName[];
  readonly seed: number | string;
  /** The numbers, or their roots. */
  readonly scaled: ScaledTarget;
}

/** Folds that decide, and rows of each that a forest learns from; more would tell the same. */
const FOLD_LIMIT = 3;
const ROW_LIMIT = 20_000;
/** Share by which the squared errors of the folds must be lower; less is chance. */
const GAIN_MIN_RATIO = 0.02;

/**
 * Squared errors of the numbers themselves, in each fold, when they or their roots are learnt, by the first forest of the
 * search that follows. Deterministic; some seconds of one thread.
 */
export function probeErrors({ matrix, weights, order, coarse, trainers, seed, scaled }: RootProbe): number[] {
  const { target, root } = scaled;
  const plan = order ? planForwardFolds(order) : planFolds(target, false, `${seed}/root`);
  const folds = plan.folds.slice(0, FOLD_LIMIT);
  if (folds.some(({ train, test }) => train.length === 0 || test.length === 0)) return [];
  const objective = root ?? 'squared';
  const evaluator = new Evaluator({ objective, outputCount: 1, matrix, targets: { target, weights }, coarse, folds, seed: `${seed}/root` });
  const options = { trainers, rowCount: matrix.rowCount, outputCount: 1, seed, isForward: order !== undefined };
  const group = firstGroups(options).find(([first]) => first?.trainer === 'gbdt');
  if (!group) return [];
  return folds.map(({ train, test }, fold) => {
    const rowRatio = Math.min(1, ROW_LIMIT / train.length);
    const [result] = evaluator.evaluate(group, { fold, rowRatio, deadlineMs: Number.POSITIVE_INFINITY, mustFinish: true });
    invariant(result, 'a forest without a deadline is finished');
    return weightedMean(Float64Array.from(result.losses), weights && takeValues(weights, test));
  });
}

/**
 * Whether learning roots makes smaller squared errors: by a share, in the mean of the folds and in most of them. Each fold
 * counts once, whatever the size of its errors. All candidates then learn roots, so that they can be averaged.
 */
export function rootsPay(plain: readonly number[], root: readonly number[]): boolean {
  const ratios = root.map((error, fold) => error / (plain[fold] as number));
  const mean = ratios.reduce((sum, ratio) => sum + ratio / ratios.length, 0);
  return ratios.length > 0 && mean <= 1 - GAIN_MIN_RATIO && 2 * ratios.filter((ratio) => ratio < 1).length > ratios.length;
}
