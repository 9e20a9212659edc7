import type { LeakColumn } from './leak-columns.ts';

/** The target as a formula of two columns: `slope * (a ∘ b) + intercept`, or `slopeA * a + slopeB * b + intercept`. */
export interface PairRelation {
  readonly first: LeakColumn;
  readonly second: LeakColumn;
  readonly operation: string;
  /** Right-hand side of the equation. */
  readonly formula: string;
  readonly rows: number;
}

/** Pairs grow with the square; wider tables are searched among their first columns only. */
const PAIR_COLUMN_LIMIT = 300;
/** Different target values and rows that it takes to believe a formula. */
const VALUES_MIN = 20;
const PRESENT_RATIO_MIN = 0.9;
/** Rows that a formula is first tried on. */
const TRIAL_ROWS = 60;
/** Largest error over the range of the target: float32 files keep 7 digits. */
const ERROR_MAX = 1e-6;
/** Targets of few decimals were rounded: half of the last one may be missing, if the range is this many times larger. */
const ROUNDED_RANGE_MIN = 500;
const DECIMALS_MAX = 6;
/** A column whose share of the formula is smaller does not belong to it. */
const SHARE_MIN = 1e-5;
const ROUND_TOLERANCE = 1e-6;

interface Operation {
  readonly name: string;
  readonly apply: (a: number, b: number) => number;
  readonly say: (a: string, b: string) => string;
}

const OPERATIONS: readonly Operation[] = [
  { name: 'product', apply: (a, b) => a * b, say: (a, b) => `${a} * ${b}` },
  { name: 'ratio', apply: (a, b) => a / b, say: (a, b) => `${a} / ${b}` },
  { name: 'ratio', apply: (a, b) => b / a, say: (a, b) => `${b} / ${a}` },
];

/** Every pair of columns that gives the target by a sum, difference, product or ratio, each up to scale and offset. */
export function* findPairRelations(columns: readonly LeakColumn[], target: Float64Array): Generator<PairRelation | undefined> {
  if (target.length < VALUES_MIN || new Set(target).size < VALUES_MIN) return;
  const numeric = columns
    .filter((column) => column.numbers !== null && new Set(column.numbers.subarray(0, 2_000)).size > 2)
    .slice(0, PAIR_COLUMN_LIMIT);
  for (const [index, first] of numeric.entries()) {
    // One step of the search a column, so that the caller can breathe in between.
    yield undefined;
    for (const second of numeric.slice(index + 1)) {
      const found = relationOf(first, second, target);
      if (found) yield found;
    }
  }
}

function relationOf(first: LeakColumn, second: LeakColumn, target: Float64Array): PairRelation | undefined {
  const trial = pairRows(first, second, target, TRIAL_ROWS);
  if (trial.y.length < Math.min(VALUES_MIN, TRIAL_ROWS)) return undefined;
  const forms: ((pair: Pair) => Formula | undefined)[] = [
    (pair) => weightedSum(pair, first.name, second.name),
    ...OPERATIONS.map((operation) => (pair: Pair) => scaled(pair, operation, first.name, second.name)),
  ];
  for (const form of forms) {
    if (!form(trial)) continue;
    const pair = pairRows(first, second, target, target.length);
    const found = pair.y.length >= target.length * PRESENT_RATIO_MIN ? form(pair) : undefined;
    if (found) return { first, second, rows: pair.y.length, ...found };
  }
  return undefined;
}

interface Pair {
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly y: Float64Array;
}

/** Rows on which all three are present, spread over the table. */
function pairRows(first: LeakColumn, second: LeakColumn, target: Float64Array, limit: number): Pair {
  const [a, b] = [first.numbers as Float64Array, second.numbers as Float64Array];
  const step = Math.max(1, Math.floor(target.length / limit));
  const rows: number[] = [];
  for (let row = 0; row < target.length && rows.length < limit; row += step)
    if (Number.isFinite(a[row]) && Number.isFinite(b[row]) && Number.isFinite(target[row])) rows.push(row);
  const take = (values: Float64Array) => Float64Array.from(rows, (row) => values[row] as number);
  return { a: take(a), b: take(b), y: take(target) };
}

interface Formula {
  readonly operation: string;
  readonly formula: string;
}

