import { breathe } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { isPositive } from '../slices/row-losses.ts';
import { meanInterval } from '../slices/tests-of-means.ts';
import type { Attribute } from './attributes.ts';
import { countCells, decisionDisparities } from './cells.ts';
import { type Mitigation, type MitigationOutcome, SMALL_GROUP_ROWS } from './contract.ts';

/** Attributes that thresholds are worked out for. */
export const MITIGATED_ATTRIBUTE_LIMIT = 5;
/** What thresholds may even out: the share that is selected, or the share of the positives that is. */
export type ThresholdCriterion = 'demographic_parity' | 'equal_opportunity';
const CRITERIA: readonly ThresholdCriterion[] = ['demographic_parity', 'equal_opportunity'];

export interface ScoredRows {
  /** Probability of the positive class. */
  readonly said: Float64Array;
  /** 1 for the positive class. */
  readonly truth: Float64Array;
  readonly decisions: Uint8Array;
  readonly threshold: number;
  readonly seed: number;
}

/**
 * Thresholds of its own for each group, so that the shares of selected rows (or of selected positives) meet the overall
 * share. Each half of the rows is judged by thresholds chosen on the other half; the ones named come from all rows.
 * Source: Hardt, Price & Srebro 2016, without their randomisation.
 */
export async function thresholdMitigations(attributes: readonly Attribute[], rows: ScoredRows): Promise<Mitigation[]> {
  const found: Mitigation[] = [];
  for (const attribute of attributes.slice(0, MITIGATED_ATTRIBUTE_LIMIT)) {
    const large = largeGroups(attribute);
    for (const criterion of large.length < 2 ? [] : CRITERIA) {
      await breathe();
      found.push(mitigate(attribute, large, rows, criterion));
    }
  }
  return found;
}

/** Groups with enough rows for a threshold of their own. */
export function largeGroups(attribute: Attribute): number[] {
  const counts = new Float64Array(attribute.groups.length);
  for (const group of attribute.codes) if (group >= 0) counts[group] = (counts[group] as number) + 1;
  return Array.from(counts.keys()).filter((group) => (counts[group] as number) >= SMALL_GROUP_ROWS);
}

function mitigate(attribute: Attribute, large: readonly number[], rows: ScoredRows, criterion: ThresholdCriterion): Mitigation {
  const count = rows.said.length;
  const half = createRandom(`thresholds:${rows.seed}:${attribute.columns.join('+')}`);
  const sides = Uint8Array.from({ length: count }, () => half.int(2));
  const after = new Uint8Array(count);
  for (const side of [0, 1]) {
    const chosen = chooseThresholds(attribute, large, rows, criterion, (row) => sides[row] !== side);
    for (let row = 0; row < count; row += 1) {
      if (sides[row] === side) after[row] = decide(rows, attribute, chosen, row);
    }
  }
  const all = chooseThresholds(attribute, large, rows, criterion, () => true);
  return {
    method: 'thresholds',
    criterion,
    columns: [...attribute.columns],
    applied: false,
    before: outcomeOf(attribute, large, rows.truth, rows.decisions),
    after: outcomeOf(attribute, large, rows.truth, after),
    price: priceOf(rows.truth, rows.decisions, after),
    thresholds: large.map((group) => ({ label: attribute.groups[group]?.label ?? '', threshold: all[group] ?? rows.threshold })),
    rows: count,
    note: 'Each half of the rows is judged by thresholds chosen on the other half.',
  };
}

function decide({ said, threshold }: ScoredRows, { codes }: Attribute, thresholds: readonly (number | undefined)[], row: number): number {
  const own = thresholds[codes[row] as number];
  return isPositive(said[row] as number, own ?? threshold) ? 1 : 0;
}

/** A threshold a group, undefined for groups that keep the common one. */
export function chooseThresholds(
  attribute: Attribute,
  large: readonly number[],
  rows: Omit<ScoredRows, 'seed'>,
  criterion: ThresholdCriterion,
  isUsed: (row: number) => boolean,
): (number | undefined)[] {
  const scores = attribute.groups.map((): number[] => []);
  let selected = 0;
  let total = 0;
  for (let row = 0; row < rows.said.length; row += 1) {
    if (!isUsed(row) || (criterion === 'equal_opportunity' && rows.truth[row] !== 1)) continue;
    total += 1;
    selected += rows.decisions[row] as number;
    scores[attribute.codes[row] as number]?.push(rows.said[row] as number);
  }
  const share = selected / total;
  return attribute.groups.map((_, group) => {
    const own = Float64Array.from(scores[group] ?? []).toSorted();
    if (!large.includes(group) || own.length === 0) return undefined;
    const keep = Math.round(share * own.length);
    if (keep === 0) return Math.min(1, (own.at(-1) as number) + 1e-9);
    const above = own[own.length - keep] as number;
    const below = own[own.length - keep - 1] ?? 0;
    return (above + below) / 2;
  });
}

/** Accuracy, balanced accuracy and disparities of decisions. */
export function outcomeOf(
  { codes, groups }: Attribute,
  large: readonly number[],
  truth: ArrayLike<number>,
  decisions: ArrayLike<number>,
  rocAuc: number | null = null,
): MitigationOutcome {
  const cells = countCells(codes, groups.length, truth, decisions);
  const whole = countCells(new Int32Array(truth.length), 1, truth, decisions);
  const [tp, fp, fn, tn] = [whole.truePositive[0], whole.falsePositive[0], whole.falseNegative[0], whole.trueNegative[0]] as [
    number,
    number,
    number,
    number,
  ];
  const balanced = (tp / (tp + fn) + tn / (tn + fp)) / 2;
  const disparities = decisionDisparities(cells, large, 'left-out');
  return {
    accuracy: (tp + tn) / truth.length,
    balancedAccuracy: Number.isNaN(balanced) ? null : balanced,
    rocAuc,
    disparities: Object.fromEntries(
      Object.entries(disparities).map(([measure, value]) => [measure, Number.isFinite(value) ? value : null]),
    ),
  };
}

/** Accuracy lost by other decisions on the same rows, with the interval of paired differences. */
export function priceOf(truth: ArrayLike<number>, before: ArrayLike<number>, after: ArrayLike<number>): Mitigation['price'] {
  let sum = 0;
  let squares = 0;
  for (let row = 0; row < truth.length; row += 1) {
    const difference = (before[row] === truth[row] ? 1 : 0) - (after[row] === truth[row] ? 1 : 0);
    sum += difference;
    squares += difference * difference;
  }
  return meanInterval({ count: truth.length, sum, squares });
}

/** What thresholds that a version was given do on rows that they were not chosen by. */
export function appliedMitigation(request: {
  readonly attribute: Attribute;
  readonly criterion: ThresholdCriterion;
  /** 1 for the positive class. */
  readonly truth: Uint8Array;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly groups: readonly { readonly label: string; readonly threshold: number }[];
}): Mitigation {
  const { attribute, criterion, truth, before, after, groups } = request;
  const large = largeGroups(attribute);
  return {
    method: 'thresholds',
    criterion,
    columns: [...attribute.columns],
    applied: true,
    before: outcomeOf(attribute, large, truth, before),
    after: outcomeOf(attribute, large, truth, after),
    price: priceOf(truth, before, after),
    thresholds: groups.map(({ label, threshold }) => ({ label, threshold })),
    rows: truth.length,
    note: 'The thresholds were chosen on training rows, each predicted by a model that was taught without it.',
  };
}
