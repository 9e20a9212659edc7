import { readAttribute } from '../onnx/attribute.ts';
import type { NodeMessage } from '../onnx/messages.ts';
import { numbersOf } from '../onnx/tensor.ts';
import { ELEMENT_TYPES } from '../onnx/schema.ts';
import { NODE_LEQ, NODE_LT, NODE_MEMBER, type ProgramForest } from './program.ts';
import { integerAttribute, NotCompilable, type Value } from './values.ts';

/** Largest code of a set of codes; sets with larger ones, or with others than whole numbers, are for ONNX Runtime. */
export const MEMBER_CODE_LIMIT = 65_536;
/** 32-bit words of all sets together. */
const MEMBER_WORD_LIMIT = 4_000_000;

export interface CompiledForest {
  readonly forest: ProgramForest;
  readonly targets: number;
  readonly type: 'float' | 'double';
}

/** The trees of a TreeEnsemble (version 5) or TreeEnsembleRegressor that are summed without a transformation. @throws {NotCompilable} */
export function compileForest(node: NodeMessage, features: Value): CompiledForest {
  if (features.type !== 'float' && features.type !== 'double') throw new NotCompilable('trees read whole numbers');
  const built = node.opType === 'TreeEnsemble' ? byPosition(node) : byName(node);
  const width = features.shape[0] as number;
  const targets = integerAttribute(node, 'n_targets', 1);
  if (built.forest.feature.some((feature) => feature < 0 || feature >= width))
    throw new NotCompilable('a tree asks for a feature that is not there');
  if (built.forest.leafTarget.some((target) => target < 0 || target >= targets))
    throw new NotCompilable('a leaf counts for a target that is not there');
  return { ...built, targets, type: node.opType === 'TreeEnsemble' ? features.type : 'float' };
}

function list(node: NodeMessage, name: string): number[] {
  const value = readAttribute(node.attribute, name);
  if (Array.isArray(value)) return value.map(Number);
  const tensor = node.attribute.find((each) => each.name === name)?.t;
  if (!tensor) return [];
  return tensor.dataType === ELEMENT_TYPES.uint8 ? Array.from(tensor.rawData ?? tensor.int32Data ?? []) : numbersOf(tensor);
}

function texts(node: NodeMessage, name: string): string[] {
  const value = readAttribute(node.attribute, name);
  return Array.isArray(value) ? value.map(String) : [];
}

function requireLength(lists: readonly (readonly unknown[])[], length: number): void {
  if (lists.some((each) => each.length !== length)) throw new NotCompilable('the lists of the trees do not fit together');
}

/** ai.onnx.ml 5: BRANCH_LEQ, BRANCH_LT and BRANCH_MEMBER. */
const MODES: ReadonlyMap<number | string, number> = new Map<number | string, number>([
  [0, NODE_LEQ],
  [1, NODE_LT],
  [6, NODE_MEMBER],
  ['BRANCH_LEQ', NODE_LEQ],
  ['BRANCH_LT', NODE_LT],
]);

function modeOf(mode: number | string): number {
  const known = MODES.get(mode);
  if (known === undefined) throw new NotCompilable(`trees branch by the mode ${mode}`);
  return known;
}

function byPosition(node: NodeMessage): { forest: ProgramForest } {
  if (integerAttribute(node, 'post_transform', 0) !== 0 || integerAttribute(node, 'aggregate_function', 1) !== 1)
    throw new NotCompilable('trees are not simply summed');
  const feature = list(node, 'nodes_featureids');
  const count = feature.length;
  const split = list(node, 'nodes_splits');
  const [yes, yesLeaf, no, noLeaf] = ['nodes_truenodeids', 'nodes_trueleafs', 'nodes_falsenodeids', 'nodes_falseleafs'].map((name) =>
    list(node, name),
  ) as [number[], number[], number[], number[]];
  const leafTarget = list(node, 'leaf_targetids');
  const leafWeight = list(node, 'leaf_weights');
  const mode = list(node, 'nodes_modes').map(modeOf);
  requireLength([split, yes, yesLeaf, no, noLeaf, mode], count);
  requireLength([leafWeight], leafTarget.length);
  const child = (reference: number, isLeaf: number | undefined): number => {
    if (reference < 0 || reference >= (isLeaf ? leafTarget.length : count)) throw new NotCompilable('a branch leads nowhere');
    return isLeaf ? ~reference : reference;
  };
  const missing = list(node, 'nodes_missing_value_tracks_true');
  return {
    forest: {
      roots: Int32Array.from(list(node, 'tree_roots'), (root) => child(root, 0)),
      feature: Int32Array.from(feature),
      mode: Uint8Array.from(mode),
      split: Float64Array.from(split),
      missingYes: Uint8Array.from(feature, (_, index) => missing[index] ?? 0),
      yes: Int32Array.from(yes, (reference, index) => child(reference, yesLeaf[index])),
      no: Int32Array.from(no, (reference, index) => child(reference, noLeaf[index])),
      ...membersOf(mode, list(node, 'membership_values')),
      leafTarget: Int32Array.from(leafTarget),
      leafWeight: Float64Array.from(leafWeight),
    },
  };
}

