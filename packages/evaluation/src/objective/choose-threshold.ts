import { orderDescending } from '@slipway/statistics';
import type { ConstraintMetric, DecisionCosts, ObjectiveConstraint } from './contract.ts';

/** Standard errors by which another threshold than that of the costs must be better: it is the best of many. */
const CLEAR_ERRORS = 3;

/** Counts of decisions; the positive class is what is acted on. */
export interface DecisionCounts {
  readonly truePositive: number;
  readonly falsePositive: number;
  readonly falseNegative: number;
  readonly trueNegative: number;
}

/** A threshold with what it would have done on the rows it was chosen by. */
export interface ChosenThreshold {
  /** Probability from which on to act; at 0 on every row. */
  readonly threshold: number;
  readonly source: 'costs' | 'observed';
  readonly rows: number;
  /** False when no threshold meets the constraint on these rows; then the one that comes nearest is taken. */
  readonly constraintMet: boolean;
}

interface Cut extends DecisionCounts {
  readonly threshold: number;
}

/** Threshold that the costs alone say, right when probabilities are calibrated (Elkan 2001). */
export function thresholdOfCosts({ falsePositive, falseNegative, truePositive, trueNegative }: DecisionCosts): number {
  const alarm = falsePositive - trueNegative;
  const miss = falseNegative - truePositive;
  return alarm / (alarm + miss);
}

/**
 * The threshold for a binary model's decisions: that of the costs, unless another one did better on the given rows by
 * more than three standard errors (paired; it is the best of many). A constraint must be met with one standard
 * error to spare, or it would be broken on every other new sample.
 * @param input.probabilities of the positive class on rows the fit has not seen.  @param input.labels 0 or 1.
 */
export function chooseThreshold(input: {
  readonly probabilities: Float64Array;
  readonly labels: Uint8Array;
  readonly costs: DecisionCosts;
  readonly constraint?: ObjectiveConstraint | undefined;
}): ChosenThreshold {
  const { probabilities, labels, costs, constraint } = input;
  const byCosts = thresholdOfCosts(costs);
  const cuts = cutsOf(probabilities, labels);
  const feasible = constraint ? cuts.filter((cut) => meets(constraint, cut, true)) : cuts;
  const rows = labels.length;
  if (constraint && feasible.length === 0)
    return { threshold: nearest(cuts, constraint).threshold, source: 'observed', rows, constraintMet: false };
  const best = feasible.reduce((least, cut) => (costOf(cut, costs) < costOf(least, costs) ? cut : least));
  const own = cutAt(probabilities, labels, byCosts);
  const isAllowed = !constraint || meets(constraint, own, true);
  if (isAllowed && !isClearlyBetter(best, own, { probabilities, labels, costs }))
    return { threshold: byCosts, source: 'costs', rows, constraintMet: true };
  return { threshold: best.threshold, source: 'observed', rows, constraintMet: true };
}

/** The threshold with the best F1 on the given rows, and what 0.5 scores there. */
export function bestF1Threshold(probabilities: Float64Array, labels: Uint8Array): { threshold: number; value: number; atDefault: number } {
  const best = cutsOf(probabilities, labels).reduce((most, cut) => (f1Of(cut) > f1Of(most) ? cut : most));
  return { threshold: best.threshold, value: f1Of(best), atDefault: f1Of(cutAt(probabilities, labels, 0.5)) };
}

/** Total cost of decisions. */
export function costOf(counts: DecisionCounts, costs: DecisionCosts): number {
  return (
    counts.truePositive * costs.truePositive +
    counts.falsePositive * costs.falsePositive +
    counts.falseNegative * costs.falseNegative +
    counts.trueNegative * costs.trueNegative
  );
}

/** Cost of acting, or not, on a row of the class. */
export function rowCost(isActedOn: boolean, label: number, costs: DecisionCosts): number {
  if (isActedOn) return label === 1 ? costs.truePositive : costs.falsePositive;
  return label === 1 ? costs.falseNegative : costs.trueNegative;
}

/** A decision metric; NaN where it is undefined. */
export function decisionMetric(metric: ConstraintMetric, counts: DecisionCounts): number {
  const { truePositive, falsePositive, falseNegative, trueNegative } = counts;
  const total = truePositive + falsePositive + falseNegative + trueNegative;
  switch (metric) {
    case 'precision':
      return truePositive / (truePositive + falsePositive);
    case 'recall':
      return truePositive / (truePositive + falseNegative);
    case 'f1':
      return f1Of(counts);
    case 'accuracy':
      return (truePositive + trueNegative) / total;
    case 'balanced_accuracy':
      return (truePositive / (truePositive + falseNegative) + trueNegative / (trueNegative + falsePositive)) / 2;
    case 'selection_rate':
      return (truePositive + falsePositive) / total;
    case 'mcc': {
      const scale =
        Math.sqrt(truePositive + falsePositive) *
        Math.sqrt(truePositive + falseNegative) *
        Math.sqrt(trueNegative + falsePositive) *
        Math.sqrt(trueNegative + falseNegative);
      return scale === 0 ? 0 : (truePositive * trueNegative - falsePositive * falseNegative) / scale;
    }
  }
}

