import { describe, expect, it } from 'vitest';
import { distanceFrom, readVectors } from '../testing/read-vectors.ts';
import { type Sums, benjaminiHochberg, meanInterval, oneSampleTest, studentTail, welchTest, wilsonInterval } from './tests-of-means.ts';

const TOLERANCE = 1e-9;

function sumsOf(values: readonly number[]): Sums {
  return {
    count: values.length,
    sum: values.reduce((sum, value) => sum + value, 0),
    squares: values.reduce((sum, value) => sum + value * value, 0),
  };
}

interface MeansCase {
  readonly left: number[];
  readonly right_sums: [number, number, number];
  readonly statistic: number;
  readonly df: number;
  readonly greater: number;
  readonly two_sided: number;
  readonly one_sample: number;
  readonly low: number;
  readonly high: number;
}

describe('tests of means', () => {
  it.each(readVectors<MeansCase>('means'))('agree with SciPy (t = $statistic)', (one) => {
    const left = sumsOf(one.left);
    const [count, sum, squares] = one.right_sums;
    const test = welchTest(left, { count, sum, squares });
    expect(distanceFrom(test.statistic, one.statistic)).toBeLessThan(TOLERANCE);
    expect(distanceFrom(test.degreesOfFreedom, one.df)).toBeLessThan(TOLERANCE);
    expect(distanceFrom(test.pGreater, one.greater)).toBeLessThan(TOLERANCE);
    expect(distanceFrom(test.pTwoSided, one.two_sided)).toBeLessThan(TOLERANCE);
    expect(distanceFrom(oneSampleTest(left).pTwoSided, one.one_sample)).toBeLessThan(TOLERANCE);
    expect(distanceFrom(meanInterval(left).low, one.low)).toBeLessThan(TOLERANCE);
    expect(distanceFrom(meanInterval(left).high, one.high)).toBeLessThan(TOLERANCE);
  });

  it('have the tail of Student’s distribution that SciPy has', () => {
    for (const { t, df, tail } of readVectors<{ t: number; df: number; tail: number }>('student')) {
      expect(distanceFrom(studentTail(t, df), tail), `t ${t}, df ${df}`).toBeLessThan(TOLERANCE);
    }
  });

  it('bound the share of false finds as SciPy does', () => {
    for (const { p, adjusted } of readVectors<{ p: number[]; adjusted: number[] }>('discovery')) {
      const own = benjaminiHochberg(Float64Array.from(p));
      adjusted.forEach((value, index) => expect(distanceFrom(own[index], value)).toBeLessThan(TOLERANCE));
    }
  });

  it('give Wilson intervals as SciPy does', () => {
    for (const { successes, trials, low, high } of readVectors<{ successes: number; trials: number; low: number; high: number }>(
      'wilson',
    )) {
      const own = wilsonInterval(successes, trials);
      expect(distanceFrom(own.low, low)).toBeLessThan(TOLERANCE);
      expect(distanceFrom(own.high, high)).toBeLessThan(TOLERANCE);
    }
  });

  it('say nothing of a single number, and everything of groups that do not vary', () => {
    expect(welchTest(sumsOf([1]), sumsOf([1, 2, 3])).pGreater).toBeNaN();
    expect(welchTest(sumsOf([2, 2, 2]), sumsOf([1, 1, 1])).pGreater).toBe(0);
    expect(welchTest(sumsOf([1, 1, 1]), sumsOf([1, 1, 1])).pGreater).toBe(0.5);
  });
});
