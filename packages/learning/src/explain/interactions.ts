import { type CompiledTree, factorsOf, type TreeFactors } from './compile-tree.ts';
import { decideNodes } from './decide.ts';
import { gaussLegendre } from './gauss-legendre.ts';
import type { FeatureRows } from './tree-shap.ts';

/**
 * Exact path-dependent SHAP interaction values of one tree, off the diagonal: half the Shapley interaction index,
 * ½ ∫₀¹ (o_i - z_i)(o_j - z_j) Π_{k≠i,j} (t·o_k + (1-t)·z_k) dt a leaf. Symmetric. Source: Fujimoto et al. 2006; Lundberg et al. 2020.
 */
export class TreeInteractions {
  readonly #compiled: CompiledTree;
  readonly #factors: TreeFactors;
  readonly #shares: Float64Array;
  readonly #goesLeft: Uint8Array;
  readonly #taken: Uint8Array;
  /** Leaf slots with, for each, the deepest slot of every feature on its path. */
  readonly #leaves: readonly { readonly slot: number; readonly players: Int32Array }[];
  /** [player × point] derivative of a player's factor over the factor. */
  readonly #slopes: Float64Array;
  readonly #products: Float64Array;

  constructor(compiled: CompiledTree) {
    this.#compiled = compiled;
    this.#factors = factorsOf(compiled);
    this.#shares = gaussLegendre(this.#factors.pointCount).points;
    this.#goesLeft = new Uint8Array(compiled.tree.feature.length);
    this.#taken = new Uint8Array(compiled.slotCount);
    this.#taken[0] = 1;
    this.#leaves = leavesOf(compiled);
    this.#slopes = new Float64Array(Math.max(1, compiled.playersMax) * this.#factors.pointCount);
    this.#products = new Float64Array(this.#factors.pointCount);
  }

  /** Adds weight × the interactions of each row to its [width × width] matrix in `interactions`; the diagonal stays. */
  explain(rows: FeatureRows, interactions: Float64Array, weight: number): void {
    if (this.#compiled.slotCount === 1) return;
    for (let row = 0; row < rows.rowCount; row += 1) {
      decideNodes(this.#compiled.tree, rows.values, row * rows.width, this.#goesLeft);
      this.#mark();
      const base = row * rows.width * rows.width;
      for (const { slot, players } of this.#leaves) this.#addLeaf(slot, players, { interactions, base, width: rows.width, weight });
    }
  }

  #mark(): void {
    const { above, node, side, slotCount } = this.#compiled;
    for (let slot = 1; slot < slotCount; slot += 1)
      this.#taken[slot] = this.#taken[above[slot] as number] === 1 && this.#goesLeft[node[slot] as number] === side[slot] ? 1 : 0;
  }

  #addLeaf(
    slot: number,
    players: Int32Array,
    { interactions, base, width, weight }: { interactions: Float64Array; base: number; width: number; weight: number },
  ): void {
    const { feature, share, value } = this.#compiled;
    const { pointCount, weights, takenInverse, missedInverse } = this.#factors;
    const slopes = this.#slopes;
    const products = this.#products;
    products.set(weights);
    players.forEach((player, index) => {
      const part = share[player] as number;
      const isTaken = this.#taken[player] === 1;
      for (let point = 0; point < pointCount; point += 1) {
        const t = this.#shares[point] as number;
        const factor = isTaken ? t + (1 - t) * part : (1 - t) * part;
        products[point] = (products[point] as number) * factor;
        slopes[index * pointCount + point] = isTaken
          ? (1 - part) * (takenInverse[player * pointCount + point] as number)
          : -(missedInverse[point] as number);
      }
    });
    const scale = (weight * (value[slot] as number)) / 2;
    for (let first = 1; first < players.length; first += 1) {
      for (let second = 0; second < first; second += 1) {
        let sum = 0;
        for (let point = 0; point < pointCount; point += 1)
          sum +=
            (products[point] as number) * (slopes[first * pointCount + point] as number) * (slopes[second * pointCount + point] as number);
        const row = feature[players[first] as number] as number;
        const column = feature[players[second] as number] as number;
        const [here, there] = [base + row * width + column, base + column * width + row];
        interactions[here] = (interactions[here] as number) + scale * sum;
        interactions[there] = (interactions[there] as number) + scale * sum;
      }
    }
  }
}

function leavesOf(compiled: CompiledTree): { slot: number; players: Int32Array }[] {
  const leaves: { slot: number; players: Int32Array }[] = [];
  for (let slot = 1; slot < compiled.slotCount; slot += 1) {
    if (compiled.left[slot] !== 0) continue;
    const seen = new Map<number, number>();
    for (let at = slot; at !== 0; at = compiled.parent[at] as number) {
      const feature = compiled.feature[at] as number;
      if (!seen.has(feature)) seen.set(feature, at);
    }
    leaves.push({ slot, players: Int32Array.from(seen.values()) });
  }
  return leaves;
}
