import { differenceOf, type Evaluation } from './compare.ts';

/**
 * The simplest candidate whose loss cannot be told from the best: mean difference of row losses within one standard
 * error of that difference (the one-standard-error rule of Breiman et al. 1984, on paired rows, which is sharper). Of
 * equally simple ones the lowest loss, then the first id. Depends on nothing but the evaluations.
 */
export function chooseCandidate(evaluations: readonly Evaluation[], weights: Float64Array | undefined): Evaluation | undefined {
  const best = bestOf(evaluations);
  if (!best) return undefined;
  const near = evaluations.filter((evaluation) => evaluation === best || !isWorse(evaluation, best, weights));
  return near.toSorted((left, right) => left.candidate.complexity - right.candidate.complexity || byLoss(left, right))[0];
}

/** The lowest loss; undefined when none is a number. */
export function bestOf(evaluations: readonly Evaluation[]): Evaluation | undefined {
  return evaluations.filter((evaluation) => Number.isFinite(evaluation.loss)).toSorted(byLoss)[0];
}

export function byLoss(left: Evaluation, right: Evaluation): number {
  return left.loss - right.loss || (left.candidate.id < right.candidate.id ? -1 : 1);
}

/** Whether the losses are larger by more than so many standard errors of the difference; no loss at all is worse. */
export function isWorse(
  evaluation: Pick<Evaluation, 'rowLosses'>,
  than: Pick<Evaluation, 'rowLosses'>,
  weights: Float64Array | undefined,
  errors = 1,
): boolean {
  const { mean, error } = differenceOf(evaluation.rowLosses, than.rowLosses, weights);
  return !(mean <= errors * error);
}

/**
 * Counts waves that brought nothing: whether the best is better than the best so far by more than one standard error.
 * The best so far is not replaced by smaller steps, so that many small ones add up.
 */
export class Patience {
  readonly #waves: number;
  readonly #weights: Float64Array | undefined;
  #mark: Evaluation | undefined;
  #idle = 0;

  /** @param waves waves without a better candidate that end a search. */
  constructor(waves: number, weights: Float64Array | undefined) {
    this.#waves = waves;
    this.#weights = weights;
  }

  /** Takes note of the best after a wave. @returns whether to go on. */
  continuesAfter(best: Evaluation | undefined): boolean {
    const isBetter = best !== undefined && (this.#mark === undefined || isWorse(this.#mark, best, this.#weights));
    if (isBetter) this.#mark = best;
    this.#idle = isBetter ? 0 : this.#idle + 1;
    return this.#mark === undefined || this.#idle < this.#waves;
  }
}
