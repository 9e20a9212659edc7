import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type IngestRequest, type IngestResult, type SourceOptions, ingest } from './ingest.ts';
import { type TestHome, createTestHome } from './testing/index.ts';

const FOLDER = resolve(import.meta.dirname, '../../../../shared/data');
const present = existsSync(FOLDER);
if (!present) process.stderr.write('Skipped: the data sets beside the repository (../shared/data) are absent.\n');

const ADULT =
  'age,workclass,fnlwgt,education,education-num,marital-status,occupation,relationship,race,sex,capital-gain,capital-loss,hours-per-week,native-country,income';
const WINE =
  'fixed_acidity,volatile_acidity,citric_acid,residual_sugar,chlorides,free_sulfur_dioxide,total_sulfur_dioxide,density,pH,sulphates,alcohol,quality';

const field = (result: IngestResult, name: string) => result.contract.fields.find((candidate) => candidate.name === name);
const column = (result: IngestResult, name: string) => result.profile.columns.find((candidate) => candidate.name === name);

describe.skipIf(!present)('real data', () => {
  let home: TestHome;
  beforeAll(async () => {
    home = await createTestHome();
  });
  afterAll(() => home.close());

  const read = (file: string, source: Omit<SourceOptions, 'path'> = {}, request: Partial<IngestRequest> = {}) =>
    ingest(home, { project: 'default', ...request, source: { ...source, path: join(FOLDER, file) } });

  test('DA11 Telco: blank TotalCharges are missing numbers, and customerID is an identifier', async () => {
    const result = await read('telco_customer_churn/WA_Fn-UseC_-Telco-Customer-Churn.csv', {}, { target: 'Churn' });

    assert.equal(result.rows, 7_043);
    assert.deepEqual([field(result, 'TotalCharges')?.type, column(result, 'TotalCharges')?.missing], ['float64', 11]);
    assert.equal(field(result, 'customerID')?.role, 'identifier');
    assert.deepEqual(field(result, 'Churn')?.expect.allowedValues, ['No', 'Yes']);
    assert.equal(field(result, 'SeniorCitizen')?.role, 'numeric');
  });

  test('DA11 Adult: no header, spaces after commas, question marks, and the test file with full stops', async () => {
    const columns = ADULT.split(',');
    const train = await read('adult_census_income/adult-train.csv', { columns }, { target: 'income' });
    const held = await read('adult_census_income/adult-test.csv', { columns }, { contract: train.contract });
    const missing = train.profile.columns.filter((candidate) => candidate.missing > 0).map(({ name, markers }) => [name, markers]);

    assert.deepEqual([train.rows, held.rows], [32_561, 16_281]);
    assert.deepEqual(missing, [
      ['workclass', { '?': 1_836 }],
      ['occupation', { '?': 1_843 }],
      ['native-country', { '?': 583 }],
    ]);
    assert.deepEqual(column(train, 'income')?.top, [
      { value: '<=50K', count: 24_720 },
      { value: '>50K', count: 7_841 },
    ]);
    assert.deepEqual(column(held, 'income')?.top, [
      { value: '<=50K', count: 12_435 },
      { value: '>50K', count: 3_846 },
    ]);
    assert.match(held.notes.map((note) => note.note).join(), /full stop/);
    await assert.rejects(read('adult_census_income/adult-train.csv'), { code: 'data/no-header' });
  });

  test('DA11 Titanic: quoted names, missing ages and cabins', async () => {
    const result = await read('titanic/train.csv', {}, { target: 'Survived' });

    assert.deepEqual(
      ['Age', 'Cabin', 'Embarked', 'Fare'].map((name) => column(result, name)?.missing),
      [177, 687, 2, 0],
    );
    assert.equal(field(result, 'PassengerId')?.role, 'identifier');
    assert.equal(field(result, 'Name')?.role, 'text');
    assert.equal(field(result, 'Sex')?.role, 'categorical');
  });

  test('DA11 California housing: 207 blanks, ranges as published', async () => {
    const result = await read('california_housing/housing.csv', {}, { target: 'median_house_value' });

    assert.equal(result.rows, 20_640);
    assert.equal(column(result, 'total_bedrooms')?.missing, 207);
    assert.equal(column(result, 'median_house_value')?.numbers?.maximum, 500_001);
    assert.equal(column(result, 'ocean_proximity')?.rareSuppressed, false);
  });

  test.each<[string, string, number, Omit<SourceOptions, 'path'>]>([
    ['breast cancer (diagnostic)', 'breast_cancer_wisconsin/wdbc_diagnostic.csv', 569, {}],
    ['breast cancer (original)', 'breast_cancer_wisconsin/original_1992.csv', 699, { header: false }],
    ['red wine', 'wine_quality/winequality-red.csv', 1_599, { columns: WINE.split(',') }],
    ['white wine', 'wine_quality/winequality-white.csv', 4_898, { columns: WINE.split(',') }],
    ['credit card fraud', 'creditcard_fraud_ulb_sample/creditcard_sample.csv', 1_722, {}],
    ['bike sharing', 'bike_sharing_hourly/hour.csv', 17_379, {}],
    ['air passengers', 'air_passengers/airline-passengers.csv', 144, {}],
    ['electricity demand', 'vic_electricity_demand_hourly/vic_elec_every2nd.csv', 26_304, {}],
    ['electricity drift', 'elec2_nsw_electricity/elec.csv', 45_312, {}],
    ['spam', 'sms_spam_collection/sms.tsv', 5_574, { columns: ['label', 'text'] }],
    ['banking intents', 'banking77_intents/train.csv', 10_003, {}],
    ['hallucinations (JSON lines)', 'halueval_general/general_data.json', 4_507, {}],
  ])('DA11 %s has its published number of rows', async (_, file, rows, source) => {
    assert.equal((await read(file, source)).rows, rows);
  });

  test('DA11 types and roles of the time series', async () => {
    const months = await read('air_passengers/airline-passengers.csv');
    const bikes = await read('bike_sharing_hourly/hour.csv');
    const demand = await read('vic_electricity_demand_hourly/vic_elec_every2nd.csv');

    assert.deepEqual([field(months, 'Month')?.type, column(months, 'Month')?.numbers?.minimum], ['timestamp', Date.UTC(1949, 0)]);
    assert.deepEqual([field(bikes, 'dteday')?.role, field(bikes, 'instant')?.role], ['time', 'identifier']);
    assert.equal(column(bikes, 'cnt')?.numbers?.mean.toFixed(6), (3_292_679 / 17_379).toFixed(6));
    assert.deepEqual([field(demand, 'Holiday')?.type, field(demand, 'rownames')?.role], ['boolean', 'identifier']);
  });
});
