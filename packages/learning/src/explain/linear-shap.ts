import { termValue } from '../linear/numeric-term.ts';
import type { LinearInteractions, LinearModel } from '../linear/linear-model.ts';
import { factorValue, factorValues, featureOf, type ProductTerm } from '../linear/products.ts';
import type { EncodedMatrix } from '../matrix.ts';
import type { FeatureRows } from './tree-shap.ts';

/** What a linear model's terms are on average over the reference rows. */
export interface LinearReference {
  /** Per numeric term: mean of its filled, clipped value. */
  readonly means: Float64Array;
  /** Per numeric term: share of rows where it is missing. */
  readonly missing: Float64Array;
  /** Per code of all categorical terms in order: share of rows that have it. */
  readonly codes: Float64Array;
  /** Per product: means of its first factor, of its second, and of both multiplied; absent without products. */
  readonly products?: Float64Array;
}

/** Averages the terms of a linear model over rows. */
export function referenceOf(model: LinearModel, matrix: EncodedMatrix): LinearReference {
  const means = new Float64Array(model.numeric.length);
  const missing = new Float64Array(model.numeric.length);
  const codes = new Float64Array(model.categorical.reduce((sum, term) => sum + term.codeCount, 0));
  const share = 1 / Math.max(1, matrix.rowCount);
  model.numeric.forEach((term, index) => {
    for (const value of matrix.columns[term.feature] as Float32Array) {
      means[index] = (means[index] as number) + share * termValue(term, value);
      if (value !== value) missing[index] = (missing[index] as number) + share;
    }
  });
  let start = 0;
  for (const term of model.categorical) {
    for (const code of matrix.columns[term.feature] as Float32Array) codes[start + code] = (codes[start + code] as number) + share;
    start += term.codeCount;
  }
  return model.interactions
    ? { means, missing, codes, products: productMeans(model.interactions.products, matrix) }
    : { means, missing, codes };
}

function productMeans(products: readonly ProductTerm[], matrix: EncodedMatrix): Float64Array {
  const means = new Float64Array(products.length * 3);
  const share = 1 / Math.max(1, matrix.rowCount);
  products.forEach(({ first, second }, index) => {
    const [left, right] = [factorValues(first, matrix), factorValues(second, matrix)];
    left.forEach((u, row) => {
      const v = right[row] as number;
      means[3 * index] = (means[3 * index] as number) + share * u;
      means[3 * index + 1] = (means[3 * index + 1] as number) + share * v;
      means[3 * index + 2] = (means[3 * index + 2] as number) + share * u * v;
    });
  });
  return means;
}

/** Mean margin over the reference rows, one an output. */
export function expectedLinear(model: LinearModel, reference: LinearReference): Float64Array {
  const { outputCount } = model;
  const expected = Float64Array.from(model.intercepts);
  const addAll = (weights: Float64Array, factors: Float64Array) =>
    factors.forEach((factor, at) => {
      for (let output = 0; output < outputCount; output += 1)
        expected[output] = (expected[output] as number) + factor * (weights[at * outputCount + output] as number);
    });
  addAll(model.slopes, reference.means);
  addAll(model.missing, reference.missing);
  addAll(model.codes, reference.codes);
  if (model.interactions)
    addAll(
      model.interactions.slopes,
      Float64Array.from(model.interactions.products, (_, index) => meansOf(reference, index).uv),
    );
  return expected;
}

/**
 * Adds weight × (term - mean term) × slope: the Shapley values of a model whose terms add up, whatever the other features
 * do (Štrumbelj & Kononenko 2014). Of a product each factor has half of what it adds alone and half of what it adds to the
 * other, with the reference rows standing in for what is unknown: exact. @param contributions [rowCount × outputs × width].
 */
export function explainLinear(
  model: LinearModel,
  reference: LinearReference,
  rows: FeatureRows,
  { contributions, weight }: { readonly contributions: Float64Array; readonly weight: number },
): void {
  const { outputCount } = model;
  const add = (row: number, feature: number, weights: Float64Array, at: number, factor: number) => {
    for (let output = 0; output < outputCount; output += 1) {
      const cell = (row * outputCount + output) * rows.width + feature;
      contributions[cell] = (contributions[cell] as number) + weight * factor * (weights[at * outputCount + output] as number);
    }
  };
  for (let row = 0; row < rows.rowCount; row += 1) {
    const valueOf = (feature: number) => rows.values[row * rows.width + feature] as number;
    model.numeric.forEach((term, index) => {
      const value = valueOf(term.feature);
      add(row, term.feature, model.slopes, index, termValue(term, value) - (reference.means[index] as number));
      add(row, term.feature, model.missing, index, (value !== value ? 1 : 0) - (reference.missing[index] as number));
    });
    let start = 0;
    for (const term of model.categorical) {
      const code = valueOf(term.feature);
      for (let each = 0; each < term.codeCount; each += 1) {
        const factor = (each === code ? 1 : 0) - (reference.codes[start + each] as number);
        if (factor !== 0) add(row, term.feature, model.codes, start + each, factor);
      }
      start += term.codeCount;
    }
    model.interactions?.products.forEach(({ first, second }, index) => {
      const { u, v, uv } = meansOf(reference, index);
      const [x, y] = [factorValue(first, valueOf(featureOf(first))), factorValue(second, valueOf(featureOf(second)))];
      const slopes = (model.interactions as LinearInteractions).slopes;
      add(row, featureOf(first), slopes, index, (x * v - uv + (x * y - u * y)) / 2);
      add(row, featureOf(second), slopes, index, (u * y - uv + (x * y - x * v)) / 2);
    });
  }
}

function meansOf({ products }: LinearReference, index: number): { readonly u: number; readonly v: number; readonly uv: number } {
  if (!products) throw new Error('Broken invariant: the reference of a model with products has their means');
  return { u: products[3 * index] as number, v: products[3 * index + 1] as number, uv: products[3 * index + 2] as number };
}

/**
 * Adds weight × half the Shapley interaction of each product's two features for one output. Off the diagonal, symmetric.
 * @param interactions [rowCount × width × width].
 */
export function addLinearInteractions(
  { interactions: own, outputCount }: LinearModel,
  reference: LinearReference,
  rows: FeatureRows,
  { interactions, output, weight }: { readonly interactions: Float64Array; readonly output: number; readonly weight: number },
): void {
  const { width } = rows;
  own?.products.forEach(({ first, second }, index) => {
    const { u, v, uv } = meansOf(reference, index);
    const slope = own.slopes[index * outputCount + output] as number;
    const [one, other] = [featureOf(first), featureOf(second)];
    for (let row = 0; row < rows.rowCount; row += 1) {
      const x = factorValue(first, rows.values[row * width + one] as number);
      const y = factorValue(second, rows.values[row * width + other] as number);
      const value = (weight * slope * (x * y - x * v - u * y + uv)) / 2;
      for (const cell of [(row * width + one) * width + other, (row * width + other) * width + one])
        interactions[cell] = (interactions[cell] as number) + value;
    }
  });
}
