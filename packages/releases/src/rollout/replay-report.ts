import type { Json } from '@slipway/kernel';
import { pairedDifference, quantile, sumsOf } from '@slipway/statistics';
import type { ReplayReport, ReplaySlice } from './contract.ts';

/** Columns and values of a column that groups are reported for, and kinds of flips shown. */
export const SLICED_COLUMNS_LIMIT = 20;
export const SLICED_VALUES_LIMIT = 12;
const FLIPS_SHOWN = 20;
/** Numbers that differ by less than this share of their spread are the same answer. */
const SAME_NUMBER_RATIO = 1e-3;
/** Two-sided 95 % of the normal distribution: a replay is looked at once. */
const Z = 1.959963984540054;

/** One recorded call and what the candidate made of it. */
export interface ReplayedCall {
  readonly input: Json;
  readonly recorded: Json;
  /** Undefined when the candidate failed. */
  readonly candidate: Json | undefined;
  /** Probabilities by label, when there are any. */
  readonly recordedProbabilities: Readonly<Record<string, number>> | undefined;
  readonly candidateProbabilities: Readonly<Record<string, number>> | undefined;
  readonly outcome: Json | undefined;
}

interface Judged {
  readonly call: ReplayedCall;
  readonly changed: boolean;
  readonly delta: number | null;
  readonly recordedScore: number | null;
  readonly candidateScore: number | null;
}

/** What changed between what was answered and what the candidate answers: overall, by kind of flip, and by group. Pure. */
export function reportReplay(
  calls: readonly ReplayedCall[],
  about: Pick<ReplayReport, 'release' | 'candidate' | 'fromMs' | 'toMs' | 'skipped' | 'truncated'> & { readonly by: readonly string[] },
): ReplayReport {
  const { by, ...head } = about;
  const answered = calls.filter((call) => call.candidate !== undefined);
  const isNumeric =
    answered.length > 0 && answered.every((call) => typeof call.recorded === 'number' && typeof call.candidate === 'number');
  const judged = isNumeric ? judgeNumbers(answered) : judgeLabels(answered);
  return {
    ...head,
    calls: calls.length,
    candidateErrors: calls.length - answered.length,
    changed: shareOf(judged),
    flips: isNumeric ? [] : flipsOf(judged),
    delta: deltaOf(judged, isNumeric ? 'prediction' : deltaLabel(answered)),
    slices: slicesOf(judged, by),
    quality: qualityOf(judged, isNumeric ? 'mean absolute error' : 'accuracy'),
  };
}

function judgeNumbers(calls: readonly ReplayedCall[]): Judged[] {
  const recorded = calls.map((call) => call.recorded as number);
  const { sum, squares, count } = sumsOf(recorded);
  const tolerance = SAME_NUMBER_RATIO * Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2));
  return calls.map((call) => {
    const [was, is] = [call.recorded as number, call.candidate as number];
    const truth = call.outcome === undefined ? Number.NaN : Number(call.outcome);
    const off = (value: number) => (Number.isFinite(truth) ? Math.abs(value - truth) : null);
    return { call, changed: Math.abs(is - was) > tolerance, delta: is - was, recordedScore: off(was), candidateScore: off(is) };
  });
}

function judgeLabels(calls: readonly ReplayedCall[]): Judged[] {
  const label = binaryLabel(calls);
  return calls.map((call) => {
    const [was, is] = [textOf(call.recorded), textOf(call.candidate as Json)];
    const truth = call.outcome === undefined ? undefined : textOf(call.outcome);
    const of = label ?? was;
    const [before, after] = [call.recordedProbabilities?.[of], call.candidateProbabilities?.[of]];
    return {
      call,
      changed: was !== is,
      delta: before === undefined || after === undefined ? null : after - before,
      recordedScore: truth === undefined ? null : Number(was === truth),
      candidateScore: truth === undefined ? null : Number(is === truth),
    };
  });
}

/** Of two labels the last is the positive one. */
function binaryLabel(calls: readonly ReplayedCall[]): string | undefined {
  const labels = Object.keys(calls.find((call) => call.recordedProbabilities)?.recordedProbabilities ?? {});
  return labels.length === 2 ? labels.toSorted().at(-1) : undefined;
}

function deltaLabel(calls: readonly ReplayedCall[]): string {
  const label = binaryLabel(calls);
  return label === undefined ? 'probability of the recorded answer' : `probability of "${label}"`;
}

export function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Wilson's interval of a share. */
function shareOf(judged: readonly Judged[]): ReplayReport['changed'] {
  const count = judged.length;
  if (count === 0) return { share: 0, low: 0, high: 1 };
  const share = judged.filter((each) => each.changed).length / count;
  const centre = (share + (Z * Z) / (2 * count)) / (1 + (Z * Z) / count);
  const radius = (Z / (1 + (Z * Z) / count)) * Math.sqrt((share * (1 - share)) / count + (Z * Z) / (4 * count * count));
  return { share, low: share === 0 ? 0 : Math.max(0, centre - radius), high: share === 1 ? 1 : Math.min(1, centre + radius) };
}

