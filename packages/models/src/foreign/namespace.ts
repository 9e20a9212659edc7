import type { AttributeMessage, GraphMessage, NodeMessage } from '../onnx/messages.ts';

/** Values of the model that was given, and values that the adapter adds; columns may not start with either. */
export const GIVEN_PREFIX = 'given:';
export const ADDED_PREFIX = 'adapter:';

/** The name that a value of the given graph has in the derived one; '' stays, since it means "left out". */
export function givenName(name: string): string {
  return name === '' ? '' : GIVEN_PREFIX + name;
}

/**
 * The graph with every value renamed, in subgraphs as well (they may read values of the graph around them), so that
 * columns may be called whatever they are called.
 */
export function inNamespace(graph: GraphMessage): GraphMessage {
  return {
    ...graph,
    node: graph.node.map(renameNode),
    initializer: graph.initializer.map((tensor) => ({ ...tensor, name: givenName(tensor.name ?? '') })),
    input: graph.input.map((value) => ({ ...value, name: givenName(value.name) })),
    output: graph.output.map((value) => ({ ...value, name: givenName(value.name) })),
    // Declared shapes of inner values help nobody, and a fixed batch size in them would be wrong.
    valueInfo: [],
    ...(graph.sparseInitializer
      ? {
          sparseInitializer: graph.sparseInitializer.map((sparse) => ({
            ...sparse,
            values: sparse.values ? { ...sparse.values, name: givenName(sparse.values.name ?? '') } : null,
          })),
        }
      : {}),
  };
}

function renameNode(node: NodeMessage): NodeMessage {
  return {
    ...node,
    input: node.input.map(givenName),
    output: node.output.map(givenName),
    attribute: node.attribute.map(renameAttribute),
  };
}

function renameAttribute(attribute: AttributeMessage): AttributeMessage {
  return {
    ...attribute,
    ...(attribute.g ? { g: inNamespace(attribute.g) } : {}),
    ...(attribute.graphs && attribute.graphs.length > 0 ? { graphs: attribute.graphs.map(inNamespace) } : {}),
  };
}

/** The nodes that the wanted values need, in their order; what subgraphs read counts as needed. */
export function neededNodes(nodes: readonly NodeMessage[], wanted: readonly string[]): NodeMessage[] {
  const needed = new Set(wanted);
  const kept: NodeMessage[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.output.some((name) => needed.has(name))) continue;
    node.input.forEach((name) => needed.add(name));
    for (const graph of subgraphsOf(node)) readNames(graph, needed);
    kept.push(node);
  }
  return kept.toReversed();
}

function subgraphsOf(node: NodeMessage): GraphMessage[] {
  return node.attribute.flatMap((attribute) => [...(attribute.g ? [attribute.g] : []), ...(attribute.graphs ?? [])]);
}

function readNames(graph: GraphMessage, names: Set<string>): void {
  for (const node of graph.node) {
    node.input.forEach((name) => names.add(name));
    for (const inner of subgraphsOf(node)) readNames(inner, names);
  }
  graph.output.forEach((output) => names.add(output.name));
}
