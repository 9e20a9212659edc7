import type { Column } from '@slipway/kernel';

/** Numbers with at most this many different values are also looked at as categories. */
export const CATEGORY_LIMIT = 50;

/** The sampled cells of a column in the two forms that checks use. */
export interface LeakColumn {
  readonly name: string;
  /** NaN = missing; null when the column is text that holds no numbers. */
  readonly numbers: Float64Array | null;
  /** Codes of the different values, -1 = missing; null for numbers with many values. */
  readonly codes: Int32Array | null;
  readonly levelCount: number;
  /** Shown in reasons. */
  readonly levelName: (code: number) => string;
}

/** Share of texts that must read as numbers for the column to be one as well, such as `$1,200.50`. */
const NUMERIC_TEXT_RATIO = 0.95;
/** Longer texts are no written-out numbers. */
const NUMERIC_TEXT_LENGTH_LIMIT = 40;
const NUMBER_NOISE = /[\s,_$€£¥%]/g;

/** Takes the sampled rows of a column. */
export function leakColumn(name: string, column: Column, rows: Int32Array): LeakColumn {
  if (column.kind === 'number') {
    const numbers = Float64Array.from(rows, (row) => column.values[row] as number);
    const coded = codeNumbers(numbers);
    return {
      name,
      numbers,
      codes: coded?.codes ?? null,
      levelCount: coded?.values.length ?? 0,
      levelName: (code) => String(coded?.values[code]),
    };
  }
  const codes = Int32Array.from(rows, (row) => column.codes[row] as number);
  return {
    name,
    numbers: numbersOfTexts(codes, column.levels),
    codes,
    levelCount: column.levels.length,
    levelName: (code) => JSON.stringify(column.levels[code] ?? ''),
  };
}

function codeNumbers(numbers: Float64Array): { codes: Int32Array; values: number[] } | null {
  const index = new Map<number, number>();
  const codes = new Int32Array(numbers.length).fill(-1);
  for (let row = 0; row < numbers.length; row += 1) {
    const value = numbers[row] as number;
    if (Number.isNaN(value)) continue;
    const known = index.get(value);
    codes[row] = known ?? index.size;
    if (known === undefined) index.set(value, index.size);
    if (index.size > CATEGORY_LIMIT) return null;
  }
  return { codes, values: [...index.keys()] };
}

function numbersOfTexts(codes: Int32Array, levels: readonly string[]): Float64Array | null {
  const read = new Map<number, number>();
  const numbers = new Float64Array(codes.length).fill(Number.NaN);
  let present = 0;
  let numeric = 0;
  for (let row = 0; row < codes.length; row += 1) {
    const code = codes[row] as number;
    if (code < 0) continue;
    present += 1;
    const value = read.get(code) ?? numberOfText(levels[code] ?? '');
    read.set(code, value);
    numbers[row] = value;
    if (!Number.isNaN(value)) numeric += 1;
  }
  return present > 0 && numeric >= present * NUMERIC_TEXT_RATIO ? numbers : null;
}

function numberOfText(text: string): number {
  if (text.length > NUMERIC_TEXT_LENGTH_LIMIT) return Number.NaN;
  const digits = text.replace(NUMBER_NOISE, '');
  return digits === '' ? Number.NaN : Number(digits);
}
