import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { intervalCoverage, intervalScore, mase, naiveScale, smape } from './forecast-metrics.ts';
import { isClose, readVectors } from './testing/read-vectors.ts';

interface ForecastCase {
  readonly history: number[];
  readonly season: number;
  readonly level: number;
  readonly truth: number[];
  readonly forecast: number[];
  readonly low: number[];
  readonly high: number[];
  readonly smape: number;
  readonly mase: number;
  readonly coverage: number;
  readonly intervalScore: number;
}

describe('forecast metrics', () => {
  test('equal utilsforecast to 1e-9', () => {
    const cases = readVectors<ForecastCase>('forecast');
    assert.ok(cases.length >= 12);
    for (const each of cases) {
      const { forecast, truth, low, high, level } = each;
      assert.ok(isClose(smape(forecast, truth), each.smape));
      assert.ok(isClose(mase(forecast, truth, naiveScale(each.history, each.season)), each.mase));
      assert.ok(isClose(intervalCoverage(low, high, truth), each.coverage));
      assert.ok(isClose(intervalScore(low, high, truth, level), each.intervalScore));
    }
  });

  test('missing truths are left out, and nothing known is NaN', () => {
    assert.equal(smape([1, 5], [1, Number.NaN]), 0);
    assert.equal(smape([0], [0]), 0);
    assert.ok(Number.isNaN(smape([1], [Number.NaN])));
    assert.ok(Number.isNaN(mase([1], [2], 0)));
    assert.ok(Number.isNaN(naiveScale([1, 2], 2)));
    assert.equal(naiveScale([1, Number.NaN, 4, 6], 1), 2);
  });
});
