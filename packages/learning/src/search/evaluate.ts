import { rocAuc } from '@slipway/statistics';
import { addMargins, fitLinear } from '../linear/fit.ts';
import { foldLinear, type LinearModel, predictLinear } from '../linear/linear-model.ts';
import { type LinearTask, planLinear, startWeights } from '../linear/plan-linear.ts';
import { buildDesign, type Design, type DesignPlan } from '../linear/design.ts';
import { type EncodedMatrix, takeMatrixRows, takeValues } from '../matrix.ts';
import { applyBins, type BinnedMatrix, fitBins, takeBinnedRows } from '../trees/binning.ts';
import { boost, type BoostResult, cutForest, type Margins } from '../trees/boost.ts';
import type { TreeConstraints } from '../trees/constraints.ts';
import { type Objective, rowLosses, type Targets } from '../trees/objective.ts';
import { addBinned, predictForest } from '../trees/tree.ts';
import type { Candidate, LinearCandidate, TreeCandidate } from './candidates.ts';
import type { Fold } from './folds.ts';

/** Everything a search learns from; the same in every worker. */
export interface LearningTask {
  readonly objective: Objective;
  readonly outputCount: number;
  readonly matrix: EncodedMatrix;
  /** Class index, or the standardised number. */
  readonly targets: Targets;
  readonly constraints?: TreeConstraints | undefined;
  /** Numeric features of which trees see only COARSE_STEPS steps. */
  readonly coarse?: readonly number[] | undefined;
  readonly folds: readonly Fold[];
  readonly seed: number | string;
}

/** What one candidate said about the rows that a fold held out. */
export interface FoldResult {
  /** [outputs × held-out rows], output by output, at rounds that the rows themselves did not choose. */
  readonly margins: Float32Array;
  /** Loss of each held-out row at these margins. */
  readonly losses: Float32Array;
  /** ROC AUC of the held-out rows; null unless binary, with both classes. */
  readonly rocAuc: number | null;
  /** Best boosting round on the held-out rows; 0 for linear models. */
  readonly rounds: number;
  /** Rounds grown, those after the best included; tells what a round costs. */
  readonly roundsGrown: number;
  readonly seconds: number;
  /** One row through the fitted predictor, encoding left out: microseconds, by this thread's clock. */
  readonly latencyUs: number;
}

export interface EvaluateOptions {
  readonly fold: number;
  /** Share of the fold's training rows to use. */
  readonly rowRatio: number;
  /** Absolute time (Date.now) at which to stop. */
  readonly deadlineMs: number;
  /** Ends a forest at the deadline, or fits the first penalty whatever the time, instead of giving up. */
  readonly mustFinish: boolean;
  /** Asked often; true gives everything up that is not finished. */
  readonly isStopped?: () => boolean;
  readonly onProgress?: (ratio: number) => void;
}

/** Boosting rounds at most while searching. */
const ROUND_LIMIT = 2_000;
/** Rounds that a forest which must be finished is given whatever the time: with fewer it would know next to nothing. */
const MUST_FINISH_ROUNDS = 20;
/** Rounds without a lower loss that end a fold: more when steps are small. */
const PATIENCE_STEPS = 2.5;
/** Rows whose predictions are timed, one by one. */
const LATENCY_ROWS = 64;

/** What trees begin from: margins of the fold's rows by a linear model; nothing when they begin from a constant. */
interface Begun {
  readonly train?: Margins;
  readonly test?: Margins;
  readonly model?: LinearModel;
}
const NOT_BEGUN: Begun = {};

/** The rows of one fold, ready to learn from; kept until another fold is asked for. */
interface FoldData {
  readonly key: string;
  readonly train: Int32Array;
  readonly trainTargets: Targets;
  readonly testTargets: Targets;
  binned?: { readonly limit: number; readonly train: BinnedMatrix; readonly test: BinnedMatrix };
  design?: {
    readonly interactions: number;
    readonly made: { readonly plan: DesignPlan; readonly train: Design; readonly test: Design } | undefined;
  };
}

/** Evaluates candidates on a task; keeps what can be shared between them. */
export class Evaluator {
  readonly #task: LearningTask;
  #binned: { readonly limit: number; readonly data: BinnedMatrix } | undefined;
  #fold: FoldData | undefined;

