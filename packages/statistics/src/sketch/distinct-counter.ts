import { SketchFormatError } from '../errors.ts';
import { digestWords, hashText } from './hash.ts';

const REGISTER_BITS = 11;
const REGISTER_COUNT = 1 << REGISTER_BITS;

/** One standard error of an estimate: 1.04 / sqrt(2,048). */
export const DISTINCT_STANDARD_ERROR_RATIO = 0.023;

/** Below this many used registers the JSON lists them; above, all go out packed. */
const SPARSE_LIMIT = 400;

/**
 * How many different texts were seen, in 2 KB: HyperLogLog with 2,048 registers and Ertl's improved estimator, which
 * needs no bias table. Merging takes register maxima, so order and repetition do not matter.
 * Source: Flajolet et al. 2007; Ertl 2017 (arXiv 1702.01284, algorithm 6).
 */
export class DistinctCounter {
  readonly #registers = new Uint8Array(REGISTER_COUNT);

  add(text: string): void {
    const hash = hashText(text) as Int32Array & Record<0 | 1, number>;
    this.#addHash(hash[0], hash[1]);
  }

  /** Counts a text of which only the digest is known; it falls into the same register. */
  addDigest(digest: string): void {
    const [first, second] = digestWords(digest);
    this.#addHash(first, second);
  }

  #addHash(first: number, second: number): void {
    const register = first >>> (32 - REGISTER_BITS);
    const rank = Math.clz32(second) + 1;
    if (rank > (this.#registers[register] as number)) this.#registers[register] = rank;
  }

  merge(other: DistinctCounter): void {
    for (let index = 0; index < REGISTER_COUNT; index += 1) {
      const rank = other.#registers[index] as number;
      if (rank > (this.#registers[index] as number)) this.#registers[index] = rank;
    }
  }

  estimate(): number {
    const highest = 33;
    const histogram = new Float64Array(highest + 1);
    for (const rank of this.#registers) histogram[rank] = (histogram[rank] as number) + 1;
    let sum = REGISTER_COUNT * tau(1 - (histogram[highest] as number) / REGISTER_COUNT);
    for (let rank = highest - 1; rank >= 1; rank -= 1) sum = 0.5 * (sum + (histogram[rank] as number));
    sum += REGISTER_COUNT * sigma((histogram[0] as number) / REGISTER_COUNT);
    return (REGISTER_COUNT * REGISTER_COUNT) / (2 * Math.LN2) / sum;
  }

  /** Base64 of the registers, or of (index, rank) triples while few are used. */
  toJson(): string {
    const used: number[] = [];
    for (let index = 0; index < REGISTER_COUNT; index += 1) {
      const rank = this.#registers[index] as number;
      if (rank > 0) used.push(index >>> 8, index & 255, rank);
    }
    if (used.length > SPARSE_LIMIT * 3) return `d${Buffer.from(this.#registers).toString('base64')}`;
    return `s${Buffer.from(used).toString('base64')}`;
  }

  /** @throws {SketchFormatError} */
  static fromJson(json: unknown): DistinctCounter {
    if (typeof json !== 'string' || !/^[ds][A-Za-z0-9+/]*={0,2}$/.test(json))
      throw new SketchFormatError('"distinct" is no packed counter.');
    const bytes = Buffer.from(json.slice(1), 'base64');
    const counter = new DistinctCounter();
    if (json.startsWith('d')) {
      if (bytes.length !== REGISTER_COUNT) throw new SketchFormatError(`"distinct" has ${bytes.length} registers, not ${REGISTER_COUNT}.`);
      counter.#registers.set(bytes);
    } else {
      if (bytes.length % 3 !== 0) throw new SketchFormatError('"distinct" is cut short.');
      for (let at = 0; at < bytes.length; at += 3) {
        counter.#registers[(((bytes[at] as number) << 8) | (bytes[at + 1] as number)) & (REGISTER_COUNT - 1)] = bytes[at + 2] as number;
      }
    }
    if (counter.#registers.some((rank) => rank > 33)) throw new SketchFormatError('"distinct" has a register above 33.');
    return counter;
  }
}

function sigma(ratio: number): number {
  if (ratio === 1) return Number.POSITIVE_INFINITY;
  let x = ratio;
  let y = 1;
  let sum = x;
  for (let round = 0; round < 64; round += 1) {
    x *= x;
    const before = sum;
    sum += x * y;
    y += y;
    if (sum === before) break;
  }
  return sum;
}

function tau(ratio: number): number {
  if (ratio === 0 || ratio === 1) return 0;
  let x = ratio;
  let y = 1;
  let sum = 1 - x;
  for (let round = 0; round < 64; round += 1) {
    x = Math.sqrt(x);
    const before = sum;
    y *= 0.5;
    sum -= (1 - x) ** 2 * y;
    if (sum === before) break;
  }
  return sum / 3;
}
