import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'vitest';
import type { Contract, Row } from '@slipway/kernel';
import type { ModelMetadata } from '../contract.ts';
import { openEngine, type Numbers } from '../engine.ts';
import { type InputPlan, NUMBERS_INPUT } from '../input-plan.ts';
import { openModel, type OnnxModel } from '../model.ts';
import { attribute, GraphBuilder, ML_DOMAIN, tensorOf } from '../index.ts';
import { seededRandom, syntheticModel } from '../testing/synthetic-model.ts';
import { compileGraph } from './compile-graph.ts';
import { createScorer } from './scorer.ts';

const DOUBLE = 11;
const FLOAT = 1;
const INT64 = 7;
const BOOL = 9;
const ml = { domain: ML_DOMAIN };
const WIDTH = 4;
const PLAN: InputPlan = {
  layout: 'packed',
  columns: Array.from({ length: WIDTH }, (_, at) => ({ kind: 'double', field: `x${at}` })),
  texts: [],
  tensors: [],
};

const opened: OnnxModel[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (model) => model.close()));
});

/** A graph over one matrix of doubles whose value becomes the output "prediction". */
function graphOf(build: (graph: GraphBuilder, x: string) => string, type: 'double' | 'float' = 'double') {
  const graph = new GraphBuilder();
  const made = build(graph, graph.input(NUMBERS_INPUT, 'double', ['N', WIDTH]));
  graph.op('Identity', [made], {}, { output: 'prediction' });
  graph.output('prediction', type, ['N', 'K']);
  return graph;
}

const SPECIAL = [
  0,
  -0,
  1,
  -1,
  0.5,
  1.5,
  2.5,
  -2.5,
  7,
  -7,
  1e-9,
  1e9,
  -(2 ** 63),
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];

function rowsOf(seed: number, rowCount: number, isSpecial: boolean): Float64Array {
  const random = seededRandom(seed);
  return Float64Array.from({ length: rowCount * WIDTH }, () =>
    isSpecial && random() < 0.4 ? (SPECIAL[Math.floor(random() * SPECIAL.length)] as number) : random() * 20 - 10,
  );
}

/** What ONNX Runtime and the program say of the same rows. */
async function bothWays(graph: GraphBuilder, numbers: Float64Array): Promise<{ native: Numbers; own: Numbers }> {
  const rowCount = numbers.length / WIDTH;
  const engine = await openEngine(graph.build({ mlOpset: 5 }), PLAN);
  const [native] = await engine.run({ rowCount, numbers, texts: [] }, ['prediction']);
  await engine.close();
  const { program, reason } = compileGraph(graph.toModel(), ['prediction']);
  assert.ok(program, reason);
  return { native: native as Numbers, own: createScorer(program).score(numbers, rowCount, 'prediction') };
}

function assertClose({ native, own }: { native: Numbers; own: Numbers }, tolerance: number, name: string): void {
  assert.equal(own.length, native.length, name);
  assert.equal(own.constructor, native.constructor, name);
  native.forEach((expected, index) => {
    const got = own[index] as number;
    const isSame = Object.is(expected, got) || expected === got;
    const isNear = Math.abs(expected - got) <= tolerance * Math.max(1, Math.abs(expected));
    assert.ok(isSame || isNear, `${name}: ${got} for ${expected} at ${index}`);
  });
}

const doubles = (graph: GraphBuilder, values: readonly number[], shape?: readonly number[]) =>
  graph.constant(Float64Array.from(values), shape ?? [values.length]);
const cast = (graph: GraphBuilder, value: string, to: number) => graph.op('Cast', [value], { to });

