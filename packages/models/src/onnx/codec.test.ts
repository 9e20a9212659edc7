import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { PlatformError } from '@slipway/kernel';
import {
  GraphBuilder,
  MODEL_LIMITS,
  ModelFormatError,
  ModelRefusedError,
  ModelTooLargeError,
  attribute,
  checkModel,
  decodeModel,
  encodeModel,
  int64Of,
  integerOf,
  readAttribute,
  tensorOf,
  type ModelMessage,
} from '../index.ts';
import { seededRandom, syntheticModel } from '../testing/index.ts';

const small = syntheticModel({ numeric: 3, categorical: 2, times: 1, trees: 4, depth: 3 });

function oneNode(change: (model: ModelMessage) => void): ModelMessage {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float', ['N', 1]);
  graph.op('Add', [x, graph.constant(new Float32Array([1]))], {}, { output: 'y' });
  graph.output('y', 'float', ['N', 1]);
  const model = decodeModel(graph.build());
  change(model);
  return decodeModel(encodeModel(model));
}

describe('decodeModel', () => {
  test('integers beyond 2^53 keep every digit', () => {
    const graph = new GraphBuilder();
    const values = [-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n, 2n ** 53n, 5n];
    graph.op('Made', [graph.input('x', 'float', ['N'])], { values, single: -(2n ** 63n) }, { output: 'y' });
    graph.output('y', 'float', ['N']);
    const [node] = decodeModel(graph.build()).graph.node;
    const read = readAttribute(node?.attribute ?? [], 'values') as (number | bigint)[];
    assert.deepEqual(read.map(BigInt), values);
    assert.equal(readAttribute(node?.attribute ?? [], 'single'), -(2n ** 63n));
    assert.equal(integerOf(int64Of(-7)), -7);
    assert.throws(() => int64Of(2n ** 63n), ModelFormatError);
    assert.throws(() => int64Of(1.5), ModelFormatError);
  });

  test('an empty file, text, a truncated model and a model without a graph are refused with a format error', () => {
    const cases = [
      new Uint8Array(0),
      Buffer.from('not a model, just text'),
      small.bytes.subarray(0, small.bytes.length - 7),
      Uint8Array.of(8, 9),
    ];
    for (const bytes of cases) assert.throws(() => decodeModel(bytes), ModelFormatError);
  });

  test('MO2 each limit holds at its value and refuses one more', () => {
    assert.throws(() => decodeModel(small.bytes, { sizeBytes: small.bytes.length - 1 }), ModelTooLargeError);
    decodeModel(small.bytes, { sizeBytes: small.bytes.length });
    assert.throws(() => decodeModel(small.bytes, { messages: 50 }), ModelTooLargeError);
    assert.throws(() => decodeModel(small.bytes, { values: 100 }), ModelTooLargeError);
    assert.throws(() => decodeModel(small.bytes, { depth: 3 }), ModelTooLargeError);
    decodeModel(small.bytes, { depth: 8 });
  });

  test('a nesting bomb of types and a flood of empty messages are refused before they are built', () => {
    let type: Uint8Array = new Uint8Array(0);
    for (let level = 0; level < 2_000; level += 1) type = wrap(0x22, wrap(0x0a, type)); // sequence of sequence of ...
    const nested = wrap(0x3a, wrap(0x5a, wrap(0x12, type)));
    assert.throws(() => decodeModel(nested), ModelTooLargeError);
    const flood = new Uint8Array((MODEL_LIMITS.messages + 1) * 2);
    for (let index = 0; index < flood.length; index += 2) flood[index] = 0x0a; // empty nodes
    const before = process.memoryUsage().heapUsed;
    assert.throws(() => decodeModel(wrap(0x3a, flood)), ModelTooLargeError);
    assert.ok(process.memoryUsage().heapUsed - before < 50e6, 'a refused flood must not be built first');
  });

  test('2,000 mutations of a model either decode or fail with an error of ours, within a second of processor time each', () => {
    const seed = 20261101;
    const random = seededRandom(seed);
    const outcomes = { decoded: 0, refused: 0 };
    for (let round = 0; round < 2_000; round += 1) {
      const bytes = mutate(small.bytes, random);
      const before = process.cpuUsage();
      try {
        checkModel(decodeModel(bytes));
        outcomes.decoded += 1;
      } catch (error) {
        assert.ok(error instanceof PlatformError, `seed ${seed}, round ${round}: ${String(error)}`);
        outcomes.refused += 1;
      }
      const { user, system } = process.cpuUsage(before);
      assert.ok(user + system < 1e6, `seed ${seed}, round ${round} took too long`);
    }
    assert.ok(outcomes.decoded > 50 && outcomes.refused > 50, JSON.stringify(outcomes));
  });
});

