import { CancelledError, cell, type Column, type Frame } from '@slipway/kernel';
import type { ModelPredictions } from '../inputs.ts';
import { GRID_VALUE_LIMIT, ICE_LINE_LIMIT } from './contract.ts';

export interface DependenceRequest {
  readonly frame: Frame;
  readonly predict: (frame: Frame) => Promise<ModelPredictions>;
  readonly fields: readonly string[];
  /** Positions of the outputs shown; null for numbers. */
  readonly outputs: readonly number[] | null;
  readonly outputCount: number;
  readonly signal?: AbortSignal | undefined;
}

export interface FieldDependence {
  readonly field: string;
  readonly kind: 'number' | 'category';
  readonly values: (number | string | null)[];
  readonly mean: number[][];
  readonly lines: number[][];
}

/**
 * Partial dependence and individual lines of fields: every row is given each value of a grid in turn (quantiles of the
 * rows' numbers, or their commonest categories) and predicted as served. Source: Friedman 2001; Goldstein et al. 2015.
 */
export async function partialDependence(request: DependenceRequest): Promise<FieldDependence[]> {
  const { frame, fields, signal } = request;
  const result: FieldDependence[] = [];
  for (const field of fields) {
    const column = frame.columns.get(field);
    if (!column) continue;
    const grid = column.kind === 'number' ? numberGrid(column.values) : categoryGrid(column);
    if (grid.columns.length < 2) continue;
    const mean = Array.from({ length: request.outputs?.length ?? 1 }, (): number[] => []);
    const lines = Array.from({ length: Math.min(ICE_LINE_LIMIT, frame.rowCount) }, (): number[] => []);
    for (const replaced of grid.columns) {
      if (signal?.aborted) throw new CancelledError('Explaining was cancelled.');
      const predictions = await request.predict({ rowCount: frame.rowCount, columns: new Map(frame.columns).set(field, replaced) });
      const answer = answersOf(predictions, request);
      mean.forEach((values, output) => values.push(rounded(meanOf(answer, output, frame.rowCount))));
      lines.forEach((values, line) => values.push(rounded(answer(Math.floor((line * frame.rowCount) / lines.length), 0))));
    }
    result.push({ field, kind: column.kind === 'number' ? 'number' : 'category', values: grid.values, mean, lines });
  }
  return result;
}

function answersOf(predictions: ModelPredictions, { outputs, outputCount }: DependenceRequest): (row: number, output: number) => number {
  if ('values' in predictions) return (row) => predictions.values[row] as number;
  return (row, output) => predictions.probabilities[row * outputCount + (outputs?.[output] ?? 0)] as number;
}

function meanOf(answer: (row: number, output: number) => number, output: number, rowCount: number): number {
  let sum = 0;
  for (let row = 0; row < rowCount; row += 1) sum += answer(row, output);
  return sum / rowCount;
}

/** Enough digits for a plot, and few enough to keep the report small. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

interface Grid {
  readonly values: (number | string | null)[];
  readonly columns: Column[];
}

function numberGrid(values: Float64Array): Grid {
  const sorted = values.filter((value) => Number.isFinite(value)).toSorted();
  const grid = new Set<number>();
  for (let step = 0; step < GRID_VALUE_LIMIT && sorted.length > 0; step += 1)
    grid.add(sorted[Math.round((step / (GRID_VALUE_LIMIT - 1)) * (sorted.length - 1))] as number);
  const chosen = [...grid];
  return { values: chosen, columns: chosen.map((value) => ({ kind: 'number', values: new Float64Array(values.length).fill(value) })) };
}

function categoryGrid(column: Extract<Column, { kind: 'text' }>): Grid {
  const counts = new Map<number, number>();
  for (const code of column.codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  const codes = [...counts.entries()].toSorted(([left, leftCount], [right, rightCount]) => rightCount - leftCount || left - right);
  const chosen = codes.slice(0, GRID_VALUE_LIMIT).map(([code]) => code);
  return {
    values: chosen.map((code) => (code < 0 ? null : (column.levels[code] as string).slice(0, 80))),
    columns: chosen.map((code) => ({ kind: 'text', codes: new Int32Array(column.codes.length).fill(code), levels: column.levels })),
  };
}

/** A frame's cell for the axis of a plot. */
export function plotValue(frame: Frame, field: string, row: number): number | string | null {
  const column = frame.columns.get(field);
  const value = column ? cell(column, row) : null;
  return typeof value === 'string' ? value.slice(0, 80) : value;
}
