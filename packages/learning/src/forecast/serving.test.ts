import assert from 'node:assert/strict';
import {
  type Call,
  type CallContext,
  OverloadedError,
  type Result,
  type Row,
  type Servable,
  type ServingSettings,
  systemClock,
} from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { beforeAll, describe, test } from 'vitest';
import { type ForecastAnswer, ForecastState } from './contract.ts';
import { testOrigins } from './evaluate-forecaster.ts';
import { forecastMetadata } from './metadata.ts';
import { type ForecastRun, runForecast } from './run-forecast.ts';
import { openForecaster } from './servable.ts';
import type { SeriesData } from './series.ts';
import { stateOf } from './state.ts';

const frequency = { unit: 'milliseconds', step: 3_600_000, offset: 0 } as const;
const layout = { shape: { horizon: 6, seasons: [24] }, frequency, covariates: [] };
const version = { id: 'mv_1', kind: 'model', name: 'm', recipe: 'r', content: 'c' } as const;

const random = createRandom('serving');
const series: SeriesData[] = [0, 1].map((which) => ({
  id: `s${which}`,
  startIndex: 473_352,
  values: Float64Array.from({ length: 240 }, (_, at) => 100 + 20 * Math.sin((at * Math.PI) / 12) + random.normal()),
  covariates: [],
}));
let run: ForecastRun;

beforeAll(async () => {
  const origins = series.map(({ values }) => testOrigins(values.length, layout.shape.horizon, 0.2));
  run = await runForecast({ layout, series, origins, level: 0.9, seed: 3 });
}, 120_000);

/** Forecasts take no time by it, so that how many share a run does not depend on the machine. */
const stopped = { monotonicMs: () => 0 };

function serve(serving: ServingSettings, onRun?: (facts: { readonly rows: number }) => void, clock: typeof stopped = systemClock) {
  const metadata = forecastMetadata(run.forecaster, { target: 'y', time: 't', series: 's', frequency, level: 0.9, seed: 3 });
  const state = ForecastState.parse(stateOf(run.forecaster, series));
  return openForecaster({
    version,
    metadata,
    state,
    source: { bytes: run.bytes },
    serving: { lane: 'worker', lanes: 1, ...serving },
    onRun,
    clock,
  });
}

function call(context: Partial<CallContext> = {}, input: Row = { series: 's1' }): Call<Row> {
  const usual = { invocation: 'inv', deadlineMs: undefined, signal: undefined, traceparent: undefined, parts: new Map() };
  return { input, context: { ...usual, ...context } as unknown as CallContext };
}

/** Sends one call. @returns its result. */
async function ask(servable: Servable<Row, ForecastAnswer>, asked = call()): Promise<Result<ForecastAnswer>> {
  return (await servable.invoke([asked]))[0] as Result<ForecastAnswer>;
}

const reasonOf = (result: Result<unknown>) =>
  result.status === 'error' && result.error instanceof OverloadedError ? result.error.reason : result.status;
const codeOf = (result: Result<unknown>) => (result.status === 'error' ? result.error.code : result.status);

