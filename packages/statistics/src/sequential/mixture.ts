import { logGamma } from '../distributions.ts';
import { RangeOfValueError } from '../errors.ts';

/** Natural logarithm of the beta function. */
function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/**
 * Logarithm of the beta-binomial mixture against a known rate: how much better `hits` of `count` are explained by some
 * other rate, drawn from Beta(share * strength, (1 - share) * strength). Under the known rate its exponential is a martingale
 * that starts at 1, so by Ville's inequality it ever exceeds 1 / alpha with probability at most alpha: exact, at every look.
 * Source: Robbins 1970; Lindon & Malek 2022 for sample ratios.
 * @throws {RangeOfValueError} unless 0 < share < 1.
 */
export function logRateEvidence(hits: number, count: number, share: number, strength: number): number {
  if (!(share > 0 && share < 1)) throw new RangeOfValueError(`A share strictly between 0 and 1 is needed, got ${share}.`);
  const a = share * strength;
  const b = (1 - share) * strength;
  return logBeta(a + hits, b + count - hits) - logBeta(a, b) - hits * Math.log(share) - (count - hits) * Math.log1p(-share);
}
