import { ModelRefusedError } from '../errors.ts';
import { type Attribute, encodeAttribute } from '../onnx/attribute.ts';
import { integerOf } from '../onnx/codec.ts';
import { ML_DOMAIN, valueInfo } from '../onnx/graph-builder.ts';
import type { ModelMessage, NodeMessage, TensorMessage } from '../onnx/messages.ts';
import { ELEMENT_TYPES } from '../onnx/schema.ts';
import { type ConstantValues, tensorOf } from '../onnx/tensor.ts';
import type { FoundAnswer } from './find-answer.ts';
import { ADDED_PREFIX, givenName, inNamespace, neededNodes } from './namespace.ts';
import type { InputGroup } from './plan-inputs.ts';

/** Oldest operator set that ONNX Runtime promises to run. */
const OPSET_MIN = 7;
/** Models before this list their weights as inputs. */
const IR_VERSION_MIN = 8;
const OPSET_ADDED = 15;

/** How the numbers of the answer become probabilities, or the predicted number. */
export type Head =
  | { readonly kind: 'raw'; readonly labels: readonly string[] | undefined }
  | { readonly kind: 'probabilities' | 'logits' | 'value' }
  /** One number a row about the second of two classes. */
  | { readonly kind: 'probability' | 'logit' };

/** Name of the output under which a model is looked at before its head is known. */
export const RAW_OUTPUT = 'adapter:raw';

/**
 * The house's graph around a given one: a column of doubles (or texts) for each column it takes, casts and joins to the
 * given inputs, the given nodes that the answer needs, and a head that ends in `probabilities` or `prediction`.
 */
export function adaptModel(model: ModelMessage, groups: readonly InputGroup[], answer: FoundAnswer, head: Head): ModelMessage {
  const given = inNamespace(model.graph);
  const added = new Added();
  const inputs = groups.flatMap((group) => added.columns(group));
  const outputs = added.head(answer, head);
  const wanted = added.after.flatMap((node) => node.input);
  const nodes = neededNodes(given.node, wanted);
  // A graph may hand an input straight on; then the answer is the input itself.
  return {
    ...model,
    irVersion: Math.max(IR_VERSION_MIN, Number(integerOf(model.irVersion))),
    opsetImport: opsets(model),
    graph: {
      ...given,
      input: inputs,
      output: outputs,
      initializer: [...given.initializer, ...added.constants],
      node: [...added.before, ...nodes, ...added.after],
    },
  };
}

function opsets(model: ModelMessage): ModelMessage['opsetImport'] {
  const known = new Set(model.opsetImport.map((entry) => entry.domain ?? ''));
  const main = model.opsetImport.find((entry) => (entry.domain ?? '') === '' || entry.domain === 'ai.onnx');
  if (main && Number(integerOf(main.version)) < OPSET_MIN) {
    throw new ModelRefusedError(`The model uses the operator set ${integerOf(main.version)}; ${OPSET_MIN} or newer is needed.`, {
      help: 'Export it again with a newer target_opset (or opset_version).',
    });
  }
  return [
    ...model.opsetImport,
    ...(main ? [] : [{ domain: '', version: OPSET_ADDED }]),
    ...(known.has(ML_DOMAIN) ? [] : [{ domain: ML_DOMAIN, version: 3 }]),
  ];
}

/** What is put around the given graph. */
class Added {
  readonly before: NodeMessage[] = [];
  readonly after: NodeMessage[] = [];
  readonly constants: TensorMessage[] = [];
  #next = 0;