describe('programs', () => {
  test.each(['IsNaN', 'Neg', 'Abs', 'Sqrt', 'Log', 'Exp', 'Sigmoid', 'Tanh', 'Relu', 'Floor', 'Ceil', 'Round'])(
    'MO10 %s of odd numbers is what ONNX Runtime says',
    async (name) => {
      const graph = graphOf((g, x) => (name === 'IsNaN' ? cast(g, g.op(name, [x]), DOUBLE) : g.op(name, [x])));
      assertClose(await bothWays(graph, rowsOf(1, 200, true)), 1e-14, name);
    },
  );

  test.each(['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Pow', 'Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual'])(
    'MO10 %s of columns, of a row of constants and of one constant is what ONNX Runtime says',
    async (name) => {
      const isComparison = !['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Pow'].includes(name);
      const graph = graphOf((g, x) => {
        const finish = (value: string) => (isComparison ? cast(g, value, DOUBLE) : value);
        const first = finish(g.op(name, [x, doubles(g, [1, -2, 0, 3], [1, 4])]));
        const second = finish(g.op(name, [doubles(g, [2], [1]), x]));
        return g.op('Concat', [first, second, finish(g.op(name, [x, x]))], { axis: 1 });
      });
      assertClose(await bothWays(graph, rowsOf(2, 200, name !== 'Pow')), 1e-12, name);
    },
  );

  test('MO10 whole numbers divide towards zero, have the remainder of their divisor and no minus zero', async () => {
    const graph = graphOf((g, x) => {
      const whole = cast(g, x, INT64);
      const seven = g.constant(BigInt64Array.of(7n), [1]);
      const minusThree = g.constant(BigInt64Array.of(-3n), [1]);
      const parts = [
        g.op('Div', [whole, seven]),
        g.op('Mod', [whole, seven]),
        g.op('Mod', [whole, minusThree]),
        g.op('Mul', [whole, minusThree]),
        g.op('Neg', [whole]),
      ];
      return g.op(
        'Concat',
        parts.map((part) => cast(g, part, DOUBLE)),
        { axis: 1 },
      );
    });
    const { native, own } = await bothWays(graph, rowsOf(3, 300, false));
    assert.deepEqual(own, native);
  });

  test('MO10 choices, logic and truth are what ONNX Runtime says', async () => {
    const graph = graphOf((g, x) => {
      const isLarge = g.op('Greater', [x, doubles(g, [0], [1])]);
      const isOdd = g.op('Or', [g.op('Not', [isLarge]), g.op('And', [isLarge, g.op('IsNaN', [x])])]);
      return g.op(
        'Concat',
        [g.op('Where', [isLarge, x, doubles(g, [1, 2, 3, 4], [1, 4])]), cast(g, isOdd, DOUBLE), cast(g, cast(g, x, BOOL), DOUBLE)],
        {
          axis: 1,
        },
      );
    });
    const { native, own } = await bothWays(graph, rowsOf(4, 200, true));
    assert.deepEqual(own, native);
  });

  test('MO10 products, sums over looked-up rows, one column against many and softmax are what ONNX Runtime says', async () => {
    const graph = graphOf((g, x) => {
      const random = seededRandom(5);
      const weights = doubles(
        g,
        Array.from({ length: 12 }, () => random() - 0.5),
        [4, 3],
      );
      const margins = g.op('Add', [g.op('MatMul', [x, weights]), doubles(g, [0.1, 0.2, 0.3], [1, 3])]);
      const picked = g.op('Gather', [x, g.constant(BigInt64Array.of(3n, 0n, -2n), [3])], { axis: 1 });
      const codes = cast(g, g.op('Min', [g.op('Max', [picked, doubles(g, [0], [1])]), doubles(g, [4], [1])]), INT64);
      const table = doubles(
        g,
        Array.from({ length: 15 }, (_, cell) => cell * 1.25),
        [5, 3],
      );
      const sums = g.op('ReduceSum', [g.op('Gather', [table, codes], { axis: 0 }), g.constant(BigInt64Array.of(1n), [1])], { keepdims: 0 });
      const first = g.op('Gather', [x, g.constant(BigInt64Array.of(1n), [1])], { axis: 1 });
      const spread = g.op('Sub', [first, doubles(g, [1, 2, 3], [1, 3])]);
      return g.op('Concat', [margins, sums, spread, g.op('Softmax', [margins], { axis: 1 })], { axis: 1 });
    });
    assertClose(await bothWays(graph, rowsOf(6, 200, false)), 1e-12, 'linear');
  });

  test('MO10 a dense network of float32 is what ONNX Runtime says within the parity bound', async () => {
    const graph = graphOf((g, x) => {
      const random = seededRandom(7);
      const floats = (count: number) => Float32Array.from({ length: count }, () => random() - 0.5);
      const layer = (value: string, inner: number, size: number) =>
        g.op('Gemm', [value, g.constant(floats(inner * size), [size, inner]), g.constant(floats(size), [size])], { transB: 1 });
      const hidden = g.op('Relu', [layer(cast(g, x, FLOAT), WIDTH, 16)]);
      return g.op('Softmax', [layer(g.op('Tanh', [layer(hidden, 16, 8)]), 8, 3)], { axis: -1 });
    }, 'float');
    assertClose(await bothWays(graph, rowsOf(8, 200, false)), 1e-6, 'dense');
  });

  test('MO10 trees with thresholds, sets of codes and missing numbers decide as ONNX Runtime', async () => {
    const graph = graphOf((g, x) =>
      g.op(
        'TreeEnsemble',
        [x],
        {
          n_targets: 2,
          aggregate_function: 1,
          post_transform: 0,
          tree_roots: attribute.ints([0, 2]),
          nodes_featureids: attribute.ints([0, 1, 2, 3]),
          nodes_modes: attribute.tensor(tensorOf(Uint8Array.of(0, 1, 6, 6))),
          nodes_splits: attribute.tensor(tensorOf(Float64Array.of(0.5, 1, 0, 0))),
          nodes_missing_value_tracks_true: attribute.ints([1, 0, 0, 1]),
          nodes_truenodeids: attribute.ints([1, 0, 3, 3]),
          nodes_trueleafs: attribute.ints([0, 1, 0, 1]),
          nodes_falsenodeids: attribute.ints([1, 2, 4, 5]),
          nodes_falseleafs: attribute.ints([1, 1, 1, 1]),
          membership_values: attribute.tensor(tensorOf(Float64Array.of(1, 7, 40, Number.NaN, 0, Number.NaN))),
          leaf_targetids: attribute.ints([0, 0, 1, 0, 1, 1]),
          leaf_weights: attribute.tensor(tensorOf(Float64Array.of(0.1, 0.2, 0.4, 0.8, 1.6, 3.2))),
        },
        ml,
      ),
    );
    const numbers = rowsOf(9, 400, true);
    // Codes are whole numbers: of others, ONNX Runtime looks at the whole part.
    for (let cell = 2; cell < numbers.length; cell += 4) numbers[cell] = [1, 7, 40, 39, 2, Number.NaN, -1, 0][(cell >> 2) % 8] as number;
    for (let cell = 3; cell < numbers.length; cell += 8) numbers[cell] = (cell >> 3) % 2;
    for (let cell = 3; cell < numbers.length; cell += 4) numbers[cell] = Math.trunc(numbers[cell] as number);
    const { native, own } = await bothWays(graph, numbers);
    assert.deepEqual(own, native);
    assert.ok(new Set(native).size > 4);
  });

  test('MO10 what works across rows, or is not known, is left to ONNX Runtime with its reason', () => {
    const reasonOf = (build: (g: GraphBuilder, x: string) => string) => compileGraph(graphOf(build).toModel(), ['prediction']).reason ?? '';
    assert.match(
      reasonOf((g, x) => g.op('Erf', [x])),
      /operator Erf/,
    );
    assert.match(
      reasonOf((g, x) => g.op('Concat', [x, x], { axis: 0 })),
      /across rows/,
    );
    assert.match(
      reasonOf((g, x) => g.op('ReduceSum', [x, g.constant(BigInt64Array.of(0n), [1])], { keepdims: 1 })),
      /across rows/,
    );
    assert.match(
      reasonOf((g, x) => g.op('MatMul', [x, g.op('Reshape', [x, g.constant(BigInt64Array.of(4n, -1n), [2])])])),
      /operator Reshape/,
    );
    assert.match(
      reasonOf((g, x) => g.op('Add', [x, doubles(g, [1, 2], [2, 1])])),
      /more sizes|broadcast/,
    );
  });
});

