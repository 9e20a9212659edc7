import assert from 'node:assert/strict';
import { beforeAll, describe, test } from 'vitest';
import { type Call, type CallContext, ExplainOptions, type Row, canonicalJson } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { type ForecastAnswer, ForecastMetadata, ForecastState } from './contract.ts';
import { testOrigins } from './evaluate-forecaster.ts';
import { situationsOf } from './features.ts';
import { rowsOf } from './fit.ts';
import { forecastMetadata } from './metadata.ts';
import { type ForecastRun, runForecast } from './run-forecast.ts';
import { openForecaster } from './servable.ts';
import type { SeriesData } from './series.ts';
import { stateOf } from './state.ts';

const HOUR = 3_600_000;
const frequency = { unit: 'milliseconds', step: HOUR, offset: 0 } as const;
const shape = { horizon: 12, seasons: [24] };
const layout = { shape, frequency, covariates: ['heat'] };
const START = 473_352;

/** Series whose day has a shape and whose level follows a known column. */
function makeSeries(count: number, length: number): SeriesData[] {
  const random = createRandom('series');
  return Array.from({ length: count }, (_, which) => {
    const heat = Float64Array.from({ length: length + shape.horizon }, () => 20 + 5 * random.normal());
    const values = Float64Array.from({ length }, (__, at) => {
      const day = 30 * Math.sin((at * Math.PI) / 12 + which);
      return 100 * (1 + which) + day + 4 * (heat[at] as number) + 3 * random.normal();
    });
    return { id: `s${which}`, startIndex: START, values, covariates: [heat] };
  });
}

const series = makeSeries(4, 600);
const origins = series.map(({ values }) => testOrigins(values.length, shape.horizon, 0.2));
let run: ForecastRun;

beforeAll(async () => {
  run = await runForecast({ layout, series, origins, level: 0.9, seed: 3 });
}, 120_000);

function call(input: Row): Call<Row> {
  const context = { invocation: 'inv', deadlineMs: undefined, signal: undefined, traceparent: undefined, parts: new Map() };
  return { input, context: context as unknown as CallContext };
}

async function serve() {
  const metadata = forecastMetadata(run.forecaster, { target: 'y', time: 't', series: 's', frequency, level: 0.9, seed: 3 });
  // Through JSON, as serving reads them.
  const stored = ForecastMetadata.parse(JSON.parse(canonicalJson(metadata)));
  const state = ForecastState.parse(JSON.parse(canonicalJson(stateOf(run.forecaster, series))));
  const version = { id: 'mv_1', kind: 'model', name: 'm', recipe: 'r', content: 'c' } as const;
  return openForecaster({ version, metadata: stored, state, source: { bytes: run.bytes }, explainer: async () => run.explainer });
}

const meanError = (of: (trial: ForecastRun['trials'][number]) => Float64Array) => {
  const errors = run.trials.flatMap((trial) => Array.from(of(trial), (value, step) => Math.abs(value - (trial.truth[step] as number))));
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
};

