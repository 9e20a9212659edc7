import { createRandom, type Random } from '@slipway/statistics';
import { takeValues } from '../matrix.ts';
import type { BinnedMatrix } from './binning.ts';
import type { TreeConstraints } from './constraints.ts';
import { type Help, TreeGrower } from './grower.ts';
import { baseScores, isRanking, meanLoss, type Objective, renewLevel, softmaxShares, type Targets, writeGradients } from './objective.ts';
import { TREE_LIMIT, type TreeParameters } from './parameters.ts';
import { addBinned, type Forest, type Tree } from './tree.ts';
import { weightedQuantile } from './weighted-quantile.ts';

/** One array per output, one margin per row. */
export type Margins = readonly Float64Array[];

export interface BoostRequest {
  readonly objective: Objective;
  /** 1, or the number of classes for `multiclass`. */
  readonly outputCount: number;
  readonly data: BinnedMatrix;
  readonly targets: Targets;
  /** Binned with the same bins; training stops after `patience` rounds without a lower loss on it. */
  readonly validation?: { readonly data: BinnedMatrix; readonly targets: Targets; readonly start?: Margins | undefined };
  /** Margins of the rows that the trees correct, one array per output; without, they begin from a constant, the forest's `base`. */
  readonly start?: Margins | undefined;
  readonly patience?: number;
  readonly parameters: TreeParameters;
  readonly constraints?: TreeConstraints | undefined;
  readonly roundLimit: number;
  readonly seed: number | string;
  /** Threads to train with, this one included; the forest is the same bit for bit. Default 1. */
  readonly threads?: number | undefined;
  /** Rows times features times rounds from which threads are started; default HELPED_WORK_MIN. */
  readonly helpedWorkMin?: number | undefined;
  /** Called before every round; true ends the training there. */
  readonly shouldStop?: (() => boolean) | undefined;
  readonly onRound?: ((round: number, validationLoss: number | undefined) => void) | undefined;
}

export interface BoostResult {
  /** Every tree grown; see `cutForest`. */
  readonly forest: Forest;
  readonly rounds: number;
  /** Mean loss on the validation part after 0, 1, … rounds; empty without one. */
  readonly losses: readonly number[];
  /** Round of the lowest loss; all rounds without a validation part. */
  readonly bestRound: number;
  readonly stoppedBy: 'rounds' | 'patience' | 'caller' | 'no-split';
}

/** The first rounds of a forest. */
export function cutForest(forest: Forest, rounds: number): Forest {
  return { ...forest, trees: forest.trees.slice(0, rounds * forest.outputCount) };
}

const PATIENCE_DEFAULT = 50;
/** A lower loss counts as better only by this share, so that rounds without effect do not go on for ever. */
const IMPROVEMENT_RATIO_MIN = 1e-7;

/** Gradient boosting (Friedman 2001) of histogram trees. Deterministic: same request, same forest, bit for bit. */
export function boost(request: BoostRequest): BoostResult {
  const boosting = new Boosting(request);
  try {
    return boosting.run();
  } finally {
    boosting.close();
  }
}

class Boosting {
  readonly #request: BoostRequest;
  readonly #grower: TreeGrower;
  readonly #random: Random;
  readonly #base: Float64Array;
  readonly #scores: Float64Array[];
  readonly #validationScores: Float64Array[] | undefined;
  readonly #trees: Tree[] = [];
  readonly #losses: number[] = [];
  /** Where gradients are taken from: the scores, or for several classes their softmax shares. */
  readonly #shares: readonly Float64Array[];
  readonly #isHelped: boolean;
  #bestRound = 0;

