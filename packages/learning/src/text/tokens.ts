/**
 * Put at the end of every text in the graph and found by every expression: ONNX Runtime's Tokenizer gives no columns at
 * all when no text of a call has a token. No text has it by nature; one that does counts it here and there alike.
 */
export const END_SIGN = '\u0001';

/** Code points from..to, both included. */
type Range = readonly [from: number, to: number];

/**
 * Characters that are a token each: signs that carry meaning (money, questions, percentages, smileys) and the letters of
 * scripts that are written without spaces. Explicit ranges, since the Unicode classes of two engines differ by version.
 */
const SINGLE: readonly Range[] = [
  [0x01, 0x01], // END_SIGN
  [0x21, 0x21], // !
  [0x23, 0x26], // # $ % &
  [0x2a, 0x2b], // * +
  [0x3d, 0x3d], // =
  [0x3f, 0x40], // ? @
  [0xa1, 0xa5], // ¡ ¢ £ ¤ ¥
  [0xbf, 0xbf], // ¿
  [0x0e00, 0x0e7f], // Thai
  [0x20a0, 0x20bf], // currencies
  [0x2600, 0x27bf], // symbols
  [0x3040, 0x30ff], // kana
  [0x3400, 0x4dbf], // ideographs
  [0x4e00, 0x9fff],
  [0xf900, 0xfaff],
  [0x1f000, 0x1faff], // smileys
  [0x20000, 0x2fa1f], // rarer ideographs
];

/** Characters between tokens: spaces, controls and punctuation. */
const SEPARATOR: readonly Range[] = [
  [0x00, 0x00],
  [0x02, 0x20],
  [0x22, 0x22],
  [0x27, 0x29],
  [0x2c, 0x2f],
  [0x3a, 0x3c],
  [0x3e, 0x3e],
  [0x5b, 0x60],
  [0x7b, 0xa0],
  [0xa6, 0xa9],
  [0xab, 0xb4],
  [0xb6, 0xb9],
  [0xbb, 0xbe],
  [0x2000, 0x206f],
  [0x3000, 0x303f],
  [0xfe00, 0xfe0f],
  [0xff00, 0xff0f],
  [0xff1a, 0xff20],
];

type Escape = (codePoint: number) => string;
/** As RE2, which ONNX Runtime's Tokenizer uses, writes a code point. */
const RE2: Escape = (codePoint) => `\\x{${codePoint.toString(16)}}`;
/** As ECMAScript writes it. */
const ECMASCRIPT: Escape = (codePoint) => `\\u{${codePoint.toString(16)}}`;

function ranges(list: readonly Range[], escape: Escape): string {
  return list.map(([from, to]) => `${escape(from)}-${escape(to)}`).join('');
}

/** One token: a meaningful sign, or a run of anything that is neither a sign nor a separator. */
function wordPattern(escape: Escape): string {
  return `[${ranges(SINGLE, escape)}]|[^${ranges(SINGLE, escape)}${ranges(SEPARATOR, escape)}]+`;
}

/** A token of the text, as ONNX Runtime's Tokenizer takes it in `tokenexp`. */
export const WORD_EXPRESSION: string = wordPattern(RE2);
const WORD = new RegExp(wordPattern(ECMASCRIPT), 'gu');

/** What is counted in a text besides its words; expressions that RE2 and ECMAScript read alike. */
export const COUNTED = {
  digits: String.raw`[0-9\x01]`,
  capitals: String.raw`[A-Z\x01]`,
} as const;
export type CountedPart = 'words' | keyof typeof COUNTED;
export const COUNTED_PARTS: readonly CountedPart[] = ['words', 'digits', 'capitals'];
const COUNTERS = { digits: new RegExp(COUNTED.digits, 'g'), capitals: new RegExp(COUNTED.capitals, 'g') } as const;

/** The text as it arrives in the graph: the engine ends strings at NUL and replaces unpaired surrogates. */
export function arrivingText(text: string): string {
  const end = text.indexOf('\0');
  return (end < 0 ? text : text.slice(0, end)).toWellFormed();
}

/** The tokens of a text, in order, case kept. The graph's Tokenizer gives the same. */
export function tokensOf(text: string): string[] {
  return arrivingText(text).match(WORD) ?? [];
}

/** How many digits or capitals a text has. */
export function countPart(text: string, part: keyof typeof COUNTED): number {
  return arrivingText(text).match(COUNTERS[part])?.length ?? 0;
}

/** The token without its case: what the vocabulary counts. Independent of any locale. */
export function foldCase(token: string): string {
  return token.toLowerCase();
}

/** Spellings under which a folded word is looked up: the graph has no case folding that is the same on every machine. */
export function spellingsOf(folded: string): string[] {
  const [first = ''] = folded;
  return [...new Set([folded, first.toUpperCase() + folded.slice(first.length), folded.toUpperCase()])];
}
