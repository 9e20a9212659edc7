import type { ProgressEvent } from '@slipway/kernel';
import { TrainRequestError } from '../errors.ts';
import type { FittedModel, Task } from '../fitted-model.ts';
import { type Choice, roundLimitOf } from '../hyper-parameters.ts';
import type { Loss } from '../trees/loss.ts';
import type { TrainingThread } from '../training-thread.ts';
import { Budget, refitRounds } from './budget.ts';
import { type Candidate, planCandidates, type TrainerName } from './candidates.ts';
import { chooseCandidate, settledAfter } from './choose.ts';
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
  readonly foldCount: number;
  /** Rows a fold trains on. */
  readonly foldRowCount: number;
  readonly outputCount: number;
  readonly seed: number | string;
  readonly weights: Float64Array | undefined;
  readonly task: Task;
  readonly scale: FittedModel['scale'];
  /** The training loss when it is not the task's own; the leaderboard then shows it as it is. */
  readonly loss?: Loss | undefined;
  readonly startedMs: number;
  readonly seconds: number;
  /** Shared by all threads: 1 in its first cell gives up what is being evaluated. */
  readonly stop: Int32Array;
  readonly onProgress: ((event: ProgressEvent) => void) | undefined;
}

/** What a search found. */
export interface SearchResult extends Choice {
  readonly leaderboard: readonly LeaderboardEntry[];
}

/** A group is started when at least this share of the longest one so far is left. */
const START_RATIO = 0.9;
/** Share of the time left that one linear path may take when trees are allowed too. */
const LINEAR_RATIO = 0.25;
/** Groups in a row without a better candidate that end a search; see `settledAfter`. */
const PATIENCE_GROUPS = 4;
/** From this many rows on small differences are real, and the search looks longer for them. */
const LARGE_ROW_COUNT = 2_000;
const LARGE_PATIENCE_GROUPS = 8;

/** Tries groups of candidates on the threads until nothing better comes or the time is up, then chooses. */
export class Search {
  readonly #threads: readonly TrainingThread[];
  readonly #options: SearchOptions;
  readonly #budget: Budget;
  readonly #groups: readonly Candidate[][];
  /** By group; a hole is not evaluated yet. */
  readonly #results: Evaluation[][] = [];
  #next = 0;
  /** Groups from here on do not count. */
  #end: number;
  #longestMs = 0;

  constructor(threads: readonly TrainingThread[], options: SearchOptions) {
    this.#threads = threads;
    this.#options = options;
    this.#budget = new Budget(options);
    this.#groups = planCandidates(options.trainers, options.rowCount, options.seed);
    this.#end = this.#groups.length;
  }

  async run(): Promise<SearchResult> {
    await Promise.all(this.#threads.map((thread) => this.#work(thread)));
    const chosen = this.#best();
    if (!chosen) {
      throw new TrainRequestError('No candidate could be trained: the table is too wide for the linear trainer and no other was allowed.', {
        help: 'Allow the trainer gbdt, or exclude columns with many categories.',
      });
    }
    const { rowCount, foldRowCount, outputCount } = this.#options;
    const isTree = chosen.candidate.trainer === 'gbdt';
    const rounds = isTree ? Math.min(roundLimitOf(outputCount), refitRounds(chosen.rounds, rowCount, foldRowCount)) : 0;
    return { candidate: chosen.candidate, rounds, leaderboard: this.#leaderboard(chosen) };
  }

  /** Evaluations that count, group by group. */
  #evaluations(): Evaluation[] {
    return this.#results.slice(0, this.#end).flat();
  }

  #best(): Evaluation | undefined {
    return chooseCandidate(this.#evaluations(), this.#options.weights);
  }

  async #work(thread: TrainingThread): Promise<void> {
    for (let group = this.#take(); group !== undefined; group = this.#take()) {
      const startedMs = Date.now();
      const { index, candidates, deadlineMs, mustFinish } = group;
      const report = (ratio: number) => this.#report(candidates[0]?.id ?? '', ratio);
      const { evaluations } = await thread.ask<'evaluate'>({ kind: 'evaluate', candidates, deadlineMs, mustFinish }, report);
      this.#results[index] = [...evaluations];
      this.#longestMs = Math.max(this.#longestMs, Date.now() - startedMs);
      this.#settle();
      report(1);
    }
  }

  /** Ends the search when the groups evaluated without a gap say that nothing better comes. */
  #settle(): void {
    const { rowCount, weights, stop } = this.#options;
    const patience = rowCount < LARGE_ROW_COUNT ? PATIENCE_GROUPS : LARGE_PATIENCE_GROUPS;
    let whole = 0;
    while (whole < this.#end && this.#results[whole]) whole += 1;
    const end = settledAfter(this.#results.slice(0, whole), weights, patience);
    if (end === undefined) return;
    this.#end = end;
    Atomics.store(stop, 0, 1);
  }

  /** The next group, while there is time for it. The first trees always run; without trees, the first penalties. */
  #take(): { index: number; candidates: Candidate[]; deadlineMs: number; mustFinish: boolean } | undefined {
    const index = this.#next;
    const candidates = index < this.#end ? this.#groups[index] : undefined;
    if (!candidates) return undefined;
    const vital: TrainerName = this.#options.trainers.includes('gbdt') ? 'gbdt' : 'linear';
    const vitalIndex = this.#groups.findIndex((group) => group[0]?.trainer === vital);
    const mustFinish = index === vitalIndex;
    const nowMs = Date.now();
    const latestMs = this.#budget.deadlineMs(nowMs, this.#best());
    const isShort = candidates[0]?.trainer === 'linear' && vital === 'gbdt';
    if (!mustFinish && latestMs - nowMs < this.#longestMs * START_RATIO) {
      if (index > vitalIndex) return undefined;
      // The time was up before the search began: what must run is still ahead.
      this.#next = vitalIndex;
      return this.#take();
    }
    this.#next += 1;
    return { index, candidates, deadlineMs: isShort ? nowMs + (latestMs - nowMs) * LINEAR_RATIO : latestMs, mustFinish };
  }

  #report(id: string, ratio: number): void {
    const { startedMs, seconds, onProgress } = this.#options;
    const elapsed = (Date.now() - startedMs) / (seconds * 1_000);
    onProgress?.({
      phase: 'search',
      message: `trying ${id}`,
      ratio: Math.min(1, Math.max(0, elapsed, this.#results.length / this.#groups.length)),
      data: { candidate: id, candidateRatio: ratio, tried: this.#evaluations().length },
    });
  }

  #leaderboard(chosen: Evaluation): LeaderboardEntry[] {
    const { task, scale } = this.#options;
    return this.#evaluations()
      .toSorted((left, right) => left.loss - right.loss)
      .map((evaluation) => ({
        id: evaluation.candidate.id,
        trainer: evaluation.candidate.trainer,
        scores: this.#options.loss
          ? { loss: evaluation.loss }
          : task === 'regression'
            ? { rmse: Math.sqrt(evaluation.loss) * scale.deviation }
            : { log_loss: evaluation.loss, ...(evaluation.rocAuc === null ? {} : { roc_auc: evaluation.rocAuc }) },
        rounds: evaluation.rounds,
        seconds: evaluation.seconds,
        chosen: evaluation === chosen,
      }));
  }
}
