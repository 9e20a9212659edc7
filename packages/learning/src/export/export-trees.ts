import { attribute, type GraphBuilder, ML_DOMAIN, tensorOf } from '@slipway/models';
import { codesOf, type Forest, type Tree } from '../trees/tree.ts';
import { DOUBLE } from './export-preparation.ts';

/** Values of TreeEnsemble's `nodes_modes`. */
const BRANCH_LEQ = 0;
const BRANCH_MEMBER = 6;
const SUM = 1;

/** Attribute lists of ai.onnx.ml TreeEnsemble (version 5). */
interface Ensemble {
  readonly roots: number[];
  readonly feature: number[];
  readonly mode: number[];
  readonly split: number[];
  readonly missingTrue: number[];
  readonly trueChild: number[];
  readonly trueIsLeaf: number[];
  readonly falseChild: number[];
  readonly falseIsLeaf: number[];
  /** Codes of each BRANCH_MEMBER node in order, each list ended by NaN. */
  readonly members: number[];
  readonly leafTarget: number[];
  readonly leafWeight: number[];
}

/**
 * Adds the forest as one TreeEnsemble in double: float32 features and thresholds between float32 values are exact
 * there, so every split decides as in training, and leaves are summed without float32's rounding.
 * @returns margins, double [N, outputs].
 */
export function exportForest(graph: GraphBuilder, forest: Forest, features: string): string {
  const doubles = graph.op('Cast', [features], { to: DOUBLE });
  const ensemble = collect(forest);
  const sums = graph.op(
    'TreeEnsemble',
    [doubles],
    {
      n_targets: forest.outputCount,
      aggregate_function: SUM,
      post_transform: 0,
      tree_roots: attribute.ints(ensemble.roots),
      nodes_featureids: attribute.ints(ensemble.feature),
      nodes_modes: attribute.tensor(tensorOf(Uint8Array.from(ensemble.mode))),
      nodes_splits: double(ensemble.split),
      nodes_missing_value_tracks_true: attribute.ints(ensemble.missingTrue),
      nodes_truenodeids: attribute.ints(ensemble.trueChild),
      nodes_trueleafs: attribute.ints(ensemble.trueIsLeaf),
      nodes_falsenodeids: attribute.ints(ensemble.falseChild),
      nodes_falseleafs: attribute.ints(ensemble.falseIsLeaf),
      ...(ensemble.members.length === 0 ? {} : { membership_values: double(ensemble.members) }),
      leaf_targetids: attribute.ints(ensemble.leafTarget),
      leaf_weights: double(ensemble.leafWeight),
    },
    { domain: ML_DOMAIN },
  );
  return graph.op('Add', [sums, graph.constant(forest.base, [1, forest.outputCount])]);
}

const double = (values: readonly number[]) => attribute.tensor(tensorOf(Float64Array.from(values)));

function collect(forest: Forest): Ensemble {
  const ensemble: Ensemble = {
    roots: [],
    feature: [],
    mode: [],
    split: [],
    missingTrue: [],
    trueChild: [],
    trueIsLeaf: [],
    falseChild: [],
    falseIsLeaf: [],
    members: [],
    leafTarget: [],
    leafWeight: [],
  };
  forest.trees.forEach((tree, index) => {
    if (tree.feature.length > 0) appendTree(ensemble, tree, index % forest.outputCount);
  });
  // The operator wants at least one tree; a forest without a split adds zero everywhere.
  if (ensemble.roots.length === 0) appendTree(ensemble, STUMP, 0);
  return ensemble;
}

function appendTree(ensemble: Ensemble, tree: Tree, output: number): void {
  const firstNode = ensemble.feature.length;
  const firstLeaf = ensemble.leafWeight.length;
  ensemble.roots.push(firstNode);
  const child = (reference: number) => (reference >= 0 ? firstNode + reference : firstLeaf + ~reference);
  for (let node = 0; node < tree.feature.length; node += 1) {
    const isSet = (tree.set[node] as number) >= 0;
    const left = tree.left[node] as number;
    const right = tree.right[node] as number;
    ensemble.feature.push(tree.feature[node] as number);
    ensemble.mode.push(isSet ? BRANCH_MEMBER : BRANCH_LEQ);
    ensemble.split.push(isSet ? 0 : (tree.threshold[node] as number));
    ensemble.missingTrue.push(isSet ? 0 : (tree.missingLeft[node] as number));
    if (isSet) ensemble.members.push(...codesOf(tree, node), Number.NaN);
    ensemble.trueChild.push(child(left));
    ensemble.trueIsLeaf.push(left < 0 ? 1 : 0);
    ensemble.falseChild.push(child(right));
    ensemble.falseIsLeaf.push(right < 0 ? 1 : 0);
  }
  for (const value of tree.value) {
    ensemble.leafTarget.push(output);
    ensemble.leafWeight.push(value);
  }
}

const STUMP: Tree = {
  feature: Int32Array.of(0),
  threshold: Float64Array.of(0),
  missingLeft: Uint8Array.of(0),
  bin: Int32Array.of(1),
  set: Int32Array.of(-1),
  left: Int32Array.of(~0),
  right: Int32Array.of(~1),
  gain: Float64Array.of(0),
  sets: new Uint32Array(0),
  value: Float64Array.of(0, 0),
};
