import { isUtf8 } from 'node:buffer';
import { type Datatype, ELEMENT_BYTES, type Tensor, type Values } from './datatypes.ts';
import { TensorError } from './errors.ts';
import { fromBrain, fromHalf } from './float16.ts';

/**
 * Reads the raw form of a tensor: little-endian elements, BOOL one byte each, BYTES a 4-byte length and UTF-8 text each.
 * @param count elements that the shape says. @throws {TensorError} when the bytes are not exactly those.
 */
export function decodeRaw(name: string, datatype: Datatype, bytes: Uint8Array, count: number): Values {
  if (datatype === 'BYTES') return decodeTexts(name, bytes, count);
  const width = ELEMENT_BYTES[datatype];
  if (bytes.length !== count * width) {
    throw new TensorError(`The input "${name}" has ${bytes.length} bytes; ${count} elements of ${datatype} take ${count * width}.`, {
      details: { input: name, expectedBytes: count * width, gotBytes: bytes.length },
    });
  }
  return decodeNumbers(name, datatype, aligned(bytes, width), count);
}

/** Typed arrays need their first byte at a multiple of the element's size. Little-endian, as every machine we run on. */
function aligned(bytes: Uint8Array, width: number): Uint8Array {
  return bytes.byteOffset % width === 0 ? bytes : Uint8Array.from(bytes);
}

function decodeNumbers(name: string, datatype: Exclude<Datatype, 'BYTES'>, bytes: Uint8Array, count: number): Values {
  const { buffer, byteOffset } = bytes;
  switch (datatype) {
    case 'BOOL':
      return Array.from(bytes, (byte) => {
        if (byte > 1)
          throw new TensorError(`The input "${name}" has the BOOL byte ${byte}; only 0 and 1 are.`, { details: { input: name } });
        return byte === 1;
      });
    case 'UINT8':
      return bytes;
    case 'UINT16':
      return new Uint16Array(buffer, byteOffset, count);
    case 'UINT32':
      return new Uint32Array(buffer, byteOffset, count);
    case 'UINT64':
      return new BigUint64Array(buffer, byteOffset, count);
    case 'INT8':
      return new Int8Array(buffer, byteOffset, count);
    case 'INT16':
      return new Int16Array(buffer, byteOffset, count);
    case 'INT32':
      return new Int32Array(buffer, byteOffset, count);
    case 'INT64':
      return new BigInt64Array(buffer, byteOffset, count);
    case 'FP16':
      return Float64Array.from(new Uint16Array(buffer, byteOffset, count), fromHalf);
    case 'BF16':
      return Float64Array.from(new Uint16Array(buffer, byteOffset, count), fromBrain);
    case 'FP32':
      return new Float32Array(buffer, byteOffset, count);
    case 'FP64':
      return new Float64Array(buffer, byteOffset, count);
  }
}

const LENGTH_BYTES = 4;

function decodeTexts(name: string, bytes: Uint8Array, count: number): string[] {
  const broken = (reason: string) =>
    new TensorError(`The input "${name}" ${reason}.`, { details: { input: name, expectedElements: count } });
  // Each element takes at least its length, so a shape cannot make this loop longer than the bytes allow.
  if (count * LENGTH_BYTES > bytes.length) throw broken(`has ${bytes.length} bytes, too few for ${count} elements of BYTES`);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts: string[] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    if (at + LENGTH_BYTES > buffer.length) throw broken(`ends within element ${index}`);
    const end = at + LENGTH_BYTES + buffer.readUInt32LE(at);
    if (end > buffer.length) throw broken(`ends within element ${index}`);
    texts.push(textOf(name, buffer.subarray(at + LENGTH_BYTES, end)));
    at = end;
  }
  if (at !== buffer.length) throw broken(`has ${buffer.length - at} bytes more than its ${count} elements`);
  return texts;
}

/** An element of BYTES as text. @throws {TensorError} when it is no UTF-8, or holds a NUL, which cannot be stored. */
export function textOf(name: string, bytes: Uint8Array): string {
  if (!isUtf8(bytes) || bytes.includes(0)) {
    throw new TensorError(`The input "${name}" has an element that is no UTF-8 text without NUL.`, { details: { input: name } });
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** The raw form of an output tensor. */
export function encodeRaw({ name, datatype, values }: Tensor): Uint8Array {
  switch (datatype) {
    case 'BYTES':
      return encodeTexts(values as ArrayLike<string>);
    case 'FP64':
      return bytesOf(values instanceof Float64Array ? values : Float64Array.from(values as ArrayLike<number>));
    case 'INT64':
      return bytesOf(BigInt64Array.from(values as ArrayLike<number>, (value) => BigInt(value)));
    case 'BOOL':
      return Uint8Array.from(values as ArrayLike<boolean>, Number);
    default:
      throw new Error(`Broken invariant: the output "${name}" of ${datatype} is none that we make`);
  }
}

function bytesOf(array: Float64Array | BigInt64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function encodeTexts(texts: ArrayLike<string>): Uint8Array {
  let size = 0;
  const sizes = Array.from(texts, (text) => {
    const sizeBytes = Buffer.byteLength(text);
    size += LENGTH_BYTES + sizeBytes;
    return sizeBytes;
  });
  const buffer = Buffer.allocUnsafe(size);
  let at = 0;
  sizes.forEach((sizeBytes, index) => {
    at = buffer.writeUInt32LE(sizeBytes, at);
    at += buffer.write(texts[index] as string, at, 'utf8');
  });
  return buffer;
}
