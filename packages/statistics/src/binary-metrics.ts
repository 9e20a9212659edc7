import { RangeOfValueError, requireSameLength } from './errors.ts';
import { type Numbers, orderDescending } from './order.ts';

/** Weighted counts of the four cells; the positive class is 1. */
export interface Confusion {
  readonly truePositive: number;
  readonly falsePositive: number;
  readonly falseNegative: number;
  readonly trueNegative: number;
}

/** scikit-learn's clip for double probabilities: the machine epsilon, so the worst loss of a row is 36.04. */
export const LOG_LOSS_EPSILON = Number.EPSILON;

/** Rows from highest to lowest score with the ends of runs of equal scores, so that resamples need no second sort. */
export interface RankedScores {
  /** Row positions, best first. */
  readonly order: Uint32Array;
  /** Labels in that order. */
  readonly labels: Uint8Array;
  /** 1 where the next score is lower, so the threshold may fall here; the last row always has 1. */
  readonly ends: Uint8Array;
}

/** Sorts once what ROC and precision-recall curves need. O(n log n) at most. */
export function rankScores(scores: Numbers, labels: Numbers): RankedScores {
  const length = requireSameLength({ scores, labels });
  const order = orderDescending(scores);
  const sorted = new Uint8Array(length);
  const ends = new Uint8Array(length);
  for (let rank = 0; rank < length; rank += 1) {
    const row = order[rank] as number;
    sorted[rank] = requireBinary(labels[row] as number, row);
    ends[rank] = rank === length - 1 || scores[row] !== scores[order[rank + 1] as number] ? 1 : 0;
  }
  return { order, labels: sorted, ends };
}

/** @throws {RangeOfValueError} unless 0 or 1. */
export function requireBinary(label: number, row: number): number {
  if (label !== 0 && label !== 1) throw new RangeOfValueError(`Label ${row} is ${label}; labels are 0 or 1.`);
  return label;
}

/**
 * Area under the ROC curve by ranks, ties averaged. O(n log n) at most.
 * @param scores shape [n], higher = more positive.  @param labels shape [n], 0 or 1.  @param weights shape [n], >= 0.
 * @returns ratio in 0..1, or NaN when one class has no weight (as scikit-learn does).  Source: Hanley & McNeil 1982.
 */
export function rocAuc(scores: Numbers, labels: Numbers, weights?: Numbers): number {
  requireSameLength({ scores, labels, weights });
  const ranked = rankScores(scores, labels);
  return rankedCurveAreas(ranked, weightsInOrder(ranked.order, weights)).rocAuc;
}

/**
 * Average precision: the sum over thresholds of (recall step) x precision, without interpolation.
 * @returns ratio in 0..1; NaN when no positive row has weight (scikit-learn warns and says 0).
 */
export function averagePrecision(scores: Numbers, labels: Numbers, weights?: Numbers): number {
  requireSameLength({ scores, labels, weights });
  const ranked = rankScores(scores, labels);
  return rankedCurveAreas(ranked, weightsInOrder(ranked.order, weights)).averagePrecision;
}

/** Weights by rank; all ones when there are none. */
function weightsInOrder(order: Uint32Array, weights: Numbers | undefined): Float64Array {
  const sorted = new Float64Array(order.length).fill(1);
  if (weights) for (let rank = 0; rank < order.length; rank += 1) sorted[rank] = weights[order[rank] as number] as number;
  return sorted;
}

/** Both curve areas in one pass over weights given in rank order. */
function rankedCurveAreas(ranked: RankedScores, sortedWeights: Float64Array): { rocAuc: number; averagePrecision: number } {
  const { labels, ends } = ranked;
  let truePositive = 0;
  let falsePositive = 0;
  let groupPositive = 0;
  let groupNegative = 0;
  let area = 0;
  let precisionSum = 0;
  for (let rank = 0; rank < labels.length; rank += 1) {
    const weight = sortedWeights[rank] as number;
    if (labels[rank] === 1) groupPositive += weight;
    else groupNegative += weight;
    if (ends[rank] === 0) continue;
    area += groupNegative * (truePositive + groupPositive / 2);
    truePositive += groupPositive;
    falsePositive += groupNegative;
    if (groupPositive > 0) precisionSum += (groupPositive * truePositive) / (truePositive + falsePositive);
    groupPositive = 0;
    groupNegative = 0;
  }
  return { rocAuc: area / (truePositive * falsePositive), averagePrecision: precisionSum / truePositive };
}

/** One row's log loss: minus the logarithm of the probability given to what was true, clipped by LOG_LOSS_EPSILON. */
export function rowLogLoss(probabilityOfTruth: number): number {
  return -Math.log(Math.min(1 - LOG_LOSS_EPSILON, Math.max(LOG_LOSS_EPSILON, probabilityOfTruth)));
}

/** @throws {RangeOfValueError} outside 0..1. */
export function requireProbability(value: number, row: number): number {
  if (!(value >= 0 && value <= 1)) throw new RangeOfValueError(`Probability ${row} is ${value}; it must lie in 0..1.`);
  return value;
}

