import { RangeOfValueError } from './errors.ts';

/** Anything `shuffle` can reorder in place. */
export type Shuffleable = Int32Array | Uint32Array | Float64Array | unknown[];

/** A seeded stream of random numbers: the same seed gives the same numbers on every machine and version. */
export interface Random {
  /** Uniform in [0, 1) with 53 random bits. */
  next(): number;
  /** Uniform whole number in [0, 2^32). */
  uint32(): number;
  /** Uniform whole number in [0, limit), without modulo bias. @throws {RangeOfValueError} unless 1 <= limit <= 2^32. */
  int(limit: number): number;
  /** Standard normal (polar method of Marsaglia). */
  normal(): number;
  /** Reorders the array in place (Fisher-Yates). */
  shuffle<T extends Shuffleable>(array: T): T;
  /** `size` different whole numbers of [0, limit) in random order. O(limit) memory. */
  sampleWithoutReplacement(limit: number, size: number): Int32Array;
  /** Sets counts[i] to how often row i occurs in a sample of counts.length rows drawn with replacement. */
  resample(counts: Uint16Array | Uint32Array): void;
  /** A stream of its own for a named purpose; depends on the seed and the label, not on what was drawn before. */
  fork(label: string): Random;
}

/**
 * Random numbers by sfc32 (Doty-Humphrey's small fast chaotic generator, period above 2^128 on average, passes
 * PractRand), its state filled by splitmix32 from the seed. Not for secrets.
 * @param seed any number or text; numbers and their decimal texts give different streams.
 */
export function createRandom(seed: number | string): Random {
  return new Sfc32(typeof seed === 'number' ? `n:${seed}` : `s:${seed}`);
}

const TWO_32 = 4_294_967_296;
/** Below this limit a 32-bit draw times the limit is exact in a double. */
const EXACT_PRODUCT_LIMIT = 2_097_152;
const WARM_UP_ROUNDS = 12;

class Sfc32 implements Random {
  readonly #seed: string;
  readonly #state: Int32Array;
  #spareNormal: number | undefined;

  constructor(seed: string) {
    this.#seed = seed;
    this.#state = seedState(seed);
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) this.uint32();
  }

  uint32(): number {
    const s = this.#state as Int32Array & Record<0 | 1 | 2 | 3, number>;
    const result = (((s[0] + s[1]) | 0) + s[3]) | 0;
    s[3] = (s[3] + 1) | 0;
    s[0] = s[1] ^ (s[1] >>> 9);
    s[1] = (s[2] + (s[2] << 3)) | 0;
    s[2] = (((s[2] << 21) | (s[2] >>> 11)) + result) | 0;
    return result >>> 0;
  }

  next(): number {
    const high = this.uint32() >>> 5;
    return (high * 67_108_864 + (this.uint32() >>> 6)) / 9_007_199_254_740_992;
  }

  int(limit: number): number {
    if (!Number.isInteger(limit) || limit < 1 || limit > TWO_32) {
      throw new RangeOfValueError(`The limit must be a whole number from 1 to 2^32, got ${limit}.`);
    }
    return limit <= EXACT_PRODUCT_LIMIT ? this.#intByProduct(limit) : this.#intByMask(limit);
  }

  /** Lemire's multiplication method; the product is exact in a double. */
  #intByProduct(limit: number): number {
    for (;;) {
      const product = this.uint32() * limit;
      const high = Math.floor(product / TWO_32);
      const low = product - high * TWO_32;
      if (low >= limit || low >= TWO_32 % limit) return high;
    }
  }

  #intByMask(limit: number): number {
    const shift = Math.clz32(limit - 1);
    for (;;) {
      const draw = this.uint32() >>> shift;
      if (draw < limit) return draw;
    }
  }

  normal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    for (;;) {
      const x = 2 * this.next() - 1;
      const y = 2 * this.next() - 1;
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const scale = Math.sqrt((-2 * Math.log(square)) / square);
      this.#spareNormal = y * scale;
      return x * scale;
    }
  }

  shuffle<T extends Shuffleable>(array: T): T {
    const items = array as unknown[];
    for (let last = items.length - 1; last > 0; last -= 1) {
      const other = this.int(last + 1);
      const moved = items[last];
      items[last] = items[other];
      items[other] = moved;
    }
    return array;
  }

  sampleWithoutReplacement(limit: number, size: number): Int32Array {
    if (!Number.isInteger(size) || size < 0 || size > limit) {
      throw new RangeOfValueError(`Cannot draw ${size} different numbers below ${limit}.`);
    }
    const pool = Int32Array.from({ length: limit }, (_, index) => index);
    for (let index = 0; index < size; index += 1) {
      const other = index + this.int(limit - index);
      const moved = pool[index] as number;
      pool[index] = pool[other] as number;
      pool[other] = moved;
    }
    return pool.slice(0, size);
  }

  resample(counts: Uint16Array | Uint32Array): void {
    counts.fill(0);
    const length = counts.length;
    for (let draw = 0; draw < length; draw += 1) {
      const row = this.int(length);
      counts[row] = (counts[row] as number) + 1;
    }
  }

  fork(label: string): Random {
    return new Sfc32(`${this.#seed}/${label}`);
  }
}

/** Four words from text: FNV-1a folded into splitmix32, so that near seeds give unrelated states. */
function seedState(text: string): Int32Array {
  let low = 0x811c9dc5;
  let high = 0x9747b28c;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x5bd1e995) ^ (high >>> 15);
  }
  const state = new Int32Array(4);
  let counter = low ^ 0;
  for (let word = 0; word < 4; word += 1) {
    counter = (counter + 0x9e3779b9) | 0;
    state[word] = splitmix(counter ^ (word % 2 === 0 ? high : Math.imul(high, 0x85ebca6b)));
  }
  return state;
}

function splitmix(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}
