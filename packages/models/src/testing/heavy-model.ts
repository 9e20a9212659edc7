import type { ModelMetadata } from '../contract.ts';
import { GraphBuilder } from '../onnx/graph-builder.ts';

/** A tiny file that computes for tens of milliseconds: x + 0 * sum(M M), M a matrix of the given size filled from x. */
export function heavyModel(size = 800): { bytes: Uint8Array; metadata: ModelMetadata } {
  const graph = new GraphBuilder('heavy');
  const x = graph.op('Cast', [graph.input('x', 'double', ['N', 1])], { to: 1 });
  const seed = graph.op('ReduceMax', [x], { keepdims: 1 });
  const matrix = graph.op('Expand', [graph.op('Tanh', [seed]), graph.constant([size, size], [2], { elementType: 'int64' })]);
  const sum = graph.op('ReduceSum', [graph.op('MatMul', [matrix, matrix])], { keepdims: 1 });
  const nothing = graph.op('Mul', [sum, graph.constant(new Float32Array([0]))]);
  graph.op('Add', [x, nothing], {}, { output: 'prediction' });
  graph.output('prediction', 'float', ['N', 1]);
  return {
    bytes: graph.build(),
    metadata: {
      format: 'slipway.model/1',
      task: 'regression',
      target: 'y',
      classes: null,
      positive: null,
      contract: {
        format: 'slipway.contract/1',
        fields: [{ name: 'x', type: 'float64', role: 'numeric', nullable: false, expect: {}, severity: 'warn' }],
        ignored: [],
      },
      features: [],
      trainer: 'by hand',
      params: {},
      seed: 1,
    },
  };
}
