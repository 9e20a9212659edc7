import assert from 'node:assert/strict';
import type { Frame } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { type ContributionsByField, explainModel, type ExplainModelRequest } from './explain-model.ts';
import { partialDependence } from './partial-dependence.ts';

const ROWS = 300;
const random = createRandom('explain-model');
const x = Float64Array.from({ length: ROWS }, () => random.next() * 10);
const noise = Float64Array.from({ length: ROWS }, () => random.normal());
const codes = Int32Array.from({ length: ROWS }, () => random.int(3) - 1);
const frame: Frame = {
  rowCount: ROWS,
  columns: new Map([
    ['x', { kind: 'number', values: x }],
    ['noise', { kind: 'number', values: noise }],
    ['plan', { kind: 'text', codes, levels: ['basic', 'pro'] }],
  ]),
};
const numbers = (of: Frame, field: string) => (of.columns.get(field) as { values: Float64Array }).values;
const plans = (of: Frame) => (of.columns.get('plan') as { codes: Int32Array }).codes;

/** 3x, and 5 more for "pro". */
const predict = async (of: Frame) => ({
  values: Float64Array.from({ length: of.rowCount }, (_, row) => 3 * (numbers(of, 'x')[row] as number) + (plans(of)[row] === 1 ? 5 : 0)),
});

async function contributions(of: Frame): Promise<ContributionsByField> {
  const values = new Float64Array(of.rowCount * 3);
  for (let row = 0; row < of.rowCount; row += 1) {
    values[row * 3] = 3 * ((numbers(of, 'x')[row] as number) - 5);
    values[row * 3 + 2] = plans(of)[row] === 1 ? 3.5 : -1.5;
  }
  return { rowCount: of.rowCount, outputCount: 1, fields: ['x', 'noise', 'plan'], base: [16.5], contributions: values, additivityError: 0 };
}

const request = (wishes: Partial<ExplainModelRequest> = {}): ExplainModelRequest => ({
  frame,
  classes: null,
  positive: null,
  space: 'value',
  method: 'linear',
  size: { leaves: 1, features: 3 },
  contributions,
  interactions: async () => [{ fields: ['x', 'plan'], strength: 0.5 }],
  predict,
  showsRows: true,
  seed: 1,
  ...wishes,
});

describe('explaining a model', () => {
  test('fields are sorted by their mean absolute contribution, and the useless one is not drawn', async () => {
    const section = await explainModel(request());
    assert.deepEqual(
      section.fields.map((each) => each.field),
      ['x', 'plan', 'noise'],
    );
    assert.deepEqual(
      section.dependence.map((each) => each.field),
      ['x', 'plan'],
    );
    assert.equal(section.rows, ROWS);
    assert.equal(section.interactions?.pairs[0]?.strength, 0.5);
    assert.ok((section.points[0]?.points.length ?? 0) > 100);
  });

  test('the same rows and seed give the same section', async () => {
    assert.deepEqual(await explainModel(request()), await explainModel(request()));
  });

  test('single rows are not shown when the data says whose they are', async () => {
    assert.deepEqual((await explainModel(request({ showsRows: false }))).points, []);
  });

  test('a large model is explained on fewer rows', async () => {
    assert.equal((await explainModel(request({ size: { leaves: 200_000, features: 3 } }))).rows, 100);
  });

  test('classes have a mean each, and the section says whose', async () => {
    const classes = ['a', 'b', 'c'];
    const section = await explainModel(
      request({
        classes,
        space: 'class-score',
        contributions: async (of) => {
          const one = await contributions(of);
          const values = new Float64Array(of.rowCount * 9);
          one.contributions.forEach((value, at) => {
            // The second class is told apart most.
            [1, 2, 0.5].forEach((factor, output) => (values[(Math.floor(at / 3) * 3 + output) * 3 + (at % 3)] = factor * value));
          });
          return { ...one, outputCount: 3, base: [0, 1, 2], contributions: values };
        },
        predict: async (of) => ({ probabilities: new Float32Array(of.rowCount * 3).map((_, at) => [0.5, 0.3, 0.2][at % 3] as number) }),
      }),
    );
    assert.deepEqual(section.outputs, ['b', 'a', 'c']);
    assert.deepEqual(section.base, [1, 0, 2]);
    assert.ok(Math.abs((section.dependence[0]?.mean[0]?.[0] ?? 0) - 0.3) < 1e-6);
  });
});

describe('partial dependence', () => {
  test('is the mean answer when all rows take a value, and lines are single rows`', async () => {
    const [byX, byPlan] = await partialDependence({ frame, predict, fields: ['x', 'plan'], outputs: null, outputCount: 1 });
    const share = codes.filter((code) => code === 1).length / ROWS;
    byX?.values.forEach((value, at) => assert.ok(Math.abs((byX.mean[0]?.[at] ?? 0) - (3 * Number(value) + 5 * share)) < 1e-3));
    assert.ok(byX?.lines.every((line) => line.length === byX.values.length));
    const at = byPlan?.values.indexOf('pro') ?? -1;
    const other = byPlan?.values.indexOf('basic') ?? -1;
    assert.ok(Math.abs((byPlan?.mean[0]?.[at] ?? 0) - (byPlan?.mean[0]?.[other] ?? 0) - 5) < 1e-3);
    assert.ok(byPlan?.values.includes(null));
  });

  test('stops when cancelled', async () => {
    const aborted = AbortSignal.abort();
    await assert.rejects(partialDependence({ frame, predict, fields: ['x'], outputs: null, outputCount: 1, signal: aborted }), /cancelled/);
  });
});
