import { GraphBuildError } from '../errors.ts';
import { type Attribute, encodeAttribute } from './attribute.ts';
import { encodeModel } from './codec.ts';
import type { GraphMessage, ModelMessage, NodeMessage, TensorMessage, ValueInfoMessage } from './messages.ts';
import { ELEMENT_TYPES, type ElementType } from './schema.ts';
import { type ConstantValues, tensorOf } from './tensor.ts';

/** A size, or a name for a size that varies from call to call ("N"). */
export type Dimension = number | string;

export interface NodeOptions {
  /** Operator domain; `ai.onnx.ml` for the classical models, '' (the default) for the tensor operators. */
  readonly domain?: string;
  /** How many outputs, or their names; 1 by default. */
  readonly outputs?: number | readonly string[];
  readonly name?: string;
}

export interface BuildOptions {
  /** Version of the tensor operators. */
  readonly opset?: number;
  /** Version of `ai.onnx.ml`. */
  readonly mlOpset?: number;
  readonly irVersion?: number;
  readonly producer?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * ONNX Runtime 1.30 accepts these. IR 10 is the newest that older runtimes share; `ai.onnx.ml` 5 deprecates
 * TreeEnsembleRegressor and TreeEnsembleClassifier in favour of TreeEnsemble, so 4 is the default.
 */
export const DEFAULT_OPSET = 21;
export const DEFAULT_ML_OPSET = 4;
export const DEFAULT_IR_VERSION = 10;
/** Nodes one graph may have; the reader's limit on messages is of the same order. */
export const NODE_LIMIT = 100_000;

/** The operator domain of classical models (tree ensembles, label encoders). */
export const ML_DOMAIN = 'ai.onnx.ml';

/**
 * Builds an ONNX graph node by node. Values are referred to by name; every method that makes one returns its name.
 * Names of intermediate values are numbered per operator, so that equal constructions give equal bytes.
 */
export class GraphBuilder {
  readonly #name: string;
  readonly #inputs: ValueInfoMessage[] = [];
  readonly #outputs: ValueInfoMessage[] = [];
  readonly #nodes: NodeMessage[] = [];
  readonly #initializers: TensorMessage[] = [];
  readonly #known = new Set<string>();
  readonly #counters = new Map<string, number>();

  constructor(name = 'slipway') {
    this.#name = name;
  }

  /** Declares a graph input. @returns its name. */
  input(name: string, elementType: ElementType, shape: readonly Dimension[]): string {
    this.#claim(name);
    this.#inputs.push(valueInfo(name, elementType, shape));
    return name;
  }

  /** Adds a constant. Shape defaults to [n]; pass [] for a scalar. Plain numbers need `elementType`. @returns its name. */
  constant(
    values: ConstantValues,
    shape?: readonly number[],
    options: { readonly name?: string; readonly elementType?: ElementType } = {},
  ): string {
    const name = options.name ?? this.#fresh('constant');
    this.#claim(name);
    this.#initializers.push({ ...tensorOf(values, shape, options.elementType), name });
    return name;
  }

  /**
   * Adds an operator. Attributes: see `Attribute` for how kinds are inferred; an input '' leaves an optional one out.
   * @returns the names of its outputs.
   */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, options: NodeOptions = {}): string[] {
    for (const input of inputs) {
      if (input !== '' && !this.#known.has(input)) throw new GraphBuildError(`${op} reads "${input}", which nothing has made yet.`);
    }
    if (this.#nodes.length >= NODE_LIMIT) throw new GraphBuildError(`A graph may have at most ${NODE_LIMIT} nodes.`);
    const outputs = this.#outputNames(op, options.outputs ?? 1);
    this.#nodes.push({
      input: [...inputs],
      output: outputs,
      name: options.name ?? `${op}_${this.#nodes.length}`,
      opType: op,
      domain: options.domain ?? '',
      attribute: Object.entries(attributes).map(([name, value]) => encodeAttribute(name, value)),
    });
    return outputs;
  }

  /** Adds an operator with one output. @returns the output's name. */
  op(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    options: Omit<NodeOptions, 'outputs'> & { readonly output?: string } = {},
  ): string {
    const { output, ...rest } = options;
    const [name] = this.node(op, inputs, attributes, { ...rest, outputs: output === undefined ? 1 : [output] });
    return name as string;
  }

  /** Declares that an existing value is an output of the graph, under that value's own name. */
  output(name: string, elementType: ElementType, shape: readonly Dimension[]): void {
    if (!this.#known.has(name)) throw new GraphBuildError(`Output "${name}" is made by no node; give that node's output this name.`);
    if (this.#outputs.some((output) => output.name === name)) throw new GraphBuildError(`Output "${name}" is declared twice.`);
    this.#outputs.push(valueInfo(name, elementType, shape));
  }

  /** The model's bytes. @throws {GraphBuildError} without an output. */
  build(options: BuildOptions = {}): Uint8Array {
    return encodeModel(this.toModel(options));
  }

  /** The model as messages, for those who want to inspect or change it before encoding. */
  toModel(options: BuildOptions = {}): ModelMessage {
    if (this.#outputs.length === 0) throw new GraphBuildError('The graph has no output.');
    const graph: GraphMessage = {
      name: this.#name,
      node: this.#nodes,
      initializer: this.#initializers,
      input: this.#inputs,
      output: this.#outputs,
    };
    return {
      irVersion: options.irVersion ?? DEFAULT_IR_VERSION,
      producerName: options.producer ?? 'slipway',
      graph,
      opsetImport: [
        { domain: '', version: options.opset ?? DEFAULT_OPSET },
        { domain: ML_DOMAIN, version: options.mlOpset ?? DEFAULT_ML_OPSET },
      ],
      metadataProps: Object.entries(options.metadata ?? {}).map(([key, value]) => ({ key, value })),
    };
  }

  #outputNames(op: string, outputs: number | readonly string[]): string[] {
    if (typeof outputs === 'number') return Array.from({ length: outputs }, () => this.#claim(this.#fresh(op)));
    return outputs.map((name) => this.#claim(name));
  }

  #claim(name: string): string {
    if (name === '') throw new GraphBuildError('A value needs a name.');
    if (this.#known.has(name)) throw new GraphBuildError(`The name "${name}" is used twice in the graph.`);
    this.#known.add(name);
    return name;
  }

  #fresh(prefix: string): string {
    for (;;) {
      const count = this.#counters.get(prefix) ?? 0;
      this.#counters.set(prefix, count + 1);
      // A user's column may be called "Add:0"; the counter goes on until the name is free.
      const name = `${prefix}:${count}`;
      if (!this.#known.has(name)) return name;
    }
  }
}

/** A tensor's declaration as ONNX writes it. */
export function valueInfo(name: string, elementType: ElementType, shape: readonly Dimension[]): ValueInfoMessage {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: ELEMENT_TYPES[elementType], shape: { dim } } } };
}
