/**
 * Tree training against LightGBM: same rows, trees, leaves and bins, from the same files; each run in a process of its own.
 *   python3 -m venv VENV && VENV/bin/pip install lightgbm pandas
 *   npx node bench/trees-lightgbm.ts --python VENV/bin/python [--out DIR] [--data ../shared/data] [--trees 100] [--repeats 3] [--part speed|losses]
 *
 * Speed: Adult and 500,000 x 30, one and two threads each; best of the repeats, the two sides taking turns. Targets: time
 * ratio <= 2.0, AUC within 0.002, peak memory of the whole process <= 1.5 times. Losses: 100 trees with each loss on one
 * table each; target: the loss on held-out rows within 2 %. A machine that does something else makes the figures of two
 * threads meaningless; `load` tells.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ndcgAtK, rocAuc } from '@slipway/statistics';
import type { EncodedMatrix } from '../packages/learning/src/matrix.ts';
import { applyBins, fitBins } from '../packages/learning/src/trees/binning.ts';
import { boost } from '../packages/learning/src/trees/boost.ts';
import { type ModelConstraints, planConstraints } from '../packages/learning/src/trees/constraints.ts';
import type { Loss } from '../packages/learning/src/trees/loss.ts';
import { meanLoss, type Objective } from '../packages/learning/src/trees/objective.ts';
import { TREE_DEFAULTS } from '../packages/learning/src/trees/parameters.ts';
import { predictForest } from '../packages/learning/src/trees/tree.ts';

const TARGETS = { timeRatio: 2, aucDifference: 0.002, memoryRatio: 1.5, lossRatio: 1.02 };

interface Table {
  readonly rows: number;
  readonly testRows: number;
  readonly features: number;
  readonly categorical: readonly number[];
}

/** One training, as both sides report it. */
interface Run {
  readonly seconds: number;
  readonly binSeconds: number;
  readonly cpuSeconds: number;
  readonly auc: number;
  readonly peakBytes: number;
  readonly beforeBytes: number;
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    out: { type: 'string', default: join(tmpdir(), 'slipway-trees-lightgbm') },
    data: { type: 'string', default: '../shared/data' },
    trees: { type: 'string', default: '100' },
    repeats: { type: 'string', default: '3' },
    part: { type: 'string' },
  },
});
const { out } = options;
const print = (line: string) => process.stdout.write(`${line}\n`);

function readBytes(file: string): ArrayBuffer {
  const bytes = readFileSync(join(out, file));
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}

const tableOf = (name: string) => JSON.parse(readFileSync(join(out, `${name}.json`), 'utf8')) as Table;

function matrixOf(name: string, part: 'train' | 'test'): EncodedMatrix {
  const table = tableOf(name);
  const rowCount = part === 'train' ? table.rows : table.testRows;
  const values = new Float32Array(readBytes(`${name}-${part}.f32`));
  const columns = Array.from({ length: table.features }, (_, index) => values.subarray(index * rowCount, (index + 1) * rowCount));
  const features = columns.map((column, index) => {
    const isCategorical = table.categorical.includes(index);
    const codeCount = isCategorical ? column.reduce((most, code) => Math.max(most, code), 0) + 1 : 0;
    const kind = isCategorical ? ('categorical' as const) : ('numeric' as const);
    return { name: `f${index}`, field: `f${index}`, kind, codeCount };
  });
  return { rowCount, features, columns };
}

