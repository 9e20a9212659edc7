/** Text beyond this many UTF-16 units does not take part in hashes (its length does), so an update costs a bounded time. */
const HASHED_LENGTH_LIMIT = 1_024;

/** The two words of the last hash; a shared buffer, because returning an object would cost an allocation a value. */
const words = new Int32Array(2);

/**
 * 64 well mixed bits of a text in `words` (cyrb53's two multiplicative lanes with murmur3's finaliser). Stable across
 * machines and versions: stored sketches depend on it.
 */
export function hashText(text: string): Int32Array {
  const length = Math.min(text.length, HASHED_LENGTH_LIMIT);
  let first = 0xdeadbeef ^ text.length;
  let second = 0x41c6ce57 ^ text.length;
  for (let index = 0; index < length; index += 1) {
    const unit = text.charCodeAt(index);
    first = Math.imul(first ^ unit, 0x9e3779b1);
    second = Math.imul(second ^ unit, 0x5f356495);
  }
  words[0] = finish(first ^ (second >>> 13));
  words[1] = finish(second ^ (first >>> 17));
  return words;
}

function finish(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** A short name for a text that does not show it: 52 bits of its hash in base 36. */
export function textDigest(text: string): string {
  const [first, second] = hashText(text) as unknown as [number, number];
  return ((first >>> 0) * 1_048_576 + (second >>> 12)).toString(36);
}

/** The hash words behind a digest; the second without its lowest 12 bits. */
export function digestWords(digest: string): [first: number, second: number] {
  const number = Number.parseInt(digest, 36);
  const first = Math.floor(number / 1_048_576);
  return [first | 0, (number - first * 1_048_576) << 12];
}
