/**
 * Accuracy of the forecaster with default settings on real series, and what its intervals hold:
 * `node bench/forecast.ts [air vic m4 bikes daily]`, data from ../shared/data. Protocol, fixed here:
 * - m4: M4 hourly, 414 series, 48 steps, the competition's train and test files; goal sMAPE <= 13.0 (seasonal naive 13.912).
 * - vic: Victoria's electricity demand, day ahead over the last 28 days, one forecast a day with the history up to then;
 *   temperature and holidays known; learnt once from what lies before. Goal MAPE <= 5.5 % (seasonal naive 6.99 %).
 * - air: air passengers, the last 12 months from the 132 before (seasonal naive MAPE 9.99 %).
 * - bikes: bike sharing counts an hour, 28 days of day-ahead forecasts, weather known. daily: Victoria's daily mean demand,
 *   8 weekly forecasts, with every 13th value and two whole weeks missing. No goals: other kinds of series, to see it hold.
 * `--future` instead looks for leaks: everything from the last origin of each series on is replaced by other numbers, and
 * every forecast must stay as it was, bit for bit; with the numbers before it replaced as well they must not (control).
 */
import { existsSync, readFileSync } from 'node:fs';
import { type Frequency, type SeriesData, runForecast, usualSeasons } from '@slipway/learning';
import { intervalCoverage, mape, mase, naiveScale, smape } from '@slipway/statistics';

const DATA = new URL('../../shared/data/', import.meta.url);
const SEED = 1;
const LEVEL = 0.9;
const HOUR = 3_600_000;
const hourly: Frequency = { unit: 'milliseconds', step: HOUR, offset: 0 };

interface Case {
  readonly series: readonly SeriesData[];
  readonly origins: readonly (readonly number[])[];
  readonly frequency: Frequency | null;
  readonly seasons: readonly number[];
  readonly horizon: number;
  readonly covariates: readonly string[];
  readonly goal: string;
}

function rows(path: string): string[][] {
  const lines = readFileSync(new URL(path, DATA), 'utf8').trim().split('\n').slice(1);
  return lines.map((line) => line.replaceAll('"', '').trim().split(','));
}

const numbers = (cells: readonly string[]) =>
  Float64Array.from(
    cells.filter((cell) => cell !== ''),
    Number,
  );
const lastDays = (length: number, count: number, horizon: number) =>
  Array.from({ length: count }, (_, index) => length - horizon * (count - index));

function m4(): Case {
  const test = rows('m4_hourly/Hourly-test.csv');
  const train = rows('m4_hourly/Hourly-train.csv').map(([, ...cells]) => numbers(cells));
  const series = train.map((values, index) => ({
    id: test[index]?.[0] ?? '',
    startIndex: 0,
    values: Float64Array.from([...values, ...numbers(test[index]?.slice(1) ?? [])]),
    covariates: [],
  }));
  const origins = train.map((values) => [values.length]);
  return { series, origins, frequency: null, seasons: [24, 168], horizon: 48, covariates: [], goal: 'sMAPE <= 13.0' };
}

function victoria() {
  const cells = rows('vic_electricity_demand_hourly/vic_elec_every2nd.csv');
  const column = (index: number) => Float64Array.from(cells, (row) => Number(row[index]));
  return {
    start: Math.round(Date.parse(cells[0]?.[1] ?? '') / HOUR),
    demand: column(2),
    temperature: column(3),
    holiday: Float64Array.from(cells, (row) => (row[5] === 'TRUE' ? 1 : 0)),
  };
}

function vic(): Case {
  const { start, demand, temperature, holiday } = victoria();
  const series = [{ id: '', startIndex: start, values: demand, covariates: [temperature, holiday] }];
  const origins = [lastDays(demand.length, 28, 24)];
  return {
    series,
    origins,
    frequency: hourly,
    seasons: [24, 168],
    horizon: 24,
    covariates: ['Temperature', 'Holiday'],
    goal: 'MAPE <= 5.5 %',
  };
}

function daily(): Case {
  const { demand, start } = victoria();
  const days = Math.floor(demand.length / 24);
  const values = Float64Array.from({ length: days }, (_, day) => {
    const isMissing = day % 13 === 5 || (day > 400 && day < 415);
    return isMissing ? Number.NaN : demand.subarray(day * 24, day * 24 + 24).reduce((sum, value) => sum + value, 0) / 24;
  });
  const frequency: Frequency = { unit: 'milliseconds', step: 24 * HOUR, offset: (start % 24) * HOUR };
  const series = [{ id: '', startIndex: Math.floor(start / 24), values, covariates: [] }];
  return { series, origins: [lastDays(days, 8, 7)], frequency, seasons: usualSeasons(frequency), horizon: 7, covariates: [], goal: '-' };
}

function air(): Case {
  const values = Float64Array.from(rows('air_passengers/airline-passengers.csv'), (row) => Number(row[1]));
  const frequency: Frequency = { unit: 'months', step: 1, offset: 0 };
  const series = [{ id: '', startIndex: (1949 - 1970) * 12, values, covariates: [] }];
  return { series, origins: [[132]], frequency, seasons: [12], horizon: 12, covariates: [], goal: 'seasonal naive MAPE 9.99 %' };
}

