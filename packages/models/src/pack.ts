import { columnOfInput } from './input-names.ts';
import { type InputPlan, type NumberColumn, NUMBERS_INPUT, TEXTS_INPUT } from './input-plan.ts';
import { readAttribute } from './onnx/attribute.ts';
import { decodeModel, encodeModel, integerOf } from './onnx/codec.ts';
import { ML_DOMAIN, valueInfo } from './onnx/graph-builder.ts';
import type { GraphMessage, ModelMessage, NodeMessage, TensorMessage } from './onnx/messages.ts';
import { ATTRIBUTE_TYPES, ELEMENT_TYPES } from './onnx/schema.ts';
import { numbersOf, stringsOf, tensorOf } from './onnx/tensor.ts';
import { signatureOf } from './signature.ts';

/** A graph that takes one matrix of doubles (and one of strings, if some text cannot be looked up outside). */
export interface PackedModel {
  readonly bytes: Uint8Array;
  readonly plan: InputPlan;
}

/**
 * Derives the graph that serving uses: all columns arrive in one [N, D] tensor of doubles. Inputs of type double,
 * float and int64 become columns; a string input that only label encoders read becomes the columns of those encoders'
 * results, and the encoders leave the graph. Columns that the graph joins again (Concat, possibly after equal casts)
 * are laid out next to each other, so that the join disappears too. Outputs other than `keep` go, with what only they need.
 * @returns undefined when the graph does not lend itself to it (subgraphs, columns that are not [N, 1]).
 */
export function packInputs(source: Uint8Array | ModelMessage, keep: readonly string[] = DEFAULT_KEEP): PackedModel | undefined {
  const model = source instanceof Uint8Array ? decodeModel(source) : source;
  if (!isPackable(model)) return undefined;
  const outputs = model.graph.output.filter((output) => keep.includes(output.name));
  const graph: GraphMessage = { ...model.graph, output: outputs };
  const alive = { ...graph, node: withoutIdentities(aliveNodes(graph), graph) };
  const packer = new Packer(model, alive);
  const packed = packer.pack();
  return packed && { bytes: encodeModel({ ...model, graph: packed.graph }), plan: packed.plan };
}

/** Outputs that serving reads; the predicted label is the argmax of the probabilities, found outside. */
const DEFAULT_KEEP = ['probabilities', 'features'];

const PREFIX = 'slipway:';

function isPackable(model: ModelMessage): boolean {
  const hasSubgraph = model.graph.node.some((node) => node.attribute.some((item) => Boolean(item.g) || (item.graphs?.length ?? 0) > 0));
  if (hasSubgraph || (model.functions?.length ?? 0) > 0) return false;
  const named = [...model.graph.input, ...model.graph.initializer].some((item) => item.name?.startsWith(PREFIX));
  const columns = signatureOf(model).inputs.every((input) => input.shape.length === 2 && input.shape[1] === 1);
  return columns && !named;
}

/** The nodes that the outputs need, in order. */
function aliveNodes(graph: GraphMessage): NodeMessage[] {
  const needed = new Set(graph.output.map((output) => output.name));
  const kept: NodeMessage[] = [];
  for (const node of graph.node.toReversed()) {
    if (!node.output.some((name) => needed.has(name))) continue;
    node.input.forEach((name) => needed.add(name));
    kept.push(node);
  }
  return kept.toReversed();
}

/** The nodes without those that hand a value on under another name, unless that is an output's: an encoder may stand behind one. */
function withoutIdentities(nodes: readonly NodeMessage[], { output: outputs }: GraphMessage): NodeMessage[] {
  const fixed = new Set(outputs.map((output) => output.name));
  const originOf = new Map<string, string>();
  const kept: NodeMessage[] = [];
  for (const node of nodes) {
    const input = node.input.map((name) => originOf.get(name) ?? name);
    const [from, to] = [input[0], node.output[0]];
    const isIdentity = node.opType === 'Identity' && (node.domain ?? '') === '' && from !== undefined && to !== undefined;
    if (isIdentity && !fixed.has(to)) originOf.set(to, from);
    else kept.push({ ...node, input });
  }
  return kept;
}

/** A value that is one packed column, after zero or more casts (element type codes). */
interface Source {
  readonly column: NumberColumn;
  readonly casts: readonly number[];
}

/** Neighbouring columns that leave the matrix together. */
interface Chunk {
  readonly name: string;
  readonly columns: readonly NumberColumn[];
  readonly casts: readonly number[];
}

class Packer {
  readonly #model: ModelMessage;
  readonly #graph: GraphMessage;
  readonly #sources = new Map<string, Source>();
  readonly #texts: string[] = [];
  readonly #chunks: Chunk[] = [];
  readonly #single = new Map<string, string>();
  readonly #nodes: NodeMessage[] = [];

  constructor(model: ModelMessage, graph: GraphMessage) {
    this.#model = model;
    this.#graph = graph;
  }

