import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { createRandom } from '@slipway/statistics';
import { fitSmoothing, originError, smoothingForecasts } from './smoothing.ts';

const wave = (length: number, noise: number) => {
  const random = createRandom('wave');
  return Float64Array.from({ length }, (_, at) => 100 + at * 0.05 + 20 * Math.sin((at * Math.PI) / 6) + noise * random.normal());
};

describe('exponential smoothing', () => {
  test('a pure season is forecast almost exactly', () => {
    const values = wave(240, 0);
    const { parameters } = fitSmoothing(values.subarray(0, 216), { seasons: [12], horizon: 24, seed: 1 });
    const forecasts = smoothingForecasts(parameters, values, [216], 24);
    assert.ok(originError(values, [216], forecasts) < 0.8, String(originError(values, [216], forecasts)));
  });

  test('LF1 forecasts know nothing of what comes after their origin', () => {
    const values = wave(200, 3);
    const { parameters } = fitSmoothing(values, { seasons: [12], horizon: 12, seed: 1 });
    const before = smoothingForecasts(parameters, values, [100, 150], 12);
    const changed = values.map((value, at) => (at >= 150 ? value * 9 : value));
    assert.deepEqual(smoothingForecasts(parameters, changed, [100, 150], 12), before);
  });

  test('missing values are stepped over, and the fit is the same for the same seed', () => {
    const values = wave(200, 2).map((value, at) => (at % 7 === 3 || (at > 80 && at < 95) ? Number.NaN : value));
    const first = fitSmoothing(values, { seasons: [12], horizon: 12, seed: 5 });
    assert.deepEqual(fitSmoothing(values, { seasons: [12], horizon: 12, seed: 5 }), first);
    const [forecast] = smoothingForecasts(first.parameters, values, [200], 12);
    assert.ok(forecast?.every((value) => value > 60 && value < 160));
  });

  test.each([0, 1, 2, 5])('%i values do not break it', (length) => {
    const values = wave(length, 1);
    const { parameters } = fitSmoothing(values, { seasons: [12, 84], horizon: 6, seed: 1 });
    const [forecast] = smoothingForecasts(parameters, values, [length], 6);
    assert.ok(forecast?.every(Number.isFinite));
  });

  test('multiplied seasons are found by logarithms', () => {
    const values = Float64Array.from({ length: 144 }, (_, at) => Math.exp(4 + at * 0.01) * (1 + 0.4 * Math.sin((at * Math.PI) / 6)));
    assert.equal(fitSmoothing(values, { seasons: [12], horizon: 12, seed: 1 }).parameters.log, true);
  });
});
