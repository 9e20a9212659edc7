/**
 * What training with default settings reaches on real tables: mean of a metric over five outer splits fixed by a seed, or
 * on the official test rows, beside its goal, the seconds it took, and what the single default trainers reach. At the end
 * search and defaults over all sets: errors relative to the best default that is the same for all sets.
 *   npx node bench/learning-accuracy.ts [--sets adult,telco] [--splits 5] [--seconds 30] [--threads 2] [--no-defaults]
 *   `--windows 0.5,0.6,0.7` judges sets in order of time by the tenth of the rows after each of these shares instead of the
 *   official test rows: for choosing methods without looking at these. Victoria's demand is a set only when it is named.
 * The whole protocol takes about 20 minutes on 2 quiet cores, `--splits 2` about 9. F1 is that of the positive class at 0.5.
 * Data: ../shared/data beside the checkout. Tables are read and their roles inferred as a launch does; columns that are
 * leaks or row numbers are excluded by name, as a launch would drop them.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { auditSchema, createAudit } from '@slipway/audit';
import { catalogSchema, createCatalog } from '@slipway/catalog';
import { createData, type Data } from '@slipway/data';
import { type Contract, createIds, type Frame, systemClock, takeRows } from '@slipway/kernel';
import { prepareTarget, train, type TrainedModel, type TrainRequest } from '@slipway/learning';
import { openFolderObjects } from '@slipway/objects';
import { createTestRecords } from '@slipway/records/testing';
import { accuracy, averagePrecision, createRandom, f1, mae, rmse, rocAuc } from '@slipway/statistics';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    seconds: { type: 'string', default: '30' },
    threads: { type: 'string', default: '2' },
    splits: { type: 'string', default: '5' },
    sets: { type: 'string' },
    windows: { type: 'string' },
    defaults: { type: 'boolean', default: true },
  },
});
const print = (line: string) => process.stdout.write(`${line}\n`);
const DATA = new URL('../../shared/data/', import.meta.url);
const SPLIT_SEED = 'learning-accuracy';

type MetricName = 'ROC AUC' | 'AP' | 'RMSE' | 'MAE' | 'F1' | 'accuracy';

interface Set {
  /** Rows as CSV text, and how many of the last ones are the official test. */
  readonly read: () => Promise<{ readonly csv: string; readonly testRows: number }>;
  readonly target: string;
  readonly positive?: string;
  readonly exclude?: readonly string[];
  readonly time?: string;
  readonly metric: MetricName;
  readonly goal: number;
  /** Measured only when it is named. */
  readonly isExtra?: boolean;
  /** Wall seconds that one training may take. */
  readonly secondsMax?: number;
}

const text = (path: string) => readFile(new URL(path, DATA), 'utf8');
const plain =
  (path: string, testRatio = 0) =>
  async () => {
    const csv = await text(path);
    return { csv, testRows: Math.round((csv.trimEnd().split('\n').length - 1) * testRatio) };
  };
const lower = (metric: MetricName) => metric === 'RMSE' || metric === 'MAE';

const ADULT = 'age,workclass,fnlwgt,education,education_num,marital,occupation,relationship,race,sex,gain,loss,hours,country,income';

