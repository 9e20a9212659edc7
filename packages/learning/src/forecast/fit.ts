import { createRandom } from '@slipway/statistics';
import { coverForest, type TreeCover } from '../explain/cover.ts';
import { type EncodedMatrix, takeMatrixRows } from '../matrix.ts';
import { applyBins, fitBins } from '../trees/binning.ts';
import { boost } from '../trees/boost.ts';
import { TREE_DEFAULTS } from '../trees/parameters.ts';
import type { Forest } from '../trees/tree.ts';
import { type FeatureLayout, type Situation, baseOf, featureNames, writeRows } from './features.ts';

/** Rows the trees learn from; more series or longer ones give fewer origins each. */
export const TREE_ROWS_LIMIT = 200_000;
/** Targets beyond this quantile (either side) are moved to it: a broken meter must not teach the trees. */
const TARGET_TRIM_RATIO = 0.002;

/** Rows by which the branches of the trees are weighed in explanations. */
const COVER_ROWS_LIMIT = 5_000;

export interface TreeFit {
  readonly forest: Forest;
  /** How the rows it learnt from spread over its branches. */
  readonly covers: readonly TreeCover[];
  readonly rows: number;
}

/** Feature rows of situations: the matrix, and for each row how far the truth is from the base in sizes of the series. */
export function rowsOf(layout: FeatureLayout, situations: readonly Situation[]): { matrix: EncodedMatrix; target: Float64Array } {
  const { horizon } = layout.shape;
  const names = featureNames(layout);
  const rowCount = situations.length * horizon;
  const columns = names.map(() => new Float32Array(rowCount));
  const target = new Float64Array(rowCount).fill(Number.NaN);
  situations.forEach((situation, index) => {
    writeRows(layout, situation, horizon, columns, index * horizon);
    const base = baseOf(situation);
    for (let step = 0; step < horizon; step += 1) {
      const truth = situation.series.values[situation.origin + step] ?? Number.NaN;
      target[index * horizon + step] = (truth - (base[step] as number)) / situation.size;
    }
  });
  const features = names.map((name) => ({ name, field: name, kind: 'numeric' as const, codeCount: 0 }));
  return { matrix: { rowCount, features, columns }, target };
}

/** Keeps the rows whose truth is known. */
function knownRows(matrix: EncodedMatrix, target: Float64Array): { matrix: EncodedMatrix; target: Float64Array } {
  const rows: number[] = [];
  target.forEach((value, row) => {
    if (Number.isFinite(value)) rows.push(row);
  });
  if (rows.length === target.length) return { matrix, target };
  const take = <T extends Float32Array | Float64Array>(from: T, to: T) => {
    rows.forEach((row, at) => {
      to[at] = from[row] as number;
    });
    return to;
  };
  return {
    matrix: { ...matrix, rowCount: rows.length, columns: matrix.columns.map((column) => take(column, new Float32Array(rows.length))) },
    target: take(target, new Float64Array(rows.length)),
  };
}

function trimmed(target: Float64Array): Float64Array {
  const sorted = target.toSorted();
  const low = sorted[Math.floor((sorted.length - 1) * TARGET_TRIM_RATIO)] as number;
  const high = sorted[Math.ceil((sorted.length - 1) * (1 - TARGET_TRIM_RATIO))] as number;
  return target.map((value) => Math.min(high, Math.max(low, value)));
}

export interface TreeOptions {
  readonly rounds: number;
  readonly learningRate: number;
  readonly leafLimit: number;
  readonly seed: number | string;
}

/** One forest for all series and steps: a global, direct model of what the base forecast misses. */
export function fitTrees(layout: FeatureLayout, situations: readonly Situation[], options: TreeOptions): TreeFit {
  const all = rowsOf(layout, situations);
  const { matrix, target } = knownRows(all.matrix, all.target);
  const bins = fitBins(matrix);
  const { forest } = boost({
    objective: 'squared',
    outputCount: 1,
    data: applyBins(matrix, bins),
    targets: { target: trimmed(target), weights: undefined },
    parameters: {
      ...TREE_DEFAULTS,
      learningRate: options.learningRate,
      leafLimit: options.leafLimit,
      leafRowsMin: Math.max(5, Math.min(60, Math.floor(matrix.rowCount / 200))),
      featureRatio: 0.5,
      rowRatio: 0.6,
      l2: 1,
    },
    roundLimit: options.rounds,
    seed: options.seed,
  });
  return { forest, covers: coverForest(forest, everyRow(matrix, COVER_ROWS_LIMIT)), rows: matrix.rowCount };
}

/** Evenly chosen rows, at most as many as the limit. */
function everyRow(matrix: EncodedMatrix, limit: number): EncodedMatrix {
  if (matrix.rowCount <= limit) return matrix;
  return takeMatrixRows(
    matrix,
    Int32Array.from({ length: limit }, (_, at) => Math.floor((at * matrix.rowCount) / limit)),
  );
}

/** Origins spread over [from, to], jittered by the seed so that they do not all fall on one phase; ascending, no two equal. */
export function spreadOrigins(from: number, to: number, count: number, seed: number | string): number[] {
  if (to < from || count < 1) return [];
  if (to - from + 1 <= count) return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const random = createRandom(seed);
  const width = (to - from + 1) / count;
  return [...new Set(Array.from({ length: count }, (_, index) => Math.min(to, Math.floor(from + (index + random.next()) * width))))];
}
