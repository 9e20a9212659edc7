import assert from 'node:assert/strict';
import { type Column, type Frame, cell, textColumn } from '@slipway/kernel';
import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { type SplitRequest, planSplit } from './plan-split.ts';

const numbers = (values: readonly number[]): Column => ({ kind: 'number', values: Float64Array.from(values) });
const frameOf = (columns: Record<string, Column>, rowCount: number): Frame => ({ rowCount, columns: new Map(Object.entries(columns)) });
const request = (frame: Frame, change: Partial<SplitRequest> = {}): SplitRequest => ({
  frame,
  target: 'y',
  task: 'binary',
  strategy: 'stratified',
  testRatio: 0.25,
  seed: 7,
  ...change,
});

/** A frame with classes of at least 2 rows, groups and times. */
const data = fc
  .record({
    labels: fc.array(fc.constantFrom('a', 'a', 'a', 'b', 'c'), { minLength: 20, maxLength: 200 }),
    groups: fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 200, maxLength: 200 }),
    times: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 200, maxLength: 200 }),
    seed: fc.integer({ min: 0, max: 1_000 }),
    ratio: fc.constantFrom(0.1, 0.2, 0.25, 0.5),
  })
  .map(({ labels, groups, times, seed, ratio }) => {
    const all = ['a', 'a', 'b', 'b', 'c', 'c', ...labels];
    const frame = frameOf(
      {
        y: textColumn(all),
        g: numbers(all.map((_, row) => groups[row % 200] as number)),
        t: numbers(all.map((_, row) => times[row % 200] as number)),
      },
      all.length,
    );
    return { frame, seed, ratio };
  });

function shares(frame: Frame, rows: Int32Array): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const label = String(cell(frame.columns.get('y') as Column, row));
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  return counts;
}

