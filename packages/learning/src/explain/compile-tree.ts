import type { Tree } from '../trees/tree.ts';
import type { TreeCover } from './cover.ts';
import { gaussLegendre } from './gauss-legendre.ts';

/** A branch no reference row took still gets this share of a row, so that its factor can be divided out again. */
const EMPTY_BRANCH_ROWS = 1e-6;

/**
 * A tree laid out for explaining. Slot 0 is the root; every other slot is a node below it in pre-order, so that a loop
 * forward visits parents first and a loop backward children first. The edge into a slot asks one feature; `share` is the
 * part of the reference rows that pass all edges of that feature on the path, `own` the part that passes this edge.
 */
export interface CompiledTree {
  readonly tree: Tree;
  readonly slotCount: number;
  readonly parent: Int32Array;
  /** Inner node that decides about the edge. */
  readonly node: Int32Array;
  /** 1 when the edge is the node's left one. */
  readonly side: Uint8Array;
  readonly feature: Int32Array;
  /** Nearest slot above with the same feature, 0 for none. */
  readonly above: Int32Array;
  readonly share: Float64Array;
  readonly own: Float64Array;
  /** Slots of the children; 0 for a leaf. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly value: Float64Array;
  /** Different features on the longest path. */
  readonly playersMax: number;
  /** Mean output over the reference rows. */
  readonly expected: number;
}

/** Lays a tree out; covers say how many reference rows reached each node. */
export function compileTree(tree: Tree, cover: TreeCover): CompiledTree {
  const slotCount = 1 + 2 * tree.feature.length;
  const compiled = {
    tree,
    slotCount,
    parent: new Int32Array(slotCount),
    node: new Int32Array(slotCount),
    side: new Uint8Array(slotCount),
    feature: new Int32Array(slotCount).fill(-1),
    above: new Int32Array(slotCount),
    share: new Float64Array(slotCount).fill(1),
    own: new Float64Array(slotCount).fill(1),
    left: new Int32Array(slotCount),
    right: new Int32Array(slotCount),
    value: new Float64Array(slotCount),
  };
  const { playersMax, expected } = layOut(compiled, cover);
  return { ...compiled, playersMax, expected };
}

interface Visit {
  readonly slot: number;
  readonly reference: number;
  readonly reached: number;
  readonly players: number;
}

function layOut(compiled: Omit<CompiledTree, 'playersMax' | 'expected'>, cover: TreeCover): { playersMax: number; expected: number } {
  const { tree } = compiled;
  let next = 1;
  let playersMax = 0;
  let expected = 0;
  const visit = ({ slot, reference, reached, players }: Visit): void => {
    playersMax = Math.max(playersMax, players);
    if (reference < 0) {
      compiled.value[slot] = tree.value[~reference] as number;
      expected += reached * (compiled.value[slot] as number);
      return;
    }
    const children = [tree.left[reference] as number, tree.right[reference] as number] as const;
    const rows = children.map((child) => Math.max(EMPTY_BRANCH_ROWS, rowsAt(cover, child)));
    const total = (rows[0] as number) + (rows[1] as number);
    const feature = tree.feature[reference] as number;
    children.forEach((child, at) => {
      const here = next++;
      const own = (rows[at] as number) / total;
      const above = nearestAbove(compiled, slot, feature);
      compiled.parent[here] = slot;
      compiled.node[here] = reference;
      compiled.side[here] = at === 0 ? 1 : 0;
      compiled.feature[here] = feature;
      compiled.above[here] = above;
      compiled.own[here] = own;
      compiled.share[here] = (compiled.share[above] as number) * own;
      (at === 0 ? compiled.left : compiled.right)[slot] = here;
      visit({ slot: here, reference: child, reached: reached * own, players: players + (above === 0 ? 1 : 0) });
    });
  };
  visit({ slot: 0, reference: tree.feature.length === 0 ? ~0 : 0, reached: 1, players: 0 });
  return { playersMax, expected };
}

function rowsAt(cover: TreeCover, reference: number): number {
  return (reference >= 0 ? cover.nodes[reference] : cover.leaves[~reference]) as number;
}

function nearestAbove(compiled: Pick<CompiledTree, 'feature' | 'parent'>, from: number, feature: number): number {
  let slot = from;
  while (slot !== 0 && compiled.feature[slot] !== feature) slot = compiled.parent[slot] as number;
  return slot;
}

/**
 * Per slot and quadrature point t: `present` = t + (1 - t)·share, the factor of a feature that takes the row's way, as its
 * ratio to the factor of the slot above with the same feature (`enter`, `leave`) and its inverse.
 */
export interface TreeFactors {
  readonly pointCount: number;
  readonly weights: Float64Array;
  /** [slot × point]: the factor to multiply with where the row goes this way. */
  readonly taken: Float64Array;
  /** [slot × point]: where it goes the other way for the first time. */
  readonly missed: Float64Array;
  /** [slot × point]: 1 / (t + (1 - t)·share). */
  readonly takenInverse: Float64Array;
  /** [point]: 1 / (1 - t). */
  readonly missedInverse: Float64Array;
}

/** Enough points that the integral over a path of that many features is exact. */
export function factorsOf(compiled: CompiledTree): TreeFactors {
  const { points, weights } = gaussLegendre(Math.max(1, Math.ceil(compiled.playersMax / 2)));
  const pointCount = points.length;
  const taken = new Float64Array(compiled.slotCount * pointCount);
  const missed = new Float64Array(compiled.slotCount * pointCount);
  const takenInverse = new Float64Array(compiled.slotCount * pointCount);
  for (let slot = 1; slot < compiled.slotCount; slot += 1) {
    const share = compiled.share[slot] as number;
    const above = compiled.above[slot] as number;
    for (let point = 0; point < pointCount; point += 1) {
      const t = points[point] as number;
      const factor = t + (1 - t) * share;
      const before = above === 0 ? 1 : t + (1 - t) * (compiled.share[above] as number);
      taken[slot * pointCount + point] = factor / before;
      missed[slot * pointCount + point] = ((1 - t) * share) / before;
      takenInverse[slot * pointCount + point] = 1 / factor;
    }
  }
  return { pointCount, weights, taken, missed, takenInverse, missedInverse: points.map((t) => 1 / (1 - t)) };
}
