import type { ReadTable } from '@slipway/data';
import { type Frame, nearestName } from '@slipway/kernel';
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
  checkColumns(definition, forecast);
  const table = seriesFromFrame(frame, {
    target,
    time,
    series: forecast.series,
    covariates: forecast.known,
    frequency: forecast.frequency,
  });
  const horizon = forecast.horizon ?? usualHorizon(table.frequency);
  if (table.series.every(({ values }) => isConstant(values))) {
    throw new LaunchInvalidError(`"${target}" never changes; there is nothing to forecast.`, { details: { field: 'target' } });
  }
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

function isConstant(values: Float64Array): boolean {
  const present = values.filter((value) => !Number.isNaN(value));
  return present.every((value) => value === present[0]);
}

function needsTime(): LaunchInvalidError {
  return new LaunchInvalidError('A forecast needs the column of times.', { details: { field: 'time' }, help: 'Name it with --time.' });
}

function checkColumns({ target, time }: LaunchDefinition, { series, known }: ForecastDefinition): void {
  if (target === time || target === series || time === series) {
    throw new LaunchInvalidError(
      `Target, time and series must be different columns; "${target === time ? target : series}" is named twice.`,
      {
        details: { field: target === time ? 'time' : 'series' },
        help: 'Name the amounts with --target, their times with --time, and what tells series apart with --series.',
      },
    );
  }
  const wrong = known.find((name) => name === target || name === time || name === series);
  if (wrong === undefined) return;
  throw new LaunchInvalidError(`"${wrong}" cannot be a known column: it is the target, the time or the series.`, {
    details: { field: 'known', column: wrong },
  });
}

/** Parts of a definition that say something about rows, classes or a trainer, of which a forecast has none. */
const OTHER_TASKS_ONLY = [
  'task',
  'query',
  'positive',
  'group',
  'loss',
  'monotone',
  'interactions',
  'sensitive',
  'mitigate',
  'immutable',
  'objective',
] as const;

/** @throws {LaunchInvalidError} for what would silently do nothing. */
export function requireForecastOptions(definition: LaunchDefinition): void {
  if (definition.time === undefined) throw needsTime();
  const given = OTHER_TASKS_ONLY.find((field) => {
    const value = definition[field];
    return Array.isArray(value) ? value.length > 0 : value !== undefined;
  });
  const { strategy } = definition.split;
  const field = given ?? (strategy === 'auto' || strategy === 'time' ? undefined : 'split');
  if (field === undefined) return;
  throw new LaunchInvalidError(`A forecast takes no "${field}": it is learnt from series in time, not from rows.`, {
    details: { field },
    help: `Leave "${field}" out, or leave out what makes this a forecast (--task forecast, --horizon, --series and the like).`,
  });
}

/** @throws {LaunchInvalidError} for a name that is no column. */
export function requireForecastColumns(names: readonly string[], definition: LaunchDefinition): void {
  const missing = forecastColumns(definition).find((name) => !names.includes(name));
  if (missing === undefined) return;
  const near = nearestName(missing, names);
  throw new LaunchInvalidError(`There is no column "${missing}".${near ? ` Did you mean "${near}"?` : ''}`, {
    details: { column: missing, columns: names.slice(0, 100) },
    help: `The columns are: ${names.slice(0, 20).join(', ')}.`,
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
  requireForecastOptions(definition);
  requireForecastColumns(
    table.contract.fields.map((field) => field.name),
    definition,
  );
  planForecast(await table.loadFrame(forecastColumns(definition)), definition);
}
