import { RangeOfValueError } from '../errors.ts';
import type { AnytimeInterval } from './anytime-interval.ts';
import { logRateEvidence } from './mixture.ts';

/** Ratio of a bucket's edges: what a quantile read from buckets is off by at most. */
export const BUCKET_GROWTH = 1.02;
const LOG_GROWTH = Math.log(BUCKET_GROWTH);
/** Values at or below this share the lowest bucket. */
export const BUCKET_VALUE_MIN = 1e-3;
const MIXTURE_STRENGTH = 100;

/** Number of the bucket that holds a positive value: [growth^n, growth^(n+1)). */
export function bucketOf(value: number): number {
  return Math.floor(Math.log(Math.max(value, BUCKET_VALUE_MIN)) / LOG_GROWTH);
}

/** Counts by bucket number: a distribution of positive values, mergeable by addition. */
export type BucketCounts = ReadonlyMap<number, number>;

export interface QuantileInterval extends AnytimeInterval {
  readonly count: number;
}

/**
 * Confidence sequence of a quantile, exact at every look and for every distribution: as many values lie at or below the true
 * quantile as a coin of probability p would give (beta-binomial mixture of Robbins; order statistics as in Howard & Ramdas,
 * Bernoulli 2022), widened to bucket edges.
 * @param p strictly between 0 and 1.  @returns low 0 and high Infinity while too few values are known.
 */
export function quantileInterval(counts: BucketCounts, p: number, alpha: number): QuantileInterval {
  if (!(p > 0 && p < 1)) throw new RangeOfValueError(`A quantile strictly between 0 and 1 is needed, got ${p}.`);
  const buckets = [...counts].toSorted(([left], [right]) => left - right);
  const count = buckets.reduce((sum, [, each]) => sum + each, 0);
  const { least, most } = plausibleHits(count, p, alpha);
  const estimate = orderStatistic(buckets, Math.max(1, Math.ceil(p * count)));
  return {
    count,
    estimate: estimate === undefined ? 0 : BUCKET_GROWTH ** (estimate + 0.5),
    low: least < 1 ? 0 : BUCKET_GROWTH ** (orderStatistic(buckets, least) ?? -Infinity),
    high: most + 1 > count ? Infinity : BUCKET_GROWTH ** ((orderStatistic(buckets, most + 1) ?? Infinity) + 1),
  };
}

/** Ratio of the candidate's quantile to the champion's, each within half of alpha. */
export function quantileRatio(champion: BucketCounts, candidate: BucketCounts, p: number, alpha: number): AnytimeInterval {
  const base = quantileInterval(champion, p, alpha / 2);
  const other = quantileInterval(candidate, p, alpha / 2);
  return {
    estimate: base.estimate > 0 ? other.estimate / base.estimate : 1,
    low: Number.isFinite(base.high) ? other.low / base.high : 0,
    high: base.low > 0 ? other.high / base.low : Infinity,
  };
}

/** The numbers of values at or below the quantile that the mixture does not rule out. */
function plausibleHits(count: number, p: number, alpha: number): { least: number; most: number } {
  const isPlausible = (hits: number) => logRateEvidence(hits, count, p, MIXTURE_STRENGTH) < -Math.log(alpha);
  const centre = Math.min(count, Math.round(p * count));
  return { least: boundary(centre, 0, isPlausible), most: boundary(centre, count, isPlausible) };
}

/** The plausible number furthest from `inside` towards `end`; evidence only grows that way. */
function boundary(inside: number, end: number, isPlausible: (hits: number) => boolean): number {
  if (isPlausible(end)) return end;
  let good = inside;
  let bad = end;
  while (Math.abs(bad - good) > 1) {
    const middle = Math.trunc((good + bad) / 2);
    if (isPlausible(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

function orderStatistic(buckets: readonly (readonly [number, number])[], rank: number): number | undefined {
  let seen = 0;
  for (const [bucket, count] of buckets) {
    seen += count;
    if (seen >= rank) return bucket;
  }
  return undefined;
}
