import { jensenShannon, psi } from './distance.ts';
import { StatisticsError } from './errors.ts';
import type { FieldSketch } from './field-sketch.ts';

/** Bins of about equal size in the reference that a comparison of numbers uses. */
const COMPARISON_BINS = 10;
/** A number field with at most this many different reference values is compared value by value. */
const DISCRETE_VALUE_LIMIT = 20;
/** New values are listed up to this many. */
const NEW_VALUE_LIMIT = 20;

/** One bin of a comparison with both sides' shares of all rows, missing ones included. */
export interface ComparisonBin {
  /** A category, a range such as `(1, 2.5]`, `other` or `missing`. */
  readonly label: string;
  readonly reference: number;
  readonly current: number;
}

/** How far the current values of a field are from the reference. */
export interface SketchComparison {
  readonly psi: number;
  /** Divergence in bits, 0..1. */
  readonly jensenShannon: number;
  readonly bins: readonly ComparisonBin[];
  readonly missing: { readonly reference: number; readonly current: number };
  /** Values the reference never had (known only where it was exact); `value` is null where the text was rare. */
  readonly newValues: readonly { readonly value: string | null; readonly count: number }[];
}

/**
 * Compares a field's recent values with its reference. Numbers: deciles of the reference with open ends, or value by
 * value when it has few; texts: the reference's frequent values and `other`. Missing is a bin of its own when there is any.
 * @throws {StatisticsError} if the kinds differ or one side is empty.
 */
export function compareSketches(reference: FieldSketch, current: FieldSketch): SketchComparison {
  if (reference.kind !== current.kind)
    throw new StatisticsError(`A ${current.kind} sketch cannot be compared with a ${reference.kind} sketch.`);
  if (reference.count === 0 || current.count === 0) throw new StatisticsError('Both sketches need at least one value to be compared.');
  const bins = presentBins(reference, current);
  const missing = { reference: reference.missing / reference.count, current: current.missing / current.count };
  if (missing.reference > 0 || missing.current > 0) bins.push({ label: 'missing', ...missing });
  const sides = [bins.map((bin) => bin.reference), bins.map((bin) => bin.current)] as const;
  return { psi: psi(...sides), jensenShannon: jensenShannon(...sides), bins, missing, newValues: findNewValues(reference, current) };
}

function presentBins(reference: FieldSketch, current: FieldSketch): ComparisonBin[] {
  if (reference.kind === 'text') return categoryBins(reference, current, namesOf(reference), (sketch, name) => sketch.share(name));
  const distinct = reference.distinct;
  if (distinct !== null && distinct <= DISCRETE_VALUE_LIMIT) {
    return categoryBins(reference, current, namesOf(reference), (sketch, name) => shareOfNumber(sketch, Number(name)));
  }
  return rangeBins(reference, current);
}

function namesOf(sketch: FieldSketch): string[] {
  return sketch.topValues().flatMap((top) => (top.value === null ? [] : [top.value]));
}

function categoryBins(
  reference: FieldSketch,
  current: FieldSketch,
  names: readonly string[],
  share: (sketch: FieldSketch, name: string) => number,
): ComparisonBin[] {
  const sideOf = (sketch: FieldSketch) => names.map((name) => (sketch.present === 0 ? 0 : share(sketch, name)) * presentRatio(sketch));
  const [before, now] = [sideOf(reference), sideOf(current)];
  const bins = names.map((label, index) => ({ label, reference: before[index] as number, current: now[index] as number }));
  const rest = { reference: restOf(reference, before), current: restOf(current, now) };
  return rest.reference > 0 || rest.current > 0 || bins.length === 0 ? [...bins, { label: 'other', ...rest }] : bins;
}

function presentRatio(sketch: FieldSketch): number {
  return sketch.present / sketch.count;
}

function restOf(sketch: FieldSketch, shares: readonly number[]): number {
  const rest = shares.reduce((left, share) => left - share, presentRatio(sketch));
  // What rounding leaves is no category.
  return rest < 1e-12 ? 0 : rest;
}

function shareOfNumber(sketch: FieldSketch, value: number): number {
  return sketch.isExact ? sketch.share(value) : sketch.cdf(value) - sketch.cdf(nextBelow(value));
}

function nextBelow(value: number): number {
  const step = Math.max(Number.MIN_VALUE, Math.abs(value) * Number.EPSILON);
  return value - step;
}

function rangeBins(reference: FieldSketch, current: FieldSketch): ComparisonBin[] {
  const inner = Array.from({ length: COMPARISON_BINS - 1 }, (_, index) => reference.quantile((index + 1) / COMPARISON_BINS));
  const edges = [...new Set(inner)];
  return [...edges, Number.POSITIVE_INFINITY].map((edge, index) => {
    const from = index === 0 ? Number.NEGATIVE_INFINITY : (edges[index - 1] as number);
    return {
      label:
        edge === Number.POSITIVE_INFINITY ? `> ${short(from)}` : index === 0 ? `<= ${short(edge)}` : `(${short(from)}, ${short(edge)}]`,
      reference: Math.max(0, shareUpTo(reference, edge) - shareUpTo(reference, from)),
      current: Math.max(0, shareUpTo(current, edge) - shareUpTo(current, from)),
    };
  });
}

function shareUpTo(sketch: FieldSketch, edge: number): number {
  return sketch.present === 0 ? 0 : sketch.cdf(edge) * presentRatio(sketch);
}

function short(value: number): string {
  return String(Number(value.toPrecision(6)));
}

function findNewValues(reference: FieldSketch, current: FieldSketch): { value: string | null; count: number }[] {
  if (!reference.isExact || reference.kind !== 'text') return [];
  const known = new Set(namesOf(reference));
  return current
    .topValues()
    .filter((top) => top.count > 0 && top.value !== null && !known.has(top.value) && !(reference.share(top.value) > 0))
    .slice(0, NEW_VALUE_LIMIT)
    .map(({ value, count }) => ({ value, count }));
}
