import type { EncodedMatrix } from '../matrix.ts';

/** One-hot columns plus numeric columns a linear model may have; its Gram matrix is dense. */
export const LINEAR_WIDTH_LIMIT = 2_000;

/** How one numeric feature enters a linear model. */
export interface NumericTerm {
  readonly feature: number;
  /** Median of the training values; stands in for a missing one. */
  readonly fill: number;
  readonly mean: number;
  readonly deviation: number;
  /** Values beyond are taken as these, so that no input can make a margin infinite and no outlier sets the scale. */
  readonly low: number;
  readonly high: number;
  /** Whether a second column says that the value was missing. */
  readonly hasIndicator: boolean;
}

export interface CategoricalTerm {
  readonly feature: number;
  readonly codeCount: number;
}

/** Columns of the design: numeric terms (standardised), their missing indicators (0/1), then one column per category code. */
export interface DesignPlan {
  readonly numeric: readonly NumericTerm[];
  readonly categorical: readonly CategoricalTerm[];
  readonly width: number;
}

/** Rows ready for a solver: dense values row-major, then the positions of the ones among the one-hot columns. */
export interface Design {
  readonly rowCount: number;
  readonly width: number;
  readonly denseWidth: number;
  readonly dense: Float64Array;
  readonly hotCount: number;
  /** [rowCount × hotCount] column positions in denseWidth..width-1. */
  readonly hot: Int32Array;
  /** Dense columns that already are margins of an output; softmax regression starts from them and is shrunk to them. */
  readonly given?: readonly GivenMargin[];
}

/** A dense column that, times `weight` and plus `intercept`, is a share of an output's margin. */
export interface GivenMargin {
  readonly column: number;
  readonly output: number;
  readonly weight: number;
  readonly intercept: number;
}

/** Fits medians, means and deviations on the given rows of the matrix. */
export function planDesign(matrix: EncodedMatrix): DesignPlan {
  const numeric: NumericTerm[] = [];
  const categorical: CategoricalTerm[] = [];
  matrix.features.forEach((feature, index) => {
    if (feature.kind === 'categorical') categorical.push({ feature: index, codeCount: feature.codeCount });
    else numeric.push(planNumeric(index, matrix.columns[index] as Float32Array));
  });
  const indicators = numeric.filter((term) => term.hasIndicator).length;
  const codes = categorical.reduce((sum, term) => sum + term.codeCount, 0);
  return { numeric, categorical, width: numeric.length + indicators + codes };
}

/** Quartile ranges beyond the quartiles at which a value is as extreme as it may get; normal values reach 3. */
const EXTREME_RANGES = 10;

/** The k-th smallest of so many, between neighbours by halves. */
function quantileOf(sorted: Float32Array, ratio: number): number {
  const at = (sorted.length - 1) * ratio;
  return ((sorted[Math.floor(at)] as number) + (sorted[Math.ceil(at)] as number)) / 2;
}

function planNumeric(feature: number, column: Float32Array): NumericTerm {
  const present = column.filter((value) => Number.isFinite(value)).toSorted();
  const hasIndicator = present.length < column.length;
  if (present.length === 0) return { feature, fill: 0, mean: 0, deviation: 1, low: 0, high: 0, hasIndicator };
  const fill = quantileOf(present, 0.5);
  const [low, high] = limitsOf(present);
  const clipped = present.map((value) => Math.min(high, Math.max(low, value)));
  const missing = column.length - present.length;
  const mean = (clipped.reduce((sum, value) => sum + value, 0) + missing * fill) / column.length;
  const squares = clipped.reduce((sum, value) => sum + (value - mean) ** 2, 0) + missing * (fill - mean) ** 2;
  const deviation = Math.sqrt(squares / column.length);
  return { feature, fill, mean, deviation: deviation > 0 ? deviation : 1, low, high, hasIndicator };
}

/** One training range beyond the least and the most; less where a few values lie far outside what is usual. */
function limitsOf(sorted: Float32Array): [low: number, high: number] {
  const least = sorted[0] as number;
  const most = sorted[sorted.length - 1] as number;
  const [lower, upper] = [quantileOf(sorted, 0.25), quantileOf(sorted, 0.75)];
  const spread = EXTREME_RANGES * (upper - lower);
  const range = most - least;
  // Mostly one value: what differs from it is the information, not an outlier.
  if (spread === 0) return [least - range, most + range];
  return [least < lower - spread ? lower - spread : least - range, most > upper + spread ? upper + spread : most + range];
}

/** The value of a numeric term before standardisation: missing filled, extremes clipped. */
export function termValue(term: NumericTerm, value: number): number {
  if (value !== value) return term.fill;
  return Math.min(term.high, Math.max(term.low, value));
}

/** Builds the design of a matrix by a plan fitted before. */
export function buildDesign(plan: DesignPlan, matrix: EncodedMatrix): Design {
  const indicators = plan.numeric.filter((term) => term.hasIndicator);
  const denseWidth = plan.numeric.length + indicators.length;
  const dense = new Float64Array(matrix.rowCount * denseWidth);
  const writeColumn = (at: number, term: NumericTerm, valueOf: (value: number) => number) => {
    const column = matrix.columns[term.feature] as Float32Array;
    for (let row = 0; row < matrix.rowCount; row += 1) dense[row * denseWidth + at] = valueOf(column[row] as number);
  };
  plan.numeric.forEach((term, at) => writeColumn(at, term, (value) => (termValue(term, value) - term.mean) / term.deviation));
  indicators.forEach((term, at) => writeColumn(plan.numeric.length + at, term, (value) => (value !== value ? 1 : 0)));
  const hotCount = plan.categorical.length;
  const hot = new Int32Array(matrix.rowCount * hotCount);
  let start = denseWidth;
  plan.categorical.forEach((term, at) => {
    const column = matrix.columns[term.feature] as Float32Array;
    for (let row = 0; row < matrix.rowCount; row += 1) hot[row * hotCount + at] = start + (column[row] as number);
    start += term.codeCount;
  });
  return { rowCount: matrix.rowCount, width: plan.width, denseWidth, dense, hotCount, hot, given: givenMargins(plan, matrix) };
}

function givenMargins(plan: DesignPlan, matrix: EncodedMatrix): GivenMargin[] {
  const features = plan.numeric.map((term) => matrix.features[term.feature]);
  // Several columns that are margins of the same output share it.
  const fields = new Set(features.flatMap((feature) => (feature?.output === undefined ? [] : [feature.field])));
  return plan.numeric.flatMap(({ deviation, mean }, column) => {
    const output = features[column]?.output;
    return output === undefined ? [] : [{ column, output, weight: deviation / fields.size, intercept: mean / fields.size }];
  });
}
