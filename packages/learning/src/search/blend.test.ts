import assert from 'node:assert/strict';
import { createRandom } from '@slipway/statistics';
import { describe, expect, test } from 'vitest';
import { calibrateMargins } from '../calibration.ts';
import { blend, type BlendTask, MEMBER_LIMIT } from './blend.ts';
import { fitCalibration } from './fit-calibration.ts';
import { planFolds } from './folds.ts';

const ROWS = 4_000;
const random = createRandom(1);
const truth = Float64Array.from({ length: ROWS }, () => 2 * random.normal());
const labels = truth.map((margin) => Number(random.next() < 1 / (1 + Math.exp(-margin))));
const { folds } = planFolds(labels, true, 1);
const task: BlendTask = { objective: 'binary', outputCount: 1, targets: { target: labels, weights: undefined }, folds, seed: 1 };

/** Margins by fold of something that says so of every row. */
const finalist = (marginOf: (row: number) => number) => folds.map(({ test: rows }) => Float32Array.from(rows, marginOf));
const noise = () => Float64Array.from({ length: ROWS }, () => random.normal());
const noisy = (own: Float64Array) => finalist((row) => (truth[row] as number) + (own[row] as number));
const request = (finalists: readonly Float32Array[][], works?: readonly number[]) => ({
  finalists,
  works: works ?? finalists.map(() => 1),
  chosen: 0,
  withEnsemble: true,
});

describe('an ensemble is made when it pays', () => {
  const [one, two, three] = [noise(), noise(), noise()];

  test('of finalists whose errors differ, with weights that add up to one, and with fewer losses than the best alone', () => {
    const together = blend(task, request([noisy(one), noisy(two), noisy(three)]));
    assert.ok(together.weights.filter((weight) => weight > 0.1).length === 3);
    expect(together.weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
    const alone = blend(task, { ...request([noisy(one), noisy(two), noisy(three)]), withEnsemble: false });
    assert.deepEqual(alone.weights, [1, 0, 0]);
    assert.ok(together.loss < alone.loss);
  });

  test('not of finalists that say the same, nor of one with useless ones (negative controls)', () => {
    assert.deepEqual(blend(task, request([noisy(one), noisy(one)])).weights, [1, 0]);
    assert.deepEqual(blend(task, request([noisy(new Float64Array(ROWS)), finalist(() => 0), noisy(one)])).weights, [1, 0, 0]);
    assert.deepEqual(blend(task, request([noisy(one)])).weights, [1]);
  });

  test('within its limits of members and of work', () => {
    const many = Array.from({ length: 9 }, () => noisy(noise()));
    const { weights } = blend(
      task,
      request(
        many,
        many.map((_, index) => (index === 0 ? 1 : 0.5)),
      ),
    );
    assert.equal(weights.filter((weight) => weight > 0).length, MEMBER_LIMIT);
    // Three times the work of the best: the second is too dear, the third is not.
    const dear = blend(task, request([noisy(one), noisy(two), noisy(three)], [1, 2.5, 1.5]));
    assert.equal(dear.weights[1], 0);
    assert.ok((dear.weights[2] as number) > 0);
  });
});

describe('margins are calibrated when that lowers the loss of rows that did not decide it', () => {
  test('too bold ones by a factor or a line, skewed ones by a curve; honest ones are left alone', () => {
    const bold = blend(task, request([finalist((row) => 3 * (truth[row] as number))])).calibration;
    assert.ok(bold?.kind === 'temperature');
    expect(bold.factor).toBeGreaterThan(0.28);
    expect(bold.factor).toBeLessThan(0.4);
    const shifted = blend(task, request([finalist((row) => 2 * (truth[row] as number) + 3)])).calibration;
    assert.ok(shifted?.kind === 'platt');
    expect(shifted.slope).toBeCloseTo(0.5, 1);
    const bent = blend(task, request([finalist((row) => 4 * Math.sign(truth[row] as number) + 0.2 * (truth[row] as number))])).calibration;
    assert.equal(bent?.kind, 'isotonic');
    assert.equal(blend(task, request([finalist((row) => truth[row] as number)])).calibration, null);
  });

  test('several classes by a factor, numbers never', () => {
    const classes = Float64Array.from({ length: ROWS }, () => random.int(3));
    const scores = folds.map(({ test: rows }) =>
      Float32Array.from({ length: 3 * rows.length }, (_, at) => {
        const row = rows[at % rows.length] as number;
        return (classes[row] === Math.floor(at / rows.length) ? 6 : 0) + 8 * random.normal();
      }),
    );
    const several = { ...task, objective: 'multiclass' as const, outputCount: 3, targets: { target: classes, weights: undefined } };
    const { calibration } = blend(several, request([scores]));
    assert.ok(calibration?.kind === 'temperature' && calibration.factor < 0.5);
    const numbers = { ...task, objective: 'squared' as const, targets: { target: truth, weights: undefined } };
    assert.equal(blend(numbers, request([finalist((row) => 3 * (truth[row] as number))])).calibration, null);
  });

  test('every kind keeps the order of margins, whatever rows it was fitted on', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const own = createRandom(seed);
      const count = 1_000 + own.int(2_000);
      const margins = Float64Array.from({ length: count }, () => Math.round(own.normal() * 10) / 5);
      const target = margins.map((margin) => Number(own.next() < (margin > 1 ? 0.2 : 0.6)));
      for (const kind of ['temperature', 'platt', 'isotonic'] as const) {
        const fitted = fitCalibration(kind, 'binary', { scores: [margins], targets: { target, weights: undefined } });
        if (!fitted) continue;
        const sorted = Float64Array.from({ length: 200 }, (_, at) => (at - 100) / 8);
        const mapped = calibrateMargins(fitted, sorted);
        for (let at = 1; at < 200; at += 1) assert.ok((mapped[at] as number) > (mapped[at - 1] as number), `${kind}, seed ${seed}`);
      }
    }
  });

  test('few rows carry no curve', () => {
    const few = { scores: [truth.slice(0, 900)], targets: { target: labels.slice(0, 900), weights: undefined } };
    assert.equal(fitCalibration('isotonic', 'binary', few), undefined);
    assert.ok(fitCalibration('platt', 'binary', few));
  });
});
