import type { EncodedFeature, EncodedMatrix } from '../matrix.ts';
import { BIN_LIMIT, GROUP_SIZE } from './kernel.ts';

/** Rows looked at to place the bins; more do not move quantiles noticeably (LightGBM's default too). */
const SAMPLE_ROW_LIMIT = 200_000;
/** A bin holds at least this many sampled rows, unless a single value has fewer. */
const MIN_BIN_ROWS = 3;

/** How one feature's values map to bins. Bin 0 is missing; a categorical feature's bin is its code. */
export interface FeatureBins {
  readonly kind: EncodedFeature['kind'];
  /** Bins in use, including bin 0. */
  readonly binCount: number;
  /** Numeric: bin b (from 1) holds values <= upper[b - 1] and > upper[b - 2]; the last is Infinity. Doubles lie between two float32 values. */
  readonly upper: Float64Array;
  /** Whether a training value was missing. */
  readonly hasMissing: boolean;
}

/** A binned table. The bins of four neighbouring features of a row share one 32-bit word: offset(f, row) = (⌊f/4⌋·rows + row)·4 + f mod 4. */
export interface BinnedMatrix {
  readonly rowCount: number;
  readonly features: readonly FeatureBins[];
  readonly bins: Uint8Array;
}

/** Number of 4-feature groups. */
export function groupCount(featureCount: number): number {
  return Math.ceil(featureCount / GROUP_SIZE);
}

/** Places bins of about equal counts for every feature; values that occur often get a bin of their own. */
export function fitBins(matrix: EncodedMatrix, binLimit = BIN_LIMIT - 1): FeatureBins[] {
  return matrix.features.map((feature, index) => {
    const column = matrix.columns[index] as Float32Array;
    if (feature.kind === 'categorical') {
      return { kind: 'categorical', binCount: feature.codeCount, upper: new Float64Array(0), hasMissing: column.includes(0) };
    }
    const { values, hasMissing } = sampleValues(column);
    const upper = placeBounds(values.toSorted(), binLimit - 1);
    return { kind: 'numeric', binCount: upper.length + 1, upper, hasMissing };
  });
}

function sampleValues(column: Float32Array): { values: Float32Array; hasMissing: boolean } {
  const stride = Math.max(1, Math.ceil(column.length / SAMPLE_ROW_LIMIT));
  const values = new Float32Array(Math.ceil(column.length / stride));
  let size = 0;
  for (let row = 0; row < column.length; row += stride) {
    const value = column[row] as number;
    // Adding zero turns -0 into +0: sorting tells them apart, the split condition does not.
    if (!Number.isNaN(value)) values[size++] = value + 0;
  }
  const hasMissing = column.some((value) => Number.isNaN(value));
  return { values: values.subarray(0, size), hasMissing };
}

function placeBounds(sorted: Float32Array, limit: number): Float64Array {
  const distinct: number[] = [];
  const counts: number[] = [];
  for (const value of sorted) {
    if (distinct.length > 0 && value === distinct[distinct.length - 1])
      counts[counts.length - 1] = (counts[counts.length - 1] as number) + 1;
    else {
      distinct.push(value);
      counts.push(1);
    }
  }
  const ends = distinct.length <= limit ? endsOfFew(counts) : endsOfMany(counts, sorted.length, limit);
  const upper = Float64Array.from(ends, (end) => between(distinct[end] as number, distinct[end + 1] as number));
  return Float64Array.from([...upper, Number.POSITIVE_INFINITY]);
}

/** Positions in the list of distinct values after which a bin ends (the last bin is implied). */
function endsOfFew(counts: readonly number[]): number[] {
  const ends: number[] = [];
  let rows = 0;
  for (let index = 0; index < counts.length - 1; index += 1) {
    rows += counts[index] as number;
    if (rows >= MIN_BIN_ROWS) {
      ends.push(index);
      rows = 0;
    }
  }
  return ends;
}

/** The greedy placement of LightGBM (Ke et al. 2017): frequent values alone, the rest in bins of about equal size. */
function endsOfMany(counts: readonly number[], total: number, limit: number): number[] {
  const binsAllowed = Math.max(1, Math.min(limit, Math.floor(total / MIN_BIN_ROWS)));
  let mean = total / binsAllowed;
  const isBig = counts.map((count) => count >= mean);
  let rowsLeft = 0;
  let binsLeft = binsAllowed;
  counts.forEach((count, index) => {
    if (isBig[index]) binsLeft -= 1;
    else rowsLeft += count;
  });
  mean = rowsLeft / Math.max(1, binsLeft);
  const ends: number[] = [];
  let rows = 0;
  for (let index = 0; index < counts.length - 1 && ends.length < binsAllowed - 1; index += 1) {
    const count = counts[index] as number;
    if (!isBig[index]) rowsLeft -= count;
    rows += count;
    if (isBig[index] || rows >= mean || (isBig[index + 1] && rows >= Math.max(1, mean / 2))) {
      ends.push(index);
      rows = 0;
      if (!isBig[index]) {
        binsLeft -= 1;
        mean = rowsLeft / Math.max(1, binsLeft);
      }
    }
  }
  return ends;
}

