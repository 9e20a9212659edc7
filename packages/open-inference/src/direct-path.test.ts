import assert from 'node:assert/strict';
import { type Contract, type Row, Contract as ContractShape, compileContract, matrixAt } from '@slipway/kernel';
import { createModelServable, openModel } from '@slipway/models';
import { seededRandom, syntheticModel } from '@slipway/models/testing';
import { CallInvalidError } from '@slipway/releases';
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { Datatype, Tensor } from './datatypes.ts';
import { readGrpc } from './grpc-codec.ts';
import type { InferReply, InferRequest } from './open-inference.ts';
import { readRest } from './rest-codec.ts';
import { MATRIX_ROWS_MIN, rowsOf } from './rows.ts';
import { compileSignature } from './signature.ts';
import { CALLER, type MemoryHouse, memoryHouse, versionRef } from './testing/memory-house.ts';

const ROWS = 40;
const COLUMNS = 12;
const SEED = 20_261_121;

describe('numbers that come raw go to the model as they are', () => {
  const house: MemoryHouse = memoryHouse();
  const synthetic = syntheticModel({ numeric: COLUMNS, categorical: 0, trees: 20, depth: 4, seed: SEED });
  let close: () => Promise<void>;
  beforeAll(async () => {
    const model = await openModel({ bytes: synthetic.bytes, metadata: synthetic.metadata, prepare: 'here' });
    close = () => model.close();
    house.publish('trees', (id) => createModelServable(versionRef(id), model) as never);
  });
  afterAll(() => close());

  const random = seededRandom(SEED);
  // Every one a float32, so that all the forms can say it; some are missing.
  const numbers = Float32Array.from({ length: ROWS * COLUMNS }, () => (random() < 0.1 ? Number.NaN : 40 * random() - 20));
  const columns = synthetic.metadata.contract.fields.map(({ name }) => name);
  const tensor = { name: 'input', datatype: 'FP32', shape: [ROWS, COLUMNS] } as const;
  const raw = Buffer.from(numbers.buffer);
  const infer = (request: InferRequest) => house.service.infer(request, CALLER);
  const binary = (inputs: readonly object[], bytes: Buffer) => {
    const head = Buffer.from(JSON.stringify({ inputs }));
    return readRest({ model: 'trees' }, Buffer.concat([head, bytes]), String(head.length)).request;
  };
  const json = (inputs: readonly object[]) => readRest({ model: 'trees' }, Buffer.from(JSON.stringify({ inputs })), undefined).request;
  const grpc = (inputs: readonly object[], raws: readonly Uint8Array[]) =>
    readGrpc({
      model_name: 'trees',
      model_version: '',
      id: '',
      parameters: {},
      inputs: inputs.map((input) => ({ ...input, parameters: {}, contents: null })),
      outputs: [],
      raw_input_contents: raws,
    }).request;
  const jsonNumbers = (values: Iterable<number>) => Array.from(values, (value) => (Number.isNaN(value) ? null : value));
  const answersOf = ({ outputs }: InferReply) =>
    outputs.filter(({ name }) => name !== 'invocation').map(({ name, values }) => ({ name, values: Array.from(values) }));
  const column = (index: number) => Float32Array.from({ length: ROWS }, (_, row) => numbers[row * COLUMNS + index] as number);

  test('OI8 answers and records are the same, bit for bit, by JSON, binary REST and raw gRPC, as a matrix or by columns', async () => {
    const requests = {
      json: json([{ ...tensor, data: jsonNumbers(numbers) }]),
      'json by rows': json([
        { ...tensor, data: Array.from({ length: ROWS }, (_, row) => jsonNumbers(numbers.subarray(row * COLUMNS, (row + 1) * COLUMNS))) },
      ]),
      'json by columns': json(
        columns.map((name, index) => ({ name, datatype: 'FP32', shape: [ROWS, 1], data: jsonNumbers(column(index)) })),
      ),
      binary: binary([{ ...tensor, parameters: { binary_data_size: raw.length } }], raw),
      'binary by columns': binary(
        columns.toReversed().map((name) => ({ name, datatype: 'FP32', shape: [ROWS], parameters: { binary_data_size: 4 * ROWS } })),
        Buffer.concat(columns.map((_, index) => Buffer.from(column(index).buffer)).toReversed()),
      ),
      grpc: grpc([tensor], [raw]),
    };
    const seen = new Map<string, unknown>();
    for (const [way, request] of Object.entries(requests)) {
      const before = house.written.length;
      const answers = answersOf(await infer(request));
      const written = house.written.slice(before);
      assert.equal(written.length, ROWS, 'every row is recorded');
      seen.set(way, { answers, recorded: written.map(({ input, output, row }) => ({ input, output, row })) });
    }
    for (const [way, result] of seen) assert.deepEqual(result, seen.get('json'), way);
    const [first] = seen.values() as Iterable<{ recorded: { input: Row }[] }>;
    assert.deepEqual(first?.recorded[1]?.input, Object.fromEntries(columns.map((name, index) => [name, jsonNumbers(column(index))[1]])));
  });

  test('OI8 what the contract refuses is refused in the same words', async () => {
    const bad = Float32Array.from(numbers);
    bad[5] = Number.POSITIVE_INFINITY;
    const problemsOf = async (request: InferRequest) => {
      const error = await infer(request).then(
        () => assert.fail('it was answered'),
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof CallInvalidError);
      return error.details;
    };
    const problems = await problemsOf(binary([{ ...tensor, parameters: { binary_data_size: raw.length } }], Buffer.from(bad.buffer)));
    assert.deepEqual(await problemsOf(grpc([tensor], [Buffer.from(bad.buffer)])), problems);
    assert.match(JSON.stringify(problems), /number Infinity/);
  });
});

