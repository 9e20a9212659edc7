import type { FeatureBins } from './binning.ts';
import { type Bounds, clamp } from './constraints.ts';
import { BIN_LIMIT } from './kernel.ts';
import type { TreeParameters } from './parameters.ts';

/** Doubles of one feature's histogram: gradient and hessian a bin. */
export const FEATURE_DOUBLES = BIN_LIMIT * 2;

/** The best split found so far of one leaf; reused, so that searching allocates nothing. */
export interface Split {
  /** -1: none found. */
  feature: number;
  gain: number;
  /** Numeric: the last bin that goes left. */
  bin: number;
  missingLeft: boolean;
  isCategorical: boolean;
  /** Categorical: the bins that go left are the first `setSize` of `set`. */
  set: Uint8Array;
  setSize: number;
  leftGradient: number;
  leftHessian: number;
  /** L2 that applies to both children's outputs. */
  l2: number;
}

export function emptySplit(): Split {
  return {
    feature: -1,
    gain: 0,
    bin: 0,
    missingLeft: false,
    isCategorical: false,
    set: new Uint8Array(BIN_LIMIT),
    setSize: 0,
    leftGradient: 0,
    leftHessian: 0,
    l2: 0,
  };
}

/** Sums over a leaf's rows. */
export interface LeafSums {
  readonly gradient: number;
  readonly hessian: number;
  readonly rows: number;
  readonly bounds: Bounds;
}

/** Twice the drop of the objective that a leaf with these sums can reach. */
function leafGain(gradient: number, hessian: number, l1: number, l2: number): number {
  if (l1 === 0) return (gradient * gradient) / (hessian + l2);
  const shrunk = Math.max(0, Math.abs(gradient) - l1);
  return (shrunk * shrunk) / (hessian + l2);
}

/** The value a leaf takes before the learning rate. */
export function leafOutput(gradient: number, hessian: number, l1: number, l2: number): number {
  const shrunk = l1 === 0 ? gradient : Math.sign(gradient) * Math.max(0, Math.abs(gradient) - l1);
  return -shrunk / (hessian + l2);
}

/** Twice the drop that a given output reaches; `leafGain` at the best one. */
function gainOfOutput(gradient: number, hessian: number, l1: number, l2: number, output: number): number {
  const shrunk = l1 === 0 ? gradient : Math.sign(gradient) * Math.max(0, Math.abs(gradient) - l1);
  return -(2 * shrunk * output + (hessian + l2) * output * output);
}

const EPSILON = 1e-15;

/** Finds splits from histograms; one instance per training, because it holds scratch arrays. */
export class SplitFinder {
  readonly #parameters: TreeParameters;
  readonly #order = new Int32Array(BIN_LIMIT);
  readonly #ratio = new Float64Array(BIN_LIMIT);

  readonly #monotone: Int8Array | undefined;

  /** @param monotone direction of each feature; undefined when no leaf is bounded. */
  constructor(parameters: TreeParameters, monotone?: Int8Array) {
    this.#parameters = parameters;
    this.#monotone = monotone;
  }

