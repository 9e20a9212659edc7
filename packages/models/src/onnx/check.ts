import { ModelFormatError, ModelRefusedError, ModelTooLargeError } from '../errors.ts';
import { checkTrees } from './check-trees.ts';
import { integerOf } from './codec.ts';
import type { AttributeMessage, GraphMessage, ModelMessage, NodeMessage, TensorMessage } from './messages.ts';
import { ELEMENT_TYPES } from './schema.ts';

/** Operator domains whose kernels ship with ONNX Runtime; anything else would need a custom library. */
export const ALLOWED_DOMAINS: ReadonlySet<string> = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft']);
/** Most elements one tensor of the file may declare: 1 GiB of floats. */
export const TENSOR_ELEMENT_LIMIT = 2 ** 28;
/** Largest fixed size of one dimension of an input or output. */
export const DIMENSION_LIMIT = 2 ** 24;
/** Newest IR version that ONNX Runtime 1.30 was seen to load (2026-11). */
export const IR_VERSION_LIMIT = 13;

/**
 * Refuses what a served model must not contain, before the engine sees the file: external data (CVE-2022-25882,
 * CVE-2024-27318), foreign operator domains, training graphs, tensors whose declared size is not
 * that of their data, oversize dimensions, trees that lead back to themselves, and Loop.
 * @throws {ModelRefusedError | ModelTooLargeError | ModelFormatError}
 */
export function checkModel(model: ModelMessage): void {
  if (Number(integerOf(model.irVersion)) > IR_VERSION_LIMIT) {
    throw new ModelRefusedError(`The model has IR version ${integerOf(model.irVersion)}; at most ${IR_VERSION_LIMIT} is supported.`);
  }
  if (model.trainingInfo !== undefined && model.trainingInfo.length > 0) {
    throw new ModelRefusedError('The model carries a training graph.', { help: 'Export it for inference.' });
  }
  const functions = model.functions ?? [];
  const domains = new Set([...ALLOWED_DOMAINS, ...functions.map((item) => item.domain ?? '')]);
  checkGraph(model.graph, domains);
  for (const item of functions) item.node.forEach((node) => checkNode(node, domains));
}

function checkGraph(graph: GraphMessage, domains: ReadonlySet<string>): void {
  graph.initializer.forEach(checkTensor);
  for (const sparse of graph.sparseInitializer ?? []) {
    if (sparse.values) checkTensor(sparse.values);
    if (sparse.indices) checkTensor(sparse.indices);
  }
  for (const value of [...graph.input, ...graph.output]) {
    for (const dimension of value.type?.tensorType?.shape?.dim ?? []) {
      const size = Number(integerOf(dimension.dimValue ?? 0));
      if (size > DIMENSION_LIMIT) {
        throw new ModelTooLargeError(`"${value.name}" has a dimension of ${size}; at most ${DIMENSION_LIMIT} is accepted.`);
      }
    }
  }
  graph.node.forEach((node) => checkNode(node, domains));
}

function checkNode(node: NodeMessage, domains: ReadonlySet<string>): void {
  if (!domains.has(node.domain ?? '')) {
    throw new ModelRefusedError(`The operator ${node.opType} belongs to the domain "${node.domain}", which is not allowed.`, {
      details: { operator: node.opType, domain: node.domain ?? '', allowed: [...ALLOWED_DOMAINS] },
      help: 'Export the model with standard operators only; libraries of custom operators are never loaded.',
    });
  }
  if (node.opType === 'Loop' && (node.domain ?? '') === '') {
    throw new ModelRefusedError('The model uses the operator Loop, whose running time nothing bounds.', { details: { operator: 'Loop' } });
  }
  checkTrees(node);
  node.attribute.forEach((attribute) => checkAttribute(attribute, domains));
}

function checkAttribute(attribute: AttributeMessage, domains: ReadonlySet<string>): void {
  if (attribute.t) checkTensor(attribute.t);
  attribute.tensors?.forEach(checkTensor);
  for (const sparse of [attribute.sparseTensor, ...(attribute.sparseTensors ?? [])]) {
    if (sparse?.values) checkTensor(sparse.values);
    if (sparse?.indices) checkTensor(sparse.indices);
  }
  if (attribute.g) checkGraph(attribute.g, domains);
  attribute.graphs?.forEach((graph) => checkGraph(graph, domains));
}

/** Bytes of one raw element by data type; types that are missing here are checked by the engine. */
const ELEMENT_BYTES = new Map<number, number>([
  [ELEMENT_TYPES.float, 4],
  [ELEMENT_TYPES.double, 8],
  [ELEMENT_TYPES.int8, 1],
  [ELEMENT_TYPES.uint8, 1],
  [ELEMENT_TYPES.bool, 1],
  [ELEMENT_TYPES.int16, 2],
  [ELEMENT_TYPES.uint16, 2],
  [ELEMENT_TYPES.float16, 2],
  [ELEMENT_TYPES.int32, 4],
  [ELEMENT_TYPES.uint32, 4],
  [ELEMENT_TYPES.int64, 8],
  [ELEMENT_TYPES.uint64, 8],
]);

const EXTERNAL = 1;

function checkTensor(tensor: TensorMessage): void {
  const name = tensor.name ?? '';
  if (tensor.dataLocation === EXTERNAL || (tensor.externalData?.length ?? 0) > 0) {
    throw new ModelRefusedError(`The tensor "${name}" keeps its data in another file, which is refused.`, {
      details: { tensor: name },
      help: 'Save the model as one file: onnx.save(model, path, save_as_external_data=False).',
    });
  }
  let elements = 1;
  for (const dimension of tensor.dims) {
    const size = Number(integerOf(dimension));
    if (size < 0) throw new ModelFormatError(`The tensor "${name}" has the dimension ${size}.`);
    elements *= size;
  }
  if (elements > TENSOR_ELEMENT_LIMIT) {
    throw new ModelTooLargeError(`The tensor "${name}" has ${elements} elements; at most ${TENSOR_ELEMENT_LIMIT} are accepted.`);
  }
  const bytes = ELEMENT_BYTES.get(tensor.dataType);
  const raw = tensor.rawData?.length ?? 0;
  if (raw > 0 && bytes !== undefined && raw !== elements * bytes) {
    throw new ModelFormatError(`The tensor "${name}" declares ${elements} elements and holds ${raw} bytes.`);
  }
  if (raw === 0 && elements > listLength(tensor)) {
    throw new ModelFormatError(`The tensor "${name}" declares ${elements} elements and holds ${listLength(tensor)}.`);
  }
}

function listLength(tensor: TensorMessage): number {
  const lists = [tensor.floatData, tensor.int32Data, tensor.stringData, tensor.int64Data, tensor.doubleData, tensor.uint64Data];
  const longest = lists.reduce((most, list) => Math.max(most, list?.length ?? 0), 0);
  // Two 4-bit values share one int32; complex numbers take two entries.
  return tensor.dataType === 21 || tensor.dataType === 22 || tensor.dataType === 23 ? longest * 2 : longest;
}
