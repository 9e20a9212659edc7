import type { ProgressEvent } from '@slipway/kernel';
import { TrainRequestError } from '../errors.ts';
import type { FittedModel, Task } from '../fitted-model.ts';
import type { TrainingThread } from '../training-thread.ts';
import { type Candidate, planCandidates, type TrainerName } from './candidates.ts';
import { chooseCandidate } from './choose.ts';
import type { Evaluation } from './evaluate.ts';

/** One line of what was tried, best loss first. */
export interface LeaderboardEntry {
  readonly id: string;
  readonly trainer: TrainerName;
  /** Of rows that the fit had not seen: log_loss for classes (and roc_auc when binary), rmse for numbers. */
  readonly scores: Readonly<Record<string, number>>;
  /** Boosting rounds; 0 for linear models. */
  readonly rounds: number;
  readonly seconds: number;
  readonly chosen: boolean;
}

export interface SearchOptions {
  readonly trainers: readonly TrainerName[];
  readonly rowCount: number;
  readonly seed: number | string;
  readonly weights: Float64Array | undefined;
  readonly task: Task;
  readonly scale: FittedModel['scale'];
  readonly startedMs: number;
  readonly seconds: number;
  readonly onProgress: ((event: ProgressEvent) => void) | undefined;
}

/** Share of the budget for trying candidates; the rest is for the refit and the export. */
const SEARCH_RATIO = 0.8;
/** A group is started when at least this share of the longest tree search so far is left. */
const START_RATIO = 0.9;

/** Tries groups of candidates on the threads until the time is up, then chooses. */
export class Search {
  readonly #threads: readonly TrainingThread[];
  readonly #options: SearchOptions;
  readonly #deadlineMs: number;
  readonly #groups: Candidate[][];
  readonly #evaluations: Evaluation[] = [];
  #next = 0;
  #longestMs = 0;

  constructor(threads: readonly TrainingThread[], options: SearchOptions) {
    this.#threads = threads;
    this.#options = options;
    this.#deadlineMs = options.startedMs + options.seconds * 1_000 * SEARCH_RATIO;
    this.#groups = planCandidates(options.trainers, options.rowCount, options.seed);
  }

  async run(): Promise<{ chosen: Evaluation; leaderboard: LeaderboardEntry[] }> {
    await Promise.all(this.#threads.map((thread) => this.#work(thread)));
    const chosen = chooseCandidate(this.#evaluations, this.#options.weights);
    if (!chosen) {
      throw new TrainRequestError('No candidate could be trained: the table is too wide for the linear trainer and no other was allowed.', {
        help: 'Allow the trainer gbdt, or exclude columns with many categories.',
      });
    }
    return { chosen, leaderboard: this.#leaderboard(chosen) };
  }

  async #work(thread: TrainingThread): Promise<void> {
    for (let group = this.#take(); group !== undefined; group = this.#take()) {
      const startedMs = Date.now();
      const [first] = group.candidates;
      const report = (ratio: number) => this.#report(first?.id ?? '', ratio);
      const message = {
        kind: 'evaluate',
        candidates: group.candidates,
        deadlineMs: this.#deadlineMs,
        mustFinish: group.mustFinish,
      } as const;
      const { evaluations } = await thread.ask<'evaluate'>(message, report);
      this.#evaluations.push(...evaluations);
      this.#longestMs = Math.max(this.#longestMs, Date.now() - startedMs);
      report(1);
    }
  }

  /** The next group, while there is time for it; the first of each trainer always runs. */
  #take(): { candidates: Candidate[]; mustFinish: boolean } | undefined {
    const candidates = this.#groups[this.#next];
    const [first] = candidates ?? [];
    if (!candidates || !first) return undefined;
    const mustFinish = !this.#groups.slice(0, this.#next).some((group) => group[0]?.trainer === first.trainer);
    const leftMs = this.#deadlineMs - Date.now();
    if (!mustFinish && leftMs < this.#longestMs * START_RATIO) return undefined;
    this.#next += 1;
    return { candidates, mustFinish };
  }

  #report(id: string, ratio: number): void {
    const { startedMs, onProgress } = this.#options;
    const elapsed = (Date.now() - startedMs) / (this.#deadlineMs - startedMs);
    onProgress?.({
      phase: 'search',
      message: `trying ${id}`,
      ratio: Math.min(1, elapsed),
      data: { candidate: id, candidateRatio: ratio, tried: this.#evaluations.length },
    });
  }

  #leaderboard(chosen: Evaluation): LeaderboardEntry[] {
    const { task, scale } = this.#options;
    return this.#evaluations
      .toSorted((left, right) => left.loss - right.loss)
      .map((evaluation) => ({
        id: evaluation.candidate.id,
        trainer: evaluation.candidate.trainer,
        scores:
          task === 'regression'
            ? { rmse: Math.sqrt(evaluation.loss) * scale.deviation }
            : { log_loss: evaluation.loss, ...(evaluation.rocAuc === null ? {} : { roc_auc: evaluation.rocAuc }) },
        rounds: evaluation.rounds,
        seconds: evaluation.seconds,
        chosen: evaluation === chosen,
      }));
  }
}
