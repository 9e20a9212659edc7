import { type Calibration, calibrateMargins } from '../calibration.ts';
import { createRandom } from '@slipway/statistics';
import { type Objective, rowLosses, type Targets } from '../trees/objective.ts';
import { differenceOf, meanByRow, weightedMean } from './compare.ts';
import { calibrationKinds, fitCalibration, type Judged } from './fit-calibration.ts';
import type { Fold } from './folds.ts';
import { scoresOf } from './evaluate.ts';

/** What is decided once the search is over, from the margins of rows that no fit had seen. */
export interface BlendRequest {
  /** Margins by fold of each finalist, [outputs × held-out rows], the best finalist first. */
  readonly finalists: readonly (readonly Float32Array[])[];
  /** What each finalist costs to train and to ask; an ensemble may cost WORK_FACTOR times the first. */
  readonly works: readonly number[];
  /** The finalist that is used when no ensemble pays. */
  readonly chosen: number;
  /** Whether several finalists may be used together. */
  readonly withEnsemble: boolean;
}

export interface Blend {
  /** Share of each finalist; they add up to 1. One of them is 1 when no ensemble pays. */
  readonly weights: readonly number[];
  readonly calibration: Calibration | null;
  /** Mean loss of the blend on rows that decided neither its weights nor its calibration. */
  readonly loss: number;
}

export interface BlendTask {
  readonly objective: Objective;
  readonly outputCount: number;
  readonly targets: Targets;
  readonly folds: readonly Fold[];
  readonly seed: number | string;
}

/** Members of an ensemble. */
export const MEMBER_LIMIT = 4;
/** Times a finalist is picked, with replacement; the weights are multiples of its inverse. */
const PICK_LIMIT = 10;
const WORK_FACTOR = 3;
/** A smaller gain is not worth a second model, or a calibration. */
const ENSEMBLE_GAIN_MIN_RATIO = 1e-3;
const CALIBRATION_GAIN_MIN_RATIO = 1e-3;
/** Several kinds are tried, and a model without a calibration is simpler: one standard error would be chance too often. */
const CALIBRATION_ERRORS = 2;
/** A pick must lower the loss by this share. */
const PICK_GAIN_MIN_RATIO = 1e-5;
/** Parts that rows are divided into for cross-fitting. */
const PART_COUNT = 4;
/** Margins looked at for each finalist; more say nothing new. */
const MARGIN_LIMIT = 200_000;

/** Held-out rows of one fold and one part. */
interface Cell {
  readonly part: number;
  readonly rows: Int32Array;
  readonly targets: Targets;
  /** By finalist, then by output. */
  readonly scores: readonly (readonly Float64Array[])[];
}

/**
 * Decides whether several finalists together are better than one, and whether calibrated margins are better than raw
 * ones. Both are judged by rows that had no say (cross-fitted over parts of the rows), on paired differences: better by
 * more than one standard error, and by a share that pays for the cost. Deterministic.
 * Ensemble: greedy selection with replacement (Caruana et al. 2004).
 */
export function blend(task: BlendTask, request: BlendRequest): Blend {
  const cells = cellsOf(task, request);
  const single = request.finalists.map((_, index) => (index === request.chosen ? 1 : 0));
  const best = request.finalists.map((_, index) => (index === 0 ? 1 : 0));
  const weights = (request.withEnsemble && ensembleWeights(task, request, cells, best)) || single;
  const judged = cells.map((cell) => ({ cell, scores: mixed(cell, weights) }));
  const calibration = chooseCalibration(task, judged);
  const losses = calibration?.losses ?? rowLossesOf(task, judged);
  return { weights, calibration: calibration?.calibration ?? null, loss: weightedMean(losses, task.targets.weights) };
}

interface MixedCell {
  readonly cell: Cell;
  readonly scores: readonly Float64Array[];
}

