import {
  type Confusion,
  accuracyOf,
  balancedAccuracyOf,
  binaryRowLogLoss,
  f1Of,
  mccOf,
  precisionOf,
  rankScores,
  recallOf,
  rowLogLoss,
} from './binary-metrics.ts';
import type { ResamplePlan } from './bootstrap.ts';
import { CALIBRATION_BIN_COUNT, calibrationBinOf, calibrationErrorOf } from './calibration-error.ts';
import { RangeOfValueError, ShapeError, requireSameLength } from './errors.ts';
import { argmaxRows, macroF1Of, macroRecallOf } from './multiclass-metrics.ts';
import { ONE_VERSUS_REST_CELL_LIMIT, oneVersusRest, truthRanks } from './one-vs-rest.ts';
import { BINARY_METRICS, MULTICLASS_METRICS, QUANTILE_METRICS, REGRESSION_METRICS } from './metric-names.ts';
import { type Numbers, orderDescending } from './order.ts';
import { r2Of } from './regression-metrics.ts';
import { ksOf, positivesAmongTop } from './top-metrics.ts';

/** Share of the rows that `precision_at_10_percent` looks at. */
const TOP_RATIO = 0.1;
const TOP_CLASSES = 3;

/**
 * All metrics of a binary classifier in one pass a resample. Undefined (NaN): roc_auc when a class was not drawn,
 * average_precision when no positive was.
 * @param input.probabilities of class 1, shape [n].  @param input.labels 0 or 1.  @param input.predicted 0 or 1; by
 * default 1 where the probability exceeds one half.  @param input.weights >= 0.
 */
export function binaryPlan(input: {
  readonly probabilities: Numbers;
  readonly labels: Numbers;
  readonly predicted?: Numbers;
  readonly weights?: Numbers | undefined;
}): ResamplePlan {
  const rowCount = requireSameLength({ ...input });
  const { order, sortedLabels, ends, losses, squares, bins, gaps, guesses, rowWeights } = rankedRows(input);
  const differences = new Float64Array(CALIBRATION_BIN_COUNT);
  // By run of equal scores; filled anew by each resample.
  const above = { truePositive: new Float64Array(rowCount), falsePositive: new Float64Array(rowCount) };
  return {
    rowCount,
    names: BINARY_METRICS,
    evaluate(counts, out) {
      differences.fill(0);
      let runs = 0;
      let positives = 0;
      let negatives = 0;
      let groupPositive = 0;
      let groupNegative = 0;
      let area = 0;
      let precisionSum = 0;
      let lossSum = 0;
      let squareSum = 0;
      let truePositive = 0;
      let falsePositive = 0;
      for (let rank = 0; rank < rowCount; rank += 1) {
        const count = counts[order[rank] as number] as number;
        if (count > 0) {
          const weight = count * (rowWeights[rank] as number);
          lossSum += weight * (losses[rank] as number);
          squareSum += weight * (squares[rank] as number);
          const bin = bins[rank] as number;
          differences[bin] = (differences[bin] as number) + weight * (gaps[rank] as number);
          if (sortedLabels[rank] === 1) {
            groupPositive += weight;
            if (guesses[rank] === 1) truePositive += weight;
          } else {
            groupNegative += weight;
            if (guesses[rank] === 1) falsePositive += weight;
          }
        }
        if (ends[rank] === 0) continue;
        area += groupNegative * (positives + groupPositive / 2);
        positives += groupPositive;
        negatives += groupNegative;
        if (groupPositive > 0) precisionSum += (groupPositive * positives) / (positives + negatives);
        groupPositive = 0;
        groupNegative = 0;
        above.truePositive[runs] = positives;
        above.falsePositive[runs] = negatives;
        runs += 1;
      }
      const total = positives + negatives;
      const cells = { truePositive, falsePositive, falseNegative: positives - truePositive, trueNegative: negatives - falsePositive };
      out[0] = area / (positives * negatives);
      out[1] = precisionSum / positives;
      out[2] = lossSum / total;
      out[3] = squareSum / total;
      writeConfusionMetrics(cells, out);
      const top = TOP_RATIO * total;
      out[10] = calibrationErrorOf(differences, total);
      out[11] = ksOf(above, runs);
      out[12] = positivesAmongTop(above, runs, top) / top;
      out[13] = (out[12] as number) / (positives / total);
    },
  };
}