  constructor(task: LearningTask) {
    this.#task = task;
  }

  /** @returns one result for each candidate that was finished in time, in their order; of a linear path the first ones. */
  evaluate(candidates: readonly Candidate[], options: EvaluateOptions): FoldResult[] {
    const [first] = candidates;
    if (first?.trainer === 'gbdt') {
      const result = this.#evaluateTrees(first, options);
      return result ? [result] : [];
    }
    return this.#evaluatePath(
      candidates.filter((candidate) => candidate.trainer === 'linear'),
      options,
    );
  }

  /** The whole table in bins, placed once: bins do not look at the target. */
  binned(limit: number): BinnedMatrix {
    if (this.#binned?.limit !== limit) {
      const { matrix, coarse = [] } = this.#task;
      const columns = matrix.columns.map((column, at) => (coarse.includes(at) ? stepsOf(column) : column));
      this.#binned = { limit, data: applyBins(matrix, fitBins({ ...matrix, columns }, limit)) };
    }
    return this.#binned.data;
  }

  /** Targets, weights and queries of some rows. */
  #targets(rows: Int32Array): Targets {
    const { target, weights, queries } = this.#task.targets;
    return {
      target: takeValues(target, rows),
      weights: weights && takeValues(weights, rows),
      ...(queries ? { queries: rows.map((row) => queries[row] as number) } : {}),
    };
  }

  #foldData({ fold: index, rowRatio }: EvaluateOptions): FoldData {
    const key = `${index}/${rowRatio}`;
    if (this.#fold?.key === key) return this.#fold;
    const fold = this.#task.folds[index] as Fold;
    const train = rowRatio < 1 ? everySo(fold.train, rowRatio) : fold.train;
    this.#fold = { key, train, trainTargets: this.#targets(train), testTargets: this.#targets(fold.test) };
    return this.#fold;
  }

  #binnedFold(data: FoldData, limit: number, test: Int32Array): { readonly train: BinnedMatrix; readonly test: BinnedMatrix } {
    if (data.binned?.limit !== limit) {
      const all = this.binned(limit);
      data.binned = { limit, train: takeBinnedRows(all, data.train), test: takeBinnedRows(all, test) };
    }
    return data.binned;
  }

  #evaluateTrees(candidate: TreeCandidate, options: EvaluateOptions): FoldResult | undefined {
    const started = performance.now();
    const { objective, outputCount, constraints, seed, folds } = this.#task;
    const { learningRate, binLimit, linearStrength } = candidate.parameters;
    const fold = this.#foldData(options);
    const held = (folds[options.fold] as Fold).test;
    const { train, test } = this.#binnedFold(fold, binLimit, held);
    const begun = linearStrength > 0 ? this.#begin(fold, held, linearStrength, options) : NOT_BEGUN;
    if (!begun) return undefined;
    let roundsDone = 0;
    const isLate = () => Date.now() > options.deadlineMs && !(options.mustFinish && roundsDone < MUST_FINISH_ROUNDS);
    const result = boost({
      objective,
      outputCount,
      data: train,
      targets: fold.trainTargets,
      start: begun.train,
      validation: { data: test, targets: fold.testTargets, start: begun.test },
      patience: Math.ceil(PATIENCE_STEPS / learningRate),
      parameters: candidate.parameters,
      constraints,
      roundLimit: ROUND_LIMIT,
      seed: `${seed}/${candidate.id}`,
      shouldStop: () => isLate() || options.isStopped?.() === true,
      onRound: (round) => {
        roundsDone = round;
        options.onProgress?.(round / ROUND_LIMIT);
      },
    });
    if (result.stoppedBy === 'caller' && (!options.mustFinish || options.isStopped?.() === true)) return undefined;
    const margins = this.#honestMargins(result, begun.test, test, fold.testTargets);
    const seconds = (performance.now() - started) / 1_000;
    const forest = cutForest(result.forest, result.bestRound);
    const latencyUs = this.#latencyUs((row) => (begun.model && predictLinear(begun.model, row), predictForest(forest, row)));
    const scored = this.#scored(margins, fold.testTargets);
    return { ...scored, rounds: result.bestRound, roundsGrown: result.rounds, seconds, latencyUs };
  }

  /**
   * Margins of held-out rows at a round chosen without them: half of the rows (whole queries when ranking) choose the
   * round for the other half. Their own best round would flatter forests whose loss wobbles.
   */
  #honestMargins(result: BoostResult, start: Margins | undefined, data: BinnedMatrix, targets: Targets): Float32Array {
    const { outputCount, base, trees } = result.forest;
    const { objective } = this.#task;
    const scores = Array.from(base, (score, output) => start?.[output]?.slice() ?? new Float64Array(data.rowCount).fill(score));
    const margins = new Float32Array(outputCount * data.rowCount);
    const halves = Uint8Array.from(targets.target, (_, row) => (targets.queries ? (targets.queries[row] as number) : row) & 1);
    const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let round = 0; round <= result.rounds; round += 1) {
      for (let output = 0; round > 0 && output < outputCount; output += 1) {
        const tree = trees[(round - 1) * outputCount + output];
        if (tree) addBinned(tree, data, scores[output] as Float64Array);
      }
      const losses = rowLosses(objective, targets, scores);
      for (const half of [0, 1]) {
        const loss = halfLoss(losses, targets.weights, halves, half);
        if (!(loss < (best[half] as number))) continue;
        best[half] = loss;
        copyHalf(scores, margins, halves, 1 - half);
      }
    }
    return margins;
  }

  /** All penalties, each starting from the last. */
  #evaluatePath(candidates: readonly LinearCandidate[], options: EvaluateOptions): FoldResult[] {
    const { folds, objective, outputCount } = this.#task;
    const fold = this.#foldData(options);
    const isLate = () => Date.now() > options.deadlineMs || options.isStopped?.() === true;
    const designs = this.#designsOf(fold, (folds[options.fold] as Fold).test, candidates[0]?.interactions ?? 0, isLate);
    if (!designs) return [];
    const { plan, train, test } = designs;
    const results: FoldResult[] = [];
    let start = startWeights({ objective, targets: fold.trainTargets, outputCount }, train);
    for (const [at, { penalty }] of candidates.entries()) {
      const started = performance.now();
      const shouldStop = () => isLate() && !(options.mustFinish && at === 0);
      start = fitLinear({ objective, outputCount, design: train, targets: fold.trainTargets, penalty, start, shouldStop });
      if (shouldStop()) break;
      const margins = new Float32Array(outputCount * test.rowCount);
      start.forEach((weights, output) => margins.set(marginsOf(test, weights), output * test.rowCount));
      const seconds = (performance.now() - started) / 1_000;
      const model = foldLinear(plan, start);
      const latencyUs = this.#latencyUs((row) => predictLinear(model, row));
      results.push({ ...this.#scored(margins, fold.testTargets), rounds: 0, roundsGrown: 0, seconds, latencyUs });
      options.onProgress?.((at + 1) / candidates.length);
    }
    return results;
  }

  /** The linear model that trees begin from, fitted to the rows the fold trains on. @returns undefined when there is none. */
  #begin(fold: FoldData, held: Int32Array, strength: number, { deadlineMs, isStopped }: EvaluateOptions): Begun | undefined {
    const { objective, outputCount } = this.#task;
    const shouldStop = () => Date.now() > deadlineMs || isStopped?.() === true;
    const designs = this.#designsOf(fold, held, 0, shouldStop);
    if (!designs) return undefined;
    const { plan, train, test } = designs;
    const start = startWeights({ objective, targets: fold.trainTargets, outputCount }, train);
    const penalty = { strength, l1Ratio: 0 };
    const weights = fitLinear({ objective, outputCount, design: train, targets: fold.trainTargets, penalty, start, shouldStop });
    if (shouldStop()) return undefined;
    const marginsOn = (design: Design) => weights.map((each) => marginsOf(design, each));
    return { train: marginsOn(train), test: marginsOn(test), model: foldLinear(plan, weights) };
  }

  #designsOf(fold: FoldData, test: Int32Array, interactions: number, isLate: () => boolean) {
    if (fold.design?.interactions !== interactions) fold.design = { interactions, made: this.#designs(fold, test, interactions, isLate) };
    return fold.design.made;
  }

  /** Products are chosen by the rows the fold trains on, as everything is. @returns undefined when there are too many columns. */
  #designs({ train, trainTargets }: FoldData, test: Int32Array, interactions: number, isLate: () => boolean) {
    const { matrix, objective, outputCount } = this.#task;
    const rows = takeMatrixRows(matrix, train);
    const task: LinearTask = {
      objective,
      outputCount,
      targets: trainTargets,
      matrix: rows,
      shouldStop: interactions > 0 ? isLate : undefined,
    };
    const plan = planLinear(task, interactions);
    return plan && { plan, train: buildDesign(plan, rows), test: buildDesign(plan, takeMatrixRows(matrix, test)) };
  }

  #scored(margins: Float32Array, targets: Targets): Pick<FoldResult, 'margins' | 'losses' | 'rocAuc'> {
    const { objective, outputCount } = this.#task;
    const scores = scoresOf(margins, outputCount);
    const losses = Float32Array.from(rowLosses(objective, targets, scores));
    const isBinary = objective === 'binary' && targets.target.includes(0) && targets.target.includes(1);
    return { margins, losses, rocAuc: isBinary ? rocAuc(scores[0] as Float64Array, targets.target, targets.weights) : null };
  }

  #latencyUs(predict: (row: EncodedMatrix) => unknown): number {
    const { matrix } = this.#task;
    const count = Math.min(LATENCY_ROWS, matrix.rowCount);
    const rows = Array.from({ length: count }, (_, row) => takeMatrixRows(matrix, Int32Array.of(row)));
    for (const row of rows) predict(row);
    const started = performance.now();
    for (const row of rows) predict(row);
    return ((performance.now() - started) * 1_000) / count;
  }
}

