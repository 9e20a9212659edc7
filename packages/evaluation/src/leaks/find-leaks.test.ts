import { CancelledError, type Column, type Frame, textColumn } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, expect, test } from 'vitest';
import { EvaluationInputError, type Leak, type Task, findLeaks } from '../index.ts';
import { codesOf, frameOf, hasData, readCsv } from '../testing/read-csv.ts';

interface RealSet {
  readonly name: string;
  readonly path: string;
  readonly names?: readonly string[];
  readonly target: string;
  readonly task: Task;
}

const ADULT = 'age,workclass,fnlwgt,education,education_num,marital,occupation,relationship,race,sex,gain,loss,hours,country,income'.split(
  ',',
);
const WINE = 'fixed,volatile,citric,sugar,chlorides,free,total,density,ph,sulphates,alcohol,quality'.split(',');
const SETS: RealSet[] = [
  { name: 'Telco', path: 'telco_customer_churn/WA_Fn-UseC_-Telco-Customer-Churn.csv', target: 'Churn', task: 'binary' },
  { name: 'Adult', path: 'adult_census_income/adult-train.csv', names: ADULT, target: 'income', task: 'binary' },
  { name: 'breast cancer', path: 'breast_cancer_wisconsin/wdbc_diagnostic.csv', target: 'diagnosis', task: 'binary' },
  {
    name: 'breast cancer 1992',
    path: 'breast_cancer_wisconsin/original_1992.csv',
    names: 'a,b,c,d,e,f,g,h,i,class'.split(','),
    target: 'class',
    task: 'binary',
  },
  { name: 'red wine as numbers', path: 'wine_quality/winequality-red.csv', names: WINE, target: 'quality', task: 'regression' },
  { name: 'white wine as classes', path: 'wine_quality/winequality-white.csv', names: WINE, target: 'quality', task: 'multiclass' },
  { name: 'California', path: 'california_housing/housing.csv', target: 'median_house_value', task: 'regression' },
  { name: 'Titanic', path: 'titanic/train.csv', target: 'Survived', task: 'binary' },
];

const loadedSets = new Map<string, ReturnType<typeof read>>();

function load(set: RealSet) {
  const known = loadedSets.get(set.name) ?? read(set);
  loadedSets.set(set.name, known);
  return known;
}

function read(set: RealSet) {
  const frame = frameOf(readCsv(set.path, set.names));
  const column = frame.columns.get(set.target) as Column;
  const { classes, codes } = codesOf(column);
  const target = set.task === 'regression' ? (column.kind === 'number' ? column.values : new Float64Array()) : codes;
  const fields = [...frame.columns.keys()].filter((name) => name !== set.target);
  return { frame, fields, target, classes: set.task === 'regression' ? null : classes, task: set.task, seed: 1 };
}

/** The same table with one more column. */
function plant(loaded: ReturnType<typeof read>, column: Column) {
  const frame: Frame = { rowCount: loaded.frame.rowCount, columns: new Map(loaded.frame.columns).set('planted', column) };
  return { ...loaded, frame, fields: [...loaded.fields, 'planted'] };
}

function numbers(length: number, value: (row: number) => number): Column {
  return { kind: 'number', values: Float64Array.from({ length }, (_, row) => value(row)) };
}

function brief(leaks: readonly Leak[]): [string, string, string][] {
  return leaks.map((leak) => [leak.column, leak.kind, leak.action]);
}

describe.each(SETS)('$name', (set) => {
  const present = hasData(set.path);

  test.skipIf(!present)('as published raises nothing', async () => {
    expect(brief(await findLeaks(load(set)))).toEqual([]);
  });

  test.skipIf(!present)('with a recoded copy of the target finds it and nothing else', async () => {
    const loaded = load(set);
    const copy = plant(
      loaded,
      numbers(loaded.frame.rowCount, (row) => 7 - 3 * (loaded.target[row] as number)),
    );
    expect(brief(await findLeaks(copy))).toEqual([['planted', 'target-copy', 'dropped']]);
  });

  test.skipIf(!present)('with a copy as text, missing for one value, finds it', async () => {
    const loaded = load(set);
    const texts = textColumn(Array.from(loaded.target, (value) => (value === loaded.target[0] ? null : `code ${value}`)));
    const found = await findLeaks(plant(loaded, texts));
    expect(found.map((leak) => leak.column)).toEqual(set.name === 'California' ? [] : ['planted']);
  });

  test.skipIf(!present)('with a copy that has a little noise finds it', async () => {
    const loaded = load(set);
    const random = createRandom(5);
    const column = numbers(
      loaded.frame.rowCount,
      (row) => (loaded.target[row] as number) * (set.task === 'regression' ? 1 + 0.002 * random.normal() : 1) + 0.02 * random.normal(),
    );
    const found = await findLeaks(plant(loaded, column));
    // On the seven grades of a regression so little noise keeps the grades apart, which is an exact relation.
    const kind = set.name === 'red wine as numbers' ? 'function-of-target' : 'suspicious';
    expect(brief(found)).toEqual([['planted', kind, kind === 'suspicious' ? 'needs-acceptance' : 'dropped']]);
  });
});