function train(name: string, threads: number, trees: number): Run {
  const matrix = matrixOf(name, 'train');
  const target = new Float64Array(readBytes(`${name}-train.f64`));
  const peakBytes = () => process.resourceUsage().maxRSS * 1_024;
  const beforeBytes = peakBytes();
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  const data = applyBins(matrix, fitBins(matrix));
  const binned = performance.now();
  const { forest } = boost({
    objective: 'binary',
    outputCount: 1,
    data,
    targets: { target, weights: undefined },
    parameters: TREE_DEFAULTS,
    roundLimit: trees,
    seed: 1,
    threads,
  });
  const seconds = (performance.now() - started) / 1_000;
  const cpu = process.cpuUsage(cpuBefore);
  const after = peakBytes();
  const auc = rocAuc(predictForest(forest, matrixOf(name, 'test')), new Float64Array(readBytes(`${name}-test.f64`)));
  const cpuSeconds = (cpu.user + cpu.system) / 1e6;
  return { seconds, binSeconds: (binned - started) / 1_000, cpuSeconds, auc, peakBytes: after, beforeBytes };
}

const ours = (name: string, threads: number): Run => {
  const script = new URL(import.meta.url).pathname;
  return JSON.parse(
    execFileSync(process.execPath, [script, 'train', name, String(threads), '--out', out, '--trees', options.trees], { encoding: 'utf8' }),
  ) as Run;
};
const python = (...args: string[]) =>
  execFileSync(options.python, [new URL('./trees-lightgbm.py', import.meta.url).pathname, ...args], { encoding: 'utf8' });
const theirs = (name: string, threads: number) => JSON.parse(python('train', out, name, String(threads), options.trees)) as Run;

function best(runs: readonly Run[]): Run {
  return runs.toSorted((left, right) => left.seconds - right.seconds)[0] as Run;
}

