import { isUtf8 } from 'node:buffer';
import { type ErrorBody, RawReply, parseJson } from '@slipway/kernel';
import { InferRequestBody } from './contract.ts';
import type { Parameters, Tensor, Values } from './datatypes.ts';
import { InferRequestError, TensorError } from './errors.ts';
import type { InferReply, InferRequest, ModelAddress } from './open-inference.ts';
import { decodeRaw, encodeRaw, textOf } from './raw-tensor.ts';
import type { Signature } from './signature.ts';
import type { z } from 'zod';

/** Tells how many bytes of a body are JSON; raw tensors follow them. */
export const JSON_LENGTH_HEADER = 'inference-header-content-length';

/** A request as it came: which outputs shall be raw is settled when the reply is written. */
export interface RestRequest {
  readonly request: InferRequest;
  readonly isBinary: (output: string) => boolean;
}

/** Reads the body of an infer request. @throws {InferRequestError | TensorError} */
export function readRest(address: ModelAddress, body: Uint8Array, jsonLength: string | undefined): RestRequest {
  if (jsonLength !== undefined && !/^\d{1,9}$/.test(jsonLength))
    throw new InferRequestError('Inference-Header-Content-Length must be a whole number of bytes.');
  const jsonBytes = jsonLength === undefined ? body.length : Number(jsonLength);
  if (jsonBytes > body.length) {
    throw new InferRequestError(`Inference-Header-Content-Length says ${jsonBytes} bytes of JSON, but the body has only ${body.length}.`);
  }
  if (jsonBytes === 0 && jsonLength !== undefined) return readBare(address, body);
  const parsed = parseRequest(body.subarray(0, jsonBytes));
  const raws = splitRaw(parsed, body.subarray(jsonBytes));
  const parameters = parsed.parameters ?? {};
  const byDefault = parameters['binary_data_output'] === true;
  const asked = new Map(parsed.outputs?.map(({ name, parameters: of }) => [name, of?.['binary_data']]));
  return {
    request: {
      ...address,
      id: parsed.id,
      parameters,
      outputs: parsed.outputs,
      inputs: () => parsed.inputs.map((input, index): Tensor => ({ ...input, values: valuesOf(input, raws[index]) })),
    },
    isBinary: (output) => (typeof asked.get(output) === 'boolean' ? asked.get(output) === true : byDefault),
  };
}

/** A body of nothing but raw numbers is the model's only input, one element a row; of BYTES, one element without its length. */
function readBare(address: ModelAddress, body: Uint8Array): RestRequest {
  const inputs = ({ inputs: known }: Signature): Tensor[] => {
    const only = known[0];
    if (!only || known.length > 1) {
      throw new InferRequestError(`A body without JSON is for models with one input; this one has ${known.length}.`, {
        help: 'Send the JSON first and say its length in Inference-Header-Content-Length.',
      });
    }
    const { name, datatype } = only;
    if (datatype === 'BYTES') return [{ name, datatype, shape: [1], values: [textOf(name, body)] }];
    const count = Math.floor(body.length / 8);
    const width = datatype === 'BOOL' ? body.length : count;
    return [{ name, datatype, shape: [width], values: decodeRaw(name, datatype, body, width) }];
  };
  return { request: { ...address, parameters: {}, inputs }, isBinary: () => true };
}

function parseRequest(bytes: Uint8Array): InferRequestBody {
  return readJson(bytes, InferRequestBody);
}

/** JSON of a body by a schema, whatever its Content-Type; an empty body counts as an empty object. */
export function readJson<S extends z.ZodType>(bytes: Uint8Array, schema: S): z.output<S> {
  if (!isUtf8(bytes)) throw new InferRequestError('The JSON of the body is not valid UTF-8.');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const value = text.trim() === '' ? {} : parseJson(text);
  // Raw control characters are no JSON: only an escape can bring in what no store can keep.
  if (text.includes('\\u')) refuseUnfitText(value);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, 20).map(({ path, message }) => ({ field: path.join('.'), problem: message }));
  throw new InferRequestError(
    `The request is not one of the Open Inference Protocol: ${problems[0]?.field || 'body'}: ${problems[0]?.problem}.`,
    {
      details: { problems },
    },
  );
}

function refuseUnfitText(value: unknown): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed() || value.includes('\0')) throw new InferRequestError('Text must not hold NUL or half surrogate pairs.');
  } else if (value !== null && typeof value === 'object') {
    for (const [name, item] of Object.entries(value)) {
      refuseUnfitText(name);
      refuseUnfitText(item);
    }
  }
}

type InputBody = InferRequestBody['inputs'][number];

