import { RangeOfValueError, ShapeError, requireSameLength } from './errors.ts';
import { rowLogLoss } from './binary-metrics.ts';
import type { Numbers } from './order.ts';

/**
 * Counts (or sums of weights) by class: cell [truth * classCount + predicted].
 * @param predicted shape [n], class codes.  @param labels shape [n], class codes.
 */
export function confusionMatrix(predicted: Numbers, labels: Numbers, classCount: number, weights?: Numbers): Float64Array {
  const length = requireSameLength({ predicted, labels, weights });
  const cells = new Float64Array(classCount * classCount);
  for (let row = 0; row < length; row += 1) {
    const cell = requireCode(labels[row] as number, classCount) * classCount + requireCode(predicted[row] as number, classCount);
    cells[cell] = (cells[cell] as number) + (weights ? (weights[row] as number) : 1);
  }
  return cells;
}

/** @throws {RangeOfValueError} unless a class code. */
export function requireCode(code: number, classCount: number): number {
  if (!Number.isInteger(code) || code < 0 || code >= classCount) {
    throw new RangeOfValueError(`Class code ${code} is not a whole number below ${classCount}.`);
  }
  return code;
}

/** Mean of the classes' F1; classes in neither truth nor predictions do not count (scikit-learn's rule). */
export function macroF1(predicted: Numbers, labels: Numbers, classCount: number, weights?: Numbers): number {
  return macroF1Of(confusionMatrix(predicted, labels, classCount, weights), classCount);
}

/** Macro F1 of a confusion matrix as `confusionMatrix` lays it out. */
export function macroF1Of(cells: Float64Array, classCount: number): number {
  let sum = 0;
  let present = 0;
  for (let code = 0; code < classCount; code += 1) {
    let truth = 0;
    let predicted = 0;
    for (let other = 0; other < classCount; other += 1) {
      truth += cells[code * classCount + other] as number;
      predicted += cells[other * classCount + code] as number;
    }
    if (truth + predicted === 0) continue;
    present += 1;
    sum += (2 * (cells[code * classCount + code] as number)) / (truth + predicted);
  }
  return present === 0 ? 0 : sum / present;
}

/** Mean of the classes' recalls; classes without rows do not count (scikit-learn's rule). */
export function balancedAccuracy(predicted: Numbers, labels: Numbers, classCount: number, weights?: Numbers): number {
  return macroRecallOf(confusionMatrix(predicted, labels, classCount, weights), classCount);
}

/** Mean recall of a confusion matrix as `confusionMatrix` lays it out. */
export function macroRecallOf(cells: Float64Array, classCount: number): number {
  let sum = 0;
  let present = 0;
  for (let code = 0; code < classCount; code += 1) {
    let truth = 0;
    for (let other = 0; other < classCount; other += 1) truth += cells[code * classCount + other] as number;
    if (truth === 0) continue;
    present += 1;
    sum += (cells[code * classCount + code] as number) / truth;
  }
  return sum / present;
}

/**
 * Mean log loss (natural logarithm) of the probability given to the true class, clipped like `logLoss`; rows are not
 * normalised. @param probabilities shape [n * classCount], row by row.  @param labels shape [n], class codes.
 */
export function multiclassLogLoss(probabilities: Numbers, labels: Numbers, classCount: number, weights?: Numbers): number {
  const length = requireSameLength({ labels, weights });
  if (probabilities.length !== length * classCount) {
    throw new ShapeError(
      `"probabilities" has ${probabilities.length} values; ${length} rows of ${classCount} classes need ${length * classCount}.`,
    );
  }
  let sum = 0;
  let total = 0;
  for (let row = 0; row < length; row += 1) {
    const probability = probabilities[row * classCount + requireCode(labels[row] as number, classCount)] as number;
    if (!(probability >= 0 && probability <= 1))
      throw new RangeOfValueError(`Probability of row ${row} is ${probability}; it must lie in 0..1.`);
    const weight = weights ? (weights[row] as number) : 1;
    sum += weight * rowLogLoss(probability);
    total += weight;
  }
  return sum / total;
}

/** The class with the highest probability of each row; ties go to the first. @returns shape [n]. */
export function argmaxRows(probabilities: Numbers, classCount: number): Int32Array {
  if (classCount < 1 || probabilities.length % classCount !== 0) {
    throw new ShapeError(`${probabilities.length} probabilities are no whole number of rows of ${classCount} classes.`);
  }
  const codes = new Int32Array(probabilities.length / classCount);
  for (let row = 0; row < codes.length; row += 1) {
    let best = 0;
    for (let code = 1; code < classCount; code += 1) {
      if ((probabilities[row * classCount + code] as number) > (probabilities[row * classCount + best] as number)) best = code;
    }
    codes[row] = best;
  }
  return codes;
}
