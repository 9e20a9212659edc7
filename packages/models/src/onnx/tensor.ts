import { GraphBuildError, ModelFormatError } from '../errors.ts';
import { integerOf } from './codec.ts';
import type { TensorMessage } from './messages.ts';
import { ELEMENT_TYPES, type ElementType, elementTypeName } from './schema.ts';

export type NumericArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;
/** What a constant may be given as. Plain number arrays need an element type; typed arrays and strings know theirs. */
export type ConstantValues = NumericArray | readonly string[] | readonly boolean[] | readonly number[] | readonly bigint[];

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: false });

/** Builds a TensorProto with raw little-endian data (strings: one entry each). Shape defaults to [n]. */
export function tensorOf(values: ConstantValues, shape: readonly number[] = [values.length], elementType?: ElementType): TensorMessage {
  const type = elementType ?? inferElementType(values);
  const expected = shape.reduce((product, size) => product * size, 1);
  if (expected !== values.length) {
    throw new GraphBuildError(`A constant of shape [${shape.join(', ')}] needs ${expected} values, got ${values.length}.`);
  }
  const tensor: TensorMessage = { dims: [...shape], dataType: ELEMENT_TYPES[type] };
  if (type === 'string') {
    return { ...tensor, stringData: Array.from(values as readonly string[], (value) => encoder.encode(String(value))) };
  }
  const array = typedArrayOf(values, type);
  return { ...tensor, rawData: new Uint8Array(array.buffer, array.byteOffset, array.byteLength) };
}

function inferElementType(values: ConstantValues): ElementType {
  if (values instanceof Float32Array) return 'float';
  if (values instanceof Float64Array) return 'double';
  if (values instanceof Int32Array) return 'int32';
  if (values instanceof BigInt64Array) return 'int64';
  if (values instanceof BigUint64Array) return 'uint64';
  if (values instanceof Uint8Array) return 'uint8';
  if (values instanceof Int8Array) return 'int8';
  if (values instanceof Uint16Array) return 'uint16';
  if (values instanceof Int16Array) return 'int16';
  if (values instanceof Uint32Array) return 'uint32';
  const first = values[0];
  if (typeof first === 'string') return 'string';
  if (typeof first === 'boolean') return 'bool';
  if (typeof first === 'bigint') return 'int64';
  throw new GraphBuildError('A constant given as plain numbers (or empty) needs an element type.', {
    help: 'Pass { elementType: "float" | "double" | "int64" | ... } or a typed array.',
  });
}

function typedArrayOf(values: ConstantValues, type: ElementType): NumericArray {
  const source = values as ArrayLike<number | bigint | boolean>;
  switch (type) {
    case 'float':
      return values instanceof Float32Array ? values : Float32Array.from(source, Number);
    case 'double':
      return values instanceof Float64Array ? values : Float64Array.from(source, Number);
    case 'int32':
      return Int32Array.from(source, Number);
    case 'int64':
      return values instanceof BigInt64Array ? values : BigInt64Array.from(source, BigInt);
    case 'uint64':
      return BigUint64Array.from(source, BigInt);
    case 'bool':
    case 'uint8':
      return Uint8Array.from(source, Number);
    case 'int8':
      return Int8Array.from(source, Number);
    case 'uint16':
      return Uint16Array.from(source, Number);
    case 'int16':
      return Int16Array.from(source, Number);
    case 'uint32':
      return Uint32Array.from(source, Number);
    case 'float16':
    case 'string':
      throw new GraphBuildError(`Constants of element type ${type} cannot be made from numbers.`);
  }
}

/** The strings of a string tensor. @throws {ModelFormatError} when the tensor holds another type. */
export function stringsOf(tensor: TensorMessage): string[] {
  if (tensor.dataType !== ELEMENT_TYPES.string) throw new ModelFormatError(`Tensor "${tensor.name ?? ''}" holds no strings.`);
  return (tensor.stringData ?? []).map((bytes) => decoder.decode(bytes));
}

/** The numbers of a float, double, int32 or int64 tensor, whichever way they are stored. */
export function numbersOf(tensor: TensorMessage): number[] {
  const type = elementTypeName(tensor.dataType);
  const raw = tensor.rawData;
  if (raw !== undefined && raw.length > 0) return rawNumbers(raw, type);
  if (type === 'float') return tensor.floatData ?? [];
  if (type === 'double') return tensor.doubleData ?? [];
  if (type === 'int64') return (tensor.int64Data ?? []).map((value) => Number(integerOf(value)));
  return tensor.int32Data ?? [];
}

function rawNumbers(raw: Uint8Array, type: ElementType | undefined): number[] {
  // A decoded tensor is a Buffer, whose `slice` would show the memory that it shares.
  const { buffer } = Uint8Array.from(raw);
  if (type === 'float') return Array.from(new Float32Array(buffer));
  if (type === 'double') return Array.from(new Float64Array(buffer));
  if (type === 'int64') return Array.from(new BigInt64Array(buffer), Number);
  if (type === 'int32') return Array.from(new Int32Array(buffer));
  throw new ModelFormatError(`Reading raw tensors of type ${type ?? 'unknown'} is not supported.`);
}