  pack(): { graph: GraphMessage; plan: InputPlan } | undefined {
    this.#findInputs();
    for (const node of this.#graph.node) {
      if (!this.#absorb(node)) this.#nodes.push(this.#rewrite(node));
    }
    for (const output of this.#graph.output) {
      // An output that is a bare column keeps its name through an Identity.
      if (this.#sources.has(output.name)) this.#nodes.push(simpleNode('Identity', [this.#column(output.name)], [output.name]));
    }
    const columns = this.#chunks.flatMap((chunk) => chunk.columns);
    if (columns.length === 0) return undefined;
    const plan: InputPlan = { layout: 'packed', columns, texts: this.#texts.map(columnOfInput), tensors: [] };
    return { graph: this.#assemble(columns.length), plan };
  }

  #findInputs(): void {
    for (const input of signatureOf(this.#model).inputs) {
      const field = columnOfInput(input.name);
      if (input.elementType === 'double') this.#sources.set(input.name, { column: { kind: 'double', field }, casts: [] });
      else if (input.elementType === 'float') {
        this.#sources.set(input.name, { column: { kind: 'double', field }, casts: [ELEMENT_TYPES.float] });
      } else if (input.elementType === 'int64') {
        this.#sources.set(input.name, { column: { kind: 'int64', field }, casts: [ELEMENT_TYPES.int64] });
      } else this.#addText(input.name);
    }
  }

  /** A text whose every reader is a label encoder to numbers becomes columns; any other stays a string. */
  #addText(name: string): void {
    const readers = this.#graph.node.filter((node) => node.input.includes(name));
    const encoders = readers.map((node) => ({ node, encoder: readEncoder(node, columnOfInput(name)) }));
    if (encoders.length > 0 && encoders.every((item) => item.encoder !== undefined)) {
      for (const { node, encoder } of encoders) if (encoder) this.#sources.set(node.output[0] as string, encoder);
    } else if (readers.length > 0) this.#texts.push(name);
  }

  /** Whether the node disappears into the columns: a lifted encoder, or a cast of a column. */
  #absorb(node: NodeMessage): boolean {
    const output = node.output[0] as string;
    if (this.#sources.has(output)) return true;
    const source = this.#sources.get(node.input[0] ?? '');
    if (node.opType !== 'Cast' || (node.domain ?? '') !== '' || !source) return false;
    const to = Number(readAttribute(node.attribute, 'to'));
    // Columns lie there as doubles.
    const isNone = source.casts.length === 0 && to === ELEMENT_TYPES.double;
    this.#sources.set(output, isNone ? source : { column: source.column, casts: [...source.casts, to] });
    return true;
  }

  #rewrite(node: NodeMessage): NodeMessage {
    const axis = readAttribute(node.attribute, 'axis');
    const isJoin = node.opType === 'Concat' && (node.domain ?? '') === '' && (axis === 1 || axis === -1);
    const input = isJoin ? this.#joinRuns(node.input) : node.input.map((name) => (this.#sources.has(name) ? this.#column(name) : name));
    if (isJoin && input.length === 1) return simpleNode('Identity', input, node.output);
    return { ...node, input };
  }

  /** Replaces each run of neighbouring columns with equal casts by one chunk. */
  #joinRuns(names: readonly string[]): string[] {
    const parts: string[] = [];
    let run: Source[] = [];
    const flush = () => {
      if (run.length > 0)
        parts.push(
          this.#chunk(
            run.map((source) => source.column),
            (run[0] as Source).casts,
          ),
        );
      run = [];
    };
    for (const name of names) {
      const source = this.#sources.get(name);
      if (!source || (run[0] && run[0].casts.join() !== source.casts.join())) flush();
      if (source) run.push(source);
      else parts.push(name);
    }
    flush();
    return parts;
  }

