import type { Frame } from '@slipway/kernel';
import { type CodedField, codeField } from './row-cells.ts';

/** Bits beyond what tells the rows apart that equal cells must carry before two equal rows are copies and no accident. */
export const COPY_BITS_MARGIN = 10;

/** Bits that the cells of a row carry, were the columns independent. */
export function rowBits(fields: readonly CodedField[], side: number, row: number): number {
  let bits = 0;
  for (const field of fields) {
    const code = field.codes[side]?.[row] ?? -1;
    bits += field.bits[code < 0 ? field.bits.length - 1 : code] ?? 0;
  }
  return bits;
}

/** The cells of a row as one key; rows with the same key are equal in every input. */
export function rowKey(fields: readonly CodedField[], side: number, row: number): string {
  let key = '';
  for (const field of fields) key += `${field.codes[side]?.[row] ?? -1},`;
  return key;
}

/**
 * Rows that are equal in every one of these columns, where that is no accident: five yes-or-no columns repeat by
 * themselves, eleven measurements do not. @returns for each row the first row it is a copy of, itself included; -1 = no copy.
 */
export function findCopies(frame: Frame, columns: readonly string[]): Int32Array {
  const fields = columns.map((name) => codeField(name, [frame]));
  const copies = new Int32Array(frame.rowCount).fill(-1);
  const needed = Math.log2(Math.max(2, frame.rowCount)) + COPY_BITS_MARGIN;
  const first = new Map<string, number>();
  for (let row = 0; row < frame.rowCount; row += 1) {
    const key = rowKey(fields, 0, row);
    const known = first.get(key);
    if (known === undefined) first.set(key, row);
    else if (copies[known] === known || rowBits(fields, 0, row) >= needed) {
      copies[known] = known;
      copies[row] = known;
    }
  }
  return copies;
}