function flipsOf(judged: readonly Judged[]): ReplayReport['flips'] {
  const counts = new Map<string, { from: string; to: string; calls: number }>();
  for (const { call, changed } of judged) {
    if (!changed) continue;
    const [from, to] = [textOf(call.recorded).slice(0, 200), textOf(call.candidate as Json).slice(0, 200)];
    const key = JSON.stringify([from, to]);
    counts.set(key, { from, to, calls: (counts.get(key)?.calls ?? 0) + 1 });
  }
  return [...counts.values()].toSorted((left, right) => right.calls - left.calls).slice(0, FLIPS_SHOWN);
}

function deltaOf(judged: readonly Judged[], of: string): ReplayReport['delta'] {
  const deltas = Float64Array.from(judged.flatMap(({ delta }) => (delta === null ? [] : [delta]))).toSorted();
  if (deltas.length === 0) return null;
  const mean = deltas.reduce((sum, each) => sum + each, 0) / deltas.length;
  const largest = Math.max(Math.abs(deltas[0] ?? 0), Math.abs(deltas.at(-1) ?? 0));
  return { of, mean, p05: quantile(deltas, 0.05), median: quantile(deltas, 0.5), p95: quantile(deltas, 0.95), largest };
}

function qualityOf(judged: readonly Judged[], measure: 'accuracy' | 'mean absolute error'): ReplayReport['quality'] {
  const known = judged.filter((each) => each.recordedScore !== null);
  if (known.length === 0) return null;
  const { estimate, standardError } = pairedDifference(
    sumsOf(known.map((each) => (each.candidateScore ?? 0) - (each.recordedScore ?? 0))),
    0,
  );
  return {
    outcomes: known.length,
    measure,
    recorded: meanOf(known.map((each) => each.recordedScore)) ?? 0,
    candidate: meanOf(known.map((each) => each.candidateScore)) ?? 0,
    difference: estimate,
    low: estimate - Z * standardError,
    high: estimate + Z * standardError,
  };
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, each) => sum + each, 0) / known.length;
}

function slicesOf(judged: readonly Judged[], by: readonly string[]): ReplaySlice[] {
  const first = judged.find(({ call }) => isRow(call.input))?.call.input;
  const columns = by.length > 0 ? by : Object.keys(isRow(first) ? first : {});
  const slices: ReplaySlice[] = [];
  let used = 0;
  for (const column of columns) {
    if (used >= SLICED_COLUMNS_LIMIT) break;
    const groups = groupsOf(judged, column, by.length > 0);
    if (groups.length < 2) continue;
    used += 1;
    slices.push(...groups.map(([value, members]) => sliceOf(column, value, members)));
  }
  return slices;
}

const isRow = (input: Json | undefined): input is { readonly [name: string]: Json } =>
  input !== null && typeof input === 'object' && !Array.isArray(input);

/** Calls by value of a column; many numbers by quarter. Columns of many texts have no groups unless asked for. */
function groupsOf(judged: readonly Judged[], column: string, isAsked: boolean): [string, Judged[]][] {
  const valueOf = ({ call }: Judged) => (isRow(call.input) ? (call.input[column] ?? null) : null);
  const groups = Map.groupBy(judged, (each) => textOf(valueOf(each)).slice(0, 100));
  if (groups.size <= SLICED_VALUES_LIMIT) return [...groups];
  const numbers = judged.map(valueOf).filter((value) => typeof value === 'number');
  if (numbers.length > judged.length / 2) {
    const sorted = Float64Array.from(numbers).toSorted();
    const edges = [0.25, 0.5, 0.75].map((part) => quantile(sorted, part));
    const names = ['lowest quarter', 'second quarter', 'third quarter', 'highest quarter'];
    const nameOf = (value: Json) => (typeof value === 'number' ? (names[edges.filter((edge) => value > edge).length] ?? '') : 'missing');
    return [...Map.groupBy(judged, (each) => nameOf(valueOf(each)))];
  }
  if (!isAsked) return [];
  return [...groups].toSorted(([, left], [, right]) => right.length - left.length).slice(0, SLICED_VALUES_LIMIT);
}

function sliceOf(column: string, value: string, members: readonly Judged[]): ReplaySlice {
  return {
    column,
    value,
    calls: members.length,
    changed: shareOf(members),
    meanDelta: meanOf(members.map((each) => each.delta)),
    recorded: meanOf(members.map((each) => each.recordedScore)),
    candidate: meanOf(members.map((each) => each.candidateScore)),
  };
}
