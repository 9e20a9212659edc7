import { normalQuantile } from '@slipway/statistics';
import { type EncodedMatrix, takeMatrixRows, takeValues } from '../matrix.ts';
import type { Targets } from '../trees/objective.ts';
import { buildDesign, type Design, type DesignPlan, firstProduct } from './design.ts';
import { addMargins, fitLinear, type LinearRequest } from './fit.ts';
import { type Errors, errorsOf } from './errors.ts';
import { gainOf, measure, type Measured, remainder, robustGain } from './product-gain.ts';
import { factorValues, type ProductFactor, type ProductTerm } from './products.ts';
import type { Penalty } from './quadratic.ts';

/** Products a linear model may have. */
export const PRODUCT_LIMIT = 50;
/** Pairs of features looked at: those of the features that count most by themselves. */
const PAIR_LIMIT = 2_000;
/** Products tried; a category has one factor for each of its codes. */
const TEST_LIMIT = 20_000;
/** Rows that products are judged by, spread over all of them. */
const ROW_LIMIT = 20_000;
/** A code must have this many of these rows, and this share, for products of its own. */
const CODE_ROWS_MIN = 20;
const CODE_RATIO_MIN = 0.01;
/** Products looked at closely, as a multiple of those that may be kept. */
const SHORTLIST_RATIO = 4;
/** Chance that any product at all is kept where none is true. */
const FALSE_RATIO = 0.05;
/** Products more alike than this say the same. */
const ALIKE_MIN = 0.95;
/** Penalty of the model whose errors the products shall explain. */
const BASE_PENALTY: Penalty = { strength: 1e-3, l1Ratio: 0 };

interface ScreenRequest extends Omit<LinearRequest, 'penalty' | 'start'> {
  readonly matrix: EncodedMatrix;
  /** The plan of the design, without products. */
  readonly plan: DesignPlan;
  readonly start: readonly Float64Array[];
  /** Products wanted at most. */
  readonly limit: number;
}

interface Factor extends Measured {
  readonly factor: ProductFactor;
}

/** A product of two factors after the first look. */
interface Finding {
  readonly left: Factor;
  readonly right: Factor;
  readonly gain: number;
  readonly order: number;
}

/**
 * Products of pairs of features that a linear model of these rows lacks: those that explain its errors beyond what the
 * two factors and their squares can, by a score test robust to unequal errors, at 5 % for all pairs together. Looks at
 * nothing but the rows it is given. Deterministic. Sources: Rao 1948, White 1980.
 * @returns none where no pair is significant.
 */
export function screenProducts(request: ScreenRequest): ProductTerm[] {
  const { outputCount, matrix, plan, limit } = request;
  if (limit === 0) return [];
  const weights = fitLinear({ ...request, penalty: BASE_PENALTY });
  const rows = spread(matrix.rowCount);
  const sample = takeMatrixRows(matrix, rows);
  const { target, weights: rowWeights } = request.targets;
  const targets: Targets = { target: takeValues(target, rows), weights: rowWeights && takeValues(rowWeights, rows) };
  const errors = errorsOf(request.objective, marginsOf(buildDesign(plan, sample), weights), targets);
  const factors = factorsByWeight(plan, sample, weights, errors);
  const findings: Finding[] = [];
  let tests = 0;
  for (const [first, second] of pairsOf(factors)) {
    const [left, right] = [factors[first] as FeatureFactors, factors[second] as FeatureFactors];
    for (const one of left.factors) {
      for (const other of right.factors) {
        if (tests === TEST_LIMIT) break;
        const gain = errors.reduce((most, each, output) => Math.max(most, gainOf(each, output, one, other)), 0);
        findings.push({ left: one, right: other, gain, order: tests });
        tests += 1;
      }
    }
  }
  if (tests === 0) return [];
  const shortlist = findings
    .toSorted((one, other) => other.gain - one.gain || one.order - other.order)
    .slice(0, Math.min(PRODUCT_LIMIT, limit) * SHORTLIST_RATIO);
  const least = normalQuantile(1 - FALSE_RATIO / (2 * tests * outputCount)) ** 2;
  return distinct(errors, shortlist, { least, limit: Math.min(PRODUCT_LIMIT, limit) });
}