function cellsOf({ targets, folds, outputCount, seed }: BlendTask, { finalists }: BlendRequest): Cell[] {
  const { target, weights, queries } = targets;
  const random = createRandom(`${seed}/blend`);
  const partOf = Uint8Array.from(target, () => random.int(PART_COUNT));
  const total = folds.reduce((sum, fold) => sum + fold.test.length, 0) * outputCount;
  const every = queries ? 1 : Math.max(1, Math.ceil(total / MARGIN_LIMIT));
  return folds.flatMap(({ test }, fold) => {
    const scores = finalists.map((margins) => scoresOf(margins[fold] as Float32Array, outputCount));
    return Array.from({ length: PART_COUNT }, (_, part): Cell => {
      const isHere = (row: number, at: number) =>
        (queries ? (queries[row] as number) % PART_COUNT : partOf[row]) === part && at % every === 0;
      const positions = Int32Array.from([...test.keys()].filter((at) => isHere(test[at] as number, at)));
      const rows = positions.map((at) => test[at] as number);
      const take = (values: Float64Array, at: Int32Array) => Float64Array.from(at, (position) => values[position] as number);
      return {
        part,
        rows,
        targets: {
          target: take(target, rows),
          weights: weights && take(weights, rows),
          ...(queries ? { queries: rows.map((row) => queries[row] as number) } : {}),
        },
        scores: scores.map((outputs) => outputs.map((own) => take(own, positions))),
      };
    }).filter((cell) => cell.rows.length > 0);
  });
}

/** Weighted mean of the finalists' margins. */
function mixed(cell: Cell, weights: readonly number[]): Float64Array[] {
  const outputs = cell.scores[0]?.length ?? 0;
  return Array.from({ length: outputs }, (_, output) => {
    const sum = new Float64Array(cell.rows.length);
    weights.forEach((weight, finalist) => {
      if (weight === 0) return;
      const own = (cell.scores[finalist] as readonly Float64Array[])[output] as Float64Array;
      for (let row = 0; row < sum.length; row += 1) sum[row] = (sum[row] as number) + weight * (own[row] as number);
    });
    return sum;
  });
}

function rowLossesOf({ objective, targets }: BlendTask, judged: readonly MixedCell[]): Float64Array {
  const parts = judged.map(({ cell, scores }) => ({ rows: cell.rows, losses: rowLosses(objective, cell.targets, scores) }));
  return meanByRow(parts, targets.target.length);
}

/** The ensemble's weights, when it is better than the best finalist by what it must be. */
function ensembleWeights(task: BlendTask, request: BlendRequest, cells: readonly Cell[], best: readonly number[]): number[] | undefined {
  if (request.finalists.length < 2) return undefined;
  const judged = [0, 1].flatMap((half) => {
    const weights = greedyWeights(
      task,
      request,
      cells.filter((cell) => cell.part % 2 !== half),
    );
    return cells.filter((cell) => cell.part % 2 === half).map((cell) => ({ cell, scores: mixed(cell, weights) }));
  });
  const alone = rowLossesOf(
    task,
    cells.map((cell) => ({ cell, scores: mixed(cell, best) })),
  );
  if (!pays(alone, rowLossesOf(task, judged), task, ENSEMBLE_GAIN_MIN_RATIO)) return undefined;
  const weights = greedyWeights(task, request, cells);
  return weights.filter((weight) => weight > 0).length > 1 ? weights : undefined;
}

/** Whether losses fall by more than so many standard errors, and by at least a share. */
function pays(before: Float64Array, after: Float64Array, { targets }: BlendTask, ratioMin: number, errors = 1): boolean {
  const { mean, error } = differenceOf(before, after, targets.weights);
  return mean > errors * error && mean >= ratioMin * Math.abs(weightedMean(before, targets.weights));
}

