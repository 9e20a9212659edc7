import type { EncodedMatrix } from '../matrix.ts';
import { type NumericTerm, planNumeric, termValue } from './numeric-term.ts';
import { factorValues, type ProductTerm } from './products.ts';

/** One-hot columns plus numeric columns a linear model may have; its Gram matrix is dense. */
export const LINEAR_WIDTH_LIMIT = 2_000;

export interface CategoricalTerm {
  readonly feature: number;
  readonly codeCount: number;
}

/** Columns of the design: numeric terms (standardised), their missing indicators (0/1), products (standardised), then one column per category code. */
export interface DesignPlan {
  readonly numeric: readonly NumericTerm[];
  readonly products: readonly ProductTerm[];
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
  return { numeric, products: [], categorical, width: numeric.length + indicators + codes };
}

/** The plan with products as further columns. */
export function withProducts(plan: DesignPlan, products: readonly ProductTerm[]): DesignPlan {
  return { ...plan, products, width: plan.width - plan.products.length + products.length };
}

/** Dense columns before the products: numeric terms and their missing indicators. */
export function firstProduct({ numeric }: DesignPlan): number {
  return numeric.length + numeric.filter((term) => term.hasIndicator).length;
}

/** Builds the design of a matrix by a plan fitted before. */
export function buildDesign(plan: DesignPlan, matrix: EncodedMatrix): Design {
  const indicators = plan.numeric.filter((term) => term.hasIndicator);
  const denseWidth = firstProduct(plan) + plan.products.length;
  const dense = new Float64Array(matrix.rowCount * denseWidth);
  const writeColumn = (at: number, term: NumericTerm, valueOf: (value: number) => number) => {
    const column = matrix.columns[term.feature] as Float32Array;
    for (let row = 0; row < matrix.rowCount; row += 1) dense[row * denseWidth + at] = valueOf(column[row] as number);
  };
  plan.numeric.forEach((term, at) => writeColumn(at, term, (value) => (termValue(term, value) - term.mean) / term.deviation));
  indicators.forEach((term, at) => writeColumn(plan.numeric.length + at, term, (value) => (value !== value ? 1 : 0)));
  plan.products.forEach(({ first, second, mean, deviation }, index) => {
    const [left, right] = [factorValues(first, matrix), factorValues(second, matrix)];
    const at = firstProduct(plan) + index;
    for (let row = 0; row < matrix.rowCount; row += 1)
      dense[row * denseWidth + at] = ((left[row] as number) * (right[row] as number) - mean) / deviation;
  });
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
