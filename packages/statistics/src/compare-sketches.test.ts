import { expect, test } from 'vitest';
import { FieldSketch, StatisticsError, compareSketches, createRandom, sketchCodes, sketchNumbers } from './index.ts';

const random = createRandom('drift');

function normals(length: number, centre: number): Float64Array {
  return Float64Array.from({ length }, () => centre + random.normal());
}

function textSketch(values: readonly (string | null)[]): FieldSketch {
  const sketch = new FieldSketch('text');
  for (const value of values) sketch.update(value);
  return sketch;
}

test('two samples of one distribution are stable and a shift by one deviation is not', () => {
  const reference = sketchNumbers(normals(50_000, 0));
  const same = compareSketches(reference, sketchNumbers(normals(5_000, 0)));
  const moved = compareSketches(reference, sketchNumbers(normals(5_000, 1)));
  expect(same.psi).toBeLessThan(0.02);
  expect(same.jensenShannon).toBeLessThan(0.01);
  expect(moved.psi).toBeGreaterThan(0.5);
  expect(same.bins).toHaveLength(10);
  expect(same.bins.reduce((sum, bin) => sum + bin.current, 0)).toBeCloseTo(1, 9);
});

test('more missing values are a shift of their own', () => {
  const reference = sketchNumbers(normals(1_000, 0));
  const current = sketchNumbers(Float64Array.from(normals(1_000, 0), (value, row) => (row % 2 === 0 ? value : Number.NaN)));
  const { psi, missing, bins } = compareSketches(reference, current);
  expect(missing).toEqual({ reference: 0, current: 0.5 });
  expect(bins.at(-1)?.label).toBe('missing');
  expect(psi).toBeGreaterThan(0.25);
});

test('few different numbers are compared value by value, also values below all known ones', () => {
  const reference = sketchNumbers(Float64Array.of(1, 1, 1, 2));
  const { bins } = compareSketches(reference, sketchNumbers(Float64Array.of(0, 1, 1, 2)));
  expect(bins).toEqual([
    { label: '1', reference: 0.75, current: 0.5 },
    { label: '2', reference: 0.25, current: 0.25 },
    { label: 'other', reference: 0, current: 0.25 },
  ]);
  const spread = compareSketches(reference, sketchNumbers(normals(1_000, 0)));
  expect(spread.bins.at(-1)?.current).toBeGreaterThan(0.9);
});

test('new categories are named with their counts and fall into other', () => {
  const reference = sketchCodes(Int32Array.of(0, 0, 1, 1), ['a', 'b']);
  const comparison = compareSketches(reference, textSketch(['a', 'b', 'c', 'c', null]));
  expect(comparison.newValues).toEqual([{ value: 'c', count: 2 }]);
  expect(comparison.bins.map((bin) => bin.label)).toEqual(['a', 'b', 'other', 'missing']);
  expect(compareSketches(reference, textSketch(['a', 'b'])).newValues).toEqual([]);
});

test('a reference whose rare names were suppressed does not call them new', () => {
  const reference = FieldSketch.fromJson(JSON.parse(JSON.stringify(textSketch(['a', 'a', 'a', 'a', 'a', 'rare']).toJson())));
  expect(compareSketches(reference, textSketch(['a', 'rare'])).newValues).toEqual([]);
});

test('all values missing on one side is compared, no values at all is refused', () => {
  const reference = sketchNumbers(normals(100, 0));
  expect(compareSketches(reference, sketchNumbers(Float64Array.of(Number.NaN))).psi).toBeGreaterThan(1);
  expect(compareSketches(sketchNumbers(Float64Array.of(Number.NaN)), reference).psi).toBeGreaterThan(1);
  expect(() => compareSketches(reference, new FieldSketch('number'))).toThrow(StatisticsError);
  expect(() => compareSketches(reference, textSketch(['a']))).toThrow(StatisticsError);
});
