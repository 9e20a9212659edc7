import { type Field, type Frame, cell, toRfc3339 } from '@slipway/kernel';
import { type GroupThreshold, thresholdOf } from '@slipway/models';

/** Decisions as serving makes them: by the threshold of a row's group, or else by the common one. */
export function decideByGroup(
  groups: readonly GroupThreshold[],
  rows: { readonly said: Float64Array; readonly threshold: number; readonly read: (column: string, row: number) => unknown },
): Uint8Array {
  const common = (score: number) => (rows.threshold === 0.5 ? score > 0.5 : score >= rows.threshold);
  return Uint8Array.from(rows.said, (score, row) => {
    const own = thresholdOf(groups, (column) => rows.read(column, row));
    return (own === undefined ? common(score) : score >= own) ? 1 : 0;
  });
}

/** Reads a frame's cells as callers would send them. */
export function readerOf(frame: Frame, fields: readonly Pick<Field, 'name' | 'type'>[]): (column: string, row: number) => unknown {
  const types = new Map(fields.map((field) => [field.name, field.type]));
  return (name, row) => {
    const column = frame.columns.get(name);
    if (!column) return undefined;
    const value = cell(column, row);
    if (typeof value !== 'number') return value;
    if (types.get(name) === 'boolean') return value === 1;
    return types.get(name) === 'timestamp' ? toRfc3339(value) : value;
  };
}