const verdict = (isMet: boolean) => (isMet ? 'met' : 'MISSED');
const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MB`;

function compareSpeed(): void {
  for (const name of ['adult', 'synthetic']) {
    const { rows, features } = tableOf(name);
    for (const threads of [1, 2]) {
      const own: Run[] = [];
      const other: Run[] = [];
      for (let repeat = 0; repeat < Number(options.repeats); repeat += 1) {
        own.push(ours(name, threads));
        other.push(theirs(name, threads));
      }
      const [a, b] = [best(own), best(other)];
      const time = a.seconds / b.seconds;
      const memory = a.peakBytes / b.peakBytes;
      print(
        `${name} ${rows} x ${features}, ${threads} thread(s), load ${(loadavg()[0] ?? 0).toFixed(1)}: ` +
          `time ${a.seconds.toFixed(2)} s (bins ${a.binSeconds.toFixed(2)}, cpu ${a.cpuSeconds.toFixed(2)}) against ${b.seconds.toFixed(2)} s ` +
          `(bins ${b.binSeconds.toFixed(2)}, cpu ${b.cpuSeconds.toFixed(2)}), ratio ${time.toFixed(2)} ${verdict(time <= TARGETS.timeRatio)}; ` +
          `AUC ${a.auc.toFixed(5)} against ${b.auc.toFixed(5)} ${verdict(a.auc >= b.auc - TARGETS.aucDifference)}; ` +
          `peak ${megabytes(a.peakBytes)} against ${megabytes(b.peakBytes)}, ratio ${memory.toFixed(2)} ${verdict(memory <= TARGETS.memoryRatio)} ` +
          `(by training alone ${megabytes(a.peakBytes - a.beforeBytes)} against ${megabytes(b.peakBytes - b.beforeBytes)})`,
      );
    }
  }
}

/** Each loss with LightGBM's name for it, and the table it is tried on. */
const LOSSES: readonly {
  readonly table: string;
  readonly loss: Loss;
  readonly params: Readonly<Record<string, unknown>>;
  readonly constraints?: ModelConstraints;
}[] = [
  { table: 'number', loss: { kind: 'squared' }, params: { objective: 'regression' } },
  { table: 'number', loss: { kind: 'absolute' }, params: { objective: 'regression_l1' } },
  { table: 'number', loss: { kind: 'quantile', level: 0.9 }, params: { objective: 'quantile', alpha: 0.9 } },
  { table: 'number', loss: { kind: 'quantile', level: 0.1 }, params: { objective: 'quantile', alpha: 0.1 } },
  { table: 'count', loss: { kind: 'poisson' }, params: { objective: 'poisson' } },
  { table: 'amount', loss: { kind: 'tweedie', power: 1.5 }, params: { objective: 'tweedie', tweedie_variance_power: 1.5 } },
  { table: 'grade', loss: { kind: 'lambdarank' }, params: { objective: 'lambdarank' } },
  {
    table: 'number',
    loss: { kind: 'squared' },
    params: { objective: 'regression', monotone_constraints: [1, -1, 0, 1, 0, 0, 0, 0] },
    constraints: { monotone: { f0: 'increasing', f1: 'decreasing', f3: 'increasing' } },
  },
  {
    table: 'count',
    loss: { kind: 'poisson' },
    params: { objective: 'poisson', interaction_constraints: [[0], [1, 2], [3, 4, 5, 6, 7]] },
    constraints: { interactions: [['f0'], ['f1', 'f2'], ['f3', 'f4', 'f5', 'f6', 'f7']] },
  },
];

function compareLosses(): void {
  const queries = new Int32Array(readBytes('query.i32'));
  for (const { table, loss, params, constraints } of LOSSES) {
    const { rows } = tableOf(table);
    const [matrix, unseen] = [matrixOf(table, 'train'), matrixOf(table, 'test')];
    const isRanking = loss.kind === 'lambdarank';
    const part = (name: 'train' | 'test') => ({
      target: new Float64Array(readBytes(`${table}-${name}.f64`)),
      weights: undefined,
      ...(isRanking ? { queries: name === 'train' ? queries.slice(0, rows) : queries.slice(rows) } : {}),
    });
    const objective: Objective = loss.kind === 'squared' ? 'squared' : loss;
    const data = applyBins(matrix, fitBins(matrix));
    const request = {
      objective,
      outputCount: 1,
      data,
      targets: part('train'),
      parameters: TREE_DEFAULTS,
      constraints: planConstraints(constraints, matrix.features),
      roundLimit: Number(options.trees),
      seed: 1,
    };
    const own = predictForest(boost(request).forest, unseen);
    python('loss', out, table, JSON.stringify(params), options.trees);
    const raw = new Float64Array(readBytes(`${table}-predicted.f64`));
    const isLog = loss.kind === 'poisson' || loss.kind === 'tweedie';
    const other = isLog ? raw.map(Math.log) : raw;
    const truth = part('test');
    const lossOf = (margins: Float64Array) =>
      isRanking ? 1 - meanNdcg(margins, truth.target, queries.slice(rows)) : meanLoss(objective, truth, [margins]);
    const [a, b] = [lossOf(own), lossOf(other)];
    const name = `${loss.kind}${loss.level === undefined ? '' : ` ${loss.level}`}${loss.power === undefined ? '' : ` ${loss.power}`}${constraints ? `, ${Object.keys(constraints).join()}` : ''}`;
    print(
      `${name} on ${table}: loss ${a.toFixed(5)} against ${b.toFixed(5)}, ratio ${(a / b).toFixed(4)} ${verdict(a / b <= TARGETS.lossRatio)}`,
    );
  }
}

function meanNdcg(scores: Float64Array, grades: Float64Array, queries: Int32Array): number {
  const rowsOf = Map.groupBy([...queries.keys()], (row) => queries[row] as number);
  const values = [...rowsOf.values()].map((rows) =>
    ndcgAtK(
      Float64Array.from(rows, (row) => scores[row] as number),
      Float64Array.from(rows, (row) => grades[row] as number),
      10,
      'exponential',
    ),
  );
  const known = values.filter((value) => !Number.isNaN(value));
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

if (positionals[0] === 'train') {
  print(JSON.stringify(train(positionals[1] ?? 'adult', Number(positionals[2]), Number(options.trees))));
} else {
  if (!existsSync(join(out, 'query.i32'))) python('prepare', out, options.data);
  if (options.part !== 'losses') compareSpeed();
  if (options.part !== 'speed') compareLosses();
}
