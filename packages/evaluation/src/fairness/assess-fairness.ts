import { type Frame, takeRows, computeInSlices } from '@slipway/kernel';
import { argmaxRows, createRandom, quantile } from '@slipway/statistics';
import { EvaluationInputError } from '../errors.ts';
import { type TaskData, checkTaskData, clippedProbabilities } from '../inputs.ts';
import { isPositive, rowFacts } from '../slices/row-losses.ts';
import { takeData } from '../slices/slice-candidate.ts';
import { type Attribute, type SensitiveField, attributesOf } from './attributes.ts';
import {
  type Disparity,
  FAIRNESS_ATTRIBUTE_LIMIT,
  type FairnessAttribute,
  type FairnessMeasure,
  type FairnessSection,
  PARITY_RATIO_MIN,
  SMALL_GROUP_ROWS,
} from './contract.ts';
import { describeGroup } from './describe-group.ts';
import { type MeasureInputs, groupMeasures } from './group-measures.ts';
import { thresholdMitigations } from './thresholds.ts';

/** Resamples behind the interval of a disparity; fewer when there are many rows. */
export const FAIRNESS_RESAMPLES = 300;
/** Rows judged, a seeded sample of larger test sets. */
export const FAIRNESS_ROW_LIMIT = 200_000;
const DRAW_LIMIT = 10_000_000;
const RESAMPLES_MIN = 100;

export interface FairnessRequest extends TaskData {
  readonly frame: Frame;
  /** Columns to judge by; the model need not have seen them. */
  readonly sensitive: readonly SensitiveField[];
  readonly seed: number;
  /** Above it the positive class is decided; 0.5 when left out. */
  readonly threshold?: number | undefined;
  /** Decisions (0 or 1) that were not made by that threshold alone; binary models only. */
  readonly decisions?: Uint8Array | undefined;
  /** FAIRNESS_ROW_LIMIT when left out. */
  readonly rowLimit?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * How a model treats the groups of the sensitive columns and of their intersections: rates with intervals, disparities
 * with Fairlearn's definitions, calibration by group, and for a binary model what thresholds of its own for each group
 * would change and cost. @throws {EvaluationInputError} {CancelledError}
 */
export async function assessFairness(whole: FairnessRequest): Promise<FairnessSection> {
  checkTaskData(whole);
  const request = sampled(whole);
  const { frame, sensitive, seed, signal, threshold = 0.5 } = request;
  if (frame.rowCount !== request.truth.length)
    throw new EvaluationInputError(`The frame has ${frame.rowCount} rows and the truth ${request.truth.length}.`);
  const facts = rowFacts(request, threshold);
  const isBinary = request.task === 'binary';
  const decisions =
    isBinary && request.decisions
      ? request.decisions
      : isBinary && facts.said
        ? Uint8Array.from(facts.said, (score) => (isPositive(score, threshold) ? 1 : 0))
        : null;
  const decided =
    request.task === 'multiclass'
      ? Int32Array.from(argmaxRows(clippedProbabilities(request.predictions), request.classes?.length ?? 0))
      : null;
  const base = { facts, data: request, decisions, decided };
  const found = attributesOf(frame, sensitive);
  const attributes: FairnessAttribute[] = [];
  const notes: string[] = [];
  if (request !== whole) notes.push(`Fairness was judged on a sample of ${request.truth.length} of ${whole.truth.length} rows.`);
  for (const attribute of found) {
    attributes.push(
      await assess(attribute, { ...base, codes: attribute.codes, groupCount: attribute.groups.length }, { seed, signal, notes }),
    );
  }
  if (found.length === FAIRNESS_ATTRIBUTE_LIMIT) notes.push(`At most ${FAIRNESS_ATTRIBUTE_LIMIT} columns and intersections are shown.`);
  return {
    positive: isBinary ? (request.positive ?? request.classes?.at(-1) ?? null) : null,
    threshold: isBinary ? threshold : null,
    smallGroupRows: SMALL_GROUP_ROWS,
    attributes,
    mitigations:
      decisions && facts.said && facts.truth
        ? await thresholdMitigations(found, { said: facts.said, truth: facts.truth, decisions, threshold, seed })
        : [],
    warnings: warningsOf(attributes),
    notes,
  };
}

function sampled(request: FairnessRequest): FairnessRequest {
  const count = request.truth.length;
  const { rowLimit = FAIRNESS_ROW_LIMIT, frame, decisions } = request;
  if (count <= rowLimit || frame.rowCount !== count) return request;
  const rows = createRandom(`fairness-rows:${request.seed}`).sampleWithoutReplacement(count, rowLimit).toSorted();
  const taken = decisions ? { decisions: Uint8Array.from(rows, (row) => decisions[row] as number) } : {};
  return { ...request, ...takeData(request, rows), frame: takeRows(frame, rows), ...taken };
}

interface Options {
  readonly seed: number;
  readonly signal: AbortSignal | undefined;
  readonly notes: string[];
}

async function assess(attribute: Attribute, inputs: MeasureInputs, { seed, signal, notes }: Options): Promise<FairnessAttribute> {
  const rowsByGroup = attribute.groups.map((): number[] => []);
  attribute.codes.forEach((group, row) => rowsByGroup[group]?.push(row));
  const present = attribute.groups.flatMap((group, index) => (rowsByGroup[index]?.length ? [{ ...group, index }] : []));
  const groups = present.map(({ label, conditions, index }) =>
    describeGroup({ label, conditions: [...conditions] }, inputs, Int32Array.from(rowsByGroup[index] ?? []), attribute.codes.length),
  );
  const large = present.filter((_, at) => groups[at]?.small === false).map(({ index }) => index);
  if (large.length < 2)
    notes.push(`${attribute.columns.join(' and ')}: fewer than two groups have ${SMALL_GROUP_ROWS} rows, so no disparity is stated.`);
  const measures = groupMeasures(inputs);
  const all = measures.disparities(
    null,
    present.map(({ index }) => index),
    'zero',
  );
  return {
    columns: [...attribute.columns],
    groups,
    disparities: large.length < 2 ? [] : await withIntervals(measures, large, attribute, { seed, signal, notes }),
    disparitiesAll: entries(all).map(([measure, value]) => ({ measure, value: finite(value) })),
  };
}

/** Percentile bootstrap over rows. A difference of extremes is never negative, so its lower bound above 0 alone proves little. */
async function withIntervals(
  measures: ReturnType<typeof groupMeasures>,
  groups: readonly number[],
  attribute: Attribute,
  { seed, signal }: Options,
): Promise<Disparity[]> {
  const rowCount = attribute.codes.length;
  const resamples = Math.max(RESAMPLES_MIN, Math.min(FAIRNESS_RESAMPLES, Math.floor(DRAW_LIMIT / rowCount)));
  const random = createRandom(`fairness:${seed}:${attribute.columns.join('+')}`);
  const drawn: ReturnType<typeof measures.disparities>[] = [];
  const counts = new Uint16Array(rowCount);
  await computeInSlices(() => {
    random.resample(counts);
    drawn.push(measures.disparities(counts, groups, 'left-out'));
    return drawn.length < resamples;
  }, signal);
  return entries(measures.disparities(null, groups, 'left-out')).map(([measure, value]) => {
    const sorted = Float64Array.from(
      drawn.flatMap((each) => (Number.isFinite(each[measure] ?? Number.NaN) ? [each[measure] as number] : [])),
    ).toSorted();
    const bounds =
      sorted.length > resamples / 2 ? { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) } : { low: null, high: null };
    return { measure, value: finite(value), ...around(value, bounds) };
  });
}

