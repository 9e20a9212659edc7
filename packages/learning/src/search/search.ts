import type { ProgressEvent } from '@slipway/kernel';
import { TrainRequestError } from '../errors.ts';
import type { Task } from '../fitted-model.ts';
import { roundLimitOf } from '../hyper-parameters.ts';
import type { ModelPlan } from '../model-plan.ts';
import type { Loss } from '../trees/loss.ts';
import type { TrainingThread } from '../training-thread.ts';
import type { Blend } from './blend.ts';
import { Budget, refitRounds } from './budget.ts';
import {
  type Candidate,
  CANDIDATE_LIMIT,
  firstGroups,
  type Group,
  type PastConfiguration,
  type TrainerName,
  waveGroups,
} from './candidates.ts';
import { checkpointKey, decodeResults, encodeResults, type SearchCheckpoint } from './checkpoint.ts';
import { bestOf, byLoss, chooseCandidate, isWorse, Patience } from './choose.ts';
import { type Evaluation, summarize } from './compare.ts';
import type { FoldResult } from './evaluate.ts';
import { type LeaderboardEntry, leaderboardOf } from './leaderboard.ts';
import type { Rung } from './rungs.ts';

export interface SearchOptions {
  readonly trainers: readonly TrainerName[];
  readonly rowCount: number;
  /** Rows that each fold holds out. */
  readonly tests: readonly Int32Array[];
  readonly rungs: readonly Rung[];
  /** Rows a fold trains on. */
  readonly foldRowCount: number;
  readonly outputCount: number;
  readonly seed: number | string;
  readonly weights: Float64Array | undefined;
  readonly task: Task;
  /** What an error of 1 is in the target's unit. */
  readonly unit: number;
  /** The training loss when it is not the task's own; the leaderboard then shows it as it is. */
  readonly loss?: Loss | undefined;
  readonly startedMs: number;
  readonly seconds: number;
  /** Whether later rows judge. */
  readonly isForward?: boolean | undefined;
  readonly history?: readonly PastConfiguration[] | undefined;
  readonly checkpoint?: SearchCheckpoint | undefined;
  readonly onProgress: ((event: ProgressEvent) => void) | undefined;
}

/** What a search found. */
export interface SearchResult {
  readonly plan: ModelPlan;
  /** Id of the candidate, or `ensemble`. */
  readonly chosen: string;
  readonly leaderboard: readonly LeaderboardEntry[];
}

/** An evaluation is started when at least this share of the longest one so far is left. */
const START_RATIO = 0.6;
/** Share of the time left that the first linear path may take when trees are allowed too, and the first trees after it. */
const FIRST_RATIO = 0.4;
/** With more trees a round than this, trees come after the linear path. */
const MANY_OUTPUTS = 10;
/** Waves in a row without a better candidate that end a search. */
const PATIENCE_WAVES = 1;
/** From this many rows on small differences are real, and the search looks longer for them. */
const LARGE_ROW_COUNT = 2_000;
const LARGE_PATIENCE_WAVES = 2;
/** A candidate this many standard errors worse than the best goes no further, whatever its rank. */
const HOPELESS_ERRORS = 3;
/** Candidates that may become members of an ensemble. */
const FINALIST_LIMIT = 10;
/** How much longer a forest of a wave takes than the first one, before any has been seen: its steps are smaller. */
const WAVE_COST_RATIO = 2.5;
/** Time kept for the refit, as a multiple of the best candidate's: an ensemble may cost more. */
const REFIT_COUNT_ONE_THREAD = 1.5;
const REFIT_COUNT = 1.2;

/** A group of candidates and what is known of it. */
interface Racer {
  readonly group: Group;
  /** By fold, then by candidate; a path may have been cut short. */
  readonly results: Map<number, readonly FoldResult[]>;
  /** First looks with a part of the rows. */
  part: readonly FoldResult[] | undefined;
}

interface Job {
  readonly racer: Racer;
  readonly fold: number;
  readonly rowRatio: number;
  /** Absolute time at which it must end; by default what the budget says. */
  readonly endsMs?: () => number;
  readonly mustFinish: boolean;
}

