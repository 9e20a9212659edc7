import { type Column, type Frame, cell, parseTime } from '@slipway/kernel';
import { ForecastInputError } from '../errors.ts';
import { SERIES_LIMIT } from './contract.ts';
import { type Frequency, frequencyName, inferFrequency, parseFrequency, stepIndex, stepTime } from './frequency.ts';
import type { SeriesData } from './series.ts';

/** Which columns of a table are what. */
export interface SeriesColumns {
  readonly target: string;
  readonly time: string;
  readonly series?: string | undefined;
  /** Columns whose future a call will know. */
  readonly covariates: readonly string[];
  /** `1h`, `15min`, `1d`, `1mo` …; found in the times when it is not given. */
  readonly frequency?: string | undefined;
}

export interface SeriesTable {
  readonly series: readonly SeriesData[];
  readonly frequency: Frequency;
  readonly notes: readonly string[];
}

/** Steps of one series, gaps included: two times far apart must not make millions of missing values. */
export const SERIES_STEPS_LIMIT = 5_000_000;
/** Gaps may be at most this many times the values of a series. */
const GAP_RATIO_MAX = 20;

/**
 * The series of a table on the grid of its frequency. Rows may be in any order; steps without a row or a value are missing.
 * @throws {ForecastInputError} for a column that does not fit, two values of a series at one step, or times without a step.
 */
export function seriesFromFrame(frame: Frame, columns: SeriesColumns): SeriesTable {
  const times = timesOf(requireColumn(frame, columns.time, 'time'), frame.rowCount, columns.time);
  const target = numbersOf(requireColumn(frame, columns.target, 'target'), columns.target);
  const covariates = columns.covariates.map((name) => covariateOf(requireColumn(frame, name, 'known'), name));
  const groups = groupRows(frame, columns.series, times);
  const sorted = [...groups].map(([id, rows]) => ({ id, rows: rows.toSorted((a, b) => (times[a] as number) - (times[b] as number)) }));
  const timeLists = sorted.map(({ rows }) => Float64Array.from(rows, (row) => times[row] as number));
  const frequency = columns.frequency === undefined ? inferFrequency(timeLists) : parseFrequency(columns.frequency, timeLists);
  if (!frequency) throw noFrequency(columns);
  const series = sorted.map(({ id, rows }) => gridOf(id, rows, { times, target, covariates, frequency, columns }));
  const known = series.filter(({ values }) => values.some((value) => !Number.isNaN(value)));
  if (known.length === 0)
    throw new ForecastInputError(`The column "${columns.target}" has no value to learn from.`, { details: { field: 'target' } });
  return { series: known.map(trimmed), frequency, notes: notesOf(known, frame.rowCount, times, frequency) };
}

function requireColumn(frame: Frame, name: string, field: string): Column {
  const column = frame.columns.get(name);
  if (column) return column;
  throw new ForecastInputError(`There is no column "${name}" (${field}).`, {
    details: { field, got: name, columns: [...frame.columns.keys()].slice(0, 100) },
  });
}

function numbersOf(column: Column, name: string): Float64Array {
  if (column.kind === 'number') return column.values;
  throw new ForecastInputError(`The column "${name}" is not a number; a forecast needs amounts.`, {
    details: { field: 'target', column: name },
    help: `Read it as a number with --as ${name}=numeric, or mend the values that are none.`,
  });
}

/** Numbers and yes/no as they are; a text column only when its values are few: their position in order. */
function covariateOf(column: Column, name: string): Float64Array {
  if (column.kind === 'number') return column.values;
  const values = [...column.levels].toSorted();
  if (values.length > 2 ** 8)
    throw new ForecastInputError(
      `The column "${name}" has ${values.length} different texts; a known column needs numbers or few categories.`,
      {
        details: { field: 'known', column: name },
      },
    );
  throw new ForecastInputError(`The column "${name}" is text; a known column is a number, a yes/no or a count.`, {
    details: { field: 'known', column: name },
    help: `Turn it into numbers (a holiday into 0 and 1), or leave it out of --known.`,
  });
}

const YEAR_MIN = 1_000;
const YEAR_MAX = 3_000;

/** Milliseconds UTC; whole numbers that look like years are years. */
function timesOf(column: Column, rowCount: number, name: string): Float64Array {
  const times = new Float64Array(rowCount).fill(Number.NaN);
  if (column.kind === 'number') {
    const areYears = column.values.every(
      (value) => Number.isNaN(value) || (Number.isInteger(value) && value >= YEAR_MIN && value <= YEAR_MAX),
    );
    return areYears ? column.values.map((value) => (Number.isNaN(value) ? value : Date.UTC(value, 0, 1))) : column.values;
  }
  for (let row = 0; row < rowCount; row += 1) {
    const text = cell(column, row);
    if (text === null) continue;
    const time = readTime(String(text));
    if (time === undefined)
      throw new ForecastInputError(`Row ${row + 1} has the time "${String(text).slice(0, 60)}", which is none (${name}).`, {
        details: { field: 'time', column: name, row },
        help: 'Times are written like 2024-01-31, 2024-01-31T10:00:00Z, 2024-01 or 2024-Q1.',
      });
    times[row] = time;
  }
  return times;
}

