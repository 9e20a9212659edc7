import { rocAuc } from '@slipway/statistics';
import { buildDesign, type Design, LINEAR_WIDTH_LIMIT, planDesign } from '../linear/design.ts';
import { addMargins, fitLinear } from '../linear/fit.ts';
import { type EncodedMatrix, takeMatrixRows, takeValues } from '../matrix.ts';
import { applyBins, type BinnedMatrix, fitBins, takeBinnedRows } from '../trees/binning.ts';
import { boost, type BoostResult } from '../trees/boost.ts';
import type { TreeConstraints } from '../trees/constraints.ts';
import { baseScores, type Objective, rowLosses, type Targets } from '../trees/objective.ts';
import { addBinned } from '../trees/tree.ts';
import type { Candidate, LinearCandidate, TreeCandidate } from './candidates.ts';
import type { Fold } from './folds.ts';

/** Everything a search learns from; the same in every worker. */
export interface LearningTask {
  readonly objective: Objective;
  readonly outputCount: number;
  readonly matrix: EncodedMatrix;
  /** Class index, or the standardised number. */
  readonly targets: Targets;
  readonly folds: readonly Fold[];
  readonly constraints?: TreeConstraints | undefined;
  readonly seed: number | string;
}

/** How one candidate did on the folds. */
export interface Evaluation {
  readonly candidate: Candidate;
  /** Mean loss of each training row over the folds that tested it; NaN where none did. */
  readonly rowLosses: Float64Array;
  /** Log loss, or mean squared error of the standardised target. */
  readonly loss: number;
  /** Mean ROC AUC of the folds; null unless binary. */
  readonly rocAuc: number | null;
  /** Median over the folds of the best boosting round; 0 for linear models. */
  readonly rounds: number;
  /** Rounds grown on all folds together, those after the best included; tells what a round costs. */
  readonly roundsGrown: number;
  readonly seconds: number;
}

export interface EvaluateOptions {
  /** Absolute time (Date.now) at which to stop. */
  readonly deadlineMs: number;
  /**
   * Divides the time that is left among the folds instead of giving up (trees), or fits the first penalty whatever the
   * time (linear): so that a search that allows little time still has a candidate to choose.
   */
  readonly mustFinish: boolean;
  /** Asked often; true gives everything up that is not finished. */
  readonly isStopped?: () => boolean;
  readonly onProgress?: (ratio: number) => void;
}

/** Boosting rounds at most while searching. */
const ROUND_LIMIT = 2_000;
/** Rounds without a lower loss that end a fold: more when steps are small. */
const PATIENCE_STEPS = 2.5;

/** Evaluates candidates on a task; keeps what can be shared between them. */
export class Evaluator {
  readonly #task: LearningTask;
  #binned: { readonly limit: number; readonly data: BinnedMatrix } | undefined;

  constructor(task: LearningTask) {
    this.#task = task;
  }

  /** @returns what was finished in time; candidates that were not are left out. */
  evaluate(candidates: readonly Candidate[], options: EvaluateOptions): Evaluation[] {
    const linear = candidates.filter((candidate) => candidate.trainer === 'linear');
    const trees = candidates.filter((candidate) => candidate.trainer === 'gbdt');
    const results = linear.length > 0 ? this.#evaluatePath(linear, options) : [];
    for (const candidate of trees) {
      const result = this.#evaluateTrees(candidate, options);
      if (result) results.push(result);
    }
    return results;
  }

  /** The whole table in bins, placed once: bins do not look at the target. */
  binned(limit: number): BinnedMatrix {
    if (this.#binned?.limit !== limit) {
      const { matrix } = this.#task;
      this.#binned = { limit, data: applyBins(matrix, fitBins(matrix, limit)) };
    }
    return this.#binned.data;
  }

