import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import type { Field, Row } from '@slipway/kernel';
import {
  ForeignOptions,
  GraphBuilder,
  ML_DOMAIN,
  attribute,
  decodeModel,
  openModel,
  packInputs,
  tensorOf,
  type ModelMetadata,
  type TypedAttribute,
} from './index.ts';
import { importHere } from './foreign/import-model.ts';
import { seededRandom, syntheticModel } from './testing/index.ts';

const ml = { domain: ML_DOMAIN };

function fieldOf(name: string, kind: 'number' | 'text' | 'time'): Field {
  const shared = { name, nullable: true, expect: {}, severity: 'warn' } as const;
  if (kind === 'text') return { ...shared, type: 'string', role: 'categorical' };
  return kind === 'time' ? { ...shared, type: 'timestamp', role: 'time' } : { ...shared, type: 'float64', role: 'numeric' };
}

function regressionOf(fields: Field[]): ModelMetadata {
  const contract = { format: 'slipway.contract/1', fields, ignored: [] } as const;
  const shared = { format: 'slipway.model/1', task: 'regression', target: 'y', classes: null, positive: null } as const;
  return { ...shared, contract: { ...contract, fields, ignored: [] }, features: [], trainer: 'by hand', params: {}, seed: 1 };
}

/** One branch of an If: a constant. */
function branch(name: string, value: number): TypedAttribute {
  const inner = new GraphBuilder(name);
  inner.op('Constant', [], { value: attribute.tensor(tensorOf([value], [1, 1], 'double')) }, { output: name });
  inner.output(name, 'double', [1, 1]);
  return attribute.graph(inner.toModel().graph);
}

async function bothWays(bytes: Uint8Array, metadata: ModelMetadata, rows: Row[]) {
  const packed = await openModel({ bytes, metadata, prepare: 'here', compile: false });
  const named = await openModel({ bytes, metadata, prepare: 'here', pack: false });
  const [left, right] = [await packed.predictRows(rows), await named.predictRows(rows)];
  const { facts } = packed;
  await Promise.all([packed.close(), named.close()]);
  return { packed: Array.from(left.values ?? []), named: Array.from(right.values ?? []), facts };
}

