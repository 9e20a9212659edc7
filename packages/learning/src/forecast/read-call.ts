import { type Row, toRfc3339 } from '@slipway/kernel';
import { ForecastInputError } from '../errors.ts';
import { CALL_STEPS_LIMIT } from './contract.ts';
import { INTERVAL_LEVELS } from './forecaster.ts';
import { stepIndex, stepTime } from './frequency.ts';
import { readTime } from './from-frame.ts';
import type { SeriesData } from './series.ts';
import type { ServingParts } from './servable.ts';

/** A call that was understood: the series with everything the call added, and what it asks for. */
export interface ReadCall {
  readonly series: SeriesData;
  readonly origin: number;
  readonly horizon: number;
  readonly level: number;
  readonly notes: string[];
}

interface Given {
  readonly index: number;
  readonly row: Row;
}

/**
 * Understands a call. @throws {ForecastInputError} naming the field and what to send instead.
 */
export function readCall({ metadata, series: known }: ServingParts, input: Row): ReadCall {
  const id = metadata.series === null ? '' : String(input['series']);
  const history = readRows(metadata, input['history'], 'history');
  const future = readRows(metadata, input['future'], 'future');
  const stored = known.get(id);
  const notes =
    stored || metadata.series === null ? [] : [`the series "${id.slice(0, 60)}" is new: it is forecast as the others are shaped`];
  const start = stored ?? emptySeries(id, metadata.covariates.length, history, future);
  const { series, origin } = extend(metadata, start, history, future);
  const horizon = wholeNumber(input['horizon'], metadata.horizon);
  const level = levelOf(input['level'], metadata.level);
  metadata.covariates.forEach((name, index) => {
    const values = series.covariates[index];
    let missing = 0;
    for (let step = 0; step < horizon; step += 1) if (Number.isNaN(values?.[origin + step] ?? Number.NaN)) missing += 1;
    if (missing > 0) notes.push(`"${name}" is not known for ${missing} of ${horizon} steps; send it in "future" for a better forecast`);
  });
  return { series, origin, horizon, level, notes };
}

function problem(field: string, message: string, help?: string): ForecastInputError {
  return new ForecastInputError(message, { details: { field }, ...(help === undefined ? {} : { help }) });
}

function wholeNumber(value: unknown, most: number): number {
  if (value === undefined || value === null) return most;
  const horizon = Number(value);
  if (Number.isInteger(horizon) && horizon >= 1 && horizon <= most) return horizon;
  throw problem('horizon', `"horizon" must be a whole number from 1 to ${most}, which the forecaster was made for.`);
}

function levelOf(value: unknown, standard: number): number {
  if (value === undefined || value === null) return standard;
  if ((INTERVAL_LEVELS as readonly number[]).includes(Number(value))) return Number(value);
  throw problem('level', `"level" must be one of ${INTERVAL_LEVELS.join(', ')}.`);
}

function readRows(metadata: ServingParts['metadata'], value: unknown, field: 'history' | 'future'): Given[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw problem(field, `"${field}" must be a list of rows such as ${exampleOf(metadata, field)}.`);
  if (value.length > CALL_STEPS_LIMIT) throw problem(field, `"${field}" may hold ${CALL_STEPS_LIMIT} rows, this call has ${value.length}.`);
  return value.map((row: unknown, at) => {
    if (row === null || typeof row !== 'object')
      throw problem(field, `Row ${at} of "${field}" must be an object such as ${exampleOf(metadata, field)}.`);
    const time = timeOf((row as Row)[metadata.time]);
    if (time === undefined)
      throw problem(
        field,
        `Row ${at} of "${field}" has no time in "${metadata.time}".`,
        `Send rows such as ${exampleOf(metadata, field)}.`,
      );
    return { index: stepIndex(metadata.frequency, time), row: row as Row };
  });
}

function timeOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return typeof value === 'string' ? readTime(value) : undefined;
}

function exampleOf({ time, target, covariates, frequency }: ServingParts['metadata'], field: 'history' | 'future'): string {
  const values = field === 'history' ? [target, ...covariates] : covariates;
  return JSON.stringify({ [time]: toRfc3339(stepTime(frequency, 0)), ...Object.fromEntries(values.map((name) => [name, 1])) });
}

function numberIn(row: Row, name: string, field: string): number {
  const value = Object.hasOwn(row, name) ? row[name] : undefined;
  if (value === undefined || value === null) return Number.NaN;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw problem(field, `"${name}" in "${field}" must be a number.`);
}

/** A series nobody has seen: it starts with the first row the call sends, or with the first step of the grid after now. */
function emptySeries(id: string, covariateCount: number, history: readonly Given[], future: readonly Given[]): SeriesData {
  const first = Math.min(...history.map(({ index }) => index), ...future.map(({ index }) => index));
  if (!Number.isFinite(first))
    throw problem(
      'history',
      `The series "${id.slice(0, 60)}" is new.`,
      'Send what is known of it in "history", or at least the times to forecast in "future".',
    );
  return {
    id,
    startIndex: first,
    values: new Float64Array(0),
    covariates: Array.from({ length: covariateCount }, () => new Float64Array(0)),
  };
}

/** The series with the call's rows written over and after what was known. */
function extend(
  metadata: ServingParts['metadata'],
  stored: SeriesData,
  history: readonly Given[],
  future: readonly Given[],
): { series: SeriesData; origin: number } {
  const { startIndex } = stored;
  let last = startIndex + stored.values.length - 1;
  for (const { index, row } of history) {
    if (index > last && !Number.isNaN(numberIn(row, metadata.target, 'history'))) last = index;
  }
  const origin = last - startIndex + 1;
  if (origin - stored.values.length > CALL_STEPS_LIMIT)
    throw problem(
      'history',
      `"history" goes ${origin - stored.values.length} steps beyond what is known; ${CALL_STEPS_LIMIT} are allowed.`,
    );
  const values = new Float64Array(origin).fill(Number.NaN);
  values.set(stored.values);
  const length = origin + metadata.horizon;
  const covariates = stored.covariates.map((covariate) => {
    const longer = new Float64Array(length).fill(Number.NaN);
    longer.set(covariate.subarray(0, length));
    return longer;
  });
  const write = (given: readonly Given[], field: 'history' | 'future') => {
    for (const { index, row } of given) {
      const at = index - startIndex;
      if (at < 0 || at >= length) continue;
      const value = numberIn(row, metadata.target, field);
      if (field === 'history' && at < origin && !Number.isNaN(value)) values[at] = value;
      metadata.covariates.forEach((name, which) => {
        const known = numberIn(row, name, field);
        if (!Number.isNaN(known)) (covariates[which] as Float64Array)[at] = known;
      });
    }
  };
  write(history, 'history');
  write(future, 'future');
  return { series: { ...stored, values, covariates }, origin };
}
