import { type FeatureTable, type ForestTables, NODE_LT, NODE_MEMBER, type ProgramForest } from './program.ts';

/** Leaves of one tree that fit the bits of a whole number. */
export const TABLE_LEAVES_LIMIT = 32;
/** Entries of all tables of a forest together, 4 bytes each: they are made on the thread that computes, in a few milliseconds. */
export const TABLE_ENTRIES_LIMIT = 2_000_000;
/** What a step down a tree costs, measured in entries of a table: steps wait for memory and are guessed wrongly. */
const STEP_ENTRIES = 6;
/** What finding the row of a table costs, likewise. */
const SEARCH_ENTRIES = 30;

/** A node with the leaves below its two branches: those of yes come first. */
interface Branch {
  readonly tree: number;
  readonly node: number;
  /** Leaves that are out of reach once the answer is no. */
  readonly yesLeaves: number;
}

/**
 * Makes tables of a forest, so that a row costs one "and" per feature and tree in their order in memory, and no jumps from node to
 * node (QuickScorer; Lucchese et al. 2015, with the masks of a range joined beforehand). Answers are the same to the last bit, because the
 * leaves are the same. Undefined where walking is cheaper or the forest does not fit: trees of many leaves, infinite thresholds, too many entries.
 */
export function tableForest(forest: ProgramForest): ForestTables | undefined {
  const treeCount = forest.roots.length;
  const branches: Branch[] = [];
  const leaves: number[] = [];
  const first = new Int32Array(treeCount);
  const all = new Int32Array(treeCount);
  let steps = 0;
  for (let tree = 0; tree < treeCount; tree += 1) {
    first[tree] = leaves.length;
    const found = listBranches(forest, tree, branches, leaves);
    if (found === undefined) return undefined;
    steps += found;
    const count = leaves.length - (first[tree] as number);
    all[tree] = lowBits(count);
  }
  const groups = Map.groupBy(branches, ({ node }) => groupOf(forest, node));
  if (!isWorthwhile(groups, steps)) return undefined;
  const tables: FeatureTable[] = [];
  let entries = 0;
  for (const group of groups.values()) {
    const table = tableOf(forest, group, TABLE_ENTRIES_LIMIT - entries);
    if (table === undefined) return undefined;
    entries += table.reachable.length;
    tables.push(table);
  }
  return { all, first, leaves: Int32Array.from(leaves), tables };
}

/** Bytes that the tables hold. */
export function tableBytes({ tables, leaves, all, first }: ForestTables): number {
  const lists = [leaves, all, first, ...tables.flatMap(({ bounds, trees, reachable }) => [bounds, trees, reachable])];
  return lists.reduce((sum, list) => sum + (list?.byteLength ?? 0), 0);
}

const lowBits = (count: number) => (count >= 32 ? -1 : (1 << count) - 1);

/** Nodes that are decided by one look at one feature. */
const groupOf = ({ feature, mode }: ProgramForest, node: number) => 2 * (feature[node] as number) + (mode[node] === NODE_MEMBER ? 1 : 0);

/** Collects a tree's nodes and leaves from left to right. @returns the steps that a row takes in it on average, or undefined when it has too many leaves. */
function listBranches({ roots, yes, no }: ProgramForest, tree: number, branches: Branch[], leaves: number[]): number | undefined {
  const start = leaves.length;
  let steps = 0;
  let fits = true;
  const visit = (node: number, depth: number): void => {
    // A tree that is deeper than its leaves are many goes in circles, or is no tree for tables anyway.
    fits &&= depth < TABLE_LEAVES_LIMIT && leaves.length - start < TABLE_LEAVES_LIMIT;
    if (!fits) return;
    if (node < 0) {
      leaves.push(~node);
      steps += depth;
      return;
    }
    const before = leaves.length - start;
    visit(yes[node] as number, depth + 1);
    const after = leaves.length - start;
    branches.push({ tree, node, yesLeaves: lowBits(after) & ~lowBits(before) });
    visit(no[node] as number, depth + 1);
  };
  visit(roots[tree] as number, 0);
  return fits ? steps / (leaves.length - start) : undefined;
}

function isWorthwhile(groups: ReadonlyMap<number, readonly Branch[]>, steps: number): boolean {
  let cost = 0;
  for (const group of groups.values()) cost += SEARCH_ENTRIES + new Set(group.map(({ tree }) => tree)).size;
  return cost < steps * STEP_ENTRIES;
}

function tableOf(forest: ProgramForest, group: readonly Branch[], entriesMost: number): FeatureTable | undefined {
  const [some] = group;
  if (some === undefined) return undefined;
  const isCoded = forest.mode[some.node] === NODE_MEMBER;
  const bounds = isCoded ? undefined : boundsOf(forest, group);
  if (bounds?.some((bound) => !Number.isFinite(bound))) return undefined;
  const lastRow = bounds ? bounds.length : Math.max(...group.map(({ node }) => forest.memberCount[node] as number));
  const trees = Int32Array.from(new Set(group.map(({ tree }) => tree))).toSorted();
  if (trees.length * (lastRow + 2) > entriesMost) return undefined;
  const reachable = new Int32Array(trees.length * (lastRow + 2)).fill(-1);
  const placeOf = new Map(Array.from(trees, (tree, place) => [tree, place]));
  const close = (row: number, { tree, yesLeaves }: Branch) => {
    const at = row * trees.length + (placeOf.get(tree) as number);
    reachable[at] = (reachable[at] as number) & ~yesLeaves;
  };
  for (const branch of group) {
    if (forest.missingYes[branch.node] !== 1) close(lastRow + 1, branch);
    if (bounds) close(1 + bounds.indexOf(boundOf(forest, branch.node)), branch);
    else for (let code = 0; code <= lastRow; code += 1) if (!isMember(forest, branch.node, code)) close(code, branch);
  }
  // Whoever is above a bound is above all before it.
  if (bounds) {
    for (let at = trees.length; at < trees.length * (lastRow + 1); at += 1)
      reachable[at] = (reachable[at] as number) & (reachable[at - trees.length] as number);
  }
  return { feature: forest.feature[some.node] as number, bounds, lastRow, trees, reachable };
}

const boundsOf = (forest: ProgramForest, group: readonly Branch[]) =>
  Float64Array.from(new Set(group.map(({ node }) => boundOf(forest, node)))).toSorted();

/** The answer is no exactly for numbers above this: for "less than" that is the number just below the threshold. */
function boundOf({ mode, split }: ProgramForest, node: number): number {
  const threshold = split[node] as number;
  return mode[node] === NODE_LT ? justBelow(threshold) : threshold + 0;
}

const float = new Float64Array(1);
const bits = new BigInt64Array(float.buffer);

/** The largest double below a finite one. */
function justBelow(value: number): number {
  if (value === 0) return -Number.MIN_VALUE;
  float[0] = value;
  bits[0] = (bits[0] as bigint) + (value > 0 ? -1n : 1n);
  return float[0];
}

function isMember({ memberStart, memberCount, members }: ProgramForest, node: number, code: number): boolean {
  if (code >= (memberCount[node] as number)) return false;
  return (((members[(memberStart[node] as number) + (code >>> 5)] as number) >>> (code & 31)) & 1) === 1;
}