function f1Of({ truePositive, falsePositive, falseNegative }: DecisionCounts): number {
  const denominator = 2 * truePositive + falsePositive + falseNegative;
  return denominator === 0 ? 0 : (2 * truePositive) / denominator;
}

/** Whether a metric keeps within its bound; `spare` asks for one standard error more than that. Undefined does not. */
export function meets({ metric, atLeast, atMost }: ObjectiveConstraint, counts: DecisionCounts, spare: boolean): boolean {
  const { value, margin } = spare ? careful(metric, counts) : { value: decisionMetric(metric, counts), margin: 0 };
  if (atLeast !== undefined) return value - margin >= atLeast;
  return atMost !== undefined && value + margin <= atMost;
}

/** A share with one success and one failure more (Laplace), so that one row of one proves nothing, and its standard error. */
function careful(metric: ConstraintMetric, counts: DecisionCounts): { readonly value: number; readonly margin: number } {
  const { truePositive, falsePositive, falseNegative, trueNegative } = counts;
  const total = truePositive + falsePositive + falseNegative + trueNegative;
  const plain = decisionMetric(metric, counts);
  const base = metric === 'precision' ? truePositive + falsePositive : metric === 'recall' ? truePositive + falseNegative : total;
  // Metrics that are no share of rows borrow the error that a share of that size would have.
  const isShare = metric === 'precision' || metric === 'recall' || metric === 'accuracy' || metric === 'selection_rate';
  const share = ((Number.isNaN(plain) ? 0 : Math.min(1, Math.max(0, plain))) * base + 1) / (base + 2);
  return { value: isShare ? share : plain, margin: Math.sqrt((share * (1 - share)) / (base + 2)) };
}

/** Every distinct way to cut the rows by their probability: acting on none, … on all. */
function cutsOf(probabilities: Float64Array, labels: Uint8Array): Cut[] {
  const order = orderDescending(probabilities);
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const negatives = labels.length - positives;
  const highest = probabilities[order[0] as number] as number;
  const cuts: Cut[] = [
    { threshold: (highest + 1) / 2, truePositive: 0, falsePositive: 0, falseNegative: positives, trueNegative: negatives },
  ];
  // At probability 1 no threshold leaves the row out.
  if (highest >= 1) cuts.pop();
  let truePositive = 0;
  let falsePositive = 0;
  for (let rank = 0; rank < order.length; rank += 1) {
    const row = order[rank] as number;
    if (labels[row] === 1) truePositive += 1;
    else falsePositive += 1;
    const next = rank + 1 < order.length ? (probabilities[order[rank + 1] as number] as number) : undefined;
    if (next === probabilities[row]) continue;
    const threshold = next === undefined ? 0 : ((probabilities[row] as number) + next) / 2;
    cuts.push({ threshold, truePositive, falsePositive, falseNegative: positives - truePositive, trueNegative: negatives - falsePositive });
  }
  return cuts;
}

/** What deciding at a threshold does on the rows. */
export function cutAt(probabilities: Float64Array, labels: Uint8Array, threshold: number): Cut {
  let truePositive = 0;
  let falsePositive = 0;
  let falseNegative = 0;
  let trueNegative = 0;
  for (let row = 0; row < labels.length; row += 1) {
    const isActedOn = (probabilities[row] as number) >= threshold;
    if (labels[row] === 1) {
      if (isActedOn) truePositive += 1;
      else falseNegative += 1;
    } else if (isActedOn) falsePositive += 1;
    else trueNegative += 1;
  }
  return { threshold, truePositive, falsePositive, falseNegative, trueNegative };
}

/**
 * Whether the best cut seen beats that of the costs by more than chance would let the best of many: by what the
 * difference, and its standard error, would be if the probabilities were right. A short run of equal labels then proves
 * nothing, and a long way from the costs' threshold needs little to be believed.
 */
function isClearlyBetter(
  best: Cut,
  own: Cut,
  { probabilities, labels, costs }: { probabilities: Float64Array; labels: Uint8Array; costs: DecisionCosts },
): boolean {
  const stake = costs.falsePositive - costs.trueNegative + (costs.falseNegative - costs.truePositive);
  let gain = 0;
  let expected = 0;
  let variance = 0;
  for (let row = 0; row < labels.length; row += 1) {
    const probability = probabilities[row] as number;
    const [actsNow, actedThen] = [probability >= best.threshold, probability >= own.threshold];
    if (actsNow === actedThen) continue;
    const label = labels[row] as number;
    gain += rowCost(actedThen, label, costs) - rowCost(actsNow, label, costs);
    expected += stake * (own.threshold - probability) * (actedThen ? 1 : -1);
    variance += probability * (1 - probability) * stake * stake;
  }
  return gain > 0 && gain - expected > CLEAR_ERRORS * Math.sqrt(variance);
}

/** The cut whose metric comes nearest to a bound that none meets. */
function nearest(cuts: readonly Cut[], { metric, atMost }: ObjectiveConstraint): Cut {
  const distance = (cut: Cut) => {
    const value = decisionMetric(metric, cut);
    if (Number.isNaN(value)) return Number.POSITIVE_INFINITY;
    return atMost === undefined ? -value : value;
  };
  return cuts.reduce((least, cut) => (distance(cut) < distance(least) ? cut : least));
}