function bikes(): Case {
  const cells = rows('bike_sharing_hourly/hour.csv');
  const known = ['holiday', 'workingday', 'weathersit', 'temp', 'hum', 'windspeed'];
  const header = readFileSync(new URL('bike_sharing_hourly/hour.csv', DATA), 'utf8').split('\n', 1)[0]?.trim().split(',') ?? [];
  const at = (name: string) => header.indexOf(name);
  const index = cells.map((row) => Math.round(Date.parse(`${row[at('dteday')]}T00:00:00Z`) / HOUR) + Number(row[at('hr')]));
  const start = index[0] ?? 0;
  const length = (index.at(-1) ?? 0) - start + 1;
  const column = (name: string) => {
    const values = new Float64Array(length).fill(Number.NaN);
    cells.forEach((row, position) => (values[(index[position] ?? 0) - start] = Number(row[at(name)])));
    return values;
  };
  const series = [{ id: '', startIndex: start, values: column('cnt'), covariates: known.map(column) }];
  return { series, origins: [lastDays(length, 28, 24)], frequency: hourly, seasons: [24, 168], horizon: 24, covariates: known, goal: '-' };
}

const CASES: Readonly<Record<string, () => Case>> = { air, daily, bikes, vic, m4 };

/** Mean of a metric of each forecast, over the forecasts on which it is defined. */
function mean(values: readonly number[]): number {
  const defined = values.filter(Number.isFinite);
  return Math.round((defined.reduce((sum, value) => sum + value, 0) / Math.max(1, defined.length)) * 10_000) / 10_000;
}

async function measure(name: string, { series, origins, frequency, seasons, horizon, covariates, goal }: Case): Promise<void> {
  const startedMs = performance.now();
  const layout = { shape: { horizon, seasons }, frequency, covariates };
  const run = await runForecast({ layout, series, origins, level: LEVEL, seed: SEED });
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  const scales = series.map(({ values }, index) => naiveScale(values.subarray(0, origins[index]?.[0]), seasons[0] ?? 1));
  const score = (pick: (trial: (typeof run.trials)[number]) => Float64Array) => ({
    smape: mean(run.trials.map((trial) => smape(pick(trial), trial.truth))),
    mapePercent: mean(
      run.trials.map((trial) => {
        const known = [...trial.truth.keys()].filter((step) => !Number.isNaN(trial.truth[step]) && trial.truth[step] !== 0);
        return (
          100 *
          mape(
            known.map((step) => pick(trial)[step] ?? 0),
            known.map((step) => trial.truth[step] ?? 0),
          )
        );
      }),
    ),
    mase: mean(run.trials.map((trial) => mase(pick(trial), trial.truth, scales[trial.series] ?? Number.NaN))),
  });
  const result = {
    name,
    goal,
    forecasts: run.trials.length,
    ...score((trial) => trial.values),
    seasonalNaive: score((trial) => trial.naive),
    coverageOf90Percent: mean(run.trials.map((trial) => intervalCoverage(trial.low, trial.high, trial.truth))),
    weights: Object.fromEntries(run.leaderboard.filter(({ weight }) => weight > 0).map(({ member, weight }) => [member, weight])),
    parity: run.maxError,
    seconds,
  };
  console.log(JSON.stringify(result));
}

/** The series with all values from a position on replaced by others of the same kind, in another order. */
function withOtherValues(series: readonly SeriesData[], from: readonly number[]): SeriesData[] {
  return series.map((each, index) => {
    const values = each.values.slice();
    const first = from[index] ?? values.length;
    for (let at = first; at < values.length; at += 1) values[at] = 1.7 * (each.values[values.length - 1 - (at - first)] ?? 0) + 1_000;
    return { ...each, values };
  });
}

/** Whether forecasts know nothing of what comes after the last origin. */
async function checkFuture(name: string, { series, origins, frequency, seasons, horizon, covariates }: Case): Promise<void> {
  const layout = { shape: { horizon, seasons }, frequency, covariates };
  const forecasts = async (given: readonly SeriesData[]) => {
    const { trials } = await runForecast({ layout, series: given, origins, level: LEVEL, seed: SEED });
    return JSON.stringify(trials.map(({ values, low, high }) => [values, low, high].map((each) => [...each])));
  };
  const last = origins.map((each) => each.at(-1) ?? 0);
  const real = await forecasts(series);
  const isBlind = real === (await forecasts(withOtherValues(series, last)));
  const past = last.map((origin) => Math.max(0, origin - horizon));
  const seesPast = real !== (await forecasts(withOtherValues(series, past)));
  const verdict = isBlind ? 'the same forecasts whatever comes after: no leak' : 'LEAK: what comes after changes the forecasts';
  console.log(`${name}: ${verdict}; ${seesPast ? 'what came before changes them' : 'CONTROL FAILED: what came before does not'}`);
  if (!isBlind || !seesPast) process.exitCode = 1;
}

const wanted = process.argv.slice(2).filter((each) => each !== '--future');
for (const [name, load] of Object.entries(CASES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  if (!existsSync(DATA)) throw new Error('The data is not here: ../shared/data');
  await (process.argv.includes('--future') ? checkFuture : measure)(name, load());
}
