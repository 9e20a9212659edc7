import { type Contract, type Frame } from '@slipway/kernel';
import { createRandom, quantile } from '@slipway/statistics';
import { type EncodedMatrix, takeMatrixRows } from '../matrix.ts';
import { fitPreparation, type Preparation } from '../preparation.ts';
import { anomalyScores, fitIsolationForest, type IsolationForest } from './isolation-forest.ts';
import { type Clustering, distancesTo, fitClusters } from './k-means.ts';
import { silhouettes } from './measures.ts';
import { type Components, firstComponents, fitComponents, project, residuals } from './principal.ts';
import { CLUSTER_LIMIT, COMPONENT_LIMIT, type UnsupervisedKind } from './contract.ts';
import { fitSpace, placeRows, type Points, type Space, SPACE_LEVEL_LIMIT } from './space.ts';

/** Training rows that are computed with; more are sampled. */
export const FIT_ROW_LIMIT = 20_000;
/** Rows by which the number of clusters is chosen, and silhouettes are taken: all pairs are compared. */
export const SILHOUETTE_ROW_LIMIT = 1_000;
/** Clusters that are tried when none are asked for. */
const COUNTS_TRIED = [2, 3, 4, 5, 6, 7, 8, 10] as const;
/** Components are kept until they hold this share of the variance. */
const VARIANCE_KEPT = 0.9;
const COMPONENTS_KEPT = 20;

export interface UnsupervisedOptions {
  readonly kind: UnsupervisedKind;
  readonly clusters?: number | undefined;
  readonly components?: number | undefined;
  /** Share of the training rows that are to be anomalies. */
  readonly contamination: number;
  readonly seed: number;
}

export type Fitted =
  | { readonly kind: 'cluster'; readonly space: Space; readonly clustering: Clustering; readonly tried: readonly CountTried[] }
  | { readonly kind: 'reduce'; readonly space: Space; readonly components: Components }
  | { readonly kind: 'anomaly'; readonly forest: IsolationForest; readonly threshold: number };

export interface CountTried {
  readonly clusters: number;
  readonly silhouette: number;
}

/** A fitted model without a target, as plain data: what the graph computes. */
export interface UnsupervisedModel {
  readonly preparation: Preparation;
  readonly fitted: Fitted;
}

/** What a model says about rows; the reference for its graph. */
export interface UnsupervisedOutputs {
  /** Cluster from 1; what the components leave out; or the score. */
  readonly prediction: Float64Array;
  /** [rows × width]: distances to the centres; components and what they leave out; or the encoded features. */
  readonly features: Float32Array;
  readonly width: number;
}

/** Preparation for models without a target; categories have few levels, since each is a dimension. */
export function prepareUnsupervised(contract: Contract, frame: Frame, kind: UnsupervisedKind): Preparation {
  const preparation = fitPreparation(contract, frame);
  if (kind === 'anomaly') return preparation;
  const features = preparation.features.map((plan) =>
    plan.kind === 'category' ? { ...plan, levels: plan.levels.slice(0, SPACE_LEVEL_LIMIT) } : plan,
  );
  return { ...preparation, features };
}

/** Fits to a sample of the rows. Deterministic by seed. @throws {NoFeatureError | TrainRequestError} */
export function fitUnsupervised(matrix: EncodedMatrix, options: UnsupervisedOptions): Fitted {
  const rows = sampleRows(matrix, FIT_ROW_LIMIT, options.seed);
  if (options.kind === 'anomaly') {
    const forest = fitIsolationForest(rows, options.seed);
    return { kind: 'anomaly', forest, threshold: quantile(anomalyScores(forest, rows).toSorted(), 1 - options.contamination) };
  }
  const space = fitSpace(rows);
  const points = placeRows(space, rows);
  if (options.kind === 'reduce') {
    const all = fitComponents(points);
    return { kind: 'reduce', space, components: firstComponents(all, options.components ?? enoughComponents(all), points.width) };
  }
  const tried = options.clusters === undefined ? tryCounts(points, options.seed) : [];
  const best = tried.toSorted((a, b) => b.silhouette - a.silhouette || a.clusters - b.clusters)[0];
  const count = Math.min(options.clusters ?? best?.clusters ?? 2, CLUSTER_LIMIT, points.rowCount);
  return { kind: 'cluster', space, clustering: fitClusters(points, count, options.seed), tried };
}

function enoughComponents({ variances, total, count }: Components): number {
  let held = 0;
  for (let at = 0; at < Math.min(count, COMPONENTS_KEPT, COMPONENT_LIMIT); at += 1) {
    held += variances[at] as number;
    if (held >= VARIANCE_KEPT * total) return at + 1;
  }
  return Math.min(count, COMPONENTS_KEPT);
}

/** The silhouette of each number of clusters. */
function tryCounts(points: Points, seed: number): CountTried[] {
  const sample = takePoints(points, sampleOf(points.rowCount, SILHOUETTE_ROW_LIMIT, `counts:${seed}`));
  return COUNTS_TRIED.filter((count) => count < sample.rowCount / 2).map((count) => {
    const { assigned } = fitClusters(sample, count, seed, 3);
    const found = silhouettes(sample, assigned, count);
    return { clusters: count, silhouette: found.reduce((sum, each) => sum + each, 0) / found.length };
  });
}

export function sampleOf(count: number, limit: number, seed: string): Int32Array {
  if (count <= limit) return Int32Array.from({ length: count }, (_, row) => row);
  return createRandom(seed).sampleWithoutReplacement(count, limit).toSorted();
}

export function sampleRows(matrix: EncodedMatrix, limit: number, seed: number): EncodedMatrix {
  return matrix.rowCount <= limit ? matrix : takeMatrixRows(matrix, sampleOf(matrix.rowCount, limit, `rows:${seed}`));
}

export function takePoints({ width, values }: Points, rows: ArrayLike<number>): Points {
  const taken = new Float64Array(rows.length * width);
  for (let at = 0; at < rows.length; at += 1)
    taken.set(values.subarray((rows[at] as number) * width, ((rows[at] as number) + 1) * width), at * width);
  return { rowCount: rows.length, width, values: taken };
}

/** What a model says about encoded rows. */
export function outputsOf(fitted: Fitted, matrix: EncodedMatrix): UnsupervisedOutputs {
  const { rowCount } = matrix;
  if (fitted.kind === 'anomaly') {
    const width = matrix.columns.length;
    const features = Float32Array.from(
      { length: rowCount * width },
      (_, at) => (matrix.columns[at % width] as Float32Array)[Math.floor(at / width)] as number,
    );
    return { prediction: anomalyScores(fitted.forest, matrix), features, width };
  }
  const points = placeRows(fitted.space, matrix);
  if (fitted.kind === 'cluster') {
    const { centres, count } = fitted.clustering;
    const distances = distancesTo(points, centres);
    return { prediction: nearestOf(distances, count).map((cluster) => cluster + 1), features: Float32Array.from(distances), width: count };
  }
  const { count } = fitted.components;
  const projected = project(points, fitted.components);
  const left = residuals(points, projected, count);
  const width = count + 1;
  const features = Float32Array.from({ length: rowCount * width }, (_, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    return (column < count ? projected[row * count + column] : left[row]) as number;
  });
  return { prediction: left, features, width };
}

/** The column with the least value of each row, the first of equals. */
export function nearestOf(distances: ArrayLike<number>, count: number): Float64Array {
  return Float64Array.from({ length: distances.length / count }, (_, row) => {
    let best = 0;
    for (let at = 1; at < count; at += 1)
      if ((distances[row * count + at] as number) < (distances[row * count + best] as number)) best = at;
    return best;
  });
}