/** The sets of codes, one for each node of that mode in order, as bits. Each list ends with NaN. */
function membersOf(mode: readonly number[], values: readonly number[]): Pick<ProgramForest, 'memberStart' | 'memberCount' | 'members'> {
  const memberStart = new Int32Array(mode.length);
  const memberCount = new Int32Array(mode.length);
  const words: number[] = [];
  let next = 0;
  mode.forEach((kind, node) => {
    if (kind !== NODE_MEMBER) return;
    let end = next;
    while (end < values.length && !Number.isNaN(values[end])) end += 1;
    if (end === values.length) throw new NotCompilable('the sets of the trees do not fit together');
    const codes = values.slice(next, end);
    next = end + 1;
    if (codes.some((code) => !Number.isInteger(code) || code < 0 || code >= MEMBER_CODE_LIMIT))
      throw new NotCompilable('trees ask for odd codes');
    const most = codes.reduce((largest, code) => Math.max(largest, code), -1);
    memberStart[node] = words.length;
    memberCount[node] = most + 1;
    for (let word = 0; word * 32 <= most; word += 1) words.push(0);
    for (const code of codes) {
      const word = (memberStart[node] as number) + (code >>> 5);
      words[word] = (words[word] as number) | (1 << (code & 31));
    }
    if (words.length > MEMBER_WORD_LIMIT) throw new NotCompilable('the sets of the trees are too large');
  });
  return { memberStart, memberCount, members: Uint32Array.from(words, (word) => word >>> 0) };
}

/** Versions 3 and 4: nodes are known by tree and number, and leaves are nodes with a list of weights. */
function byName(node: NodeMessage): { forest: ProgramForest } {
  const isSum = (readAttribute(node.attribute, 'aggregate_function') ?? 'SUM') === 'SUM';
  const isBare = (readAttribute(node.attribute, 'post_transform') ?? 'NONE') === 'NONE';
  if (!isSum || !isBare || list(node, 'base_values').some((value) => value !== 0)) throw new NotCompilable('trees are not simply summed');
  const trees = list(node, 'nodes_treeids');
  const numbers = list(node, 'nodes_nodeids');
  const modes = texts(node, 'nodes_modes');
  const splits = [...list(node, 'nodes_values'), ...list(node, 'nodes_values_as_tensor')];
  const feature = list(node, 'nodes_featureids');
  const children = { yes: list(node, 'nodes_truenodeids'), no: list(node, 'nodes_falsenodeids') };
  requireLength([numbers, modes, splits, feature, children.yes, children.no], trees.length);
  const leaves = leavesOf(node);
  const nameOf = (index: number, number: number) => `${trees[index]} ${number}`;
  const places = new Map(trees.map((_, index) => [nameOf(index, numbers[index] as number), index]));
  const child = (index: number, number: number): number => {
    const place = places.get(nameOf(index, number));
    if (place === undefined) throw new NotCompilable('a branch leads nowhere');
    return modes[place] === 'LEAF' ? ~leaves.at(nameOf(index, number)) : place;
  };
  const inner = (index: number) => modes[index] !== 'LEAF';
  const missing = list(node, 'nodes_missing_value_tracks_true');
  const isRoot = (index: number) => index === 0 || trees[index] !== trees[index - 1];
  const roots = trees.flatMap((_, index) => (isRoot(index) ? [child(index, numbers[index] as number)] : []));
  return {
    forest: {
      roots: Int32Array.from(roots),
      feature: Int32Array.from(feature, (value, index) => (inner(index) ? value : 0)),
      mode: Uint8Array.from(modes, (mode, index) => (inner(index) ? modeOf(mode) : NODE_LEQ)),
      split: Float64Array.from(splits),
      missingYes: Uint8Array.from(trees, (_, index) => missing[index] ?? 0),
      yes: Int32Array.from(children.yes, (number, index) => (inner(index) ? child(index, number) : 0)),
      no: Int32Array.from(children.no, (number, index) => (inner(index) ? child(index, number) : 0)),
      memberStart: new Int32Array(0),
      memberCount: new Int32Array(0),
      members: new Uint32Array(0),
      leafTarget: Int32Array.from(leaves.targets),
      leafWeight: Float64Array.from(leaves.weights),
    },
  };
}

/** Leaves by tree and number; one weight each, or the operator is for ONNX Runtime. */
function leavesOf(node: NodeMessage): { targets: number[]; weights: number[]; at: (name: string) => number } {
  const trees = list(node, 'target_treeids');
  const numbers = list(node, 'target_nodeids');
  const targets = list(node, 'target_ids');
  const weights = [...list(node, 'target_weights'), ...list(node, 'target_weights_as_tensor')];
  requireLength([numbers, targets, weights], trees.length);
  const places = new Map(trees.map((tree, index) => [`${tree} ${numbers[index]}`, index]));
  if (places.size !== trees.length) throw new NotCompilable('leaves have several weights');
  return {
    targets,
    weights,
    at: (name) => {
      const place = places.get(name);
      if (place === undefined) throw new NotCompilable('a leaf has no weight');
      return place;
    },
  };
}
