import { nearestName } from '@slipway/kernel';
import { SignatureError } from '../errors.ts';
import { readAttribute } from '../onnx/attribute.ts';
import { integerOf } from '../onnx/codec.ts';
import type { GraphMessage, NodeMessage, TensorMessage, ValueInfoMessage } from '../onnx/messages.ts';
import { type ElementType, elementTypeName } from '../onnx/schema.ts';
import { numbersOf, stringsOf } from '../onnx/tensor.ts';

/** Where in a graph made elsewhere the answer is. */
export interface FoundAnswer {
  /** The tensor that holds it; of a ZipMap its input, so that no map is ever built. */
  readonly value: string;
  /** Name of the graph's output that was chosen. */
  readonly output: string;
  /** `scores`: numbers; `labels`: nothing but the predicted label. */
  readonly kind: 'scores' | 'labels';
  readonly labelType: 'int64' | 'string' | undefined;
  /** Labels in the order of the scores, when the graph knows them. */
  readonly classes: readonly string[] | undefined;
  /** Looks as if it held probabilities, by its name or by the map it fed. */
  readonly isProbability: boolean;
}

interface Candidate {
  readonly name: string;
  readonly elementType: ElementType | undefined;
  readonly zipMap: NodeMessage | undefined;
}

const SCORES: ReadonlySet<ElementType> = new Set(['float', 'double', 'float16']);
const LABELS: ReadonlySet<ElementType> = new Set(['int64', 'int32', 'string']);
const PROBABILITY_NAME = /prob|softmax/i;
/** Nodes looked at on the way back from an output to the list of labels. */
const WALK_LIMIT = 2_000;

/**
 * Finds the answer among a graph's outputs: the one asked for, the probabilities of a classifier (behind a ZipMap or
 * not), or the only numbers there are. @throws {SignatureError} that lists the outputs when it is not clear.
 */
export function findAnswer(graph: GraphMessage, wanted: string | undefined): FoundAnswer {
  const producers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const candidates = graph.output.map((output) => candidateOf(output, producers.get(output.name)));
  const chosen = choose(candidates, wanted);
  const labels = candidates.find(({ elementType, zipMap }) => !zipMap && elementType !== undefined && LABELS.has(elementType));
  const { zipMap } = chosen;
  if (zipMap) {
    const value = zipMap.input[0] ?? '';
    return {
      value,
      output: chosen.name,
      kind: 'scores',
      labelType: undefined,
      classes: labelAttributes(zipMap) ?? classesBehind(graph, producers, labels?.name),
      isProbability: true,
    };
  }
  const isLabel = chosen.elementType !== undefined && LABELS.has(chosen.elementType);
  return {
    value: chosen.name,
    output: chosen.name,
    kind: isLabel ? 'labels' : 'scores',
    labelType: isLabel ? (chosen.elementType === 'string' ? 'string' : 'int64') : undefined,
    classes: classesBehind(graph, producers, isLabel ? chosen.name : labels?.name) ?? labelAttributes(producers.get(chosen.name)),
    isProbability: PROBABILITY_NAME.test(chosen.name),
  };
}

function candidateOf(output: ValueInfoMessage, producer: NodeMessage | undefined): Candidate {
  const zipMap = producer?.opType === 'ZipMap' && producer.domain === 'ai.onnx.ml' ? producer : undefined;
  const tensor = output.type?.tensorType;
  return { name: output.name, elementType: tensor ? elementTypeName(tensor.elemType) : undefined, zipMap };
}

function choose(candidates: readonly Candidate[], wanted: string | undefined): Candidate {
  const names = candidates.map((candidate) => candidate.name);
  if (wanted !== undefined) {
    const found = candidates.find((candidate) => candidate.name === wanted);
    if (found) return found;
    const near = nearestName(wanted, names);
    throw new SignatureError(
      `The model has no output "${wanted}"${near ? `; did you mean "${near}"?` : ` (it has ${names.join(', ')}).`}`,
      {
        details: { outputs: names },
      },
    );
  }
  const scores = candidates.filter(({ elementType, zipMap }) => zipMap || (elementType !== undefined && SCORES.has(elementType)));
  const named = scores.filter(({ name, zipMap }) => zipMap || PROBABILITY_NAME.test(name));
  const pick =
    named.length === 1 ? named : scores.length === 1 ? scores : named.length === 0 && scores.length === 0 ? labelsOf(candidates) : [];
  const [only] = pick;
  if (only) return only;
  throw new SignatureError(`Which of the model's outputs is the answer? It has ${names.join(', ')}.`, {
    details: { outputs: names },
    help: 'Name one with --output NAME.',
  });
}

function labelsOf(candidates: readonly Candidate[]): readonly Candidate[] {
  const labels = candidates.filter(({ elementType }) => elementType !== undefined && LABELS.has(elementType));
  return labels.length === 1 ? labels : [];
}

/** The labels that a classifier's node, or a lookup of the likeliest one, holds somewhere before an output. */
function classesBehind(
  graph: GraphMessage,
  producers: ReadonlyMap<string, NodeMessage>,
  output: string | undefined,
): readonly string[] | undefined {
  if (output === undefined) return undefined;
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const waiting = [output];
  const seen = new Set(waiting);
  for (let visited = 0; waiting.length > 0 && visited < WALK_LIMIT; visited += 1) {
    const node = producers.get(waiting.shift() as string);
    if (!node) continue;
    const labels = labelAttributes(node) ?? lookedUp(node, constants, producers);
    if (labels) return labels;
    for (const name of node.input) {
      if (seen.has(name)) continue;
      seen.add(name);
      waiting.push(name);
    }
  }
  return undefined;
}

const LABEL_ATTRIBUTES = ['classlabels_int64s', 'classlabels_strings', 'classlabels_ints'];

function labelAttributes(node: NodeMessage | undefined): readonly string[] | undefined {
  for (const name of node ? LABEL_ATTRIBUTES : []) {
    const value = readAttribute(node?.attribute ?? [], name);
    if (Array.isArray(value) && value.length > 1) return value.map(String);
  }
  return undefined;
}

/** `classes[argmax]`, as scikit-learn's converters write it. */
function lookedUp(
  node: NodeMessage,
  constants: ReadonlyMap<string, TensorMessage>,
  producers: ReadonlyMap<string, NodeMessage>,
): readonly string[] | undefined {
  if (node.opType !== 'ArrayFeatureExtractor' && node.opType !== 'Gather') return undefined;
  const name = node.input[0] ?? '';
  const made = producers.get(name);
  const constant = constants.get(name) ?? (made?.opType === 'Constant' ? readAttribute(made.attribute, 'value') : undefined);
  if (constant === undefined || typeof constant !== 'object' || Array.isArray(constant)) return undefined;
  return labelsIn(constant);
}

function labelsIn(tensor: TensorMessage): readonly string[] | undefined {
  const type = elementTypeName(tensor.dataType);
  const size = tensor.dims.reduce<number>((product, dimension) => product * Number(integerOf(dimension)), 1);
  if (size < 2 || size > 1_000) return undefined;
  if (type === 'string') return stringsOf(tensor);
  return type === 'int64' || type === 'int32' ? numbersOf(tensor).map(String) : undefined;
}
