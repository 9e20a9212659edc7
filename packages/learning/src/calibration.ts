import { TrainRequestError } from './errors.ts';

/**
 * Makes margins say how likely things are. Every kind is increasing, so that it changes no ranking.
 * - `platt`: slope x margin + intercept, slope > 0 (Platt 1999); two classes.
 * - `temperature`: factor x margin, factor > 0 (Guo et al. 2017); two classes or more.
 * - `isotonic`: through the points (margins[i], values[i]), both strictly increasing, straight between them and with
 *   slope 1 outside (Zadrozny & Elkan 2002, on log-odds); two classes.
 */
export type Calibration =
  | { readonly kind: 'platt'; readonly slope: number; readonly intercept: number }
  | { readonly kind: 'temperature'; readonly factor: number }
  | { readonly kind: 'isotonic'; readonly margins: readonly number[]; readonly values: readonly number[] };

/** Points an isotonic calibration has at most. */
export const ISOTONIC_POINT_LIMIT = 64;

/** Calibrated margins; those given when there is no calibration. */
export function calibrateMargins(calibration: Calibration | null, margins: Float64Array): Float64Array {
  if (!calibration) return margins;
  if (calibration.kind === 'platt') return margins.map((margin) => margin * calibration.slope + calibration.intercept);
  if (calibration.kind === 'temperature') return margins.map((margin) => margin * calibration.factor);
  const segments = segmentsOf(calibration);
  return margins.map((margin) => alongSegments(segments, margin));
}

/** An isotonic calibration as the sum the graph computes: first + sum of slope x clip(margin - start, low, high). */
export interface Segments {
  readonly first: number;
  readonly starts: Float64Array;
  readonly lows: Float64Array;
  readonly highs: Float64Array;
  readonly slopes: Float64Array;
}

/** The pieces between an isotonic calibration's points, and the two outside them. */
export function segmentsOf({ margins, values }: Extract<Calibration, { kind: 'isotonic' }>): Segments {
  const last = margins.length - 1;
  const starts = [margins[0] as number];
  const lows = [Number.NEGATIVE_INFINITY];
  const highs = [0];
  const slopes = [1];
  for (let at = 0; at < last; at += 1) {
    const width = (margins[at + 1] as number) - (margins[at] as number);
    starts.push(margins[at] as number);
    lows.push(0);
    highs.push(width);
    slopes.push(((values[at + 1] as number) - (values[at] as number)) / width);
  }
  starts.push(margins[last] as number);
  lows.push(0);
  highs.push(Number.POSITIVE_INFINITY);
  slopes.push(1);
  const list = (numbers: number[]) => Float64Array.from(numbers);
  return { first: values[0] as number, starts: list(starts), lows: list(lows), highs: list(highs), slopes: list(slopes) };
}

function alongSegments({ first, starts, lows, highs, slopes }: Segments, margin: number): number {
  let value = first;
  for (let at = 0; at < starts.length; at += 1) {
    const part = Math.min(Math.max(margin - (starts[at] as number), lows[at] as number), highs[at] as number);
    value += (slopes[at] as number) * part;
  }
  return value;
}

/**
 * A calibration from outside.
 * @throws {TrainRequestError} saying what is wrong with it.
 */
export function parseCalibration(given: unknown): Calibration {
  const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
  const { kind, slope, intercept, factor, margins, values } = (given ?? {}) as Record<string, unknown>;
  if (kind === 'platt' && isNumber(slope) && slope > 0 && isNumber(intercept)) return { kind, slope, intercept };
  if (kind === 'temperature' && isNumber(factor) && factor > 0) return { kind, factor };
  if (kind === 'isotonic' && isCurve(margins) && isCurve(values) && margins.length === values.length) return { kind, margins, values };
  throw new TrainRequestError(
    'A calibration is {kind: "platt", slope, intercept}, {kind: "temperature", factor} or {kind: "isotonic", margins, values}.',
    {
      help: `Slope and factor are above 0; margins and values are equally long lists of 1 to ${ISOTONIC_POINT_LIMIT} rising numbers.`,
    },
  );
}

function isCurve(list: unknown): list is number[] {
  if (!Array.isArray(list) || list.length < 1 || list.length > ISOTONIC_POINT_LIMIT) return false;
  return list.every((value, at) => typeof value === 'number' && Number.isFinite(value) && (at === 0 || value > (list[at - 1] as number)));
}
