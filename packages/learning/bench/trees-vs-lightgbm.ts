/**
 * Compares tree training with LightGBM on one thread: same rows, trees, leaves and bins.
 *   python packages/learning/bench/trees-vs-lightgbm.py OUT_DIR [ADULT_DIR]
 *   npx node packages/learning/bench/trees-vs-lightgbm.ts OUT_DIR
 */
import { existsSync, readFileSync } from 'node:fs';
import { rocAuc } from '@slipway/statistics';
import type { EncodedMatrix } from '../src/matrix.ts';
import { applyBins, fitBins } from '../src/trees/binning.ts';
import { boost } from '../src/trees/boost.ts';
import { TREE_DEFAULTS } from '../src/trees/parameters.ts';
import { predictForest } from '../src/trees/tree.ts';

interface Meta {
  readonly rows: number;
  readonly testRows: number;
  readonly features: number;
  readonly categorical: readonly number[];
  readonly trees: number;
  readonly seconds: number;
  readonly binSeconds: number;
  readonly auc: number;
}

const directory = process.argv[2] ?? '.';
const read = (file: string) => {
  const bytes = readFileSync(`${directory}/${file}`);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
};

function matrix(name: string, part: string, rows: number, meta: Meta): EncodedMatrix {
  const values = new Float32Array(read(`${name}-${part}.f32`));
  const columns = Array.from({ length: meta.features }, (_, index) => values.slice(index * rows, (index + 1) * rows));
  const features = columns.map((column, index) => {
    const isCategorical = meta.categorical.includes(index);
    const codeCount = isCategorical ? column.reduce((most, code) => Math.max(most, code), 0) + 1 : 0;
    return { name: `f${index}`, field: `f${index}`, kind: isCategorical ? ('categorical' as const) : ('numeric' as const), codeCount };
  });
  return { rowCount: rows, features, columns };
}

for (const name of ['adult', 'synthetic']) {
  if (!existsSync(`${directory}/${name}.json`)) continue;
  const meta = JSON.parse(readFileSync(`${directory}/${name}.json`, 'utf8')) as Meta;
  const train = matrix(name, 'train', meta.rows, meta);
  const test = matrix(name, 'test', meta.testRows, meta);
  const target = new Float64Array(read(`${name}-train.f64`));
  const truth = new Float64Array(read(`${name}-test.f64`));
  let best = { total: Number.POSITIVE_INFINITY, bins: 0 };
  let auc = 0;
  for (let repeat = 0; repeat < Number(process.env['REPEATS'] ?? 3); repeat += 1) {
    const start = performance.now();
    const bins = fitBins(train);
    const data = applyBins(train, bins);
    const binned = performance.now();
    const request = {
      objective: 'binary',
      outputCount: 1,
      data,
      targets: { target, weights: undefined },
      parameters: TREE_DEFAULTS,
      roundLimit: meta.trees,
      seed: 1,
    } as const;
    const { forest } = boost(request);
    const total = performance.now() - start;
    if (total < best.total) best = { total, bins: binned - start };
    auc = rocAuc(predictForest(forest, test), truth);
  }
  const seconds = best.total / 1000;
  process.stdout.write(
    `${name}: ours ${seconds.toFixed(2)} s (bins ${(best.bins / 1000).toFixed(2)}), LightGBM ${meta.seconds.toFixed(2)} s (bins ${meta.binSeconds.toFixed(2)}), ` +
      `ratio ${(seconds / meta.seconds).toFixed(2)}; AUC ours ${auc.toFixed(5)}, LightGBM ${meta.auc.toFixed(5)}\n`,
  );
}