describe('LF7 a forecaster that is asked more than it can do', () => {
  test('answers what fits its queue and refuses the rest at once, as its capacity says', async () => {
    const servable = await serve({ queueRows: 4, maxBatchRows: 1 });
    const calls = Array.from({ length: 20 }, () => ask(servable));
    assert.equal(servable.capacity?.inFlight, 5);
    assert.equal(servable.capacity.queuedRows, 4);
    const wish = { rowCount: 1, priority: 'interactive', deadlineMs: undefined } as const;
    assert.ok(servable.capacity.refusal(wish) instanceof OverloadedError);
    const reasons = (await Promise.all(calls)).map(reasonOf);
    assert.deepEqual(reasons, [...Array.from({ length: 5 }, () => 'ok'), ...Array.from({ length: 15 }, () => 'queue-full')]);
    assert.equal(servable.capacity.refusal(wish), undefined);
    assert.equal(servable.capacity.inFlight, 0);
    assert.equal((await ask(servable)).status, 'ok');
    await servable.dispose?.();
  });

  test('a call that is wrong is told so at once, even while others wait', async () => {
    const servable = await serve({ queueRows: 4, maxBatchRows: 1 });
    const others = [ask(servable), ask(servable)];
    assert.equal(codeOf(await ask(servable, call({}, { series: 's1', horizon: 99 }))), 'learning/forecast-input');
    assert.equal(servable.capacity?.inFlight, 2);
    await Promise.all(others);
    await servable.dispose?.();
  });

  test('interactive calls overtake batch calls', async () => {
    const servable = await serve({ maxBatchRows: 1 });
    const order: string[] = [];
    const send = async (name: string, priority: 'interactive' | 'batch') => {
      assert.equal((await ask(servable, call({ priority }))).status, 'ok');
      order.push(name);
    };
    await Promise.all([
      send('first', 'interactive'),
      send('b1', 'batch'),
      send('b2', 'batch'),
      send('i1', 'interactive'),
      send('i2', 'interactive'),
    ]);
    assert.deepEqual(order, ['first', 'i1', 'i2', 'b1', 'b2']);
    await servable.dispose?.();
  });

  test('calls that wait share a run, and are told to metrics', async () => {
    const rows: number[] = [];
    const servable = await serve({ maxBatchRows: 3 }, (facts) => rows.push(facts.rows), stopped);
    const answers = await Promise.all(Array.from({ length: 7 }, () => ask(servable)));
    assert.ok(answers.every(({ status }) => status === 'ok'));
    assert.equal(
      rows.reduce((sum, each) => sum + each, 0),
      7,
    );
    assert.equal(rows[0], 1);
    assert.ok(Math.max(...rows) <= 3 && rows.length < 7, rows.join());
    await servable.dispose?.();
  });

  test('a deadline holds in the queue, and the settings give one to calls that name none', async () => {
    const servable = await serve({ maxBatchRows: 1, deadlineMs: 60_000 });
    assert.equal(codeOf(await ask(servable, call({ deadlineMs: performance.now() - 1 }))), 'models/timeout');
    const first = ask(servable);
    const late = ask(servable, call({ deadlineMs: performance.now() + 0.05 }));
    assert.ok(['models/timeout', 'models/busy'].includes(codeOf(await late)), codeOf(await late));
    assert.equal((await first).status, 'ok');
    await servable.dispose?.();
    const hasty = await serve({ maxBatchRows: 1, deadlineMs: 1 });
    const codes = (await Promise.all(Array.from({ length: 200 }, () => ask(hasty)))).map(codeOf);
    assert.ok(codes.includes('ok') && codes.some((code) => code !== 'ok'), new Set(codes).size.toString());
    await hasty.dispose?.();
  });

  test('a call whose caller has gone is not computed', async () => {
    const rows: number[] = [];
    const servable = await serve({ maxBatchRows: 1 }, (facts) => rows.push(facts.rows));
    const controller = new AbortController();
    const [first, second] = [ask(servable), ask(servable, call({ signal: controller.signal }))];
    controller.abort();
    assert.deepEqual([(await first).status, codeOf(await second)], ['ok', 'kernel/cancelled']);
    assert.deepEqual(rows, [1]);
    await servable.dispose?.();
  });

  test('one that is taken out of memory refuses what waits, and the run in hand ends', async () => {
    const servable = await serve({ maxBatchRows: 1 });
    const calls = Array.from({ length: 3 }, () => ask(servable));
    await servable.dispose?.();
    const codes = (await Promise.all(calls)).map(codeOf);
    assert.deepEqual(codes.slice(1), ['models/closed', 'models/closed']);
    assert.equal(servable.capacity?.inFlight, 0);
    assert.equal(codeOf(await ask(servable)), 'models/closed');
  });
});
