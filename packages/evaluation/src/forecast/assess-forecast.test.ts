import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { createRandom, mase, naiveScale, smape } from '@slipway/statistics';
import { type ForecastFacts, type JudgedForecast, assessForecast } from './assess-forecast.ts';
import { ForecastSection } from './contract.ts';

const HORIZON = 6;

function facts(seriesCount: number, trialsEach: number, error: number): ForecastFacts {
  const random = createRandom(`assess/${error}`);
  const series = Array.from({ length: seriesCount }, (_, index) => ({
    id: `s${index}`,
    values: Float64Array.from(
      { length: 60 + trialsEach * HORIZON },
      (__, at) => 50 + 10 * Math.sin((at * Math.PI) / 2) + 4 * random.normal(),
    ),
    firstOrigin: 60,
  }));
  const trials = series.flatMap(({ values }, index): JudgedForecast[] =>
    Array.from({ length: trialsEach }, (_, trial) => {
      const origin = 60 + trial * HORIZON;
      const truth = values.slice(origin, origin + HORIZON);
      const forecast = truth.map((value) => value + error * random.normal());
      const naive = truth.map((__, step) => values[origin + step - Math.ceil((step + 1) / 4) * 4] as number);
      return {
        series: index,
        origin,
        truth,
        values: forecast,
        naive,
        low: forecast.map((value) => value - 2 * error),
        high: forecast.map((value) => value + 2 * error),
      };
    }),
  );
  const common = { horizon: HORIZON, seasons: [4], frequency: '1q', level: 0.9, members: [], seed: 1, resamples: 200 };
  return { trials, series, timeOf: (_, step) => Date.UTC(2000, 3 * step, 1), ...common };
}

describe('forecasts are assessed', () => {
  test('as the metrics say of each forecast, averaged over steps', async () => {
    const given = facts(25, 2, 1);
    const { metrics, section } = await assessForecast(given);
    const scores = given.trials.map((trial) => {
      const each = given.series[trial.series];
      return mase(trial.values, trial.truth, naiveScale(each?.values.subarray(0, 60) ?? [], 4));
    });
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    assert.ok(Math.abs((metrics['mase']?.value ?? 0) - mean(scores)) < 1e-9);
    assert.ok(Math.abs((metrics['smape']?.value ?? 0) - mean(given.trials.map((trial) => smape(trial.values, trial.truth)))) < 1e-9);
    assert.equal(section.resampled, 'series');
    assert.deepEqual(ForecastSection.parse(section), section);
    assert.ok((metrics['coverage']?.value ?? 0) > 0.9);
    assert.equal(section.steps.length, HORIZON);
    assert.equal(section.worst.length, 20);
    assert.equal(section.samples.length, 6);
  });

  test('a good one is better than seasonal naive beyond doubt, a bad one is not', async () => {
    const good = (await assessForecast(facts(1, 3, 1))).improvements['mase'];
    assert.ok((good?.low ?? -1) > 0);
    const bad = (await assessForecast(facts(1, 3, 20))).improvements['mase'];
    assert.ok((bad?.high ?? 1) < 0);
  });

  test('few forecasts are resampled by steps, more by forecasts, and the same seed says the same', async () => {
    assert.equal((await assessForecast(facts(1, 3, 1))).section.resampled, 'steps');
    assert.equal((await assessForecast(facts(2, 15, 1))).section.resampled, 'forecasts');
    assert.deepEqual(await assessForecast(facts(2, 3, 1)), await assessForecast(facts(2, 3, 1)));
  });

  test('a constant series has no MASE, and says so by null', async () => {
    const given = facts(1, 2, 1);
    const series = given.series.map((each) => ({ ...each, values: each.values.map(() => 5) }));
    const { metrics } = await assessForecast({ ...given, series });
    assert.equal(metrics['mase']?.value, null);
    assert.ok(metrics['smape']?.value !== null);
  });
});
