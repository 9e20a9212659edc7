import type { Leak } from './contract.ts';
import { LEAK_EVIDENCE_ROW_LIMIT } from './contract.ts';
import { type EvidenceSource, evidenceRow } from './evidence-rows.ts';

/** Correlation of a row's target with that of the row before in time, and share of its variance between periods, that matter. */
const CORRELATION_MIN = 0.3;
const DRIFT_RATIO_MIN = 0.1;
const PERIODS = 20;
/** Fewer rows say nothing about order; fewer times are no order. */
const ROWS_MIN = 200;
const TIMES_MIN = 20;
/** Standard errors by which a correlation must pass zero. */
const CERTAIN_DEVIATIONS = 5;

export interface TimeOrderRequest {
  readonly train: EvidenceSource;
  readonly test: EvidenceSource;
  /** Columns of times. */
  readonly times: readonly string[];
  readonly target: string;
  readonly trainTarget: ArrayLike<number>;
  readonly testTarget: ArrayLike<number>;
  readonly regression: boolean;
}

/** A random split of rows whose target depends on when they were: the model is judged by times it has seen on both sides. */
export function findTimeOrder(request: TimeOrderRequest): Leak | undefined {
  for (const name of request.times) {
    const found = timeOrderOf(name, request);
    if (found) return found;
  }
  return undefined;
}

interface Moment {
  readonly time: number;
  readonly value: number;
  readonly source: EvidenceSource;
  readonly row: number;
}

function timeOrderOf(name: string, request: TimeOrderRequest): Leak | undefined {
  const moments = [...momentsOf(name, request.train, request.trainTarget), ...momentsOf(name, request.test, request.testTarget)].toSorted(
    (a, b) => a.time - b.time || (a.source.positions?.[a.row] ?? a.row) - (b.source.positions?.[b.row] ?? b.row),
  );
  if (moments.length < ROWS_MIN || new Set(moments.map((moment) => moment.time)).size < TIMES_MIN) return undefined;
  const strongest = seriesOf(moments, request.regression)
    .map((values) => ({ correlation: lagCorrelation(values), drift: driftRatio(values) }))
    .toSorted((a, b) => Math.max(b.correlation, b.drift) - Math.max(a.correlation, a.drift))[0];
  if (!strongest) return undefined;
  const { correlation, drift } = strongest;
  const certain = correlation * Math.sqrt(moments.length) >= CERTAIN_DEVIATIONS;
  if (!(certain && correlation >= CORRELATION_MIN) && drift < DRIFT_RATIO_MIN) return undefined;
  return {
    column: '@time-order',
    kind: 'time-order',
    reason: `the target depends on "${name}" (rows next to each other in time correlate by ${correlation.toFixed(2)}, ${(100 * drift).toFixed(0)} % of its variance lies between periods), yet test rows lie among training rows in time: the model is judged by a past that it knows the future of.`,
    evidence: { correlation: Number(correlation.toFixed(6)), drift: Number(drift.toFixed(6)), rows: moments.length },
    action: 'needs-acceptance',
    columns: [name],
    equation: null,
    help: `Test on the last rows with --time ${/\s/.test(name) ? JSON.stringify(name) : name}.`,
    rows: evidenceOf(moments, [name, request.target]),
  };
}

function momentsOf(name: string, source: EvidenceSource, target: ArrayLike<number>): Moment[] {
  const column = source.frame.columns.get(name);
  if (column?.kind !== 'number') return [];
  return Array.from(column.values, (time, row) => ({ time, value: target[row] as number, source, row })).filter(
    (moment) => Number.isFinite(moment.time) && Number.isFinite(moment.value),
  );
}

/** The amount itself, or one series of zeros and ones for each of the commonest classes. */
function seriesOf(moments: readonly Moment[], regression: boolean): Float64Array[] {
  const values = Float64Array.from(moments, (moment) => moment.value);
  if (regression) return [values];
  const CLASS_LIMIT = 5;
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const classes = [...counts].toSorted((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, CLASS_LIMIT);
  return classes.map(([code]) => values.map((value) => Number(value === code)));
}

function lagCorrelation(values: Float64Array): number {
  const { mean, spread } = momentsAbout(values);
  if (spread === 0) return 0;
  let product = 0;
  for (let at = 1; at < values.length; at += 1) product += ((values[at] as number) - mean) * ((values[at - 1] as number) - mean);
  return product / spread;
}

/** Variance of period means over the whole, less what chance would give. */
function driftRatio(values: Float64Array): number {
  const { mean, spread } = momentsAbout(values);
  if (spread === 0) return 0;
  let between = 0;
  for (let period = 0; period < PERIODS; period += 1) {
    const part = values.subarray(Math.floor((period * values.length) / PERIODS), Math.floor(((period + 1) * values.length) / PERIODS));
    between += part.length * (momentsAbout(part).mean - mean) ** 2;
  }
  return Math.max(0, between / spread - (PERIODS - 1) / (values.length - 1));
}

function momentsAbout(values: Float64Array): { mean: number; spread: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  return { mean, spread: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) };
}

/** Rows in a row in time, around a test row between training rows. */
function evidenceOf(moments: readonly Moment[], columns: readonly string[]): Leak['rows'] {
  const at = moments.findIndex(
    (moment, index) =>
      moment.source.side === 'test' && index > 0 && moments.slice(index + 1).some((later) => later.source.side === 'train'),
  );
  return moments
    .slice(Math.max(0, at - 2), Math.max(0, at - 2) + LEAK_EVIDENCE_ROW_LIMIT)
    .map(({ source, row }) => evidenceRow(source, row, columns));
}