const SETS: Readonly<Record<string, Set>> = {
  adult: {
    read: async () => {
      const rowsOf = async (path: string) =>
        (await text(path))
          .split(/\r?\n/)
          .filter((line) => line !== '' && !line.startsWith('|'))
          .map((line) => line.replace(/\.$/, '').replaceAll(', ', ','));
      const test = await rowsOf('adult_census_income/adult-test.csv');
      return { csv: [ADULT, ...(await rowsOf('adult_census_income/adult-train.csv')), ...test].join('\n'), testRows: test.length };
    },
    target: 'income',
    positive: '>50K',
    metric: 'ROC AUC',
    goal: 0.926,
    secondsMax: 120,
  },
  telco: {
    read: plain('telco_customer_churn/WA_Fn-UseC_-Telco-Customer-Churn.csv'),
    target: 'Churn',
    metric: 'ROC AUC',
    goal: 0.84,
    secondsMax: 45,
  },
  breast: {
    read: plain('breast_cancer_wisconsin/wdbc_diagnostic.csv'),
    target: 'diagnosis',
    exclude: ['rownames'],
    metric: 'ROC AUC',
    goal: 0.992,
  },
  fraud: {
    read: async () => ({ csv: (await text('creditcard_fraud_ulb_sample/creditcard_sample.csv')).replace(/^,/, 'row,'), testRows: 0 }),
    target: 'Class',
    exclude: ['row'],
    metric: 'AP',
    goal: 0.965,
  },
  california: { read: plain('california_housing/housing.csv'), target: 'median_house_value', metric: 'RMSE', goal: 46_500 },
  wine: {
    read: async () => {
      const rowsOf = async (path: string, colour: string) =>
        (await text(path))
          .trim()
          .split(/\r?\n/)
          .map((line) => `${line.replaceAll(';', ',').replaceAll('"', '')},${colour}`);
      const red = await rowsOf('wine_quality/winequality-red.csv', 'red');
      const white = await rowsOf('wine_quality/winequality-white.csv', 'white');
      const names =
        'fixed_acidity,volatile_acidity,citric_acid,sugar,chlorides,free_so2,total_so2,density,ph,sulphates,alcohol,quality,colour';
      return { csv: [names, ...red, ...white].filter((line) => !line.startsWith('fixed acidity')).join('\n'), testRows: 0 };
    },
    target: 'quality',
    metric: 'MAE',
    goal: 0.46,
  },
  bike: {
    read: plain('bike_sharing_hourly/hour.csv', 0.2),
    target: 'cnt',
    exclude: ['instant', 'casual', 'registered'],
    time: 'dteday',
    metric: 'RMSE',
    goal: 65,
  },
  victoria: {
    read: plain('vic_electricity_demand_hourly/vic_elec_every2nd.csv', 0.2),
    target: 'Demand',
    exclude: ['rownames', 'Date'],
    time: 'Time',
    metric: 'RMSE',
    goal: 200,
    isExtra: true,
  },
  sms: {
    read: async () => {
      const lines = (await text('sms_spam_collection/sms.tsv')).trimEnd().split('\n');
      const cells = lines.map((line) => [line.slice(0, line.indexOf('\t')), line.slice(line.indexOf('\t') + 1)]);
      return {
        csv: ['label,message', ...cells.map(([label, message]) => `${label},"${message?.replaceAll('"', '""')}"`)].join('\n'),
        testRows: 0,
      };
    },
    target: 'label',
    positive: 'spam',
    metric: 'F1',
    goal: 0.945,
  },
  banking77: {
    read: async () => {
      const [trained, tested] = [await text('banking77_intents/train.csv'), await text('banking77_intents/test.csv')];
      return { csv: trained.trimEnd() + tested.slice(tested.indexOf('\n')), testRows: 3_080 };
    },
    target: 'category',
    metric: 'accuracy',
    goal: 0.88,
    secondsMax: 180,
  },
};

interface Table {
  readonly frame: Frame;
  readonly contract: Contract;
  readonly testRows: number;
}

async function readTable(data: Data, directory: string, name: string, set: Set): Promise<Table> {
  const { csv, testRows } = await set.read();
  const path = join(directory, `${name}.csv`);
  await writeFile(path, csv);
  const { meta } = await data.ingestVersion({
    project: 'bench',
    name,
    principal: { id: 'prn_bench' },
    source: { path },
    target: set.target,
    ...(set.exclude ? { exclude: set.exclude } : {}),
    ...(set.time === undefined ? {} : { time: set.time }),
  });
  const frame = await data.loadFrame('bench', meta);
  return { frame, contract: await data.loadContract('bench', meta), testRows };
}

/** Share of the rows that a window of `--windows` judges by. */
const WINDOW_RATIO = 0.1;