describe('a forecaster', () => {
  test('what comes after an origin changes no forecast made at it; what came before does', async () => {
    const all = origins[0] ?? [];
    const middle = Math.floor(all.length / 2);
    const from = all[middle] as number;
    const garbled = series.map((each) => ({ ...each, values: each.values.map((value, at) => (at >= from ? 2 * value - 500 : value)) }));
    const again = await runForecast({ layout, series: garbled, origins, level: 0.9, seed: 3 });
    const isLater = run.trials.map(({ origin }) => origin > from);
    const values = (trials: ForecastRun['trials'], later: boolean) =>
      trials.filter((_, index) => isLater[index] === later).map((trial) => [...trial.values, ...trial.low, ...trial.high]);
    assert.deepEqual(values(again.trials, false), values(run.trials, false));
    assert.notDeepEqual(values(again.trials, true), values(run.trials, true));
    assert.deepEqual(again.bytes, run.bytes);
  }, 120_000);

  test('uses what is known of the future: far better than the seasonal naive forecast', () => {
    const [own, naive] = [meanError((trial) => trial.values), meanError((trial) => trial.naive)];
    assert.ok(own < naive * 0.5, `${own} against ${naive}`);
  });

  test('its intervals hold about what they promise', () => {
    let inside = 0;
    let count = 0;
    for (const { low, high, truth } of run.trials)
      truth.forEach((y, step) => {
        count += 1;
        if (y >= (low[step] as number) && y <= (high[step] as number)) inside += 1;
      });
    assert.ok(inside / count > 0.8 && inside / count < 0.99, String(inside / count));
  });

  test('LF2 its graph says what its trees say', () => {
    assert.ok(run.maxError < 1e-9, String(run.maxError));
    assert.ok(run.parity.margins.length > 100);
  });

  test('LF1 features see nothing that comes after the origin, except what is known', () => {
    const [first] = series;
    assert.ok(first);
    const parameters = run.forecaster.smoothing.common;
    const before = rowsOf(layout, situationsOf(first, [300], shape, parameters)).matrix;
    const changed = { ...first, values: first.values.map((value, at) => (at >= 300 ? value * -7 : value)) };
    assert.deepEqual(rowsOf(layout, situationsOf(changed, [300], shape, parameters)).matrix.columns, before.columns);
    const warmer = { ...first, covariates: first.covariates.map((covariate) => covariate.map((value) => value + 1)) };
    assert.notDeepEqual(rowsOf(layout, situationsOf(warmer, [300], shape, parameters)).matrix.columns, before.columns);
  });

  test('LF2 the same seed gives the same forecaster and the same graph', async () => {
    const again = await runForecast({ layout, series, origins, level: 0.9, seed: 3 });
    assert.deepEqual(again.bytes, run.bytes);
    assert.deepEqual(again.forecaster.weights, run.forecaster.weights);
  }, 120_000);

  test('an aborted training ends', async () => {
    await assert.rejects(runForecast({ layout, series, origins, level: 0.9, seed: 3 }, { signal: AbortSignal.abort() }), /cancelled/);
  });
});

describe('a served forecaster', () => {
  test('answers with the next steps of a series, and moves on with newer history', async () => {
    const servable = await serve();
    const heat = series[1]?.covariates[0] ?? new Float64Array(0);
    const at = (index: number) => new Date((START + index) * HOUR).toISOString();
    const future = Array.from({ length: 12 }, (_, step) => ({ t: at(600 + step), heat: heat[600 + step] as number }));
    const [now, later, unknown] = await servable.invoke([
      call({ series: 's1', future }),
      call({ series: 's1', horizon: 3, level: 0.5, history: [{ t: at(600), y: 260 }], future }),
      call({ series: 's1', horizon: 99 }),
    ]);
    assert.equal(now?.status, 'ok');
    assert.equal(later?.status, 'ok');
    const answer = (now as { output: ForecastAnswer }).output;
    assert.equal(answer.forecast.length, 12);
    assert.equal(answer.forecast[0]?.time, at(600));
    assert.equal(answer.prediction, answer.forecast[0]?.value);
    assert.ok(answer.forecast.every(({ low, value, high }) => low <= value && value <= high));
    assert.equal(answer.notes, undefined);
    const moved = (later as { output: ForecastAnswer }).output;
    assert.equal(moved.forecast[0]?.time, at(601));
    assert.equal(moved.forecast.length, 3);
    assert.ok(
      (moved.forecast[0]?.high ?? 0) - (moved.forecast[0]?.low ?? 0) < (answer.forecast[1]?.high ?? 0) - (answer.forecast[1]?.low ?? 0),
    );
    assert.equal(unknown?.status === 'error' && unknown.error.code, 'learning/forecast-input');
    await servable.dispose?.();
  });

  test('LF3 what serving says is what was judged: the last judged forecast, asked for as a call', async () => {
    const cut = series.map((each, index) => ({ ...each, values: each.values.subarray(0, origins[index]?.at(-1)) }));
    const metadata = forecastMetadata(run.forecaster, { target: 'y', time: 't', series: 's', frequency, level: 0.9, seed: 3 });
    const version = { id: 'mv_1', kind: 'model', name: 'm', recipe: 'r', content: 'c' } as const;
    const servable = await openForecaster({ version, metadata, state: stateOf(run.forecaster, cut), source: { bytes: run.bytes } });
    const judged = run.trials.filter((trial) => trial.origin === origins[trial.series]?.at(-1));
    assert.equal(judged.length, 4);
    const results = await servable.invoke(judged.map((trial) => call({ series: `s${trial.series}` })));
    results.forEach((result, index) => {
      const { forecast } = (result as { output: ForecastAnswer }).output;
      forecast.forEach(({ value, low }, step) => {
        assert.ok(Math.abs(value - (judged[index]?.values[step] as number)) < 1e-6);
        assert.ok(Math.abs(low - (judged[index]?.low[step] as number)) < 1e-6);
      });
    });
    await servable.dispose?.();
  });

  test('a new series is forecast by the shape of the others, with and without history', async () => {
    const servable = await serve();
    const t = new Date((START + 600) * HOUR).toISOString();
    const [short, empty, nothing] = await servable.invoke([
      call({ series: 'new', history: [{ t, y: 50 }] }),
      call({ series: 'newer', future: [{ t }] }),
      call({ series: 'newest' }),
    ]);
    const few = (short as { output: ForecastAnswer }).output;
    assert.ok((few.forecast[0]?.value ?? 0) > 20 && (few.forecast[0]?.value ?? 0) < 100);
    assert.match(few.notes?.join() ?? '', /is new/);
    const none = (empty as { output: ForecastAnswer }).output;
    assert.equal(none.lastKnown, null);
    assert.ok((none.forecast[0]?.high ?? 0) - (none.forecast[0]?.low ?? 0) > (few.forecast[0]?.high ?? 0) - (few.forecast[0]?.low ?? 0));
    assert.equal(nothing?.status, 'error');
    await servable.dispose?.();
  });
});

