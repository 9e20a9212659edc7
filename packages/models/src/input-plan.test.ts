import assert from 'node:assert/strict';
import { Contract, type Row, noteMatrix } from '@slipway/kernel';
import { test } from 'vitest';
import { type InputPlan, createEncoder } from './input-plan.ts';

const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: ['a', 'b', 'c'].map((name) => ({ name, type: 'float64', role: 'numeric', nullable: true })),
});
const plan = (...columns: InputPlan['columns']): InputPlan => ({ layout: 'packed', columns, texts: [], tensors: [] });
const double = (field: string) => ({ kind: 'double', field }) as const;
const int64 = (field: string) => ({ kind: 'int64', field }) as const;

/** Rows of `a` and `b`, noted as a matrix of these numbers: equal ones, unless a test wants to see which are read. */
function noted(values: readonly (number | null)[], said: readonly (number | null)[] = values): Row[] {
  const rows = Array.from({ length: values.length / 2 }, (_, row) => ({ a: values[2 * row], b: values[2 * row + 1] }));
  noteMatrix(rows, { fields: ['a', 'b'], rowCount: rows.length, values: Float64Array.from(said, (value) => value ?? Number.NaN) });
  return rows;
}
const copied = (rows: readonly Row[]): Row[] => rows.map((row) => ({ ...row }));

test('rows that came as a matrix are encoded as their copies are, whatever the model asks for', () => {
  const rows = [{ a: 9 }, ...noted([1, null, -0, 4]), { b: 7 }, ...noted([5, 6])];
  for (const columns of [[double('a'), double('b')], [double('b'), double('c'), int64('a')], [int64('b')]]) {
    const encoder = createEncoder(plan(...columns), contract);
    assert.deepEqual(encoder.encodeRows(rows), encoder.encodeRows(copied(rows)));
  }
  const category = { kind: 'category', field: 'a', keys: ['1', '5'], values: [10, 50], otherwise: -1 } as const;
  const encoder = createEncoder(plan(category, double('b')), contract);
  assert.deepEqual(encoder.encodeRows(rows), encoder.encodeRows(copied(rows)));
});

test('the numbers are taken from the matrix, and from the rows where a piece of them is encoded', () => {
  const encoder = createEncoder(plan(double('a'), double('b')), contract);
  const rows = noted([1, 2, 3, 4], [10, 20, 30, 40]);
  assert.deepEqual([...encoder.encodeRows(rows).numbers], [10, 20, 30, 40]);
  assert.deepEqual([...encoder.encodeRows(rows.slice(0, 1)).numbers], [1, 2]);
  assert.deepEqual([...encoder.encodeRows(copied(rows)).numbers], [1, 2, 3, 4]);
});

test('what is encoded belongs to the run: a worker takes it away, and the matrix stays', () => {
  const encoder = createEncoder(plan(double('a'), double('b')), contract);
  const rows = noted([1, 2]);
  structuredClone(encoder.encodeRows(rows).numbers.buffer, { transfer: [encoder.encodeRows(rows).numbers.buffer as ArrayBuffer] });
  const { numbers } = encoder.encodeRows(rows);
  structuredClone(null, { transfer: [numbers.buffer as ArrayBuffer] });
  assert.deepEqual([...encoder.encodeRows(rows).numbers], [1, 2]);
});
