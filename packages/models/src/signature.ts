import { columnOfInput } from './input-names.ts';
import { INPUT_ROLES, columnKind, nearestName, type Field } from '@slipway/kernel';
import type { ModelMetadata } from './contract.ts';
import { SignatureError } from './errors.ts';
import { integerOf } from './onnx/codec.ts';
import type { ModelMessage, ValueInfoMessage } from './onnx/messages.ts';
import { type ElementType, elementTypeName } from './onnx/schema.ts';

/** An input or output of a graph. A null size varies. */
export interface TensorSignature {
  readonly name: string;
  readonly elementType: ElementType;
  readonly shape: readonly (number | null)[];
}

export interface ModelSignature {
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
}

/** What a graph takes and gives; initializers that old exporters also list as inputs are left out. @throws {SignatureError} */
export function signatureOf(model: ModelMessage): ModelSignature {
  return { inputs: inputsOf(model), outputs: model.graph.output.map((value) => tensorSignature(value, 'output')) };
}

/** What a graph takes, whatever it gives. @throws {SignatureError} */
export function inputsOf(model: ModelMessage): TensorSignature[] {
  const constants = new Set(model.graph.initializer.map((tensor) => tensor.name));
  return model.graph.input.filter((value) => !constants.has(value.name)).map((value) => tensorSignature(value, 'input'));
}

function tensorSignature(value: ValueInfoMessage, what: string): TensorSignature {
  const tensor = value.type?.tensorType;
  const elementType = tensor ? elementTypeName(tensor.elemType) : undefined;
  if (!tensor || elementType === undefined) {
    throw new SignatureError(`The ${what} "${value.name}" is not a plain tensor (a sequence, a map or an unknown element type).`, {
      details: { name: value.name },
      help: 'For scikit-learn models export with options={"zipmap": False}.',
    });
  }
  const shape = (tensor.shape?.dim ?? []).map((dimension) => {
    const size = Number(integerOf(dimension.dimValue ?? 0));
    return size > 0 ? size : null;
  });
  return { name: value.name, elementType, shape };
}

const NUMBER_TYPES: ReadonlySet<ElementType> = new Set(['double', 'float', 'int64']);

/**
 * Compares a graph with its metadata: every input is a field that feeds models, of a fitting type and one column wide;
 * the outputs are there. @throws {SignatureError} naming the first difference.
 */
export function checkSignature(signature: ModelSignature, metadata: ModelMetadata): void {
  const fields = new Map(metadata.contract.fields.map((field) => [field.name, field]));
  if (signature.inputs.length === 0) throw new SignatureError('The graph has no inputs.');
  for (const input of signature.inputs) {
    const field = fields.get(columnOfInput(input.name));
    if (!field || !INPUT_ROLES.has(field.role)) {
      const near = nearestName(input.name, [...fields.keys()]);
      const hint = field ? `is "${field.role}" in the contract` : `is no field of the contract${near ? `; did you mean "${near}"?` : ''}`;
      throw new SignatureError(`The graph's input "${input.name}" ${hint}.`, { details: { input: input.name } });
    }
    checkInput(input, field);
  }
  checkOutputs(signature, metadata);
}

function checkInput(input: TensorSignature, field: Field): void {
  const fits = columnKind(field) === 'text' ? input.elementType === 'string' : NUMBER_TYPES.has(input.elementType);
  if (!fits) {
    const expected = columnKind(field) === 'text' ? 'string' : 'double, float or int64';
    throw new SignatureError(
      `The input "${input.name}" is ${input.elementType}; its field (${field.type}, ${field.role}) needs ${expected}.`,
    );
  }
  const width = input.shape.slice(1).reduce<number>((product, size) => product * (size ?? 1), 1);
  if (width !== 1 || input.shape.length > 2) {
    throw new SignatureError(`The input "${input.name}" has the shape [${input.shape.join(', ')}]; one column [N, 1] is expected.`);
  }
  if (input.shape[0] !== null && input.shape[0] !== undefined) {
    throw new SignatureError(`The input "${input.name}" takes exactly ${input.shape[0]} rows; the first dimension must be free.`);
  }
}

function checkOutputs(signature: ModelSignature, metadata: ModelMetadata): void {
  const wanted = metadata.classes === null ? 'prediction' : 'probabilities';
  const output = signature.outputs.find((candidate) => candidate.name === wanted);
  const names = signature.outputs.map((candidate) => candidate.name);
  if (!output)
    throw new SignatureError(`The graph has no output "${wanted}" (it has ${names.join(', ')}).`, { details: { outputs: names } });
  if (output.elementType !== 'float' && output.elementType !== 'double') {
    throw new SignatureError(`The output "${wanted}" is ${output.elementType}; float or double is expected.`);
  }
  const columns = output.shape[1] ?? undefined;
  const expected = metadata.classes?.length ?? 1;
  if (columns !== undefined && columns !== expected) {
    throw new SignatureError(`The output "${wanted}" has ${columns} columns; ${expected} are expected.`);
  }
}