describe('splits', () => {
  test('DA10 every strategy puts each row on exactly one side, and the same seed gives the same sides', () => {
    fc.assert(
      fc.property(
        data,
        fc.constantFrom('stratified' as const, 'random' as const, 'group' as const, 'time' as const),
        ({ frame, seed, ratio }, strategy) => {
          const asked = request(frame, { task: 'multiclass', strategy, seed, testRatio: ratio, group: 'g', time: 't' });
          let split: ReturnType<typeof planSplit>;
          try {
            split = planSplit(asked);
          } catch (thrown) {
            // Few groups or times can make a split impossible; that is said by the one error this has.
            assert.equal((thrown as { code?: string }).code, 'data/split');
            return;
          }
          const both = [...split.train, ...split.test].toSorted((left, right) => left - right);
          assert.deepEqual(
            both,
            Array.from({ length: frame.rowCount }, (_, row) => row),
          );
          assert.deepEqual(planSplit(asked), split);
          assert.ok(split.train.every((row, index) => index === 0 || row > (split.train[index - 1] as number)));
        },
      ),
    );
  });

  test('DA10 a stratified split has every class on both sides in its share, to one row', () => {
    fc.assert(
      fc.property(data, ({ frame, seed, ratio }) => {
        const split = planSplit(request(frame, { task: 'multiclass', seed, testRatio: ratio }));
        const all = shares(
          frame,
          Int32Array.from({ length: frame.rowCount }, (_, row) => row),
        );
        const tested = shares(frame, split.test);
        for (const [label, count] of all) {
          const got = tested.get(label) ?? 0;
          assert.ok(got >= 1 && got < count, `${label}: ${got} of ${count}`);
          assert.ok(Math.abs(got - count * ratio) <= 1.5 + all.size * 0.5, `${label}: ${got} of ${count}`);
        }
      }),
    );
  });

  test('DA10 no group lies on both sides', () => {
    fc.assert(
      fc.property(data, ({ frame, seed, ratio }) => {
        const groups = frame.columns.get('g') as Column;
        const split = planSplit(request(frame, { task: 'multiclass', strategy: 'group', group: 'g', seed, testRatio: ratio }));
        const train = new Set(Array.from(split.train, (row) => cell(groups, row)));
        assert.ok(split.test.every((row) => !train.has(cell(groups, row))));
      }),
    );
  });

  test('DA10 a split by time tests on strictly later rows', () => {
    const times = Array.from({ length: 100 }, (_, row) => (row * 37) % 50);
    const frame = frameOf({ y: numbers(times.map((time) => time * 2)), t: numbers(times) }, 100);
    const split = planSplit(request(frame, { task: 'regression', strategy: 'time', time: 't', testRatio: 0.2 }));
    const latest = Math.max(...Array.from(split.train, (row) => times[row] as number));

    assert.ok(split.test.every((row) => (times[row] as number) > latest));
    assert.equal(split.test.length, 20);
  });

  test('DA10 a regression split keeps the deciles of the target', () => {
    const frame = frameOf({ y: numbers(Array.from({ length: 1_000 }, (_, row) => row ** 2)) }, 1_000);
    const split = planSplit(request(frame, { task: 'regression', testRatio: 0.2 }));
    for (let bin = 0; bin < 10; bin += 1) {
      assert.equal(split.test.filter((row) => row >= bin * 100 && row < (bin + 1) * 100).length, 20);
    }
  });

  test('DA10 a given split is cut where the test file begins, and rows without target are dropped and counted', () => {
    const y = textColumn(['a', 'b', null, 'a', 'b', 'a']);
    const split = planSplit(request(frameOf({ y }, 6), { strategy: 'given', trainRowCount: 4 }));

    assert.deepEqual([[...split.train], [...split.test], split.dropped], [[0, 1, 3], [4, 5], 1]);
  });

  test('DA10 another seed gives another split of the same sizes', () => {
    const y = textColumn(Array.from({ length: 100 }, (_, row) => (row % 4 ? 'a' : 'b')));
    const one = planSplit(request(frameOf({ y }, 100)));
    const other = planSplit(request(frameOf({ y }, 100), { seed: 8 }));

    assert.equal(one.test.length, 25);
    assert.notDeepEqual(one.test, other.test);
    assert.equal(other.test.length, 25);
  });

  test.each<[string, Frame, Partial<SplitRequest>, RegExp]>([
    ['one class', frameOf({ y: textColumn(['a', 'a', 'a', 'a']) }, 4), {}, /one class only: "a"/],
    ['no labels', frameOf({ y: textColumn([null, null]) }, 2), {}, /no values/],
    ['a class of one row', frameOf({ y: textColumn(['a', 'a', 'a', 'b']) }, 4), {}, /"b" of "y" has one row/],
    ['a constant target', frameOf({ y: numbers([3, 3, 3, 3]) }, 4), { task: 'regression' }, /same in every row: 3/],
    ['a share of 1', frameOf({ y: textColumn(['a', 'b', 'a', 'b']) }, 4), { testRatio: 1 }, /between 0 and 1/],
    ['too few rows', frameOf({ y: textColumn(['a', 'b', 'a', 'b']) }, 4), { strategy: 'random', testRatio: 0.1 }, /leaves 0 test rows/],
    ['one group', frameOf({ y: textColumn(['a', 'b']), g: numbers([1, 1]) }, 2), { strategy: 'group', group: 'g' }, /one group/],
    [
      'time as text',
      frameOf({ y: textColumn(['a', 'b']), t: textColumn(['x', 'y']) }, 2),
      { strategy: 'time', time: 't' },
      /neither a time/,
    ],
    [
      'one time',
      frameOf({ y: textColumn(['a', 'b', 'a', 'b']), t: numbers([1, 1, 1, 1]) }, 4),
      { strategy: 'time', time: 't' },
      /leaves 0 test/,
    ],
    [
      'a class that ends before the test',
      frameOf({ y: textColumn(['a', 'a', 'a', 'b', 'b']), t: numbers([1, 2, 3, 4, 5]) }, 5),
      { strategy: 'time', time: 't', testRatio: 0.4 },
      /one class only/,
    ],
  ])('DA10 %s is refused', (_, frame, change, message) => {
    assert.throws(() => planSplit(request(frame, change)), { code: 'data/split', message });
  });
});
