import assert from 'node:assert/strict';
import { Contract, canonicalJson } from '@slipway/kernel';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { DataContractError } from './errors.ts';
import { hasIdName } from './infer-roles.ts';
import type { IngestResult } from './ingest.ts';
import { type TestHome, cells, createTestHome } from './testing/index.ts';

let home: TestHome;
beforeAll(async () => {
  home = await createTestHome();
});
afterAll(() => home.close());

const ROWS = 60;
const CITIES = ['Porto', 'Lima', 'Oslo'];

function customers(change: (row: Record<string, string>, index: number) => void = () => {}, names?: readonly string[]): string {
  const rows = Array.from({ length: ROWS }, (_, index) => {
    const row: Record<string, string> = {
      customerID: `C-${index * 7}`,
      row: String(index + 100),
      age: String(20 + (index % 40)),
      city: CITIES[index % 3] as string,
      vip: index % 2 === 0 ? 'true' : 'false',
      since: `2024-01-${String((index % 28) + 1).padStart(2, '0')}`,
      comment: `The customer number ${index} wrote that the parcel came late and was ${index % 5 ? 'wet' : 'dry'}`,
      country: 'Chile',
      spent: index % 10 === 0 ? '' : (index * 1.5).toFixed(2),
      churn: index % 3 === 0 ? 'Yes' : 'No',
    };
    change(row, index);
    return row;
  });
  const columns = names ?? Object.keys(rows[0] as object);
  return [columns.join(','), ...rows.map((row) => columns.map((name) => row[name] ?? '').join(','))].join('\n');
}

const roleOf = (result: IngestResult) => Object.fromEntries(result.contract.fields.map((field) => [field.name, field.role]));

describe('roles', () => {
  test('DA7 every column gets the role its values and name suggest, and what is not used says why', async () => {
    const result = await home.ingest(customers(), {}, { target: 'churn' });

    assert.deepEqual(roleOf(result), {
      customerID: 'identifier',
      row: 'identifier',
      age: 'numeric',
      city: 'categorical',
      vip: 'boolean',
      since: 'time',
      comment: 'text',
      country: 'ignored',
      spent: 'numeric',
      churn: 'target',
    });
    const notes = Object.fromEntries(result.notes.map((note) => [note.column, note.note]));
    assert.match(String(notes['customerID']), /identifies rows/);
    assert.match(String(notes['row']), /counts the rows/);
    assert.match(String(notes['country']), /same value/);
  });

  test('DA7 wishes win over inference', async () => {
    const result = await home.ingest(
      customers(),
      {},
      { target: 'churn', exclude: ['comment'], as: { age: 'categorical', customerID: 'text', since: 'categorical' }, group: 'city' },
    );
    const roles = roleOf(result);
    const frame = await home.frame(result);

    assert.equal(roles['comment'], 'ignored');
    assert.equal(roles['customerID'], 'text');
    assert.equal(roles['city'], 'identifier');
    assert.deepEqual(cells(frame, 'age').slice(0, 2), ['20', '21']);
    assert.deepEqual(cells(frame, 'since').slice(0, 2), ['2024-01-01', '2024-01-02']);
  });

  test('DA7 names of keys are told from words that only end alike', () => {
    for (const name of [
      'id',
      'ID',
      'customerID',
      'customer_id',
      'PassengerId',
      'uuid',
      'order_no',
      'rownames',
      'index',
      'Unnamed: 0',
      'key',
    ]) {
      assert.ok(hasIdName(name), name);
    }
    for (const name of ['paid', 'humid', 'age', 'monkey', 'fluid', 'income', 'liquidity', 'piano']) assert.ok(!hasIdName(name), name);
  });

  test('DA7 a unique numeric measurement is not taken for an identifier', async () => {
    const values = Array.from({ length: 50 }, (_, index) => index * index + 17);
    const result = await home.ingest(`income,y\n${values.map((value, index) => `${value},${index % 2}`).join('\n')}\n`);
    assert.equal(roleOf(result)['income'], 'numeric');
  });
});

describe('profile', () => {
  test('DA8 counts, moments, quantiles, duplicates and top values are those of the data', async () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1);
    const lines = values.map((value) => `${value / 2},${value % 2 ? 'odd' : 'even'},${value === 7 ? 'rare' : 'usual'}`);
    const { profile } = await home.ingest(`x,parity,kind\n${lines.join('\n')}\n${lines[0]}\n`);
    const [x, parity, kind] = profile.columns;

    assert.equal(profile.duplicateRows, 1);
    assert.equal(x?.distinct, 100);
    assert.equal(x?.numbers?.minimum, 0.5);
    assert.equal(x?.numbers?.maximum, 50);
    assert.ok(Math.abs((x?.numbers?.mean ?? 0) - (2525 + 0.5) / 101) < 1e-12);
    assert.equal(x?.numbers?.quantiles[3], 25);
    assert.deepEqual(parity?.top, [
      { value: 'odd', count: 51 },
      { value: 'even', count: 50 },
    ]);
    assert.equal(parity?.rareSuppressed, false);
    assert.equal(kind?.rareSuppressed, true);
    assert.deepEqual(kind?.top, [{ value: 'usual', count: 100 }]);
  });
});

