/**
 * Exact TreeSHAP against `shap` and LightGBM on the same trees and rows, one thread each: largest difference of values,
 * and time per row. `node bench/tree-shap.ts [python]`, where python has numpy, pandas, lightgbm and shap. Adult, 100 trees
 * of 31 leaves, 1,000 rows, 100 background rows; best of 3 by CPU time. Goals: values to 1e-6, time ratio <= 2.0.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileTree } from '../packages/learning/src/explain/compile-tree.ts';
import { InterventionalTreeShap } from '../packages/learning/src/explain/interventional.ts';
import { type FeatureRows, TreeShap } from '../packages/learning/src/explain/tree-shap.ts';
import { type DumpedNode, importTrees } from '../packages/learning/src/testing/import-trees.ts';

const REPEATS = 3;
const python = process.argv[2] ?? 'python3';
const adult = fileURLToPath(new URL('../../shared/data/adult_census_income/adult-train.csv', import.meta.url));

type Matrix = (number | null)[][];
interface Reference {
  readonly trees: { readonly tree_structure: DumpedNode }[];
  readonly rows: Matrix;
  readonly background: Matrix;
  readonly native: number[][];
  readonly own: number[][];
  readonly interventional: number[][];
}

const folder = mkdtempSync(join(tmpdir(), 'tree-shap-'));
const script = fileURLToPath(new URL('./tree-shap.py', import.meta.url));
const run = spawnSync(python, [script, adult, folder], { encoding: 'utf8' });
if (run.status !== 0) throw new Error(`The Python half failed: ${run.stderr}`);
const seconds = JSON.parse(run.stdout) as Record<'native' | 'own' | 'interventional', number> & Record<'shap' | 'lightgbm', string>;
const reference = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')) as Reference;
rmSync(folder, { recursive: true });

const width = reference.rows[0]?.length ?? 0;
const rowsOf = (matrix: Matrix): FeatureRows => ({
  rowCount: matrix.length,
  width,
  values: Float32Array.from(matrix.flat(), (value) => value ?? Number.NaN),
});
const { forest, covers } = importTrees(reference.trees, [0]);
const rows = rowsOf(reference.rows);
const few = rowsOf(reference.rows.slice(0, reference.interventional.length));
const background = rowsOf(reference.background);

/** Least CPU seconds a thousand rows, and the values. */
function measure(over: FeatureRows, explain: (contributions: Float64Array) => void): { seconds: number; values: Float64Array } {
  let least = Number.POSITIVE_INFINITY;
  let values = new Float64Array(0);
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    values = new Float64Array(over.rowCount * width);
    const started = process.threadCpuUsage();
    explain(values);
    const used = process.threadCpuUsage(started);
    least = Math.min(least, (used.user + used.system) / 1e6);
  }
  return { seconds: (least / over.rowCount) * 1_000, values };
}

const differenceFrom = (values: Float64Array, wanted: number[][]) =>
  wanted.flat().reduce((worst, value, at) => Math.max(worst, Math.abs((values[at] as number) - value)), 0);

const sink = (contributions: Float64Array) => ({ contributions, outputCount: 1, output: 0, weight: 1 });
const trees = forest.trees.map((tree, at) => new TreeShap(compileTree(tree, covers[at] as (typeof covers)[number])));
const byPath = measure(rows, (values) => trees.forEach((tree) => tree.explain(rows, sink(values))));
const mixed = forest.trees.map((tree) => new InterventionalTreeShap(tree, background));
const byBackground = measure(few, (values) => mixed.forEach((tree) => tree.explain(few, sink(values))));

const line = (name: string, ours: number, theirs: number, difference: number) =>
  console.log(
    `${name.padEnd(44)} ${ours.toFixed(3)} s  ${theirs.toFixed(3)} s  ${(ours / theirs).toFixed(2)}  ${difference.toExponential(1)}`,
  );
console.log(`${'seconds per 1,000 rows'.padEnd(44)} ours     theirs   ratio largest difference`);
line(`path-dependent, shap ${seconds.shap}`, byPath.seconds, seconds.own, differenceFrom(byPath.values, reference.own));
line(`path-dependent, LightGBM ${seconds.lightgbm}`, byPath.seconds, seconds.native, differenceFrom(byPath.values, reference.native));
line(
  `interventional, 100 rows, shap ${seconds.shap}`,
  byBackground.seconds,
  seconds.interventional,
  differenceFrom(byBackground.values, reference.interventional),
);