/** Rows spread evenly over all of them. */
function spread(rowCount: number): Int32Array {
  const count = Math.min(ROW_LIMIT, rowCount);
  return Int32Array.from({ length: count }, (_, at) => Math.floor((at * rowCount) / count));
}

function marginsOf(design: Design, weights: readonly Float64Array[]): Float64Array[] {
  return weights.map((each) => {
    const margins = new Float64Array(design.rowCount);
    addMargins(design, each, margins);
    return margins;
  });
}

/** All factors that one feature gives: itself, or each of its frequent codes. */
interface FeatureFactors {
  readonly factors: readonly Factor[];
  /** How much the feature counts by itself. */
  readonly weight: number;
}

/** The features' factors, those that count most first. */
function factorsByWeight(
  plan: DesignPlan,
  sample: EncodedMatrix,
  weights: readonly Float64Array[],
  errors: readonly Errors[],
): FeatureFactors[] {
  const largest = (column: number) => weights.reduce((most, each) => Math.max(most, Math.abs(each[column] as number)), 0);
  const valued = (factor: ProductFactor) => ({ factor, ...measure(factorValues(factor, sample), errors, factor.kind === 'code') });
  const all: FeatureFactors[] = plan.numeric.map((term, column) => ({
    factors: [valued({ kind: 'number', term })],
    weight: largest(column),
  }));
  let start = firstProduct(plan);
  for (const { feature, codeCount } of plan.categorical) {
    const counts = new Int32Array(codeCount);
    for (const code of sample.columns[feature] as Float32Array) counts[code] = (counts[code] as number) + 1;
    const least = Math.max(CODE_ROWS_MIN, CODE_RATIO_MIN * sample.rowCount);
    const codes = [...counts.keys()].filter((code) => (counts[code] as number) >= least);
    const share = (code: number) => (counts[code] as number) / sample.rowCount;
    const first = start;
    const weight = Math.sqrt(codes.reduce((sum, code) => sum + share(code) * largest(first + code) ** 2, 0));
    all.push({ factors: codes.map((code) => valued({ kind: 'code', feature, code })), weight });
    start += codeCount;
  }
  return all.toSorted((one, other) => other.weight - one.weight);
}

/** Pairs of features, by the sum of their ranks. */
function* pairsOf(factors: readonly FeatureFactors[]): Generator<[first: number, second: number]> {
  let count = 0;
  for (let sum = 1; sum < 2 * factors.length; sum += 1) {
    for (let first = 0; first < sum - first; first += 1) {
      if (sum - first >= factors.length) continue;
      if (count === PAIR_LIMIT) return;
      count += 1;
      yield [first, sum - first];
    }
  }
}

/** The significant ones of a shortlist that say different things, the strongest first. */
function distinct(
  errors: readonly Errors[],
  shortlist: readonly Finding[],
  { least, limit }: { readonly least: number; readonly limit: number },
): ProductTerm[] {
  const judged = shortlist.map((finding) => {
    const { left, right } = finding;
    const rests = errors.map((each, output) => remainder(each, output, left, right));
    const gain = errors.reduce((most, each, output) => Math.max(most, robustGain(each, rests[output] as Float64Array)), 0);
    const product = left.values.map((x, row) => x * (right.values[row] as number));
    return { finding, gain, rest: rests[0] as Float64Array, product };
  });
  const kept: typeof judged = [];
  for (const each of judged.toSorted((one, other) => other.gain - one.gain || one.finding.order - other.finding.order)) {
    if (kept.length === limit || !(each.gain > least)) break;
    if (kept.every((other) => Math.abs(cosine(each.rest, other.rest)) < ALIKE_MIN)) kept.push(each);
  }
  return kept.map(({ finding, product }) => ({ first: finding.left.factor, second: finding.right.factor, ...spreadOf(product) }));
}

function cosine(left: Float64Array, right: Float64Array): number {
  let [product, squares, others] = [0, 0, 0];
  for (let row = 0; row < left.length; row += 1) {
    const [x, y] = [left[row] as number, right[row] as number];
    product += x * y;
    squares += x * x;
    others += y * y;
  }
  return squares > 0 && others > 0 ? product / Math.sqrt(squares * others) : 0;
}

function spreadOf(values: Float64Array): { readonly mean: number; readonly deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return { mean, deviation: deviation > 0 ? deviation : 1 };
}
