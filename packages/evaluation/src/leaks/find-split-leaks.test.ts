import { CancelledError, type Column, type Frame, takeRows, textColumn } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { expect, test } from 'vitest';
import { EvaluationInputError } from '../errors.ts';
import { findCopies } from './copies.ts';
import { type SplitLeakRequest, findSplitLeaks } from './find-split-leaks.ts';

const ROWS = 1_000;

/** Six measurements, a category and a target that two of them tell a little of. */
function measurements(change: Record<string, Column> = {}): Frame {
  const random = createRandom('measurements');
  const target = Array.from({ length: ROWS }, () => random.int(2));
  const columns: [string, Column][] = Array.from({ length: 6 }, (_, index) => [
    `m${index}`,
    { kind: 'number', values: Float64Array.from(target, (value) => 0.3 * value + random.normal()) },
  ]);
  const kind = textColumn(target.map(() => `kind ${random.int(4)}`));
  return {
    rowCount: ROWS,
    columns: new Map<string, Column>([
      ['y', { kind: 'number', values: Float64Array.from(target) }],
      ...columns,
      ['kind', kind],
      ...Object.entries(change),
    ]),
  };
}

/** Every fifth row is the test. */
function request(frame: Frame, change: Partial<SplitLeakRequest> = {}): SplitLeakRequest {
  const all = Int32Array.from({ length: frame.rowCount }, (_, row) => row);
  const sides = { train: all.filter((row) => row % 5 !== 0), test: all.filter((row) => row % 5 === 0) };
  const target = (rows: Int32Array) =>
    Float64Array.from(rows, (row) => (frame.columns.get('y') as { values: Float64Array }).values[row] as number);
  return {
    train: { frame: takeRows(frame, sides.train), side: 'train', positions: sides.train },
    test: { frame: takeRows(frame, sides.test), side: 'test', positions: sides.test },
    trainTarget: target(sides.train),
    testTarget: target(sides.test),
    regression: false,
    target: 'y',
    fields: ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'kind'],
    groups: [],
    times: [],
    seed: 1,
    ...change,
  };
}

/** Every twentieth row, which is a test row, becomes a training row again, each number moved by so many deviations. */
function withTwins(frame: Frame, noise: number): Frame {
  const random = createRandom('twins');
  const source = Int32Array.from({ length: ROWS }, (_, row) => (row % 20 === 0 ? row + 1 : row));
  const copied = takeRows(frame, source);
  const columns = new Map(copied.columns);
  for (const [name, column] of columns)
    if (column.kind === 'number' && name !== 'y')
      columns.set(name, {
        kind: 'number',
        values: column.values.map((value, row) => (row % 20 === 0 ? value + noise * random.normal() : value)),
      });
  return { rowCount: ROWS, columns };
}

test('an honest split raises nothing (negative control)', async () => {
  expect(await findSplitLeaks(request(measurements()))).toEqual([]);
});

/** Rows of three coarse columns: a single one that comes again says nothing. `common` is the share that is one and the same row. */
function coarse(seed: string, rows: number, common = 0): Frame {
  const random = createRandom(seed);
  const column = (): Column => ({ kind: 'number', values: new Float64Array(rows) });
  const columns = new Map([...'yabc'].map((name) => [name, column()] as const));
  for (let row = 0; row < rows; row += 1) {
    const isCommon = random.next() < common;
    for (const { values } of columns.values() as Iterable<{ values: Float64Array }>) values[row] = isCommon ? 0 : random.int(12);
  }
  return { rowCount: rows, columns };
}

function givenTest(train: Frame, test: Frame): SplitLeakRequest {
  const side = (frame: Frame, name: 'train' | 'test') => ({
    frame,
    side: name,
    positions: Int32Array.from({ length: frame.rowCount }, (_, row) => row),
  });
  const target = (frame: Frame) => (frame.columns.get('y') as { values: Float64Array }).values;
  return request(train, {
    train: side(train, 'train'),
    test: side(test, 'test'),
    trainTarget: target(train),
    testTarget: target(test),
    fields: ['a', 'b', 'c'],
  });
}

test('a test file that is the training file is found where no single row says much, and only then', async () => {
  const train = coarse('train', 600);
  const [found] = await findSplitLeaks(givenTest(train, train));
  expect(found).toMatchObject({ column: '@near-duplicates', evidence: { rows: 600, exact: 600, looked: 600 } });

  expect(await findSplitLeaks(givenTest(train, coarse('others', 600)))).toEqual([]);
  const drifted = coarse('drifted', 600, 0.5);
  expect(await findSplitLeaks(givenTest(coarse('before', 600, 0.2), drifted)), 'one row that grew more frequent').toEqual([]);
});

