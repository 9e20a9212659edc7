import type { ModelTask } from './contract.ts';

/** Largest accepted difference between trainer and graph: probabilities absolute, regression relative to max(1, |y|). */
export const PARITY_LIMITS: Readonly<Record<ModelTask, number>> = { binary: 1e-4, multiclass: 1e-4, regression: 1e-5, ranking: 1e-5 };

export interface ParityResult {
  /** In the units of the limit; infinite when lengths differ or only one side is a number. */
  readonly maxError: number;
  readonly limit: number;
  readonly passed: boolean;
  /** Position of the worst value; -1 when all are equal. */
  readonly worstIndex: number;
}

/**
 * Compares what the trainer computed with what the exported graph computes, value by value (probabilities [N * K] or
 * regression values [N]). Bounds: contracts.md, "Numbers and types".
 */
export function maxParityError(trainerOutputs: ArrayLike<number>, graphOutputs: ArrayLike<number>, task: ModelTask): ParityResult {
  const limit = PARITY_LIMITS[task];
  if (trainerOutputs.length !== graphOutputs.length) {
    return { maxError: Number.POSITIVE_INFINITY, limit, passed: false, worstIndex: Math.min(trainerOutputs.length, graphOutputs.length) };
  }
  let maxError = 0;
  let worstIndex = -1;
  for (let index = 0; index < trainerOutputs.length; index += 1) {
    const error = differenceOf(trainerOutputs[index] as number, graphOutputs[index] as number, task);
    if (error > maxError) {
      maxError = error;
      worstIndex = index;
    }
  }
  return { maxError, limit, passed: maxError <= limit, worstIndex };
}

function differenceOf(expected: number, got: number, task: ModelTask): number {
  if (expected === got || (Number.isNaN(expected) && Number.isNaN(got))) return 0;
  const difference = Math.abs(expected - got) / (task === 'regression' || task === 'ranking' ? Math.max(1, Math.abs(expected)) : 1);
  return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
}