function splitsOf(rowCount: number, testRows: number, isTimed: boolean): { readonly train: Int32Array; readonly test: Int32Array }[] {
  const all = Int32Array.from({ length: rowCount }, (_, row) => row);
  if (isTimed && options.windows !== undefined) {
    const at = (share: number) => Math.floor(share * rowCount);
    return options.windows.split(',').map((text) => {
      const from = Number(text);
      return { train: all.slice(0, at(from)), test: all.slice(at(from), at(from + WINDOW_RATIO)) };
    });
  }
  if (testRows > 0) return [{ train: all.slice(0, -testRows), test: all.slice(-testRows) }];
  const order = createRandom(SPLIT_SEED).shuffle(all.slice());
  return Array.from({ length: Number(options.splits) }, (_, split) => ({
    train: order.filter((_row, at) => at % 5 !== split).toSorted(),
    test: order.filter((_row, at) => at % 5 === split).toSorted(),
  }));
}

function score(metric: MetricName, model: TrainedModel, frame: Frame, target: Float64Array): number {
  const outputs = model.predict(frame);
  if (metric === 'RMSE') return rmse(outputs.values ?? [], target);
  if (metric === 'MAE') return mae(outputs.values ?? [], target);
  const labels = Int32Array.from(outputs.labels ?? [], (label) => model.classes?.indexOf(label) ?? -1);
  if (metric === 'accuracy') return accuracy(labels, target);
  if (metric === 'F1') return f1(labels, target);
  const positives = Float64Array.from(target, (_, row) => outputs.probabilities?.[2 * row + 1] ?? 0);
  return metric === 'AP' ? averagePrecision(positives, target) : rocAuc(positives, target);
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

interface Outcome {
  readonly search: number;
  /** Mean of each default trainer. */
  readonly defaults: Readonly<Record<string, number>>;
}

async function measure(name: string, set: Set, { frame, contract, testRows }: Table): Promise<Outcome> {
  const field = contract.fields.find((each) => each.name === set.target);
  if (!field) throw new Error(`${name} has no column ${set.target}`);
  const prepared = prepareTarget(frame, field, set.positive === undefined ? {} : { positive: set.positive });
  const scores: Record<string, number[]> = {};
  const seconds: number[] = [];
  let chosen = '';
  for (const [index, split] of splitsOf(prepared.rows.length, testRows, set.time !== undefined).entries()) {
    const at = (positions: Int32Array) => Array.from(positions, (position) => prepared.rows[position] as number);
    const targetOf = (positions: Int32Array) => Float64Array.from(positions, (position) => prepared.target[position] as number);
    const request: TrainRequest = {
      frame: takeRows(frame, at(split.train)),
      contract,
      task: prepared.task,
      target: targetOf(split.train),
      classes: prepared.classes,
      ...(set.time === undefined ? {} : { timeField: set.time }),
      threads: Number(options.threads),
      seed: index + 1,
    };
    const test = takeRows(frame, at(split.test));
    const note = async (way: string, more: Partial<TrainRequest>) => {
      const model = await train({ ...request, ...more }).catch((error: unknown) => {
        if (way === 'search') throw error;
        return undefined;
      });
      (scores[way] ??= []).push(model ? score(set.metric, model, test, targetOf(split.test)) : Number.NaN);
      return model;
    };
    const model = await note('search', { seconds: Number(options.seconds) });
    seconds.push(model?.seconds.total ?? 0);
    const entry = model?.leaderboard.find((each) => each.chosen);
    const members = (model?.params['members'] as unknown[] | undefined)?.length;
    const link = model?.params['link'] === 'root' ? '/root' : '';
    chosen += ` ${entry?.id}${members ? `(${members})` : ''}${link} ${scores['search']?.at(-1)?.toFixed(4)}`;
    if (!options.defaults) continue;
    await note('gbdt', { fixed: { trainer: 'gbdt', params: {} } });
    await note('linear', { fixed: { trainer: 'linear', params: {} } });
  }
  const means = Object.fromEntries(Object.entries(scores).map(([way, each]) => [way, mean(each)]));
  const { search = Number.NaN, ...defaults } = means;
  const isReached = lower(set.metric) ? search <= set.goal : search >= set.goal;
  const digits = Math.abs(search) > 10 ? 1 : 4;
  const isInTime = set.secondsMax === undefined || Math.max(...seconds) <= set.secondsMax;
  print(
    `${name}: ${set.metric} ${search.toFixed(digits)} (goal ${set.goal}: ${isReached ? 'reached' : 'MISSED'}) | defaults ` +
      `${
        Object.entries(defaults)
          .map(([way, value]) => `${way} ${value.toFixed(digits)}`)
          .join(', ') || '-'
      } | ` +
      `seconds mean ${mean(seconds).toFixed(1)} most ${Math.max(...seconds).toFixed(1)}${isInTime ? '' : ' TOO LONG'} | chosen${chosen}`,
  );
  return { search, defaults };
}

const directory = await mkdtemp(join(tmpdir(), 'slipway-accuracy-'));
const records = await createTestRecords([auditSchema, catalogSchema], 'embedded');
const objects = await openFolderObjects(join(directory, 'objects'));
const ids = createIds(systemClock);
const catalog = createCatalog({ records, audit: createAudit({ records, clock: systemClock, ids }), clock: systemClock, ids });
const data = createData({ records, objects, catalog, clock: systemClock, workDirectory: join(directory, 'work') });

/** What is left to gain: the error itself, or the way to 1. */
const errorOf = ({ metric }: Set, value: number) => (lower(metric) ? value : 1 - value);

/** Errors of search and defaults, each set's relative to the default that is best over all sets; below 1 is better. */
function summarise(errors: ReadonlyMap<string, Readonly<Record<string, number>>>): void {
  const ways = [...new Set([...errors.values()].flatMap((each) => Object.keys(each)))];
  const defaults = ways.filter((way) => way !== 'search');
  if (defaults.length === 0) return;
  const worst = (way: string) => mean([...errors.values()].map((each) => (each[way] ?? Number.NaN) / Math.min(...Object.values(each))));
  const usable = defaults.filter((way) => Number.isFinite(worst(way)));
  const best = usable.toSorted((left, right) => worst(left) - worst(right))[0] ?? 'gbdt';
  print(`\nerrors relative to the best single default, ${best}:`);
  for (const [name, each] of errors)
    print(
      `  ${name.padEnd(11)} ${ways.map((way) => `${way} ${((each[way] ?? Number.NaN) / (each[best] ?? Number.NaN)).toFixed(3)}`).join('  ')}`,
    );
  for (const way of ways) {
    const relative = [...errors.values()].map((each) => (each[way] ?? Number.NaN) / (each[best] ?? Number.NaN)).filter(Number.isFinite);
    print(
      `  mean        ${way} ${mean(relative).toFixed(3)} over ${relative.length} sets${way === 'search' ? (mean(relative) < 1 ? ': better' : ': NOT BETTER') : ''}`,
    );
  }
}

const startedMs = performance.now();
const wanted = options.sets === undefined ? positionals : options.sets.split(',');
try {
  const errors = new Map<string, Record<string, number>>();
  for (const name of wanted.length > 0 ? wanted : Object.keys(SETS).filter((each) => !SETS[each]?.isExtra)) {
    const set = SETS[name];
    if (!set) throw new Error(`There is no set ${name}; there are ${Object.keys(SETS).join(', ')}.`);
    const { search, defaults } = await measure(name, set, await readTable(data, directory, name, set));
    errors.set(name, Object.fromEntries(Object.entries({ search, ...defaults }).map(([way, value]) => [way, errorOf(set, value)])));
  }
  summarise(errors);
  print(`whole protocol: ${((performance.now() - startedMs) / 60_000).toFixed(1)} minutes, load ${(loadavg()[0] ?? 0).toFixed(1)}`);
} finally {
  await data.close();
  await records.close();
  await rm(directory, { recursive: true, force: true });
}