test.each([0, 0.002, 0.01])(
  'rows that were trained on are found with noise of %d deviations, with both rows as evidence',
  async (noise) => {
    const [found, ...more] = await findSplitLeaks(request(withTwins(measurements(), noise)));
    expect(more).toEqual([]);
    expect(found).toMatchObject({
      column: '@near-duplicates',
      kind: 'near-duplicates',
      action: 'needs-acceptance',
      evidence: { looked: 200 },
    });
    expect(Number(found?.evidence['rows'])).toBeGreaterThanOrEqual(45);
    const [test, train] = found?.rows ?? [];
    expect([test?.side, train?.side]).toEqual(['test', 'train']);
    expect(train?.row).toBe((test?.row ?? 0) + 1);
  },
);

test('rows moved by a whole deviation are other rows', async () => {
  expect(await findSplitLeaks(request(withTwins(measurements(), 1)))).toEqual([]);
});

test('coarse columns that repeat by themselves are no copies', async () => {
  const random = createRandom('coarse');
  const yes = () => textColumn(Array.from({ length: ROWS }, () => (random.int(2) === 0 ? 'yes' : 'no')));
  const frame = measurements({ a: yes(), b: yes(), c: yes() });
  expect(await findSplitLeaks(request(frame, { fields: ['a', 'b', 'c', 'kind'] }))).toEqual([]);
  expect(findCopies(frame, ['a', 'b', 'c', 'kind']).every((row) => row === -1)).toBe(true);
});

test('texts that are nearly the same are found, short common ones are not', async () => {
  const random = createRandom('texts');
  const words = Array.from({ length: 400 }, (_, index) => `word${index}`);
  const texts = Array.from({ length: ROWS }, () => Array.from({ length: 14 }, () => words[random.int(400)]).join(' '));
  const again = texts.map((text, row) => (row % 10 === 0 ? `${texts[row + 1]} today` : text));
  const found = await findSplitLeaks(request(measurements({ note: textColumn(again) }), { fields: ['note'] }));
  expect(found.map((leak) => leak.column)).toEqual(['@near-duplicates']);
  const common = texts.map((_, row) => (row % 3 === 0 ? 'thank you' : `see you ${row % 40}`));
  expect(await findSplitLeaks(request(measurements({ note: textColumn(common) }), { fields: ['note'] }))).toEqual([]);
});

test('persons with rows on both sides are found when their rows share the outcome, and not when they do not', async () => {
  const frame = measurements();
  const y = (frame.columns.get('y') as { values: Float64Array }).values;
  const taken = [0, 0];
  const person = Float64Array.from(y, (value) => 2 * Math.floor((taken[value] = (taken[value] ?? 0) + 1) / 4) + value);
  const random = createRandom('persons');
  const shuffled = Float64Array.from(person, () => random.int(250));
  const find = (values: Float64Array) =>
    findSplitLeaks(request(measurements({ person: { kind: 'number', values } }), { groups: ['person'] }));
  const [found] = await find(person);
  expect(found).toMatchObject({ column: '@groups', kind: 'group-overlap', columns: ['person'], action: 'needs-acceptance' });
  expect(found?.help).toContain('--group person');
  expect(found?.rows[0]?.values['person']).toBe(found?.rows[1]?.values['person']);
  expect(await find(shuffled)).toEqual([]);
});

test('rows in time whose target depends on when they were are found, times that tell nothing are not', async () => {
  const frame = measurements();
  const y = (frame.columns.get('y') as { values: Float64Array }).values;
  const random = createRandom('times');
  const find = (values: Float64Array) => findSplitLeaks(request(measurements({ at: { kind: 'number', values } }), { times: ['at'] }));
  const [found] = await find(y.map((value, row) => 1.6e12 + value * 5e8 + row * 1e6));
  expect(found).toMatchObject({ column: '@time-order', kind: 'time-order', columns: ['at'] });
  expect(found?.help).toContain('--time at');
  expect(found?.rows.length).toBeGreaterThan(2);
  expect(await find(y.map(() => 1.6e12 + random.int(1e9)))).toEqual([]);
});

test('wrong lengths are refused, a cancelled search stops', async () => {
  const good = request(measurements());
  await expect(findSplitLeaks({ ...good, testTarget: [1] })).rejects.toThrow(EvaluationInputError);
  await expect(findSplitLeaks({ ...good, signal: AbortSignal.abort() })).rejects.toThrow(CancelledError);
});
