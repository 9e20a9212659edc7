import { type Contract, Contract as ContractShape, type Frame } from '@slipway/kernel';
import { GraphBuilder, ModelMetadata } from '@slipway/models';
import type { EncodedMatrix } from '../matrix.ts';
import { exportForest } from '../export/export-trees.ts';
import type { Forest } from '../trees/tree.ts';

const ML_OPSET = 5;
const FLOAT = 1;

/** Names of the graph's inputs: features are numbered, since their names may hold any character. */
const inputName = (index: number) => `f${index}`;

/**
 * The trees of a forecaster as one ONNX graph: inputs `f0`, `f1`, … double [N, 1] in the order of the metadata's features,
 * outputs `features` float [N, F] and `prediction` double [N, 1], the correction of the base in sizes of the series.
 * A forecaster without trees has a graph that answers 0.
 */
export function exportForecaster(forest: Forest | null, featureCount: number): Uint8Array {
  const graph = new GraphBuilder('slipway-forecast');
  const inputs = Array.from({ length: featureCount }, (_, index) => graph.input(inputName(index), 'double', ['N', 1]));
  const floats = inputs.map((input) => graph.op('Cast', [input], { to: FLOAT }));
  const features = graph.op('Concat', floats, { axis: 1 }, { output: 'features' });
  graph.output(features, 'float', ['N', featureCount]);
  const margins = exportForest(graph, forest ?? { outputCount: 1, base: Float64Array.of(0), trees: [] }, features);
  graph.op('Identity', [margins], {}, { output: 'prediction' });
  graph.output('prediction', 'double', ['N', 1]);
  return graph.build({ mlOpset: ML_OPSET, metadata: { format: 'slipway.forecast/1' } });
}

function graphContract(featureCount: number): Contract {
  return ContractShape.parse({
    format: 'slipway.contract/1',
    fields: Array.from({ length: featureCount }, (_, index) => ({
      name: inputName(index),
      type: 'float64',
      role: 'numeric',
      nullable: true,
    })),
  });
}

/** Metadata with which `openModel` opens the graph. */
export function graphMetadata(featureCount: number): ModelMetadata {
  return ModelMetadata.parse({
    format: 'slipway.model/1',
    task: 'regression',
    target: 'correction',
    classes: null,
    positive: null,
    contract: graphContract(featureCount),
    features: Array.from({ length: featureCount }, (_, index) => inputName(index)),
    trainer: 'forecaster',
    params: {},
    seed: 0,
  });
}

/** Feature rows as the graph's inputs. */
export function graphFrame(matrix: EncodedMatrix): Frame {
  return {
    rowCount: matrix.rowCount,
    columns: new Map(matrix.columns.map((column, index) => [inputName(index), { kind: 'number', values: Float64Array.from(column) }])),
  };
}
