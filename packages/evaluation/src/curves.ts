import { CALIBRATION_BIN_COUNT, type RankedScores, calibrationBinOf, gainCurve, rankScores } from '@slipway/statistics';
import { CURVE_POINT_LIMIT, type CalibrationBin, type Curves } from './contract.ts';

/** Evenly spaced points of the gain and cost curves. */
const GAIN_POINTS = 50;
const COST_POINTS = 51;

interface Step {
  readonly threshold: number;
  readonly truePositive: number;
  readonly falsePositive: number;
}

/** ROC and precision-recall curves of one positive class, thinned to at most 200 points; null with a single class. */
export function binaryCurves(probabilities: Float64Array, labels: Uint8Array, weights?: Float64Array): Curves | null {
  const steps = curveSteps(rankScores(probabilities, labels), probabilities, weights);
  const last = steps.at(-1) as Step;
  if (last.truePositive === 0 || last.falsePositive === 0) return null;
  // One point of the ROC curve is the origin, which no threshold reaches.
  const kept = thin(steps, last, CURVE_POINT_LIMIT - 1);
  return {
    roc: [
      { falsePositiveRatio: 0, truePositiveRatio: 0, threshold: null },
      ...kept.map((step) => ({
        falsePositiveRatio: step.falsePositive / last.falsePositive,
        truePositiveRatio: step.truePositive / last.truePositive,
        threshold: step.threshold,
      })),
    ],
    precisionRecall: kept.map((step) => ({
      recall: step.truePositive / last.truePositive,
      precision: step.truePositive / (step.truePositive + step.falsePositive),
      threshold: step.threshold,
    })),
    gain: gainCurve(probabilities, labels, GAIN_POINTS, weights) ?? [],
    cost: costCurve(steps, last),
  };
}

/** The lower envelope of all thresholds' cost lines, by how much of what can go wrong the positive class is. */
function costCurve(steps: readonly Step[], last: Step): Curves['cost'] {
  const rates = steps.map((step) => ({
    missed: 1 - step.truePositive / last.truePositive,
    alarmed: step.falsePositive / last.falsePositive,
  }));
  return Array.from({ length: COST_POINTS }, (_, index) => {
    const probabilityCost = index / (COST_POINTS - 1);
    // Never acting costs every positive, and is no threshold of the list.
    let least = probabilityCost;
    for (const { missed, alarmed } of rates) least = Math.min(least, missed * probabilityCost + alarmed * (1 - probabilityCost));
    return { probabilityCost, normalisedCost: least };
  });
}

function curveSteps(ranked: RankedScores, probabilities: Float64Array, weights: Float64Array | undefined): Step[] {
  const steps: Step[] = [];
  let truePositive = 0;
  let falsePositive = 0;
  for (let rank = 0; rank < ranked.order.length; rank += 1) {
    const row = ranked.order[rank] as number;
    const weight = weights ? (weights[row] as number) : 1;
    if (ranked.labels[rank] === 1) truePositive += weight;
    else falsePositive += weight;
    if (ranked.ends[rank] === 1 && truePositive + falsePositive > 0) {
      steps.push({ threshold: probabilities[row] as number, truePositive, falsePositive });
    }
  }
  return steps;
}

/** Points at about equal distances along the curve: even in neither axis alone, so steep parts keep their shape. */
function thin(steps: readonly Step[], last: Step, limit: number): Step[] {
  if (steps.length <= limit) return [...steps];
  const lengthAt = (step: Step) => step.truePositive / last.truePositive + step.falsePositive / last.falsePositive;
  const kept: Step[] = [];
  let next = 0;
  for (const step of steps) {
    if (step !== last && (lengthAt(step) < next || kept.length >= limit - 1)) continue;
    kept.push(step);
    next = (2 * (Math.floor((lengthAt(step) / 2) * (limit - 2)) + 1)) / (limit - 2);
  }
  return kept;
}

/** Said and observed shares of the positive class by ten bins of equal width; empty bins are left out. */
export function calibrationBins(probabilities: Float64Array, labels: Uint8Array, weights?: Float64Array): CalibrationBin[] {
  const sums = Array.from({ length: CALIBRATION_BIN_COUNT }, () => ({ rows: 0, weight: 0, said: 0, observed: 0 }));
  for (let row = 0; row < labels.length; row += 1) {
    const probability = probabilities[row] as number;
    const bin = sums[calibrationBinOf(probability)];
    const weight = weights ? (weights[row] as number) : 1;
    if (!bin || weight === 0) continue;
    bin.rows += 1;
    bin.weight += weight;
    bin.said += weight * probability;
    bin.observed += weight * (labels[row] as number);
  }
  return sums.flatMap(({ rows, weight, said, observed }, index) =>
    rows === 0
      ? []
      : [
          {
            from: index / CALIBRATION_BIN_COUNT,
            to: (index + 1) / CALIBRATION_BIN_COUNT,
            rows,
            meanProbability: said / weight,
            observedRatio: observed / weight,
          },
        ],
  );
}
