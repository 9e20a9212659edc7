import type { GraphBuilder } from '@slipway/models';
import type { LinearModel } from '../linear/linear-model.ts';
import { featureOf, type ProductFactor } from '../linear/products.ts';
import type { NumericTerm } from '../linear/numeric-term.ts';
import { DOUBLE } from './export-preparation.ts';

/** Adds a linear model over `features`, in double. @returns margins, double [N, outputs]. */
export function exportLinear(graph: GraphBuilder, model: LinearModel, features: string): string {
  const intercepts = graph.constant(model.intercepts, [1, model.outputCount]);
  const parts = [
    ...exportNumeric(graph, model, features),
    ...exportCategorical(graph, model, features),
    ...exportProducts(graph, model, features),
  ];
  return parts.reduce((sum, part) => graph.op('Add', [sum, part]), intercepts);
}

/** Missing values are filled with the median and marked; extremes are clipped; then one product each. */
function exportNumeric(graph: GraphBuilder, model: LinearModel, features: string): string[] {
  const count = model.numeric.length;
  if (count === 0) return [];
  const row = (values: number[]) => graph.constant(Float64Array.from(values), [1, count]);
  const positions = graph.constant(
    BigInt64Array.from(model.numeric, (term) => BigInt(term.feature)),
    [count],
  );
  const raw = graph.op('Cast', [graph.op('Gather', [features, positions], { axis: 1 })], { to: DOUBLE });
  const isMissing = graph.op('IsNaN', [raw]);
  const filled = graph.op('Where', [isMissing, row(model.numeric.map((term) => term.fill)), raw]);
  const raised = graph.op('Max', [filled, row(model.numeric.map((term) => term.low))]);
  const clipped = graph.op('Min', [raised, row(model.numeric.map((term) => term.high))]);
  const parts = [graph.op('MatMul', [clipped, graph.constant(model.slopes, [count, model.outputCount])])];
  if (model.missing.some((weight) => weight !== 0)) {
    const marks = graph.op('Cast', [isMissing], { to: DOUBLE });
    parts.push(graph.op('MatMul', [marks, graph.constant(model.missing, [count, model.outputCount])]));
  }
  return parts;
}

/** Each code looks up its row in one table of all features' weights. */
function exportCategorical(graph: GraphBuilder, model: LinearModel, features: string): string[] {
  const count = model.categorical.length;
  if (count === 0) return [];
  let next = 0;
  const starts = model.categorical.map((term) => {
    const start = next;
    next += term.codeCount;
    return BigInt(start);
  });
  const positions = graph.constant(
    BigInt64Array.from(model.categorical, (term) => BigInt(term.feature)),
    [count],
  );
  const codes = graph.op('Cast', [graph.op('Gather', [features, positions], { axis: 1 })], { to: INT64 });
  const rows = graph.op('Add', [codes, graph.constant(BigInt64Array.from(starts), [1, count])]);
  const weights = graph.op('Gather', [graph.constant(model.codes, [next, model.outputCount]), rows], { axis: 0 });
  return [graph.op('ReduceSum', [weights, graph.constant(BigInt64Array.of(1n), [1])], { keepdims: 0 })];
}

/** Both sides of every product as one matrix each, multiplied cell by cell; the same double arithmetic as `factorValue`. */
function exportProducts(graph: GraphBuilder, { interactions, outputCount }: LinearModel, features: string): string[] {
  if (!interactions) return [];
  const { products, slopes } = interactions;
  const [first, second] = [
    exportFactors(
      graph,
      features,
      products.map((each) => each.first),
    ),
    exportFactors(
      graph,
      features,
      products.map((each) => each.second),
    ),
  ];
  return [graph.op('MatMul', [graph.op('Mul', [first, second]), graph.constant(slopes, [products.length, outputCount])])];
}

/** Factors as a matrix [N, factors]: what numbers are, where a factor is a number; whether a code is met, elsewhere. */
function exportFactors(graph: GraphBuilder, features: string, factors: readonly ProductFactor[]): string {
  const count = factors.length;
  const row = (valueOf: (factor: ProductFactor) => number) => graph.constant(Float64Array.from(factors, valueOf), [1, count]);
  const positions = graph.constant(
    BigInt64Array.from(factors, (factor) => BigInt(featureOf(factor))),
    [count],
  );
  const raw = graph.op('Cast', [graph.op('Gather', [features, positions], { axis: 1 })], { to: DOUBLE });
  const isCode = graph.constant(
    Uint8Array.from(factors, (factor) => (factor.kind === 'code' ? 1 : 0)),
    [1, count],
    { elementType: 'bool' },
  );
  const codes = graph.op('Cast', [graph.op('Equal', [raw, row((factor) => (factor.kind === 'code' ? factor.code : 0))])], { to: DOUBLE });
  const number = (valueOf: (term: NumericTerm) => number) => row((factor) => (factor.kind === 'number' ? valueOf(factor.term) : 1));
  const filled = graph.op('Where', [graph.op('IsNaN', [raw]), number((term) => term.fill), raw]);
  const clipped = graph.op('Min', [graph.op('Max', [filled, number((term) => term.low)]), number((term) => term.high)]);
  const centred = graph.op('Sub', [clipped, number((term) => term.mean)]);
  const scaled = graph.op('Div', [centred, number((term) => term.deviation)]);
  return graph.op('Where', [isCode, codes, scaled]);
}

const INT64 = 7;
