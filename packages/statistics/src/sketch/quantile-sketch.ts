import { SketchFormatError } from '../errors.ts';

/** Size of the top compactor. */
export const QUANTILE_SKETCH_K = 200;
/**
 * Stated bound on how far `cdf` may be from the truth for every point at once, as a share of the count, for K = 200
 * (99 % confidence; Apache DataSketches publishes 1.65 % for the same K, ours is tested against it with fixed seeds).
 */
export const RANK_ERROR_RATIO = 0.0165;

const SHRINK = 2 / 3;
const CAPACITY_MIN = 8;
const LEVEL_LIMIT = 54;
/**
 * Whole columns fill the level this far below the top with one value drawn at random from each block of 2^level. Compactors
 * down there have their smallest size, so that drawing adds a twentieth to the variance of a rank and leaves out most sorting.
 */
const SAMPLING_DEPTH = 8;

/**
 * Quantiles of a stream in about 600 doubles: the KLL sketch. An item of level h stands for 2^h values; a full level is
 * sorted and every second item moves up, the odd or the even ones by a coin that is a function of the seed and of what
 * was seen, so equal streams and equal merge trees give equal sketches. Source: Karnin, Lang & Liberty 2016.
 */
export class QuantileSketch {
  #levels: number[][] = [[]];
  /** Levels known to be in order. What is promoted is, so levels above the lowest are merged rather than sorted. */
  #ordered: boolean[] = [true];
  #retained = 0;
  #capacity = QUANTILE_SKETCH_K;
  #coin: number;
  #view: { readonly values: Float64Array; readonly cumulative: Float64Array } | undefined;

  constructor(seed = 1) {
    this.#coin = (seed | 0) === 0 ? 0x6d2b79f5 : seed | 0;
  }

  add(value: number): void {
    (this.#levels[0] as number[]).push(value);
    this.#ordered[0] = false;
    this.#retained += 1;
    this.#view = undefined;
    if (this.#retained > this.#capacity) this.#compress();
  }

  /**
   * Adds many finite numbers at once: as soon as the sketch is tall, one of each block of 2^level stands for its block (the
   * sampler of Karnin, Lang & Liberty), which costs a tenth of adding them one by one.
   */
  addMany(values: Float64Array): void {
    let at = 0;
    while (at < values.length) {
      const level = this.#levels.length - 1 - SAMPLING_DEPTH;
      if (level <= 0 || values.length - at < 1 << level) {
        this.add((values[at] as number) + 0);
        at += 1;
      } else at = this.#sample(values, at, level);
    }
    this.#view = undefined;
  }

  /** Draws from whole blocks until there are none or the sketch has grown. @returns where it stopped. */
  #sample(values: Float64Array, from: number, level: number): number {
    const items = this.#levels[level] as number[];
    const shift = 32 - level;
    const lastStart = values.length - (1 << level);
    const height = this.#levels.length;
    let at = from;
    let coin = this.#coin;
    for (; at <= lastStart && this.#levels.length === height; at += 1 << level) {
      // xorshift32: the coin is never 0, and its upper bits say which of the block.
      coin ^= coin << 13;
      coin ^= coin >>> 17;
      coin ^= coin << 5;
      items.push((values[at + (coin >>> shift)] as number) + 0);
      this.#ordered[level] = false;
      this.#retained += 1;
      if (this.#retained <= this.#capacity) continue;
      this.#coin = coin;
      this.#compress();
      coin = this.#coin;
    }
    this.#coin = coin;
    return at;
  }

  /** Adds a value that occurred many times at a cost that does not grow with the count (`count` whole, below 2^53). */
  addCounted(value: number, count: number): void {
    // Copies go in no higher than the level that a stream of this length would reach, so lower levels keep their room.
    const top = Math.max(0, Math.ceil(Math.log2(count / QUANTILE_SKETCH_K)));
    let rest = count;
    for (let level = top; level >= 0; level -= 1) {
      const weight = 2 ** level;
      const copies = Math.floor(rest / weight);
      for (let copy = 0; copy < copies; copy += 1) this.#levelAt(level).push(value);
      if (copies > 0) this.#ordered[level] = false;
      this.#retained += copies;
      rest -= copies * weight;
    }
    this.#afterBulk();
  }

  merge(other: QuantileSketch): void {
    other.#levels.forEach((items, level) => {
      this.#append(level, items, other.#ordered[level] === true);
      this.#retained += items.length;
    });
    this.#coin = Math.imul(this.#coin ^ (other.#coin >>> 7), 0x9e3779b1) ^ other.#coin || 1;
    this.#afterBulk();
  }

