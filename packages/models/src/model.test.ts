import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, test } from 'vitest';
import { frameFromRows, type Row } from '@slipway/kernel';
import {
  BATCH_ROW_LIMIT,
  GraphBuilder,
  ModelBusyError,
  ModelClosedError,
  ModelFormatError,
  ModelRefusedError,
  SignatureError,
  decodeModel,
  encodeModel,
  measureLatency,
  openModel,
  type ModelMetadata,
  type OnnxModel,
  type OpenModelOptions,
} from './index.ts';
import { type SyntheticOptions, heavyModel, syntheticModel } from './testing/index.ts';

const opened: OnnxModel[] = [];

async function open(options: OpenModelOptions): Promise<OnnxModel> {
  const model = await openModel({ prepare: 'here', ...options });
  opened.push(model);
  return model;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (model) => model.close()));
});

const SIZES = { numeric: 5, categorical: 3, times: 2, trees: 20, depth: 4 } as const;

function made(task: SyntheticOptions['task'] = 'binary') {
  return syntheticModel({ ...SIZES, ...(task ? { task } : {}) });
}

describe('openModel', () => {
  test.each(['binary', 'multiclass', 'regression'] as const)(
    'MO1 %s: packed, unpacked, frame and rows give the same numbers',
    async (task) => {
      const { bytes, metadata, rows } = made(task);
      const some = rows(300);
      const packed = await open({ bytes, metadata, compile: false });
      const named = await open({ bytes, metadata, pack: false });
      assert.equal(packed.facts.layout, 'packed');
      assert.equal(named.facts.layout, 'named');
      const frame = frameFromRows(metadata.contract, some);
      const expected = await named.predict(frame);
      for (const got of [await packed.predict(frame), await packed.predictRows(some), await named.predictRows(some)]) {
        assert.deepEqual(got, expected);
      }
      const width = metadata.classes?.length ?? 1;
      assert.equal((expected.probabilities ?? expected.values)?.length, 300 * width);
      assert.equal(new Set(Array.from(expected.probabilities ?? expected.values ?? [])).size > 100, true);
    },
  );

  test('a threshold in the metadata decides the labels and leaves the probabilities', async () => {
    const { bytes, metadata, rows } = made();
    const some = rows(200);
    const plain = await (await open({ bytes, metadata })).predictRows(some);
    const of = async (threshold: number) => (await open({ bytes, metadata: { ...metadata, decision: { threshold } } })).predictRows(some);
    const sorted = Array.from({ length: 200 }, (_, row) => plain.probabilities?.[2 * row + 1] ?? 0).toSorted((a, b) => a - b);
    const middle = sorted[100] as number;
    const decided = await of(middle);
    assert.deepEqual(decided.probabilities, plain.probabilities);
    const [negative, positive] = metadata.classes ?? [];
    decided.labels.forEach((label, row) => {
      assert.equal(label, (plain.probabilities?.[2 * row + 1] ?? 0) >= middle ? positive : negative);
    });
    assert.equal(new Set((await of(0)).labels).size, 1);
  });

  test('rows predicted alone and together give the same numbers', async () => {
    const { bytes, metadata, rows } = made();
    const model = await open({ bytes, metadata });
    const some = rows(40);
    const together = await model.predictRows(some);
    const alone = await Promise.all(some.map(async (row) => model.predictRows([row])));
    assert.deepEqual(
      alone.flatMap((answer) => Array.from(answer.probabilities ?? [])),
      Array.from(together.probabilities ?? []),
    );
    assert.deepEqual(
      alone.flatMap((answer) => answer.labels),
      together.labels,
    );
  });

  test('a frame larger than a run is answered in pieces, in order, and an empty frame is answered', async () => {
    const { bytes, metadata, rows } = made();
    const model = await open({ bytes, metadata });
    const some = rows(BATCH_ROW_LIMIT * 2 + 17);
    const all = await model.predict(frameFromRows(metadata.contract, some));
    const last = await model.predictRows(some.slice(-1));
    assert.deepEqual(all.probabilities?.slice(-2), last.probabilities);
    assert.deepEqual((await model.predictRows(some)).probabilities, all.probabilities);
    assert.deepEqual((await model.predict(frameFromRows(metadata.contract, []))).labels, []);
  });

  test('features are the encoded columns, in the order of the metadata', async () => {
    const { bytes, metadata } = made();
    const model = await open({ bytes, metadata });
    const row: Row = { n0: 0.5, n1: 1, n2: 2, n3: null, n4: 4, c0: 'green', c1: 'nobody knows', t0: '1970-01-11T00:00:00Z' };
    const { values, width } = await model.features(frameFromRows(metadata.contract, [row]));
    assert.equal(width, 10);
    assert.deepEqual(Array.from(values), [0.5, 1, 2, Number.NaN, 4, 1, -1, -1, 10, Number.NaN]);
  });

  test('MO5 a label is the likeliest class, and of equals the first', async () => {
    const graph = new GraphBuilder();
    const x = graph.op('Cast', [graph.input('x', 'double', ['N', 1])], { to: 1 });
    graph.op('Concat', [graph.op('Sub', [graph.constant(new Float32Array([1])), x]), x], { axis: 1 }, { output: 'probabilities' });
    graph.output('probabilities', 'float', ['N', 2]);
    const model = await open({ bytes: graph.build(), metadata: oneField() });
    assert.deepEqual((await model.predictRows([{ x: 0.2 }, { x: 0.9 }, { x: 0.5 }])).labels, ['no', 'yes', 'no']);
  });

  test('a file on disk serves as well as bytes, through a worker that prepares it', async () => {
    const { bytes, metadata, rows } = made();
    const some = rows(20);
    const direct = await open({ bytes, metadata });
    const prepared = await open({ bytes, metadata, prepare: 'worker' });
    assert.equal(prepared.facts.lane, 'inline');
    assert.deepEqual(await prepared.predictRows(some), await direct.predictRows(some));
  });

  test('a closed model refuses calls, and closing fails the waiting ones', async () => {
    const { bytes, metadata, rows } = made();
    const model = await open({ bytes, metadata, compile: false });
    const some = rows(2);
    const first = model.predictRows(some.slice(0, 1));
    const second = assert.rejects(model.predictRows(some.slice(1)), ModelClosedError);
    await model.close();
    await second;
    await Promise.allSettled([first]);
    await assert.rejects(model.predictRows(some), ModelClosedError);
  });

  test('MO4 more rows than the queue holds are refused, as many as it holds are answered', async () => {
    const { bytes, metadata, rows } = made();
    const model = await open({ bytes, metadata, queueLimit: 5, compile: false });
    const some = rows(5);
    const first = model.predictRows(some); // starts at once and leaves the queue
    const waiting = model.predictRows(some);
    await assert.rejects(model.predictRows(some.slice(0, 1)), ModelBusyError);
    assert.equal((await first).rowCount + (await waiting).rowCount, 10);
    await assert.rejects(model.predictRows([...some, ...some]), ModelBusyError);
  });
});

