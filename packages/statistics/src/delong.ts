import { rankScores } from './binary-metrics.ts';
import { normalCdf, normalQuantile } from './distributions.ts';
import { RangeOfValueError, requireSameLength } from './errors.ts';
import type { Numbers } from './order.ts';

/** An area under the ROC curve with DeLong's standard error; NaN throughout with one class, or one row of a class. */
export interface DeLongArea {
  readonly value: number;
  readonly standardError: number;
  readonly low: number;
  readonly high: number;
}

/** How much larger the first scorer's area is than the second's on the same rows, and how surprising that is. */
export interface DeLongDifference extends DeLongArea {
  readonly first: number;
  readonly second: number;
  readonly z: number;
  /** Two-sided. 1 when the scorers cannot be told apart at all. */
  readonly pValue: number;
}

/** Placement values: of each positive row among the negatives, and the other way round. */
interface Placements {
  readonly positive: Float64Array;
  readonly negative: Float64Array;
  readonly area: number;
}

/**
 * Area under the ROC curve with a normal interval by DeLong's variance, clipped to 0..1. O(n log n).
 * Source: DeLong, DeLong & Clarke-Pearson 1988; midranks as Sun & Xu 2014. @param level coverage, 0.95 by default.
 */
export function deLongArea(scores: Numbers, labels: Numbers, level = 0.95): DeLongArea {
  requireSameLength({ scores, labels });
  const { positive, negative, area } = placements(scores, labels);
  const standardError = Math.sqrt(spread(positive) / positive.length + spread(negative) / negative.length);
  const reach = reachOf(level) * standardError;
  return { value: area, standardError, low: Math.max(0, area - reach), high: Math.min(1, area + reach) };
}

/** DeLong's test of two scorers on the same rows, paired. @param first, second scores, higher = more positive. */
export function deLongDifference(first: Numbers, second: Numbers, labels: Numbers, level = 0.95): DeLongDifference {
  requireSameLength({ first, second, labels });
  const one = placements(first, labels);
  const two = placements(second, labels);
  const value = one.area - two.area;
  const positive = one.positive.map((each, index) => each - (two.positive[index] as number));
  const negative = one.negative.map((each, index) => each - (two.negative[index] as number));
  const standardError = Math.sqrt(spread(positive) / positive.length + spread(negative) / negative.length);
  const z = standardError === 0 ? (value === 0 ? 0 : Math.sign(value) * Number.POSITIVE_INFINITY) : value / standardError;
  const pValue = Number.isFinite(z) ? 2 * normalCdf(-Math.abs(z)) : Number.isNaN(z) ? Number.NaN : 0;
  const reach = reachOf(level) * standardError;
  return { first: one.area, second: two.area, value, standardError, z, pValue, low: value - reach, high: value + reach };
}

function reachOf(level: number): number {
  if (!(level > 0 && level < 1)) throw new RangeOfValueError(`"level" must lie between 0 and 1, got ${level}.`);
  return normalQuantile(0.5 + level / 2);
}

function placements(scores: Numbers, labels: Numbers): Placements {
  const { order, labels: sorted, ends } = rankScores(scores, labels);
  const positives = sorted.reduce((sum, label) => sum + label, 0);
  const negatives = sorted.length - positives;
  // By row, so that two scorers' placements of one row meet at one index.
  const byRow = new Float64Array(order.length);
  let area = 0;
  let positivesAbove = 0;
  let negativesAbove = 0;
  for (let start = 0; start < order.length;) {
    let end = start;
    while (ends[end] === 0) end += 1;
    let groupPositive = 0;
    for (let rank = start; rank <= end; rank += 1) groupPositive += sorted[rank] as number;
    const groupNegative = end - start + 1 - groupPositive;
    const ofPositive = (negatives - negativesAbove - groupNegative / 2) / negatives;
    const ofNegative = (positivesAbove + groupPositive / 2) / positives;
    for (let rank = start; rank <= end; rank += 1) byRow[order[rank] as number] = sorted[rank] === 1 ? ofPositive : ofNegative;
    area += groupNegative * (positivesAbove + groupPositive / 2);
    positivesAbove += groupPositive;
    negativesAbove += groupNegative;
    start = end + 1;
  }
  return {
    positive: byRow.filter((_, row) => labels[row] === 1),
    negative: byRow.filter((_, row) => labels[row] === 0),
    area: area / (positives * negatives),
  };
}

/** Sample variance; NaN of fewer than two. */
function spread(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
}
