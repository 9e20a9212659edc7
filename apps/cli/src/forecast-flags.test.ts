import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { forecastOf } from './forecast-flags.ts';

describe('the flags of a forecast', () => {
  test('any of them, or the task, makes a launch one; none makes none', () => {
    assert.equal(forecastOf({}), undefined);
    assert.equal(forecastOf({ task: 'binary' }), undefined);
    assert.deepEqual(forecastOf({ task: 'forecast' }), {});
    assert.deepEqual(
      forecastOf({ series: 'shop', horizon: '14', frequency: '1d', season: '7,365', known: 'holiday, price', level: '0.8' }),
      {
        series: 'shop',
        horizon: 14,
        frequency: '1d',
        seasons: [7, 365],
        known: ['holiday', 'price'],
        level: 0.8,
      },
    );
  });

  test('what does not fit is refused by flag', () => {
    assert.throws(() => forecastOf({ task: 'binary', horizon: '3' }), /--horizon/);
    assert.throws(() => forecastOf({ horizon: '0' }), /--horizon/);
    assert.throws(() => forecastOf({ horizon: '1001' }), /--horizon/);
    assert.throws(() => forecastOf({ level: '0.42' }), /--level/);
  });
});
