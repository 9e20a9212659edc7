import { type Contract, Contract as ContractShape } from '@slipway/kernel';
import { GraphBuilder, ModelMetadata } from '@slipway/models';
import { exportPreparation, FLOAT } from '../export/export-preparation.ts';
import { exportForest } from '../export/export-trees.ts';
import type { Preparation } from '../preparation.ts';
import { usedFields } from '../preparation.ts';
import type { Fitted, UnsupervisedModel } from './fit.ts';
import { meanPathLength } from './isolation-forest.ts';
import { exportSpace } from './space.ts';

const ML_OPSET = 5;
const DOUBLE = 11;

/**
 * The model as one ONNX graph with inputs as every model's. Outputs `prediction` double [N, 1] (cluster from 1, what the
 * components leave out, or the score) and `features` float [N, width] (distances, components with what they leave out, or
 * the encoded columns).
 */
export function exportUnsupervised({ preparation, fitted }: UnsupervisedModel): Uint8Array {
  const graph = new GraphBuilder('slipway-unsupervised');
  if (fitted.kind === 'anomaly') {
    const features = exportPreparation(graph, preparation);
    graph.output(features, 'float', ['N', preparation.features.length]);
    exportScore(graph, fitted, features);
  } else {
    const encoded = exportPreparation(graph, preparation, 'encoded');
    const points = exportSpace(graph, fitted.space, encoded);
    const width = fitted.kind === 'cluster' ? exportDistances(graph, fitted, points) : exportComponents(graph, fitted, points);
    graph.output('features', 'float', ['N', width]);
  }
  graph.output('prediction', 'double', ['N', 1]);
  return graph.build({ mlOpset: ML_OPSET, metadata: { format: 'slipway.unsupervised/1' } });
}

function exportScore(graph: GraphBuilder, { forest }: Extract<Fitted, { kind: 'anomaly' }>, features: string): void {
  const norm = forest.forest.trees.length * meanPathLength(forest.sampleRows);
  const depth = graph.op('Div', [exportForest(graph, forest.forest, features), number(graph, -norm)]);
  graph.op('Pow', [number(graph, 2), depth], {}, { output: 'prediction' });
}

const number = (graph: GraphBuilder, value: number) => graph.constant(Float64Array.of(value), [1, 1]);
const last = (graph: GraphBuilder) => graph.constant(BigInt64Array.of(-1n), [1]);

/** Differences to every centre, squared and summed: no cancellation between large squares. */
function exportDistances(
  graph: GraphBuilder,
  { clustering: { centres, count } }: Extract<Fitted, { kind: 'cluster' }>,
  points: string,
): number {
  const width = centres.length / count;
  const rows = graph.op('Unsqueeze', [points, graph.constant(BigInt64Array.of(1n), [1])]);
  const differences = graph.op('Sub', [rows, graph.constant(centres, [1, count, width])]);
  const squares = graph.op('ReduceSum', [graph.op('Mul', [differences, differences]), last(graph)], { keepdims: 0 });
  const distances = graph.op('Sqrt', [squares]);
  graph.op('Cast', [distances], { to: FLOAT }, { output: 'features' });
  const nearest = graph.op('ArgMin', [distances], { axis: 1, keepdims: 1, select_last_index: 0 });
  graph.op('Add', [graph.op('Cast', [nearest], { to: DOUBLE }), number(graph, 1)], {}, { output: 'prediction' });
  return count;
}

function exportComponents(
  graph: GraphBuilder,
  { components: { directions, count } }: Extract<Fitted, { kind: 'reduce' }>,
  points: string,
): number {
  const width = directions.length / count;
  const columns = Float64Array.from(
    { length: width * count },
    (_, at) => directions[(at % count) * width + Math.floor(at / count)] as number,
  );
  const projected = graph.op('MatMul', [points, graph.constant(columns, [width, count])]);
  const squares = (value: string) => graph.op('ReduceSum', [graph.op('Mul', [value, value]), last(graph)], { keepdims: 1 });
  const left = graph.op('Max', [graph.op('Sub', [squares(points), squares(projected)]), number(graph, 0)]);
  const residual = graph.op('Sqrt', [left], {}, { output: 'prediction' });
  graph.op('Cast', [graph.op('Concat', [projected, residual], { axis: 1 })], { to: FLOAT }, { output: 'features' });
  return count + 1;
}

/** The fields that the model reads, as calls send them. */
export function unsupervisedContract(contract: Contract, preparation: Preparation): Contract {
  const used = new Set(usedFields(preparation));
  const ignored = contract.fields.filter((field) => !used.has(field.name)).map((field) => field.name);
  return ContractShape.parse({
    ...contract,
    fields: contract.fields.filter((field) => used.has(field.name)),
    ignored: [...new Set([...contract.ignored, ...ignored])],
  });
}

/** Metadata with which `openModel` opens the graph. */
export function graphMetadata(contract: Contract, width: number): ModelMetadata {
  return ModelMetadata.parse({
    format: 'slipway.model/1',
    task: 'regression',
    target: 'answer',
    classes: null,
    positive: null,
    contract,
    features: Array.from({ length: width }, (_, index) => `f${index}`),
    trainer: 'unsupervised',
    params: {},
    seed: 0,
  });
}