  /** Improves `best` with the best split of one feature whose histogram starts at `at` (in doubles). */
  search(histogram: Float64Array, at: number, feature: number, bins: FeatureBins, leaf: LeafSums, best: Split): void {
    if (bins.kind === 'numeric') {
      if (this.#monotone) this.#searchBounded(histogram, at, feature, bins, leaf, best, this.#monotone[feature] as number);
      else this.#searchNumeric(histogram, at, feature, bins, leaf, best);
    } else if (bins.binCount <= this.#parameters.categoryOneAgainstRestLimit + 2) this.#searchOne(histogram, at, feature, bins, leaf, best);
    else this.#searchSets(histogram, at, feature, bins, leaf, best);
  }

  /** Every bound, with the missing rows on either side. */
  #searchNumeric(histogram: Float64Array, at: number, feature: number, bins: FeatureBins, leaf: LeafSums, best: Split): void {
    const { l1, l2, leafHessianMin, leafRowsMin } = this.#parameters;
    const { gradient, hessian, rows } = leaf;
    const rowsPerHessian = rows / hessian;
    const leastHessian = Math.max(leafHessianMin, (leafRowsMin - 0.5) / rowsPerHessian, EPSILON);
    const missingGradient = histogram[at] as number;
    const missingHessian = histogram[at + 1] as number;
    const hasMissing = bins.hasMissing && missingHessian > 0;
    const lastBin = bins.binCount - 1;
    // A split after the last bin separates the missing rows from all others.
    const stop = hasMissing ? lastBin : lastBin - 1;
    let bestGain = best.gain;
    let bestBin = -1;
    let bestMissingLeft = false;
    let sumGradient = 0;
    let sumHessian = EPSILON;
    let bestGradient = 0;
    let bestHessian = 0;
    const shift = this.#parentGain(leaf);
    for (let bin = 1; bin <= stop; bin += 1) {
      sumGradient += histogram[at + 2 * bin] as number;
      sumHessian += histogram[at + 2 * bin + 1] as number;
      if (sumHessian >= leastHessian) {
        const restHessian = hessian - sumHessian;
        if (restHessian < leastHessian) break;
        const gain = leafGain(sumGradient, sumHessian, l1, l2) + leafGain(gradient - sumGradient, restHessian, l1, l2) - shift;
        if (gain > bestGain) {
          bestGain = gain;
          bestBin = bin;
          bestMissingLeft = false;
          bestGradient = sumGradient;
          bestHessian = sumHessian;
        }
      }
    }
    if (hasMissing) {
      sumGradient = missingGradient;
      sumHessian = missingHessian + EPSILON;
      for (let bin = 1; bin < lastBin; bin += 1) {
        sumGradient += histogram[at + 2 * bin] as number;
        sumHessian += histogram[at + 2 * bin + 1] as number;
        if (sumHessian < leastHessian) continue;
        const restHessian = hessian - sumHessian;
        if (restHessian < leastHessian) break;
        const gain = leafGain(sumGradient, sumHessian, l1, l2) + leafGain(gradient - sumGradient, restHessian, l1, l2) - shift;
        if (gain > bestGain) {
          bestGain = gain;
          bestBin = bin;
          bestMissingLeft = true;
          bestGradient = sumGradient;
          bestHessian = sumHessian;
        }
      }
    }
    if (bestBin < 0) return;
    best.feature = feature;
    best.gain = bestGain;
    best.bin = bestBin;
    // Where training never saw a missing value in this leaf, one goes where most rows go.
    best.missingLeft = hasMissing ? bestMissingLeft : bestHessian * 2 > hessian;
    best.isCategorical = false;
    best.leftGradient = bestGradient;
    best.leftHessian = bestHessian;
    best.l2 = l2;
  }

  /** As `#searchNumeric`, where outputs are bounded and the two sides may have to keep an order. */
  #searchBounded(
    histogram: Float64Array,
    at: number,
    feature: number,
    bins: FeatureBins,
    leaf: LeafSums,
    best: Split,
    direction: number,
  ): void {
    const { l2, leafHessianMin, leafRowsMin } = this.#parameters;
    const leastHessian = Math.max(leafHessianMin, ((leafRowsMin - 0.5) * leaf.hessian) / leaf.rows, EPSILON);
    const shift = this.#parentGain(leaf);
    const hasMissing = bins.hasMissing && (histogram[at + 1] as number) > 0;
    const lastBin = bins.binCount - 1;
    for (const missingLeft of hasMissing ? [false, true] : [false]) {
      let gradient = missingLeft ? (histogram[at] as number) : 0;
      let hessian = EPSILON + (missingLeft ? (histogram[at + 1] as number) : 0);
      const stop = hasMissing && !missingLeft ? lastBin : lastBin - 1;
      for (let bin = 1; bin <= stop; bin += 1) {
        gradient += histogram[at + 2 * bin] as number;
        hessian += histogram[at + 2 * bin + 1] as number;
        if (hessian < leastHessian) continue;
        if (leaf.hessian - hessian < leastHessian) break;
        const gain = this.#boundedGain(leaf, gradient, hessian, l2, direction) - shift;
        if (!(gain > best.gain)) continue;
        best.feature = feature;
        best.gain = gain;
        best.bin = bin;
        best.missingLeft = hasMissing ? missingLeft : hessian * 2 > leaf.hessian;
        best.isCategorical = false;
        best.leftGradient = gradient;
        best.leftHessian = hessian;
        best.l2 = l2;
      }
    }
  }

