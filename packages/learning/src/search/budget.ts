import type { Evaluation } from './compare.ts';

export interface BudgetOptions {
  readonly startedMs: number;
  readonly seconds: number;
  readonly rowCount: number;
  readonly foldCount: number;
  /** Rows a fold trains on. */
  readonly foldRowCount: number;
  /** Refits of the best candidate that must fit in: more than one when an ensemble may follow. */
  readonly refitCount?: number;
}

/** Share of the seconds kept for handing over and exporting the model. */
const EXPORT_RATIO = 0.03;
/** A refit may take this many times what the folds suggest: a machine is not equally fast all the time. */
const REFIT_SAFETY = 1.3;
/** A refit of a linear model starts from nothing, in the folds each penalty starts from the one before. */
const COLD_START_FACTOR = 2;

/** Rounds for all rows: a little more than was best on the fewer rows of a fold. */
export function refitRounds(rounds: number, rowCount: number, foldRowCount: number): number {
  return Math.max(1, Math.round(rounds * Math.sqrt(rowCount / foldRowCount)));
}

/** Divides the seconds between trying candidates and training the chosen one on all rows. */
export class Budget {
  readonly #options: BudgetOptions;
  #endMs: number;
  /** Time of a refit as a share of the time its evaluation took, at most: every fold's cost grows with rows and rounds. */
  readonly #refitRatio: number;

  constructor(options: BudgetOptions) {
    const { startedMs, seconds, rowCount, foldCount, foldRowCount } = options;
    this.#options = options;
    this.#endMs = startedMs + seconds * 1_000 * (1 - EXPORT_RATIO);
    this.#refitRatio = (REFIT_SAFETY * (rowCount / foldRowCount) ** 1.5) / foldCount;
  }

  /** Takes note of time that was used before, by a search that this one continues. */
  spend(seconds: number): void {
    this.#endMs -= seconds * 1_000;
  }

  /** When an evaluation that starts now must end, so that either its refit or the best one's fits in after it. */
  deadlineMs(nowMs: number, best: Evaluation | undefined): number {
    const own = nowMs + (this.#endMs - nowMs) / (1 + this.#refitRatio);
    return best ? Math.min(own, this.#endMs - (this.#options.refitCount ?? 1) * this.refitMs(best)) : own;
  }

  /** What training this candidate on all rows will take, judged by what it took on the folds. */
  refitMs({ seconds, rounds, roundsGrown, foldCount }: Pick<Evaluation, 'seconds' | 'rounds' | 'roundsGrown' | 'foldCount'>): number {
    const { rowCount, foldRowCount } = this.#options;
    const growth = rowCount / foldRowCount;
    if (roundsGrown === 0) return (REFIT_SAFETY * COLD_START_FACTOR * growth * seconds * 1_000) / foldCount;
    return (REFIT_SAFETY * growth * refitRounds(rounds, rowCount, foldRowCount) * seconds * 1_000) / roundsGrown;
  }
}