const CONTRACT: Contract = ContractShape.parse({
  format: 'slipway.contract/1',
  fields: [
    { name: 'x', type: 'float64', role: 'numeric', nullable: true },
    { name: 'n', type: 'int64', role: 'numeric', nullable: false },
    { name: 'flag', type: 'boolean', role: 'boolean', nullable: true },
    { name: 'at', type: 'timestamp', role: 'time', nullable: true },
    { name: 'id', type: 'string', role: 'identifier', nullable: true },
  ],
  ignored: ['note'],
});
const SIGNATURE = compileSignature(CONTRACT, ContractShape.parse({ format: 'slipway.contract/1', fields: [] }));
const KINDS: readonly Datatype[] = ['BOOL', 'UINT8', 'INT64', 'FP32', 'FP64', 'BYTES'];
const ELEMENTS: Readonly<Record<string, readonly unknown[]>> = {
  BOOL: [true, false, 1, 0, null],
  UINT8: [0, 1, 2, 255],
  INT64: [0n, 1n, -1n, 2n ** 60n, -(2n ** 63n)],
  FP32: [0, 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY],
  FP64: [0, 1, 1.5, 2 ** 53, null, 'text'],
  BYTES: ['', '1', '2026-01-01T00:00:00Z', 'text'],
};

describe('a contract finds the same problems in rows that came as tensors as in copies of them', () => {
  test(`OI8 whatever is sent (seed ${SEED})`, () => {
    const random = seededRandom(SEED);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    const validator = compileContract(CONTRACT);
    let matrices = 0;
    let refused = 0;
    for (let round = 0; round < 2_000; round += 1) {
      const rowCount = MATRIX_ROWS_MIN - 1 + Math.floor(random() * 3);
      const names = ['x', 'n', 'flag', 'at', 'id', 'note'].filter((name) => name === 'n' || random() < 0.4);
      const tensors = names.map((name): Tensor => {
        const datatype = pick(KINDS);
        // One odd value in a column is enough, and too many would hide each other.
        const odd = Math.floor(random() * rowCount * 2);
        const valueAt = (row: number) => (row === odd ? pick(ELEMENTS[datatype] ?? []) : pick([0, 1]));
        return { name, datatype, shape: [rowCount, 1], values: Array.from({ length: rowCount }, (_, row) => valueAt(row)) };
      });
      const rows = rowsOf(SIGNATURE, tensors);
      const problems = validator.check(rows.map((row) => ({ ...row })));
      assert.deepEqual(validator.check(rows), problems, JSON.stringify({ round, rows }));
      if (matrixAt(rows)) matrices += 1;
      if (problems.length > 0) refused += 1;
    }
    assert.ok(matrices > 200 && refused > 200 && refused < 1_800, `${matrices} came as a matrix, ${refused} were refused`);
  });
});
