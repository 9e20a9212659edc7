import { chiSquareTail, kolmogorovTail } from './distributions.ts';
import { RangeOfValueError, requireSameLength } from './errors.ts';
import type { Numbers } from './order.ts';

/** PSI's floor for the share of a bin, so that an empty bin gives a large, not an infinite, term. */
export const PSI_SHARE_MIN = 1e-4;

/**
 * Population stability index between two histograms over the same bins: sum of (c - r) ln(c / r) over shares floored at
 * PSI_SHARE_MIN. By custom below 0.1 is stable, above 0.25 is a shift.
 * @param reference counts or shares, shape [bins].  @param current the same.  @throws {RangeOfValueError} if one side is empty.
 */
export function psi(reference: Numbers, current: Numbers): number {
  const [r, c] = sharesOf(reference, current);
  let sum = 0;
  for (let bin = 0; bin < r.length; bin += 1) {
    const from = Math.max(PSI_SHARE_MIN, r[bin] as number);
    const to = Math.max(PSI_SHARE_MIN, c[bin] as number);
    sum += (to - from) * Math.log(to / from);
  }
  return sum;
}

/** Jensen-Shannon divergence in bits: 0 for equal shares, 1 for disjoint ones. No smoothing is needed. */
export function jensenShannon(reference: Numbers, current: Numbers): number {
  const [r, c] = sharesOf(reference, current);
  let sum = 0;
  for (let bin = 0; bin < r.length; bin += 1) {
    const from = r[bin] as number;
    const to = c[bin] as number;
    const middle = (from + to) / 2;
    if (from > 0) sum += (from * Math.log2(from / middle)) / 2;
    if (to > 0) sum += (to * Math.log2(to / middle)) / 2;
  }
  return Math.min(1, Math.max(0, sum));
}

function sharesOf(reference: Numbers, current: Numbers): [Float64Array, Float64Array] {
  requireSameLength({ reference, current });
  return [shares(reference, 'reference'), shares(current, 'current')];
}

function shares(counts: Numbers, name: string): Float64Array {
  let total = 0;
  for (let bin = 0; bin < counts.length; bin += 1) {
    const count = counts[bin] as number;
    if (!(count >= 0)) throw new RangeOfValueError(`Bin ${bin} of "${name}" is ${count}; counts are not negative.`);
    total += count;
  }
  if (total === 0) throw new RangeOfValueError(`"${name}" has no values in any bin.`);
  return Float64Array.from(counts, (count) => count / total);
}

/** Chi-square test that two samples of counts come from one distribution; bins empty in both are left out. */
export function chiSquareTest(reference: Numbers, current: Numbers): { statistic: number; degreesOfFreedom: number; pValue: number } {
  requireSameLength({ reference, current });
  const rows = [reference, current].map((counts) => Array.from(counts).reduce((a, b) => a + b, 0)) as [number, number];
  const total = rows[0] + rows[1];
  let statistic = 0;
  let used = 0;
  for (let bin = 0; bin < reference.length; bin += 1) {
    const column = (reference[bin] as number) + (current[bin] as number);
    if (column === 0) continue;
    used += 1;
    statistic += ((reference[bin] as number) - (rows[0] * column) / total) ** 2 / ((rows[0] * column) / total);
    statistic += ((current[bin] as number) - (rows[1] * column) / total) ** 2 / ((rows[1] * column) / total);
  }
  const degreesOfFreedom = Math.max(0, used - 1);
  return { statistic, degreesOfFreedom, pValue: degreesOfFreedom === 0 ? 1 : chiSquareTail(statistic, degreesOfFreedom) };
}

/** Two-sample Kolmogorov-Smirnov test on ascending numbers: largest distance of the two cdfs, asymptotic p-value. */
export function kolmogorovSmirnovTest(first: ArrayLike<number>, second: ArrayLike<number>): { statistic: number; pValue: number } {
  requireSameLength({ first });
  requireSameLength({ second });
  let a = 0;
  let b = 0;
  let statistic = 0;
  while (a < first.length && b < second.length) {
    const value = Math.min(first[a] as number, second[b] as number);
    while (a < first.length && first[a] === value) a += 1;
    while (b < second.length && second[b] === value) b += 1;
    statistic = Math.max(statistic, Math.abs(a / first.length - b / second.length));
  }
  const effective = (first.length * second.length) / (first.length + second.length);
  return { statistic, pValue: kolmogorovTail(Math.sqrt(effective) * statistic) };
}
