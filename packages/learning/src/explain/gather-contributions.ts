import type { FieldContribution, Json, Row } from '@slipway/kernel';

/** What one encoded feature, or one part of a computation, adds to an answer. */
export interface FeatureContribution {
  readonly field: string;
  readonly feature: string;
  readonly contribution: number;
}

/**
 * Sums contributions by field, strongest first, with the row's own values; what is not among the `top` is the rest.
 */
export function gatherContributions(
  row: Row,
  parts: readonly FeatureContribution[],
  top: number,
): { contributions: FieldContribution[]; rest: number } {
  const byField = new Map<string, { feature: string; contribution: number }[]>();
  for (const { field, feature, contribution } of parts) {
    const known = byField.get(field);
    if (known) known.push({ feature, contribution });
    else byField.set(field, [{ feature, contribution }]);
  }
  const all = [...byField].map(([field, features]): FieldContribution => {
    // A call's row holds JSON by contract.
    const value = ((Object.hasOwn(row, field) ? row[field] : null) ?? null) as Json;
    const contribution = features.reduce((sum, part) => sum + part.contribution, 0);
    return { field, value, contribution, ...(features.length > 1 ? { features } : {}) };
  });
  const sorted = all.toSorted((left, right) => Math.abs(right.contribution) - Math.abs(left.contribution));
  return { contributions: sorted.slice(0, top), rest: sorted.slice(top).reduce((sum, each) => sum + each.contribution, 0) };
}
