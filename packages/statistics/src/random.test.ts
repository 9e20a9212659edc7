import { describe, expect, test } from 'vitest';
import { RangeOfValueError, chiSquareTail, createRandom } from './index.ts';

test('a seed gives the same numbers for ever, so stored runs can be repeated', () => {
  const random = createRandom(42);
  expect([random.uint32(), random.uint32(), random.int(1_000), random.next()]).toMatchInlineSnapshot(`
    [
      3859936929,
      203675411,
      972,
      0.5904958950513229,
    ]
  `);
  expect(createRandom('42').uint32()).not.toBe(createRandom(42).uint32());
});

test('a fork depends on seed and label and not on what was drawn before', () => {
  const used = createRandom(1);
  for (let i = 0; i < 100; i += 1) used.next();
  expect(used.fork('split').uint32()).toBe(createRandom(1).fork('split').uint32());
  expect(createRandom(1).fork('split').uint32()).not.toBe(createRandom(1).fork('fit').uint32());
});

describe('uniformity', () => {
  test.each([1, 2, 3, 10, 97, 3_000_000])('whole numbers below %i are equally likely', (limit) => {
    const random = createRandom(7);
    const bins = Math.min(limit, 10);
    const counts = new Float64Array(bins);
    const draws = 60_000;
    for (let i = 0; i < draws; i += 1) {
      const value = random.int(limit);
      expect(value >= 0 && value < limit && Number.isInteger(value)).toBe(true);
      const bin = Math.floor((value * bins) / limit);
      counts[bin] = (counts[bin] as number) + 1;
    }
    const expected = Float64Array.from({ length: bins }, (_, bin) => {
      const inBin = Math.ceil(((bin + 1) * limit) / bins) - Math.ceil((bin * limit) / bins);
      return (draws * inBin) / limit;
    });
    const statistic = counts.reduce((sum, count, bin) => sum + (count - (expected[bin] as number)) ** 2 / (expected[bin] as number), 0);
    expect(bins === 1 || chiSquareTail(statistic, bins - 1) > 1e-4).toBe(true);
  });

  test('next has mean one half and normal has mean 0, variance 1', () => {
    const random = createRandom('moments');
    const n = 100_000;
    let sum = 0;
    let normal = 0;
    let squares = 0;
    for (let i = 0; i < n; i += 1) {
      sum += random.next();
      const z = random.normal();
      normal += z;
      squares += z * z;
    }
    expect(Math.abs(sum / n - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(normal / n)).toBeLessThan(4 / Math.sqrt(n));
    expect(Math.abs(squares / n - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
  });
});

test('shuffle keeps every item and reaches every order about equally often', () => {
  const random = createRandom(3);
  const seen = new Map<string, number>();
  for (let i = 0; i < 6_000; i += 1) {
    const order = random.shuffle(Int32Array.of(0, 1, 2)).join('');
    seen.set(order, (seen.get(order) ?? 0) + 1);
  }
  expect([...seen.keys()].toSorted()).toEqual(['012', '021', '102', '120', '201', '210']);
  expect(Math.min(...seen.values())).toBeGreaterThan(880);
});

test('sampling without replacement gives different rows; a resample draws as many as there are', () => {
  const random = createRandom(5);
  const sample = random.sampleWithoutReplacement(100, 40);
  expect(new Set(sample).size).toBe(40);
  expect(Math.max(...sample)).toBeLessThan(100);
  const counts = new Uint16Array(500);
  random.resample(counts);
  expect(counts.reduce((a, b) => a + b, 0)).toBe(500);
  expect(Math.abs(counts.filter((count) => count === 0).length / 500 - Math.exp(-1))).toBeLessThan(0.06);
});

test('impossible limits are refused', () => {
  expect(() => createRandom(1).int(0)).toThrow(RangeOfValueError);
  expect(() => createRandom(1).int(1.5)).toThrow(RangeOfValueError);
  expect(() => createRandom(1).sampleWithoutReplacement(3, 4)).toThrow(RangeOfValueError);
});
