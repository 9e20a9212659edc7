/** How one numeric feature enters a linear model. */
export interface NumericTerm {
  readonly feature: number;
  /** Median of the training values; stands in for a missing one. */
  readonly fill: number;
  readonly mean: number;
  readonly deviation: number;
  /** Values beyond are taken as these, so that no input can make a margin infinite and no outlier sets the scale. */
  readonly low: number;
  readonly high: number;
  /** Whether a second column says that the value was missing. */
  readonly hasIndicator: boolean;
}

/** Quartile ranges beyond the quartiles at which a value is as extreme as it may get; normal values reach 3. */
const EXTREME_RANGES = 10;

/** Fits median, mean, deviation and limits of a feature on its training values. */
export function planNumeric(feature: number, column: Float32Array): NumericTerm {
  const present = column.filter((value) => Number.isFinite(value)).toSorted();
  const hasIndicator = present.length < column.length;
  if (present.length === 0) return { feature, fill: 0, mean: 0, deviation: 1, low: 0, high: 0, hasIndicator };
  const fill = quantileOf(present, 0.5);
  const [low, high] = limitsOf(present);
  const clipped = present.map((value) => Math.min(high, Math.max(low, value)));
  const missing = column.length - present.length;
  const mean = (clipped.reduce((sum, value) => sum + value, 0) + missing * fill) / column.length;
  const squares = clipped.reduce((sum, value) => sum + (value - mean) ** 2, 0) + missing * (fill - mean) ** 2;
  const deviation = Math.sqrt(squares / column.length);
  return { feature, fill, mean, deviation: deviation > 0 ? deviation : 1, low, high, hasIndicator };
}

/** The k-th smallest of so many, between neighbours by halves. */
function quantileOf(sorted: Float32Array, ratio: number): number {
  const at = (sorted.length - 1) * ratio;
  return ((sorted[Math.floor(at)] as number) + (sorted[Math.ceil(at)] as number)) / 2;
}

/** One training range beyond the least and the most; less where a few values lie far outside what is usual. */
function limitsOf(sorted: Float32Array): [low: number, high: number] {
  const least = sorted[0] as number;
  const most = sorted[sorted.length - 1] as number;
  const [lower, upper] = [quantileOf(sorted, 0.25), quantileOf(sorted, 0.75)];
  const spread = EXTREME_RANGES * (upper - lower);
  const range = most - least;
  // Mostly one value: what differs from it is the information, not an outlier.
  if (spread === 0) return [least - range, most + range];
  return [least < lower - spread ? lower - spread : least - range, most > upper + spread ? upper + spread : most + range];
}

/** The value of a numeric term before standardisation: missing filled, extremes clipped. */
export function termValue(term: NumericTerm, value: number): number {
  if (value !== value) return term.fill;
  return Math.min(term.high, Math.max(term.low, value));
}
