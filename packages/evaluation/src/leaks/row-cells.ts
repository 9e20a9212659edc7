import type { Column, Frame } from '@slipway/kernel';

/** Tokens that a text is compared by: lower case, letters and digits only. */
export function normalText(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** Columns of more different texts than this, so many characters long on average, are texts rather than categories. */
const FREE_TEXT_VALUES_MIN = 50;
const FREE_TEXT_LENGTH_MIN = 20;
/** What a word of a text says, were the other words known: common phrases repeat by themselves, sentences do not. */
const WORD_BITS = 4;

/** One input column over several frames, coded so that equal cells have equal codes; -1 = missing. */
export interface CodedField {
  readonly name: string;
  readonly kind: 'number' | 'text';
  readonly codes: readonly Int32Array[];
  /** Cells as numbers, for number columns. */
  readonly numbers: readonly Float64Array[];
  /** Bits that knowing each code says: -log2 of its share; the last entry is that of the missing value. */
  readonly bits: Float64Array;
  readonly freeText: boolean;
  /** Normal texts by code, for text columns. */
  readonly texts: readonly string[];
}

/** Codes a column over all frames together. */
export function codeField(name: string, frames: readonly Frame[]): CodedField {
  const columns = frames.map((frame) => frame.columns.get(name));
  const index = new Map<number | string, number>();
  const codes = columns.map((column, at) => codesOf(column, frames[at]?.rowCount ?? 0, index));
  const counts = new Float64Array(index.size + 1);
  let rows = 0;
  for (const part of codes) {
    rows += part.length;
    for (const code of part) {
      const at = code < 0 ? index.size : code;
      counts[at] = (counts[at] as number) + 1;
    }
  }
  const kind = columns[0]?.kind ?? 'text';
  const texts = kind === 'text' ? [...index.keys()].map(String) : [];
  const characters = texts.reduce((sum, text) => sum + text.length, 0);
  const freeText = texts.length > FREE_TEXT_VALUES_MIN && characters / texts.length >= FREE_TEXT_LENGTH_MIN;
  const bits = counts.map((count) => (count === 0 ? 0 : -Math.log2(count / rows)));
  if (freeText) texts.forEach((text, code) => (bits[code] = Math.max(bits[code] ?? 0, WORD_BITS * text.split(' ').length)));
  return {
    name,
    kind,
    codes,
    numbers: columns.map((column) => (column?.kind === 'number' ? column.values : new Float64Array())),
    bits,
    freeText,
    texts,
  };
}

function codesOf(column: Column | undefined, rowCount: number, index: Map<number | string, number>): Int32Array {
  const take = (value: number | string): number => {
    const known = index.get(value);
    if (known !== undefined) return known;
    index.set(value, index.size);
    return index.size - 1;
  };
  if (!column) return new Int32Array(rowCount).fill(-1);
  if (column.kind === 'number') return Int32Array.from(column.values, (value) => (Number.isNaN(value) ? -1 : take(value)));
  const levels = new Map<number, number>();
  return column.codes.map((code) => {
    if (code < 0) return -1;
    const known = levels.get(code) ?? take(normalText(column.levels[code] ?? ''));
    levels.set(code, known);
    return known;
  });
}
