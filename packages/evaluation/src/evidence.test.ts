import { createRandom } from '@slipway/statistics';
import { expect, test } from 'vitest';
import { EvaluationInputError, defaultGates, evaluate, metricsOf, primaryMetric } from './index.ts';

const random = createRandom('evidence');

test('a ranking is judged by its queries, beside any order', async () => {
  const queries = Int32Array.from({ length: 600 }, (_, row) => Math.floor(row / 10));
  const truth = Float64Array.from(queries, () => random.int(4));
  const values = truth.map((grade) => grade + random.normal());
  const request = {
    task: 'ranking',
    classes: null,
    positive: null,
    truth,
    trainTruth: truth,
    predictions: { values },
    seed: 1,
    resamples: 300,
  } as const;
  const found = await evaluate({ ...request, queries });
  expect(Object.keys(found.metrics)).toEqual(metricsOf('ranking'));
  expect(found).toMatchObject({ primary: 'ndcg_at_10', baseline: { name: 'random' }, residuals: null, confusion: null });
  expect(found.improvement.low).toBeGreaterThan(0);
  await expect(evaluate(request)).rejects.toThrow(EvaluationInputError);
});

test('predictions of a quantile are judged by its loss and coverage, beside the constant quantile', async () => {
  const truth = Float64Array.from({ length: 500 }, () => 5 * random.normal());
  const values = truth.map((value) => value + 1.2816 + random.normal());
  const loss = { kind: 'quantile', level: 0.9 };
  const found = await evaluate({
    task: 'regression',
    classes: null,
    positive: null,
    truth,
    trainTruth: truth,
    predictions: { values },
    loss,
    seed: 1,
    resamples: 300,
  });
  expect(found.primary).toBe('pinball');
  expect(found.baseline.name).toBe('quantile');
  expect(found.improvement.low).toBeGreaterThan(0);
  expect(found.metrics.coverage?.low).toBeLessThan(0.9);
  expect(found.metrics.coverage?.high).toBeGreaterThan(0.9);
  expect(found.improvements.coverage?.value).toBeNull();
  expect(defaultGates('regression', loss)[0]).toMatchObject({ metric: 'pinball' });
  expect(primaryMetric('regression', { kind: 'absolute' })).toBe('mae');
  expect(metricsOf('regression')).not.toContain('pinball');
});

test('residuals that grow with the prediction and follow each other are found, well-behaved ones are not', async () => {
  const times = Float64Array.from({ length: 800 }, (_, row) => 800 - row);
  const values = Float64Array.from({ length: 800 }, () => 10 + 3 * random.normal());
  let memory = 0;
  const truth = values.map((value) => {
    memory = 0.7 * memory + random.normal();
    return value + 0.2 * value * memory;
  });
  const request = {
    task: 'regression',
    classes: null,
    positive: null,
    trainTruth: truth,
    predictions: { values },
    seed: 1,
    resamples: 200,
  } as const;
  const found = await evaluate({ ...request, truth, times });
  expect(found.residuals?.heteroscedasticity.pValue).toBeLessThan(0.01);
  expect(found.residuals?.autocorrelation?.pValue).toBeLessThan(0.01);
  expect(found.residuals?.autocorrelation?.durbinWatson).toBeLessThan(1.2);
  expect(found.residuals?.notes.join(' ')).toContain('follow each other');
  expect(found.residuals?.deciles).toHaveLength(10);
  const plain = values.map((value) => value + random.normal());
  const fine = await evaluate({ ...request, truth: plain, times });
  expect(fine.residuals?.heteroscedasticity.pValue).toBeGreaterThan(0.01);
  expect(fine.residuals?.autocorrelation?.pValue).toBeGreaterThan(0.01);
  expect(fine.residuals?.notes.join(' ')).not.toContain('follow each other');
  expect((await evaluate({ ...request, truth: plain })).residuals?.autocorrelation).toBeNull();
});

test('a threshold decides the confusion table and leaves the areas; curves hold gain and cost', async () => {
  const truth = Int32Array.from({ length: 500 }, () => (random.next() < 0.3 ? 1 : 0));
  const probabilities = Float64Array.from({ length: 1_000 }, () => 0);
  truth.forEach((label, row) => {
    const p = 1 / (1 + Math.exp(-(1.5 * (label - 0.5) + random.normal())));
    probabilities.set([1 - p, p], 2 * row);
  });
  const request = {
    task: 'binary',
    classes: ['no', 'yes'],
    positive: 'yes',
    truth,
    trainTruth: truth,
    predictions: { probabilities },
    seed: 1,
    resamples: 200,
  } as const;
  const half = await evaluate(request);
  const low = await evaluate({ ...request, threshold: 0.2 });
  expect(low.metrics.recall?.value).toBeGreaterThan(half.metrics.recall?.value ?? 1);
  expect(low.metrics.roc_auc).toEqual(half.metrics.roc_auc);
  expect(low.confusion?.cells[1]?.[1]).toBeGreaterThan(half.confusion?.cells[1]?.[1] ?? 0);
  expect(low.deLong?.value).toBeCloseTo(low.metrics.roc_auc?.value ?? 0, 12);
  expect(half.curves?.gain.at(-1)).toEqual({ taken: 1, gain: 1, lift: 1 });
  expect(half.curves?.cost[0]).toEqual({ probabilityCost: 0, normalisedCost: 0 });
  // No threshold can cost more than always acting the same way.
  expect(
    half.curves?.cost.every((point) => point.normalisedCost <= Math.min(point.probabilityCost, 1 - point.probabilityCost) + 1e-12),
  ).toBe(true);
});