  #targets(rows: Int32Array): Targets {
    const { target, weights, queries } = this.#task.targets;
    return {
      target: takeValues(target, rows),
      weights: weights && takeValues(weights, rows),
      ...(queries ? { queries: rows.map((row) => queries[row] as number) } : {}),
    };
  }

  #evaluateTrees(candidate: TreeCandidate, options: EvaluateOptions): Evaluation | undefined {
    const started = Date.now();
    const { folds } = this.#task;
    const data = this.binned(candidate.parameters.binLimit);
    const runs: { readonly result: BoostResult; readonly test: BinnedMatrix; readonly targets: Targets }[] = [];
    for (const [index, fold] of folds.entries()) {
      const test = takeBinnedRows(data, fold.test);
      const targets = this.#targets(fold.test);
      const stopMs = options.mustFinish ? Date.now() + (options.deadlineMs - Date.now()) / (folds.length - index) : options.deadlineMs;
      const shouldStop = () => Date.now() > stopMs || options.isStopped?.() === true;
      const result = this.#boostFold(candidate, fold, { data: test, targets }, shouldStop);
      if (result.stoppedBy === 'caller' && !options.mustFinish) return undefined;
      runs.push({ result, test, targets });
      options.onProgress?.((index + 1) / folds.length);
    }
    const rounds = medianRound(runs.map((run) => run.result.bestRound));
    const tally = new Tally(this.#task);
    runs.forEach(({ result, test, targets }, index) => {
      tally.add(folds[index] as Fold, targets, this.#scoresAt(result, test, rounds));
    });
    const roundsGrown = runs.reduce((sum, { result }) => sum + result.rounds, 0);
    return { candidate, rounds, roundsGrown, ...tally.summary(), seconds: (Date.now() - started) / 1_000 };
  }

  #boostFold(
    candidate: TreeCandidate,
    fold: Fold,
    validation: { data: BinnedMatrix; targets: Targets },
    shouldStop: () => boolean,
  ): BoostResult {
    const { objective, outputCount, seed, constraints } = this.#task;
    const { learningRate, binLimit } = candidate.parameters;
    return boost({
      objective,
      outputCount,
      data: takeBinnedRows(this.binned(binLimit), fold.train),
      targets: this.#targets(fold.train),
      validation,
      patience: Math.ceil(PATIENCE_STEPS / learningRate),
      parameters: candidate.parameters,
      constraints,
      roundLimit: ROUND_LIMIT,
      seed: `${seed}/${candidate.id}`,
      shouldStop,
    });
  }

  #scoresAt(result: BoostResult, data: BinnedMatrix, rounds: number): Float64Array[] {
    const { outputCount, base, trees } = result.forest;
    const scores = Array.from(base, (score) => new Float64Array(data.rowCount).fill(score));
    trees.slice(0, rounds * outputCount).forEach((tree, index) => addBinned(tree, data, scores[index % outputCount] as Float64Array));
    return scores;
  }

  /** All penalties on one fold before the next, each starting from the last. */
  #evaluatePath(candidates: readonly LinearCandidate[], options: EvaluateOptions): Evaluation[] {
    const { folds, objective, outputCount, matrix } = this.#task;
    const tallies = candidates.map(() => new Tally(this.#task));
    const elapsed = candidates.map(() => 0);
    let reached = candidates.length;
    const isLate = () => Date.now() > options.deadlineMs || options.isStopped?.() === true;
    for (const [index, fold] of folds.entries()) {
      const train = takeMatrixRows(matrix, fold.train);
      const plan = planDesign(train);
      if (plan.width > LINEAR_WIDTH_LIMIT) return [];
      const design = buildDesign(plan, train);
      const testDesign = buildDesign(plan, takeMatrixRows(matrix, fold.test));
      const targets = this.#targets(fold.train);
      const testTargets = this.#targets(fold.test);
      let start: Float64Array[] = startWeights(objective, targets, outputCount, design);
      for (let at = 0; at < reached; at += 1) {
        const started = Date.now();
        const { penalty } = candidates[at] as LinearCandidate;
        const shouldStop = () => isLate() && !(options.mustFinish && at === 0);
        start = fitLinear({ objective, outputCount, design, targets, penalty, start, shouldStop });
        if (shouldStop()) {
          reached = at;
          break;
        }
        (tallies[at] as Tally).add(
          fold,
          testTargets,
          start.map((weights) => marginsOf(testDesign, weights)),
        );
        elapsed[at] = (elapsed[at] as number) + (Date.now() - started) / 1_000;
      }
      options.onProgress?.((index + 1) / folds.length);
    }
    return candidates.slice(0, reached).map((candidate, at) => ({
      candidate,
      rounds: 0,
      roundsGrown: 0,
      ...(tallies[at] as Tally).summary(),
      seconds: elapsed[at] as number,
    }));
  }
}

/** All weights zero, the intercept at the prior. */
export function startWeights(objective: Objective, targets: Targets, outputCount: number, design: Design): Float64Array[] {
  return Array.from(baseScores(objective, targets, outputCount), (score) => {
    const weights = new Float64Array(design.width + 1);
    weights[design.width] = score;
    return weights;
  });
}

function marginsOf(design: Design, weights: Float64Array): Float64Array {
  const margins = new Float64Array(design.rowCount);
  addMargins(design, weights, margins);
  return margins;
}

/** The middle of the folds' best rounds: one fold whose loss falls for ever (separable rows) does not decide. */
function medianRound(rounds: readonly number[]): number {
  const sorted = rounds.toSorted((left, right) => left - right);
  const middle = (sorted.length - 1) / 2;
  return Math.round(((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle)] as number)) / 2);
}

/** Collects row losses and fold scores of one candidate. */
class Tally {
  readonly #task: LearningTask;
  readonly #sums: Float64Array;
  readonly #counts: Uint8Array;
  readonly #aucs: number[] = [];

  constructor(task: LearningTask) {
    this.#task = task;
    this.#sums = new Float64Array(task.matrix.rowCount);
    this.#counts = new Uint8Array(task.matrix.rowCount);
  }

  add(fold: Fold, targets: Targets, scores: readonly Float64Array[]): void {
    const { objective } = this.#task;
    const losses = rowLosses(objective, targets, scores);
    fold.test.forEach((row, at) => {
      this.#sums[row] = (this.#sums[row] as number) + (losses[at] as number);
      this.#counts[row] = (this.#counts[row] as number) + 1;
    });
    const isBinary = objective === 'binary' && targets.target.includes(0) && targets.target.includes(1);
    if (isBinary) this.#aucs.push(rocAuc(scores[0] as Float64Array, targets.target, targets.weights));
  }

  summary(): Pick<Evaluation, 'rowLosses' | 'loss' | 'rocAuc'> {
    const rowLosses = this.#sums.map((sum, row) => sum / (this.#counts[row] as number));
    const { weights } = this.#task.targets;
    let loss = 0;
    let total = 0;
    rowLosses.forEach((each, row) => {
      if (Number.isNaN(each)) return;
      const weight = weights ? (weights[row] as number) : 1;
      loss += weight * each;
      total += weight;
    });
    const auc = this.#aucs.length === 0 ? null : this.#aucs.reduce((sum, each) => sum + each, 0) / this.#aucs.length;
    return { rowLosses, loss: loss / total, rocAuc: auc };
  }
}
