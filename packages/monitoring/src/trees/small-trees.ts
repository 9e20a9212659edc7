import type { Frame } from '@slipway/kernel';
import { z } from 'zod';
import { BIN_LIMIT, ColumnCode, encodeTable, learnCodes } from './encode-table.ts';

const Node = z.object({
  /** Column of the split; -1 in a leaf. */
  column: z.int(),
  /** Rows with a bin up to this go left. */
  bin: z.int(),
  left: z.int(),
  right: z.int(),
  value: z.number(),
});
type Node = z.infer<typeof Node>;

/** A few shallow trees over binned columns whose leaves add up; plain data, so that it can be stored. */
export const SmallTrees = z.object({ codes: z.array(ColumnCode), base: z.number(), trees: z.array(z.array(Node)) });
export type SmallTrees = z.infer<typeof SmallTrees>;

export interface SmallTreesOptions {
  /** `logistic` learns log-odds of 0/1 targets, `squared` the mean. */
  readonly loss: 'squared' | 'logistic';
  readonly rounds?: number;
  readonly depth?: number;
  readonly learningRate?: number;
  readonly leafRowsMin?: number;
}

const NODES_LIMIT = 64;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Gradient boosting of depth-limited regression trees over at most 64 bins a column (Friedman 2001): for checks over a few
 * thousand rows, where a trainer's threads would cost more than the work. The event loop breathes between trees.
 */
export async function fitSmallTrees(
  frame: Frame,
  target: Float64Array,
  names: readonly string[],
  options: SmallTreesOptions,
): Promise<SmallTrees> {
  const { loss, rounds = 60, depth = 4, learningRate = 0.15, leafRowsMin = 20 } = options;
  const codes = learnCodes(frame, target, names);
  const bins = encodeTable(frame, codes);
  const rate = target.reduce((sum, value) => sum + value, 0) / Math.max(1, target.length);
  const base = loss === 'squared' ? rate : Math.log((rate + 1e-6) / (1 - rate + 1e-6));
  const scores = new Float64Array(target.length).fill(base);
  const trees: Node[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const gradient = new Float64Array(target.length);
    const curvature = new Float64Array(target.length);
    for (let row = 0; row < target.length; row += 1) {
      const p = loss === 'squared' ? (scores[row] as number) : 1 / (1 + Math.exp(-(scores[row] as number)));
      gradient[row] = (target[row] as number) - p;
      curvature[row] = loss === 'squared' ? 1 : Math.max(1e-6, p * (1 - p));
    }
    const tree = growTree({ bins, gradient, curvature, depth, leafRowsMin, learningRate });
    if (tree.length === 1) break;
    trees.push(tree);
    addTree(tree, bins, scores);
    await nextTurn();
  }
  return { codes, base, trees };
}

interface Growth {
  readonly bins: readonly Uint8Array[];
  readonly gradient: Float64Array;
  readonly curvature: Float64Array;
  readonly depth: number;
  readonly leafRowsMin: number;
  readonly learningRate: number;
}

function growTree(growth: Growth): Node[] {
  const nodes: Node[] = [];
  const grow = (rows: Int32Array, depthLeft: number): number => {
    const index = nodes.length;
    const split = depthLeft > 0 && nodes.length < NODES_LIMIT ? bestSplit(growth, rows) : undefined;
    nodes.push({ column: -1, bin: 0, left: -1, right: -1, value: split ? 0 : leafValue(growth, rows) });
    if (!split) return index;
    const column = growth.bins[split.column] as Uint8Array;
    const left = grow(
      rows.filter((row) => (column[row] as number) <= split.bin),
      depthLeft - 1,
    );
    const right = grow(
      rows.filter((row) => (column[row] as number) > split.bin),
      depthLeft - 1,
    );
    nodes[index] = { ...split, left, right, value: 0 };
    return index;
  };
  grow(
    Int32Array.from(growth.gradient, (_, row) => row),
    growth.depth,
  );
  return nodes;
}

function leafValue({ gradient, curvature, learningRate }: Growth, rows: Int32Array): number {
  let [top, bottom] = [0, 1];
  for (const row of rows) {
    top += gradient[row] as number;
    bottom += curvature[row] as number;
  }
  return (learningRate * top) / bottom;
}

function bestSplit(growth: Growth, rows: Int32Array): { column: number; bin: number } | undefined {
  let best: { column: number; bin: number } | undefined;
  let bestGain = 1e-9;
  const sums = new Float64Array(BIN_LIMIT + 1);
  const counts = new Int32Array(BIN_LIMIT + 1);
  for (const [column, bins] of growth.bins.entries()) {
    sums.fill(0);
    counts.fill(0);
    let total = 0;
    for (const row of rows) {
      const bin = bins[row] as number;
      sums[bin] = (sums[bin] as number) + (growth.gradient[row] as number);
      counts[bin] = (counts[bin] as number) + 1;
      total += growth.gradient[row] as number;
    }
    let [sum, count] = [0, 0];
    for (let bin = 0; bin < BIN_LIMIT; bin += 1) {
      sum += sums[bin] as number;
      count += counts[bin] as number;
      const rest = rows.length - count;
      if (count < growth.leafRowsMin || rest < growth.leafRowsMin || counts[bin] === 0) continue;
      const gain = sum ** 2 / count + (total - sum) ** 2 / rest - total ** 2 / rows.length;
      if (gain > bestGain) [best, bestGain] = [{ column, bin }, gain];
    }
  }
  return best;
}

function addTree(tree: readonly Node[], bins: readonly Uint8Array[], scores: Float64Array): void {
  for (let row = 0; row < scores.length; row += 1) {
    let node = tree[0] as Node;
    while (node.column >= 0) node = tree[(bins[node.column]?.[row] as number) <= node.bin ? node.left : node.right] as Node;
    scores[row] = (scores[row] as number) + node.value;
  }
}

/** The sum of the leaves of every row: log-odds or the mean. */
export function scoreSmallTrees(model: SmallTrees, frame: Frame): Float64Array {
  const bins = encodeTable(frame, model.codes);
  const scores = new Float64Array(frame.rowCount).fill(model.base);
  for (const tree of model.trees) addTree(tree, bins, scores);
  return scores;
}
