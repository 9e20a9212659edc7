import { z } from 'zod';

/** The element types of the protocol; BF16 is Triton's addition. */
export const Datatype = z.enum([
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BF16',
  'BYTES',
]);
export type Datatype = z.infer<typeof Datatype>;

/** Bytes of one element in raw form; BYTES elements each carry their length. */
export const ELEMENT_BYTES: Readonly<Record<Exclude<Datatype, 'BYTES'>, number>> = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  FP32: 4,
  FP64: 8,
  BF16: 2,
};

export function isFloat(datatype: Datatype): boolean {
  return datatype === 'FP16' || datatype === 'FP32' || datatype === 'FP64' || datatype === 'BF16';
}

export function isInteger(datatype: Datatype): boolean {
  return datatype.startsWith('INT') || datatype.startsWith('UINT');
}

/** Elements of a tensor in row-major order, as they came: from JSON anything, from raw bytes what the datatype holds. */
export type Values = ArrayLike<unknown>;

/** Values of parameters, of a request, a tensor or a reply. */
export type Parameters = Readonly<Record<string, unknown>>;

export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly values: Values;
  readonly parameters?: Parameters | undefined;
}