describe('contracts', () => {
  test('DA9 an inferred contract holds for its own data, survives canonical JSON, and names what it saw', async () => {
    const text = customers();
    const { contract } = await home.ingest(text, {}, { target: 'churn' });
    const again = Contract.parse(JSON.parse(canonicalJson(contract)));
    const field = (name: string) => again.fields.find((candidate) => candidate.name === name);

    assert.deepEqual(again, contract);
    assert.equal(field('age')?.nullable, false);
    assert.deepEqual([field('age')?.expect.minimum, field('age')?.expect.maximum], [20, 59]);
    assert.equal(field('spent')?.nullable, true);
    assert.equal(field('spent')?.expect.missingRatioMax, 0.25);
    assert.deepEqual(field('city')?.expect.allowedValues, ['Lima', 'Oslo', 'Porto']);
    assert.deepEqual(field('churn')?.expect.allowedValues, ['No', 'Yes']);
    assert.deepEqual((await home.ingest(text, {}, { contract: again })).enforcement.counts, []);
  });

  test('DA9 violations name row, column, expectation and value; warnings do not reject', async () => {
    const { contract } = await home.ingest(customers(), {}, { target: 'churn' });
    const changed = customers((row, index) => {
      if (index === 4) row['age'] = '150';
      if (index === 9) row['city'] = 'Quito';
    });
    const { enforcement } = await home.ingest(changed, {}, { contract });

    assert.equal(enforcement.ok, true);
    assert.deepEqual(enforcement.violations, [
      { row: 4, field: 'age', rule: 'maximum', expected: 'at most 59', got: '"150"' },
      { row: 9, field: 'city', rule: 'allowed', expected: 'one of Lima, Oslo, Porto', got: '"Quito"' },
    ]);
  });

  test('DA9 broken expectations of severity error, missing values and repeated keys reject the data', async () => {
    const { contract } = await home.ingest(customers(), {}, { target: 'churn' });
    const strict: Contract = {
      ...contract,
      fields: contract.fields.map((field) =>
        field.name === 'customerID'
          ? { ...field, expect: { unique: true }, severity: 'error' }
          : { ...field, severity: field.name === 'age' || field.name === 'spent' ? 'error' : 'warn' },
      ),
    };
    const changed = customers((row, index) => {
      if (index === 3) row['age'] = '7';
      if (index === 5) row['age'] = '';
      if (index === 8) row['customerID'] = 'C-0';
      if (index > 30) row['spent'] = '';
    });

    await assert.rejects(home.ingest(changed, {}, { contract: strict }), (thrown: unknown) => {
      assert.ok(thrown instanceof DataContractError);
      assert.deepEqual(thrown.details['counts'], [
        { field: 'age', rule: 'missing', severity: 'error', count: 1 },
        { field: 'age', rule: 'minimum', severity: 'error', count: 1 },
        { field: 'spent', rule: 'missing', severity: 'error', count: 33 },
        { field: 'customerID', rule: 'unique', severity: 'error', count: 1 },
      ]);
      const violations = thrown.details['violations'] as { row: number; field: string }[];
      assert.deepEqual(violations.find((violation) => violation.field === 'customerID')?.row, 8);
      assert.ok(violations.length <= 100);
      return true;
    });
    assert.equal((await home.ingest(customers(), {}, { contract: strict })).enforcement.ok, true);
  });

  test('DA9 missing, extra and retyped columns of a new file are named', async () => {
    const { contract } = await home.ingest(customers(), {}, { target: 'churn' });
    const names = contract.fields.map((field) => field.name);
    const without = customers(
      () => {},
      names.filter((name) => name !== 'city'),
    );
    const retyped = customers((row) => (row['age'] = 'many'));
    const extra = customers((row) => (row['added'] = '1'), [...names, 'added']);

    await assert.rejects(home.ingest(without, {}, { contract }), { code: 'data/contract', message: /column "city" is missing/ });
    await assert.rejects(home.ingest(retyped, {}, { contract }), {
      message: /column "age" is retyped \(expected int64, got string \("many" at line 2/,
    });
    const tolerated = await home.ingest(extra, {}, { contract });
    assert.deepEqual(
      tolerated.enforcement.columns.map(({ column, problem }) => [column, problem]),
      [['added', 'extra']],
    );
    assert.equal(tolerated.profile.columns.length, names.length);
  });

  test('DA9 a contract reads values as its types where nothing is lost, in its own order of columns', async () => {
    const contract = (await home.ingest('x,code,n\n1.5,A1,1\n2.5,B2,2\n')).contract;
    const read = await home.ingest(
      'code,n,x\n007,3,4\n008,,5\n',
      {},
      { contract: { ...contract, fields: contract.fields.map((field) => ({ ...field, nullable: true })) } },
    );

    assert.deepEqual(
      read.profile.columns.map(({ name, type }) => [name, type]),
      [
        ['x', 'float64'],
        ['code', 'string'],
        ['n', 'int64'],
      ],
    );
    assert.deepEqual(cells(await home.frame(read), 'code'), ['007', '008']);
  });
});
