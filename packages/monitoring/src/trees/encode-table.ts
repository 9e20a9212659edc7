import type { Column, Frame } from '@slipway/kernel';
import { z } from 'zod';

/** Bins of one column; bin 0 is missing. The number of edges is even, so that one of them is the median. */
export const BIN_LIMIT = 64;

/** How one column becomes bins: numbers by edges, texts by the order of their levels; unknown texts share the last bin. */
export const ColumnCode = z.object({
  name: z.string(),
  kind: z.enum(['number', 'text']),
  edges: z.array(z.number()),
  levels: z.array(z.string()),
});
export type ColumnCode = z.infer<typeof ColumnCode>;

/** Learns how the columns of a table are binned: numbers by quantiles, texts in the order of the mean of what is to be learnt. */
export function learnCodes(frame: Frame, target: Float64Array, names: readonly string[]): ColumnCode[] {
  return names.flatMap((name) => {
    const column = frame.columns.get(name);
    if (!column) return [];
    return [column.kind === 'number' ? codeOfNumbers(name, column.values) : codeOfTexts(name, column, target)];
  });
}

function codeOfNumbers(name: string, values: Float64Array): ColumnCode {
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted();
  const edges = new Set<number>();
  for (let bin = 1; bin < BIN_LIMIT - 2 && sorted.length > 0; bin += 1) {
    edges.add(sorted[Math.floor((bin * sorted.length) / (BIN_LIMIT - 2))] as number);
  }
  // A value of every row below the first edge would make an empty bin.
  return { name, kind: 'number', edges: [...edges].filter((edge) => edge > (sorted[0] as number)), levels: [] };
}

function codeOfTexts(name: string, column: Extract<Column, { kind: 'text' }>, target: Float64Array): ColumnCode {
  const sums = column.levels.map(() => ({ count: 0, sum: 0 }));
  column.codes.forEach((code, row) => {
    const level = sums[code];
    if (!level) return;
    level.count += 1;
    level.sum += target[row] as number;
  });
  const frequent = column.levels
    .map((text, code) => ({ text, ...(sums[code] as { count: number; sum: number }) }))
    .filter((level) => level.count > 0)
    .toSorted((a, b) => b.count - a.count)
    .slice(0, BIN_LIMIT - 2);
  const levels = frequent.toSorted((a, b) => a.sum / a.count - b.sum / b.count || (a.text < b.text ? -1 : 1)).map((level) => level.text);
  return { name, kind: 'text', edges: [], levels };
}

/** The bins of every row, column by column; a column that the table does not have is missing everywhere. */
export function encodeTable(frame: Frame, codes: readonly ColumnCode[]): Uint8Array[] {
  return codes.map((code) => {
    const bins = new Uint8Array(frame.rowCount);
    const column = frame.columns.get(code.name);
    if (column?.kind === 'number' && code.kind === 'number') {
      for (let row = 0; row < bins.length; row += 1) bins[row] = numberBin(code.edges, column.values[row] as number);
    } else if (column?.kind === 'text' && code.kind === 'text') {
      const positions = new Map(code.levels.map((text, index) => [text, index + 1]));
      const byLevel = column.levels.map((text) => positions.get(text) ?? code.levels.length + 1);
      for (let row = 0; row < bins.length; row += 1) bins[row] = byLevel[column.codes[row] as number] ?? 0;
    }
    return bins;
  });
}

function numberBin(edges: readonly number[], value: number): number {
  if (Number.isNaN(value)) return 0;
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value >= (edges[middle] as number)) low = middle + 1;
    else high = middle;
  }
  return low + 1;
}