/** A double that separates two neighbouring float32 values, so that `x <= between` decides alike in both precisions. */
function between(low: number, high: number): number {
  const middle = low + (high - low) / 2;
  return Number.isFinite(middle) && middle >= low && middle < high ? middle : low;
}

/** Bins a table; values beyond the training range fall into the outermost bins. */
export function applyBins(matrix: EncodedMatrix, features: readonly FeatureBins[]): BinnedMatrix {
  const rows = matrix.rowCount;
  const bins = new Uint8Array(groupCount(features.length) * rows * GROUP_SIZE);
  features.forEach((feature, index) => {
    const start = Math.floor(index / GROUP_SIZE) * rows * GROUP_SIZE + (index % GROUP_SIZE);
    const column = matrix.columns[index] as Float32Array;
    if (feature.kind === 'categorical') writeCodes(column, bins, start, feature.binCount);
    else writeNumeric(column, bins, start, feature.upper);
  });
  return { rowCount: rows, features, bins };
}

function writeCodes(column: Float32Array, bins: Uint8Array, start: number, binCount: number): void {
  for (let row = 0; row < column.length; row += 1) {
    const code = column[row] as number;
    bins[start + row * GROUP_SIZE] = code < binCount ? code : 1;
  }
}

function writeNumeric(column: Float32Array, bins: Uint8Array, start: number, upper: Float64Array): void {
  if (column.length >= TABLE_ROWS_MIN) writeByTable(column, bins, start, upper);
  else writeByHalving(column, bins, start, upper);
}

/** Rows from which a table of float32's upper halves pays. */
const TABLE_ROWS_MIN = 20_000;
const HALVES = 65_536;

/** Order-preserving number 0..65535 of the upper 16 bits of a float32. */
const halfOf = (bits: number) => ((bits ^ ((bits >> 31) & 0x7fff_ffff)) >> 16) + HALVES / 2;

/**
 * The upper half of a float32's bits leaves few bins to choose from, often one: the rest is found by halving between the
 * bins of its smallest and of the next half's smallest value.
 */
function writeByTable(column: Float32Array, bins: Uint8Array, start: number, upper: Float64Array): void {
  const first = firstBinOfHalves(upper);
  const bits = new Int32Array(column.buffer, column.byteOffset, column.length);
  for (let row = 0; row < column.length; row += 1) {
    const value = column[row] as number;
    if (value !== value) continue;
    const half = halfOf(bits[row] as number);
    let low = first[half] as number;
    let high = first[half + 1] as number;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value > (upper[middle] as number)) low = middle + 1;
      else high = middle;
    }
    bins[start + row * GROUP_SIZE] = low + 1;
  }
}

/** For each half, how many bounds lie below its smallest value; one more entry for the end. */
function firstBinOfHalves(upper: Float64Array): Uint16Array {
  const first = new Uint16Array(HALVES + 1);
  const float = new Float32Array(1);
  const bits = new Int32Array(float.buffer);
  let below = 0;
  for (let half = 0; half < HALVES; half += 1) {
    const ordered = (half - HALVES / 2) << 16;
    bits[0] = ordered ^ ((ordered >> 31) & 0x7fff_ffff);
    // Halves of NaN compare false and keep the place; a half below zero starts at its value of largest size.
    const value = float[0] as number;
    while (below < upper.length - 1 && value > (upper[below] as number)) below += 1;
    first[half] = below;
  }
  first[HALVES] = upper.length - 1;
  return first;
}

/** Branch-free binary search over the bounds padded to 256: eight halvings a value. */
function writeByHalving(column: Float32Array, bins: Uint8Array, start: number, upper: Float64Array): void {
  const bounds = new Float64Array(BIN_LIMIT).fill(Number.POSITIVE_INFINITY);
  bounds.set(upper.subarray(0, upper.length - 1));
  for (let row = 0; row < column.length; row += 1) {
    const value = column[row] as number;
    if (value !== value) continue;
    let position = 0;
    for (let step = BIN_LIMIT >> 1; step > 0; step >>= 1) {
      if (value > (bounds[position + step - 1] as number)) position += step;
    }
    bins[start + row * GROUP_SIZE] = position + 1;
  }
}

/** The rows at the given positions, in that order. */
export function takeBinnedRows(data: BinnedMatrix, positions: Int32Array): BinnedMatrix {
  const groups = groupCount(data.features.length);
  const words = new Uint32Array(data.bins.buffer, data.bins.byteOffset, groups * data.rowCount);
  const taken = new Uint32Array(groups * positions.length);
  for (let group = 0; group < groups; group += 1) {
    const from = group * data.rowCount;
    const to = group * positions.length;
    for (let i = 0; i < positions.length; i += 1) taken[to + i] = words[from + (positions[i] as number)] as number;
  }
  return { rowCount: positions.length, features: data.features, bins: new Uint8Array(taken.buffer) };
}
