import type { GraphBuilder } from '@slipway/models';
import { type DesignPlan, planDesign } from '../linear/design.ts';
import { termValue } from '../linear/numeric-term.ts';
import type { EncodedMatrix } from '../matrix.ts';
import { TrainRequestError } from '../errors.ts';

/** Dimensions that rows may be placed in; principal components cost their cube. */
export const SPACE_WIDTH_LIMIT = 400;
/** Levels of one category that get a dimension each; rarer ones share one. */
export const SPACE_LEVEL_LIMIT = 30;

/**
 * Where rows lie: numbers standardised (missing ones at the median, extremes clipped), a mark where one was missing, and a
 * dimension for each code of a category, scaled so that every column weighs the same. Centred on training rows.
 */
export interface Space {
  readonly design: DesignPlan;
  /** Factor of each dimension. */
  readonly scale: Float64Array;
  /** Mean of each dimension after scaling. */
  readonly centre: Float64Array;
}

/** Rows as points, row-major [rowCount × width]. */
export interface Points {
  readonly rowCount: number;
  readonly width: number;
  readonly values: Float64Array;
}

/** @throws {TrainRequestError} for more dimensions than can be computed with. */
export function fitSpace(matrix: EncodedMatrix): Space {
  const design = planDesign(matrix);
  if (design.width > SPACE_WIDTH_LIMIT) {
    throw new TrainRequestError(`The columns make ${design.width} dimensions; at most ${SPACE_WIDTH_LIMIT} can be used.`, {
      help: 'Leave columns out with --exclude.',
    });
  }
  const plain: Space = { design, scale: new Float64Array(design.width).fill(1), centre: new Float64Array(design.width) };
  const means = meansOf(placeRows(plain, matrix));
  const share = sharesOfFields(matrix);
  const scale = new Float64Array(design.width);
  design.numeric.forEach((term, at) => (scale[at] = share[term.feature] as number));
  design.numeric
    .filter((term) => term.hasIndicator)
    .forEach((term, at) => (scale[design.numeric.length + at] = share[term.feature] as number));
  let start = firstCode(design);
  for (const { feature, codeCount } of design.categorical) {
    const shares = means.subarray(start, start + codeCount);
    const variance = 1 - shares.reduce((sum, share) => sum + share * share, 0);
    scale.fill((share[feature] as number) * (variance > 0 ? 1 / Math.sqrt(variance) : 1), start, start + codeCount);
    start += codeCount;
  }
  return { design, scale, centre: means.map((mean, at) => mean * (scale[at] as number)) };
}

/** A column that gives several features, such as a time, weighs no more than one that gives one. */
function sharesOfFields({ features }: EncodedMatrix): Float64Array {
  const counts = new Map<string, number>();
  for (const { field } of features) counts.set(field, (counts.get(field) ?? 0) + 1);
  return Float64Array.from(features, ({ field }) => 1 / Math.sqrt(counts.get(field) ?? 1));
}

function firstCode(design: DesignPlan): number {
  return design.numeric.length + design.numeric.filter((term) => term.hasIndicator).length;
}

export function meansOf({ rowCount, width, values }: Points): Float64Array {
  const means = new Float64Array(width);
  for (let at = 0; at < values.length; at += 1) means[at % width] = (means[at % width] as number) + (values[at] as number);
  return means.map((sum) => sum / rowCount);
}

/** Places rows in a space: the reference for `exportSpace`. */
export function placeRows({ design, scale, centre }: Space, matrix: EncodedMatrix): Points {
  const { rowCount } = matrix;
  const { width, numeric, categorical } = design;
  const values = new Float64Array(rowCount * width);
  const indicators = numeric.filter((term) => term.hasIndicator);
  for (let row = 0; row < rowCount; row += 1) {
    const start = row * width;
    const valueOf = (feature: number) => (matrix.columns[feature] as Float32Array)[row] as number;
    numeric.forEach((term, at) => {
      values[start + at] = (termValue(term, valueOf(term.feature)) - term.mean) / term.deviation;
    });
    indicators.forEach((term, at) => {
      values[start + numeric.length + at] = Number.isNaN(valueOf(term.feature)) ? 1 : 0;
    });
    let code = start + numeric.length + indicators.length;
    for (const { feature, codeCount } of categorical) {
      values[code + valueOf(feature)] = 1;
      code += codeCount;
    }
    for (let at = 0; at < width; at += 1)
      values[start + at] = (values[start + at] as number) * (scale[at] as number) - (centre[at] as number);
  }
  return { rowCount, width, values };
}

const DOUBLE = 11;
const INT64 = 7;

/** Adds the placing of rows to a graph. @returns points, double [N, width]. */
export function exportSpace(graph: GraphBuilder, { design, scale, centre }: Space, features: string): string {
  const { numeric, categorical, width } = design;
  const parts: string[] = [];
  const gather = (positions: readonly number[]) =>
    graph.op('Gather', [features, graph.constant(BigInt64Array.from(positions, BigInt), [positions.length])], { axis: 1 });
  const row = (values: readonly number[]) => graph.constant(Float64Array.from(values), [1, values.length]);
  if (numeric.length > 0) {
    const raw = graph.op('Cast', [gather(numeric.map((term) => term.feature))], { to: DOUBLE });
    const filled = graph.op('Where', [graph.op('IsNaN', [raw]), row(numeric.map((term) => term.fill)), raw]);
    const raised = graph.op('Max', [filled, row(numeric.map((term) => term.low))]);
    const clipped = graph.op('Min', [raised, row(numeric.map((term) => term.high))]);
    const shifted = graph.op('Sub', [clipped, row(numeric.map((term) => term.mean))]);
    parts.push(graph.op('Div', [shifted, row(numeric.map((term) => term.deviation))]));
  }
  const indicators = numeric.filter((term) => term.hasIndicator).map((term) => term.feature);
  if (indicators.length > 0) parts.push(graph.op('Cast', [graph.op('IsNaN', [gather(indicators)])], { to: DOUBLE }));
  for (const { feature, codeCount } of categorical) {
    const code = graph.op('Squeeze', [graph.op('Cast', [gather([feature])], { to: INT64 }), graph.constant(BigInt64Array.of(1n), [1])]);
    const identity = Float64Array.from({ length: codeCount * codeCount }, (_, at) => (at % (codeCount + 1) === 0 ? 1 : 0));
    parts.push(graph.op('Gather', [graph.constant(identity, [codeCount, codeCount]), code], { axis: 0 }));
  }
  const placed = parts.length === 1 ? (parts[0] as string) : graph.op('Concat', parts, { axis: 1 });
  const scaled = graph.op('Mul', [placed, graph.constant(scale, [1, width])]);
  return graph.op('Sub', [scaled, graph.constant(centre, [1, width])]);
}
