import { type Contract, type Field, type Row, timestampMs } from './contract.ts';

/**
 * A column in memory. Numbers, booleans (0/1) and times (milliseconds UTC, exact in a double) share `number`, where
 * NaN is missing; strings are dictionary-encoded, where code -1 is missing. Typed arrays can be moved to a worker.
 */
export type Column =
  | { readonly kind: 'number'; readonly values: Float64Array }
  | { readonly kind: 'text'; readonly codes: Int32Array; readonly levels: readonly string[] };

/** A table in memory: every column has `rowCount` values. */
export interface Frame {
  readonly rowCount: number;
  readonly columns: ReadonlyMap<string, Column>;
}

/** The column a field becomes: categories and text are strings whatever their type, the rest are numbers. */
export function columnKind(field: Field): Column['kind'] {
  if (field.role === 'categorical' || field.role === 'text' || field.role === 'identifier') return 'text';
  return field.type === 'string' || field.type === 'json' ? 'text' : 'number';
}

/** Text of a categorical value, the same for training data and calls: numbers as ECMAScript prints them. */
export function categoryText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  const text = typeof value === 'string' ? value : String(value);
  return text === '' ? null : text;
}

/** Number of a value by its field's type; NaN when missing. The value must have passed the contract. */
export function numberOf(field: Field, value: unknown): number {
  if (value === null || value === undefined) return Number.NaN;
  if (field.type === 'timestamp') return timestampMs(value) ?? Number.NaN;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return Number(value);
}

/** Builds a frame of the contract's fields from rows that passed its check. */
export function frameFromRows(contract: Contract, rows: readonly Row[]): Frame {
  const columns = new Map<string, Column>();
  for (const field of contract.fields) {
    const values = rows.map((row) => (Object.hasOwn(row, field.name) ? row[field.name] : undefined));
    columns.set(
      field.name,
      columnKind(field) === 'text'
        ? textColumn(values.map(categoryText))
        : { kind: 'number', values: Float64Array.from(values, (value) => numberOf(field, value)) },
    );
  }
  return { rowCount: rows.length, columns };
}

/** Dictionary-encodes strings; levels appear in order of first use. */
export function textColumn(values: readonly (string | null)[]): Column {
  const index = new Map<string, number>();
  const codes = new Int32Array(values.length);
  values.forEach((value, row) => {
    if (value === null) {
      codes[row] = -1;
      return;
    }
    let code = index.get(value);
    if (code === undefined) {
      code = index.size;
      index.set(value, code);
    }
    codes[row] = code;
  });
  return { kind: 'text', codes, levels: [...index.keys()] };
}

/** The rows of a frame at the given positions, in that order. */
export function takeRows(frame: Frame, positions: Int32Array | readonly number[]): Frame {
  const columns = new Map<string, Column>();
  for (const [name, column] of frame.columns) {
    if (column.kind === 'number') {
      const values = new Float64Array(positions.length);
      for (let i = 0; i < positions.length; i += 1) values[i] = column.values[positions[i] as number] as number;
      columns.set(name, { kind: 'number', values });
    } else {
      const codes = new Int32Array(positions.length);
      for (let i = 0; i < positions.length; i += 1) codes[i] = column.codes[positions[i] as number] as number;
      columns.set(name, { kind: 'text', codes, levels: column.levels });
    }
  }
  return { rowCount: positions.length, columns };
}

/** A cell as text or number; null when missing. */
export function cell(column: Column, row: number): string | number | null {
  if (column.kind === 'text') {
    const code = column.codes[row] as number;
    return code < 0 ? null : (column.levels[code] as string);
  }
  const value = column.values[row] as number;
  return Number.isNaN(value) ? null : value;
}
