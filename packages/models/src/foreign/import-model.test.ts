import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { ModelFormatError, ModelRefusedError, ModelTooLargeError, SignatureError } from '../errors.ts';
import { openModel } from '../model.ts';
import { decodeModel, encodeModel } from '../onnx/codec.ts';
import { GraphBuilder, ML_DOMAIN } from '../onnx/graph-builder.ts';
import { importHere } from './import-model.ts';
import { importModel } from './limited-process.ts';
import { ForeignOptions } from './options.ts';

const options = (given: object = {}) => ForeignOptions.parse(given);

/** `x` [N, 3] times weights: two scores, as torch.onnx writes a small network. */
function logits(batch: number | string = 'N'): GraphBuilder {
  const graph = new GraphBuilder('given');
  const x = graph.input('x', 'float', [batch, 3]);
  graph.op('MatMul', [x, graph.constant(new Float32Array([1, -1, 0.5, -0.5, 2, -2]), [3, 2])], {}, { output: 'scores' });
  graph.output('scores', 'float', [batch, 2]);
  return graph;
}

/** A linear classifier that ends in a ZipMap, as skl2onnx writes it. */
function zipMapped(): Uint8Array {
  const graph = new GraphBuilder('given');
  const x = graph.input('x', 'float', ['N', 2]);
  const coefficients = {
    coefficients: new Float32Array([1, 0, 0, 1, -1, -1]),
    intercepts: new Float32Array([0, 0, 0]),
    multi_class: 1,
    post_transform: 'SOFTMAX',
    classlabels_strings: ['low', 'mid', 'high'],
  };
  const [, raw] = graph.node('LinearClassifier', [x], coefficients, { domain: ML_DOMAIN, outputs: ['label', 'raw'] });
  graph.op('ZipMap', [raw as string], { classlabels_strings: ['low', 'mid', 'high'] }, { domain: ML_DOMAIN, output: 'output_probability' });
  graph.output('label', 'string', ['N']);
  graph.output('output_probability', 'float', ['N', 3]);
  const model = graph.toModel();
  const zip = model.graph.output[1];
  assert.ok(zip);
  zip.type = { sequenceType: { elemType: { mapType: { keyType: 8, valueType: { tensorType: { elemType: 1 } } } } } };
  return encodeModel(model);
}

describe('a model made elsewhere', () => {
  test('ZipMap disappears, its labels are the classes, and a wide input becomes named columns', async () => {
    const { bytes, metadata } = await importHere(zipMapped(), options({ columns: ['age', 'height'] }));
    assert.deepEqual([metadata.task, metadata.classes], ['multiclass', ['low', 'mid', 'high']]);
    assert.deepEqual(
      metadata.contract.fields.map((field) => field.name),
      ['age', 'height'],
    );
    const model = await openModel({ bytes, metadata, prepare: 'here' });
    const { probabilities, labels } = await model.predictRows([
      { age: 3, height: 0 },
      { age: 0, height: 3 },
    ]);
    await model.close();
    assert.deepEqual(labels, ['low', 'mid']);
    const weights = [3, 0, -3].map(Math.exp);
    const sum = weights.reduce((total, weight) => total + weight, 0);
    weights.forEach((weight, code) => assert.ok(Math.abs((probabilities?.[code] ?? 0) - weight / sum) < 1e-6));
  });

  test('scores that are no probabilities become them by softmax, and a note says so', async () => {
    const { metadata, notes } = await importHere(logits().build(), options({ classes: ['no', 'yes'] }));
    assert.deepEqual([metadata.task, metadata.positive], ['binary', 'yes']);
    assert.match(notes.join(' '), /softmax/);
  });

  test('one number a row is a regression, or the positive class when classes are named', async () => {
    const graph = new GraphBuilder('given');
    graph.op('ReduceSum', [graph.input('x', 'float', ['N', 3]), graph.constant([1n], [1])], { keepdims: 1 }, { output: 'y' });
    graph.output('y', 'float', ['N', 1]);
    assert.equal((await importHere(graph.build(), options())).metadata.task, 'regression');
    assert.equal((await importHere(graph.build(), options({ classes: ['a', 'b'] }))).metadata.task, 'binary');
  });

  test('a declared batch of one is freed when the rows are independent, and refused when the graph depends on it', async () => {
    assert.equal((await importHere(logits(1).build(), options())).metadata.contract.fields.length, 3);
    const graph = new GraphBuilder('given');
    const x = graph.input('x', 'float', [1, 3]);
    graph.op('Reshape', [x, graph.constant([1n, 3n], [2])], {}, { output: 'y' });
    graph.output('y', 'float', [1, 3]);
    await assert.rejects(importHere(graph.build(), options()), ModelRefusedError);
  });

  test('wrong numbers of columns and unknown outputs are told with what there is', async () => {
    await assert.rejects(
      importHere(logits().build(), options({ columns: ['a', 'b'] })),
      (error: unknown) => error instanceof SignatureError && /takes 3 columns; named are 2/.test(error.message),
    );
    await assert.rejects(importHere(logits().build(), options({ output: 'score' })), /did you mean "scores"/);
    await assert.rejects(importHere(logits().build(), options({ classes: ['a', 'b', 'c'] })), SignatureError);
  });
});

describe('the limited process', () => {
  test('it reads a sound model (control) and says why it refuses others', async () => {
    assert.equal((await importModel(logits().build(), { options: options() })).metadata.task, 'binary');
    await assert.rejects(importModel(new Uint8Array([1, 2, 3]), { options: options() }), ModelFormatError);
    const external = decodeModel(logits().build());
    const weight = external.graph.initializer[0];
    assert.ok(weight);
    weight.dataLocation = 1;
    weight.externalData = [{ key: 'location', value: '/etc/passwd' }];
    await assert.rejects(importModel(encodeModel(external), { options: options() }), /another file/);
  });

  test('a graph that asks for more memory than allowed ends the process, not ours', async () => {
    const graph = new GraphBuilder('bomb');
    const x = graph.input('x', 'float', ['N', 1]);
    const size = graph.constant([40_000n, 40_000n], [2]);
    const huge = graph.op('ConstantOfShape', [size]);
    const sum = graph.op('ReduceSum', [huge], { keepdims: 0 });
    graph.op('Add', [x, sum], {}, { output: 'y' });
    graph.output('y', 'float', ['N', 1]);
    const error = await importModel(graph.build(), { options: options(), limits: { memoryBytes: 600 * 2 ** 20 } }).catch(
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof ModelTooLargeError || error instanceof ModelRefusedError, String(error));
  });

  test('a reading that takes too long is ended', async () => {
    await assert.rejects(importModel(logits().build(), { options: options(), limits: { timeoutMs: 5 } }), /within 0.005 s/);
  });
});
