import type { Evaluation } from './evaluate.ts';

/**
 * The simplest candidate whose loss cannot be told from the best: mean difference of row losses within one standard
 * error of that difference (the one-standard-error rule of Breiman et al. 1984, on paired rows, which is sharper). Of
 * equally simple ones the lowest loss, then the first id. Depends on nothing but the evaluations.
 */
export function chooseCandidate(evaluations: readonly Evaluation[], weights: Float64Array | undefined): Evaluation | undefined {
  const usable = evaluations.filter((evaluation) => Number.isFinite(evaluation.loss));
  const [best] = usable.toSorted(byLoss);
  if (!best) return undefined;
  const near = usable.filter((evaluation) => evaluation === best || isWithinOneError(evaluation, best, weights));
  return near.toSorted((left, right) => left.candidate.complexity - right.candidate.complexity || byLoss(left, right))[0];
}

/**
 * After how many groups nothing more needs to be tried: when `patience` groups in a row brought nothing that is better
 * than the best before them by more than one standard error. The best is not replaced by smaller steps, so that many
 * small ones add up. Looks at the groups in their order only, so it says the same however many threads evaluate them.
 * @returns undefined while the search should go on.
 */
export function settledAfter(
  groups: readonly (readonly Evaluation[])[],
  weights: Float64Array | undefined,
  patience: number,
): number | undefined {
  let best: Evaluation | undefined;
  let idle = 0;
  for (const [index, group] of groups.entries()) {
    const [own] = group.filter((evaluation) => Number.isFinite(evaluation.loss)).toSorted(byLoss);
    const isBetter = own && (!best || (own.loss < best.loss && !isWithinOneError(best, own, weights)));
    idle = isBetter ? 0 : idle + 1;
    if (isBetter) best = own;
    if (best && idle >= patience) return index + 1;
  }
  return undefined;
}

function byLoss(left: Evaluation, right: Evaluation): number {
  return left.loss - right.loss || (left.candidate.id < right.candidate.id ? -1 : 1);
}

function isWithinOneError(evaluation: Evaluation, best: Evaluation, weights: Float64Array | undefined): boolean {
  let total = 0;
  let sum = 0;
  let squares = 0;
  let weightSquares = 0;
  for (let row = 0; row < best.rowLosses.length; row += 1) {
    const difference = (evaluation.rowLosses[row] as number) - (best.rowLosses[row] as number);
    if (Number.isNaN(difference)) continue;
    const weight = weights ? (weights[row] as number) : 1;
    total += weight;
    weightSquares += weight * weight;
    sum += weight * difference;
    squares += weight * difference * difference;
  }
  if (total === 0) return false;
  const mean = sum / total;
  const variance = Math.max(0, squares / total - mean * mean);
  return mean <= Math.sqrt((variance * weightSquares) / (total * total));
}
