import assert from 'node:assert/strict';
import { InvalidError } from '@slipway/kernel';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import type { Tensor } from './datatypes.ts';
import { readRest, restError, writeRest } from './rest-codec.ts';
import type { Signature } from './signature.ts';

const UNUSED: Signature = { inputs: [], fields: new Map(), ignored: new Set(), matrix: undefined, outputs: [] };
const address = { model: 'm' };
const input = (more: object) => ({ inputs: [{ name: 'x', shape: [2, 2], datatype: 'FP64', ...more }] });

function read(json: object | string, raw: Uint8Array = new Uint8Array(0), length?: string) {
  const head = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
  const body = Buffer.concat([head, raw]);
  return readRest(address, body, length ?? (raw.length > 0 ? String(head.length) : undefined));
}
const tensors = (...given: Parameters<typeof read>): readonly Tensor[] => read(...given).request.inputs(UNUSED);
const values = (...given: Parameters<typeof read>) => Array.from(tensors(...given)[0]?.values ?? []);

describe('an infer request over REST', () => {
  test('data may be flat or nested, row-major', () => {
    assert.deepEqual(values(input({ data: [1, 2, 3, 4] })), [1, 2, 3, 4]);
    assert.deepEqual(
      values(
        input({
          data: [
            [1, 2],
            [3, 4],
          ],
        }),
      ),
      [1, 2, 3, 4],
    );
    assert.deepEqual(
      values(
        input({
          data: [
            [1, null],
            [3, 4],
          ],
        }),
      ),
      [1, null, 3, 4],
    );
  });

  test('raw tensors follow the JSON in the order of the inputs', () => {
    const raw = Buffer.concat([Buffer.from([1, 0]), Buffer.from(Float32Array.of(1.5, 2.5).buffer)]);
    const json = {
      inputs: [
        { name: 'b', shape: [2], datatype: 'BOOL', parameters: { binary_data_size: 2 } },
        { name: 'j', shape: [2], datatype: 'INT8', data: [1, 2] },
        { name: 'f', shape: [2], datatype: 'FP32', parameters: { binary_data_size: 8 } },
      ],
    };
    assert.deepEqual(
      tensors(json, raw).map((tensor) => Array.from(tensor.values)),
      [
        [true, false],
        [1, 2],
        [1.5, 2.5],
      ],
    );
  });

  test('a body without JSON is the only input', () => {
    const fields = { ...UNUSED, inputs: [{ name: 'x', datatype: 'FP64' as const, shape: [-1, 1] }] };
    const [tensor] = readRest(address, new Uint8Array(Float64Array.of(1, 2, 3).buffer), '0').request.inputs(fields);
    assert.deepEqual([tensor?.shape, Array.from(tensor?.values ?? [])], [[3], [1, 2, 3]]);
    const [text] = readRest(address, Buffer.from('free text'), '0').request.inputs({
      ...UNUSED,
      inputs: [{ name: 't', datatype: 'BYTES', shape: [-1, 1] }],
    });
    assert.deepEqual(text?.values, ['free text']);
    assert.throws(() => readRest(address, new Uint8Array(8), '0').request.inputs(UNUSED), /one input; this one has 0/);
  });

  test('what disagrees with itself is refused in words', () => {
    const refuse = (says: RegExp, ...given: Parameters<typeof read>) =>
      assert.throws(
        () => tensors(...given),
        (error: unknown) => error instanceof InvalidError && says.test(error.message),
      );
    refuse(/4 elements; its shape \[3\] says 3|has 4 elements/, {
      inputs: [{ name: 'x', shape: [3], datatype: 'FP64', data: [1, 2, 3, 4] }],
    });
    refuse(/3 elements; its shape \[2, 2\] says 4/, input({ data: [1, 2, 3] }));
    refuse(/nested data of the input "x" has 3 elements where its shape/, input({ data: [[1, 2, 3], [4]] }));
    refuse(/not nested as its shape/, input({ data: [1, [2, 3]] }));
    refuse(/no list of "data"/, input({}));
    refuse(/both "data" and "binary_data_size"/, input({ data: [1], parameters: { binary_data_size: 1 } }), new Uint8Array(1));
    refuse(/has 8 bytes; 4 elements of FP64 take 32/, input({ parameters: { binary_data_size: 8 } }), new Uint8Array(8));
    refuse(/says 99 raw bytes; 8 are left/, input({ parameters: { binary_data_size: 99 } }), new Uint8Array(8));
    refuse(/1 bytes after its tensors/, input({ data: [1, 2, 3, 4] }), new Uint8Array(1));
    refuse(/says 5000 bytes of JSON/, input({ data: [1, 2, 3, 4] }), new Uint8Array(0), '5000');
    refuse(/whole number of bytes/, input({ data: [1, 2, 3, 4] }), new Uint8Array(0), '-1');
    refuse(/holds nothing/, input({ shape: [0, 1], data: [] }));
    refuse(/holds too much/, input({ shape: [2 ** 40, 2 ** 40], data: [] }));
    refuse(/inputs\.0\.datatype/, input({ datatype: 'FP128', data: [1] }));
    refuse(/inputs\.0\.shape/, input({ shape: [-1], data: [1] }));
    refuse(/NUL/, '{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["a\\u0000"]}]}');
    refuse(/JSON/, '{"inputs":[');
  });

  test('random bodies are read or refused, never anything else (property)', () => {
    const pieces = fc.oneof(
      fc.constant({ inputs: [] }),
      fc.constant(
        input({
          data: [
            [1, 2],
            [3, 4],
          ],
        }),
      ),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(pieces, fc.uint8Array({ maxLength: 20 }), fc.option(fc.nat(60)), (json, raw, length) => {
        try {
          tensors(JSON.stringify(json), raw, length === null ? undefined : String(length));
        } catch (error) {
          assert.ok(error instanceof InvalidError, String(error));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the reply over REST', () => {
  const outputs: Tensor[] = [
    { name: 'label', datatype: 'BYTES', shape: [2, 1], values: ['ja', 'nein'] },
    { name: 'score', datatype: 'FP64', shape: [2, 1], values: Float64Array.of(0.5, Number.NaN) },
  ];
  const reply = { model: 'm', version: '3', id: 'call', outputs };

  test('is JSON unless raw outputs are asked for; NaN is null', () => {
    const { body, contentType } = writeRest(reply, () => false);
    assert.equal(contentType, 'application/json');
    assert.deepEqual(JSON.parse(String(body)), {
      model_name: 'm',
      model_version: '3',
      id: 'call',
      outputs: [
        { name: 'label', datatype: 'BYTES', shape: [2, 1], data: ['ja', 'nein'] },
        { name: 'score', datatype: 'FP64', shape: [2, 1], data: [0.5, null] },
      ],
    });
  });

  test('each output is raw or not, by its own word before that of the request', () => {
    const asked = (outputsAsked: object[], byDefault?: boolean) =>
      read({
        ...input({ data: [1, 2, 3, 4] }),
        outputs: outputsAsked,
        ...(byDefault === undefined ? {} : { parameters: { binary_data_output: byDefault } }),
      }).isBinary;
    assert.equal(asked([{ name: 'label' }])('label'), false);
    assert.equal(asked([{ name: 'label' }], true)('label'), true);
    assert.equal(asked([{ name: 'label', parameters: { binary_data: false } }], true)('label'), false);
    const { body, headers, contentType } = writeRest(reply, (name) => name === 'score');
    assert.equal(contentType, 'application/octet-stream');
    const length = Number(headers['inference-header-content-length']);
    const bytes = body as Buffer;
    const head = JSON.parse(bytes.subarray(0, length).toString()) as {
      outputs: { name: string; parameters?: { binary_data_size: number } }[];
    };
    assert.deepEqual(
      head.outputs.map(({ parameters }) => parameters?.binary_data_size),
      [undefined, 16],
    );
    assert.equal(bytes.length, length + 16);
    assert.equal(bytes.readDoubleLE(length), 0.5);
  });

  test('failures are one text, and 400 where the rest of the API says 422', () => {
    const error = {
      code: 'a/b',
      kind: 'invalid' as const,
      message: 'No.',
      remedy: 'fix-input' as const,
      details: {},
      requestId: 'req_1',
      help: 'Do this.',
    };
    const told = restError(error, 422);
    assert.equal(told.status, 400);
    assert.equal((told.body as { error: string }).error, 'No. Do this.');
    assert.equal(restError({ ...error, kind: 'notFound' }, 404).status, 404);
  });
});
