import { chiSquareTail } from './distributions.ts';
import { RangeOfValueError, requireSameLength } from './errors.ts';
import type { Numbers } from './order.ts';

/** Up to this many rows decided differently McNemar's test is exact; beyond, the chi-square is as good. */
export const MCNEMAR_EXACT_LIMIT = 1_000;

export interface McNemar {
  /** Rows that only the first predictor, and only the second one, got right. */
  readonly firstOnly: number;
  readonly secondOnly: number;
  /** Two-sided; 1 when they never disagree. */
  readonly pValue: number;
  readonly method: 'exact' | 'chi-square';
}

/**
 * McNemar's test of whether two classifiers are right equally often on the same rows: binomial, or chi-square with
 * continuity correction when more than MCNEMAR_EXACT_LIMIT rows tell them apart. Sources: McNemar 1947, Edwards 1948.
 */
export function mcNemarTest(firstOnly: number, secondOnly: number): McNemar {
  if (![firstOnly, secondOnly].every((count) => Number.isInteger(count) && count >= 0))
    throw new RangeOfValueError(`Counts must be whole numbers from 0, got ${firstOnly} and ${secondOnly}.`);
  const total = firstOnly + secondOnly;
  if (total > MCNEMAR_EXACT_LIMIT) {
    const statistic = (Math.abs(firstOnly - secondOnly) - 1) ** 2 / total;
    return { firstOnly, secondOnly, pValue: chiSquareTail(Math.max(0, statistic), 1), method: 'chi-square' };
  }
  return { firstOnly, secondOnly, pValue: Math.min(1, 2 * halfBinomialCdf(Math.min(firstOnly, secondOnly), total)), method: 'exact' };
}

/** McNemar's test from predicted class codes. */
export function mcNemar(first: Numbers, second: Numbers, labels: Numbers): McNemar {
  const length = requireSameLength({ first, second, labels });
  let firstOnly = 0;
  let secondOnly = 0;
  for (let row = 0; row < length; row += 1) {
    const firstRight = first[row] === labels[row];
    if (firstRight === (second[row] === labels[row])) continue;
    if (firstRight) firstOnly += 1;
    else secondOnly += 1;
  }
  return mcNemarTest(firstOnly, secondOnly);
}

/** Probability of at most `successes` heads in `trials` throws of a fair coin; trials up to MCNEMAR_EXACT_LIMIT. */
function halfBinomialCdf(successes: number, trials: number): number {
  // 2^-1000 is still a normal double, so terms can be built up from the first one.
  let term = 2 ** -trials;
  let sum = term;
  for (let k = 1; k <= successes; k += 1) {
    term *= (trials - k + 1) / k;
    sum += term;
  }
  return sum;
}
