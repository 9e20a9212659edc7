import type { EncodedMatrix } from '../matrix.ts';
import { type CategoricalTerm, type DesignPlan, firstProduct } from './design.ts';
import { type NumericTerm, termValue } from './numeric-term.ts';
import { factorValue, featureOf, type ProductTerm } from './products.ts';

/** A linear model over encoded features, standardisation folded in. All matrices are row-major with `outputCount` columns. */
export interface LinearModel {
  readonly outputCount: number;
  readonly intercepts: Float64Array;
  readonly numeric: readonly NumericTerm[];
  /** [numeric × outputs]: per unit of the (filled, clipped) feature. */
  readonly slopes: Float64Array;
  /** [numeric × outputs]: added when the feature is missing. */
  readonly missing: Float64Array;
  readonly categorical: readonly CategoricalTerm[];
  /** [all codes of all categorical terms, in order × outputs]. */
  readonly codes: Float64Array;
  /** Products of two features; absent when there are none. */
  readonly interactions?: LinearInteractions;
}

export interface LinearInteractions {
  readonly products: readonly ProductTerm[];
  /** [products × outputs]: per unit of the product of the two factors. */
  readonly slopes: Float64Array;
}

/** Folds standardisation into the weights of a fit. */
export function foldLinear(plan: DesignPlan, weights: readonly Float64Array[]): LinearModel {
  const outputCount = weights.length;
  const numericCount = plan.numeric.length;
  const intercepts = Float64Array.from(weights, (each) => each[plan.width] as number);
  const slopes = new Float64Array(numericCount * outputCount);
  const missing = new Float64Array(numericCount * outputCount);
  const firstCode = firstProduct(plan) + plan.products.length;
  const products = new Float64Array(plan.products.length * outputCount);
  const codes = new Float64Array((plan.width - firstCode) * outputCount);
  weights.forEach((each, output) => {
    let indicator = numericCount;
    plan.numeric.forEach((term, index) => {
      const slope = (each[index] as number) / term.deviation;
      slopes[index * outputCount + output] = slope;
      intercepts[output] = (intercepts[output] as number) - slope * term.mean;
      if (term.hasIndicator) missing[index * outputCount + output] = each[indicator++] as number;
    });
    plan.products.forEach(({ mean, deviation }, index) => {
      const slope = (each[firstProduct(plan) + index] as number) / deviation;
      products[index * outputCount + output] = slope;
      intercepts[output] = (intercepts[output] as number) - slope * mean;
    });
    for (let code = firstCode; code < plan.width; code += 1) codes[(code - firstCode) * outputCount + output] = each[code] as number;
  });
  const model = { outputCount, intercepts, numeric: plan.numeric, slopes, missing, categorical: plan.categorical, codes };
  return plan.products.length > 0 ? { ...model, interactions: { products: plan.products, slopes: products } } : model;
}

/** Margins [rowCount × outputCount], row-major. */
export function predictLinear(model: LinearModel, matrix: EncodedMatrix): Float64Array {
  const { outputCount } = model;
  const margins = new Float64Array(matrix.rowCount * outputCount);
  const addRow = (row: number, weights: Float64Array, at: number, factor: number) => {
    for (let output = 0; output < outputCount; output += 1) {
      const cell = row * outputCount + output;
      margins[cell] = (margins[cell] as number) + factor * (weights[at * outputCount + output] as number);
    }
  };
  for (let row = 0; row < matrix.rowCount; row += 1) {
    addRow(row, model.intercepts, 0, 1);
    model.numeric.forEach((term, index) => {
      const value = (matrix.columns[term.feature] as Float32Array)[row] as number;
      addRow(row, model.slopes, index, termValue(term, value));
      if (value !== value) addRow(row, model.missing, index, 1);
    });
    let start = 0;
    for (const term of model.categorical) {
      addRow(row, model.codes, start + ((matrix.columns[term.feature] as Float32Array)[row] as number), 1);
      start += term.codeCount;
    }
    model.interactions?.products.forEach((product, index) => {
      const [first, second] = factorsAt(product, matrix, row);
      addRow(row, (model.interactions as LinearInteractions).slopes, index, first * second);
    });
  }
  return margins;
}

function factorsAt({ first, second }: ProductTerm, { columns }: EncodedMatrix, row: number): [first: number, second: number] {
  const valueOf = (factor: ProductTerm['first']) => factorValue(factor, (columns[featureOf(factor)] as Float32Array)[row] as number);
  return [valueOf(first), valueOf(second)];
}
