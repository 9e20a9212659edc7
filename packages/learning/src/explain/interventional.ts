import type { Tree } from '../trees/tree.ts';
import { decideNodes } from './decide.ts';
import type { ContributionSink, FeatureRows } from './tree-shap.ts';

/** Which of the two rows an already asked feature follows. */
const OPEN = 0;
const EXPLAINED = 1;
const BACKGROUND = 2;

/**
 * Exact interventional SHAP values of one tree: absent features take the values of a background row, averaged over all of
 * them. A leaf that needs `a` features of the explained row and `c` of the background row gives each of the former
 * leaf·(a-1)!c!/(a+c)! and takes leaf·a!(c-1)!/(a+c)! of each of the latter. Source: Lundberg et al. 2020, algorithm 3.
 */
export class InterventionalTreeShap {
  readonly #tree: Tree;
  readonly #background: FeatureRows;
  /** [background row × node] */
  readonly #backgroundLeft: Uint8Array;
  readonly #rowLeft: Uint8Array;
  readonly #follows: Uint8Array;
  readonly #path: Int32Array;
  readonly #shares: Float64Array;
  readonly #depthLimit: number;
  /** What the walk in hand adds to. */
  #sums: Float64Array;
  #from = 0;

  constructor(tree: Tree, background: FeatureRows) {
    this.#tree = tree;
    this.#background = background;
    const nodes = tree.feature.length;
    this.#backgroundLeft = new Uint8Array(background.rowCount * nodes);
    for (let row = 0; row < background.rowCount; row += 1)
      decideNodes(tree, background.values, row * background.width, this.#backgroundLeft.subarray(row * nodes, (row + 1) * nodes));
    this.#rowLeft = new Uint8Array(nodes);
    this.#follows = new Uint8Array(background.width);
    this.#depthLimit = depthOf(tree) + 1;
    this.#path = new Int32Array(this.#depthLimit);
    this.#shares = orderShares(this.#depthLimit);
    this.#sums = new Float64Array(background.width);
  }

  /** Mean output over the background rows. */
  expected(): number {
    const nodes = this.#tree.feature.length;
    let sum = 0;
    for (let row = 0; row < this.#background.rowCount; row += 1) {
      let node = nodes === 0 ? ~0 : 0;
      while (node >= 0) node = (this.#backgroundLeft[row * nodes + node] === 1 ? this.#tree.left[node] : this.#tree.right[node]) as number;
      sum += this.#tree.value[~node] as number;
    }
    return sum / this.#background.rowCount;
  }

  /** Adds the tree's contributions of every row. */
  explain(rows: FeatureRows, { contributions, outputCount, output, weight }: ContributionSink): void {
    const nodes = this.#tree.feature.length;
    if (nodes === 0) return;
    for (let row = 0; row < rows.rowCount; row += 1) {
      decideNodes(this.#tree, rows.values, row * rows.width, this.#rowLeft);
      this.#sums.fill(0);
      for (let other = 0; other < this.#background.rowCount; other += 1) {
        this.#from = other * nodes;
        this.#walk(0, 0, 0);
      }
      const base = (row * outputCount + output) * rows.width;
      const factor = weight / this.#background.rowCount;
      for (let feature = 0; feature < rows.width; feature += 1) {
        const sum = this.#sums[feature] as number;
        if (sum !== 0) contributions[base + feature] = (contributions[base + feature] as number) + factor * sum;
      }
    }
  }

  /** @param explained features that follow the explained row so far. @param background features that follow the other. */
  #walk(reference: number, explained: number, background: number): void {
    if (reference < 0) return this.#credit(this.#tree.value[~reference] as number, explained, background);
    const { feature, left, right } = this.#tree;
    const asked = feature[reference] as number;
    const rowNext = (this.#rowLeft[reference] === 1 ? left[reference] : right[reference]) as number;
    const otherNext = (this.#backgroundLeft[this.#from + reference] === 1 ? left[reference] : right[reference]) as number;
    const follows = this.#follows[asked] as number;
    if (rowNext === otherNext || follows === EXPLAINED) return this.#walk(rowNext, explained, background);
    if (follows === BACKGROUND) return this.#walk(otherNext, explained, background);
    this.#path[explained + background] = asked;
    this.#follows[asked] = EXPLAINED;
    this.#walk(rowNext, explained + 1, background);
    this.#follows[asked] = BACKGROUND;
    this.#walk(otherNext, explained, background + 1);
    this.#follows[asked] = OPEN;
  }

  #credit(value: number, explained: number, background: number): void {
    const players = explained + background;
    if (players === 0) return;
    const gain = explained === 0 ? 0 : value * (this.#shares[(explained - 1) * this.#depthLimit + background] as number);
    const loss = background === 0 ? 0 : value * (this.#shares[explained * this.#depthLimit + background - 1] as number);
    for (let at = 0; at < players; at += 1) {
      const feature = this.#path[at] as number;
      const change = this.#follows[feature] === EXPLAINED ? gain : -loss;
      this.#sums[feature] = (this.#sums[feature] as number) + change;
    }
  }
}

/** [a × c] a!·c!/(a+c+1)!: the share of orders in which exactly these come before one more. */
function orderShares(limit: number): Float64Array {
  const shares = new Float64Array(limit * limit);
  for (let before = 0; before < limit; before += 1) {
    // a!·0!/(a+1)!, then one more of the others at a time.
    let share = 1 / (before + 1);
    for (let after = 0; after < limit; after += 1) {
      shares[before * limit + after] = share;
      share *= (after + 1) / (before + after + 2);
    }
  }
  return shares;
}

function depthOf(tree: Tree): number {
  const depths = new Int32Array(tree.feature.length);
  let most = 0;
  // Children are numbered after their parents.
  for (let node = 0; node < tree.feature.length; node += 1) {
    const depth = (depths[node] as number) + 1;
    most = Math.max(most, depth);
    for (const child of [tree.left[node] as number, tree.right[node] as number]) if (child >= 0) depths[child] = depth;
  }
  return most;
}