  /** Gain of two children whose outputs are bounded; -Infinity when they would break the order. */
  #boundedGain(leaf: LeafSums, gradient: number, hessian: number, l2: number, direction: number): number {
    const { l1 } = this.#parameters;
    const restGradient = leaf.gradient - gradient;
    const restHessian = leaf.hessian - hessian;
    const left = clamp(leafOutput(gradient, hessian, l1, l2), leaf.bounds);
    const right = clamp(leafOutput(restGradient, restHessian, l1, l2), leaf.bounds);
    if (direction > 0 ? left > right : direction < 0 && left < right) return Number.NEGATIVE_INFINITY;
    return gainOfOutput(gradient, hessian, l1, l2, left) + gainOfOutput(restGradient, restHessian, l1, l2, right);
  }

  /** Gain of two children before the parent's is taken off. */
  #pairGain(leaf: LeafSums, gradient: number, hessian: number, l2: number): number {
    if (this.#monotone) return this.#boundedGain(leaf, gradient, hessian, l2, 0);
    const { l1 } = this.#parameters;
    return leafGain(gradient, hessian, l1, l2) + leafGain(leaf.gradient - gradient, leaf.hessian - hessian, l1, l2);
  }

  #parentGain(leaf: LeafSums): number {
    const { l1, l2, gainMin } = this.#parameters;
    if (!this.#monotone) return leafGain(leaf.gradient, leaf.hessian, l1, l2) + gainMin;
    const output = clamp(leafOutput(leaf.gradient, leaf.hessian, l1, l2), leaf.bounds);
    return gainOfOutput(leaf.gradient, leaf.hessian, l1, l2, output) + gainMin;
  }

  /** One category against the rest, for features of few categories. */
  #searchOne(histogram: Float64Array, at: number, feature: number, bins: FeatureBins, leaf: LeafSums, best: Split): void {
    const { l2, leafHessianMin, leafRowsMin } = this.#parameters;
    const leastHessian = Math.max(leafHessianMin, ((leafRowsMin - 0.5) * leaf.hessian) / leaf.rows, EPSILON);
    const shift = this.#parentGain(leaf);
    for (let bin = 0; bin < bins.binCount; bin += 1) {
      const gradient = histogram[at + 2 * bin] as number;
      const hessian = histogram[at + 2 * bin + 1] as number;
      const restHessian = leaf.hessian - hessian;
      if (hessian < leastHessian || restHessian < leastHessian) continue;
      const gain = this.#pairGain(leaf, gradient, hessian, l2) - shift;
      if (gain <= best.gain) continue;
      this.#keepSet(best, feature, gain, l2, gradient, hessian);
      best.set[0] = bin;
      best.setSize = 1;
    }
  }

  /** Category sets: prefixes and suffixes of the categories ordered by smoothed mean gradient (Fisher 1958). */
  #searchSets(histogram: Float64Array, at: number, feature: number, bins: FeatureBins, leaf: LeafSums, best: Split): void {
    const { categorySmooth, categorySetLimit } = this.#parameters;
    const rowsPerHessian = leaf.rows / leaf.hessian;
    let used = 0;
    for (let bin = 0; bin < bins.binCount; bin += 1) {
      const hessian = histogram[at + 2 * bin + 1] as number;
      if (hessian * rowsPerHessian < categorySmooth) continue;
      this.#ratio[bin] = (histogram[at + 2 * bin] as number) / (hessian + categorySmooth);
      this.#order[used++] = bin;
    }
    const ratio = this.#ratio;
    const order = this.#order.subarray(0, used);
    order.sort((left, right) => (ratio[left] as number) - (ratio[right] as number) || left - right);
    const limit = Math.min(categorySetLimit, (used + 1) >> 1);
    this.#scanSets({ histogram, at, feature, leaf, best, order, limit, step: 1 });
    this.#scanSets({ histogram, at, feature, leaf, best, order, limit, step: -1 });
  }

  #scanSets(scan: SetScan): void {
    const { histogram, at, feature, leaf, best, order, limit, step } = scan;
    const { categoryL2, leafHessianMin, leafRowsMin, categoryGroupRowsMin } = this.#parameters;
    const l2 = this.#parameters.l2 + categoryL2;
    const rowsPerHessian = leaf.rows / leaf.hessian;
    const shift = this.#parentGain(leaf);
    const first = step === 1 ? 0 : order.length - 1;
    let gradient = 0;
    let hessian = EPSILON;
    let groupRows = 0;
    for (let taken = 1; taken <= limit; taken += 1) {
      const bin = order[first + step * (taken - 1)] as number;
      const binHessian = histogram[at + 2 * bin + 1] as number;
      gradient += histogram[at + 2 * bin] as number;
      hessian += binHessian;
      groupRows += binHessian * rowsPerHessian;
      const rows = hessian * rowsPerHessian;
      if (rows < leafRowsMin || hessian < leafHessianMin) continue;
      const restHessian = leaf.hessian - hessian;
      const restRows = leaf.rows - rows;
      if (restRows < leafRowsMin || restRows < categoryGroupRowsMin || restHessian < leafHessianMin) break;
      if (groupRows < categoryGroupRowsMin) continue;
      groupRows = 0;
      const gain = this.#pairGain(leaf, gradient, hessian, l2) - shift;
      if (gain <= best.gain) continue;
      this.#keepSet(best, feature, gain, l2, gradient, hessian);
      for (let index = 0; index < taken; index += 1) best.set[index] = order[first + step * index] as number;
      best.setSize = taken;
    }
  }

  #keepSet(best: Split, feature: number, gain: number, l2: number, gradient: number, hessian: number): void {
    best.feature = feature;
    best.gain = gain;
    best.isCategorical = true;
    best.missingLeft = false;
    best.leftGradient = gradient;
    best.leftHessian = hessian;
    best.l2 = l2;
  }
}

interface SetScan {
  readonly histogram: Float64Array;
  readonly at: number;
  readonly feature: number;
  readonly leaf: LeafSums;
  readonly best: Split;
  readonly order: Int32Array;
  readonly limit: number;
  readonly step: 1 | -1;
}
