import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@slipway/client';
import { locateModel, openModel } from '@slipway/models';
import { LaunchResult } from '@slipway/project/contract';
import { startServer } from '@slipway/server';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { runCli } from './run-cli.ts';

/**
 * Launches of real tables, end to end, through a running server and the command line as a user types it. `full` uses the
 * default search time; the quick run shortens it, and its floors are what that reaches.
 */
const DATA = new URL('../../../shared/data/', import.meta.url).pathname;
const FULL = process.env['SLIPWAY_CONFORMANCE'] === 'full';
const ROWS_COMPARED = 60;

interface RealSet {
  readonly name: string;
  readonly file: string;
  readonly flags: readonly string[];
  readonly metric: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly quickSeconds: number;
  readonly wallSecondsMax?: number;
  /** Columns that must be found out and dropped; any other leak is a false alarm. */
  readonly leaks?: readonly string[];
  /** The quick run takes the rows of so many classes only, the label being the last value of a line. */
  readonly quickClasses?: number;
}

const ADULT_COLUMNS =
  'age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,capital_gain,capital_loss,hours_per_week,native_country,income';
const WINE_COLUMNS =
  'fixed_acidity,volatile_acidity,citric_acid,residual_sugar,chlorides,free_sulfur_dioxide,total_sulfur_dioxide,density,ph,sulphates,alcohol,quality';

const SETS: readonly RealSet[] = [
  {
    name: 'telco',
    file: 'telco_customer_churn/WA_Fn-UseC_-Telco-Customer-Churn.csv',
    flags: ['--target', 'Churn'],
    metric: 'roc_auc',
    atLeast: 0.83,
    quickSeconds: 10,
    wallSecondsMax: 60,
  },
  {
    name: 'adult',
    file: 'adult_census_income/adult-train.csv',
    flags: ['--target', 'income', '--columns', ADULT_COLUMNS, '--test', 'adult_census_income/adult-test.csv'],
    metric: 'roc_auc',
    atLeast: 0.92,
    quickSeconds: 20,
  },
  {
    name: 'breast-cancer',
    file: 'breast_cancer_wisconsin/wdbc_diagnostic.csv',
    flags: ['--target', 'diagnosis'],
    metric: 'roc_auc',
    atLeast: 0.98,
    quickSeconds: 5,
  },
  {
    name: 'wine',
    file: 'wine_quality/winequality-red.csv',
    flags: ['--target', 'quality', '--columns', WINE_COLUMNS],
    metric: 'mae',
    atMost: 0.5,
    quickSeconds: 5,
  },
  {
    name: 'california',
    file: 'california_housing/housing.csv',
    flags: ['--target', 'median_house_value'],
    metric: 'rmse',
    atMost: 52_000,
    quickSeconds: 12,
  },
  {
    name: 'bike-sharing',
    file: 'bike_sharing_hourly/hour.csv',
    flags: ['--target', 'cnt', '--time', 'dteday'],
    metric: 'rmse',
    atMost: 80,
    quickSeconds: 8,
    leaks: ['casual', 'registered'],
  },
  {
    name: 'sms',
    file: 'sms_spam_collection/sms.tsv',
    flags: ['--columns', 'label,text', '--target', 'label', '--positive', 'spam'],
    metric: 'f1',
    atLeast: 0.91,
    quickSeconds: 8,
  },
  {
    name: 'banking77',
    file: 'banking77_intents/train.csv',
    flags: ['--target', 'category', '--test', 'banking77_intents/test.csv'],
    metric: 'accuracy',
    atLeast: 0.86,
    quickSeconds: 10,
    quickClasses: 15,
  },
];

const present = existsSync(DATA);
if (!present) process.stderr.write('skipped: the real data sets lie beside the repository, in ../shared/data, which is absent here\n');

