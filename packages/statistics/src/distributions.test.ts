import { expect, test } from 'vitest';
import {
  Moments,
  RangeOfValueError,
  ShapeError,
  chiSquareTail,
  chiSquareTest,
  createRandom,
  equalWidthEdges,
  histogram,
  jensenShannon,
  kolmogorovSmirnovTest,
  kolmogorovTail,
  mean,
  normalCdf,
  normalQuantile,
  psi,
  quantile,
  quantileEdges,
  variance,
} from './index.ts';
import { isClose, readVectors } from './testing/read-vectors.ts';

interface Reference {
  normal_cdf: [number, number][];
  normal_quantile: [number, number][];
  chi_square_tail: [number, number, number][];
  kolmogorov_tail: [number, number][];
  jensen_shannon: { reference: number[]; current: number[]; expected: number };
  chi_square_test: { reference: number[]; current: number[]; statistic: number; p_value: number };
  ks: { first: number[]; second: number[]; statistic: number; p_value: number };
  quantile: { values: number[]; expected: [number, number][] };
  moments: { values: number[]; mean: number; variance: number };
}
const reference = readVectors<Reference>('distributions')[0] as Reference;

test('distribution functions equal scipy', () => {
  for (const [x, p] of reference.normal_cdf) expect(Math.abs(normalCdf(x) / p - 1), `cdf(${x})`).toBeLessThan(1e-10);
  for (const [p, x] of reference.normal_quantile) expect(isClose(normalQuantile(p), x), `quantile(${p})`).toBe(true);
  for (const [x, k, p] of reference.chi_square_tail) expect(isClose(chiSquareTail(x, k), p), `chi2(${x}, ${k})`).toBe(true);
  for (const [x, p] of reference.kolmogorov_tail) expect(isClose(kolmogorovTail(x), p), `kolmogorov(${x})`).toBe(true);
});

test('tests and distances equal scipy', () => {
  const js = reference.jensen_shannon;
  expect(isClose(jensenShannon(js.reference, js.current), js.expected)).toBe(true);
  const chi = reference.chi_square_test;
  const chiResult = chiSquareTest(chi.reference, chi.current);
  expect(isClose(chiResult.statistic, chi.statistic) && isClose(chiResult.pValue, chi.p_value)).toBe(true);
  const ks = kolmogorovSmirnovTest(reference.ks.first, reference.ks.second);
  expect(isClose(ks.statistic, reference.ks.statistic) && isClose(ks.pValue, reference.ks.p_value)).toBe(true);
});

test('quantiles are of type 7 and moments do not cancel far from zero', () => {
  for (const [q, value] of reference.quantile.expected) expect(isClose(quantile(reference.quantile.values, q), value)).toBe(true);
  expect(isClose(mean(reference.moments.values), reference.moments.mean)).toBe(true);
  expect(isClose(variance(reference.moments.values), reference.moments.variance, 1e-7)).toBe(true);
  expect(quantile([], 0.5)).toBeNaN();
  expect(() => quantile([1], 1.1)).toThrow(RangeOfValueError);
});

test('merged moments equal those of one pass', () => {
  const random = createRandom(1);
  const values = Array.from({ length: 500 }, () => 1e6 + random.normal());
  const whole = new Moments();
  const parts = [new Moments(), new Moments(), new Moments()] as const;
  values.forEach((value, index) => {
    whole.add(value);
    (parts[index % 2] as Moments).add(value);
  });
  parts[0].merge(parts[1]);
  parts[0].merge(parts[2]);
  expect(parts[0].count).toBe(500);
  expect(isClose(parts[0].mean, whole.mean)).toBe(true);
  expect(isClose(parts[0].variance, whole.variance, 1e-8)).toBe(true);
});

test('PSI is 0 for equal shares, symmetric, finite for empty bins, and named thresholds separate noise from a shift', () => {
  expect(psi([10, 20, 30], [1, 2, 3])).toBeCloseTo(0, 12);
  expect(psi([5, 5], [9, 1])).toBeCloseTo(psi([9, 1], [5, 5]), 12);
  expect(psi([5, 5], [9, 1])).toBeCloseTo(0.4 * Math.log(9), 12);
  expect(psi([1, 0], [0, 1])).toBeCloseTo(2 * (1 - 1e-4) * Math.log(1e4), 9);
  expect(jensenShannon([1, 0], [0, 1])).toBe(1);
  expect(jensenShannon([3, 7], [3, 7])).toBe(0);
  expect(() => psi([1, 2], [0, 0])).toThrow(RangeOfValueError);
  expect(() => psi([1, 2], [1])).toThrow(ShapeError);
  expect(() => psi([1, -2], [1, 1])).toThrow(RangeOfValueError);
});

test('histograms hold every value between their edges, the last edge included', () => {
  expect([...equalWidthEdges(0, 4, 2)]).toEqual([0, 2, 4]);
  expect([...equalWidthEdges(3, 3, 1)]).toEqual([2.5, 3.5]);
  expect([...histogram([0, 1, 2, 3, 4, 5, -1, Number.NaN], [0, 2, 4])]).toEqual([2, 3]);
  expect([...quantileEdges([1, 1, 1, 1, 9], 4)]).toEqual([1]);
  expect(() => equalWidthEdges(1, 0, 2)).toThrow(RangeOfValueError);
});