/** Least squares on two columns and a constant; exact, and with a part in it for both. */
function weightedSum({ a, b, y }: Pair, first: string, second: string): Formula | undefined {
  const [meanA, meanB, meanY] = [average(a), average(b), average(y)];
  const aa = product(a, meanA, a, meanA);
  const bb = product(b, meanB, b, meanB);
  const ab = product(a, meanA, b, meanB);
  const determinant = aa * bb - ab * ab;
  // Two columns that are one another's copies cannot be told apart.
  if (!(determinant > 1e-9 * aa * bb)) return undefined;
  const ay = product(a, meanA, y, meanY);
  const by = product(b, meanB, y, meanY);
  const slopeA = tidy((ay * bb - by * ab) / determinant);
  const slopeB = tidy((by * aa - ay * ab) / determinant);
  const intercept = tidy(meanY - slopeA * meanA - slopeB * meanB, Math.abs(meanY));
  const spread = Math.sqrt(product(y, meanY, y, meanY));
  if (!(Math.abs(slopeA) * Math.sqrt(aa) > SHARE_MIN * spread) || !(Math.abs(slopeB) * Math.sqrt(bb) > SHARE_MIN * spread))
    return undefined;
  if (!isExact(y, (row) => slopeA * (a[row] as number) + slopeB * (b[row] as number) + intercept)) return undefined;
  const operation = slopeA * slopeB < 0 ? 'difference' : 'sum';
  const [head, tail] =
    slopeA < 0 && slopeB > 0 ? [term(slopeB, second), signed(slopeA, first)] : [term(slopeA, first), signed(slopeB, second)];
  return { operation, formula: `${head} ${tail}${constant(intercept)}` };
}

function scaled({ a, b, y }: Pair, operation: Operation, first: string, second: string): Formula | undefined {
  const values = Float64Array.from(a, (value, row) => operation.apply(value, b[row] as number));
  if (!values.every(Number.isFinite)) return undefined;
  const [meanV, meanY] = [average(values), average(y)];
  const vv = product(values, meanV, values, meanV);
  if (!(vv > 0)) return undefined;
  const slope = tidy(product(values, meanV, y, meanY) / vv);
  const intercept = tidy(meanY - slope * meanV, Math.abs(meanY));
  if (slope === 0 || !isExact(y, (row) => slope * (values[row] as number) + intercept)) return undefined;
  const said = operation.say(quote(first), quote(second));
  return { operation: operation.name, formula: `${slope === 1 ? said : `${show(slope)} * ${said}`}${constant(intercept)}` };
}

/** Whether a formula gives every value, but for what float32 or the last written decimal leaves out. */
export function isExact(y: Float64Array, predicted: (row: number) => number): boolean {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of y) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const range = high - low;
  const half = roundedHalf(y);
  const allowed = Math.max(ERROR_MAX * range, range >= ROUNDED_RANGE_MIN * half ? half * 1.01 : 0);
  for (let row = 0; row < y.length; row += 1) if (!(Math.abs(predicted(row) - (y[row] as number)) <= allowed)) return false;
  return range > 0;
}

/** Half of the last decimal that the numbers are written with; 0 when they have many. */
function roundedHalf(y: Float64Array): number {
  for (let decimals = 0; decimals <= DECIMALS_MAX; decimals += 1) {
    const scale = 10 ** decimals;
    if (y.every((value) => Math.abs(value * scale - Math.round(value * scale)) < 1e-6 * Math.max(1, Math.abs(value * scale))))
      return 0.5 / scale;
  }
  return 0;
}

function average(values: Float64Array): number {
  let mean = 0;
  for (let row = 0; row < values.length; row += 1) mean += ((values[row] as number) - mean) / (row + 1);
  return mean;
}

function product(x: Float64Array, meanX: number, y: Float64Array, meanY: number): number {
  let sum = 0;
  for (let row = 0; row < x.length; row += 1) sum += ((x[row] as number) - meanX) * ((y[row] as number) - meanY);
  return sum;
}

/** A number within rounding of one with few digits is that one. */
function tidy(value: number, scale = 1): number {
  const rounded = Math.round(value * 1e4) / 1e4;
  return Math.abs(value - rounded) <= ROUND_TOLERANCE * Math.max(Math.abs(value), scale) ? rounded : value;
}

/** A weighted sum in words, terms that are added first. */
export function say(terms: readonly { readonly name: string; readonly slope: number }[], intercept: number): string {
  const [first, ...rest] = terms.toSorted((a, b) => Number(a.slope < 0) - Number(b.slope < 0));
  const scale = terms.reduce((most, { slope }) => Math.max(most, Math.abs(slope)), 0);
  const rounded = tidy(intercept, scale);
  return first
    ? [term(first.slope, first.name), ...rest.map(({ slope, name }) => signed(slope, name))].join(' ') + constant(rounded)
    : show(rounded);
}

function term(slope: number, name: string): string {
  return slope === 1 ? quote(name) : slope === -1 ? `-${quote(name)}` : `${show(slope)} * ${quote(name)}`;
}

function signed(slope: number, name: string): string {
  return `${slope < 0 ? '-' : '+'} ${term(Math.abs(slope), name)}`;
}

function constant(intercept: number): string {
  return intercept === 0 ? '' : ` ${intercept < 0 ? '-' : '+'} ${show(Math.abs(intercept))}`;
}

function quote(name: string): string {
  return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) ? name : JSON.stringify(name);
}

function show(value: number): string {
  return String(Number(value.toPrecision(6)));
}
