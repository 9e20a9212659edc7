import assert from 'node:assert/strict';
import { Contract, type Frame, textColumn } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { calendarCode } from './calendar.ts';
import type { FittedModel } from './fitted-model.ts';
import { encodeTraining, fitSupervised, type Preparation } from './preparation.ts';
import type { Supervision } from './supervision.ts';
import { compareWithGraph } from './testing/open-fitted.ts';

const DAY_MS = 86_400_000;

/** A model whose graph is all preparation: its one number is an intercept. */
function modelOf(preparation: Preparation): FittedModel {
  const none = new Float64Array(0);
  const linear = { outputCount: 1, intercepts: Float64Array.of(1), numeric: [], slopes: none, missing: none, categorical: [], codes: none };
  return {
    task: 'regression',
    classes: null,
    preparation,
    predictor: { kind: 'linear', linear },
    calibration: null,
    link: 'identity',
    scale: { mean: 0, deviation: 1 },
  };
}

function contractOf(field: { name: string; type: string; role: string }): Contract {
  return Contract.parse({ format: 'slipway.contract/1', fields: [{ ...field, nullable: true }] });
}

describe('calendar parts', () => {
  test('are those of Date in UTC, before 1970 and after', () => {
    const random = createRandom('calendar');
    for (let round = 0; round < 5_000; round += 1) {
      const timeMs = Math.floor((random.next() - 0.5) * 2 * 200 * 365 * DAY_MS);
      const date = new Date(timeMs);
      assert.equal(calendarCode('hour', timeMs), date.getUTCHours(), date.toISOString());
      assert.equal(calendarCode('weekday', timeMs), (date.getUTCDay() + 6) % 7, date.toISOString());
      assert.equal(calendarCode('month', timeMs), date.getUTCMonth(), date.toISOString());
    }
  });

  test('LE3 are computed by the graph as by the trainer; a part that was not seen whole is left out', async () => {
    const contract = contractOf({ name: 't', type: 'timestamp', role: 'time' });
    const times = Float64Array.from({ length: 900 }, (_, row) => Date.UTC(1969, 0, 1) + row * 127_080_000);
    const frame: Frame = { rowCount: 900, columns: new Map([['t', { kind: 'number', values: times }]]) };
    const { preparation } = fitSupervised(contract, frame, undefined);
    const parts = preparation.features.flatMap((plan) => (plan.kind === 'calendar' ? [plan.part] : []));
    assert.deepEqual(parts, ['hour', 'weekday', 'month']);
    const asked = Float64Array.from([...times, Number.NaN, 0, -1, Date.UTC(2024, 1, 29, 23), Date.UTC(1900, 1, 28)]);
    const call: Frame = { rowCount: asked.length, columns: new Map([['t', { kind: 'number', values: asked }]]) };
    const { features, trainer } = await compareWithGraph(modelOf(preparation), contract, call);
    assert.deepEqual([...features], [...trainer.features]);

    const daily = Float64Array.from({ length: 40 }, (_, row) => row * DAY_MS);
    const short: Frame = { rowCount: 40, columns: new Map([['t', { kind: 'number', values: daily }]]) };
    const few = fitSupervised(contract, short, undefined).preparation.features;
    assert.deepEqual(
      few.flatMap((plan) => (plan.kind === 'calendar' ? [plan.part] : [])),
      ['weekday'],
    );
  });
});

describe('mean targets', () => {
  const contract = contractOf({ name: 'city', type: 'string', role: 'categorical' });
  const random = createRandom('cities');
  const codes = Int32Array.from({ length: 3_000 }, () => random.int(400));
  const target = Float64Array.from(codes, (code) => (code % 7) + random.normal());
  const supervision: Supervision = { task: 'regression', outputCount: 1, target, weights: undefined, seed: 1, classes: null };
  const frame: Frame = { rowCount: 3_000, columns: new Map([['city', textColumn([...codes].map((code) => `city ${code}`))]]) };

  test('LE25 come to categories of many levels, out of fold for training rows, and LE3 the graph gives the trainer’s', async () => {
    const fitted = fitSupervised(contract, frame, supervision);
    assert.deepEqual(
      fitted.preparation.features.map((plan) => plan.name),
      ['city', 'city.mean'],
    );
    const call: Frame = { rowCount: 5, columns: new Map([['city', textColumn(['city 1', 'city 399', 'nowhere', null, ''])]]) };
    const { features, trainer } = await compareWithGraph(modelOf(fitted.preparation), contract, call);
    assert.deepEqual([...features], [...trainer.features]);
    const own = encodeTraining(fitted, frame).columns[1] as Float32Array;
    assert.ok(correlation(own, target) > 0.6, `${correlation(own, target)}`);
  });

  test('LE25 a target that has nothing to do with the levels stays unknown to its own rows', () => {
    const noise = Float64Array.from(codes, () => random.normal());
    const own = encodeTraining(fitSupervised(contract, frame, { ...supervision, target: noise }), frame).columns[1] as Float32Array;
    assert.ok(Math.abs(correlation(own, noise)) < 0.06, `${correlation(own, noise)}`);
  });

  test('LE25 few levels need none', () => {
    const few: Frame = { rowCount: 3_000, columns: new Map([['city', textColumn([...codes].map((code) => `city ${code % 20}`))]]) };
    assert.equal(fitSupervised(contract, few, supervision).preparation.features.length, 1);
  });
});

function correlation(left: Float32Array, right: Float64Array): number {
  const a = left.reduce((sum, value) => sum + value, 0) / left.length;
  const b = right.reduce((sum, value) => sum + value, 0) / right.length;
  let [product, squareA, squareB] = [0, 0, 0];
  left.forEach((value, row) => {
    product += (value - a) * ((right[row] as number) - b);
    squareA += (value - a) ** 2;
    squareB += ((right[row] as number) - b) ** 2;
  });
  return product / Math.sqrt(squareA * squareB);
}