  #afterBulk(): void {
    this.#view = undefined;
    this.#capacity = totalCapacity(this.#levels.length);
    while (this.#retained > this.#capacity) this.#compress();
  }

  #levelAt(level: number): number[] {
    while (this.#levels.length <= level) {
      this.#levels.push([]);
      this.#ordered.push(true);
    }
    return this.#levels[level] as number[];
  }

  #append(level: number, items: readonly number[], isOrdered: boolean): void {
    const own = this.#levelAt(level);
    if (isOrdered && this.#ordered[level]) return mergeOrdered(own, items);
    for (let index = 0; index < items.length; index += 1) own.push(items[index] as number);
    this.#ordered[level] &&= items.length === 0;
  }

  /** Halves the lowest level that is over its share; one always is when the whole is over its capacity. */
  #compress(): void {
    const count = this.#levels.length;
    for (let level = 0; level < count; level += 1) {
      if ((this.#levels[level] as number[]).length >= capacityOf(level, count)) {
        this.#compact(level);
        break;
      }
    }
    this.#capacity = totalCapacity(this.#levels.length);
  }

  #compact(level: number): void {
    const items = this.#levels[level] as number[];
    if (!this.#ordered[level]) sortNumbers(items);
    // An odd item stays behind, at random the lowest or the highest, so that no end of the order is favoured.
    const odd = items.length % 2;
    const coin = this.#flip(items[items.length >> 1] as number);
    const first = odd === 1 && (coin & 2) !== 0 ? 1 : 0;
    const kept = odd === 0 ? undefined : (items[first === 1 ? 0 : items.length - 1] as number);
    const paired = items.length - odd;
    promoted.length = 0;
    for (let at = first + (coin & 1); at < first + paired; at += 2) promoted.push(items[at] as number);
    this.#append(level + 1, promoted, true);
    this.#retained -= paired / 2;
    items.length = 0;
    if (kept !== undefined) items.push(kept);
    this.#ordered[level] = true;
  }

  #flip(witness: number): number {
    scratch[0] = witness;
    let mixed = this.#coin ^ Math.imul((bits[0] as number) ^ (bits[1] as number), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    mixed ^= mixed >>> 16;
    this.#coin = (this.#coin + 0x9e3779b9) ^ (mixed << 1) || 1;
    return mixed >>> 8;
  }

  #sortedView() {
    if (this.#view) return this.#view;
    const pairs: { value: number; weight: number }[] = [];
    this.#levels.forEach((items, level) => {
      for (const value of items) pairs.push({ value, weight: 2 ** level });
    });
    pairs.sort((a, b) => a.value - b.value);
    const values = new Float64Array(pairs.length);
    const cumulative = new Float64Array(pairs.length);
    let sum = 0;
    pairs.forEach((pair, index) => {
      sum += pair.weight;
      values[index] = pair.value;
      cumulative[index] = sum;
    });
    this.#view = { values, cumulative };
    return this.#view;
  }

  /** Estimated share of values <= x; NaN when empty. */
  cdf(x: number): number {
    const { values, cumulative } = this.#sortedView();
    if (values.length === 0) return Number.NaN;
    const above = firstAbove(values, x);
    return above === 0 ? 0 : (cumulative[above - 1] as number) / (cumulative.at(-1) as number);
  }

  /** The smallest retained value whose estimated `cdf` reaches q; NaN when empty. */
  quantile(q: number): number {
    const { values, cumulative } = this.#sortedView();
    if (values.length === 0) return Number.NaN;
    const target = q * (cumulative.at(-1) as number);
    let low = 0;
    let high = values.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulative[middle] as number) >= target) high = middle;
      else low = middle + 1;
    }
    return values[low] as number;
  }

  /** How many doubles are kept. */
  get retained(): number {
    return this.#retained;
  }

  toJson(): { levels: string[]; coin: number } {
    this.#levels.forEach((items, level) => {
      if (!this.#ordered[level]) sortNumbers(items);
      this.#ordered[level] = true;
    });
    return { levels: this.#levels.map(packDoubles), coin: this.#coin };
  }

  /** @throws {SketchFormatError} */
  static fromJson(json: unknown): QuantileSketch {
    const { levels, coin } = (json ?? {}) as { levels?: unknown; coin?: unknown };
    if (!Array.isArray(levels) || levels.length < 1 || levels.length > LEVEL_LIMIT || !Number.isInteger(coin)) {
      throw new SketchFormatError('"quantiles" is no KLL sketch.');
    }
    const sketch = new QuantileSketch(coin as number);
    sketch.#levels = levels.map(unpackDoubles);
    sketch.#ordered = sketch.#levels.map(isAscending);
    sketch.#retained = sketch.#levels.reduce((sum, items) => sum + items.length, 0);
    sketch.#capacity = totalCapacity(levels.length);
    if (sketch.#retained > 4 * QUANTILE_SKETCH_K) throw new SketchFormatError('"quantiles" keeps more values than a sketch may.');
    return sketch;
  }

  /** How many values the retained items stand for. */
  get weight(): number {
    return this.#levels.reduce((sum, items, level) => sum + items.length * 2 ** level, 0);
  }
}

