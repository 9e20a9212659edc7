import { gunzipSync, gzipSync } from 'node:zlib';
import { TooLargeError } from '@slipway/kernel';

/** Largest text that is taken apart again. */
export const PLAIN_DATA_LIMIT_BYTES = 512 * 1024 * 1024;

const TYPED = { Float64Array, Float32Array, Int32Array, Uint32Array, Uint16Array, Uint8Array, BigInt64Array } as const;
type TypedName = keyof typeof TYPED;
type Typed = InstanceType<(typeof TYPED)[TypedName]>;

/** Plain data with typed arrays, as gzipped JSON: arrays become base64 of their little-endian bytes, bit for bit. */
export function packPlain(value: unknown): Uint8Array {
  const text = JSON.stringify(value, (_key, plain: unknown) => {
    // A typed array has no toJSON, but a Map, NaN and the like would be lost.
    if (ArrayBuffer.isView(plain)) return packTyped(plain as Typed);
    if (plain instanceof Map) return { $map: [...plain] };
    if (plain instanceof Set) return { $set: [...plain] };
    if (typeof plain === 'number' && !Number.isFinite(plain)) return { $number: String(plain) };
    return plain;
  });
  return gzipSync(text, { level: 1 });
}

/** What {@link packPlain} packed. @throws {TooLargeError} when it is larger than anything that was packed here. */
export function unpackPlain(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = gunzipSync(bytes, { maxOutputLength: PLAIN_DATA_LIMIT_BYTES }).toString('utf8');
  } catch (cause) {
    throw new TooLargeError('The stored explainer cannot be read.', { cause });
  }
  return JSON.parse(text, (_key, value: unknown) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
    if ('$typed' in value && '$base64' in value) return unpackTyped(value.$typed as TypedName, value.$base64 as string);
    if ('$map' in value) return new Map(value.$map as [unknown, unknown][]);
    if ('$set' in value) return new Set(value.$set as unknown[]);
    if ('$number' in value) return Number(value.$number);
    return value;
  });
}

function packTyped(array: Typed): { $typed: string; $base64: string } {
  return {
    $typed: array.constructor.name,
    $base64: Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64'),
  };
}

function unpackTyped(name: TypedName, base64: string): Typed {
  const bytes = Buffer.from(base64, 'base64');
  // Buffers of a pool start anywhere; wider arrays must start at a multiple of their width.
  const own = new Uint8Array(bytes.byteLength);
  own.set(bytes);
  return new TYPED[name](own.buffer);
}
