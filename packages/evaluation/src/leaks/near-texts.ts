import type { CodedField } from './row-cells.ts';

/** Words in a shingle, and how many shingles a text needs to be comparable. */
const SHINGLE_WORDS = 2;
const SHINGLES_MIN = 5;
/** Common shingles of two texts, divided by all of them, from which they are nearly the same. */
const SIMILARITY_MIN = 0.8;
/** A text is looked up by its rarest shingles, each found in at most so many other texts. */
const LOOKUPS = 4;
const POSTING_LIMIT = 40;
/** Longer texts are compared by their beginning. */
const TEXT_WORD_LIMIT = 400;

/** Pairs of different texts of one column that are nearly the same: for codes of one side, the nearest code of the other. */
export interface NearTexts {
  /** A code of the known side whose text is nearly that of the given code; undefined when there is none. */
  nearest(code: number): number | undefined;
}

/** @param known codes of the rows that may be found. */
export function indexTexts(field: CodedField, known: Int32Array): NearTexts {
  const postings = new Map<string, number[]>();
  const shingles = new Map<number, Set<string>>();
  const of = (code: number) => {
    const cached = shingles.get(code) ?? shinglesOf(field.texts[code] ?? '');
    shingles.set(code, cached);
    return cached;
  };
  for (const code of new Set(known)) {
    if (code < 0) continue;
    const set = of(code);
    if (set.size < SHINGLES_MIN) continue;
    for (const shingle of set) {
      const list = postings.get(shingle);
      if (!list) postings.set(shingle, [code]);
      else if (list.length <= POSTING_LIMIT) list.push(code);
    }
  }
  return {
    nearest(code) {
      const set = of(code);
      if (set.size < SHINGLES_MIN) return undefined;
      const rarest = [...set]
        .filter((shingle) => (postings.get(shingle)?.length ?? POSTING_LIMIT + 1) <= POSTING_LIMIT)
        .toSorted((a, b) => (postings.get(a)?.length ?? 0) - (postings.get(b)?.length ?? 0))
        .slice(0, LOOKUPS);
      const candidates = new Set(rarest.flatMap((shingle) => postings.get(shingle) ?? []));
      let best: number | undefined;
      let most = SIMILARITY_MIN;
      for (const candidate of candidates) {
        const similarity = candidate === code ? 1 : jaccard(set, of(candidate));
        if (similarity >= most) [best, most] = [candidate, similarity];
      }
      return best;
    },
  };
}

function shinglesOf(text: string): Set<string> {
  const words = text.split(' ', TEXT_WORD_LIMIT);
  const set = new Set<string>();
  for (let at = 0; at + SHINGLE_WORDS <= words.length; at += 1) set.add(words.slice(at, at + SHINGLE_WORDS).join(' '));
  return set;
}

function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let common = 0;
  for (const shingle of a) if (b.has(shingle)) common += 1;
  return common / (a.size + b.size - common);
}
