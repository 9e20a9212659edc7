/** A page as content: rendered as HTML and as Markdown by functions that know nothing of reports. */
export interface PageTable {
  readonly caption?: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface PagePlot {
  readonly caption: string;
  /** A whole inline `<svg>`, made by svg.ts from numbers and escaped texts. */
  readonly svg: string;
}

export interface PageSection {
  readonly id: string;
  readonly title: string;
  readonly texts?: readonly string[];
  readonly tables?: readonly PageTable[];
  readonly plots?: readonly PagePlot[];
}

export interface PageDocument {
  readonly title: string;
  readonly lead: readonly string[];
  /** Shown large at the top: name and value. */
  readonly facts: readonly (readonly [string, string])[];
  readonly sections: readonly PageSection[];
}

/** A number with five significant digits; a dash where there is none. */
export function show(value: number | null | undefined): string {
  return value === null || value === undefined || Number.isNaN(value) ? '–' : String(Number(value.toPrecision(5)));
}

/** A value and its interval. */
export function showInterval(
  estimate: { readonly value: number | null; readonly low: number | null; readonly high: number | null } | null | undefined,
): string {
  if (!estimate || estimate.value === null) return '–';
  return estimate.low === null ? show(estimate.value) : `${show(estimate.value)} (${show(estimate.low)} to ${show(estimate.high)})`;
}

export function percent(ratio: number | null | undefined): string {
  return ratio === null || ratio === undefined ? '–' : `${(100 * ratio).toFixed(1)} %`;
}
