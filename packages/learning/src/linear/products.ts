import type { EnsembleMember } from '../fitted-model.ts';
import type { EncodedMatrix } from '../matrix.ts';
import { FIRST_LEVEL_CODE, MISSING_CODE, type Preparation } from '../preparation.ts';
import { type NumericTerm, termValue } from './numeric-term.ts';

/** One side of a product: a number by its deviations from the mean, or 1 where a category has a code. */
export type ProductFactor =
  { readonly kind: 'number'; readonly term: NumericTerm } | { readonly kind: 'code'; readonly feature: number; readonly code: number };

/** Two factors multiplied, as one column of a linear model; mean and deviation are those of the training rows. */
export interface ProductTerm {
  readonly first: ProductFactor;
  readonly second: ProductFactor;
  readonly mean: number;
  readonly deviation: number;
}

/** The feature a factor reads. */
export function featureOf(factor: ProductFactor): number {
  return factor.kind === 'number' ? factor.term.feature : factor.feature;
}

/** What a factor is of the encoded value of its feature; finite whatever the value. */
export function factorValue(factor: ProductFactor, value: number): number {
  if (factor.kind === 'code') return value === factor.code ? 1 : 0;
  return (termValue(factor.term, value) - factor.term.mean) / factor.term.deviation;
}

/** The values of a factor on the rows of a matrix. */
export function factorValues(factor: ProductFactor, matrix: EncodedMatrix): Float64Array {
  return Float64Array.from(matrix.columns[featureOf(factor)] as Float32Array, (value) => factorValue(factor, value));
}

/** Names people read, each once: `age × income`, `age × plan=basic`. */
export function productNames(preparation: Preparation, members: readonly EnsembleMember[]): string[] {
  const products = members.flatMap(({ predictor }) => (predictor.kind === 'linear' ? (predictor.linear.interactions?.products ?? []) : []));
  return [...new Set(products.map((product) => productName(preparation, product)))];
}

function productName({ features }: Preparation, { first, second }: ProductTerm): string {
  const nameOf = (factor: ProductFactor): string => {
    const plan = features[featureOf(factor)];
    const name = plan?.name ?? `feature ${featureOf(factor)}`;
    return factor.kind === 'number' ? name : `${name}=${levelName(plan, factor.code)}`;
  };
  return `${nameOf(first)} × ${nameOf(second)}`;
}

function levelName(plan: Preparation['features'][number] | undefined, code: number): string {
  if (code === MISSING_CODE) return '(missing)';
  if (code < FIRST_LEVEL_CODE) return '(other)';
  return (plan?.kind === 'category' ? plan.levels[code - FIRST_LEVEL_CODE] : undefined) ?? String(code - FIRST_LEVEL_CODE);
}
