import { Name } from '@slipway/kernel';
import { z } from 'zod';
import { DIMENSIONS_LIMIT, TENSORS_LIMIT, TEXT_LIMIT } from './contract.ts';
import { Datatype, type Parameters, type Tensor, type Values } from './datatypes.ts';
import { InferRequestError, TensorError } from './errors.ts';
import type { InferReply, InferRequest, ModelAddress } from './open-inference.ts';
import { decodeRaw, encodeRaw, textOf } from './raw-tensor.ts';
import { elementCount } from './rest-codec.ts';

/** What proto-loader makes of the messages, with `longs: String`, `defaults` and `oneofs`. */
const Parameter = z.object({ parameter_choice: z.string().optional() }).catchall(z.unknown());
const ParametersOf = z.record(z.string(), Parameter);
const text = z.string().max(TEXT_LIMIT);
const Bytes = z.instanceof(Uint8Array);

const GrpcInput = z.object({
  name: text,
  datatype: Datatype,
  shape: z.array(z.coerce.number().int().nonnegative()).min(1).max(DIMENSIONS_LIMIT),
  parameters: ParametersOf,
  contents: z.record(z.string(), z.array(z.unknown())).nullable(),
});
type GrpcInput = z.infer<typeof GrpcInput>;

const GrpcInferRequest = z.object({
  model_name: z.string(),
  model_version: text,
  id: text,
  parameters: ParametersOf,
  inputs: z.array(GrpcInput).max(TENSORS_LIMIT),
  outputs: z.array(z.object({ name: text, parameters: ParametersOf })).max(TENSORS_LIMIT),
  raw_input_contents: z.array(Bytes).max(TENSORS_LIMIT),
});

/** Where the elements of each datatype lie in InferTensorContents; FP16 and BF16 exist in raw form only. */
const CONTENTS: Readonly<Partial<Record<Datatype, string>>> = {
  BOOL: 'bool_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  UINT8: 'uint_contents',
  UINT16: 'uint_contents',
  UINT32: 'uint_contents',
  UINT64: 'uint64_contents',
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
};

/** Parses a message by a schema. @throws {InferRequestError} */
function parse<S extends z.ZodType>(schema: S, message: unknown): z.output<S> {
  const parsed = schema.safeParse(message);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, 20).map(({ path, message: problem }) => ({ field: path.join('.'), problem }));
  throw new InferRequestError(`The request is not one of the Open Inference Protocol: ${problems[0]?.field}: ${problems[0]?.problem}.`, {
    details: { problems },
  });
}

/** Compiled once: making a schema costs a call more than all that is parsed by it. */
const Address = z.object({ name: Name, version: text.default('') });

/** A release's name as it came over gRPC. @throws {InferRequestError} */
export function addressOf(message: { readonly name: unknown; readonly version?: unknown }): ModelAddress {
  const { name, version } = parse(Address, message);
  return { model: name, version };
}

/** Reads an infer request. `isRaw` says how it came, which is how it is answered. */
export function readGrpc(message: unknown): { readonly request: InferRequest; readonly isRaw: boolean } {
  const { model_name, model_version, id, parameters, inputs, outputs, raw_input_contents: raws } = parse(GrpcInferRequest, message);
  const isRaw = raws.length > 0;
  if (isRaw && raws.length !== inputs.length) {
    throw new InferRequestError(`raw_input_contents has ${raws.length} entries for ${inputs.length} inputs; it is for all inputs or none.`);
  }
  return {
    isRaw,
    request: {
      ...addressOf({ name: model_name, version: model_version }),
      id: id === '' ? undefined : id,
      parameters: parametersOf(parameters),
      outputs: outputs.map((output) => ({ name: output.name, parameters: parametersOf(output.parameters) })),
      inputs: () => inputs.map((input, index): Tensor => ({ ...withoutContents(input), values: valuesOf(input, raws[index]) })),
    },
  };
}

function withoutContents({ name, datatype, shape }: GrpcInput): Pick<Tensor, 'name' | 'datatype' | 'shape'> {
  return { name, datatype, shape };
}

function parametersOf(message: z.infer<typeof ParametersOf>): Parameters {
  return Object.fromEntries(
    Object.entries(message).map(([name, parameter]) => {
      const choice = parameter.parameter_choice ?? '';
      const value = parameter[choice];
      // 64-bit integers come as text; those of parameters are small.
      return [name, choice === 'int64_param' || choice === 'uint64_param' ? Number(value) : value];
    }),
  );
}

function valuesOf({ name, datatype, shape, contents }: GrpcInput, raw: Uint8Array | undefined): Values {
  const count = elementCount(name, shape);
  if (raw) return decodeRaw(name, datatype, raw, count);
  const member = CONTENTS[datatype];
  if (member === undefined)
    throw new TensorError(`The input "${name}" of ${datatype} must come in raw_input_contents.`, { details: { input: name } });
  const values = contents?.[member] ?? [];
  if (values.length !== count) {
    throw new TensorError(
      `The input "${name}" has ${values.length} elements in ${member}; its shape [${shape.join(', ')}] says ${count}.`,
      {
        details: { input: name, shape, elements: values.length },
      },
    );
  }
  if (datatype === 'BYTES') return (values as Uint8Array[]).map((bytes) => textOf(name, bytes));
  return datatype === 'INT64' || datatype === 'UINT64' ? (values as string[]).map(BigInt) : values;
}

/** Writes the reply, raw when the request was. */
export function writeGrpc({ model, version, id, outputs }: InferReply, isRaw: boolean): object {
  return {
    model_name: model,
    model_version: version,
    id: id ?? '',
    outputs: outputs.map((tensor) => {
      const { name, datatype, shape, parameters } = tensor;
      return { name, datatype, shape, parameters: parameterMessages(parameters), ...(isRaw ? {} : { contents: contentsOf(tensor) }) };
    }),
    raw_output_contents: isRaw ? outputs.map(encodeRaw) : [],
  };
}

function parameterMessages(parameters: Parameters | undefined): object {
  return Object.fromEntries(Object.entries(parameters ?? {}).map(([name, value]) => [name, { string_param: String(value) }]));
}

function contentsOf({ datatype, values }: Tensor): object {
  const member = CONTENTS[datatype];
  if (member === undefined) throw new Error(`Broken invariant: no output is of ${datatype}`);
  return { [member]: datatype === 'BYTES' ? Array.from(values as ArrayLike<string>, (value) => Buffer.from(value)) : Array.from(values) };
}