describe('packInputs', () => {
  test('the usual graph becomes one cast of one matrix: no encoder, no concat, no split is left', () => {
    const { bytes } = syntheticModel({ numeric: 20, categorical: 10, trees: 3, depth: 2 });
    const packed = packInputs(bytes);
    const ops = decodeModel(packed?.bytes ?? new Uint8Array()).graph.node.map((node) => node.opType);
    assert.deepEqual(ops.slice(0, 4), ['Identity', 'Cast', 'Identity', 'TreeEnsembleRegressor']);
    assert.equal(
      ops.some((op) => op === 'LabelEncoder' || (op === 'Concat' && ops.indexOf(op) < 4) || op === 'Split' || op === 'Gather'),
      false,
    );
    assert.deepEqual(
      packed?.plan.columns.map((column) => column.kind),
      [...Array(20).fill('double'), ...Array(10).fill('category')],
    );
  });

  test('a graph that was made elsewhere is packed like one of ours: its columns are one matrix, and no text is fed', async () => {
    const model = syntheticModel({ numeric: 4, categorical: 3, trees: 3, depth: 2, task: 'regression' });
    const { bytes, metadata } = await importHere(model.bytes, ForeignOptions.parse({ output: 'prediction' }));
    const packed = packInputs(bytes, ['prediction']);
    const ops = decodeModel(packed?.bytes ?? new Uint8Array()).graph.node.map((node) => node.opType);
    assert.deepEqual(packed?.plan.texts, []);
    assert.deepEqual(ops.slice(0, 3), ['Identity', 'Cast', 'Identity']);
    assert.ok(!ops.includes('LabelEncoder') && !ops.includes('Split'), ops.join());
    const rows = model.rows(500).filter((row) => Object.values(row).every((value) => value !== null));
    const result = await bothWays(bytes, metadata, rows);
    assert.deepEqual([result.facts.layout, result.facts.knownTexts.size], ['packed', 3]);
    assert.deepEqual(result.packed, result.named);
  });

  test('a column that is handed straight to an output keeps its name', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'double', ['N', 1]);
    graph.op('Identity', [graph.op('Cast', [graph.op('Identity', [x])], { to: 11 })], {}, { output: 'prediction' });
    graph.output('prediction', 'double', ['N', 1]);
    const result = await bothWays(graph.build(), regressionOf([fieldOf('x', 'number')]), [{ x: 1.5 }, { x: -2 }]);
    assert.deepEqual([result.packed, result.named, result.facts.layout], [[1.5, -2], [1.5, -2], 'packed']);
  });

  test('encoders to floats, doubles and int64, read twice and beside other columns, keep their numbers', async () => {
    const graph = new GraphBuilder();
    const c = graph.input('c', 'string', ['N', 1]);
    const x = graph.input('x', 'double', ['N', 1]);
    const keys = ['a', 'b', '', 'ü', '__proto__'];
    const asFloat = graph.op('LabelEncoder', [c], { keys_strings: keys, values_floats: [0.1, 2, 3, 4, 5], default_float: -1 }, ml);
    const asInt = graph.op('LabelEncoder', [c], { keys_strings: keys, values_int64s: [10, 20, 30, 40, 50], default_int64: 7 }, ml);
    const tensors = {
      keys_tensor: attribute.tensor(tensorOf(keys)),
      values_tensor: attribute.tensor(tensorOf([0.1, 0.2, Number.NaN, 0.4, 0.5], [5], 'double')),
      default_tensor: attribute.tensor(tensorOf([0.3], [1], 'double')),
    };
    const asDouble = graph.op('LabelEncoder', [c], tensors, ml);
    const doubles = graph.op('Concat', [asDouble, x, graph.op('Cast', [asInt], { to: 11 }), graph.op('Cast', [asFloat], { to: 11 }), x], {
      axis: 1,
    });
    const clean = graph.op('Where', [graph.op('IsNaN', [doubles]), graph.constant(new Float64Array([1000])), doubles]);
    graph.op('MatMul', [clean, graph.constant(new Float64Array([1, 10, 100, 1e3, 1e-3]), [5, 1])], {}, { output: 'prediction' });
    graph.output('prediction', 'double', ['N', 1]);
    const rows = [...keys, 'unknown', null].flatMap((text) => [0.5, null, -3e5].map((number) => ({ c: text, x: number })));
    const result = await bothWays(graph.build(), regressionOf([fieldOf('c', 'text'), fieldOf('x', 'number')]), rows);
    assert.equal(result.facts.layout, 'packed');
    assert.deepEqual(result.packed, result.named);
    assert.equal(new Set(result.packed).size, 18); // "" and null are the same missing value: 6 texts x 3 numbers
  });

  test('of equal keys the first counts, as in the engine', async () => {
    const graph = new GraphBuilder();
    graph.op(
      'LabelEncoder',
      [graph.input('c', 'string', ['N', 1])],
      { keys_strings: ['a', 'a', 'b'], values_floats: [1, 2, 3], default_float: 0 },
      { ...ml, output: 'prediction' },
    );
    graph.output('prediction', 'float', ['N', 1]);
    const result = await bothWays(graph.build(), regressionOf([fieldOf('c', 'text')]), [{ c: 'a' }, { c: 'b' }, {}]);
    assert.deepEqual(result.packed, [1, 3, 0]);
    assert.deepEqual(result.named, [1, 3, 0]);
  });

  test('text that something else than an encoder reads stays a string tensor, next to the packed numbers', async () => {
    const graph = new GraphBuilder();
    const [a, b] = [graph.input('a', 'string', ['N', 1]), graph.input('b', 'string', ['N', 1])];
    const x = graph.input('x', 'double', ['N', 1]);
    const same = graph.op('Cast', [graph.op('Equal', [a, b])], { to: 11 });
    const isMissing = graph.op('Cast', [graph.op('Equal', [b, graph.constant([''])])], { to: 11 });
    graph.op('Sum', [same, graph.op('Mul', [isMissing, graph.constant(new Float64Array([10]))]), x], {}, { output: 'prediction' });
    graph.output('prediction', 'double', ['N', 1]);
    const rows = [{ a: 'p', b: 'p', x: 100 }, { a: 'p', b: 'q', x: 0.5 }, { x: 1 }, { a: 'p', x: -1 }];
    const result = await bothWays(graph.build(), regressionOf([fieldOf('a', 'text'), fieldOf('b', 'text'), fieldOf('x', 'number')]), rows);
    assert.equal(result.facts.layout, 'packed');
    assert.deepEqual(result.packed, [101, 0.5, 12, 9]);
    assert.deepEqual(result.named, result.packed);
  });

  test('times keep their milliseconds, and a missing one is INT64_MIN inside the graph', async () => {
    const graph = new GraphBuilder();
    const t = graph.input('t', 'int64', ['N', 1]);
    const isMissing = graph.op('Equal', [t, graph.constant([-(2n ** 63n)], [1])]);
    const rest = graph.op('Cast', [graph.op('Mod', [t, graph.constant([1000n], [1])])], { to: 11 });
    graph.op('Where', [isMissing, graph.constant(new Float64Array([-1])), rest], {}, { output: 'prediction' });
    graph.output('prediction', 'double', ['N', 1]);
    const rows = [{ t: '2026-03-01T10:20:30.456Z' }, { t: 253_402_300_799_123 }, { t: null }, {}];
    const result = await bothWays(graph.build(), regressionOf([fieldOf('t', 'time')]), rows);
    assert.deepEqual(result.packed, [456, 123, -1, -1]);
    assert.deepEqual(result.named, result.packed);
  });

  test('a graph with a subgraph is served as it is', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'double', ['N', 1]);
    const any = graph.op('Greater', [graph.op('ReduceMax', [x], { keepdims: 0 }), graph.constant(new Float64Array([0]), [])]);
    const chosen = graph.op('If', [any], { then_branch: branch('yes', 1), else_branch: branch('no', 2) });
    graph.op('Add', [x, chosen], {}, { output: 'prediction' });
    graph.output('prediction', 'double', ['N', 1]);
    const result = await bothWays(graph.build(), regressionOf([fieldOf('x', 'number')]), [{ x: 5 }]);
    assert.equal(result.facts.layout, 'named');
    assert.match(result.facts.unpackedReason ?? '', /subgraph/);
    assert.deepEqual(result.packed, [6]);
  });

  test('MO1 50 random graphs of columns, casts, encoders and joins give the same numbers packed and not', async () => {
    const seed = 7;
    const random = seededRandom(seed);
    for (let round = 0; round < 50; round += 1) {
      const { bytes, fields } = randomGraph(random);
      const rows = Array.from({ length: 12 }, () => randomRow(fields, random));
      const { packed, named, facts } = await bothWays(bytes, regressionOf(fields), rows);
      assert.equal(facts.layout, 'packed', `seed ${seed}, round ${round}: ${facts.unpackedReason}`);
      assert.deepEqual(packed, named, `seed ${seed}, round ${round}`);
    }
  });
});

