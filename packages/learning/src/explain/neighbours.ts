import type { Neighbour } from '@slipway/kernel';
import type { ExplainerData } from './explainer-data.ts';

/** A difference counts at most this many spreads, so that one outlier does not hide that the rest agrees. */
const DIFFERENCE_LIMIT = 3;

/**
 * The stored training examples nearest to an encoded row: differences of features in spreads, categories equal or not, each
 * weighted by its share of the mean absolute contribution, so that near means near to the model.
 */
export function nearestExamples(data: ExplainerData, row: Float32Array, count: number): Neighbour[] {
  const { examples, importance, spreads } = data;
  if (!examples || count === 0) return [];
  const total = importance.reduce((sum, value) => sum + value, 0);
  const distances = Array.from({ length: examples.encoded.rowCount }, (_, example) => {
    let sum = 0;
    row.forEach((value, feature) => {
      const weight = total > 0 ? (importance[feature] as number) / total : 1 / row.length;
      if (weight > 0)
        sum += weight * differenceOf(value, examples.encoded.values[example * row.length + feature] as number, spreads[feature] as number);
    });
    return { example, distance: sum };
  });
  return distances
    .toSorted((left, right) => left.distance - right.distance || left.example - right.example)
    .slice(0, count)
    .map(({ example, distance }) => ({
      row: examples.rows[example] as number,
      target: examples.targets[example] as string | number,
      distance,
      values: Object.fromEntries(examples.cells.map(({ field, values }) => [field, values[example] ?? null])),
    }));
}

/** @param spread 0 for categories. */
function differenceOf(left: number, right: number, spread: number): number {
  const [leftMissing, rightMissing] = [left !== left, right !== right];
  if (leftMissing || rightMissing) return leftMissing === rightMissing ? 0 : 1;
  if (spread === 0) return left === right ? 0 : 1;
  return Math.min(DIFFERENCE_LIMIT, Math.abs(left - right) / spread);
}
