import { SET_WORDS, type Forest, type Tree } from '../trees/tree.ts';
import type { TreeCover } from '../explain/cover.ts';

/** A node of LightGBM's `dump_model`, as far as predicting needs it. */
export interface DumpedNode {
  readonly split_feature?: number;
  /** A number, or codes joined by `||`. */
  readonly threshold?: number | string;
  readonly decision_type?: '<=' | '==';
  readonly default_left?: boolean;
  readonly missing_type?: 'None' | 'NaN' | 'Zero';
  readonly internal_count?: number;
  readonly left_child?: DumpedNode;
  readonly right_child?: DumpedNode;
  readonly leaf_value?: number;
  readonly leaf_count?: number;
}

export interface ImportedForest {
  readonly forest: Forest;
  readonly covers: readonly TreeCover[];
}

/** Reads trees that LightGBM dumped, with how many training rows reached each node. */
export function importTrees(trees: readonly { readonly tree_structure: DumpedNode }[], base: readonly number[]): ImportedForest {
  const read = trees.map((each) => importTree(each.tree_structure));
  return {
    forest: { outputCount: base.length, base: Float64Array.from(base), trees: read.map((each) => each.tree) },
    covers: read.map((each) => each.cover),
  };
}

function importTree(root: DumpedNode): { tree: Tree; cover: TreeCover } {
  const inner: DumpedNode[] = [];
  const leaves: DumpedNode[] = [];
  const references = new Map<DumpedNode, number>();
  const number = (node: DumpedNode): void => {
    if (node.left_child === undefined || node.right_child === undefined) {
      references.set(node, ~leaves.length);
      leaves.push(node);
      return;
    }
    references.set(node, inner.length);
    inner.push(node);
    number(node.left_child);
    number(node.right_child);
  };
  number(root);
  const sets: number[] = [];
  const set = inner.map((node) => {
    if (node.decision_type !== '==') return -1;
    const words = new Uint32Array(SET_WORDS);
    for (const code of String(node.threshold).split('||').map(Number))
      words[code >>> 5] = (words[code >>> 5] as number) | (1 << (code & 31));
    sets.push(...words);
    return sets.length / SET_WORDS - 1;
  });
  const reference = (node: DumpedNode | undefined) => references.get(node as DumpedNode) as number;
  const tree: Tree = {
    feature: Int32Array.from(inner, (node) => node.split_feature ?? -1),
    threshold: Float64Array.from(inner, (node) => (typeof node.threshold === 'number' ? node.threshold : 0)),
    // Without a missing type of its own LightGBM reads NaN as zero.
    missingLeft: Uint8Array.from(inner, (node) =>
      (node.missing_type === 'NaN' ? node.default_left : typeof node.threshold === 'number' && node.threshold >= 0) ? 1 : 0,
    ),
    bin: new Int32Array(inner.length),
    set: Int32Array.from(set),
    left: Int32Array.from(inner, (node) => reference(node.left_child)),
    right: Int32Array.from(inner, (node) => reference(node.right_child)),
    gain: new Float64Array(inner.length),
    sets: Uint32Array.from(sets),
    value: Float64Array.from(leaves, (node) => node.leaf_value ?? 0),
  };
  const cover = {
    nodes: Float64Array.from(inner, (node) => node.internal_count ?? 0),
    leaves: Float64Array.from(leaves, (node) => node.leaf_count ?? 0),
  };
  return { tree, cover };
}
