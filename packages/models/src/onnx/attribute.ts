import { GraphBuildError } from '../errors.ts';
import { int64Of, integerOf } from './codec.ts';
import type { AttributeMessage, GraphMessage, TensorMessage } from './messages.ts';
import { ATTRIBUTE_TYPES, type AttributeKind } from './schema.ts';

/** An attribute whose kind is stated, for the cases where inference would have to guess. Make it with `attribute`. */
export interface TypedAttribute {
  readonly kind: AttributeKind;
  readonly value: unknown;
}

/**
 * The value of an operator's attribute. Kinds are inferred: text -> string(s), Float32Array/Float64Array -> floats,
 * Int32Array/BigInt64Array -> ints, boolean -> int. Plain numbers are ints, unless the attribute's name is one that
 * ONNX defines as float (`alpha`, `default_float`, `nodes_values`, ...) or a value is no integer: then floats.
 * Use `attribute.float(…)` and its siblings to state the kind.
 */
export type Attribute =
  | string
  | number
  | bigint
  | boolean
  | readonly string[]
  | readonly number[]
  | readonly bigint[]
  | Float32Array
  | Float64Array
  | Int32Array
  | BigInt64Array
  | TypedAttribute;

/** States an attribute's kind. */
export const attribute = {
  float: (value: number): TypedAttribute => ({ kind: 'float', value }),
  floats: (value: ArrayLike<number>): TypedAttribute => ({ kind: 'floats', value }),
  int: (value: number | bigint): TypedAttribute => ({ kind: 'int', value }),
  ints: (value: ArrayLike<number | bigint>): TypedAttribute => ({ kind: 'ints', value }),
  string: (value: string): TypedAttribute => ({ kind: 'string', value }),
  strings: (value: readonly string[]): TypedAttribute => ({ kind: 'strings', value }),
  /** `value` comes from `tensorOf`. */
  tensor: (value: TensorMessage): TypedAttribute => ({ kind: 'tensor', value }),
  graph: (value: GraphMessage): TypedAttribute => ({ kind: 'graph', value }),
};

/** Attributes of the operators in `''` and `ai.onnx.ml` that are floats even when their value is a whole number. */
const FLOAT_NAMES: ReadonlySet<string> = new Set([
  'alpha',
  'beta',
  'gamma',
  'epsilon',
  'lambd',
  'bias',
  'offset',
  'scale',
  'threshold',
  'momentum',
  'norm_coefficient',
  'value_float',
  'value_floats',
  'default_float',
  'keys_floats',
  'values_floats',
  'imputed_value_floats',
  'replaced_value_float',
  'coefficients',
  'intercepts',
  'rho',
  'base_values',
  'nodes_values',
  'nodes_hitrates',
  'class_weights',
  'target_weights',
  'leaf_weights',
]);

const encoder = new TextEncoder();

/** Writes an attribute. @throws {GraphBuildError} when its kind cannot be inferred. */
export function encodeAttribute(name: string, value: Attribute): AttributeMessage {
  const typed = isTyped(value) ? value : infer(name, value);
  return { name, type: ATTRIBUTE_TYPES[typed.kind], ...payload(typed) };
}

function isTyped(value: Attribute): value is TypedAttribute {
  return typeof value === 'object' && 'kind' in value;
}

function infer(name: string, value: Exclude<Attribute, TypedAttribute>): TypedAttribute {
  if (typeof value === 'string') return attribute.string(value);
  if (typeof value === 'bigint') return attribute.int(value);
  if (typeof value === 'boolean') return attribute.int(value ? 1 : 0);
  if (typeof value === 'number') return isFloat(name, [value]) ? attribute.float(value) : attribute.int(value);
  if (value instanceof Float32Array || value instanceof Float64Array) return attribute.floats(value);
  if (value instanceof Int32Array || value instanceof BigInt64Array) return attribute.ints(value);
  if (value.length === 0) throw new GraphBuildError(`The empty list of attribute "${name}" needs a kind: attribute.ints([]) or the like.`);
  if (typeof value[0] === 'string') return attribute.strings(value as readonly string[]);
  if (typeof value[0] === 'bigint') return attribute.ints(value as readonly bigint[]);
  return isFloat(name, value as readonly number[])
    ? attribute.floats(value as readonly number[])
    : attribute.ints(value as readonly number[]);
}

function isFloat(name: string, values: readonly number[]): boolean {
  return FLOAT_NAMES.has(name) || values.some((value) => !Number.isInteger(value));
}

function payload({ kind, value }: TypedAttribute): Partial<AttributeMessage> {
  switch (kind) {
    case 'float':
      return { f: value as number };
    case 'int':
      return { i: int64Of(value as number | bigint) };
    case 'string':
      return { s: encoder.encode(value as string) };
    case 'floats':
      return { floats: Array.from(value as ArrayLike<number>) };
    case 'ints':
      return { ints: Array.from(value as ArrayLike<number | bigint>, int64Of) };
    case 'strings':
      return { strings: (value as readonly string[]).map((text) => encoder.encode(text)) };
    case 'tensor':
      return { t: value as TensorMessage };
    case 'graph':
      return { g: value as GraphMessage };
  }
}

const decoder = new TextDecoder();

/** Reads an attribute of a decoded node: number, bigint, text, a list of these, or a tensor; undefined when absent. */
export function readAttribute(
  attributes: readonly AttributeMessage[],
  name: string,
): number | bigint | string | (number | bigint)[] | string[] | TensorMessage | undefined {
  const found = attributes.find((candidate) => candidate.name === name);
  switch (found?.type) {
    case ATTRIBUTE_TYPES.float:
      return found.f ?? 0;
    case ATTRIBUTE_TYPES.int:
      return integerOf(found.i ?? 0);
    case ATTRIBUTE_TYPES.string:
      return decoder.decode(found.s);
    case ATTRIBUTE_TYPES.floats:
      return Array.from(found.floats ?? []);
    case ATTRIBUTE_TYPES.ints:
      return Array.from(found.ints ?? [], integerOf);
    case ATTRIBUTE_TYPES.strings:
      return (found.strings ?? []).map((bytes) => decoder.decode(bytes));
    case ATTRIBUTE_TYPES.tensor:
      return found.t ?? undefined;
    default:
      return undefined;
  }
}