/** RFC 3339 times and dates, months (2024-01), quarters (2024-Q1) and years. */
export function readTime(text: string): number | undefined {
  const month = /^(\d{4})-(\d{1,2})$/.exec(text.trim());
  if (month && Number(month[2]) >= 1 && Number(month[2]) <= 12) return Date.UTC(Number(month[1]), Number(month[2]) - 1, 1);
  const quarter = /^(\d{4})[- ]?Q([1-4])$/i.exec(text.trim());
  if (quarter) return Date.UTC(Number(quarter[1]), (Number(quarter[2]) - 1) * 3, 1);
  const year = /^(\d{4})$/.exec(text.trim());
  return year ? Date.UTC(Number(year[1]), 0, 1) : parseTime(text);
}

function groupRows(frame: Frame, name: string | undefined, times: Float64Array): Map<string, number[]> {
  const column = name === undefined ? undefined : requireColumn(frame, name, 'series');
  const groups = new Map<string, number[]>();
  for (let row = 0; row < frame.rowCount; row += 1) {
    if (Number.isNaN(times[row] as number)) continue;
    const id = column ? String(cell(column, row) ?? '') : '';
    const rows = groups.get(id);
    if (rows) rows.push(row);
    else groups.set(id, [row]);
    if (groups.size > SERIES_LIMIT)
      throw new ForecastInputError(`"${name}" tells apart more than ${SERIES_LIMIT} series.`, {
        details: { field: 'series', limit: SERIES_LIMIT },
      });
  }
  return groups;
}

interface GridParts {
  readonly times: Float64Array;
  readonly target: Float64Array;
  readonly covariates: readonly Float64Array[];
  readonly frequency: Frequency;
  readonly columns: SeriesColumns;
}

function gridOf(id: string, rows: readonly number[], { times, target, covariates, frequency, columns }: GridParts): SeriesData {
  const indexOf = (row: number) => stepIndex(frequency, times[row] as number);
  const startIndex = indexOf(rows[0] as number);
  const length = indexOf(rows.at(-1) as number) - startIndex + 1;
  if (length > SERIES_STEPS_LIMIT || length > Math.max(1_000, rows.length * GAP_RATIO_MAX)) {
    throw new ForecastInputError(
      `${named(id)} has ${rows.length} values spread over ${length} steps of ${frequencyName(frequency)}: nearly all would be missing.`,
      { details: { field: 'frequency', series: id }, help: 'Give the step of the data with --frequency, such as 1d, 1w or 1mo.' },
    );
  }
  const values = new Float64Array(length).fill(Number.NaN);
  const grids = covariates.map(() => new Float64Array(length).fill(Number.NaN));
  const taken = new Uint8Array(length);
  for (const row of rows) {
    const at = indexOf(row) - startIndex;
    if (taken[at] === 1) throw duplicate(id, stepTime(frequency, startIndex + at), frequency, columns);
    taken[at] = 1;
    values[at] = target[row] as number;
    grids.forEach((grid, index) => {
      grid[at] = (covariates[index] as Float64Array)[row] as number;
    });
  }
  return { id, startIndex, values, covariates: grids };
}

const named = (id: string) => (id === '' ? 'The table' : `The series "${id.slice(0, 60)}"`);

function duplicate(id: string, timeMs: number, frequency: Frequency, columns: SeriesColumns): ForecastInputError {
  const time = new Date(timeMs).toISOString();
  return new ForecastInputError(`${named(id)} has two rows at ${time} (steps of ${frequencyName(frequency)}).`, {
    details: { field: columns.series === undefined ? 'series' : 'time', series: id, time },
    help:
      columns.series === undefined
        ? 'Name the column that tells the series apart with --series, or add the rows of one time together.'
        : 'Add the rows of one time together, or give a finer step with --frequency.',
  });
}

function noFrequency({ frequency, time }: SeriesColumns): ForecastInputError {
  return frequency === undefined
    ? new ForecastInputError(`No series has two different times in "${time}", so there is no step to forecast.`, {
        details: { field: 'time' },
        help: 'Give more rows a series, or the step with --frequency 1h.',
      })
    : new ForecastInputError(`The frequency "${frequency}" is none.`, {
        details: { field: 'frequency', got: frequency },
        help: 'It is a number and s, min, h, d, w, mo, q or y: 15min, 1h, 1d, 1mo.',
      });
}

/** Ends at the last known value: later rows hold covariates only, which stay as known future. */
function trimmed(series: SeriesData): SeriesData {
  const end = series.values.findLastIndex((value) => !Number.isNaN(value)) + 1;
  const start = series.values.findIndex((value) => !Number.isNaN(value));
  return {
    id: series.id,
    startIndex: series.startIndex + start,
    values: series.values.slice(start, end),
    covariates: series.covariates.map((covariate) => covariate.slice(start)),
  };
}

function notesOf(series: readonly SeriesData[], rowCount: number, times: Float64Array, frequency: Frequency): string[] {
  const notes: string[] = [];
  const untimed = times.reduce((count, time) => count + (Number.isNaN(time) ? 1 : 0), 0);
  if (untimed > 0) notes.push(`${untimed} of ${rowCount} rows have no time and were left out.`);
  let missing = 0;
  let steps = 0;
  for (const { values } of series) {
    steps += values.length;
    for (const value of values) if (Number.isNaN(value)) missing += 1;
  }
  if (missing > 0) notes.push(`${missing} of ${steps} steps of ${frequencyName(frequency)} have no value; they are treated as missing.`);
  return notes;
}