/** What of each row does not change from resample to resample, by rank of its probability. */
function rankedRows({ probabilities, labels, predicted, weights }: Parameters<typeof binaryPlan>[0]) {
  const rowCount = labels.length;
  const { order, labels: sortedLabels, ends } = rankScores(probabilities, labels);
  const losses = new Float64Array(rowCount);
  const squares = new Float64Array(rowCount);
  const bins = new Uint8Array(rowCount);
  const gaps = new Float64Array(rowCount);
  const guesses = new Uint8Array(rowCount);
  const rowWeights = new Float64Array(rowCount).fill(1);
  for (let rank = 0; rank < rowCount; rank += 1) {
    const row = order[rank] as number;
    const probability = probabilities[row] as number;
    if (!(probability >= 0 && probability <= 1)) throw new RangeOfValueError(`Probability ${row} is ${probability}; it must lie in 0..1.`);
    losses[rank] = binaryRowLogLoss(probability, sortedLabels[rank] as number);
    gaps[rank] = probability - (sortedLabels[rank] as number);
    squares[rank] = (gaps[rank] as number) ** 2;
    bins[rank] = calibrationBinOf(probability);
    guesses[rank] = predicted ? (predicted[row] as number) : probability > 0.5 ? 1 : 0;
    if (weights) rowWeights[rank] = weights[row] as number;
  }
  return { order, sortedLabels, ends, losses, squares, bins, gaps, guesses, rowWeights };
}

function writeConfusionMetrics(cells: Confusion, out: Float64Array): void {
  out[4] = accuracyOf(cells);
  out[5] = precisionOf(cells);
  out[6] = recallOf(cells);
  out[7] = f1Of(cells);
  out[8] = mccOf(cells);
  out[9] = balancedAccuracyOf(cells);
}

/**
 * Metrics of a classifier of several classes; the predicted class is the most probable one (first on ties). Beyond
 * ONE_VERSUS_REST_CELL_LIMIT cells the areas under ROC curves are left undefined.
 * @param input.probabilities shape [n * classCount], row by row.  @param input.labels class codes, shape [n].
 */
export function multiclassPlan(input: {
  readonly probabilities: Numbers;
  readonly labels: Numbers;
  readonly classCount: number;
  readonly weights?: Numbers | undefined;
}): ResamplePlan {
  const { probabilities, labels, classCount, weights } = input;
  const rowCount = requireSameLength({ labels, weights });
  if (probabilities.length !== rowCount * classCount)
    throw new ShapeError(
      `${rowCount} rows of ${classCount} classes need ${rowCount * classCount} probabilities, got ${probabilities.length}.`,
    );
  const predicted = argmaxRows(probabilities, classCount);
  const losses = new Float64Array(rowCount);
  const cellOf = new Int32Array(rowCount);
  for (let row = 0; row < rowCount; row += 1) {
    const label = labels[row] as number;
    const probability = probabilities[row * classCount + label] as number;
    if (!(probability >= 0 && probability <= 1))
      throw new RangeOfValueError(
        `Row ${row} has probability ${probability} for class ${label}; codes are below ${classCount} and probabilities in 0..1.`,
      );
    losses[row] = rowLogLoss(probability);
    cellOf[row] = label * classCount + (predicted[row] as number);
  }
  const cells = new Float64Array(classCount * classCount);
  const ranks = truthRanks(probabilities, labels, classCount);
  const areas = probabilities.length > ONE_VERSUS_REST_CELL_LIMIT ? undefined : oneVersusRest(probabilities, labels, classCount);
  return {
    rowCount,
    names: MULTICLASS_METRICS,
    evaluate(counts, out) {
      cells.fill(0);
      let lossSum = 0;
      let total = 0;
      let nearTop = 0;
      const weightOf = weights
        ? (row: number) => (counts[row] as number) * (weights[row] as number)
        : (row: number) => counts[row] as number;
      for (let row = 0; row < rowCount; row += 1) {
        const weight = weightOf(row);
        total += weight;
        if ((ranks[row] as number) < TOP_CLASSES) nearTop += weight;
        lossSum += weight * (losses[row] as number);
        const cell = cellOf[row] as number;
        cells[cell] = (cells[cell] as number) + weight;
      }
      let right = 0;
      for (let code = 0; code < classCount; code += 1) right += cells[code * classCount + code] as number;
      out[0] = right / total;
      out[1] = macroF1Of(cells, classCount);
      out[2] = lossSum / total;
      out[3] = macroRecallOf(cells, classCount);
      out[4] = nearTop / total;
      const area = areas?.evaluate(weightOf);
      out[5] = area?.macro ?? Number.NaN;
      out[6] = area?.weighted ?? Number.NaN;
    },
  };
}