/**
 * Successive halving in waves: the simplest candidates on all folds, then waves of others, of which ever fewer reach
 * ever more folds, until waves bring nothing better or the time is up. Decisions are made between waves and rungs only,
 * so the number of threads changes nothing but the time.
 */
export class Search {
  readonly #threads: readonly TrainingThread[];
  readonly #options: SearchOptions;
  readonly #budget: Budget;
  readonly #racers: Racer[] = [];
  #longestMs = 0;
  /** What folds of forests took, the first ones and those of waves. */
  readonly #first = { count: 0, totalMs: 0 };
  readonly #later = { count: 0, totalMs: 0 };
  #isOver = false;

  constructor(threads: readonly TrainingThread[], options: SearchOptions) {
    this.#threads = threads;
    this.#options = options;
    const refitCount = threads.length > 1 ? REFIT_COUNT : REFIT_COUNT_ONE_THREAD;
    this.#budget = new Budget({ ...options, foldCount: options.tests.length, refitCount });
  }

  async run(): Promise<SearchResult> {
    const { rowCount, weights } = this.#options;
    await this.#runFirst();
    const patience = new Patience(rowCount < LARGE_ROW_COUNT ? PATIENCE_WAVES : LARGE_PATIENCE_WAVES, weights);
    for (let wave = 0; patience.continuesAfter(bestOf(this.#complete())) && !this.#isOver; wave += 1) {
      const tried = this.#racers.reduce((sum, racer) => sum + racer.group.length, 0);
      const groups = this.#affordable(waveGroups(wave, this.#options, this.#bestTree()).slice(0, CANDIDATE_LIMIT - tried));
      if (groups.length === 0) break;
      await this.#race(groups);
    }
    return this.#conclude();
  }

  /**
   * Without any of them there would be nothing to choose: the time is divided among their folds, or cuts them short. With
   * many classes a round of trees costs a tree for each, so the linear path comes first, and the trees only if they may win.
   */
  async #runFirst(): Promise<void> {
    const { tests, outputCount, weights } = this.#options;
    const folds = [...tests.keys()];
    const racers = firstGroups(this.#options).map((group) => this.#enter(group));
    const linear = racers.find((racer) => racer.group[0]?.trainer === 'linear');
    const trees = racers.find((racer) => racer.group[0]?.trainer === 'gbdt');
    if (!linear || !trees) {
      await this.#runJobs(racers.flatMap((racer) => this.#firstJobs(racer, folds, { timeRatio: 1, mustFinish: true })));
      return;
    }
    const look = folds.slice(0, Math.ceil(folds.length / 5));
    const isMany = outputCount > MANY_OUTPUTS;
    const path = this.#firstJobs(linear, folds, { timeRatio: FIRST_RATIO, mustFinish: isMany });
    if (isMany) await this.#runJobs(path.splice(0));
    const mustFinish = bestOf(this.#complete()) === undefined;
    await this.#runJobs([...path, ...this.#firstJobs(trees, look, { timeRatio: FIRST_RATIO, mustFinish })]);
    const best = bestOf(this.#complete());
    const seen = this.#bestIn(trees, look)?.[0];
    if (best && (!seen || isWorse(seen, this.#on(best, look), weights, HOPELESS_ERRORS))) return;
    await this.#runJobs(this.#firstJobs(trees, folds.slice(look.length), { timeRatio: best ? FIRST_RATIO : 1, mustFinish }));
  }

  /** Jobs that share a part of the time that is left. */
  #firstJobs(racer: Racer, folds: readonly number[], { timeRatio, mustFinish }: { timeRatio: number; mustFinish: boolean }): Job[] {
    let waiting = folds.length;
    const endsMs = () => {
      const nowMs = Date.now();
      const turns = Math.ceil(waiting / this.#threads.length);
      waiting -= 1;
      return nowMs + (timeRatio * (this.#budget.deadlineMs(nowMs, undefined) - nowMs)) / turns;
    };
    return folds.map((fold) => ({ racer, fold, rowRatio: 1, endsMs, mustFinish }));
  }

  /** One wave: every group on the first rung, the better ones on the next, and so on. */
  async #race(groups: readonly Group[]): Promise<void> {
    let racing = groups.map((group) => this.#enter(group));
    for (const rung of this.#options.rungs) {
      await this.#runJobs(
        racing.flatMap((racer) => rung.folds.map((fold) => ({ racer, fold, rowRatio: rung.rowRatio, mustFinish: false }))),
      );
      racing = this.#promote(racing, rung);
      if (racing.length === 0) return;
    }
  }

  /** As many groups as can reach the last rung in the time that is left, so that none is begun for nothing. */
  #affordable(groups: readonly Group[]): Group[] {
    const { rungs } = this.#options;
    let share = 1;
    let foldsEach = 0;
    for (const { folds, rowRatio, keepRatio } of rungs) {
      foldsEach += share * folds.length * rowRatio;
      share *= keepRatio;
    }
    const trees = groups.filter((group) => group[0]?.trainer === 'gbdt');
    const count = Math.floor(this.#foldsLeft() / foldsEach);
    return groups.filter((group) => group[0]?.trainer === 'linear' || trees.indexOf(group) < count);
  }

  /** Folds of forests that fit into the time that is left. */
  #foldsLeft(): number {
    const nowMs = Date.now();
    const { count, totalMs } = this.#later.count > 0 ? this.#later : this.#first;
    if (count === 0) return Number.POSITIVE_INFINITY;
    const eachMs = (totalMs / count) * (this.#later.count > 0 ? 1 : WAVE_COST_RATIO);
    const leftMs = this.#budget.deadlineMs(nowMs, bestOf(this.#complete())) - nowMs;
    return (Math.max(0, leftMs) * this.#threads.length) / eachMs;
  }

  /** Those that finished the rung, are not hopeless, and are among the better ones. */
  #promote(racing: readonly Racer[], { rowRatio, keepRatio, folds: last }: Rung): Racer[] {
    const { weights } = this.#options;
    const folds = Array.from({ length: (last.at(-1) ?? 0) + 1 }, (_, fold) => fold);
    const best = bestOf(this.#complete());
    const judged = racing.flatMap((racer) => {
      const own = rowRatio < 1 ? this.#partly(racer, last[0] ?? 0) : this.#bestIn(racer, folds)?.[0];
      if (!own || !Number.isFinite(own.loss)) return [];
      if (best && rowRatio === 1 && isWorse(own, this.#on(best, folds), weights, HOPELESS_ERRORS)) return [];
      return [{ racer, own }];
    });
    judged.sort((left, right) => byLoss(left.own, right.own));
    const foldsEach = this.#options.tests.length - folds.length;
    const affordable = foldsEach > 0 ? Math.max(1, Math.floor(this.#foldsLeft() / foldsEach)) : racing.length;
    const limit = Math.min(Math.ceil(racing.length * keepRatio), affordable);
    // Linear paths cost next to nothing and err differently: they go on unless hopeless.
    return judged.filter(({ racer }, at) => at < limit || racer.group[0]?.trainer === 'linear').map(({ racer }) => racer);
  }

  #enter(group: Group): Racer {
    const racer: Racer = { group, results: new Map(), part: undefined };
    this.#racers.push(racer);
    return racer;
  }

  /** Candidates with all folds. */
  #complete(): Evaluation[] {
    const folds = [...this.#options.tests.keys()];
    return this.#racers.flatMap((racer) => this.#summaries(racer, folds));
  }

  /** Candidates of a racer that have all of these folds. */
  #summaries(racer: Racer, folds: readonly number[]): Evaluation[] {
    return racer.group.flatMap((candidate, at) => {
      const results = folds.flatMap((fold) => {
        const result = racer.results.get(fold)?.[at];
        return result ? [{ fold, result }] : [];
      });
      return results.length === folds.length ? [this.#summary(candidate, results)] : [];
    });
  }

  #summary(candidate: Candidate, results: Parameters<typeof summarize>[1]): Evaluation {
    const { tests, weights, rowCount } = this.#options;
    return summarize(candidate, results, tests, weights, rowCount);
  }

  /** A racer's candidates on some folds, best first; undefined when it has none. */
  #bestIn(racer: Racer, folds: readonly number[]): Evaluation[] | undefined {
    const all = this.#summaries(racer, folds).toSorted(byLoss);
    return all.length > 0 ? all : undefined;
  }

  #partly(racer: Racer, fold: number): Evaluation | undefined {
    const all = racer.group.flatMap((candidate, at) => {
      const result = racer.part?.[at];
      return result ? [this.#summary(candidate, [{ fold, result }])] : [];
    });
    return bestOf(all);
  }

  /** A complete evaluation looked at on some folds only. */
  #on(evaluation: Evaluation, folds: readonly number[]): Evaluation {
    for (const racer of this.#racers) {
      const found = racer.group.includes(evaluation.candidate)
        ? this.#summaries(racer, folds).find((each) => each.candidate === evaluation.candidate)
        : undefined;
      if (found) return found;
    }
    return evaluation;
  }

  #bestTree() {
    const tree = bestOf(this.#complete().filter(({ candidate }) => candidate.trainer === 'gbdt'))?.candidate;
    return tree?.trainer === 'gbdt' ? tree : undefined;
  }

  async #runJobs(jobs: readonly Job[]): Promise<void> {
    const waiting = [...jobs];
    const best = bestOf(this.#complete());
    const work = async (thread: TrainingThread) => {
      for (let job = waiting.shift(); job; job = waiting.shift()) await this.#runJob(thread, job, best);
    };
    await Promise.all(this.#threads.map(work));
  }

  async #runJob(thread: TrainingThread, job: Job, best: Evaluation | undefined): Promise<void> {
    const { racer, fold, rowRatio, mustFinish } = job;
    const { checkpoint, tests, outputCount } = this.#options;
    const key = checkpointKey(racer.group, fold, rowRatio);
    const saved = await checkpoint?.load(key);
    const known = saved && decodeResults(saved, outputCount * (tests[fold] as Int32Array).length);
    if (known) {
      this.#budget.spend(known.reduce((sum, result) => sum + result.seconds, 0) / this.#threads.length);
      this.#note(job, known);
      return;
    }
    const startedMs = Date.now();
    const latestMs = this.#budget.deadlineMs(startedMs, best);
    const deadlineMs = job.endsMs?.() ?? latestMs;
    if (!mustFinish && deadlineMs - startedMs < (job.endsMs ? 0 : this.#longestMs * START_RATIO)) {
      this.#isOver = true;
      return;
    }
    const report = (ratio: number) => this.#report(racer.group[0]?.id ?? '', ratio);
    const request = { kind: 'evaluate', candidates: racer.group, fold, rowRatio, deadlineMs, mustFinish } as const;
    const { results } = await thread.ask<'evaluate'>(request, report);
    const tookMs = Date.now() - startedMs;
    if (rowRatio === 1 && racer.group[0]?.trainer === 'gbdt') {
      const tally = job.endsMs ? this.#first : this.#later;
      tally.count += 1;
      tally.totalMs += tookMs;
      if (!job.endsMs) this.#longestMs = Math.max(this.#longestMs, tookMs);
    }
    this.#note(job, results);
    // What the clock cut short is no result of the configuration.
    if (Date.now() < deadlineMs && results.length > 0) await checkpoint?.save(key, encodeResults(results));
    report(1);
  }

  #note({ racer, fold, rowRatio }: Job, results: readonly FoldResult[]): void {
    if (rowRatio < 1) racer.part = results;
    else racer.results.set(fold, results);
  }

  /** The choice among the complete candidates, several of them together when that pays, and a calibration when that does. */
  async #conclude(): Promise<SearchResult> {
    const { weights, tests } = this.#options;
    const complete = this.#complete();
    const chosen = chooseCandidate(complete, weights);
    if (!chosen) {
      throw new TrainRequestError('No candidate could be trained: the table is too wide for the linear trainer and no other was allowed.', {
        help: 'Allow the trainer gbdt, or exclude columns with many categories.',
      });
    }
    const ranked = complete.filter((each) => Number.isFinite(each.loss)).toSorted(byLoss);
    const finalists = this.#finalists(ranked, chosen);
    const [thread] = this.#threads;
    const blended = await (thread as TrainingThread).ask<'blend'>({
      kind: 'blend',
      request: {
        finalists: finalists.map((each) => [...tests.keys()].map((fold) => this.#marginsOf(each, fold))),
        works: finalists.map((each) => this.#workOf(each)),
        chosen: finalists.indexOf(chosen),
        withEnsemble: !this.#isOver || Date.now() < this.#budget.deadlineMs(Date.now(), chosen),
      },
    });
    return this.#resultOf(finalists, chosen, blended);
  }

  /** The best of each kind of candidate first: members that err alike add nothing. */
  #finalists(ranked: readonly Evaluation[], chosen: Evaluation): Evaluation[] {
    const linear = ranked.find(({ candidate }) => candidate.trainer === 'linear');
    const first = ranked.slice(0, FINALIST_LIMIT - 2);
    return [...new Set([...first, ...(linear ? [linear] : []), chosen])];
  }

  #marginsOf({ candidate }: Evaluation, fold: number): Float32Array {
    for (const racer of this.#racers) {
      const at = racer.group.indexOf(candidate);
      const result = at < 0 ? undefined : racer.results.get(fold)?.[at];
      if (result) return result.margins;
    }
    throw new Error('A finalist was evaluated on every fold.');
  }

  /** Nodes that a row meets, which is what training and asking cost; a linear model costs next to nothing. */
  #workOf({ candidate, rounds }: Evaluation): number {
    return candidate.trainer === 'gbdt' ? Math.max(1, rounds) * Math.log2(candidate.parameters.leafLimit) : 1;
  }

  #resultOf(finalists: readonly Evaluation[], chosen: Evaluation, blended: Blend): SearchResult {
    const members = finalists.flatMap((evaluation, index) => {
      const weight = blended.weights[index] ?? 0;
      return weight > 0 ? [{ weight, evaluation }] : [];
    });
    const isEnsemble = members.length > 1;
    const { calibration } = blended;
    return {
      plan: {
        members: members.map(({ weight, evaluation }) => ({
          weight,
          choice: { candidate: evaluation.candidate, rounds: this.#refitRounds(evaluation) },
        })),
        calibration,
      },
      chosen: isEnsemble ? 'ensemble' : chosen.candidate.id,
      leaderboard: leaderboardOf(this.#options, this.#everything(), {
        chosen: isEnsemble ? undefined : chosen,
        blend: isEnsemble || calibration ? { members, loss: blended.loss, calibration } : undefined,
      }),
    };
  }

  /** Every candidate with what is known of it, complete or not. */
  #everything(): Evaluation[] {
    return this.#racers.flatMap((racer) => {
      const folds = [...racer.results.keys()];
      const known = folds.length > 0 ? this.#summaries(racer, folds) : [];
      return known.filter((each) => Number.isFinite(each.loss));
    });
  }

  #refitRounds({ candidate, rounds }: Evaluation): number {
    const { rowCount, foldRowCount, outputCount } = this.#options;
    if (candidate.trainer !== 'gbdt') return 0;
    return Math.min(roundLimitOf(outputCount), refitRounds(rounds, rowCount, foldRowCount));
  }

  #report(id: string, ratio: number): void {
    const { startedMs, seconds, onProgress } = this.#options;
    const elapsed = (Date.now() - startedMs) / (seconds * 1_000);
    onProgress?.({
      phase: 'search',
      message: `trying ${id}`,
      ratio: Math.min(1, Math.max(0, elapsed)),
      data: { candidate: id, candidateRatio: ratio, tried: this.#racers.reduce((sum, racer) => sum + racer.group.length, 0) },
    });
  }
}
