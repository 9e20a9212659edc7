import assert from 'node:assert/strict';
import { Contract, type Frame } from '@slipway/kernel';
import { completeParams } from '@slipway/learning';
import { createRandom, rocAuc } from '@slipway/statistics';
import { test } from 'vitest';
import { type OutOfFoldRequest, outOfFold } from './out-of-fold.ts';

const ROWS = 400;
const random = createRandom('out of fold');
const signal = Float64Array.from({ length: ROWS }, () => random.normal());
const key = Float64Array.from({ length: ROWS }, (_, row) => Math.floor(row / 2));
const target = Float64Array.from(signal, (value) => (value + random.normal() > 0 ? 1 : 0));
const frame: Frame = {
  rowCount: ROWS,
  columns: new Map([
    ['signal', { kind: 'number', values: signal }],
    ['key', { kind: 'number', values: key }],
  ]),
};
const field = (name: string, role: string) => ({ name, type: 'float64', role, nullable: true, expect: {}, severity: 'error' });
const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: [field('signal', 'numeric'), field('key', 'ignored')],
  ignored: [],
});

const request: OutOfFoldRequest = {
  rows: { frame, target },
  contract,
  trained: { task: 'binary', classes: ['no', 'yes'], trainer: 'linear', params: completeParams('linear', {}) },
  seed: 1,
  threads: 2,
  signal: AbortSignal.timeout(60_000),
};

const positives = (outputs: Float64Array, count: number) => Float64Array.from({ length: count }, (_, at) => outputs[2 * at + 1] as number);

test('every row is predicted once, by a fit that knows something but not the row', async () => {
  const found = await outOfFold(request);
  assert.deepEqual(
    [...found.rows],
    Array.from({ length: ROWS }, (_, row) => row),
  );
  const auc = rocAuc(positives(found.outputs, ROWS), target);
  assert.ok(auc > 0.75 && auc < 0.95, `area ${auc}`);
  assert.deepEqual((await outOfFold(request)).outputs, found.outputs);
});

test('labels that are chance look like chance: no row is predicted by a fit that has seen it', async () => {
  const chance = Float64Array.from({ length: ROWS }, () => random.int(2));
  // A row's twin, in the same group, would give its label away.
  const twins = chance.map((_, row) => chance[row - (row % 2)] as number);
  const grouped = await outOfFold({ ...request, rows: { frame, target: twins }, group: 'key' });
  const auc = rocAuc(positives(grouped.outputs, ROWS), twins);
  assert.ok(Math.abs(auc - 0.5) < 0.12, `area ${auc}`);
});

test('fewer parts and rows give fewer predictions', async () => {
  const some = await outOfFold({ ...request, rowLimit: 200, foldLimit: 2 });
  assert.equal(some.rows.length, 80);
  assert.equal(some.outputs.length, 160);
  assert.ok(some.outputs.every((value) => value > 0 && value < 1));
});