/** A task with one weak honest column, to plant into without any file. */
function made(task: Task, rows = 400) {
  const random = createRandom('made');
  const target =
    task === 'regression'
      ? Float64Array.from({ length: rows }, () => 50 + 10 * random.normal())
      : Int32Array.from({ length: rows }, () => random.int(task === 'binary' ? 2 : 4));
  const weak = numbers(rows, (row) => (target[row] as number) * 0.05 + random.normal());
  const noise = numbers(rows, () => random.normal());
  const frame: Frame = {
    rowCount: rows,
    columns: new Map([
      ['weak', weak],
      ['noise', noise],
    ]),
  };
  return {
    frame,
    fields: ['weak', 'noise'],
    target,
    classes: task === 'regression' ? null : ['a', 'b', 'c', 'd'].slice(0, task === 'binary' ? 2 : 4),
    task,
    seed: 3,
  };
}

describe('planted relations', () => {
  test.each(['binary', 'multiclass', 'regression'] as const)('an honest %s table raises nothing (negative control)', async (task) => {
    expect(await findLeaks(made(task))).toEqual([]);
  });

  test('finer categories that each belong to one class are dropped', async () => {
    const base = made('binary');
    const column = textColumn(Array.from(base.target, (code, row) => `${code === 1 ? 'left' : 'stays'} ${row % 5}`));
    const [found] = await findLeaks(plant(base, column));
    expect(found).toMatchObject({ column: 'planted', kind: 'function-of-target', action: 'dropped', evidence: { values: 10 } });
  });

  test('a date that is filled in only after the outcome is found by its being missing', async () => {
    const base = made('binary');
    const column = numbers(400, (row) => (base.target[row] === 1 ? 1_700_000_000_000 + row * 86_400_000 : Number.NaN));
    expect(brief(await findLeaks(plant(base, column)))).toEqual([['planted', 'suspicious', 'needs-acceptance']]);
  });

  test('a column with one exception in a hundred is still suspicious, with one in six it is not', async () => {
    const base = made('binary', 2_000);
    const flipped = (every: number) =>
      numbers(2_000, (row) => (row % every === 0 ? 1 - (base.target[row] as number) : (base.target[row] as number)));
    expect(brief(await findLeaks(plant(base, flipped(100))))).toEqual([['planted', 'suspicious', 'needs-acceptance']]);
    expect(await findLeaks(plant(base, flipped(6)))).toEqual([]);
  });

  test('a rescaled, a written-out, a squared and a rounded regression target are found', async () => {
    const base = made('regression');
    const y = base.target;
    const kinds = async (column: Column) => brief(await findLeaks(plant(base, column)));
    expect(await kinds(numbers(400, (row) => (y[row] as number) * 1.8 + 32))).toEqual([['planted', 'target-copy', 'dropped']]);
    expect(await kinds(textColumn(Array.from(y, (value) => `$${value}`)))).toEqual([['planted', 'target-copy', 'dropped']]);
    expect(await kinds(numbers(400, (row) => -((y[row] as number) ** 3)))).toEqual([['planted', 'function-of-target', 'dropped']]);
    expect(await kinds(numbers(400, (row) => Math.floor(y[row] as number)))).toEqual([['planted', 'function-of-target', 'dropped']]);
    expect(await kinds(textColumn(Array.from(y, (value) => (value < 45 ? 'low' : value < 55 ? 'middle' : 'high'))))).toEqual([
      ['planted', 'function-of-target', 'dropped'],
    ]);
  });

  test('two columns that add up to the target are both named', async () => {
    const base = made('regression');
    const random = createRandom(8);
    const part = Float64Array.from({ length: 400 }, () => 20 * random.normal());
    const one = plant(
      base,
      numbers(400, (row) => (base.target[row] as number) - (part[row] as number)),
    );
    const frame: Frame = { rowCount: 400, columns: new Map(one.frame.columns).set('part', { kind: 'number', values: part }) };
    const found = await findLeaks({ ...one, frame, fields: [...one.fields, 'part'] });
    expect(brief(found)).toEqual([
      ['planted', 'function-of-target', 'dropped'],
      ['part', 'function-of-target', 'dropped'],
    ]);
    expect(found[0]?.reason).toContain('= planted + part on all 400 rows');
  });

  test('three and five columns that add up to the target are named with the equation, others are not; a noisy sum is none', async () => {
    const base = made('regression');
    for (const count of [3, 5]) {
      const random = createRandom(count);
      const parts = Array.from({ length: count - 1 }, () => Float64Array.from({ length: 400 }, () => Math.round(40 * random.normal()) / 4));
      const rest = (noise: number) =>
        base.target.map(
          (y, row) => (y - 7 - parts.reduce((sum, part) => sum + 2 * (part[row] as number), 0)) / -0.5 + noise * random.normal(),
        );
      const columns = new Map(base.frame.columns);
      parts.forEach((values, at) => columns.set(`part${at}`, { kind: 'number', values }));
      const fields = [...base.fields, ...parts.map((_, at) => `part${at}`), 'rest'];
      const findWith = (noise: number) =>
        findLeaks({
          ...base,
          fields,
          frame: { rowCount: 400, columns: new Map(columns).set('rest', { kind: 'number', values: Float64Array.from(rest(noise)) }) },
        });
      const found = await findWith(0);
      expect(found.map((each) => each.column).toSorted()).toEqual([...parts.map((_, at) => `part${at}`), 'rest']);
      expect(found[0]?.equation).toBe(`target = ${parts.map((_, at) => `2 * part${at}`).join(' + ')} - 0.5 * rest + 7`);
      expect((await findWith(0.5)).map((each) => each.kind)).not.toContain('function-of-target');
    }
  });

  test('a row number is reported only where the file is sorted by the target', async () => {
    const base = made('binary');
    const rowNumber = numbers(400, (row) => row + 1);
    expect(await findLeaks(plant(base, rowNumber))).toEqual([]);
    const sorted = { ...base, target: Int32Array.from({ length: 400 }, (_, row) => (row < 150 ? 0 : 1)) };
    expect(brief(await findLeaks(plant(sorted, rowNumber)))).toEqual([['planted', 'identifier', 'dropped']]);
  });

  test('small tables, constant and all-missing columns and unique texts raise nothing', async () => {
    const base = made('binary');
    for (const column of [
      numbers(400, () => 1),
      numbers(400, () => Number.NaN),
      textColumn(Array.from({ length: 400 }, (_, row) => `id ${row}`)),
    ]) {
      expect(await findLeaks(plant(base, column))).toEqual([]);
    }
    expect(await findLeaks(made('binary', 0))).toEqual([]);
    const tiny = made('binary', 12);
    expect(
      await findLeaks(
        plant(
          tiny,
          numbers(12, (row) => tiny.target[row] as number),
        ),
      ),
    ).toEqual([]);
  });

  test('two noisy copies at once are both found', async () => {
    const base = made('binary', 2_000);
    const copy = (every: number) =>
      numbers(2_000, (row) => (row % every === 0 ? 1 - (base.target[row] as number) : (base.target[row] as number)));
    const one = plant(base, copy(150));
    const frame: Frame = { rowCount: 2_000, columns: new Map(one.frame.columns).set('second', copy(190)) };
    const found = await findLeaks({ ...one, frame, fields: [...one.fields, 'second'] });
    expect(found.map((leak) => [leak.column, leak.kind])).toEqual([
      ['planted', 'suspicious'],
      ['second', 'suspicious'],
    ]);
  });

  test('an easy task, in which many columns are nearly perfect, raises nothing', async () => {
    const base = made('binary');
    const random = createRandom(2);
    let easy = plant(
      base,
      numbers(400, () => 0),
    );
    const columns = new Map(easy.frame.columns);
    for (let i = 0; i < 6; i += 1)
      columns.set(
        `easy ${i}`,
        numbers(400, (row) => 4.5 * (base.target[row] as number) + random.normal()),
      );
    easy = { ...easy, frame: { rowCount: 400, columns }, fields: [...columns.keys()] };
    expect(await findLeaks(easy)).toEqual([]);
  });
});

test('wrong lengths and unknown columns are refused, a cancelled search stops', async () => {
  const base = made('binary');
  await expect(findLeaks({ ...base, target: new Int32Array(3) })).rejects.toThrow(EvaluationInputError);
  await expect(findLeaks({ ...base, fields: ['nothing'] })).rejects.toThrow(EvaluationInputError);
  await expect(findLeaks({ ...base, signal: AbortSignal.abort() })).rejects.toThrow(CancelledError);
});