/** Mean log loss (natural logarithm) of the probability of class 1. @param probabilities shape [n], 0..1. */
export function logLoss(probabilities: Numbers, labels: Numbers, weights?: Numbers): number {
  return weightedMean(probabilities, labels, weights, binaryRowLogLoss);
}

/** Log loss of one row: `label` 0 or 1, `probability` of class 1. */
export function binaryRowLogLoss(probability: number, label: number): number {
  return rowLogLoss(label === 1 ? probability : 1 - probability);
}

/** Brier score: mean squared distance of the probability of class 1 from the label. @returns 0 (perfect) to 1. */
export function brier(probabilities: Numbers, labels: Numbers, weights?: Numbers): number {
  return weightedMean(probabilities, labels, weights, (probability, label) => (probability - label) ** 2);
}

function weightedMean(
  probabilities: Numbers,
  labels: Numbers,
  weights: Numbers | undefined,
  loss: (probability: number, label: number) => number,
): number {
  const length = requireSameLength({ probabilities, labels, weights });
  let sum = 0;
  let total = 0;
  for (let row = 0; row < length; row += 1) {
    const weight = weights ? (weights[row] as number) : 1;
    sum += weight * loss(requireProbability(probabilities[row] as number, row), requireBinary(labels[row] as number, row));
    total += weight;
  }
  return sum / total;
}

/** Counts (or sums of weights) of the four cells. @param predicted shape [n], 0 or 1.  @param labels shape [n], 0 or 1. */
export function confusion(predicted: Numbers, labels: Numbers, weights?: Numbers): Confusion {
  const length = requireSameLength({ predicted, labels, weights });
  const cells = [0, 0, 0, 0] as [number, number, number, number];
  for (let row = 0; row < length; row += 1) {
    const cell = requireBinary(labels[row] as number, row) * 2 + requireBinary(predicted[row] as number, row);
    (cells as number[])[cell] = (cells[cell] as number) + (weights ? (weights[row] as number) : 1);
  }
  return { trueNegative: cells[0], falsePositive: cells[1], falseNegative: cells[2], truePositive: cells[3] };
}

/** Share of rows whose predicted code equals the label; any number of classes. */
export function accuracy(predicted: Numbers, labels: Numbers, weights?: Numbers): number {
  const length = requireSameLength({ predicted, labels, weights });
  let right = 0;
  let total = 0;
  for (let row = 0; row < length; row += 1) {
    const weight = weights ? (weights[row] as number) : 1;
    if (predicted[row] === labels[row]) right += weight;
    total += weight;
  }
  return right / total;
}

/** Share of predicted positives that are positive; 0 when nothing was predicted positive. */
export function precision(predicted: Numbers, labels: Numbers, weights?: Numbers): number {
  return precisionOf(confusion(predicted, labels, weights));
}

/** Share of positives that were found; 0 when there are none. */
export function recall(predicted: Numbers, labels: Numbers, weights?: Numbers): number {
  return recallOf(confusion(predicted, labels, weights));
}

/** Harmonic mean of precision and recall; 0 when neither positives nor positive predictions exist. */
export function f1(predicted: Numbers, labels: Numbers, weights?: Numbers): number {
  return f1Of(confusion(predicted, labels, weights));
}

/** Matthews correlation coefficient, -1..1; 0 when a row or column of the confusion table is empty. */
export function mcc(predicted: Numbers, labels: Numbers, weights?: Numbers): number {
  return mccOf(confusion(predicted, labels, weights));
}

/** Mean of the two classes' recalls; a class without rows does not count (scikit-learn's rule). */
export function balancedAccuracyOf(c: Confusion): number {
  const positive = c.truePositive + c.falseNegative;
  const negative = c.trueNegative + c.falsePositive;
  if (positive === 0) return c.trueNegative / negative;
  if (negative === 0) return c.truePositive / positive;
  return (c.truePositive / positive + c.trueNegative / negative) / 2;
}

export function accuracyOf(c: Confusion): number {
  return (c.truePositive + c.trueNegative) / (c.truePositive + c.falsePositive + c.falseNegative + c.trueNegative);
}

export function precisionOf(c: Confusion): number {
  return ratioOrZero(c.truePositive, c.truePositive + c.falsePositive);
}

export function recallOf(c: Confusion): number {
  return ratioOrZero(c.truePositive, c.truePositive + c.falseNegative);
}

export function f1Of(c: Confusion): number {
  return ratioOrZero(2 * c.truePositive, 2 * c.truePositive + c.falsePositive + c.falseNegative);
}

export function mccOf(c: Confusion): number {
  const predictedPositive = c.truePositive + c.falsePositive;
  const predictedNegative = c.trueNegative + c.falseNegative;
  const positive = c.truePositive + c.falseNegative;
  const negative = c.trueNegative + c.falsePositive;
  // Square roots of the factors, not of their product, which overflows for large weights.
  const scale = Math.sqrt(predictedPositive) * Math.sqrt(predictedNegative) * Math.sqrt(positive) * Math.sqrt(negative);
  return ratioOrZero(c.truePositive * c.trueNegative - c.falsePositive * c.falseNegative, scale);
}

function ratioOrZero(numerator: number, denominator: number): number {
  return denominator === 0 ? 0 : numerator / denominator;
}
