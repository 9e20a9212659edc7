import type { EncodedMatrix } from '../matrix.ts';
import type { Forest, Tree } from '../trees/tree.ts';
import { goesLeftAt } from './decide.ts';

/** Rows of reference data that reach each inner node and each leaf of a tree. */
export interface TreeCover {
  readonly nodes: Float64Array;
  readonly leaves: Float64Array;
}

/** Counts, for every tree, the rows of the matrix that reach each node. What path-dependent explanations weigh branches by. */
export function coverForest(forest: Forest, matrix: EncodedMatrix): TreeCover[] {
  return forest.trees.map((tree) => coverTree(tree, matrix));
}

function coverTree(tree: Tree, matrix: EncodedMatrix): TreeCover {
  const nodes = new Float64Array(tree.feature.length);
  const leaves = new Float64Array(tree.value.length);
  for (let row = 0; row < matrix.rowCount; row += 1) {
    let node = tree.feature.length === 0 ? ~0 : 0;
    while (node >= 0) {
      nodes[node] = (nodes[node] as number) + 1;
      const value = (matrix.columns[tree.feature[node] as number] as Float32Array)[row] as number;
      node = (goesLeftAt(tree, node, value) ? tree.left[node] : tree.right[node]) as number;
    }
    leaves[~node] = (leaves[~node] as number) + 1;
  }
  return { nodes, leaves };
}