const KINDS = ['number', 'text', 'time'] as const;

function randomGraph(random: () => number): { bytes: Uint8Array; fields: Field[] } {
  const graph = new GraphBuilder();
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const fields = Array.from({ length: 1 + Math.floor(random() * 6) }, (_, i) => fieldOf(`f${i}`, pick(KINDS)));
  const floats: string[] = [];
  for (const field of fields) {
    const type = field.type === 'string' ? 'string' : field.type === 'timestamp' ? 'int64' : 'double';
    const input = graph.input(field.name, type, ['N', 1]);
    const uses = 1 + Math.floor(random() * 2);
    for (let use = 0; use < uses; use += 1) {
      const attributes = { keys_strings: ['a', 'b'], values_floats: [random(), random()], default_float: random() };
      // As adapters and exporters put them: another name, and a cast to what it is.
      const renamed = random() < 0.4 ? graph.op('Identity', [input]) : input;
      const read = type === 'double' && random() < 0.4 ? graph.op('Cast', [renamed], { to: 11 }) : renamed;
      const value = type === 'string' ? graph.op('LabelEncoder', [read], attributes, ml) : read;
      const cast = type === 'string' ? value : graph.op('Cast', [value], { to: 1 });
      floats.push(random() < 0.3 ? graph.op('Neg', [cast]) : cast);
    }
  }
  const joined = graph.op('Concat', floats, { axis: pick([1, -1]) });
  const again = graph.op('Concat', [pick(floats), joined, pick(floats)], { axis: 1 });
  const clean = graph.op('Where', [graph.op('IsNaN', [again]), graph.constant(new Float32Array([0.25])), again]);
  const weights = Float32Array.from({ length: floats.length + 2 }, () => random());
  graph.op('MatMul', [clean, graph.constant(weights, [weights.length, 1])], {}, { output: 'prediction' });
  graph.output('prediction', 'float', ['N', 1]);
  return { bytes: graph.build(), fields };
}

function randomRow(fields: readonly Field[], random: () => number): Row {
  const valueOf = (field: Field) => {
    if (random() < 0.2) return null;
    if (field.type === 'string') return ['a', 'b', 'c', ''][Math.floor(random() * 4)];
    return field.type === 'timestamp' ? Math.floor(random() * 1e6) : random() * 10 - 5;
  };
  return Object.fromEntries(fields.map((field) => [field.name, valueOf(field)]));
}
