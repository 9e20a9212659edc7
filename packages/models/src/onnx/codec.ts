import protobuf from 'protobufjs/light.js';
import { ModelFormatError, ModelTooLargeError } from '../errors.ts';
import type { Int64, ModelMessage } from './messages.ts';
import { ONNX_DESCRIPTOR } from './schema.ts';
import { type ModelLimits, MODEL_LIMITS, scanModel } from './scan.ts';

const root = protobuf.Root.fromJSON(ONNX_DESCRIPTOR);
const modelType = root.lookupType('ModelProto');

/** Bytes of an ONNX model. @throws {ModelFormatError} when a value does not fit its field. */
export function encodeModel(model: ModelMessage): Uint8Array {
  try {
    // The message interfaces mirror the descriptor; protobufjs itself is untyped here.
    return modelType.encode(model as unknown as Record<string, unknown>).finish();
  } catch (cause) {
    throw new ModelFormatError('The model cannot be written as ONNX protobuf.', { cause });
  }
}

/**
 * Reads an ONNX model from untrusted bytes. A scan of the wire form bounds nesting, messages and values before
 * anything is allocated, so memory stays proportional to the limits whatever the bytes say.
 * @throws {ModelFormatError | ModelTooLargeError}
 */
export function decodeModel(bytes: Uint8Array, limits: Partial<ModelLimits> = {}): ModelMessage {
  const bounds = { ...MODEL_LIMITS, ...limits };
  if (bytes.length > bounds.sizeBytes) {
    throw new ModelTooLargeError(`The model has ${bytes.length} bytes; at most ${bounds.sizeBytes} are accepted.`, {
      details: { sizeBytes: bytes.length, limitBytes: bounds.sizeBytes },
    });
  }
  if (bytes.length === 0) throw new ModelFormatError('The model file is empty.');
  scanModel(bytes, bounds);
  const model = decodeBytes(bytes);
  if (!model.graph) throw new ModelFormatError('The file is protobuf but holds no ONNX graph.', { help: HELP });
  if (model.opsetImport.length === 0) throw new ModelFormatError('The ONNX model imports no operator set.', { help: HELP });
  return model;
}

const HELP = 'Export the model again, for example with skl2onnx or torch.onnx, and check it with onnx.checker.';

function decodeBytes(bytes: Uint8Array): ModelMessage {
  try {
    return modelType.decode(bytes) as unknown as ModelMessage;
  } catch (cause) {
    throw new ModelFormatError('The file is not a readable ONNX model (broken protobuf).', { cause, help: HELP });
  }
}

/** A 64-bit integer as a number when it is exact, else as a bigint. */
export function integerOf(value: Int64): number | bigint {
  if (typeof value === 'number') return value;
  const exact = BigInt(value.toString());
  return exact >= BigInt(Number.MIN_SAFE_INTEGER) && exact <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(exact) : exact;
}

/** The form in which protobufjs writes an int64 without losing digits. @throws {ModelFormatError} beyond 64 bits. */
export function int64Of(value: number | bigint): Int64 {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new ModelFormatError(`${value} is not an exact integer.`);
    return value;
  }
  if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  if (BigInt.asIntN(64, value) !== value) throw new ModelFormatError(`${value} does not fit 64 bits.`);
  return {
    low: Number(BigInt.asIntN(32, value)),
    high: Number(BigInt.asIntN(32, value >> 32n)),
    unsigned: false,
    toString: () => String(value),
  };
}