/**
 * Metrics of a regression. Unlike `mape`, whose value rows of truth 0 make astronomic, the plan's `mape` leaves those
 * rows out and is undefined (NaN) when no other row was drawn. The median's weights follow numpy for whole counts, and
 * average the two middle values of fractional ones.
 * @param input.quantile level that the predictions claim to be; adds QUANTILE_METRICS.
 */
export function regressionPlan(input: {
  readonly predicted: Numbers;
  readonly truth: Numbers;
  readonly weights?: Numbers | undefined;
  readonly quantile?: number | undefined;
}): ResamplePlan {
  const { predicted, truth, weights, quantile } = input;
  const rowCount = requireSameLength({ predicted, truth, weights });
  let centre = 0;
  for (let row = 0; row < rowCount; row += 1) centre += ((truth[row] as number) - centre) / (row + 1);
  const errors = new Float64Array(rowCount);
  // Distances from the mean keep the difference of squares below from cancelling for truths far from zero.
  const centred = new Float64Array(rowCount);
  for (let row = 0; row < rowCount; row += 1) {
    errors[row] = (predicted[row] as number) - (truth[row] as number);
    centred[row] = (truth[row] as number) - centre;
    if (Number.isNaN(errors[row])) throw new RangeOfValueError(`Row ${row} has no number as truth or prediction.`);
  }
  const middle = medianSize(errors, weights);
  return {
    rowCount,
    names: quantile === undefined ? REGRESSION_METRICS : [...REGRESSION_METRICS, ...QUANTILE_METRICS],
    evaluate(counts, out) {
      let pinball = 0;
      let covered = 0;
      let total = 0;
      let squared = 0;
      let absolute = 0;
      let relative = 0;
      let relativeTotal = 0;
      let sum = 0;
      let sumOfSquares = 0;
      for (let row = 0; row < rowCount; row += 1) {
        const weight = (counts[row] as number) * (weights ? (weights[row] as number) : 1);
        if (weight === 0) continue;
        const error = errors[row] as number;
        const size = Math.abs(error);
        const y = centred[row] as number;
        const scale = Math.abs(truth[row] as number);
        total += weight;
        squared += weight * error * error;
        absolute += weight * size;
        sum += weight * y;
        sumOfSquares += weight * y * y;
        if (quantile !== undefined) {
          pinball += weight * (error > 0 ? (1 - quantile) * error : -quantile * error);
          if (error >= 0) covered += weight;
        }
        if (scale > 0) {
          relative += (weight * size) / scale;
          relativeTotal += weight;
        }
      }
      const spread = sumOfSquares - (sum * sum) / total;
      out[0] = Math.sqrt(squared / total);
      out[1] = absolute / total;
      // What cancellation leaves of a constant truth is no spread.
      out[2] = rowCount < 2 ? Number.NaN : r2Of(squared, spread > sumOfSquares * 1e-14 ? spread : 0);
      out[3] = relative / relativeTotal;
      out[4] = middle(counts, total / 2);
      if (quantile === undefined) return;
      out[5] = pinball / total;
      out[6] = covered / total;
    },
  };
}

/** The middle size of the errors for any counts of rows, which are sorted once. */
function medianSize(errors: Float64Array, weights: Numbers | undefined): (counts: Uint16Array, half: number) => number {
  const bySize = orderDescending(errors.map(Math.abs));
  return (counts, half) => {
    let passed = 0;
    let upper = Number.NaN;
    for (const row of bySize) {
      passed += (counts[row] as number) * (weights ? (weights[row] as number) : 1);
      const size = Math.abs(errors[row] as number);
      if (Number.isNaN(upper) && passed >= half) upper = size;
      if (passed > half) return (upper + size) / 2;
    }
    return upper;
  };
}