describe.skipIf(!present)('launches of real data', () => {
  let home: string;
  let server: Awaited<ReturnType<typeof startServer>>;
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'slipway-acceptance-'));
    server = await startServer({ home, port: 0, listen: true });
  });
  afterAll(async () => {
    await server?.close();
    rmSync(home, { recursive: true, force: true });
  });

  test.each(SETS)('$name is launched, sane, and answers over HTTP as its version does', async (set) => {
    const pathOf = (name: string) => (FULL || set.quickClasses === undefined ? join(DATA, name) : fewerClasses(name, set.quickClasses));
    const flags = set.flags.map((flag, at) => (set.flags[at - 1] === '--test' ? pathOf(flag) : flag));
    const seconds = FULL ? [] : ['--seconds', String(set.quickSeconds)];
    const started = performance.now();
    const run = await runCli(['launch', pathOf(set.file), ...flags, '--name', set.name, ...seconds, '--json', '--home', home]);
    const wallSeconds = (performance.now() - started) / 1000;
    assert.equal(run.code, 0, run.stderr);
    const result = LaunchResult.parse(JSON.parse(run.stdout));
    const value = result.metrics[set.metric]?.value ?? Number.NaN;
    process.stderr.write(
      `${set.name}: ${set.metric} ${value.toFixed(4)}, ${result.trainer}, ${wallSeconds.toFixed(1)} s, parity ${result.parity.maxError}\n`,
    );
    if (set.atLeast !== undefined) assert.ok(value >= set.atLeast, `${set.metric} is ${value}`);
    if (set.atMost !== undefined) assert.ok(value <= set.atMost, `${set.metric} is ${value}`);
    if (set.wallSecondsMax !== undefined) assert.ok(wallSeconds <= set.wallSecondsMax, `took ${wallSeconds} s`);
    assert.ok(
      result.gates.every((gate) => gate.passed),
      JSON.stringify(result.gates),
    );
    const leaks = result.leakage.map(({ column, action }) => [column, action]);
    const expected = (set.leaks ?? []).map((column) => [column, 'dropped']);
    assert.deepEqual(leaks, expected, 'the leaks that are there are dropped; no other is raised');
    await compareWithVersion(set, result);
  });

  test('air passengers are forecast better than by last year, released, and answered with intervals', async () => {
    const file = join(DATA, 'air_passengers/airline-passengers.csv');
    const flags = ['--task', 'forecast', '--target', 'Passengers', '--time', 'Month', '--horizon', '12'];
    const run = await runCli(['launch', file, ...flags, '--name', 'air', '--json', '--home', home]);
    assert.equal(run.code, 0, run.stderr);
    const { metrics, baseline, gates } = LaunchResult.parse(JSON.parse(run.stdout));
    process.stderr.write(`air: mape ${metrics['mape']?.value}, seasonal naive ${baseline['mape']}\n`);
    assert.ok((metrics['mape']?.value ?? 1) < 0.6 * (baseline['mape'] ?? 0));
    assert.ok(gates.every((gate) => gate.passed));
    const answered = await runCli(['predict', 'air', '{"horizon": 12}', '--json', '--home', home]);
    assert.equal(answered.code, 0, answered.stderr);
    const said = JSON.stringify(JSON.parse(answered.stdout));
    assert.match(said, /1961-12/, 'the last of twelve months after the end of the series');
    const refused = await runCli(['predict', 'air', '{"horizon": 100000}', '--home', home]);
    assert.equal(refused.code, 2, refused.stderr);
  });

  /** The lines of the first classes in alphabetical order, in a file of its own. */
  function fewerClasses(name: string, count: number): string {
    const [head = '', ...lines] = readFileSync(join(DATA, name), 'utf8').split(/\r?\n/);
    const labelOf = (line: string) => line.slice(line.lastIndexOf(',') + 1);
    const whole = lines.filter((line) => /^[a-z_?]+$/i.test(labelOf(line)) && line.split('"').length % 2 === 1);
    const kept = new Set([...new Set(whole.map(labelOf))].toSorted().slice(0, count));
    const path = join(home, name.replaceAll('/', '-'));
    writeFileSync(path, [head, ...whole.filter((line) => kept.has(labelOf(line))), ''].join('\n'));
    return path;
  }

  async function compareWithVersion(set: RealSet, result: LaunchResult): Promise<void> {
    const client = createClient({ url: server.url ?? '', key: server.localToken.reveal() });
    const { house } = server;
    const project = (await client.me()).project.id;
    const { rows } = await client.datasets.rows(result.dataset, { limit: ROWS_COMPARED });
    const { path, metadata } = await locateModel(house, project, result.version);
    const model = await openModel({ path, metadata });
    try {
      const direct = await model.predictRows(rows);
      const reply = await client.predict(set.name, { rows });
      assert.equal(reply.version, result.version);
      reply.predictions.forEach((prediction, row) => {
        if (metadata.classes === null) return assert.equal(prediction.prediction, direct.values?.[row]);
        const expected = Object.fromEntries(
          metadata.classes.map((label, at) => [label, direct.probabilities?.[row * (metadata.classes?.length ?? 0) + at]]),
        );
        assert.deepEqual(prediction.probabilities, expected);
        assert.equal(prediction.prediction, direct.labels[row]);
      });
      assert.ok(
        new Set(reply.predictions.map((each) => JSON.stringify(each.probabilities ?? each.prediction))).size > 10,
        'negative control: predictions differ from row to row',
      );
    } finally {
      await model.close();
    }
  }
});