describe('models that programs serve', () => {
  const CONTRACT: Contract = {
    format: 'slipway.contract/1',
    fields: [0, 1].map((at) => ({ name: `x${at}`, type: 'float64', role: 'numeric', nullable: true, expect: {}, severity: 'warn' })),
    ignored: [],
  };
  const METADATA: ModelMetadata = {
    format: 'slipway.model/1',
    task: 'regression',
    target: 'y',
    classes: null,
    positive: null,
    contract: CONTRACT,
    features: ['x0', 'x1'],
    trainer: 'test',
    params: {},
    seed: 1,
  };

  function sumModel(): Uint8Array {
    const graph = new GraphBuilder();
    const inputs = [0, 1].map((at) => graph.input(`x${at}`, 'double', ['N', 1]));
    graph.op(
      'MatMul',
      [graph.op('Concat', inputs, { axis: 1 }), graph.constant(Float64Array.of(2, 3), [2, 1])],
      {},
      { output: 'prediction' },
    );
    graph.output('prediction', 'double', ['N', 1]);
    return graph.build();
  }

  async function open(options: Partial<Parameters<typeof openModel>[0]> = {}): Promise<OnnxModel> {
    const model = await openModel({ bytes: sumModel(), metadata: METADATA, ...options });
    opened.push(model);
    return model;
  }

  test('MO10 a cheap model of plain numbers is served by a program, on the caller’s thread', async () => {
    const model = await open();
    assert.deepEqual([model.facts.engine, model.facts.lane, model.facts.uncompiledReason], ['program', 'inline', undefined]);
    assert.deepEqual(
      Array.from(
        (
          await model.predictRows([
            { x0: 1, x1: 2 },
            { x0: null, x1: 1 },
          ])
        ).values ?? [],
      ),
      [8, Number.NaN],
    );
  });

  test('MO10 negative control: whoever asks for a worker, threads or ONNX Runtime gets it', async () => {
    for (const options of [
      { compile: false },
      { lane: 'worker' as const },
      { serving: { threads: 2, lane: 'inline' as const } },
      { runRows: 100 },
    ]) {
      const model = await open(options);
      assert.deepEqual([model.facts.engine, Array.from((await model.predictRows([{ x0: 1, x1: 2 }])).values ?? [])], ['onnxruntime', [8]]);
    }
  });

  test('MO10 texts that the graph reads itself leave it to ONNX Runtime, and the facts say why', async () => {
    const graph = new GraphBuilder();
    const text = graph.input('t', 'string', ['N', 1]);
    const isA = graph.op('Equal', [text, graph.constant(['a'], [1])]);
    graph.op('Add', [cast(graph, isA, DOUBLE), graph.input('x0', 'double', ['N', 1])], {}, { output: 'prediction' });
    graph.output('prediction', 'double', ['N', 1]);
    const [field] = CONTRACT.fields;
    const fields = [field, { ...field, name: 't', type: 'string', role: 'text' }] as Contract['fields'];
    const model = await open({ bytes: graph.build(), metadata: { ...METADATA, contract: { ...CONTRACT, fields }, features: ['x0', 't'] } });
    assert.equal(model.facts.engine, 'onnxruntime');
    assert.match(model.facts.uncompiledReason ?? '', /more than one matrix/);
    assert.deepEqual(Array.from((await model.predictRows([{ x0: 1, t: 'a' }])).values ?? []), [2]);
  });

  test('MO10 synthetic forests answer within the parity bound, alone, together and as a frame', async () => {
    for (const task of ['binary', 'multiclass', 'regression'] as const) {
      const { bytes, metadata, rows } = syntheticModel({ numeric: 5, categorical: 3, times: 2, trees: 20, depth: 4, task });
      const some: Row[] = rows(300);
      const own = await open({ bytes, metadata });
      const native = await open({ bytes, metadata, compile: false });
      assert.deepEqual([own.facts.engine, native.facts.engine], ['program', 'onnxruntime']);
      const expected = await native.predictRows(some);
      const got = await own.predictRows(some);
      const singles = await Promise.all(some.map(async (row) => own.predictRows([row])));
      const numbersOf = (all: typeof got) => Array.from(all.probabilities ?? all.values ?? []);
      assert.deepEqual(singles.flatMap(numbersOf), numbersOf(got));
      numbersOf(expected).forEach((value, index) => assert.ok(Math.abs(value - (numbersOf(got)[index] as number)) <= 1e-6));
    }
  });

  test('MO10 rows that cost too much for the turn they arrive in get turns of their own', async () => {
    const { bytes, metadata, rows } = syntheticModel({ numeric: 20, categorical: 10, trees: 200, depth: 6 });
    const model = await open({ bytes, metadata });
    assert.equal(model.facts.engine, 'program');
    const some = rows(2_000);
    let turns = 0;
    let isDone = false;
    const turn = () => {
      turns += 1;
      if (!isDone) setImmediate(turn);
    };
    setImmediate(turn);
    await model.predictRows(some);
    isDone = true;
    assert.ok(turns >= 4, `${turns} turns`);
  });
});
