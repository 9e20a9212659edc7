import assert from 'node:assert/strict';
import * as ort from 'onnxruntime-node';
import { describe, test } from 'vitest';
import { attribute, decodeModel, encodeModel, GraphBuilder, ML_DOMAIN, GraphBuildError, tensorOf } from '../index.ts';

const NA = -(2n ** 63n);

/** age: imputed with 40 | city: label encoded, unknown -1 | joined: ms, missing -> NaN, in days; two trees summed. */
function workedExample(): Uint8Array {
  const graph = new GraphBuilder('worked');
  const ml = { domain: ML_DOMAIN };
  const age = graph.input('age', 'double', ['N', 1]);
  const city = graph.input('city', 'string', ['N', 1]);
  const joined = graph.input('joined', 'int64', ['N', 1]);

  const imputed = graph.op('Where', [graph.op('IsNaN', [age]), graph.constant([40], [1], { elementType: 'double' }), age]);
  const ageFloat = graph.op('Cast', [imputed], { to: 1 });
  const code = graph.op('LabelEncoder', [city], { keys_strings: ['Bern', 'Basel', ''], values_floats: [0, 1, 2], default_float: -1 }, ml);
  const isMissing = graph.op('Equal', [joined, graph.constant([NA], [1])]);
  const days = graph.op('Div', [graph.op('Cast', [joined], { to: 11 }), graph.constant([86_400_000], [1], { elementType: 'double' })]);
  const nan = graph.constant([Number.NaN], [1], { elementType: 'double' });
  const daysFloat = graph.op('Cast', [graph.op('Where', [isMissing, nan, days])], { to: 1 });

  graph.op('Concat', [ageFloat, code, daysFloat], { axis: 1 }, { output: 'features' });
  graph.op(
    'TreeEnsembleRegressor',
    ['features'],
    {
      n_targets: 1,
      aggregate_function: 'SUM',
      nodes_treeids: [0, 0, 0, 1, 1, 1],
      nodes_nodeids: [0, 1, 2, 0, 1, 2],
      nodes_featureids: [0, 0, 0, 2, 0, 0],
      nodes_modes: ['BRANCH_LEQ', 'LEAF', 'LEAF', 'BRANCH_LEQ', 'LEAF', 'LEAF'],
      nodes_values: [30, 0, 0, 100, 0, 0],
      nodes_truenodeids: [1, 0, 0, 1, 0, 0],
      nodes_falsenodeids: [2, 0, 0, 2, 0, 0],
      nodes_missing_value_tracks_true: [1, 0, 0, 0, 0, 0],
      target_treeids: [0, 0, 1, 1],
      target_nodeids: [1, 2, 1, 2],
      target_ids: [0, 0, 0, 0],
      target_weights: [1, 2, 10, 20],
      base_values: [0.5],
    },
    { ...ml, output: 'prediction' },
  );
  graph.output('prediction', 'float', ['N', 1]);
  graph.output('features', 'float', ['N', 3]);
  return graph.build({ metadata: { made: 'by test' } });
}

describe('GraphBuilder', () => {
  test('a graph from doubles, times and strings through imputation, label encoding and trees runs in ONNX Runtime', async () => {
    const session = await ort.InferenceSession.create(workedExample(), { intraOpNumThreads: 1 });
    const result = await session.run({
      age: new ort.Tensor('float64', new Float64Array([25, Number.NaN, 31]), [3, 1]),
      city: new ort.Tensor('string', ['Basel', '', 'Atlantis'], [3, 1]),
      joined: new ort.Tensor('int64', new BigInt64Array([0n, NA, 86_400_000n * 101n]), [3, 1]),
    });
    const numbers = (name: string) => Array.from((result[name] as ort.Tensor).data as Float32Array);
    assert.deepEqual(numbers('features'), [25, 1, 0, 40, 2, Number.NaN, 31, -1, 101]);
    assert.deepEqual(numbers('prediction'), [11.5, 22.5, 22.5]);
    await session.release();
  });

  test('equal constructions give equal bytes, and bytes survive a round trip', () => {
    const bytes = workedExample();
    assert.deepEqual(workedExample(), bytes);
    assert.deepEqual(encodeModel(decodeModel(bytes)), bytes);
  });

  test('a node that reads a value nobody made is refused, and so is a name used twice', () => {
    const graph = new GraphBuilder();
    graph.input('x', 'float', ['N']);
    assert.throws(() => graph.op('Abs', ['y']), GraphBuildError);
    assert.throws(() => graph.input('x', 'float', ['N']), GraphBuildError);
    assert.throws(() => graph.output('nowhere', 'float', ['N']), GraphBuildError);
    assert.throws(() => graph.build(), GraphBuildError);
  });

  test('a generated name gives way to a column of the same name', () => {
    const graph = new GraphBuilder();
    graph.input('Abs:0', 'float', ['N']);
    assert.equal(graph.op('Abs', ['Abs:0']), 'Abs:1');
  });

  test('a plain number is an int unless its name or value says float', () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float', ['N']);
    graph.op('Made', [x], { axis: 1, alpha: 1, other: 1.5, forced: attribute.float(2), flag: true, nothing: attribute.ints([]) });
    graph.output('Made:0', 'float', ['N']);
    const types = graph.toModel().graph.node[0]?.attribute.map((item) => item.type);
    assert.deepEqual(types, [2, 1, 1, 1, 2, 7]);
    assert.throws(() => graph.op('Made', [x], { empty: [] }), GraphBuildError);
  });

  test('a constant whose shape does not fit its values is refused', () => {
    assert.throws(() => tensorOf(new Float32Array(3), [2, 2]), GraphBuildError);
    assert.throws(() => tensorOf([1, 2]), GraphBuildError);
    assert.equal(tensorOf([1, 2], [2], 'double').rawData?.length, 16);
  });
});
