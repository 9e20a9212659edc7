import { evaluate } from '@slipway/evaluation';
import { type Column, type Frame, takeRows } from '@slipway/kernel';
import { type ModelMetadata, openModel } from '@slipway/models';
import { LaunchInvalidError } from '../errors.ts';
import type { ImportedVersionStep } from './import-state.ts';

/** Rows that an imported model is judged by at most; intervals of more are narrow enough. */
const JUDGED_ROWS_LIMIT = 50_000;
const RESAMPLES = 500;

/** Metrics of an imported model on reference rows that have the truth. Rows without it are left out. @throws {LaunchInvalidError} */
export async function judgeReference(
  path: string,
  metadata: ModelMetadata,
  frame: Frame,
  target: Column,
  signal: AbortSignal,
): Promise<ImportedVersionStep['metrics']> {
  const { task, classes, positive } = metadata;
  const truth = classes === null ? numbersOf(target) : codesOf(target, classes);
  const rows = Array.from({ length: frame.rowCount }, (_, row) => row)
    .filter((row) => (classes === null ? Number.isFinite(truth[row]) : (truth[row] as number) >= 0))
    .slice(0, JUDGED_ROWS_LIMIT);
  if (rows.length === 0) return {};
  const model = await openModel({ path, metadata, lane: 'worker' });
  try {
    const predicted = await model.predict(takeRows(frame, rows));
    const own =
      classes === null ? Float64Array.from(rows, (row) => truth[row] as number) : Int32Array.from(rows, (row) => truth[row] as number);
    const evaluation = await evaluate({
      task,
      classes,
      positive,
      truth: own,
      trainTruth: own,
      predictions: predicted.probabilities
        ? { probabilities: predicted.probabilities }
        : { values: predicted.values ?? new Float64Array(0) },
      seed: 1,
      resamples: RESAMPLES,
      signal,
    });
    return Object.fromEntries(Object.entries(evaluation.metrics).map(([name, { value, low, high }]) => [name, { value, low, high }]));
  } finally {
    await model.close();
  }
}

function numbersOf(column: Column): Float64Array {
  if (column.kind === 'number') return column.values;
  const numbers = column.levels.map(Number);
  return Float64Array.from(column.codes, (code) => (code < 0 ? Number.NaN : (numbers[code] ?? Number.NaN)));
}

/** Positions of the labels among the classes; -1 where there is none. @throws {LaunchInvalidError} when labels are not the model's. */
function codesOf(column: Column, classes: readonly string[]): Int32Array {
  const levels = column.kind === 'text' ? column.levels : [...new Set(column.values)].filter((value) => !Number.isNaN(value)).map(String);
  const strangers = levels.filter((level) => !classes.includes(level));
  if (strangers.length > 0) {
    throw new LaunchInvalidError(
      `The target has values that are no class of the model (${strangers.slice(0, 5).join(', ')}); its classes are ${classes.slice(0, 8).join(', ')}.`,
      {
        details: { field: 'target', classes: classes.slice(0, 20), strangers: strangers.slice(0, 20) },
        help: 'Name the classes in the order of the scores with --classes.',
      },
    );
  }
  const codes = new Map(classes.map((label, code) => [label, code]));
  if (column.kind === 'text')
    return Int32Array.from(column.codes, (code) => (code < 0 ? -1 : (codes.get(column.levels[code] as string) ?? -1)));
  return Int32Array.from(column.values, (value) => codes.get(String(value)) ?? -1);
}
