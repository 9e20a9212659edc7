import type { FairnessMeasure } from './contract.ts';

/** Decisions of a binary model by group: four counts each. */
export interface DecisionCells {
  readonly truePositive: Float64Array;
  readonly falsePositive: Float64Array;
  readonly falseNegative: Float64Array;
  readonly trueNegative: Float64Array;
}

/** Counts decisions by group; rows of group -1 are left out. `labels` and `decisions` are 0 or 1. */
export function countCells(codes: Int32Array, groupCount: number, labels: ArrayLike<number>, decisions: ArrayLike<number>): DecisionCells {
  const cells = emptyCells(groupCount);
  for (let row = 0; row < codes.length; row += 1) {
    const group = codes[row] as number;
    if (group < 0) continue;
    const kind =
      labels[row] === 1
        ? decisions[row] === 1
          ? cells.truePositive
          : cells.falseNegative
        : decisions[row] === 1
          ? cells.falsePositive
          : cells.trueNegative;
    kind[group] = (kind[group] as number) + 1;
  }
  return cells;
}

export function emptyCells(groupCount: number): DecisionCells {
  const zeros = () => new Float64Array(groupCount);
  return { truePositive: zeros(), falsePositive: zeros(), falseNegative: zeros(), trueNegative: zeros() };
}

/** Rates of one group; NaN where there is nothing to divide by. */
export function ratesOf(cells: DecisionCells, group: number) {
  const [tp, fp, fn, tn] = [cells.truePositive, cells.falsePositive, cells.falseNegative, cells.trueNegative].map(
    (kind) => kind[group] as number,
  ) as [number, number, number, number];
  const rows = tp + fp + fn + tn;
  return {
    rows,
    tp,
    fp,
    fn,
    tn,
    selection: (tp + fp) / rows,
    tpr: tp / (tp + fn),
    fpr: fp / (fp + tn),
    ppv: tp / (tp + fp),
    accuracy: (tp + tn) / rows,
  };
}

/** Rates of fewer rows than this (the TPR of four positives) are left out of the disparities that gates read. */
export const RATE_ROWS_MIN = 10;

/** What a rate that a group cannot have (the TPR of a group without positives) counts as: 0 as in Fairlearn, or not at all. */
export type UndefinedRates = 'zero' | 'left-out';

/**
 * Disparities between groups, as Fairlearn's `method='between_groups'` and `agg='worst_case'` define them: largest less
 * smallest, smallest by largest; equalised odds takes the worse of TPR and FPR. Undefined ratios (0 by 0) are NaN.
 */
export function decisionDisparities(
  cells: DecisionCells,
  groups: readonly number[],
  undefinedRates: UndefinedRates,
): Partial<Record<FairnessMeasure, number>> {
  const rates = groups.map((group) => ratesOf(cells, group));
  const of = (name: 'selection' | 'tpr' | 'fpr' | 'ppv' | 'accuracy') => {
    if (undefinedRates === 'zero') return spread(rates.map((rate) => (Number.isNaN(rate[name]) ? 0 : rate[name])));
    const certain = rates.filter((rate) => countBehind(rate, name) >= RATE_ROWS_MIN);
    return spread(certain.length < 2 ? [] : certain.map((rate) => rate[name]));
  };
  const [selection, tpr, fpr, ppv, accuracy] = [of('selection'), of('tpr'), of('fpr'), of('ppv'), of('accuracy')];
  return {
    demographic_parity_difference: selection.difference,
    demographic_parity_ratio: selection.ratio,
    equalized_odds_difference: mostOf(tpr.difference, fpr.difference),
    equalized_odds_ratio: leastOf(tpr.ratio, fpr.ratio),
    equal_opportunity_difference: tpr.difference,
    equal_opportunity_ratio: tpr.ratio,
    false_positive_rate_difference: fpr.difference,
    false_positive_rate_ratio: fpr.ratio,
    predictive_parity_difference: ppv.difference,
    predictive_parity_ratio: ppv.ratio,
    accuracy_difference: accuracy.difference,
    accuracy_ratio: accuracy.ratio,
  };
}

/** Rows that a rate is a share of. */
function countBehind({ rows, tp, fp, fn, tn }: ReturnType<typeof ratesOf>, name: 'selection' | 'tpr' | 'fpr' | 'ppv' | 'accuracy'): number {
  return { selection: rows, accuracy: rows, tpr: tp + fn, fpr: fp + tn, ppv: tp + fp }[name];
}

/** Largest less smallest, and smallest by largest (NaN when all are 0 or signs differ). */
export function spread(values: readonly number[]): { difference: number; ratio: number } {
  if (values.length === 0) return { difference: Number.NaN, ratio: Number.NaN };
  const least = Math.min(...values);
  const most = Math.max(...values);
  return { difference: most - least, ratio: most === 0 || least < 0 ? Number.NaN : least / most };
}

function leastOf(left: number, right: number): number {
  if (Number.isNaN(left)) return right;
  return Number.isNaN(right) ? left : Math.min(left, right);
}

function mostOf(left: number, right: number): number {
  if (Number.isNaN(left)) return right;
  return Number.isNaN(right) ? left : Math.max(left, right);
}
