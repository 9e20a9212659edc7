import { compileTree } from '../explain/compile-tree.ts';
import { TreeInteractions } from '../explain/interactions.ts';
import { InterventionalTreeShap } from '../explain/interventional.ts';
import { type FeatureRows, TreeShap } from '../explain/tree-shap.ts';
import { type DumpedNode, type ImportedForest, importTrees } from './import-trees.ts';

export type Matrix = readonly (readonly (number | null)[])[];

/** One model with rows and what the reference implementations say of them; made by conformance/reference/tree-shap.py. */
export interface ShapCase {
  readonly name: string;
  readonly trees: readonly { readonly tree_structure: DumpedNode }[];
  readonly outputs: number;
  readonly width: number;
  readonly base?: readonly number[];
  readonly rows: Matrix;
  readonly margins: readonly (readonly number[])[];
  readonly pathDependent: readonly (readonly (readonly number[])[])[];
  readonly expected: readonly number[];
  readonly background?: Matrix;
  readonly interventional?: readonly (readonly (readonly number[])[])[];
  readonly interactions?: readonly (readonly (readonly number[])[])[];
}

/** What this repository says of a case. Rows by outputs by features; interactions are off the diagonal. */
export interface ShapAnswers {
  readonly pathDependent: Float64Array;
  readonly expected: readonly number[];
  readonly interventional: Float64Array | null;
  readonly interactions: Float64Array | null;
}

export function explainCase(each: ShapCase): ShapAnswers {
  const imported = importTrees(each.trees, each.base ?? Array.from({ length: each.outputs }, () => 0));
  const rows = rowsOf(each.rows, each.width);
  const background = each.background && rowsOf(each.background, each.width);
  return {
    ...byPath(imported, rows),
    interventional: background ? againstBackground(imported, rows, background) : null,
    interactions: each.interactions ? interactionsOf(imported, rows) : null,
  };
}

/** Rows of numbers, null for missing. */
export function rowsOf(matrix: Matrix, width: number): FeatureRows {
  return { rowCount: matrix.length, width, values: Float32Array.from(matrix.flat(), (value) => value ?? Number.NaN) };
}

function byPath({ forest, covers }: ImportedForest, rows: FeatureRows): Pick<ShapAnswers, 'pathDependent' | 'expected'> {
  const { outputCount } = forest;
  const contributions = new Float64Array(rows.rowCount * outputCount * rows.width);
  const expected = [...forest.base];
  forest.trees.forEach((tree, index) => {
    const output = index % outputCount;
    const compiled = compileTree(tree, covers[index] as (typeof covers)[number]);
    expected[output] = (expected[output] as number) + compiled.expected;
    new TreeShap(compiled).explain(rows, { contributions, outputCount, output, weight: 1 });
  });
  return { pathDependent: contributions, expected };
}

function againstBackground({ forest }: ImportedForest, rows: FeatureRows, background: FeatureRows): Float64Array {
  const { outputCount } = forest;
  const contributions = new Float64Array(rows.rowCount * outputCount * rows.width);
  forest.trees.forEach((tree, index) => {
    const sink = { contributions, outputCount, output: index % outputCount, weight: 1 };
    new InterventionalTreeShap(tree, background).explain(rows, sink);
  });
  return contributions;
}

function interactionsOf({ forest, covers }: ImportedForest, rows: FeatureRows): Float64Array {
  const interactions = new Float64Array(rows.rowCount * rows.width * rows.width);
  forest.trees.forEach((tree, index) => {
    new TreeInteractions(compileTree(tree, covers[index] as (typeof covers)[number])).explain(rows, interactions, 1);
  });
  return interactions;
}

/** The wanted interactions without what a feature does alone. */
export function offDiagonal(interactions: NonNullable<ShapCase['interactions']>, width: number): number[] {
  return interactions.flat(2).map((value, at) => (at % width === Math.floor(at / width) % width ? 0 : value));
}

/** Largest difference, relative to max(1, |wanted|). */
export function largestDifference(got: ArrayLike<number>, wanted: readonly number[]): number {
  if (got.length !== wanted.length) return Number.POSITIVE_INFINITY;
  return wanted.reduce((worst, value, at) => Math.max(worst, Math.abs((got[at] as number) - value) / Math.max(1, Math.abs(value))), 0);
}