/** The raw bytes of each input that has any, in the order listed. */
function splitRaw({ inputs }: InferRequestBody, raw: Uint8Array): (Uint8Array | undefined)[] {
  let at = 0;
  const parts = inputs.map(({ name, parameters, data }) => {
    const size = parameters?.['binary_data_size'];
    if (size === undefined) return undefined;
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || at + size > raw.length) {
      throw new TensorError(`The input "${name}" says ${String(size).slice(0, 30)} raw bytes; ${raw.length - at} are left in the body.`, {
        details: { input: name },
      });
    }
    if (data !== undefined)
      throw new TensorError(`The input "${name}" has both "data" and "binary_data_size".`, { details: { input: name } });
    at += size;
    return raw.subarray(at - size, at);
  });
  if (at === raw.length) return parts;
  throw new InferRequestError(
    `The body has ${raw.length - at} bytes after its tensors; "binary_data_size" of its inputs adds up to ${at}.`,
    {
      help: 'Say the length of the JSON in the header Inference-Header-Content-Length.',
    },
  );
}

function valuesOf({ name, shape, datatype, data }: InputBody, raw: Uint8Array | undefined): Values {
  const count = elementCount(name, shape);
  if (raw) return decodeRaw(name, datatype, raw, count);
  if (!Array.isArray(data)) throw new TensorError(`The input "${name}" has no list of "data".`, { details: { input: name } });
  const flat = data.some(Array.isArray) ? flatten(name, data, shape) : (data as unknown[]);
  if (flat.length === count) return flat;
  throw new TensorError(`The input "${name}" has ${flat.length} elements; its shape [${shape.join(', ')}] says ${count}.`, {
    details: { input: name, shape, elements: flat.length },
  });
}

/** Elements of a shape. Nothing is allocated by it: data of that size must be there. */
export function elementCount(name: string, shape: readonly number[]): number {
  const count = shape.reduce((product, size) => product * size, 1);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new TensorError(`The input "${name}" has the shape [${shape.join(', ')}], which holds ${count === 0 ? 'nothing' : 'too much'}.`, {
    details: { input: name, shape },
  });
}

function flatten(name: string, data: readonly unknown[], shape: readonly number[]): unknown[] {
  const flat: unknown[] = [];
  const walk = (part: readonly unknown[], depth: number) => {
    if (part.length !== shape[depth]) {
      throw new TensorError(
        `The nested data of the input "${name}" has ${part.length} elements where its shape [${shape.join(', ')}] says ${shape[depth] ?? 'no more levels'}.`,
        {
          details: { input: name, shape, level: depth },
        },
      );
    }
    for (const item of part) {
      if (Array.isArray(item)) walk(item, depth + 1);
      else if (depth + 1 === shape.length) flat.push(item);
      else
        throw new TensorError(`The nested data of the input "${name}" is not nested as its shape [${shape.join(', ')}] says.`, {
          details: { input: name, shape },
        });
    }
  };
  walk(data, 0);
  return flat;
}

/** Writes the reply: JSON, followed by the raw outputs when any was asked for. */
export function writeRest(reply: InferReply, isBinary: RestRequest['isBinary']): RawReply {
  const raws: Uint8Array[] = [];
  const outputs = reply.outputs.map((tensor) => {
    const { name, datatype, shape, values } = tensor;
    if (!isBinary(name)) return { name, datatype, shape, ...withParameters(tensor.parameters), data: Array.from(values, jsonValue) };
    const raw = encodeRaw(tensor);
    raws.push(raw);
    return { name, datatype, shape, parameters: { ...tensor.parameters, binary_data_size: raw.length } };
  });
  const { model, version, id } = reply;
  const json = JSON.stringify({ model_name: model, model_version: version, ...(id === undefined ? {} : { id }), outputs });
  if (raws.length === 0) return new RawReply(json, { contentType: 'application/json' });
  const head = Buffer.from(json);
  return new RawReply(Buffer.concat([head, ...raws]), {
    contentType: 'application/octet-stream',
    headers: { [JSON_LENGTH_HEADER]: String(head.length) },
  });
}

function withParameters(parameters: Parameters | undefined) {
  return parameters ? { parameters } : {};
}

function jsonValue(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

/** Protocol errors have 400 where we say 422, and one text. */
export function restError(
  { code, kind, message, details, requestId, help }: ErrorBody['error'],
  status: number,
): { status: number; body: unknown } {
  return {
    status: kind === 'invalid' && status === 422 ? 400 : status,
    body: { error: help ? `${message} ${help}` : message, code, kind, details, requestId },
  };
}
