import { ModelFormatError, ModelRefusedError } from '../errors.ts';
import { readAttribute } from './attribute.ts';
import type { NodeMessage } from './messages.ts';

/**
 * Refuses tree ensembles in which a branch leads back to a node above it: ONNX Runtime 1.30 follows such a loop for
 * ever, on a thread that nothing can stop (found by fuzzing, 2026-11). It checks feature and target numbers itself.
 * @throws {ModelRefusedError} on a loop, {@link ModelFormatError} when lists do not fit together.
 */
export function checkTrees(node: NodeMessage): void {
  if (node.opType === 'TreeEnsembleRegressor' || node.opType === 'TreeEnsembleClassifier') checkForest(node, childrenByName(node));
  else if (node.opType === 'TreeEnsemble') checkForest(node, childrenByIndex(node));
}

/** Two children per node, -1 where there is none (a leaf). */
interface Children {
  readonly count: number;
  readonly yes: Int32Array;
  readonly no: Int32Array;
}

const NEW = 0;
const OPEN = 1;
const DONE = 2;

/** Depth-first walk without recursion; meeting a node that is still open is a loop. */
function checkForest(node: NodeMessage, { count, yes, no }: Children): void {
  const state = new Uint8Array(count);
  const stack: number[] = [];
  for (let start = 0; start < count; start += 1) {
    if (state[start] === NEW) stack.push(start);
    while (stack.length > 0) {
      const current = stack.at(-1) as number;
      if (state[current] !== NEW) {
        state[current] = DONE;
        stack.pop();
        continue;
      }
      state[current] = OPEN;
      for (const child of [yes[current] as number, no[current] as number]) {
        if (child < 0 || state[child] === DONE) continue;
        if (state[child] === OPEN) {
          throw new ModelRefusedError(`A tree of the operator ${node.name || node.opType} leads back to itself at node ${child}.`);
        }
        stack.push(child);
      }
    }
  }
}

/** Version 3: nodes are known by (tree, number), and a leaf says so in its mode. */
function childrenByName(node: NodeMessage): Children {
  const trees = integers(node, 'nodes_treeids');
  const numbers = integers(node, 'nodes_nodeids');
  const modes = readAttribute(node.attribute, 'nodes_modes');
  const count = trees.length;
  const lists = { yes: integers(node, 'nodes_truenodeids'), no: integers(node, 'nodes_falsenodeids') };
  const fits = [numbers, lists.yes, lists.no].every((list) => list.length === count);
  if (!fits || !Array.isArray(modes) || modes.length !== count) throw unfit(node);
  const places = new Map<string, number>();
  for (let index = 0; index < count; index += 1) places.set(`${trees[index]} ${numbers[index]}`, index);
  const find = (list: readonly number[]) =>
    // What is named and not there is refused by the engine.
    Int32Array.from(list, (number, index) => (modes[index] === 'LEAF' ? -1 : (places.get(`${trees[index]} ${number}`) ?? -1)));
  return { count, yes: find(lists.yes), no: find(lists.no) };
}

/** Version 5: children are positions, and a flag says whether they are leaves. */
function childrenByIndex(node: NodeMessage): Children {
  const lists = {
    yes: integers(node, 'nodes_truenodeids'),
    no: integers(node, 'nodes_falsenodeids'),
    yesLeaf: integers(node, 'nodes_trueleafs'),
    noLeaf: integers(node, 'nodes_falseleafs'),
  };
  const count = lists.yes.length;
  if (Object.values(lists).some((list) => list.length !== count)) throw unfit(node);
  const find = (list: readonly number[], leaf: readonly number[]) =>
    Int32Array.from(list, (child, index) => {
      if (leaf[index] !== 0) return -1;
      if (child < 0 || child >= count) throw unfit(node);
      return child;
    });
  return { count, yes: find(lists.yes, lists.yesLeaf), no: find(lists.no, lists.noLeaf) };
}

function integers(node: NodeMessage, name: string): readonly number[] {
  const value = readAttribute(node.attribute, name);
  return Array.isArray(value) ? value.map(Number) : [];
}

function unfit(node: NodeMessage): ModelFormatError {
  return new ModelFormatError(`The lists of the operator ${node.name || node.opType} do not fit together.`);
}
