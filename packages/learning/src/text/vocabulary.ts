import { foldCase, spellingsOf, tokensOf } from './tokens.ts';

/** Word pairs of the corpus that are counted at the same time; beyond it those seen once are forgotten. */
const PAIR_LIMIT = 1_000_000;
/** Words (folded) that are counted at the same time, likewise. */
const WORD_LIMIT = 500_000;
/** Words and pairs a vocabulary keeps, the most frequent. */
export const GRAM_LIMIT = 20_000;
/** A word or pair must occur in this many training rows. */
const ROWS_MIN = 2;

/** Single words and pairs of neighbours that a text is described by. */
export interface Vocabulary {
  /** Every spelling that is known, with its word's number (from 1); several spellings share a number. */
  readonly spellings: ReadonlyMap<string, number>;
  /** Numbers of the words that are grams of their own, in the order of the grams. */
  readonly singles: Int32Array;
  /** Pairs that are grams, after the singles: two word numbers each. */
  readonly pairs: Int32Array;
  readonly gramCount: number;
  /** Rows of the corpus each gram occurs in. */
  readonly rowCounts: Int32Array;
  /** Rows of the corpus, for inverse frequencies. */
  readonly corpusRows: number;
}

/** Texts with how many rows have each. */
export interface Corpus {
  readonly texts: readonly string[];
  readonly rows: Int32Array;
}

/** Counts the words and pairs of a corpus and keeps those that are frequent enough to be learnt from. Deterministic. */
export function fitVocabulary(corpus: Corpus, gramLimit = GRAM_LIMIT): Vocabulary {
  const counter = new GramCounter();
  corpus.texts.forEach((text, index) => {
    const rows = corpus.rows[index] as number;
    if (rows > 0) counter.add(tokensOf(text), rows);
  });
  return counter.vocabulary(gramLimit);
}

class GramCounter {
  /** Folded word to its number, by first use. */
  readonly #numbers = new Map<string, number>();
  readonly #spellings = new Map<string, number>();
  readonly #words = new Map<number, number>();
  readonly #pairs = new Map<number, number>();
  #corpusRows = 0;
  #next = 1;

  add(tokens: readonly string[], rows: number): void {
    this.#corpusRows += rows;
    const numbers = tokens.map((token) => this.#numberOf(token));
    for (const number of new Set(numbers)) this.#words.set(number, (this.#words.get(number) ?? 0) + rows);
    const pairs = new Set<number>();
    for (let at = 1; at < numbers.length; at += 1) pairs.add(pairKey(numbers[at - 1] as number, numbers[at] as number));
    for (const pair of pairs) this.#pairs.set(pair, (this.#pairs.get(pair) ?? 0) + rows);
    if (this.#pairs.size > PAIR_LIMIT) forgetRare(this.#pairs);
    if (this.#words.size > WORD_LIMIT) this.#forgetWords();
  }

  #numberOf(token: string): number {
    const known = this.#spellings.get(token);
    if (known !== undefined) return known;
    const folded = foldCase(token);
    let number = this.#numbers.get(folded);
    if (number === undefined) {
      number = this.#next++;
      this.#numbers.set(folded, number);
    }
    this.#spellings.set(token, number);
    return number;
  }

  #forgetWords(): void {
    forgetRare(this.#words);
    for (const [word, number] of this.#numbers) if (!this.#words.has(number)) this.#numbers.delete(word);
    for (const [token, number] of this.#spellings) if (!this.#words.has(number)) this.#spellings.delete(token);
  }

  vocabulary(gramLimit: number): Vocabulary {
    const grams = [
      ...[...this.#words].map(([key, rows]) => ({ key, rows, isPair: false })),
      ...[...this.#pairs].map(([key, rows]) => ({ key, rows, isPair: true })),
    ].filter((gram) => gram.rows >= ROWS_MIN && gram.rows < this.#corpusRows);
    const kept = grams
      .toSorted((left, right) => right.rows - left.rows || Number(left.isPair) - Number(right.isPair) || left.key - right.key)
      .slice(0, gramLimit);
    const singles = kept.filter((gram) => !gram.isPair);
    const pairs = kept.filter((gram) => gram.isPair);
    const numbers = this.#renumber([...singles.map((gram) => gram.key), ...pairs.flatMap((gram) => wordsOf(gram.key))]);
    return {
      spellings: this.#knownSpellings(numbers),
      singles: Int32Array.from(singles, (gram) => numbers.get(gram.key) as number),
      pairs: Int32Array.from(
        pairs.flatMap((gram) => wordsOf(gram.key)),
        (number) => numbers.get(number) as number,
      ),
      gramCount: kept.length,
      rowCounts: Int32Array.from([...singles, ...pairs], (gram) => gram.rows),
      corpusRows: this.#corpusRows,
    };
  }

  /** Small numbers from 1 for the words that are used. */
  #renumber(used: readonly number[]): Map<number, number> {
    const numbers = new Map<number, number>();
    for (const number of used) if (!numbers.has(number)) numbers.set(number, numbers.size + 1);
    return numbers;
  }

  /** What was seen comes first; then the usual spellings of each word that nothing else claims. */
  #knownSpellings(numbers: ReadonlyMap<number, number>): Map<string, number> {
    const known = new Map<string, number>();
    for (const [token, number] of this.#spellings) {
      const renumbered = numbers.get(number);
      if (renumbered !== undefined) known.set(token, renumbered);
    }
    for (const [word, number] of this.#numbers) {
      const renumbered = numbers.get(number);
      if (renumbered === undefined) continue;
      for (const spelling of spellingsOf(word)) if (!known.has(spelling)) known.set(spelling, renumbered);
    }
    return known;
  }
}

/** Two word numbers in one exact double. */
const PAIR_BASE = 2 ** 26;

function pairKey(first: number, second: number): number {
  return first * PAIR_BASE + second;
}

function wordsOf(pair: number): [number, number] {
  return [Math.floor(pair / PAIR_BASE), pair % PAIR_BASE];
}

/** Drops what was seen in fewer rows than the rows needed, more of it when that is not enough. */
function forgetRare(counts: Map<number, number>): void {
  const target = counts.size / 2;
  for (let least = ROWS_MIN; counts.size > target; least *= 2) {
    for (const [key, rows] of counts) if (rows < least) counts.delete(key);
  }
}

/** Finds the grams of texts; each gram at most once, ascending. */
export class GramFinder {
  readonly #vocabulary: Vocabulary;
  readonly #singles = new Map<number, number>();
  readonly #pairs = new Map<number, number>();

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    vocabulary.singles.forEach((number, gram) => this.#singles.set(number, gram));
    const { pairs, singles } = vocabulary;
    for (let at = 0; at < pairs.length; at += 2) {
      this.#pairs.set(pairKey(pairs[at] as number, pairs[at + 1] as number), singles.length + at / 2);
    }
  }

  gramsOf(tokens: readonly string[]): number[] {
    const grams = new Set<number>();
    let previous = 0;
    for (const token of tokens) {
      const number = this.#vocabulary.spellings.get(token) ?? 0;
      const single = this.#singles.get(number);
      if (single !== undefined) grams.add(single);
      const pair = previous > 0 && number > 0 ? this.#pairs.get(pairKey(previous, number)) : undefined;
      if (pair !== undefined) grams.add(pair);
      previous = number;
    }
    return [...grams].toSorted((left, right) => left - right);
  }
}