/** Resamples of an even model are all more uneven than it: the interval then begins at the value itself. */
function around(value: number, { low, high }: { low: number | null; high: number | null }): { low: number | null; high: number | null } {
  if (low === null || high === null || !Number.isFinite(value)) return { low, high };
  return { low: Math.min(low, value), high: Math.max(high, value) };
}

function entries(values: ReturnType<ReturnType<typeof groupMeasures>['disparities']>): [FairnessMeasure, number][] {
  return Object.entries(values) as [FairnessMeasure, number][];
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** One warning a column; an intersection has one of its own only when none of its columns has. */
function warningsOf(attributes: readonly FairnessAttribute[]): string[] {
  const warned = new Set<string>();
  return attributes.flatMap((attribute) => {
    if (attribute.columns.some((column) => warned.has(column))) return [];
    const warning = warningOf(attribute);
    if (warning.length > 0 && attribute.columns.length === 1) warned.add(attribute.columns[0] as string);
    return warning;
  });
}

function warningOf({ columns, disparities, groups }: FairnessAttribute): string[] {
  const ratio = disparities.find((each) => each.measure === 'demographic_parity_ratio')?.value;
  if (ratio === undefined || ratio === null || ratio >= PARITY_RATIO_MIN) return [];
  const rates = groups.filter((group) => !group.small && group.selectionRate?.value !== null && group.selectionRate !== null);
  const sorted = rates.toSorted((left, right) => (left.selectionRate?.value ?? 0) - (right.selectionRate?.value ?? 0));
  const [least, most] = [sorted[0], sorted.at(-1)];
  const between =
    least && most
      ? `: ${percent(least.selectionRate?.value)} of "${least.label}" and ${percent(most.selectionRate?.value)} of "${most.label}" are selected`
      : '';
  return [
    `${columns.join(' and ')}: the selection rates differ by a ratio of ${Number(ratio.toPrecision(3))}, below ${PARITY_RATIO_MIN}${between}.`,
  ];
}

function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? '-' : `${Number((100 * share).toPrecision(3))} %`;
}
