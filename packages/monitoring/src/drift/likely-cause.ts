import type { FieldSketch, SketchComparison } from '@slipway/statistics';
import { MISSING_WARN, NEW_CATEGORY_WARN_RATIO } from '../limits.ts';

/** Factors by which units differ: powers of ten, percent, and the usual ones of time, length and weight. */
const UNIT_FACTORS = [10, 100, 1_000, 10_000, 1e6, 12, 24, 60, 3_600, 2.54, 0.4536, 1.609, 86_400];
const UNIT_TOLERANCE = 0.05;

/** The simplest story that fits what changed; undefined when none does. */
export function likelyCause(comparison: SketchComparison, reference: FieldSketch, current: FieldSketch): string | undefined {
  const { missing } = comparison;
  if (missing.current - missing.reference >= MISSING_WARN)
    return `missing values went from ${percent(missing.reference)} to ${percent(missing.current)}: a source may have stopped filling it`;
  if (missing.reference - missing.current >= MISSING_WARN)
    return `missing values went from ${percent(missing.reference)} to ${percent(missing.current)}: it may be filled with a default now`;
  const fresh = comparison.newValues.reduce((sum, { count }) => sum + count, 0);
  if (fresh >= NEW_CATEGORY_WARN_RATIO * current.count) return `${percent(fresh / current.count)} of the calls have values that are new`;
  return (reference.kind === 'text' ? undefined : causeOfNumbers(reference, current)) ?? causeOfBins(comparison);
}

/** Where nothing simpler fits: the part of the distribution that changed most. */
function causeOfBins(comparison: SketchComparison): string | undefined {
  const moved = comparison.bins.toSorted((a, b) => Math.abs(b.current - b.reference) - Math.abs(a.current - a.reference))[0];
  return moved && `the share of "${moved.label}" went from ${percent(moved.reference)} to ${percent(moved.current)}`;
}

function causeOfNumbers(reference: FieldSketch, current: FieldSketch): string | undefined {
  const [before, now] = [reference.quantile(0.5), current.quantile(0.5)];
  if (current.minimum === current.maximum && reference.minimum < reference.maximum) return `it is always ${short(now)} now`;
  const factor = before === 0 || now === 0 ? Number.NaN : now / before;
  const unit = UNIT_FACTORS.find((each) => isNear(factor, each) || isNear(1 / factor, each));
  const spread = Math.sqrt(current.variance / reference.variance);
  if (unit !== undefined && (isNear(spread, factor, 0.3) || isNear(spread, Math.abs(factor), 0.3)))
    return `values are about ${short(factor >= 1 ? unit : 1 / unit)} times what they were: the unit may have changed`;
  if (Math.abs(now - before) >= 0.2 * Math.sqrt(reference.variance)) return `the median went from ${short(before)} to ${short(now)}`;
  if (spread > 1.25 || spread < 0.8) return `values spread ${short(spread)} times as wide as before`;
  return undefined;
}

function isNear(value: number, wanted: number, tolerance = UNIT_TOLERANCE): boolean {
  return Math.abs(value / wanted - 1) <= tolerance;
}

function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(3))} %`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