const scratch = new Float64Array(1);
const bits = new Int32Array(scratch.buffer);

const capacities: number[] = [];

function capacityOf(level: number, levelCount: number): number {
  const depth = levelCount - 1 - level;
  return (capacities[depth] ??= Math.max(CAPACITY_MIN, Math.ceil(QUANTILE_SKETCH_K * SHRINK ** depth)));
}

const totals: number[] = [];

function totalCapacity(levelCount: number): number {
  return (totals[levelCount] ??= Array.from({ length: levelCount }, (_, level) => capacityOf(level, levelCount)).reduce(
    (a, b) => a + b,
    0,
  ));
}

function firstAbove(values: Float64Array, x: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) > x) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What a compaction hands to the next level; one for all, because it is over before the next begins. */
const promoted: number[] = [];

/** Merges items in order into others in order, from the back, so that nothing is copied that is in its place. */
function mergeOrdered(own: number[], items: readonly number[]): void {
  let from = own.length - 1;
  let add = items.length - 1;
  let at = from + items.length;
  for (let index = 0; index < items.length; index += 1) own.push(0);
  for (; add >= 0; at -= 1) {
    const isOwn = from >= 0 && (own[from] as number) > (items[add] as number);
    own[at] = (isOwn ? own[from] : items[add]) as number;
    if (isOwn) from -= 1;
    else add -= 1;
  }
}

function isAscending(items: readonly number[]): boolean {
  for (let index = 1; index < items.length; index += 1) if ((items[index - 1] as number) > (items[index] as number)) return false;
  return true;
}

/** Where levels are sorted; one for all, because a sort is over before the next begins. */
const sorting = new Float64Array(4 * QUANTILE_SKETCH_K);

/** Sorts in place. Short runs by insertion (most are short or nearly sorted), long ones as doubles, which needs no comparator. */
function sortNumbers(items: number[]): number[] {
  if (items.length > 24) {
    const doubles = items.length <= sorting.length ? sorting.subarray(0, items.length) : new Float64Array(items.length);
    for (let index = 0; index < doubles.length; index += 1) doubles[index] = items[index] as number;
    doubles.sort();
    for (let index = 0; index < doubles.length; index += 1) items[index] = doubles[index] as number;
    return items;
  }
  for (let index = 1; index < items.length; index += 1) {
    const item = items[index] as number;
    let at = index;
    for (; at > 0 && (items[at - 1] as number) > item; at -= 1) items[at] = items[at - 1] as number;
    items[at] = item;
  }
  return items;
}

function packDoubles(items: readonly number[]): string {
  return Buffer.from(new Float64Array(items).buffer).toString('base64');
}

function unpackDoubles(packed: unknown): number[] {
  if (typeof packed !== 'string') throw new SketchFormatError('A level of "quantiles" is no text.');
  // A copy, because doubles need an offset divisible by eight.
  const bytes = new Uint8Array(Buffer.from(packed, 'base64'));
  if (bytes.length % 8 !== 0) throw new SketchFormatError('A level of "quantiles" is cut short.');
  const doubles = new Float64Array(bytes.buffer);
  const items: number[] = [];
  // A loop: iterators cost ten times as much, and a report reads hundreds of thousands of these.
  for (let index = 0; index < doubles.length; index += 1) {
    const value = doubles[index] as number;
    if (value - value !== 0) throw new SketchFormatError('A level of "quantiles" holds a value that is no number.');
    items.push(value);
  }
  return items;
}
