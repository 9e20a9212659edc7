/** The number that 16 bits of IEEE 754 half precision stand for. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const WORD = new Uint32Array(1);
const FLOAT = new Float32Array(WORD.buffer);

/** The number that 16 bits of bfloat16 (the upper half of a float32) stand for. */
export function fromBrain(bits: number): number {
  WORD[0] = bits << 16;
  return FLOAT[0] as number;
}
