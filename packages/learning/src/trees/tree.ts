import type { EncodedMatrix } from '../matrix.ts';
import type { BinnedMatrix } from './binning.ts';
import { BIN_LIMIT, GROUP_SIZE } from './kernel.ts';

/** 32-bit words that hold one set of category codes. */
export const SET_WORDS = BIN_LIMIT / 32;

/**
 * One regression tree. Inner nodes are numbered from 0 (the root), leaves are named by their complement (~leaf).
 * A numeric node sends x <= threshold left, missing by `missingLeft`; a categorical node sends the codes of its set left.
 */
export interface Tree {
  readonly feature: Int32Array;
  readonly threshold: Float64Array;
  readonly missingLeft: Uint8Array;
  /** Last bin that goes left; the same decision as `threshold`, for binned rows. */
  readonly bin: Int32Array;
  /** Position of the node's category set in `sets` (in sets, not words); -1 for numeric nodes. */
  readonly set: Int32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly gain: Float64Array;
  readonly sets: Uint32Array;
  /** Output of each leaf, learning rate included. */
  readonly value: Float64Array;
}

/** Trees in order of training, tree t adding to output t mod outputCount, on top of `base`. */
export interface Forest {
  readonly outputCount: number;
  readonly base: Float64Array;
  readonly trees: readonly Tree[];
}

/** Whether a code is in a node's set. */
function inSet(tree: Tree, node: number, code: number): boolean {
  const word = (tree.set[node] as number) * SET_WORDS + (code >>> 5);
  return (((tree.sets[word] as number) >>> (code & 31)) & 1) === 1;
}

/** The codes of a categorical node's set, ascending. */
export function codesOf(tree: Tree, node: number): number[] {
  const codes: number[] = [];
  for (let code = 0; code < BIN_LIMIT; code += 1) if (inSet(tree, node, code)) codes.push(code);
  return codes;
}

/** Adds a tree's outputs to the scores of a binned table's rows. */
export function addBinned(tree: Tree, data: BinnedMatrix, scores: Float64Array): void {
  const nodes = tree.feature.length;
  const rows = data.rowCount;
  const goesLeft = new Uint8Array(nodes * BIN_LIMIT);
  const start = new Int32Array(nodes);
  for (let node = 0; node < nodes; node += 1) {
    const feature = tree.feature[node] as number;
    start[node] = Math.floor(feature / GROUP_SIZE) * rows * GROUP_SIZE + (feature % GROUP_SIZE);
    fillGoesLeft(tree, node, goesLeft.subarray(node * BIN_LIMIT, (node + 1) * BIN_LIMIT));
  }
  const { bins } = data;
  const { left, right, value } = tree;
  for (let row = 0; row < rows; row += 1) {
    let node = nodes === 0 ? -1 : 0;
    while (node >= 0) {
      const bin = bins[(start[node] as number) + row * GROUP_SIZE] as number;
      node = (goesLeft[node * BIN_LIMIT + bin] === 1 ? left[node] : right[node]) as number;
    }
    scores[row] = (scores[row] as number) + (value[~node] as number);
  }
}

function fillGoesLeft(tree: Tree, node: number, goesLeft: Uint8Array): void {
  if ((tree.set[node] as number) >= 0) {
    for (let bin = 0; bin < BIN_LIMIT; bin += 1) goesLeft[bin] = inSet(tree, node, bin) ? 1 : 0;
    return;
  }
  goesLeft.fill(1, 1, (tree.bin[node] as number) + 1);
  goesLeft[0] = tree.missingLeft[node] as number;
}

/** The leaf an encoded row reaches: the reference for what the exported graph must decide. */
function leafOf(tree: Tree, columns: readonly Float32Array[], row: number): number {
  let node = tree.feature.length === 0 ? -1 : 0;
  while (node >= 0) {
    const value = (columns[tree.feature[node] as number] as Float32Array)[row] as number;
    const isLeft =
      (tree.set[node] as number) >= 0
        ? inSet(tree, node, value)
        : value <= (tree.threshold[node] as number) || (value !== value && tree.missingLeft[node] === 1);
    node = (isLeft ? tree.left[node] : tree.right[node]) as number;
  }
  return ~node;
}

/** Raw margins [rowCount × outputCount], row-major: the sum of the trees on top of the base. */
export function predictForest(forest: Forest, matrix: EncodedMatrix): Float64Array {
  const { outputCount, base, trees } = forest;
  const margins = new Float64Array(matrix.rowCount * outputCount);
  for (let at = 0; at < margins.length; at += 1) margins[at] = base[at % outputCount] as number;
  trees.forEach((tree, index) => {
    const output = index % outputCount;
    for (let row = 0; row < matrix.rowCount; row += 1) {
      const at = row * outputCount + output;
      margins[at] = (margins[at] as number) + (tree.value[leafOf(tree, matrix.columns, row)] as number);
    }
  });
  return margins;
}
