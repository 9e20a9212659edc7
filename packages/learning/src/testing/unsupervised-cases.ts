import type { Tree } from '../trees/tree.ts';
import { anomalyScores } from '../unsupervised/isolation-forest.ts';
import { meanPathLength } from '../unsupervised/isolation-forest.ts';
import { lloyd } from '../unsupervised/k-means.ts';
import { adjustedRand, rankCorrelation, silhouettes } from '../unsupervised/measures.ts';
import { fitComponents } from '../unsupervised/principal.ts';
import type { Points } from '../unsupervised/space.ts';

/** What conformance/reference/unsupervised.py writes. */
export interface UnsupervisedVectors {
  readonly clusters: readonly {
    readonly width: number;
    readonly points: readonly number[];
    readonly start: readonly number[];
    readonly labels: readonly number[];
    readonly centres: readonly number[];
    readonly inertia: number;
    readonly silhouettes: readonly number[];
    readonly truth: readonly number[];
    readonly adjustedRand: number;
  }[];
  readonly components: readonly {
    readonly width: number;
    readonly points: readonly number[];
    readonly directions: readonly number[];
    readonly variances: readonly number[];
  }[];
  readonly forests: readonly {
    readonly width: number;
    readonly points: readonly number[];
    readonly sampleRows: number;
    readonly trees: readonly PythonTree[];
    readonly scores: readonly number[];
  }[];
  readonly ranks: readonly { readonly left: readonly number[]; readonly right: readonly number[]; readonly correlation: number }[];
}

interface PythonTree {
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly feature: readonly number[];
  readonly threshold: readonly number[];
  readonly rows: readonly number[];
}

const pointsOf = ({ width, points }: { readonly width: number; readonly points: readonly number[] }): Points => ({
  width,
  rowCount: points.length / width,
  values: Float64Array.from(points),
});

/** Largest differences between scikit-learn's and SciPy's numbers and ours, by what is compared. */
export function compareUnsupervised(vectors: UnsupervisedVectors): Record<string, number> {
  const worst: Record<string, number> = {};
  const note = (name: string, ours: ArrayLike<number>, theirs: ArrayLike<number>) => {
    let most = ours.length === theirs.length ? 0 : Number.POSITIVE_INFINITY;
    for (let at = 0; at < ours.length; at += 1)
      most = Math.max(most, Math.abs((ours[at] as number) - (theirs[at] as number)) / Math.max(1, Math.abs(theirs[at] as number)));
    worst[name] = Math.max(worst[name] ?? 0, most);
  };
  for (const each of vectors.clusters) {
    const points = pointsOf(each);
    const found = lloyd(points, Float64Array.from(each.start));
    note('labels', found.assigned, each.labels);
    note('centres', found.centres, each.centres);
    note('inertia', [found.inertia], [each.inertia]);
    note('silhouettes', silhouettes(points, Int32Array.from(each.labels), each.start.length / each.width), each.silhouettes);
    note('adjusted Rand index', [adjustedRand(each.truth, each.labels)], [each.adjustedRand]);
  }
  for (const each of vectors.components) {
    const found = fitComponents(pointsOf(each));
    note('variances', found.variances, each.variances);
    note('directions', found.directions, each.directions);
  }
  for (const each of vectors.forests) note('anomaly scores', importedScores(each), each.scores);
  for (const each of vectors.ranks)
    note('rank correlation', [rankCorrelation(Float64Array.from(each.left), Float64Array.from(each.right))], [each.correlation]);
  return worst;
}

function importedScores({ width, points, sampleRows, trees }: UnsupervisedVectors['forests'][number]): Float64Array {
  const rowCount = points.length / width;
  const columns = Array.from({ length: width }, (_, column) =>
    Float32Array.from({ length: rowCount }, (__, row) => points[row * width + column] as number),
  );
  const forest = { outputCount: 1, base: Float64Array.of(0), trees: trees.map(importTree) };
  return anomalyScores({ forest, sampleRows }, { rowCount, features: [], columns });
}

/** scikit-learn's tree, its leaves holding the path length of Liu, Ting & Zhou. */
function importTree(tree: PythonTree): Tree {
  const inner = tree.left.flatMap((left, node) => (left >= 0 ? [node] : []));
  const leaves = tree.left.flatMap((left, node) => (left < 0 ? [node] : []));
  const reference = (node: number) => ((tree.left[node] as number) >= 0 ? inner.indexOf(node) : ~leaves.indexOf(node));
  const depths = new Map<number, number>([[0, 0]]);
  for (const node of inner) {
    const depth = (depths.get(node) ?? 0) + 1;
    depths.set(tree.left[node] as number, depth);
    depths.set(tree.right[node] as number, depth);
  }
  return {
    feature: Int32Array.from(inner, (node) => tree.feature[node] as number),
    threshold: Float64Array.from(inner, (node) => tree.threshold[node] as number),
    missingLeft: new Uint8Array(inner.length),
    bin: new Int32Array(inner.length),
    set: new Int32Array(inner.length).fill(-1),
    left: Int32Array.from(inner, (node) => reference(tree.left[node] as number)),
    right: Int32Array.from(inner, (node) => reference(tree.right[node] as number)),
    gain: new Float64Array(inner.length),
    sets: new Uint32Array(0),
    value: Float64Array.from(leaves, (node) => (depths.get(node) ?? 0) + meanPathLength(tree.rows[node] as number)),
  };
}
