import { type FeatureTable, type ForestTables, NODE_LT, NODE_MEMBER, type ProgramForest } from './program.ts';

/** Finds the leaf of each tree that a row falls into by going down from node to node. */
export function finderByWalking(memory: Float64Array, from: number, forest: ProgramForest, leaves: Int32Array): () => void {
  const { roots, feature, mode, split, missingYes, yes, no, memberStart, memberCount, members } = forest;
  const isMember = (node: number, value: number): boolean => {
    // Comparisons with NaN are false, and so is membership.
    if (!(value >= 0 && value < (memberCount[node] as number)) || !Number.isInteger(value)) return false;
    return (((members[(memberStart[node] as number) + (value >>> 5)] as number) >>> (value & 31)) & 1) === 1;
  };
  const leafOf = (root: number): number => {
    let node = root;
    while (node >= 0) {
      const value = memory[from + (feature[node] as number)] as number;
      const kind = mode[node] as number;
      let isYes: boolean;
      if (kind === NODE_MEMBER) isYes = isMember(node, value);
      else isYes = kind === NODE_LT ? value < (split[node] as number) : value <= (split[node] as number);
      // Only NaN differs from itself.
      if (!isYes && value !== value) isYes = missingYes[node] === 1;
      node = (isYes ? yes[node] : no[node]) as number;
    }
    return ~node;
  };
  return () => {
    for (let tree = 0; tree < roots.length; tree += 1) leaves[tree] = leafOf(roots[tree] as number);
  };
}

/** Finds the same leaves by asking each feature once which of them are still within reach. */
export function finderByTables(memory: Float64Array, from: number, forest: ForestTables, leaves: Int32Array): () => void {
  const { all, first, tables } = forest;
  const left = new Int32Array(all.length);
  return () => {
    left.set(all);
    for (const table of tables) {
      const { trees, reachable } = table;
      const start = rowOf(table, memory[from + table.feature] as number) * trees.length;
      for (let place = 0; place < trees.length; place += 1) {
        const tree = trees[place] as number;
        left[tree] = (left[tree] as number) & (reachable[start + place] as number);
      }
    }
    for (let tree = 0; tree < left.length; tree += 1) {
      const open = left[tree] as number;
      // The lowest bit that is set stands for the first leaf within reach.
      leaves[tree] = forest.leaves[(first[tree] as number) + 31 - Math.clz32(open & -open)] as number;
    }
  };
}

function rowOf({ bounds, lastRow }: FeatureTable, value: number): number {
  // Only NaN differs from itself.
  if (value !== value) return lastRow + 1;
  if (bounds === undefined) return value >= 0 && value < lastRow && Number.isInteger(value) ? value : lastRow;
  let low = 0;
  let high = lastRow;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value > (bounds[middle] as number)) low = middle + 1;
    else high = middle;
  }
  return low;
}
