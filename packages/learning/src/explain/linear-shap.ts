import { termValue } from '../linear/design.ts';
import type { LinearModel } from '../linear/linear-model.ts';
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
  return { means, missing, codes };
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
  return expected;
}

/**
 * Adds weight × (term - mean term) × slope: the Shapley values of a model whose terms add up, whatever the other features
 * do (Štrumbelj & Kononenko 2014). @param contributions [rowCount × outputs × width].
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
  }
}