/** How often the event loop turned while the work was done. */
async function countTurns<T>(work: () => Promise<T>): Promise<[number, T]> {
  let turns = 0;
  let isDone = false;
  const turn = () => {
    turns += 1;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const result = await work();
  isDone = true;
  return [turns, result];
}

describe('the worker lane', () => {
  test('MO3 a model that is slow by measurement answers from a worker while the event loop turns, inline it does not turn', async () => {
    const heavy = heavyModel(1_500);
    const model = await open({ ...heavy, prepare: 'worker' });
    assert.equal(model.facts.lane, 'worker', JSON.stringify(model.facts));
    const [turns, answers] = await countTurns(async () => Promise.all([0.25, 0.5].map(async (x) => model.predictRows([{ x }]))));
    const frame = await model.predict(frameFromRows(heavy.metadata.contract, [{ x: 0.125 }]));
    assert.deepEqual(
      [...answers, frame].map((answer) => answer.values?.[0]),
      [0.25, 0.5, 0.125],
    );
    const inline = await open({ ...heavy, lane: 'inline' });
    const [inlineTurns] = await countTurns(async () => inline.predictRows([{ x: 0.25 }]));
    assert.ok(turns > 20 && inlineTurns < 20, `${turns} turns with the worker, ${inlineTurns} inline`);
  });

  test('a quick model sent to a worker gives the same numbers as inline', async () => {
    const { bytes, metadata, rows } = made('multiclass');
    const some = rows(200);
    const inline = await open({ bytes, metadata, compile: false });
    const worker = await open({ bytes, metadata, lane: 'worker', prepare: 'worker' });
    const got = await Promise.all(some.map(async (row) => worker.predictRows([row])));
    const expected = await inline.predictRows(some);
    assert.deepEqual(
      got.flatMap((answer) => Array.from(answer.probabilities ?? [])),
      Array.from(expected.probabilities ?? []),
    );
    assert.deepEqual(
      await worker.features(frameFromRows(metadata.contract, some)),
      await inline.features(frameFromRows(metadata.contract, some)),
    );
  });

  test('closing in the middle of a run fails its caller at once and does not abort the process', async () => {
    const model = await open({ ...heavyModel(1_500), prepare: 'worker' });
    const running = assert.rejects(model.predictRows([{ x: 1 }]), ModelClosedError);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await model.close();
    await running;
  });

  test('a process that ends in the middle of a run ends with its own exit code', async () => {
    const script = `
      import { openModel } from './index.ts';
      import { heavyModel } from './testing/index.ts';
      const model = await openModel(heavyModel(1500));
      model.predictRows([{ x: 1 }]).catch(() => undefined);
      setTimeout(() => process.exit(7), 20);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: import.meta.dirname,
      stdio: 'ignore',
    });
    const [code, signal] = await once(child, 'exit');
    assert.deepEqual([code, signal], [7, null]);
  });

  test('errors keep their class across the thread, and closing fails what was running', async () => {
    const { bytes, metadata, rows } = made();
    await assert.rejects(openModel({ bytes: bytes.subarray(0, 100), metadata }), ModelFormatError);
    await assert.rejects(
      openModel({ bytes, metadata: { ...metadata, classes: ['a', 'b', 'c'], task: 'multiclass', positive: null } }),
      SignatureError,
    );
    const model = await open({ bytes, metadata, lane: 'worker', prepare: 'worker' });
    const running = assert.rejects(model.predictRows(rows(1)), ModelClosedError);
    await model.close();
    await running;
  });
});

describe('what is refused when a model is opened', () => {
  test('foreign operators, before the engine sees them', async () => {
    const { bytes, metadata } = made();
    const model = decodeModel(bytes);
    const [node] = model.graph.node;
    if (node) node.domain = 'org.custom';
    await assert.rejects(open({ bytes: encodeModel(model), metadata }), ModelRefusedError);
  });

  test('a graph that the engine refuses, with its words and without paths', async () => {
    const graph = new GraphBuilder();
    graph.op('NoSuchOperator', [graph.input('x', 'double', ['N', 1])], {}, { output: 'probabilities' });
    graph.output('probabilities', 'float', ['N', 2]);
    await assert.rejects(open({ bytes: graph.build(), metadata: oneField() }), (error: Error) => {
      assert.ok(error instanceof ModelFormatError);
      assert.match(error.message, /NoSuchOperator/);
      assert.doesNotMatch(error.message, /\/onnxruntime_src/);
      return true;
    });
  });

  test.each([
    ['an input that is no field', (g: GraphBuilder) => g.input('y', 'double', ['N', 1])],
    ['an input of a wrong type', (g: GraphBuilder) => g.input('x', 'string', ['N', 1])],
    ['an input of two columns', (g: GraphBuilder) => g.input('x', 'double', ['N', 2])],
    ['an input of exactly one row', (g: GraphBuilder) => g.input('x', 'double', [1, 1])],
  ])('%s', async (_, addInput) => {
    const graph = new GraphBuilder();
    const probabilities = graph.constant(new Float32Array([0.5, 0.5]), [1, 2]);
    addInput(graph);
    graph.op('Identity', [probabilities], {}, { output: 'probabilities' });
    graph.output('probabilities', 'float', ['N', 2]);
    await assert.rejects(open({ bytes: graph.build(), metadata: oneField() }), SignatureError);
  });
});

describe('measureLatency', () => {
  test('gives a median below its 95th percentile, and refuses to measure nothing', async () => {
    const { bytes, metadata, rows } = made();
    const model = await open({ bytes, metadata });
    const { p50Ms, p95Ms, calls } = await measureLatency(model, rows(10), { repeats: 200 });
    assert.ok(p50Ms > 0 && p50Ms <= p95Ms && p95Ms < 1_000, `${p50Ms} ${p95Ms}`);
    assert.equal(calls, 200);
    await assert.rejects(measureLatency(model, []), RangeError);
  });
});

function oneField(): ModelMetadata {
  return {
    format: 'slipway.model/1',
    task: 'binary',
    target: 'y',
    classes: ['no', 'yes'],
    positive: 'yes',
    contract: {
      format: 'slipway.contract/1',
      fields: [{ name: 'x', type: 'float64', role: 'numeric', nullable: true, expect: {}, severity: 'warn' }],
      ignored: [],
    },
    features: ['x'],
    trainer: 'by hand',
    params: {},
    seed: 1,
  };
}
