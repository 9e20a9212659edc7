import type { LeakColumn } from './leak-columns.ts';
import { isExact, say } from './pair-relations.ts';

/** The target as `slope * a + slope * b + slope * c … + intercept`. */
interface ColumnSum {
  readonly columns: readonly LeakColumn[];
  /** Right-hand side of the equation. */
  readonly formula: string;
  readonly rows: number;
}

/** Columns tried together; wider tables are searched among their first ones only. */
const SUM_COLUMN_LIMIT = 100;
/** Columns that one formula may have: more would be a model, not a definition. */
const PART_LIMIT = 12;
/** Different target values, and rows for each column, that it takes to believe a formula. */
const VALUES_MIN = 20;
const ROWS_PER_COLUMN = 5;
const PRESENT_RATIO_MIN = 0.9;
/** A column whose share of the formula is smaller does not belong to it. */
const SHARE_MIN = 1e-5;
/** Columns that the others explain but for this share of their variance are one of these, written again. */
const DEPENDENT_RATIO = 1e-9;

/**
 * Three columns or more whose weighted sum is the target: least squares on all numeric columns at once, exact on every
 * row, then only the columns that have a part in it. One pass over the rows whatever the number of combinations.
 */
export function findColumnSum(columns: readonly LeakColumn[], target: Float64Array): ColumnSum | undefined {
  if (new Set(target).size < VALUES_MIN) return undefined;
  const numeric = columns.filter(({ numbers }) => numbers && presentRatio(numbers) >= PRESENT_RATIO_MIN).slice(0, SUM_COLUMN_LIMIT);
  if (numeric.length < 3) return undefined;
  const all = fit(numeric, target);
  if (!all) return undefined;
  const parts = numeric.filter((_, at) => (all.shares[at] as number) > SHARE_MIN);
  if (parts.length < 3 || parts.length > PART_LIMIT) return undefined;
  // Again without the others, so that the weights are those of the formula and hold on the rows that these columns have.
  const own = fit(parts, target);
  if (!own || own.rows < target.length * PRESENT_RATIO_MIN || own.shares.some((share) => !(share > SHARE_MIN))) return undefined;
  const terms = parts.map(({ name }, at) => ({ name, slope: own.slopes[at] as number }));
  return { columns: parts, formula: say(terms, own.intercept), rows: own.rows };
}

function presentRatio(numbers: Float64Array): number {
  return numbers.reduce((count, value) => count + (Number.isFinite(value) ? 1 : 0), 0) / Math.max(1, numbers.length);
}

interface Fit {
  readonly slopes: Float64Array;
  /** Deviation of each part over that of the target. */
  readonly shares: Float64Array;
  readonly intercept: number;
  readonly rows: number;
}

/** The exact weighted sum of all columns; undefined when there is none. */
function fit(columns: readonly LeakColumn[], target: Float64Array): Fit | undefined {
  const values = columns.map(({ numbers }) => numbers as Float64Array);
  const rows = Array.from(target.keys()).filter(
    (row) => Number.isFinite(target[row]) && values.every((each) => Number.isFinite(each[row])),
  );
  if (rows.length < Math.max(VALUES_MIN, ROWS_PER_COLUMN * columns.length)) return undefined;
  const taken = values.map((each) => standardised(Float64Array.from(rows, (row) => each[row] as number)));
  const y = Float64Array.from(rows, (row) => target[row] as number);
  const { mean, deviation, scaled } = standardised(y);
  const weights = leastSquares(
    taken.map((each) => each.scaled),
    scaled,
  );
  const slopes = weights.map((weight, at) => tidySlope((weight * deviation) / (taken[at] as Standardised).deviation));
  const intercept = slopes.reduce((sum, slope, at) => sum - slope * (taken[at] as Standardised).mean, mean);
  const predicted = (row: number) =>
    slopes.reduce((sum, slope, at) => sum + slope * ((values[at] as Float64Array)[rows[row] as number] as number), intercept);
  if (!isExact(y, predicted)) return undefined;
  return { slopes, shares: weights.map(Math.abs), intercept, rows: rows.length };
}

/** A slope within rounding of one with few digits is that one. */
function tidySlope(slope: number): number {
  const rounded = Math.round(slope * 1e4) / 1e4;
  return Math.abs(slope - rounded) <= 1e-6 * Math.max(1e-3, Math.abs(slope)) ? rounded : slope;
}

interface Standardised {
  readonly mean: number;
  readonly deviation: number;
  readonly scaled: Float64Array;
}

function standardised(values: Float64Array): Standardised {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) || 1;
  return { mean, deviation, scaled: values.map((value) => (value - mean) / deviation) };
}

/** Weights of standardised columns by Cholesky, columns that depend on those before them left out. */
function leastSquares(columns: readonly Float64Array[], y: Float64Array): Float64Array {
  const size = columns.length;
  const factor = new Float64Array(size * size);
  const solution = new Float64Array(size);
  const dot = (left: Float64Array, right: Float64Array) => {
    let sum = 0;
    for (let row = 0; row < left.length; row += 1) sum += (left[row] as number) * (right[row] as number);
    return sum / left.length;
  };
  const at = (a: number, b: number) => factor[a * size + b] as number;
  for (let a = 0; a < size; a += 1) {
    for (let b = 0; b <= a; b += 1) {
      let sum = dot(columns[a] as Float64Array, columns[b] as Float64Array);
      for (let c = 0; c < b; c += 1) sum -= at(a, c) * at(b, c);
      if (a === b) factor[a * size + a] = sum > DEPENDENT_RATIO ? Math.sqrt(sum) : 0;
      else factor[a * size + b] = at(b, b) === 0 ? 0 : sum / at(b, b);
    }
    let sum = dot(columns[a] as Float64Array, y);
    for (let b = 0; b < a; b += 1) sum -= at(a, b) * (solution[b] as number);
    solution[a] = at(a, a) === 0 ? 0 : sum / at(a, a);
  }
  for (let a = size - 1; a >= 0; a -= 1) {
    let sum = solution[a] as number;
    for (let b = a + 1; b < size; b += 1) sum -= at(b, a) * (solution[b] as number);
    solution[a] = at(a, a) === 0 ? 0 : sum / at(a, a);
  }
  return solution;
}
