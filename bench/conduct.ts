/**
 * What the slices, fairness and robustness of an evaluation cost, in wall and CPU seconds, with a boosted-tree model of
 * given parameters: on Adult (official test rows), Telco and California housing, a seed each.
 *   npx node bench/conduct.ts
 * Data: ../shared/data beside the checkout; without it nothing is measured.
 */
import { assessFairness, assessRobustness, findSlices, measureLabelNoise } from '@slipway/evaluation';
import { type Field, type Frame, takeRows } from '@slipway/kernel';
import { prepareTarget, train } from '@slipway/learning';
import { ModelMetadata, openModel } from '@slipway/models';
import { createRandom } from '@slipway/statistics';
import { hasRealData, readRealSet } from '../packages/learning/src/testing/real-data.ts';
import { Refitter } from '../packages/project/src/evidence/refit.ts';

const print = (line: string) => process.stdout.write(`${line}\n`);
const PARAMS = { rounds: 200, learningRate: 0.05 };
const TEST_RATIO = 0.2;
const SETS = [
  { name: 'adult', sensitive: ['sex', 'race', 'age'] },
  { name: 'telco', sensitive: ['gender', 'SeniorCitizen'] },
  { name: 'housing', sensitive: ['ocean_proximity'] },
] as const;

async function timed<T>(name: string, work: () => Promise<T>): Promise<T> {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  const result = await work();
  const { user, system } = process.cpuUsage(cpu);
  print(`  ${name.padEnd(12)} ${((performance.now() - startedMs) / 1_000).toFixed(2)} s wall, ${((user + system) / 1e6).toFixed(2)} s CPU`);
  return result;
}

async function measure({ name, sensitive }: (typeof SETS)[number]): Promise<void> {
  const set = readRealSet(name);
  const prepared = prepareTarget(set.frame, set.target);
  const { trainRows, testRows } = divide(prepared.rows.length, set.testRows);
  const side = (rows: Int32Array) => ({
    frame: takeRows(
      set.frame,
      rows.map((at) => prepared.rows[at] as number),
    ),
    target: Float64Array.from(rows, (at) => prepared.target[at] as number),
  });
  const [taught, test] = [side(trainRows), side(testRows)];
  const { task, classes } = prepared;
  print(`${name}: ${taught.frame.rowCount} rows to learn from, ${test.frame.rowCount} to judge by`);
  const common = { task, classes, contract: set.contract, seed: 1 } as const;
  const trained = await train({ ...common, ...taught, fixed: { trainer: 'gbdt', params: PARAMS } });
  const model = await openModel({ bytes: trained.bytes, metadata: metadataOf(trained, set.target.name, prepared.positive) });
  const predict = async (frame: Frame) => {
    const { probabilities, values } = await model.predict(frame);
    return probabilities ? { probabilities } : { values: values ?? new Float64Array(0) };
  };
  const truth = classes === null ? test.target : Int32Array.from(test.target);
  const data = { task, classes, positive: prepared.positive, truth, predictions: await predict(test.frame), frame: test.frame, seed: 1 };
  const fields = trained.contract.fields;
  const slices = await timed('slices', () => findSlices({ ...data, fields }));
  await timed('fairness', () => assessFairness({ ...data, sensitive: sensitive.flatMap((each) => fieldOf(set.contract.fields, each)) }));
  const robustness = await timed('robustness', () => assessRobustness({ ...data, fields, predict }));
  const small = new Refitter({
    ...common,
    ...taught,
    trainer: 'gbdt',
    params: trained.params,
    test: test.frame,
    budgetMs: 60_000,
    rowLimit: 2_000,
    nowMs: () => performance.now(),
    signal: new AbortController().signal,
  });
  const labels = classes === null ? small.target : Int32Array.from(small.target);
  const noise = await timed('label noise', () =>
    measureLabelNoise({ ...data, trainTruth: labels, refit: (flipped) => small.refitTruth(flipped) }),
  );
  print(`  ${slices.tested} slices tested, ${slices.worst.length} worse, the worst: ${slices.worst[0]?.label ?? 'none'}`);
  print(`  ${robustness.warnings.length} warnings about robustness; with wrong labels ${JSON.stringify(noise?.levels)}`);
  await model.close();
}

function divide(count: number, official: number): { trainRows: Int32Array; testRows: Int32Array } {
  const order = Int32Array.from({ length: count }, (_, row) => row);
  if (official === 0) createRandom('conduct').shuffle(order);
  const testCount = official === 0 ? Math.round(TEST_RATIO * count) : official;
  return { trainRows: order.slice(0, count - testCount), testRows: order.slice(count - testCount) };
}

function fieldOf(fields: readonly Field[], name: string): Field[] {
  return fields.filter((field) => field.name === name);
}

function metadataOf(trained: Awaited<ReturnType<typeof train>>, target: string, positive: string | null): ModelMetadata {
  const { task, classes, features, contract, trainer, params } = trained;
  return ModelMetadata.parse({ format: 'slipway.model/1', task, target, classes, positive, features, contract, trainer, params, seed: 1 });
}

if (!hasRealData) print('No data beside the checkout: nothing was measured.');
else for (const set of SETS) await measure(set);
process.exit(0);
