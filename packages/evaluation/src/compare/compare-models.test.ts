import { createRandom } from '@slipway/statistics';
import { expect, test } from 'vitest';
import { compareModels, type CompareRequest } from './compare-models.ts';
import { Comparison } from './contract.ts';

const IDENTITY = { version: 'model_1', release: 'churn', revision: 3 };

/** Two scorers of the same rows; `signal` is how much each knows. */
function binary(rows: number, signal: number, championSignal: number): CompareRequest {
  const random = createRandom(`compare ${signal} ${championSignal}`);
  const truth = Int32Array.from({ length: rows }, () => (random.next() < 0.4 ? 1 : 0));
  const said = (strength: number) => {
    const probabilities = new Float32Array(rows * 2);
    truth.forEach((label, row) => {
      const p = 1 / (1 + Math.exp(-(strength * (label - 0.5) + random.normal())));
      probabilities.set([1 - p, p], row * 2);
    });
    return { probabilities };
  };
  return {
    task: 'binary',
    classes: ['no', 'yes'],
    positive: 'yes',
    truth,
    predictions: said(signal),
    champion: { predictions: said(championSignal) },
    identity: IDENTITY,
    overlap: 'none',
    seed: 1,
    resamples: 300,
  };
}

test('a version that knows more is better by its interval, by DeLong and by McNemar', async () => {
  const found = await compareModels(binary(1_000, 2.5, 1));
  expect(Comparison.parse(found)).toEqual(found);
  expect(found).toMatchObject({ verdict: 'better', primary: 'roc_auc', rows: 1_000, notes: [] });
  expect(found.deLong?.pValue).toBeLessThan(1e-4);
  expect(found.mcNemar?.pValue).toBeLessThan(0.01);
  expect(found.mcNemar?.candidateOnly).toBeGreaterThan(found.mcNemar?.championOnly ?? 0);
  const loss = found.metrics.find((each) => each.metric === 'log_loss');
  expect(loss?.improvement.value).toBeCloseTo((loss?.champion ?? 0) - (loss?.candidate ?? 0), 12);
  const auc = found.metrics.find((each) => each.metric === 'roc_auc');
  expect(found.deLong?.difference).toBeCloseTo(auc?.improvement.value ?? 0, 12);
});

test('the other way round it is worse, and equals are not told apart', async () => {
  expect((await compareModels(binary(1_000, 1, 2.5))).verdict).toBe('worse');
  const equal = await compareModels({ ...binary(300, 1, 1.02), overlap: 'possible' });
  expect(equal.verdict).toBe('no-difference-shown');
  expect(equal.notes[0]).toContain('may have seen');
});

test('a version compared with itself changes nothing', async () => {
  const request = binary(200, 1, 1);
  const found = await compareModels({ ...request, champion: { predictions: request.predictions } });
  expect(found).toMatchObject({ verdict: 'no-difference-shown', changed: 0 });
  expect(found.mcNemar).toMatchObject({ candidateOnly: 0, championOnly: 0, pValue: 1 });
  expect(found.metrics.every((each) => each.improvement.value === 0)).toBe(true);
});

test('a threshold of its own changes decisions but no areas', async () => {
  const request = binary(400, 1, 1);
  const found = await compareModels({ ...request, threshold: 0.2, champion: { predictions: request.predictions } });
  expect(found.changed).toBeGreaterThan(0.1);
  expect(found.metrics.find((each) => each.metric === 'roc_auc')?.improvement.value).toBe(0);
});

test('numbers are compared by their errors', async () => {
  const random = createRandom('numbers');
  const truth = Float64Array.from({ length: 400 }, () => 10 * random.normal());
  const noisy = (noise: number) => ({ values: truth.map((value) => value + noise * random.normal()) });
  const found = await compareModels({
    task: 'regression',
    classes: null,
    positive: null,
    truth,
    predictions: noisy(1),
    champion: { predictions: noisy(3) },
    identity: IDENTITY,
    overlap: 'none',
    seed: 1,
    resamples: 300,
  });
  expect(found).toMatchObject({ verdict: 'better', primary: 'rmse', deLong: null, mcNemar: null });
  expect(found.changed).toBeGreaterThan(0);
});
