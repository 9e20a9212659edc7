/**
 * Processor time from one request of 100 rows x 30 numbers to rows that the contract has checked, and on to the numbers that the model takes:
 * raw tensors, JSON tensors, and the JSON of /v1. On a busy machine this says more than bench/open-inference.ts, where
 * recording and sketches outweigh the reading.
 *
 *     node bench/open-inference/codec.ts
 */
import { Contract, type Row, compileContract } from '@slipway/kernel';
import { createEncoder } from '../../packages/models/src/input-plan.ts';
import { readRest } from '../../packages/open-inference/src/rest-codec.ts';
import { rowsOf } from '../../packages/open-inference/src/rows.ts';
import { compileSignature } from '../../packages/open-inference/src/signature.ts';

const ROWS = 100;
const FIELDS = 30;
const REPEATS = 1_000;
const WARM_REPEATS = 300;

const names = Array.from({ length: FIELDS }, (_, index) => `mean_field_${index}`);
const field = { type: 'float64', role: 'numeric', nullable: true };
const contract = (fields: readonly object[]) => Contract.parse({ format: 'slipway.contract/1', fields });
const input = contract(names.map((name) => ({ ...field, name })));
const signature = compileSignature(input, contract([{ ...field, name: 'prediction' }]));
const validator = compileContract(input);
const columns = names.map((name) => ({ kind: 'double', field: name }) as const);
const encoder = createEncoder({ layout: 'packed', columns, texts: [], tensors: [] }, input);

const numbers = Float64Array.from({ length: ROWS * FIELDS }, (_, index) => Math.sin(index) * 100);
const raw = Buffer.from(numbers.buffer);
const tensor = { name: 'input', datatype: 'FP64', shape: [ROWS, FIELDS] };
const head = Buffer.from(JSON.stringify({ inputs: [{ ...tensor, parameters: { binary_data_size: raw.length } }] }));
const binary = Buffer.concat([head, raw]);
const json = Buffer.from(JSON.stringify({ inputs: [{ ...tensor, data: [...numbers] }] }));
const rowObject = (row: number) => Object.fromEntries(names.map((name, index) => [name, numbers[row * FIELDS + index]]));
const v1 = Buffer.from(JSON.stringify({ rows: Array.from({ length: ROWS }, (_, row) => rowObject(row)) }));

const read = (body: Buffer, length?: string) => rowsOf(signature, readRest({ model: 'm' }, body, length).request.inputs(signature));

function cpuMicros(work: () => unknown): number {
  for (let index = 0; index < WARM_REPEATS; index += 1) work();
  const before = process.cpuUsage();
  for (let index = 0; index < REPEATS; index += 1) work();
  const { user, system } = process.cpuUsage(before);
  return Math.round((user + system) / REPEATS);
}

function measure(name: string, bytes: number, rows: () => readonly Row[]): object {
  const whole = () => {
    const made = rows();
    if (validator.check(made).length > 0) throw new Error('the contract refuses the rows');
    return encoder.encodeRows(made);
  };
  return { way: name, 'us to rows': cpuMicros(rows), 'us to the model': cpuMicros(whole), bytes };
}

console.table([
  measure('v2 binary', binary.length, () => read(binary, String(head.length))),
  measure('v2 JSON', json.length, () => read(json)),
  measure('v1 JSON', v1.length, () => (JSON.parse(v1.toString('utf8')) as { rows: Row[] }).rows),
]);
