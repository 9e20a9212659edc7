import { rocAuc } from '@slipway/statistics';
import type { Attribute } from './attributes.ts';
import type { Mitigation } from './contract.ts';
import { largeGroups, outcomeOf, priceOf } from './thresholds.ts';

/**
 * Weights under which group and label are independent: expected by observed share of each pair. Rows of no group weigh 1.
 * Source: Kamiran & Calders 2012.
 */
export function reweighingWeights(codes: Int32Array, groupCount: number, labels: ArrayLike<number>, classCount: number): Float64Array {
  const pairs = new Float64Array(groupCount * classCount);
  const groups = new Float64Array(groupCount);
  const classes = new Float64Array(classCount);
  let total = 0;
  for (let row = 0; row < codes.length; row += 1) {
    const group = codes[row] as number;
    const label = labels[row] as number;
    if (group < 0) continue;
    total += 1;
    groups[group] = (groups[group] as number) + 1;
    classes[label] = (classes[label] as number) + 1;
    pairs[group * classCount + label] = (pairs[group * classCount + label] as number) + 1;
  }
  return Float64Array.from(codes, (group, row) => {
    if (group < 0) return 1;
    const label = labels[row] as number;
    return ((groups[group] as number) * (classes[label] as number)) / (total * (pairs[group * classCount + label] as number));
  });
}

/** What teaching with those weights reached, beside the same model taught without them. Binary models only. */
export function reweighingMitigation(request: {
  readonly attribute: Attribute;
  /** 1 for the positive class. */
  readonly truth: ArrayLike<number>;
  readonly before: { readonly scores: Float64Array; readonly decisions: Uint8Array };
  readonly after: { readonly scores: Float64Array; readonly decisions: Uint8Array };
  readonly applied: boolean;
  readonly note: string;
}): Mitigation {
  const { attribute, truth, before, after, applied, note } = request;
  const large = largeGroups(attribute);
  const auc = (scores: Float64Array) => {
    const value = rocAuc(scores, Uint8Array.from(truth));
    return Number.isNaN(value) ? null : value;
  };
  return {
    method: 'reweighing',
    criterion: 'independence',
    columns: [...attribute.columns],
    applied,
    before: outcomeOf(attribute, large, truth, before.decisions, auc(before.scores)),
    after: outcomeOf(attribute, large, truth, after.decisions, auc(after.scores)),
    price: priceOf(truth, before.decisions, after.decisions),
    thresholds: null,
    rows: truth.length,
    note,
  };
}
