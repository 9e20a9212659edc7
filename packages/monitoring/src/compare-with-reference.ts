import { type FieldSketch, RARE_COUNT_LIMIT, type SketchComparison, chiSquareTest, compareSketches } from '@slipway/statistics';
import type { DriftThresholds, FieldDrift, Verdict } from './contract.ts';
import { CURRENT_COUNT_MIN, DRIFT_SIGNIFICANCE, NEW_CATEGORY_WARN_RATIO, PSI_DRIFT, PSI_WARN } from './limits.ts';

/** What holds unless a caller says otherwise. */
export const DRIFT_THRESHOLDS_DEFAULT: DriftThresholds = {
  warn: PSI_WARN,
  drift: PSI_DRIFT,
  minimumCount: CURRENT_COUNT_MIN,
  significance: DRIFT_SIGNIFICANCE,
};

export interface DriftInput {
  /** Sketches of the training data by field. */
  readonly reference: ReadonlyMap<string, FieldSketch>;
  /** Sketches of the window by field; fields that the reference does not have are not looked at. */
  readonly current: ReadonlyMap<string, FieldSketch>;
  readonly thresholds?: Partial<DriftThresholds>;
}

export interface DriftReport {
  /** The worst of the fields; `not-enough-data` only when that is true of all of them. */
  readonly verdict: Verdict;
  /** The worst first. */
  readonly fields: readonly FieldDrift[];
}

/**
 * Compares each field of a window with its reference: numbers over the reference's deciles, texts over its frequent
 * values, missing as a bin of its own. A field has drifted when its PSI reaches the threshold and Pearson's chi-square
 * test says that two samples of one distribution of these sizes would hardly differ as much.
 */
export function compareWithReference({ reference, current, thresholds = {} }: DriftInput): DriftReport {
  const limits = { ...DRIFT_THRESHOLDS_DEFAULT, ...thresholds };
  const fields = [...reference].map(([field, sketch]) => compareField(field, sketch, current.get(field), limits));
  fields.sort((left, right) => SEVERITY[right.verdict] - SEVERITY[left.verdict] || (right.psi ?? -1) - (left.psi ?? -1));
  return { verdict: fields[0]?.verdict ?? 'not-enough-data', fields };
}

const SEVERITY: Readonly<Record<Verdict, number>> = { 'not-enough-data': 0, ok: 1, warn: 2, drift: 3 };

function compareField(field: string, reference: FieldSketch, current: FieldSketch | undefined, threshold: DriftThresholds): FieldDrift {
  const counts = { reference: reference.count, current: current?.count ?? 0 };
  const base = { field, kind: reference.kind, counts, threshold };
  if (current === undefined || counts.reference === 0 || counts.current === 0) return { ...base, ...noData('no values to compare') };
  if (current.kind !== reference.kind)
    return { ...base, ...noData(`the values are ${current.kind}s, the reference has ${reference.kind}s`) };
  const comparison = compareSketches(reference, current);
  const pValue = chanceOf(comparison, counts);
  return {
    ...base,
    ...judge(comparison, pValue, current, threshold),
    psi: comparison.psi,
    jensenShannon: clampRatio(comparison.jensenShannon),
    pValue,
    missingReference: comparison.missing.reference,
    missingCurrent: comparison.missing.current,
    newCategories: comparison.newValues.map(({ value, count }) => ({ value: count < RARE_COUNT_LIMIT ? null : value, count })),
    bins: comparison.bins.map((bin) => ({ ...bin })),
  };
}

function noData(reason: string): Omit<FieldDrift, 'field' | 'kind' | 'counts' | 'threshold'> {
  return {
    verdict: 'not-enough-data',
    reason,
    psi: null,
    jensenShannon: null,
    pValue: null,
    missingReference: null,
    missingCurrent: null,
    newCategories: [],
    bins: [],
  };
}

function chanceOf(comparison: SketchComparison, counts: { reference: number; current: number }): number {
  const { pValue } = chiSquareTest(
    comparison.bins.map((bin) => bin.reference * counts.reference),
    comparison.bins.map((bin) => bin.current * counts.current),
  );
  return clampRatio(pValue);
}

function judge(
  comparison: SketchComparison,
  pValue: number,
  current: FieldSketch,
  threshold: DriftThresholds,
): { verdict: Verdict; reason: string } {
  if (current.count < threshold.minimumCount) {
    return { verdict: 'not-enough-data', reason: `${current.count} calls; a verdict needs ${threshold.minimumCount}` };
  }
  const psi = comparison.psi.toPrecision(3);
  if (pValue < threshold.significance) {
    if (comparison.psi >= threshold.drift) return { verdict: 'drift', reason: `PSI ${psi} is at least ${threshold.drift}` };
    if (comparison.psi >= threshold.warn) return { verdict: 'warn', reason: `PSI ${psi} is at least ${threshold.warn}` };
  }
  const newCount = comparison.newValues.reduce((sum, { count }) => sum + count, 0);
  if (newCount >= NEW_CATEGORY_WARN_RATIO * current.count) {
    return { verdict: 'warn', reason: `${newCount} of ${current.count} calls have a value that the reference never had` };
  }
  const byChance = comparison.psi >= threshold.warn ? ', which may be chance with so many bins' : '';
  return { verdict: 'ok', reason: `PSI ${psi}${byChance}` };
}

function clampRatio(value: number): number {
  return Math.min(1, Math.max(0, value));
}
