import { type RankedScores, rankScores } from './binary-metrics.ts';
import { RangeOfValueError, requireSameLength } from './errors.ts';
import type { Numbers } from './order.ts';

/** Points of a gain curve at most. */
export const GAIN_POINT_LIMIT = 200;

/** Sums of weights from the best score down to the end of each run of equal scores. */
export interface CumulativeCounts {
  readonly truePositive: Float64Array;
  readonly falsePositive: Float64Array;
}

function cumulate({ order, labels, ends }: RankedScores, weights: Numbers | undefined): CumulativeCounts {
  const truePositive: number[] = [];
  const falsePositive: number[] = [];
  let positives = 0;
  let negatives = 0;
  for (let rank = 0; rank < order.length; rank += 1) {
    const weight = weights ? (weights[order[rank] as number] as number) : 1;
    if (labels[rank] === 1) positives += weight;
    else negatives += weight;
    if (ends[rank] === 0) continue;
    truePositive.push(positives);
    falsePositive.push(negatives);
  }
  return { truePositive: Float64Array.from(truePositive), falsePositive: Float64Array.from(falsePositive) };
}

/** Kolmogorov-Smirnov distance of cumulative counts; only the first `length` entries are looked at. NaN with one class. */
export function ksOf({ truePositive, falsePositive }: CumulativeCounts, length: number): number {
  const positives = truePositive[length - 1] as number;
  const negatives = falsePositive[length - 1] as number;
  if (!(positives > 0 && negatives > 0)) return Number.NaN;
  let largest = 0;
  for (let at = 0; at < length; at += 1) {
    const distance = Math.abs((truePositive[at] as number) / positives - (falsePositive[at] as number) / negatives);
    if (distance > largest) largest = distance;
  }
  return largest;
}

/** Positives expected among the `size` best (a weight, not above the total); rows of equal score count in proportion. */
export function positivesAmongTop({ truePositive, falsePositive }: CumulativeCounts, length: number, size: number): number {
  let before = 0;
  let found = 0;
  for (let at = 0; at < length; at += 1) {
    const taken = (truePositive[at] as number) + (falsePositive[at] as number);
    if (taken >= size) {
      const share = taken === before ? 0 : (size - before) / (taken - before);
      return found + ((truePositive[at] as number) - found) * share;
    }
    before = taken;
    found = truePositive[at] as number;
  }
  return found;
}

/**
 * Kolmogorov-Smirnov statistic of a scorer: the largest distance between the distributions of the scores of the two
 * classes (equal to `ks_2samp` of SciPy). @returns 0..1, NaN with one class.
 */
export function ksStatistic(scores: Numbers, labels: Numbers, weights?: Numbers): number {
  requireSameLength({ scores, labels, weights });
  const counts = cumulate(rankScores(scores, labels), weights);
  return ksOf(counts, counts.truePositive.length);
}

/**
 * Share of positives among the rows with the highest scores. Of rows tied at the border each counts in proportion, which
 * is what a random order would give on average.
 * @param top how many: a whole number of rows (or weight) above 0.
 */
export function precisionAtK(scores: Numbers, labels: Numbers, top: number, weights?: Numbers): number {
  requireSameLength({ scores, labels, weights });
  const counts = cumulate(rankScores(scores, labels), weights);
  const last = counts.truePositive.length - 1;
  const total = (counts.truePositive[last] as number) + (counts.falsePositive[last] as number);
  if (!(top > 0 && top <= total)) throw new RangeOfValueError(`"top" must lie above 0 and not above ${total}, got ${top}.`);
  return positivesAmongTop(counts, last + 1, top) / top;
}

/** Precision among the best `top`, divided by the share of positives among all: how many times better than at random. */
export function liftAtK(scores: Numbers, labels: Numbers, top: number, weights?: Numbers): number {
  const counts = cumulate(rankScores(scores, labels), weights);
  const last = counts.truePositive.length - 1;
  const positives = counts.truePositive[last] as number;
  return precisionAtK(scores, labels, top, weights) / (positives / (positives + (counts.falsePositive[last] as number)));
}

/** A point of the gain curve: the share of all rows taken, best first, and the share of all positives among them. */
export interface GainPoint {
  readonly taken: number;
  readonly gain: number;
  readonly lift: number;
}

/** Gain and lift at evenly spaced shares of the rows, 1/points … 1. Null with no positive row. */
export function gainCurve(scores: Numbers, labels: Numbers, points: number, weights?: Numbers): GainPoint[] | null {
  requireSameLength({ scores, labels, weights });
  if (!Number.isInteger(points) || points < 1 || points > GAIN_POINT_LIMIT)
    throw new RangeOfValueError(`"points" must be a whole number from 1 to ${GAIN_POINT_LIMIT}, got ${points}.`);
  const counts = cumulate(rankScores(scores, labels), weights);
  const last = counts.truePositive.length - 1;
  const positives = counts.truePositive[last] as number;
  const total = positives + (counts.falsePositive[last] as number);
  if (positives === 0) return null;
  return Array.from({ length: points }, (_, index) => {
    const taken = (index + 1) / points;
    const gain = positivesAmongTop(counts, last + 1, taken * total) / positives;
    return { taken, gain, lift: gain / taken };
  });
}