  constructor(request: BoostRequest) {
    this.#request = request;
    this.#random = createRandom(request.seed);
    const { objective, data, outputCount, validation } = request;
    this.#base = request.start ? new Float64Array(outputCount) : baseScores(objective, request.targets, outputCount);
    const helpers = helpersFor(request);
    const start = (rows: number, given: Margins | undefined) =>
      Array.from(this.#base, (score, output) => {
        const scores = doubles(rows, helpers > 0).fill(score);
        if (given) scores.set(given[output] as Float64Array);
        return scores;
      });
    this.#scores = start(data.rowCount, request.start);
    this.#shares = objective === 'multiclass' ? this.#scores.map(() => doubles(data.rowCount, helpers > 0)) : this.#scores;
    this.#isHelped = helpers > 0 && !isRanking(objective);
    this.#grower = new TreeGrower(data, request.parameters, request.constraints, this.#help(helpers));
    this.#validationScores = validation && start(validation.data.rowCount, validation.start);
  }

  /** Ends the threads that helped. */
  close(): void {
    this.#grower.close();
  }

  #help(helpers: number): Help {
    if (!this.#isHelped) return { helpers, learning: undefined };
    const { objective, targets } = this.#request;
    const target = shared(targets.target);
    return { helpers, learning: { objective, target, weights: targets.weights && shared(targets.weights), scores: this.#shares } };
  }

  run(): BoostResult {
    const { roundLimit, outputCount, shouldStop, onRound, patience = PATIENCE_DEFAULT } = this.#request;
    const limit = Math.min(roundLimit, Math.floor(TREE_LIMIT / outputCount));
    let stoppedBy: BoostResult['stoppedBy'] = 'rounds';
    let round = 0;
    this.#judge(0);
    while (round < limit) {
      if (shouldStop?.()) {
        stoppedBy = 'caller';
        break;
      }
      if (!this.#growRound()) {
        stoppedBy = 'no-split';
        break;
      }
      round += 1;
      const loss = this.#judge(round);
      onRound?.(round, loss);
      if (loss !== undefined && round - this.#bestRound >= patience) {
        stoppedBy = 'patience';
        break;
      }
    }
    return this.#result(round, stoppedBy);
  }

  #result(round: number, stoppedBy: BoostResult['stoppedBy']): BoostResult {
    const { outputCount, validation } = this.#request;
    return {
      forest: { outputCount, base: this.#base, trees: this.#trees },
      rounds: round,
      losses: this.#losses,
      bestRound: validation ? this.#bestRound : round,
      stoppedBy,
    };
  }

  /** Loss on the validation part; remembers the best round. */
  #judge(round: number): number | undefined {
    const { validation, objective } = this.#request;
    if (!validation || !this.#validationScores) return undefined;
    const loss = meanLoss(objective, validation.targets, this.#validationScores);
    this.#losses.push(loss);
    if (loss < (this.#losses[this.#bestRound] as number) * (1 - IMPROVEMENT_RATIO_MIN)) this.#bestRound = round;
    return loss;
  }

  /** One tree per output. @returns whether any of them found a split. */
  #growRound(): boolean {
    const { objective, targets, outputCount } = this.#request;
    const rows = this.#sampleRows();
    // All trees of a round follow the gradients at its start.
    if (objective === 'multiclass') softmaxShares(this.#scores, this.#shares);
    let grown = 0;
    for (let output = 0; output < outputCount; output += 1) {
      if (this.#isHelped) this.#grower.writeGradients(output);
      else writeGradients(objective, targets, this.#shares, output, this.#grower.pairs);
      const tree = this.#grower.grow(rows, this.#sampleFeatures(), this.#leafOutput(output));
      if (tree) {
        grown += 1;
        this.#addScores(tree, output, rows);
      }
      this.#trees.push(tree ?? EMPTY_TREE);
    }
    if (grown === 0) this.#trees.length -= outputCount;
    return grown > 0;
  }

  /** Losses of absolute errors: a leaf's output is the quantile of what its rows lack (Friedman 2001). */
  #leafOutput(output: number): ((rows: Int32Array) => number) | undefined {
    const { objective, targets } = this.#request;
    const level = renewLevel(objective);
    if (level === undefined) return undefined;
    const scores = this.#scores[output] as Float64Array;
    const { target, weights } = targets;
    return (rows) => {
      const lacking = new Float64Array(rows.length);
      for (let at = 0; at < rows.length; at += 1)
        lacking[at] = (target[rows[at] as number] as number) - (scores[rows[at] as number] as number);
      return weightedQuantile(lacking, weights && takeValues(weights, rows), level);
    };
  }

  #addScores(tree: Tree, output: number, rows: Int32Array | undefined): void {
    const { data, validation } = this.#request;
    const scores = this.#scores[output] as Float64Array;
    if (rows) addBinned(tree, data, scores);
    else this.#grower.addToScores(scores);
    if (validation && this.#validationScores) addBinned(tree, validation.data, this.#validationScores[output] as Float64Array);
  }

  #sampleRows(): Int32Array | undefined {
    const { data, parameters } = this.#request;
    if (parameters.rowRatio >= 1) return undefined;
    const size = Math.max(1, Math.round(data.rowCount * parameters.rowRatio));
    return this.#random.sampleWithoutReplacement(data.rowCount, size).toSorted();
  }

  #sampleFeatures(): readonly number[] {
    const { data, parameters } = this.#request;
    const usable = data.features.flatMap((feature, index) => (feature.binCount > 1 ? [index] : []));
    if (parameters.featureRatio >= 1) return usable;
    const size = Math.max(1, Math.round(usable.length * parameters.featureRatio));
    return Array.from(this.#random.sampleWithoutReplacement(usable.length, size).toSorted(), (index) => usable[index] as number);
  }
}

/**
 * Rows times features times rounds from which helpers are worth their start, some 0.6 s of one thread: starting a helper and compiling its
 * code takes a tenth of a second, and half of Adult's 0.27 s (45 million) was not worth that (`bench/trees-lightgbm.ts`, 2026-11).
 */
const HELPED_WORK_MIN = 100_000_000;

function helpersFor({ threads = 1, data, roundLimit, helpedWorkMin = HELPED_WORK_MIN }: BoostRequest): number {
  const isLarge = data.rowCount * data.features.length * roundLimit >= helpedWorkMin;
  return isLarge ? Math.max(0, Math.min(THREADS_MAX, Math.floor(threads)) - 1) : 0;
}
/** Threads one training may use. */
const THREADS_MAX = 16;

function doubles(length: number, isShared: boolean): Float64Array {
  return isShared ? new Float64Array(new SharedArrayBuffer(length * 8)) : new Float64Array(length);
}

function shared(values: Float64Array): Float64Array {
  if (values.buffer instanceof SharedArrayBuffer) return values;
  const copy = doubles(values.length, true);
  copy.set(values);
  return copy;
}

/** Stands for an output that found no split in a round in which another did. */
const EMPTY_TREE: Tree = {
  feature: new Int32Array(0),
  threshold: new Float64Array(0),
  missingLeft: new Uint8Array(0),
  bin: new Int32Array(0),
  set: new Int32Array(0),
  left: new Int32Array(0),
  right: new Int32Array(0),
  gain: new Float64Array(0),
  sets: new Uint32Array(0),
  value: Float64Array.of(0),
};