/** Margins of held-out rows, one array per output. */
export function scoresOf(margins: Float32Array, outputCount: number): Float64Array[] {
  const rows = margins.length / outputCount;
  return Array.from({ length: outputCount }, (_, output) => Float64Array.from(margins.subarray(output * rows, (output + 1) * rows)));
}

/** Steps that trees see of the time elapsed when later rows judge them. */
const COARSE_STEPS = 8;

/**
 * Each value as the middle of the step it is in, steps of equal shares of the rows. Trees that see every moment learn
 * single days by heart, which is of no use for days to come; with a few steps they learn how the level has changed.
 */
function stepsOf(column: Float32Array): Float32Array {
  const sorted = column.filter((value) => !Number.isNaN(value)).toSorted();
  const edges = Array.from(
    { length: COARSE_STEPS - 1 },
    (_, step) => sorted[Math.floor(((step + 1) * sorted.length) / COARSE_STEPS)] as number,
  );
  const middles = Array.from(
    { length: COARSE_STEPS },
    (_, step) => sorted[Math.floor(((step + 0.5) * sorted.length) / COARSE_STEPS)] as number,
  );
  return column.map((value) => {
    if (Number.isNaN(value)) return value;
    const step = edges.findIndex((edge) => value < edge);
    return middles[step < 0 ? COARSE_STEPS - 1 : step] as number;
  });
}

/** Rows spread evenly over all of them. */
function everySo(rows: Int32Array, ratio: number): Int32Array {
  const count = Math.max(1, Math.floor(rows.length * ratio));
  return Int32Array.from({ length: count }, (_, at) => rows[Math.floor(at / ratio)] as number);
}

function halfLoss(losses: Float64Array, weights: Float64Array | undefined, halves: Uint8Array, half: number): number {
  let sum = 0;
  for (let row = 0; row < losses.length; row += 1) {
    if (halves[row] === half) sum += (weights ? (weights[row] as number) : 1) * (losses[row] as number);
  }
  return sum;
}

function copyHalf(scores: readonly Float64Array[], margins: Float32Array, halves: Uint8Array, half: number): void {
  scores.forEach((own, output) => {
    const from = output * own.length;
    for (let row = 0; row < own.length; row += 1) if (halves[row] === half) margins[from + row] = own[row] as number;
  });
}

function marginsOf(design: Design, weights: Float64Array): Float64Array {
  const margins = new Float64Array(design.rowCount);
  addMargins(design, weights, margins);
  return margins;
}
