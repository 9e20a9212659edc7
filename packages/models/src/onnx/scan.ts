import { ModelFormatError, ModelTooLargeError } from '../errors.ts';
import { ONNX_DESCRIPTOR } from './schema.ts';

/** Bounds of what is read from an untrusted file. */
export interface ModelLimits {
  readonly sizeBytes: number;
  /** Nested protobuf messages: nodes, attributes, tensors, dimensions ... */
  readonly messages: number;
  /** Numbers and strings in lists (tree nodes, weights not stored raw); raw tensors cost no more than their bytes. */
  readonly values: number;
  /** Nesting of messages; real graphs with subgraphs stay below 30. */
  readonly depth: number;
}

/** 2 GiB is the ceiling of protobuf itself; the default leaves room for large tree ensembles. */
export const MODEL_LIMITS: ModelLimits = { sizeBytes: 512 * 2 ** 20, messages: 1_000_000, values: 50_000_000, depth: 64 };

interface FieldShape {
  readonly message: string | undefined;
  /** Smallest wire size of one value when the field is a packed list of numbers; 0 otherwise. */
  readonly packedBytes: number;
}

const PACKED_BYTES: Readonly<Record<string, number>> = { float: 4, double: 8, int32: 1, int64: 1, uint64: 1 };

type FieldShapes = ReadonlyMap<number, FieldShape>;
interface DescriptorNode {
  readonly fields?: Readonly<Record<string, { id: number; type: string; rule?: string }>>;
  readonly nested?: Readonly<Record<string, DescriptorNode>>;
}

const SHAPES = collectShapes(ONNX_DESCRIPTOR as DescriptorNode, new Map());

function collectShapes(node: DescriptorNode, shapes: Map<string, FieldShapes>): Map<string, FieldShapes> {
  for (const [name, child] of Object.entries(node.nested ?? {})) {
    if (child.fields) shapes.set(name, shapesOf(child.fields));
    collectShapes(child, shapes);
  }
  return shapes;
}

function shapesOf(fields: NonNullable<DescriptorNode['fields']>): FieldShapes {
  return new Map(
    Object.values(fields).map(({ id, type, rule }) => {
      const isMessage = /^[A-Z]/.test(type);
      return [id, { message: isMessage ? type : undefined, packedBytes: rule === 'repeated' ? (PACKED_BYTES[type] ?? 0) : 0 }];
    }),
  );
}

interface Scan {
  readonly bytes: Uint8Array;
  readonly limits: ModelLimits;
  position: number;
  messages: number;
  values: number;
}

/** Walks the wire form once without building anything. @throws when it is broken or exceeds a limit. */
export function scanModel(bytes: Uint8Array, limits: ModelLimits): void {
  scanMessage({ bytes, limits, position: 0, messages: 0, values: 0 }, 'ModelProto', bytes.length, 0);
}

function scanMessage(scan: Scan, type: string, end: number, depth: number): void {
  scan.messages += 1;
  if (depth > scan.limits.depth) throw exceeded('nested messages', scan.limits.depth);
  if (scan.messages > scan.limits.messages) throw exceeded('protobuf messages', scan.limits.messages);
  const shapes = SHAPES.get(type);
  while (scan.position < end) {
    const tag = readVarint(scan, end);
    const shape = shapes?.get(Math.floor(tag / 8));
    scan.values += 1;
    if (tag % 8 === 2) scanLengthDelimited(scan, shape, end, depth);
    else skipScalar(scan, tag % 8, end);
    if (scan.values > scan.limits.values) throw exceeded('values', scan.limits.values);
  }
}

function scanLengthDelimited(scan: Scan, shape: FieldShape | undefined, end: number, depth: number): void {
  const length = readVarint(scan, end);
  const stop = scan.position + length;
  if (stop > end) throw broken(scan.position);
  if (shape?.message) {
    scanMessage(scan, shape.message, stop, depth + 1);
  } else {
    if (shape?.packedBytes) scan.values += length / shape.packedBytes;
    scan.position = stop;
  }
}

function skipScalar(scan: Scan, wireType: number, end: number): void {
  if (wireType === 0) readVarint(scan, end);
  else if (wireType === 1) scan.position += 8;
  else if (wireType === 5) scan.position += 4;
  // Groups (3 and 4) are not used by ONNX; protobufjs would recurse into them, so they stop here.
  else throw broken(scan.position);
  if (scan.position > end) throw broken(scan.position);
}

function readVarint(scan: Scan, end: number): number {
  let value = 0;
  let factor = 1;
  for (let count = 0; count < 10; count += 1) {
    if (scan.position >= end) throw broken(scan.position);
    const byte = scan.bytes[scan.position] as number;
    scan.position += 1;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
    factor *= 128;
  }
  throw broken(scan.position);
}

function broken(position: number): ModelFormatError {
  return new ModelFormatError(`The file is not a readable ONNX model (broken protobuf near byte ${position}).`, { details: { position } });
}

function exceeded(what: string, limit: number): ModelTooLargeError {
  return new ModelTooLargeError(`The model has more than ${limit} ${what}.`, { details: { limit } });
}
