import { SketchFormatError } from '../errors.ts';
import { textDigest } from './hash.ts';

/** Counters kept in memory; a value's count is off by at most (values seen) / 128. */
const TOP_VALUE_CAPACITY = 128;
/** Counters that leave in JSON, and the exact range: up to this many different values every count is exact. */
export const TOP_VALUE_LIMIT = 64;
/** A value seen fewer times than this leaves only as a digest: rare texts may be personal data. */
export const RARE_COUNT_LIMIT = 5;
/** Longer texts are counted under their digest, so that a sketch stays small whatever callers send. */
export const VALUE_LENGTH_LIMIT = 128;

const DIGEST_MARK = '\u0000';

/** A frequent value; it occurred at least `count` and at most `count + error` times. */
export interface TopValue {
  /** Null when the value was rare in every part, or too long, so that its text was never kept. */
  readonly value: string | null;
  readonly count: number;
  readonly error: number;
}

/** `[text, count, error]`; texts of rare values are replaced by digests and listed apart. */
type JsonEntry = [text: string, count: number, error?: number];
export interface TopValuesJson {
  readonly values: JsonEntry[];
  readonly rare: JsonEntry[];
  readonly floor: number;
}

interface Entry {
  readonly key: string;
  readonly upper: number;
  readonly error: number;
}

/**
 * The most frequent texts of a stream with guaranteed bounds: the space-saving summary. A value without a counter
 * takes over the smallest one and inherits its count as error.
 * Source: Metwally, Agrawal & El Abbadi 2005; merging after Cafaro, Pulimeno & Tempesta 2016.
 */
export class TopValues {
  readonly #slots = new Map<string, number>();
  readonly #keys: string[] = [];
  /** Upper bounds and how much of them is inherited; ordinary arrays stay small while few values exist. */
  readonly #upper: number[] = [];
  readonly #error: number[] = [];
  /** No value without a counter occurred more often than this in what was merged or read in. */
  #floor = 0;
  #smallest = 0;
  #digests = 0;

  /** Counts a value. @returns true when it had no counter, so it may be new. */
  add(text: string, times: number): boolean {
    const key = text.length > VALUE_LENGTH_LIMIT || text.startsWith(DIGEST_MARK) ? DIGEST_MARK + textDigest(text) : text;
    const slot = this.#slots.get(key);
    if (slot !== undefined) {
      this.#upper[slot] = (this.#upper[slot] as number) + times;
      return false;
    }
    if (this.#keys.length < TOP_VALUE_CAPACITY) this.#append({ key, upper: this.#floor + times, error: this.#floor });
    else this.#takeOver(key, times);
    return true;
  }

  #append(entry: Entry): void {
    this.#slots.set(entry.key, this.#keys.length);
    this.#keys.push(entry.key);
    this.#upper.push(entry.upper);
    this.#error.push(entry.error);
    if (entry.key.startsWith(DIGEST_MARK)) this.#digests += 1;
  }

  #takeOver(key: string, times: number): void {
    const slot = this.#findSmallest();
    const old = this.#keys[slot] as string;
    if (old.startsWith(DIGEST_MARK)) this.#digests -= 1;
    if (key.startsWith(DIGEST_MARK)) this.#digests += 1;
    this.#slots.delete(old);
    this.#slots.set(key, slot);
    this.#keys[slot] = key;
    const inherited = Math.max(this.#upper[slot] as number, this.#floor);
    this.#error[slot] = inherited;
    this.#upper[slot] = inherited + times;
  }

