import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { canonicalJson, fixedClock, type Call, type CallContext, type Json, type Row, type VersionRef } from '@slipway/kernel';
import type { Version } from '@slipway/catalog';
import { GraphBuilder, ModelMetadata, ModelVersionError, createModelServable, modelLoader, openModel } from './index.ts';
import { heavyModel, syntheticModel } from './testing/index.ts';

const VERSION: VersionRef = { id: 'mv_1', kind: 'model', name: 'm', recipe: 'r', content: 'c' };
let folder = '';

function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-models-'));
});
afterAll(async () => rm(folder, { recursive: true }));

/** Objects and catalog as files in a folder and one version: what the loader reads, no more. */
async function stores(files: readonly Uint8Array[], meta: Json) {
  for (const bytes of files) await writeFile(join(folder, sha256Hex(bytes)), bytes);
  const version: Version = {
    ...VERSION,
    kind: 'model',
    project: 'p',
    number: 1,
    run: null,
    meta,
    createdAtMs: 0,
    principal: 'prn',
    retiredAtMs: null,
    retiredReason: null,
  };
  return {
    catalog: { get: async () => version },
    objects: {
      localPath: async (_: string, hash: string) => join(folder, hash),
      read: async (_: string, hash: string) => readFile(join(folder, hash)),
    },
  };
}

function call(input: Row, context: Partial<CallContext> = {}): Call<Row> {
  const principal = { id: 'prn', project: 'p', role: 'service', instance: false } as unknown as CallContext['principal'];
  return {
    input,
    context: {
      invocation: 'inv',
      principal,
      deadlineMs: undefined,
      signal: undefined,
      traceparent: undefined,
      parts: new Map(),
      ...context,
    },
  };
}

describe('modelLoader', () => {
  test('loads a version whose metadata is an object, and answers each call with its own result', async () => {
    const { bytes, metadata, rows } = syntheticModel({ numeric: 3, categorical: 2, trees: 10, depth: 3 });
    const text = Buffer.from(canonicalJson(metadata));
    const deps = await stores([bytes, text], { onnx: sha256Hex(bytes), metadata: sha256Hex(text) });
    const servable = await modelLoader(deps).load('p', VERSION);
    const some = rows(5);
    const results = await servable.invoke(some.map((row) => call(row)));
    const model = await openModel({ bytes, metadata, prepare: 'here', pack: false });
    const { labels, probabilities } = await model.predictRows(some);
    results.forEach((result, row) => {
      assert.equal(result.status, 'ok');
      const output = (result as { output: { prediction: string; probabilities: { no: number; yes: number } } }).output;
      assert.equal(output.prediction, labels[row]);
      // A program rounds float32 otherwise than ONNX Runtime's own functions, in the last digit.
      assert.ok(Math.abs(output.probabilities.no - (probabilities?.[row * 2] ?? 0)) < 1e-6);
      assert.ok(Math.abs(output.probabilities.yes - (probabilities?.[row * 2 + 1] ?? 0)) < 1e-6);
    });
    assert.equal(servable.input, servable.input);
    assert.deepEqual(
      servable.output.fields.map((field) => field.name),
      ['prediction', 'probabilities'],
    );
    await model.close();
    await servable.dispose?.();
  });

  test('a regression answers with a number', async () => {
    const { bytes, metadata } = heavyModel(2);
    const deps = await stores([bytes], { onnx: sha256Hex(bytes), metadata: JSON.parse(canonicalJson(metadata)) as Json });
    const servable = await modelLoader(deps).load('p', VERSION);
    assert.deepEqual(await servable.invoke([call({ x: 0.5 })]), [{ status: 'ok', output: { prediction: 0.5 } }]);
    await servable.dispose?.();
  });

  test('a retired version, a version of another kind and broken metadata are refused', async () => {
    const broken = Buffer.from('{"format":"slipway.model/1"}');
    const cases: Json[] = [null, { onnx: 'x' }, { onnx: sha256Hex(broken), metadata: sha256Hex(broken) }];
    for (const meta of cases) {
      const loader = modelLoader(await stores([broken], meta));
      await assert.rejects(loader.load('p', VERSION), ModelVersionError);
    }
  });
});