/** Adds the finalist that lowers the loss most, again and again, while the members' work stays within its limit. */
function greedyWeights(task: BlendTask, { works }: BlendRequest, cells: readonly Cell[]): number[] {
  const counts = works.map((_, index): number => (index === 0 ? 1 : 0));
  const workLimit = WORK_FACTOR * (works[0] as number);
  let picks = 1;
  let loss = lossOf(task, cells, counts);
  while (picks < PICK_LIMIT) {
    let best: { readonly index: number; readonly loss: number } | undefined;
    for (let index = 0; index < counts.length; index += 1) {
      if (counts[index] === 0 && !mayJoin(index, counts, works, workLimit)) continue;
      const tried = lossOf(
        task,
        cells,
        counts.map((count, at) => (count + (at === index ? 1 : 0)) / (picks + 1)),
      );
      if (!best || tried < best.loss) best = { index, loss: tried };
    }
    if (!best || !(best.loss < loss * (1 - PICK_GAIN_MIN_RATIO))) break;
    counts[best.index] = (counts[best.index] as number) + 1;
    loss = best.loss;
    picks += 1;
  }
  return counts.map((count) => count / picks);
}

function mayJoin(index: number, counts: readonly number[], works: readonly number[], workLimit: number): boolean {
  const members = counts.filter((count) => count > 0).length;
  const work = counts.reduce((sum, count, at) => sum + (count > 0 ? (works[at] as number) : 0), 0);
  return members < MEMBER_LIMIT && work + (works[index] as number) <= workLimit;
}

function lossOf(task: BlendTask, cells: readonly Cell[], weights: readonly number[]): number {
  let sum = 0;
  let total = 0;
  for (const cell of cells) {
    const losses = rowLosses(task.objective, cell.targets, mixed(cell, weights));
    for (let row = 0; row < losses.length; row += 1) {
      const weight = cell.targets.weights?.[row] ?? 1;
      sum += weight * (losses[row] as number);
      total += weight;
    }
  }
  return sum / total;
}

/** The simplest calibration that pays and that no other is better than by more than one standard error. */
function chooseCalibration(task: BlendTask, judged: readonly MixedCell[]): { calibration: Calibration; losses: Float64Array } | undefined {
  const raw = rowLossesOf(task, judged);
  let best: { calibration: Calibration; losses: Float64Array } | undefined;
  for (const kind of calibrationKinds(task.objective)) {
    const fitOn = (cells: readonly MixedCell[]) => fitCalibration(kind, task.objective, joined(cells));
    const fitted = Array.from({ length: PART_COUNT }, (_, part) => fitOn(judged.filter(({ cell }) => cell.part !== part)));
    const calibration = fitOn(judged);
    if (!calibration || fitted.some((each) => each === undefined)) continue;
    const mapped = judged.map(({ cell, scores }) => ({
      cell,
      scores: scores.map((own) => calibrateMargins(fitted[cell.part] ?? null, own)),
    }));
    const losses = rowLossesOf(task, mapped);
    if (!pays(raw, losses, task, CALIBRATION_GAIN_MIN_RATIO, CALIBRATION_ERRORS)) continue;
    if (best && !pays(best.losses, losses, task, 0)) continue;
    best = { calibration, losses };
  }
  return best;
}

function joined(cells: readonly MixedCell[]): Judged {
  const concat = (arrays: readonly Float64Array[]) => {
    const all = new Float64Array(arrays.reduce((sum, each) => sum + each.length, 0));
    let at = 0;
    for (const each of arrays) {
      all.set(each, at);
      at += each.length;
    }
    return all;
  };
  const outputs = cells[0]?.scores.length ?? 0;
  const weights = cells.flatMap(({ cell }) => (cell.targets.weights ? [cell.targets.weights] : []));
  return {
    scores: Array.from({ length: outputs }, (_, output) => concat(cells.map(({ scores }) => scores[output] as Float64Array))),
    targets: { target: concat(cells.map(({ cell }) => cell.targets.target)), weights: weights.length > 0 ? concat(weights) : undefined },
  };
}