  /** The columns' own inputs, and the nodes that make the given input of them. */
  columns({ input, elementType, shape, columns }: InputGroup) {
    const isText = elementType === 'string';
    const typed = columns.map((column) => (isText ? column : this.#add(this.before, 'Cast', [column], { to: ELEMENT_TYPES[elementType] })));
    const joined = typed.length === 1 ? (typed[0] as string) : this.#add(this.before, 'Concat', typed, { axis: 1 });
    const isFlat = shape.length === 1 && (shape[0] as number) === columns.length;
    const target = this.constant(BigInt64Array.from([-1n, ...shape.map(BigInt)]));
    const last = isFlat ? { op: 'Identity', from: [joined] } : { op: 'Reshape', from: [joined, target] };
    this.before.push(node(last.op, last.from, [givenName(input)]));
    return columns.map((column) => valueInfo(column, isText ? 'string' : 'double', ['N', 1]));
  }

  head(answer: FoundAnswer, head: Head) {
    const value = givenName(answer.value);
    const toFloat = (from: string) => this.#add(this.after, 'Cast', [from], { to: ELEMENT_TYPES.float });
    switch (head.kind) {
      case 'raw': {
        const numbers = answer.kind === 'labels' ? this.#oneHot(value, answer, head.labels ?? []) : value;
        this.after.push(node('Cast', [numbers], [RAW_OUTPUT], { to: ELEMENT_TYPES.double }));
        return [valueInfo(RAW_OUTPUT, 'double', ['N', 'K'])];
      }
      case 'value': {
        const double = this.#add(this.after, 'Cast', [value], { to: ELEMENT_TYPES.double });
        this.after.push(node('Reshape', [double, this.constant(BigInt64Array.of(-1n, 1n))], ['prediction']));
        return [valueInfo('prediction', 'double', ['N', 1])];
      }
      case 'probability':
      case 'logit': {
        const column = this.#add(this.after, 'Reshape', [toFloat(value), this.constant(BigInt64Array.of(-1n, 1n))]);
        const positive = head.kind === 'logit' ? this.#add(this.after, 'Sigmoid', [column]) : column;
        const negative = this.#add(this.after, 'Sub', [this.constant(new Float32Array([1]), [1, 1]), positive]);
        this.after.push(node('Concat', [negative, positive], ['probabilities'], { axis: 1 }));
        return [valueInfo('probabilities', 'float', ['N', 2])];
      }
      case 'logits':
        this.after.push(node('Softmax', [toFloat(value)], ['probabilities'], { axis: 1 }));
        return [valueInfo('probabilities', 'float', ['N', 'K'])];
      case 'probabilities': {
        const numbers = answer.kind === 'labels' ? this.#oneHot(value, answer, answer.classes ?? []) : value;
        this.after.push(node('Cast', [numbers], ['probabilities'], { to: ELEMENT_TYPES.float }));
        return [valueInfo('probabilities', 'float', ['N', 'K'])];
      }
    }
  }

  constant(values: ConstantValues, shape?: readonly number[]): string {
    const name = `${ADDED_PREFIX}constant:${(this.#next += 1)}`;
    this.constants.push({ ...tensorOf(values, shape), name });
    return name;
  }

  /** 1 for the predicted label, 0 for the others. */
  #oneHot(label: string, { labelType }: FoundAnswer, classes: readonly string[]): string {
    const width = classes.length;
    const codes = Float32Array.from({ length: width }, (_, index) => index);
    const keys = labelType === 'string' ? { keys_strings: classes } : { keys_int64s: BigInt64Array.from(classes, BigInt) };
    const column = this.#add(this.after, 'Reshape', [label, this.constant(BigInt64Array.of(-1n, 1n))]);
    const numbers = labelType === 'string' ? column : this.#add(this.after, 'Cast', [column], { to: ELEMENT_TYPES.int64 });
    const values = { ...keys, values_floats: codes, default_float: -1 };
    const code = this.#add(this.after, 'LabelEncoder', [numbers], values, ML_DOMAIN);
    const distance = this.#add(this.after, 'Abs', [this.#add(this.after, 'Sub', [code, this.constant(codes, [1, width])])]);
    const isOther = this.#add(this.after, 'Greater', [distance, this.constant(new Float32Array([0.5]), [1, 1])]);
    const is = this.#add(this.after, 'Not', [isOther]);
    return this.#add(this.after, 'Cast', [is], { to: ELEMENT_TYPES.float });
  }

  #add(
    list: NodeMessage[],
    op: string,
    input: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): string {
    const output = `${ADDED_PREFIX}${op}:${(this.#next += 1)}`;
    list.push(node(op, input, [output], attributes, domain));
    return output;
  }
}

function node(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
  domain = '',
): NodeMessage {
  const attribute = Object.entries(attributes).map(([name, value]) => encodeAttribute(name, value));
  return { input: [...input], output: [...output], name: `${ADDED_PREFIX}${output[0] ?? ''}`, opType, domain, attribute };
}
