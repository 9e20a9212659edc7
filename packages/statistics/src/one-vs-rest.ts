import { requireCode } from './multiclass-metrics.ts';
import { RangeOfValueError, ShapeError, requireSameLength } from './errors.ts';
import { type Numbers, orderDescending } from './order.ts';

/** Rows of each class against all others, sorted once; areas then cost O(rows x classes) for any weights of rows. */
export interface OneVersusRest {
  /** Mean over the classes, and the mean weighted by the rows of each class. */
  evaluate(weightOf: (row: number) => number): { readonly macro: number; readonly weighted: number };
}

/** Most cells (rows x classes) that are sorted: 4 bytes each, and each resample visits them all. */
export const ONE_VERSUS_REST_CELL_LIMIT = 20_000_000;

/**
 * Sorts rows by the probability of each class. Classes without a row, or with nothing but their own rows, have no area
 * and do not count (scikit-learn refuses such data).
 */
export function oneVersusRest(probabilities: Numbers, labels: Numbers, classCount: number): OneVersusRest {
  const rowCount = requireSameLength({ labels });
  requireMatrix(probabilities, rowCount, classCount);
  if (rowCount * classCount > ONE_VERSUS_REST_CELL_LIMIT)
    throw new RangeOfValueError(`${rowCount} rows of ${classCount} classes are more than ${ONE_VERSUS_REST_CELL_LIMIT} cells.`);
  const column = new Float64Array(rowCount);
  const orders: Uint32Array[] = [];
  const ends: Uint8Array[] = [];
  for (let code = 0; code < classCount; code += 1) {
    for (let row = 0; row < rowCount; row += 1) column[row] = probabilities[row * classCount + code] as number;
    const order = orderDescending(column);
    orders.push(order);
    ends.push(Uint8Array.from(order, (row, rank) => (rank === rowCount - 1 || column[row] !== column[order[rank + 1] as number] ? 1 : 0)));
  }
  const codes = Int32Array.from({ length: rowCount }, (_, row) => requireCode(labels[row] as number, classCount));
  return {
    evaluate(weightOf) {
      let sum = 0;
      let present = 0;
      let weightedSum = 0;
      let weightTotal = 0;
      for (let code = 0; code < classCount; code += 1) {
        const { area, weight } = classArea(orders[code] as Uint32Array, ends[code] as Uint8Array, codes, code, weightOf);
        if (Number.isNaN(area)) continue;
        sum += area;
        present += 1;
        weightedSum += weight * area;
        weightTotal += weight;
      }
      return { macro: sum / present, weighted: weightedSum / weightTotal };
    },
  };
}

function classArea(order: Uint32Array, ends: Uint8Array, codes: Int32Array, code: number, weightOf: (row: number) => number) {
  let positives = 0;
  let negatives = 0;
  let groupPositive = 0;
  let groupNegative = 0;
  let area = 0;
  for (let rank = 0; rank < order.length; rank += 1) {
    const row = order[rank] as number;
    const weight = weightOf(row);
    if (codes[row] === code) groupPositive += weight;
    else groupNegative += weight;
    if (ends[rank] === 0) continue;
    area += groupNegative * (positives + groupPositive / 2);
    positives += groupPositive;
    negatives += groupNegative;
    groupPositive = 0;
    groupNegative = 0;
  }
  return { area: area / (positives * negatives), weight: positives };
}

/** Area under the ROC curve of each class against the others, averaged. @param average over classes, or by their rows. */
export function multiclassRocAuc(
  probabilities: Numbers,
  labels: Numbers,
  options: { readonly classCount: number; readonly average: 'macro' | 'weighted'; readonly weights?: Numbers | undefined },
): number {
  const { classCount, average, weights } = options;
  requireSameLength({ labels, weights });
  return oneVersusRest(probabilities, labels, classCount).evaluate((row) => (weights ? (weights[row] as number) : 1))[average];
}

/** For each row how many classes are likelier than the true one, of equals those before it: 0 = the first guess is right. */
export function truthRanks(probabilities: Numbers, labels: Numbers, classCount: number): Int32Array {
  const rowCount = requireSameLength({ labels });
  requireMatrix(probabilities, rowCount, classCount);
  const ranks = new Int32Array(rowCount);
  for (let row = 0; row < rowCount; row += 1) {
    const label = requireCode(labels[row] as number, classCount);
    const own = probabilities[row * classCount + label] as number;
    let rank = 0;
    for (let code = 0; code < classCount; code += 1) {
      const other = probabilities[row * classCount + code] as number;
      if (other > own || (other === own && code < label)) rank += 1;
    }
    ranks[row] = rank;
  }
  return ranks;
}

/** Share of rows whose class is among the `top` likeliest; ties go to the first class, so that top 1 is the accuracy. */
export function topKAccuracy(
  probabilities: Numbers,
  labels: Numbers,
  options: { readonly classCount: number; readonly top: number; readonly weights?: Numbers | undefined },
): number {
  const { classCount, top, weights } = options;
  requireSameLength({ labels, weights });
  let right = 0;
  let total = 0;
  truthRanks(probabilities, labels, classCount).forEach((rank, row) => {
    const weight = weights ? (weights[row] as number) : 1;
    total += weight;
    if (rank < top) right += weight;
  });
  return right / total;
}

function requireMatrix(probabilities: Numbers, rowCount: number, classCount: number): void {
  if (probabilities.length === rowCount * classCount) return;
  throw new ShapeError(
    `"probabilities" has ${probabilities.length} values; ${rowCount} rows of ${classCount} classes need ${rowCount * classCount}.`,
  );
}