  /** Counts only grow, so a counter equal to the last known smallest is smallest still: most searches stop early. */
  #findSmallest(): number {
    const known = this.#upper.indexOf(this.#smallest);
    if (known >= 0) return known;
    let slot = 0;
    for (let index = 1; index < this.#upper.length; index += 1) {
      if ((this.#upper[index] as number) < (this.#upper[slot] as number)) slot = index;
    }
    this.#smallest = this.#upper[slot] as number;
    return slot;
  }

  /** How often a value without a counter may have occurred. */
  get absentAtMost(): number {
    return this.#keys.length < TOP_VALUE_CAPACITY ? this.#floor : Math.max(this.#floor, Math.min(...this.#upper));
  }

  /** How many counters there are. */
  get size(): number {
    this.#foldDigests();
    return this.#keys.length;
  }

  /** Calls back with each counted text's digest, or the text itself where it is known. */
  forEachKey(use: (text: string | null, digest: string | null) => void): void {
    for (const key of this.#keys) {
      if (key.startsWith(DIGEST_MARK)) use(null, key.slice(1));
      else use(key, null);
    }
  }

  merge(other: TopValues): void {
    this.#foldDigests();
    other.#foldDigests();
    if (this.#digests > 0) this.#nameDigests(other);
    const otherDigests = other.#digests > 0;
    const mine = new Set(this.#keys);
    const absentHere = this.absentAtMost;
    const absentThere = other.absentAtMost;
    const merged: Entry[] = [];
    for (const [slot, key] of this.#keys.entries()) {
      const there = other.#slots.get(key) ?? (otherDigests ? other.#slots.get(DIGEST_MARK + textDigest(key)) : undefined);
      merged.push(this.#plus(slot, there === undefined ? undefined : other.#entry(there), absentThere));
      if (there !== undefined) mine.add(other.#keys[there] as string);
    }
    for (const [slot, key] of other.#keys.entries()) {
      if (!mine.has(key))
        merged.push({ key, upper: (other.#upper[slot] as number) + absentHere, error: (other.#error[slot] as number) + absentHere });
    }
    this.#reset(merged, absentHere + absentThere, TOP_VALUE_CAPACITY);
  }

  #plus(slot: number, there: Entry | undefined, absentThere: number): Entry {
    const { key, upper, error } = this.#entry(slot);
    return { key, upper: upper + (there?.upper ?? absentThere), error: error + (there?.error ?? absentThere) };
  }

  #entry(slot: number): Entry {
    return { key: this.#keys[slot] as string, upper: this.#upper[slot] as number, error: this.#error[slot] as number };
  }

  #entries(): Entry[] {
    return this.#keys.map((_, slot) => this.#entry(slot));
  }

  /** Replaces the counters by the `limit` largest of the entries; what is dropped raises the floor. */
  #reset(entries: Entry[], floor: number, limit: number): void {
    const kept = entries.toSorted(byUpper);
    const dropped = kept.splice(limit);
    this.#slots.clear();
    this.#keys.length = 0;
    this.#upper.length = 0;
    this.#error.length = 0;
    this.#digests = 0;
    this.#smallest = 0;
    this.#floor = Math.max(floor, dropped[0]?.upper ?? 0);
    for (const entry of kept) this.#append(entry);
  }

  /** Joins counters that turned out to be of one value, once under its text and once under its digest. */
  #foldDigests(): void {
    if (this.#digests > 0) this.#nameDigests(this);
  }

  /** Gives digests their texts back where `known` has them. */
  #nameDigests(known: TopValues): void {
    const names = new Map<string, string>();
    for (const key of known.#keys) if (!key.startsWith(DIGEST_MARK)) names.set(DIGEST_MARK + textDigest(key), key);
    if (names.size === 0 || !this.#keys.some((key) => names.has(key))) return;
    const joined = new Map<string, Entry>();
    for (const entry of this.#entries()) {
      const key = names.get(entry.key) ?? entry.key;
      const before = joined.get(key);
      joined.set(key, { key, upper: entry.upper + (before?.upper ?? 0), error: entry.error + (before?.error ?? 0) });
    }
    this.#reset([...joined.values()], this.#floor, TOP_VALUE_CAPACITY);
  }

  /** How often a value occurred at least; 0 for a value without a counter. */
  countOf(text: string): number {
    const byText = this.#slots.get(text);
    const byDigest = this.#digests > 0 || text.length > VALUE_LENGTH_LIMIT ? this.#slots.get(DIGEST_MARK + textDigest(text)) : undefined;
    return this.#lower(byText) + this.#lower(byDigest);
  }

  #lower(slot: number | undefined): number {
    return slot === undefined ? 0 : (this.#upper[slot] as number) - (this.#error[slot] as number);
  }

  /** The most frequent values, by guaranteed count. */
  list(limit: number): TopValue[] {
    this.#foldDigests();
    const entries = this.#entries().toSorted((a, b) => b.upper - b.error - (a.upper - a.error) || compareText(a.key, b.key));
    return entries
      .slice(0, limit)
      .map(({ key, upper, error }) => ({ value: key.startsWith(DIGEST_MARK) ? null : key, count: upper - error, error }));
  }

  /** @param known texts that may be shown however rare they are, such as the categories of the training data. */
  toJson(known: ReadonlySet<string> | undefined): TopValuesJson {
    this.#foldDigests();
    const entries = this.#entries().toSorted(byUpper);
    const values: JsonEntry[] = [];
    const rare: JsonEntry[] = [];
    for (const { key, upper, error } of entries.slice(0, TOP_VALUE_LIMIT)) {
      const count = upper - error;
      const tail: [number, number?] = error === 0 ? [count] : [count, error];
      if (key.startsWith(DIGEST_MARK)) rare.push([key.slice(1), ...tail]);
      else if (count >= RARE_COUNT_LIMIT || known?.has(key)) values.push([key, ...tail]);
      else rare.push([textDigest(key), ...tail]);
    }
    return { values, rare, floor: Math.max(this.absentAtMost, entries[TOP_VALUE_LIMIT]?.upper ?? 0) };
  }

  /** @throws {SketchFormatError} */
  static fromJson(json: unknown): TopValues {
    const { values, rare, floor } = (json ?? {}) as { values?: unknown; rare?: unknown; floor?: unknown };
    if (!Array.isArray(values) || !Array.isArray(rare) || !isCount(floor)) throw new SketchFormatError('"top" holds no counters.');
    if (values.length + rare.length > TOP_VALUE_CAPACITY)
      throw new SketchFormatError(`"top" has more than ${TOP_VALUE_CAPACITY} counters.`);
    const top = new TopValues();
    const entries = [...values.map((entry) => readEntry(entry, '')), ...rare.map((entry) => readEntry(entry, DIGEST_MARK))];
    if (new Set(entries.map((entry) => entry.key)).size !== entries.length) throw new SketchFormatError('"top" counts a value twice.');
    top.#reset(entries, floor, TOP_VALUE_CAPACITY);
    return top;
  }
}

function readEntry(entry: unknown, mark: string): Entry {
  const [text, count, error = 0] = (Array.isArray(entry) ? entry : []) as unknown[];
  if (typeof text !== 'string' || !isCount(count) || !isCount(error))
    throw new SketchFormatError('"top" has a counter that is no [text, count, error].');
  return { key: mark + text, upper: count + error, error };
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function byUpper(a: Entry, b: Entry): number {
  return b.upper - a.upper || compareText(a.key, b.key);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
