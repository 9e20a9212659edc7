import { type Frame, cell, toRfc3339 } from '@slipway/kernel';
import { LEAK_EVIDENCE_COLUMN_LIMIT, LEAK_EVIDENCE_ROW_LIMIT, LEAK_EVIDENCE_TEXT_LIMIT, type LeakRow } from './contract.ts';

/** Rows that evidence is taken from, and where they stand in their file. */
export interface EvidenceSource {
  readonly frame: Frame;
  readonly side: 'train' | 'test';
  /** Position of each row in its file, from 0; the frame's own order when left out. */
  readonly positions?: ArrayLike<number> | undefined;
  /** Columns that hold times in milliseconds UTC: they are shown as RFC 3339. */
  readonly times?: readonly string[] | undefined;
}

/** One row as evidence: its number from 1, and its cells of these columns, long texts cut. */
export function evidenceRow({ frame, side, positions, times }: EvidenceSource, row: number, columns: readonly string[]): LeakRow {
  const values: LeakRow['values'] = {};
  for (const name of columns.slice(0, LEAK_EVIDENCE_COLUMN_LIMIT)) {
    const column = frame.columns.get(name);
    if (!column) continue;
    const value = cell(column, row);
    if (typeof value === 'number' && times?.includes(name)) values[name] = toRfc3339(value);
    else values[name] = typeof value === 'string' ? value.slice(0, LEAK_EVIDENCE_TEXT_LIMIT) : value;
  }
  return { row: (positions?.[row] ?? row) + 1, side, values };
}

/** The first rows that differ in these columns, so that evidence does not repeat itself. */
export function firstDifferentRows(source: EvidenceSource, rows: Iterable<number>, columns: readonly string[]): LeakRow[] {
  const shown: LeakRow[] = [];
  const seen = new Set<string>();
  for (const row of rows) {
    const evidence = evidenceRow(source, row, columns);
    const key = JSON.stringify(evidence.values);
    if (seen.has(key)) continue;
    seen.add(key);
    shown.push(evidence);
    if (shown.length === LEAK_EVIDENCE_ROW_LIMIT) break;
  }
  return shown;
}