  /** The name under which a single column is read; made on first use. */
  #column(name: string): string {
    const known = this.#single.get(name);
    if (known !== undefined) return known;
    const source = this.#sources.get(name) as Source;
    const made = this.#chunk([source.column], source.casts);
    this.#single.set(name, made);
    return made;
  }

  #chunk(columns: readonly NumberColumn[], casts: readonly number[]): string {
    const name = `${PREFIX}chunk:${this.#chunks.length}`;
    this.#chunks.push({ name, columns, casts });
    return name;
  }

  #assemble(width: number): GraphMessage {
    const initializer = [...this.#graph.initializer];
    const head: NodeMessage[] = [];
    const raw = this.#chunks.map((chunk) => (chunk.casts.length === 0 ? chunk.name : `${chunk.name}:raw`));
    head.push(
      ...this.#split({ input: NUMBERS_INPUT, outputs: raw, sizes: this.#chunks.map((chunk) => chunk.columns.length) }, initializer),
    );
    this.#chunks.forEach((chunk, index) => head.push(...castNodes(chunk, raw[index] as string)));
    if (this.#texts.length > 0) {
      head.push(...this.#split({ input: TEXTS_INPUT, outputs: this.#texts, sizes: this.#texts.map(() => 1) }, initializer));
    }
    const input = [valueInfo(NUMBERS_INPUT, 'double', ['N', width])];
    if (this.#texts.length > 0) input.push(valueInfo(TEXTS_INPUT, 'string', ['N', this.#texts.length]));
    return {
      ...this.#graph,
      input,
      node: [...head, ...this.#nodes],
      initializer: this.#used(initializer, [...head, ...this.#nodes]),
      valueInfo: [],
    };
  }

  #used(initializers: readonly TensorMessage[], nodes: readonly NodeMessage[]): TensorMessage[] {
    const used = new Set([...nodes.flatMap((node) => node.input), ...this.#graph.output.map((output) => output.name)]);
    return initializers.filter((tensor) => used.has(tensor.name ?? ''));
  }

  #split({ input, outputs, sizes }: { input: string; outputs: string[]; sizes: number[] }, initializer: TensorMessage[]): NodeMessage[] {
    if (outputs.length === 1) return [simpleNode('Identity', [input], outputs)];
    const axis = { name: 'axis', type: ATTRIBUTE_TYPES.int, i: 1 };
    if (opsetOf(this.#model) < 13) {
      return [{ ...simpleNode('Split', [input], outputs), attribute: [axis, { name: 'split', type: ATTRIBUTE_TYPES.ints, ints: sizes }] }];
    }
    const name = `${input}:sizes`;
    initializer.push({ ...tensorOf(sizes, [sizes.length], 'int64'), name });
    return [{ ...simpleNode('Split', [input, name], outputs), attribute: [axis] }];
  }
}

function simpleNode(opType: string, input: readonly string[], output: readonly string[]): NodeMessage {
  return { opType, domain: '', name: `${PREFIX}${opType}:${output[0]}`, input: [...input], output: [...output], attribute: [] };
}

function castNodes(chunk: Chunk, raw: string): NodeMessage[] {
  return chunk.casts.map((to, index) => {
    const input = index === 0 ? raw : `${chunk.name}:${index}`;
    const output = index === chunk.casts.length - 1 ? chunk.name : `${chunk.name}:${index + 1}`;
    return { ...simpleNode('Cast', [input], [output]), attribute: [{ name: 'to', type: ATTRIBUTE_TYPES.int, i: to }] };
  });
}

function opsetOf(model: ModelMessage): number {
  const entry = model.opsetImport.find(({ domain = '' }) => domain === '' || domain === 'ai.onnx');
  return Number(integerOf(entry?.version ?? 0));
}

/** Reads a label encoder from text to numbers as a column; undefined when it is something else. */
function readEncoder(node: NodeMessage, field: string): Source | undefined {
  if (node.opType !== 'LabelEncoder' || node.domain !== ML_DOMAIN) return undefined;
  const keys = stringKeys(node);
  const mapping = numericValues(node);
  if (!keys || !mapping || keys.length !== mapping.values.length) return undefined;
  const exact = [...mapping.values, mapping.otherwise].every(
    (value) => mapping.type !== ELEMENT_TYPES.int64 || Number.isSafeInteger(value),
  );
  if (!exact) return undefined;
  const casts = mapping.type === ELEMENT_TYPES.double ? [] : [mapping.type];
  return { column: { kind: 'category', field, keys, values: mapping.values, otherwise: mapping.otherwise }, casts };
}

function stringKeys(node: NodeMessage): readonly string[] | undefined {
  const listed = readAttribute(node.attribute, 'keys_strings');
  if (Array.isArray(listed)) return listed as string[];
  const tensor = tensorAttribute(node, 'keys_tensor');
  return tensor?.dataType === ELEMENT_TYPES.string ? stringsOf(tensor) : undefined;
}

interface NumericMapping {
  readonly type: number;
  readonly values: readonly number[];
  readonly otherwise: number;
}

function numericValues(node: NodeMessage): NumericMapping | undefined {
  const floats = readAttribute(node.attribute, 'values_floats');
  if (Array.isArray(floats)) {
    return {
      type: ELEMENT_TYPES.float,
      values: floats.map(Number),
      otherwise: Number(readAttribute(node.attribute, 'default_float') ?? 0),
    };
  }
  const ints = readAttribute(node.attribute, 'values_int64s');
  if (Array.isArray(ints)) {
    return { type: ELEMENT_TYPES.int64, values: ints.map(Number), otherwise: Number(readAttribute(node.attribute, 'default_int64') ?? -1) };
  }
  const values = tensorAttribute(node, 'values_tensor');
  const fallback = tensorAttribute(node, 'default_tensor');
  const numeric = [ELEMENT_TYPES.float, ELEMENT_TYPES.double, ELEMENT_TYPES.int64] as number[];
  if (!values || !fallback || !numeric.includes(values.dataType)) return undefined;
  return { type: values.dataType, values: numbersOf(values), otherwise: numbersOf(fallback)[0] ?? 0 };
}

function tensorAttribute(node: NodeMessage, name: string): TensorMessage | undefined {
  return node.attribute.find((item) => item.name === name)?.t ?? undefined;
}
