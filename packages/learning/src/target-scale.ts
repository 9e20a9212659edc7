import { TargetError } from './errors.ts';
import type { TrainRequest } from './train.ts';
import { isStandardised } from './trees/loss.ts';
import type { RootSquared } from './trees/objective.ts';

/** How a number is learnt, and what its margins mean. */
export interface TargetScale {
  /** What is learnt: (y - mean) / deviation, of the number or of its root. */
  readonly mean: number;
  readonly deviation: number;
  /** Deviation of the number itself: the unit of losses. */
  readonly unit: number;
}

export interface ScaledTarget {
  /** In memory that threads share. */
  readonly target: Float64Array;
  readonly scale: TargetScale;
  /** What is learnt and judged when roots are; undefined otherwise. */
  readonly root: RootSquared | undefined;
}

type Targeted = Pick<TrainRequest, 'task' | 'target' | 'weights' | 'loss'>;

/** Skewness from which on roots are tried: that of a Poisson count of mean 4. */
const SKEWNESS_MIN = 0.5;

/**
 * Whether the target may be one whose spread grows with its size, as that of counts and amounts does: no value below zero,
 * and a long end above.
 */
export function mayLearnRoots({ task, target, loss }: Targeted): boolean {
  if (task !== 'regression' || (loss !== undefined && loss.kind !== 'squared') || target.some((value) => value < 0)) return false;
  const { mean, deviation } = momentsOf(target, undefined);
  const skewness = target.reduce((sum, value) => sum + ((value - mean) / deviation) ** 3, 0) / target.length;
  return skewness >= SKEWNESS_MIN;
}

/**
 * Regression learns (y - mean) / deviation, so that penalties and limits mean the same on every scale; of roots likewise,
 * whose spread is about the same for small counts and large ones (Bartlett 1936).
 * @throws {TargetError} when the numbers are too alike or too large.
 */
export function scaleTarget({ task, target, weights, loss }: Targeted, isRoot: boolean): ScaledTarget {
  const own = task === 'ranking' ? (loss ?? { kind: 'lambdarank' as const }) : loss;
  if ((task !== 'regression' && task !== 'ranking') || !isStandardised(own))
    return { target: shared(target), scale: { mean: 0, deviation: 1, unit: 1 }, root: undefined };
  const { deviation: unit } = momentsOf(target, weights);
  const learnt = isRoot ? target.map(Math.sqrt) : target;
  const { mean, deviation } = momentsOf(learnt, weights);
  const scaled = shared(learnt.map((value) => (value - mean) / deviation));
  return { target: scaled, scale: { mean, deviation, unit }, root: isRoot ? { kind: 'root-squared', mean, deviation, unit } : undefined };
}

function momentsOf(values: Float64Array, weights: Float64Array | undefined): { readonly mean: number; readonly deviation: number } {
  let total = 0;
  let sum = 0;
  values.forEach((value, row) => {
    const weight = weights ? (weights[row] as number) : 1;
    total += weight;
    sum += weight * value;
  });
  const mean = sum / total;
  let squares = 0;
  values.forEach((value, row) => {
    squares += (weights ? (weights[row] as number) : 1) * (value - mean) ** 2;
  });
  const deviation = Math.sqrt(squares / total);
  if (!Number.isFinite(deviation) || deviation === 0)
    throw new TargetError('The target varies too little or too much for its numbers to be learnt.');
  return { mean, deviation };
}

function shared(values: Float64Array): Float64Array {
  const copy = new Float64Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}
