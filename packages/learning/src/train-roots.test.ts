import assert from 'node:assert/strict';
import { Contract, type Frame, type Json } from '@slipway/kernel';
import { maxParityError } from '@slipway/models';
import { createRandom, rmse } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { TrainRequestError } from './errors.ts';
import { spaceOf } from './explain/explainer.ts';
import { numbersOf } from './fitted-model.ts';
import { rootsPay } from './search/root-probe.ts';
import { mayLearnRoots, scaleTarget } from './target-scale.ts';
import { compareWithGraph } from './testing/open-fitted.ts';
import { train, type TrainRequest } from './train.ts';
import { rowLosses } from './trees/objective.ts';

const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: ['a', 'b', 'c'].map((name) => ({ name, type: 'float64', role: 'numeric', nullable: false })),
});

/** Counts whose spread grows with their size: what drives them multiplies, and so does chance. */
function countsOf(rowCount: number, seed: number) {
  const random = createRandom(seed);
  const columns = ['a', 'b', 'c'].map((name) => [name, Float64Array.from({ length: rowCount }, () => random.normal())] as const);
  const frame: Frame = { rowCount, columns: new Map(columns.map(([name, values]) => [name, { kind: 'number', values }])) };
  const [a, b, c] = columns.map(([, values]) => values) as [Float64Array, Float64Array, Float64Array];
  const counts = a.map((value, row) =>
    Math.round(Math.exp(2 + 0.8 * value + 0.6 * (b[row] as number) + ((c[row] as number) > 0 ? 0.5 : 0) + 0.5 * random.normal())),
  );
  return { frame, counts };
}

function requestFor(overrides: Partial<TrainRequest> = {}): TrainRequest {
  const { frame, counts } = countsOf(1_500, 1);
  return { frame, contract, task: 'regression', target: counts, classes: null, seed: 3, ...overrides };
}

const fixed = (params: Readonly<Record<string, Json>>, trainer: 'gbdt' | 'linear' | 'ensemble' = 'gbdt') => ({
  fixed: { trainer, params },
});

describe('LE30 roots of counts and amounts', () => {
  test(
    'are learnt by a search when that makes smaller errors of the numbers, and its params and seed give its bytes again',
    { timeout: 120_000 },
    async () => {
      const request = requestFor({ seconds: 20, threads: 2 });
      const found = await train(request);
      assert.equal(found.params['link'], 'root');
      const { seconds: _, ...rest } = request;
      const again = await train({
        ...rest,
        fixed: { trainer: found.trainer, params: JSON.parse(JSON.stringify(found.params)) as typeof found.params },
      });
      assert.deepEqual(again.bytes, found.bytes);
      // The leaderboard tells errors of the numbers themselves.
      const later = countsOf(4_000, 2);
      const told = found.leaderboard.find((entry) => entry.chosen)?.scores['rmse'] ?? 0;
      const met = rmse(found.predict(later.frame).values ?? [], later.counts);
      assert.ok(told > met / 2 && told < 2 * met, `${told} ${met}`);
    },
  );

  test.each([
    ['gbdt', { rounds: 30 }],
    ['gbdt', { rounds: 30, linearStrength: 0.001 }],
    ['linear', { interactions: 3 }],
    [
      'ensemble',
      {
        members: [
          { trainer: 'linear', weight: 0.5, params: {} },
          { trainer: 'gbdt', weight: 0.5, params: { rounds: 10 } },
        ],
      },
    ],
  ] as const)('LE3 %s %j: agrees with its graph, never below 0, and right in the mean', async (trainer, params) => {
    const request = requestFor(fixed({ ...(params as Record<string, Json>), link: 'root' }, trainer));
    const model = await train(request);
    const { trainer: ours, graph } = await compareWithGraph(model.fitted, contract, countsOf(800, 5).frame);
    assert.ok(maxParityError(ours.values ?? [], graph.values ?? [], 'regression').passed);
    const values = model.predict(request.frame).values ?? new Float64Array(0);
    const sum = (all: Float64Array) => all.reduce((total, value) => total + value, 0);
    assert.ok(values.every((value) => value >= 0));
    assert.ok(Math.abs(sum(values) / sum(request.target) - 1) < 1e-9, String(sum(values) / sum(request.target)));
    assert.equal(spaceOf('regression', model.fitted.link), 'root-value');
  });

  test('losses count the numbers themselves, in deviations of theirs', () => {
    const target = Float64Array.of(0, 1, 4, 9, 100);
    const { target: scaled, root, scale } = scaleTarget({ task: 'regression', target }, true);
    assert.ok(root);
    const margins = Float64Array.of(-5, 0, 1, 0.5, -0.3);
    const told = numbersOf({ link: 'root', scale }, margins);
    const losses = rowLosses(root, { target: scaled, weights: undefined }, [margins]);
    losses.forEach((loss, row) => assert.ok(Math.abs(loss - (((told[row] as number) - (target[row] as number)) / scale.unit) ** 2) < 1e-9));
    assert.equal(told[0], 0);
  });

  test('are tried only of numbers from 0 on with a long end, and learnt only when most folds agree (negative controls)', () => {
    const may = (values: readonly number[], more: Partial<TrainRequest> = {}) =>
      mayLearnRoots({ task: 'regression', target: Float64Array.from(values), ...more });
    const skewed = [0, 1, 1, 2, 3, 30];
    assert.ok(may(skewed));
    assert.ok(!may([-1, ...skewed]));
    assert.ok(!may([1, 2, 3, 4, 5]));
    assert.ok(!may(skewed, { loss: { kind: 'poisson' } }));
    assert.ok(!may(skewed, { task: 'multiclass' }));
    assert.ok(rootsPay([1, 10, 3], [0.9, 9, 3.01]));
    assert.ok(!rootsPay([1, 10, 3], [0.5, 10.1, 3.01]));
    assert.ok(!rootsPay([1, 1, 1], [0.99, 0.99, 0.99]));
    assert.ok(!rootsPay([], []));
  });

  test('are refused where they cannot be', async () => {
    const refused = (overrides: Partial<TrainRequest>, reason: RegExp) =>
      assert.rejects(
        train(requestFor({ ...fixed({ rounds: 2, link: 'root' }), ...overrides })),
        (error) => error instanceof TrainRequestError && reason.test(error.message),
      );
    await refused({ target: requestFor().target.map((value) => value - 5) }, /from 0 on/);
    await refused({ loss: { kind: 'poisson' } }, /from 0 on/);
    await refused(fixed({ link: 'log' }), /"link"/);
  });
});
