import { type CompiledTree, factorsOf, type TreeFactors } from './compile-tree.ts';
import { decideNodes } from './decide.ts';

/** Rows to explain, row-major [rowCount × width]. */
export interface FeatureRows {
  readonly rowCount: number;
  readonly width: number;
  readonly values: Float32Array;
}

/** Where contributions are added: row-major [rowCount × outputCount × width], scaled by `weight`. */
export interface ContributionSink {
  readonly contributions: Float64Array;
  readonly outputCount: number;
  readonly output: number;
  readonly weight: number;
}

/**
 * Exact path-dependent SHAP values of one tree: absent features follow the shares of the reference rows.
 *
 * A leaf's game has product form, v(S) = leaf · Π_{i∈S} o_i · Π_{i∉S} z_i with o_i ∈ {0, 1} (the row passes every edge of
 * feature i) and z_i the share of reference rows that do. Its Shapley value is ∫₀¹ (o_i - z_i) · Π_{j≠i} (t·o_j + (1-t)·z_j) dt
 * (the derivative of the multilinear extension along its diagonal; Owen 1972), a polynomial in t, so Gauss-Legendre with
 * half as many points as the path has features is exact. One pass down multiplies factors, one pass up collects leaves:
 * O(slots × points) a row instead of O(leaves × depth²), and no subtraction in the products.
 * Same values as Lundberg et al. 2020, algorithm 2.
 */
export class TreeShap {
  readonly #compiled: CompiledTree;
  readonly #factors: TreeFactors;
  readonly #goesLeft: Uint8Array;
  readonly #taken: Uint8Array;
  /** [slot × point]: products on the way down, then sums on the way up. */
  readonly #work: Float64Array;

  constructor(compiled: CompiledTree) {
    this.#compiled = compiled;
    this.#factors = factorsOf(compiled);
    this.#goesLeft = new Uint8Array(compiled.tree.feature.length);
    this.#taken = new Uint8Array(compiled.slotCount);
    this.#work = new Float64Array(compiled.slotCount * this.#factors.pointCount);
    this.#taken[0] = 1;
  }

  /** Adds the tree's contributions of every row. */
  explain(rows: FeatureRows, { contributions, outputCount, output, weight }: ContributionSink): void {
    if (this.#compiled.slotCount === 1) return;
    for (let row = 0; row < rows.rowCount; row += 1) {
      decideNodes(this.#compiled.tree, rows.values, row * rows.width, this.#goesLeft);
      this.#descend();
      this.#ascend(contributions, (row * outputCount + output) * rows.width, weight);
    }
  }

  #descend(): void {
    const { parent, node, side, above, own, slotCount } = this.#compiled;
    const { pointCount, taken: whenTaken, missed: whenMissed, weights } = this.#factors;
    const work = this.#work;
    const taken = this.#taken;
    const goesLeft = this.#goesLeft;
    for (let point = 0; point < pointCount; point += 1) work[point] = weights[point] as number;
    for (let slot = 1; slot < slotCount; slot += 1) {
      const from = (parent[slot] as number) * pointCount;
      const to = slot * pointCount;
      const wasTaken = taken[above[slot] as number] === 1;
      const isTaken = wasTaken && goesLeft[node[slot] as number] === side[slot];
      taken[slot] = isTaken ? 1 : 0;
      if (wasTaken) {
        const table = isTaken ? whenTaken : whenMissed;
        for (let point = 0; point < pointCount; point += 1)
          work[to + point] = (work[from + point] as number) * (table[to + point] as number);
      } else {
        const share = own[slot] as number;
        for (let point = 0; point < pointCount; point += 1) work[to + point] = (work[from + point] as number) * share;
      }
    }
  }

  #ascend(contributions: Float64Array, base: number, weight: number): void {
    const { feature, above, share, left, right, value, slotCount } = this.#compiled;
    const { pointCount, takenInverse, missedInverse } = this.#factors;
    const work = this.#work;
    const taken = this.#taken;
    for (let slot = slotCount - 1; slot > 0; slot -= 1) {
      const at = slot * pointCount;
      const child = left[slot] as number;
      if (child === 0) {
        const output = value[slot] as number;
        for (let point = 0; point < pointCount; point += 1) work[at + point] = (work[at + point] as number) * output;
      } else {
        const first = child * pointCount;
        const second = (right[slot] as number) * pointCount;
        for (let point = 0; point < pointCount; point += 1)
          work[at + point] = (work[first + point] as number) + (work[second + point] as number);
      }
      const over = above[slot] as number;
      // Two missed edges of one feature cancel: the deeper one changes nothing.
      if (taken[slot] === 0 && over !== 0 && taken[over] === 0) continue;
      let sum = 0;
      if (taken[slot] === 1) {
        for (let point = 0; point < pointCount; point += 1) sum += (work[at + point] as number) * (takenInverse[at + point] as number);
        sum *= 1 - (share[slot] as number);
      } else {
        for (let point = 0; point < pointCount; point += 1) sum -= (work[at + point] as number) * (missedInverse[point] as number);
      }
      if (over !== 0) {
        let before = 0;
        const overAt = over * pointCount;
        for (let point = 0; point < pointCount; point += 1)
          before += (work[at + point] as number) * (takenInverse[overAt + point] as number);
        sum -= before * (1 - (share[over] as number));
      }
      const cell = base + (feature[slot] as number);
      contributions[cell] = (contributions[cell] as number) + weight * sum;
    }
  }
}
