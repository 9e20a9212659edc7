import { RangeOfValueError } from './errors.ts';

/** Numbers by row: typed arrays, or plain arrays in tests and small things. */
export type Numbers = Float64Array | Float32Array | Int32Array | Uint8Array | Uint16Array | Uint32Array | readonly number[];

/** Below this many values a comparison sort is faster than the radix sort's four histograms (measured 2026-11). */
const RADIX_FROM = 4_096;
const DIGIT_COUNT = 65_536;

/**
 * Positions of the values from highest to lowest; equal values keep their order. O(n): a radix sort over the bits of
 * the doubles from a few thousand values on. @throws {RangeOfValueError} if a value is NaN.
 */
export function orderDescending(values: Numbers): Uint32Array {
  const doubles = new Float64Array(values.length);
  for (let row = 0; row < doubles.length; row += 1) {
    // Adding zero turns -0 into 0, so that the two are one value by their bits as well.
    const value = (values[row] as number) + 0;
    if (Number.isNaN(value)) throw new RangeOfValueError(`Value ${row} is NaN; only numbers can be ordered.`);
    doubles[row] = value;
  }
  return doubles.length < RADIX_FROM ? orderByComparing(doubles) : orderByRadix(doubles);
}

/** 0, 1, 2, …; a loop, because `from` with a callback takes ten times as long. */
function positions(length: number): Uint32Array<ArrayBuffer> {
  const rows = new Uint32Array(length);
  for (let row = 0; row < length; row += 1) rows[row] = row;
  return rows;
}

function orderByComparing(doubles: Float64Array): Uint32Array {
  const order = positions(doubles.length);
  return order.toSorted((a, b) => {
    const x = doubles[a] as number;
    const y = doubles[b] as number;
    return x === y ? a - b : x > y ? -1 : 1;
  });
}

function orderByRadix(doubles: Float64Array): Uint32Array {
  const words = new Uint16Array(doubles.buffer.slice(0));
  const count = doubles.length;
  flipToDescendingKeys(words, count);
  let from = positions(count);
  let to = new Uint32Array(count);
  const starts = new Uint32Array(DIGIT_COUNT);
  for (let word = 0; word < 4; word += 1) {
    starts.fill(0);
    for (let row = 0; row < count; row += 1) increment(starts, words[row * 4 + word] as number);
    if (starts[words[word] as number] === count) continue;
    let position = 0;
    for (let digit = 0; digit < DIGIT_COUNT; digit += 1) {
      const size = starts[digit] as number;
      starts[digit] = position;
      position += size;
    }
    for (let index = 0; index < count; index += 1) {
      const row = from[index] as number;
      to[increment(starts, words[row * 4 + word] as number)] = row;
    }
    [from, to] = [to, from];
  }
  return from;
}

function increment(counts: Uint32Array, digit: number): number {
  const before = counts[digit] as number;
  counts[digit] = before + 1;
  return before;
}

/** Makes unsigned comparison of the bits order doubles from high to low (words are little-endian on every platform Node runs on). */
function flipToDescendingKeys(words: Uint16Array, count: number): void {
  for (let row = 0; row < count; row += 1) {
    const top = row * 4 + 3;
    const negative = (words[top] as number) >= 0x8000;
    if (negative) continue;
    words[top] = (words[top] as number) ^ 0x7fff;
    for (let word = 0; word < 3; word += 1) words[row * 4 + word] = (words[row * 4 + word] as number) ^ 0xffff;
  }
}