describe('createModelServable', () => {
  test('decides the groups that have a threshold of their own by it, and all other rows as before', async () => {
    const { bytes, metadata, rows } = syntheticModel({ numeric: 3, categorical: 2, trees: 10, depth: 3 });
    const inputs = rows(40);
    const of = async (groupThresholds: ModelMetadata['groupThresholds']) => {
      const model = await openModel({
        bytes,
        metadata: ModelMetadata.parse({ ...metadata, ...(groupThresholds ? { groupThresholds } : {}) }),
      });
      const calls = inputs.map((row, index) => call({ ...row, group: index % 2 === 0 ? 'a' : 'b' }));
      const results = await createModelServable(VERSION, model).invoke(calls);
      await model.close();
      return results.map((result) => (result.status === 'ok' ? result.output.prediction : result.status));
    };
    const condition = { column: 'group', value: 'a', from: null, to: null };
    const common = await of(undefined);
    const never = await of([{ label: 'a', conditions: [condition], threshold: 2 }]);
    const always = await of([{ label: 'a', conditions: [condition], threshold: 0 }]);
    const [negative, positive] = metadata.classes ?? [];
    common.forEach((label, index) => {
      assert.equal(never[index], index % 2 === 0 ? negative : label);
      assert.equal(always[index], index % 2 === 0 ? positive : label);
    });
  });

  test('a cancelled call and one past its deadline get their own errors, their neighbours their answers', async () => {
    const { bytes, metadata } = heavyModel(2);
    const model = await openModel({ bytes, metadata, prepare: 'here' });
    const clock = fixedClock(1_000);
    const servable = createModelServable(VERSION, model, clock);
    const results = await servable.invoke([
      call({ x: 0.1 }, { signal: AbortSignal.abort() }),
      call({ x: 0.25 }, { deadlineMs: 1_001 }),
      call({ x: 0.3 }, { deadlineMs: 1_000 }),
    ]);
    const shown = results.map((result) => (result.status === 'error' ? result.error.code : result));
    assert.deepEqual(shown, ['kernel/cancelled', { status: 'ok', output: { prediction: 0.25 } }, 'models/timeout']);
    await model.close();
    const [after] = await servable.invoke([call({ x: 1 })]);
    assert.equal(after?.status === 'error' && after.error.code, 'models/closed');
  });

  test('a call alone is asked whether somebody waits when its turn comes, and not computed when nobody does', async () => {
    const { bytes, metadata } = heavyModel(400);
    const model = await openModel({ bytes, metadata, lane: 'worker' });
    const servable = createModelServable(VERSION, model);
    let asked = 0;
    const waiting = {
      ...call({ x: 0.2 }).context,
      get signal() {
        asked += 1;
        return AbortSignal.abort();
      },
    };
    const first = servable.invoke([call({ x: 0.1 })]);
    const second = servable.invoke([{ input: { x: 0.2 }, context: waiting }]);
    assert.equal(asked, 0, 'it waits');
    const [[answered], [refused]] = await Promise.all([first, second]);
    assert.deepEqual([answered?.status, refused?.status === 'error' && refused.error.code, asked], ['ok', 'kernel/cancelled', 1]);
    await model.close();
  });

  test('MO5 a row for which the graph has no finite number is an error of that row only', async () => {
    const graph = new GraphBuilder();
    graph.op('Log', [graph.input('x', 'double', ['N', 1])], {}, { output: 'prediction' });
    graph.output('prediction', 'double', ['N', 1]);
    const model = await openModel({ bytes: graph.build(), metadata: heavyModel(2).metadata, prepare: 'here' });
    const results = await createModelServable(VERSION, model).invoke([call({ x: 1 }), call({ x: -1 }), call({ x: 0 })]);
    assert.deepEqual(
      results.map((result) => result.status),
      ['ok', 'error', 'error'],
    );
    await model.close();
  });

  test('a class called __proto__ is a class like any other', async () => {
    const graph = new GraphBuilder();
    const x = graph.op('Cast', [graph.input('x', 'double', ['N', 1])], { to: 1 });
    graph.op('Concat', [graph.op('Sub', [graph.constant(new Float32Array([1])), x]), x], { axis: 1 }, { output: 'probabilities' });
    graph.output('probabilities', 'float', ['N', 2]);
    const metadata = ModelMetadata.parse({ ...heavyModel(2).metadata, task: 'binary', classes: ['__proto__', 'b'], positive: 'b' });
    const model = await openModel({ bytes: graph.build(), metadata, prepare: 'here' });
    const [result] = await createModelServable(VERSION, model).invoke([call({ x: 0.25 })]);
    assert.equal(JSON.stringify(result), '{"status":"ok","output":{"prediction":"__proto__","probabilities":{"__proto__":0.75,"b":0.25}}}');
    await model.close();
  });
});

describe('ModelMetadata', () => {
  const base = syntheticModel({ numeric: 1, categorical: 0, trees: 1, depth: 1 }).metadata;
  test('accepts its own canonical JSON', () => {
    assert.deepEqual(ModelMetadata.parse(JSON.parse(canonicalJson(base))), base);
  });
  test.each([
    ['a binary model with three classes', { classes: ['a', 'b', 'c'] }],
    ['a positive class that is not the last', { positive: 'no' }],
    ['a regression with classes', { task: 'regression' }],
    ['equal labels', { classes: ['yes', 'yes'] }],
    ['a field nobody knows', { extra: 1 }],
  ])('refuses %s', (_, change) => {
    assert.equal(ModelMetadata.safeParse({ ...base, ...change }).success, false);
  });
});