/** A length-delimited protobuf field. */
function wrap(tag: number, body: Uint8Array): Uint8Array {
  const head = [tag];
  let rest = body.length;
  while (rest >= 128) {
    head.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.concat([Uint8Array.from([...head, rest]), body]);
}

function mutate(source: Uint8Array, random: () => number): Uint8Array {
  const bytes = Uint8Array.from(source);
  const at = () => Math.floor(random() * bytes.length);
  const kind = random();
  if (kind < 0.15) return bytes.subarray(0, at());
  if (kind < 0.3) return Buffer.concat([bytes.subarray(0, at()), bytes.subarray(at())]);
  if (kind < 0.4) bytes.fill(255, at(), at());
  const count = 1 + Math.floor(random() * 8);
  for (let index = 0; index < count; index += 1) bytes[at()] = Math.floor(random() * 256);
  return bytes;
}

function withDomain(domain: string): ModelMessage {
  return oneNode((model) => Object.assign(model.graph.node[0] ?? {}, { domain }));
}

function ints(name: string, values: number[]) {
  return { name, type: 7, ints: values };
}

/** A TreeEnsemble of version 5 whose false children are leaves and whose true children are given; -1 is a leaf. */
function ensemble(children: number[]): ModelMessage {
  const leaves = children.map(() => 1);
  const lists = [
    ints(
      'nodes_truenodeids',
      children.map((child) => Math.max(0, child)),
    ),
    ints(
      'nodes_trueleafs',
      children.map((child) => (child < 0 ? 1 : 0)),
    ),
    ints('nodes_falsenodeids', leaves),
    ints('nodes_falseleafs', leaves),
  ];
  const shape = { opType: 'TreeEnsemble', domain: 'ai.onnx.ml', attribute: lists };
  return oneNode((model) => Object.assign(model.graph.node[0] ?? {}, shape));
}

describe('checkModel', () => {
  test('an ordinary model passes', () => {
    checkModel(decodeModel(small.bytes));
    checkModel(oneNode(() => undefined));
  });

  test('MO2 external data is refused wherever a tensor may stand', () => {
    const external = {
      ...tensorOf(new Float32Array([1])),
      rawData: new Uint8Array(0),
      dataLocation: 1,
      externalData: [{ key: 'location', value: '/etc/passwd' }],
    };
    const places: ((model: ModelMessage) => void)[] = [
      (model) => model.graph.initializer.push({ ...external, name: 'w' }),
      (model) => model.graph.node[0]?.attribute.push({ name: 'value', ...typed(attribute.tensor(external).value) }),
      (model) => {
        const inner = { ...model.graph, node: [], initializer: [{ ...external, name: 'inner' }] };
        model.graph.node[0]?.attribute.push({ name: 'body', type: 5, g: inner });
      },
    ];
    for (const place of places) assert.throws(() => checkModel(oneNode(place)), ModelRefusedError);
  });

  test('an operator of a foreign domain is refused, one of ai.onnx.ml is not', () => {
    assert.throws(() => checkModel(withDomain('com.evil')), ModelRefusedError);
    checkModel(withDomain('ai.onnx.ml'));
  });

  test('a tensor that declares more than it holds, a negative size and an oversize dimension are refused', () => {
    const withDims = (dims: (number | bigint)[]) =>
      oneNode((model) => Object.assign(model.graph.initializer[0] ?? {}, { dims: dims.map(int64Of) }));
    assert.throws(() => checkModel(withDims([1_000])), ModelFormatError);
    assert.throws(() => checkModel(withDims([-1])), ModelFormatError);
    assert.throws(() => checkModel(withDims([2n ** 40n])), ModelTooLargeError);
    assert.throws(() => checkModel(withDims([2n ** 40n, 0])), ModelFormatError);
    const wide = oneNode((model) => Object.assign(model.graph.input[0]?.type?.tensorType?.shape?.dim[1] ?? {}, { dimValue: 2 ** 30 }));
    assert.throws(() => checkModel(wide), ModelTooLargeError);
  });

  test('MO2 a tree that leads back to itself is refused in both forms of the operator, before the engine hangs on it', () => {
    const { bytes } = syntheticModel({ numeric: 2, categorical: 0, trees: 2, depth: 2 });
    const looped = (child: number) => {
      const model = decodeModel(bytes);
      const trees = model.graph.node.find((node) => node.opType === 'TreeEnsembleRegressor');
      const list = trees?.attribute.find((item) => item.name === 'nodes_truenodeids')?.ints as number[];
      list[1] = child; // node 1 of tree 0, a branch
      return model;
    };
    checkModel(looped(3));
    assert.throws(() => checkModel(looped(0)), ModelRefusedError);
    assert.throws(() => checkModel(looped(1)), ModelRefusedError);
    checkModel(ensemble([1, 2, -1]));
    assert.throws(() => checkModel(ensemble([1, 2, 0])), ModelRefusedError);
    assert.throws(() => checkModel(ensemble([1, 9, -1])), ModelFormatError);
  });

  test('a Loop is refused', () => {
    assert.throws(() => checkModel(oneNode((model) => Object.assign(model.graph.node[0] ?? {}, { opType: 'Loop' }))), ModelRefusedError);
  });

  test('a training graph and a future IR version are refused', () => {
    assert.throws(() => checkModel(oneNode((model) => Object.assign(model, { irVersion: 99 }))), ModelRefusedError);
    assert.throws(() => checkModel(oneNode((model) => Object.assign(model, { trainingInfo: [{}] }))), ModelRefusedError);
  });
});

function typed(tensor: unknown): { type: number; t: never } {
  return { type: 4, t: tensor as never };
}
