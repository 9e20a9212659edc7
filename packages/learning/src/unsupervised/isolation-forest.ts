import { createRandom, type Random } from '@slipway/statistics';
import type { EncodedMatrix } from '../matrix.ts';
import { type Forest, predictForest, type Tree } from '../trees/tree.ts';

export const TREE_COUNT = 200;
/** Rows that one tree isolates. */
export const SAMPLE_ROWS = 256;

const EULER = 0.577_215_664_901_532_9;

/** Mean depth of an unsuccessful search in a binary tree of so many rows: what a path ends with, and scores are measured by. */
export function meanPathLength(rows: number): number {
  if (rows <= 1) return 0;
  if (rows === 2) return 1;
  return 2 * (Math.log(rows - 1) + EULER) - (2 * (rows - 1)) / rows;
}

export interface IsolationForest {
  /** Its one output is the sum of path lengths. */
  readonly forest: Forest;
  /** Rows of each tree. */
  readonly sampleRows: number;
}

/**
 * Trees of random cuts: rows that few cuts set apart are unusual (Liu, Ting & Zhou 2008). A missing number goes to a random
 * side; categories are cut by how frequent their levels are. Deterministic by seed.
 */
export function fitIsolationForest(matrix: EncodedMatrix, seed: number | string, treeCount = TREE_COUNT): IsolationForest {
  const random = createRandom(`isolation-forest:${seed}`);
  const sampleRows = Math.min(SAMPLE_ROWS, matrix.rowCount);
  const depthLimit = Math.ceil(Math.log2(Math.max(2, sampleRows)));
  const trees = Array.from({ length: treeCount }, () =>
    growTree(matrix, random.sampleWithoutReplacement(matrix.rowCount, sampleRows), depthLimit, random),
  );
  return { forest: { outputCount: 1, base: Float64Array.of(0), trees }, sampleRows };
}

/** How unusual rows are: near 1 is an anomaly, 0.5 is usual, below is in the thick of it. */
export function anomalyScores({ forest, sampleRows }: IsolationForest, matrix: EncodedMatrix): Float64Array {
  const norm = forest.trees.length * meanPathLength(sampleRows);
  return predictForest(forest, matrix).map((sum) => 2 ** -(sum / norm));
}

interface Growing {
  readonly feature: number[];
  readonly threshold: number[];
  readonly missingLeft: number[];
  readonly left: number[];
  readonly right: number[];
  readonly value: number[];
}

function growTree(matrix: EncodedMatrix, rows: Int32Array, depthLimit: number, random: Random): Tree {
  const growing: Growing = { feature: [], threshold: [], missingLeft: [], left: [], right: [], value: [] };
  grow(growing, matrix, rows, 0, depthLimit, random);
  const nodes = growing.feature.length;
  return {
    feature: Int32Array.from(growing.feature),
    threshold: Float64Array.from(growing.threshold),
    missingLeft: Uint8Array.from(growing.missingLeft),
    bin: new Int32Array(nodes),
    set: new Int32Array(nodes).fill(-1),
    left: Int32Array.from(growing.left),
    right: Int32Array.from(growing.right),
    gain: new Float64Array(nodes),
    sets: new Uint32Array(0),
    value: Float64Array.from(growing.value),
  };
}

/** @returns the node's number, or the complement of the leaf's. */
function grow(growing: Growing, matrix: EncodedMatrix, rows: Int32Array, depth: number, depthLimit: number, random: Random): number {
  const cut = depth < depthLimit && rows.length > 1 ? randomCut(matrix, rows, random) : undefined;
  if (!cut) {
    growing.value.push(depth + meanPathLength(rows.length));
    return ~(growing.value.length - 1);
  }
  const node = growing.feature.length;
  const missingLeft = random.int(2);
  growing.feature.push(cut.feature);
  growing.threshold.push(cut.threshold);
  growing.missingLeft.push(missingLeft);
  growing.left.push(0);
  growing.right.push(0);
  const column = matrix.columns[cut.feature] as Float32Array;
  const isLeft = (row: number) => {
    const value = column[row] as number;
    return value <= cut.threshold || (Number.isNaN(value) && missingLeft === 1);
  };
  growing.left[node] = grow(growing, matrix, rows.filter(isLeft), depth + 1, depthLimit, random);
  growing.right[node] = grow(
    growing,
    matrix,
    rows.filter((row) => !isLeft(row)),
    depth + 1,
    depthLimit,
    random,
  );
  return node;
}

/** A feature that differs among the rows, and a value between its least and most; undefined when all rows are alike. */
function randomCut(matrix: EncodedMatrix, rows: Int32Array, random: Random): { feature: number; threshold: number } | undefined {
  const order = random.shuffle(Int32Array.from(matrix.columns.keys()));
  for (const feature of order) {
    const column = matrix.columns[feature] as Float32Array;
    let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const row of rows) {
      const value = column[row] as number;
      if (value < least) least = value;
      if (value > most) most = value;
    }
    if (!(least < most) || !Number.isFinite(most - least)) continue;
    const threshold = least + random.next() * (most - least);
    return { feature, threshold: threshold < most ? threshold : least };
  }
  return undefined;
}