describe('an explained forecast', () => {
  const at = (index: number) => new Date((START + index) * HOUR).toISOString();
  const heat = series[1]?.covariates[0] ?? new Float64Array(0);
  const future = (warmth: number) =>
    Array.from({ length: 12 }, (_, step) => ({ t: at(600 + step), heat: (heat[600 + step] as number) + warmth }));

  test('LF6 level, methods and what moves the trees add up to the step, and the interval names its source', async () => {
    const servable = await serve();
    const asked = call({ series: 's1', level: 0.8, future: future(0) });
    const [result] = await servable.invoke([asked]);
    const answer = (result as { output: ForecastAnswer }).output;
    for (const step of [1, 7, 12]) {
      const [why] = (await servable.explain?.([asked], ExplainOptions.parse({ step, top: 50 }))) ?? [];
      const point = answer.forecast[step - 1];
      assert.ok(why?.step && point);
      const sum = why.contributions.reduce((total, each) => total + each.contribution, why.base + why.rest);
      assert.ok(Math.abs(sum - point.value) < 1e-3, `${sum} for ${point.value}`);
      assert.equal(why.step.time, point.time);
      const { interval } = why.step;
      assert.ok(Math.abs(interval.high - interval.low - 2 * interval.factor * interval.unit) < 1e-9);
      assert.deepEqual([interval.low, interval.high, interval.source], [point.low, point.high, 'backtest']);
    }
  });

  test('LF6 a known column that is turned up is what the explanation names', async () => {
    const servable = await serve();
    const options = ExplainOptions.parse({ step: 3 });
    const byHeat = async (warmth: number) => {
      const [why] = (await servable.explain?.([call({ series: 's1', future: future(warmth) })], options)) ?? [];
      const found = why?.contributions.find(({ field }) => field === 'heat');
      assert.equal(found?.value, (heat[602] as number) + warmth);
      return found?.contribution ?? 0;
    };
    assert.ok((await byHeat(15)) > (await byHeat(0)) + 10);
  });

  test('LF6 a series without history is told as the shape of the others, and a step that is none is refused', async () => {
    const servable = await serve();
    const explain = (input: Row, options: object) => servable.explain?.([call(input)], ExplainOptions.parse(options));
    const history = [{ t: at(600), y: 50, heat: 20 }];
    const [cold] = (await explain({ series: 'new', history }, { counterfactuals: 1 })) ?? [];
    assert.equal(cold?.step?.interval.source, 'short-history');
    assert.ok(Math.abs((cold?.base ?? 0) + (cold?.contributions[0]?.contribution ?? 0) - (cold?.margin ?? 0)) < 1e-9);
    assert.match(cold?.notes?.at(-1) ?? '', /no counterfactuals/);
    await assert.rejects(async () => explain({ series: 's1', horizon: 2 }, { step: 3 }), /one of the 2 steps/);
    await assert.rejects(async () => explain({ series: 's1' }, { class: 'up' }), /"step"/);
  });
});
