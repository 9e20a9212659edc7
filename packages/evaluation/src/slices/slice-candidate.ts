import type { TaskData, Truth } from '../inputs.ts';
import type { Grouping } from './grouping.ts';
import type { Sums } from './tests-of-means.ts';

/** A slice under test: rows of one group, or of one group in each of two columns. */
export interface Candidate {
  readonly first: Grouping;
  readonly firstGroup: number;
  readonly second: Grouping | null;
  readonly secondGroup: number;
  readonly loss: Sums;
  readonly error: Sums | null;
  pWorse: number;
  pBiased: number;
}

/** Whether a row belongs to a slice. */
export function isMember({ first, firstGroup, second, secondGroup }: Candidate, row: number): boolean {
  return first.codes[row] === firstGroup && (second === null || second.codes[row] === secondGroup);
}

/** Every row's position. */
export function allRows(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, row) => row);
}

/** The same task on some of the rows. */
export function takeData(data: TaskData, rows: Int32Array): TaskData {
  const { task, classes, positive } = data;
  const truth: Truth = data.truth instanceof Int32Array ? pickCodes(data.truth, rows) : pickNumbers(data.truth, rows);
  if ('values' in data.predictions) {
    return { task, classes, positive, truth, predictions: { values: pickNumbers(data.predictions.values, rows) } };
  }
  const width = classes?.length ?? 1;
  const probabilities = new Float64Array(rows.length * width);
  const { probabilities: all } = data.predictions;
  rows.forEach((row, at) => {
    for (let code = 0; code < width; code += 1) probabilities[at * width + code] = all[row * width + code] as number;
  });
  return { task, classes, positive, truth, predictions: { probabilities } };
}

const pickCodes = (from: Int32Array, rows: Int32Array): Int32Array => rows.map((row) => from[row] as number);
const pickNumbers = (from: Float32Array | Float64Array, rows: Int32Array): Float64Array =>
  Float64Array.from(rows, (row) => from[row] as number);
