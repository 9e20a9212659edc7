import type { ReadTable } from '@slipway/data';
import type { Frame } from '@slipway/kernel';
import { type SeriesTable, seriesFromFrame, testOrigins, usualHorizon, usualSeasons } from '@slipway/learning';
import type { LaunchDefinition } from '../contract.ts';
import { LaunchInvalidError } from '../errors.ts';
import type { ForecastDefinition } from './contract.ts';

/** Steps a series needs beyond one horizon to be judged by. */
const TRAIN_STEPS_MIN = 8;

/** The definition with everything that is found by looking, and the series it is about. */
export interface ForecastPlan {
  readonly table: SeriesTable;
  readonly horizon: number;
  readonly seasons: readonly number[];
  readonly level: number;
  readonly known: readonly string[];
  readonly target: string;
  readonly time: string;
  readonly series: string | null;
  /** Origins that each series is judged by. */
  readonly origins: readonly (readonly number[])[];
}

/** The columns a forecast reads. */
export function forecastColumns({ target, time, forecast }: LaunchDefinition): string[] {
  return [
    ...new Set([target, time ?? '', ...(forecast?.series === undefined ? [] : [forecast.series]), ...(forecast?.known ?? [])]),
  ].filter((name) => name !== '');
}

/** What a forecast is made from. @throws {LaunchInvalidError | ForecastInputError} naming the field and what would fit. */
export function planForecast(frame: Frame, definition: LaunchDefinition): ForecastPlan {
  const { forecast, target, time } = definition;
  if (!forecast || time === undefined) throw needsTime();
  checkKnown(definition, forecast);
  const table = seriesFromFrame(frame, {
    target,
    time,
    series: forecast.series,
    covariates: forecast.known,
    frequency: forecast.frequency,
  });
  const horizon = forecast.horizon ?? usualHorizon(table.frequency);
  const longest = table.series.reduce((most, { values }) => Math.max(most, values.length), 0);
  const seasons = (forecast.seasons ?? usualSeasons(table.frequency)).toSorted((a, b) => a - b).filter((season) => season * 2 <= longest);
  if (longest < horizon + TRAIN_STEPS_MIN) {
    throw new LaunchInvalidError(
      `The longest series has ${longest} steps; a forecast of ${horizon} steps needs at least ${horizon + TRAIN_STEPS_MIN} to learn from and be judged by.`,
      { details: { field: 'horizon', horizon, steps: longest }, help: 'Give more history, or a shorter --horizon.' },
    );
  }
  const origins = table.series.map(({ values }) =>
    values.length < horizon + TRAIN_STEPS_MIN ? [] : testOrigins(values.length, horizon, definition.split.testRatio),
  );
  return {
    table,
    horizon,
    seasons,
    level: forecast.level,
    known: forecast.known,
    target,
    time,
    series: forecast.series ?? null,
    origins: origins.map((list) => list.filter((origin) => origin >= TRAIN_STEPS_MIN)),
  };
}

function needsTime(): LaunchInvalidError {
  return new LaunchInvalidError('A forecast needs the column of times.', { details: { field: 'time' }, help: 'Name it with --time.' });
}

function checkKnown({ target, time }: LaunchDefinition, { series, known }: ForecastDefinition): void {
  const wrong = known.find((name) => name === target || name === time || name === series);
  if (wrong === undefined) return;
  throw new LaunchInvalidError(`"${wrong}" cannot be a known column: it is the target, the time or the series.`, {
    details: { field: 'known', column: wrong },
  });
}

/** Refuses a table that no forecast could be made from, before it is stored. */
export async function requireForecastable(table: ReadTable, definition: LaunchDefinition, hasTestFile: boolean): Promise<void> {
  if (hasTestFile) {
    throw new LaunchInvalidError('A forecast is judged by the end of its own series; a test file has no place in it.', {
      details: { field: 'test' },
      help: 'Put all rows in one file; --test-ratio says how much of the end is kept for judging.',
    });
  }
  if (definition.time === undefined) throw needsTime();
  const names = new Set(table.contract.fields.map((field) => field.name));
  const missing = forecastColumns(definition).find((name) => !names.has(name));
  if (missing !== undefined) {
    throw new LaunchInvalidError(`There is no column "${missing}".`, {
      details: { column: missing, columns: [...names].slice(0, 100) },
      help: `The columns are: ${[...names].slice(0, 20).join(', ')}.`,
    });
  }
  planForecast(await table.loadFrame(forecastColumns(definition)), definition);
}
