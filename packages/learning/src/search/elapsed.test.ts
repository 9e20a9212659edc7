import assert from 'node:assert/strict';
import { Contract, type Frame } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { DAY_MS, encodeTraining, fitSupervised } from '../preparation.ts';
import { elapsedFeatures, withoutIdleElapsed } from './elapsed.ts';

const ROW_COUNT = 1_200;
const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: [
    { name: 'when', type: 'timestamp', role: 'time', nullable: false },
    { name: 'day', type: 'timestamp', role: 'time', nullable: false },
    { name: 'born', type: 'timestamp', role: 'time', nullable: false },
    { name: 'x', type: 'float64', role: 'numeric', nullable: false },
  ],
});

/** Rows some hours apart; what is to be learnt is x and what time adds to it. */
function learnt(added: (share: number) => number) {
  const random = createRandom(3);
  const order = Float64Array.from({ length: ROW_COUNT }, (_, row) => Date.UTC(2024, 0, 1) + (row * DAY_MS) / 4);
  const columns = {
    when: order,
    day: order.map((time) => Math.floor(time / DAY_MS) * DAY_MS),
    born: order.map(() => Date.UTC(1960 + random.int(40), random.int(12), 1 + random.int(28))),
    x: order.map(() => random.normal()),
  };
  const frame: Frame = {
    rowCount: ROW_COUNT,
    columns: new Map(Object.entries(columns).map(([name, values]) => [name, { kind: 'number' as const, values }])),
  };
  const target = columns.x.map((value, row) => value + added(row / ROW_COUNT) + 0.3 * random.normal());
  const supervision = { task: 'regression', outputCount: 1, target, weights: undefined, seed: 1, classes: null } as const;
  const fitted = fitSupervised(contract, frame, supervision);
  const matrix = encodeTraining(fitted, frame);
  const { preparation } = withoutIdleElapsed(fitted, { timeField: 'when', order, frame, loss: undefined, matrix, supervision });
  const named = (all: typeof preparation) => elapsedFeatures(all, frame, 'when').map((at) => all.features[at]?.name);
  return { before: named(fitted.preparation), after: named(preparation), features: preparation.features.map(({ name }) => name) };
}

describe('LE24 the time elapsed', () => {
  test('is left out when it says nothing about later rows, together with times that run along with it', () => {
    const { before, after, features } = learnt((share) => Math.sin(40 * share));
    assert.deepEqual(before, ['when', 'day']);
    assert.deepEqual(after, []);
    assert.ok(features.includes('born') && features.includes('x') && features.includes('when.dayTime'));
  });

  test('stays when the level goes on changing', () => {
    assert.deepEqual(learnt((share) => 6 * share).after, ['when', 'day']);
  });
});
