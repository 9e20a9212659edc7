import { SET_WORDS, type Tree } from '../trees/tree.ts';

/** Whether an encoded value goes left at an inner node: what predicting and the exported graph decide too. */
export function goesLeftAt(tree: Tree, node: number, value: number): boolean {
  const set = tree.set[node] as number;
  if (set < 0) return value <= (tree.threshold[node] as number) || (value !== value && tree.missingLeft[node] === 1);
  return (((tree.sets[set * SET_WORDS + (value >>> 5)] as number) >>> (value & 31)) & 1) === 1;
}

/** Writes, for the row whose features begin at `offset`, which inner nodes send it left. */
export function decideNodes(tree: Tree, values: Float32Array, offset: number, goesLeft: Uint8Array): void {
  const { feature, threshold, missingLeft, set, sets } = tree;
  for (let node = 0; node < feature.length; node += 1) {
    const value = values[offset + (feature[node] as number)] as number;
    const at = set[node] as number;
    if (at < 0) goesLeft[node] = value <= (threshold[node] as number) || (value !== value && missingLeft[node] === 1) ? 1 : 0;
    else goesLeft[node] = ((sets[at * SET_WORDS + (value >>> 5)] as number) >>> (value & 31)) & 1;
  }
}
