import { CancelledError, type Column, type Field, type Frame, takeRows, breathe } from '@slipway/kernel';
import { createRandom, variance } from '@slipway/statistics';
import { EvaluationInputError } from '../errors.ts';
import { type ModelPredictions, type TaskData, checkTaskData } from '../inputs.ts';
import { primaryMetric } from '../metric-table.ts';
import { metricOfRows } from '../slices/describe-slice.ts';
import { isPositive, rowFacts } from '../slices/row-losses.ts';
import { takeData } from '../slices/slice-candidate.ts';
import { wilsonInterval } from '../slices/tests-of-means.ts';
import {
  type LabelNoise,
  ROBUSTNESS_ENTRY_LIMIT,
  ROBUSTNESS_TOLERANCES,
  type RobustnessEntry,
  type RobustnessSection,
  type RobustnessSummary,
  RobustnessTest,
} from './contract.ts';
import { type Perturbed, perturbByNoise, perturbColumn, testsOf } from './perturb.ts';

/** Rows that are perturbed, a seeded sample; fewer when there are many columns. */
export const ROBUSTNESS_ROW_LIMIT = 1_000;
const ROWS_MIN = 100;
/** Columns that are perturbed one by one, the most important first. */
export const ROBUSTNESS_FIELD_LIMIT = 60;
/** Row predictions in all. */
export const ROBUSTNESS_PREDICTION_LIMIT = 150_000;
const TESTS_PER_FIELD = 6;
/** A predicted number counts as changed when it moves by more than the model is off anyway (RMSE), at least by this share of the truth's deviation. */
export const CHANGE_DEVIATION_RATIO = 0.1;

export interface RobustnessRequest extends TaskData {
  readonly frame: Frame;
  /** The model's inputs, the most important first. */
  readonly fields: readonly Field[];
  readonly predict: (frame: Frame) => Promise<ModelPredictions>;
  readonly seed: number;
  readonly threshold?: number | undefined;
  /** Named tolerances that replace the defaults. */
  readonly tolerances?: Readonly<Partial<Record<RobustnessTest, number>>> | undefined;
  /** Tests that are made; all that fit a column by default. */
  readonly tests?: readonly RobustnessTest[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((ratio: number) => void) | undefined;
}

/**
 * Asks the model again about rows that are not as they should be: a column missing, other units, shifted ranges, typing
 * mistakes, values never seen. Measured is the share of decisions that change without anything in the contract noticing.
 * @throws {EvaluationInputError} {CancelledError}
 */
export async function assessRobustness(request: RobustnessRequest): Promise<RobustnessSection> {
  checkTaskData(request);
  const { frame, seed, signal } = request;
  if (frame.rowCount !== request.truth.length)
    throw new EvaluationInputError(`The frame has ${frame.rowCount} rows and the truth ${request.truth.length}.`);
  const fields = request.fields.filter((field) => frame.columns.has(field.name)).slice(0, ROBUSTNESS_FIELD_LIMIT);
  const random = createRandom(`robustness:${seed}`);
  const rows = sampleRows(frame.rowCount, fields.length, seed);
  const sample = takeRows(frame, rows);
  const before = answersOf(takeData(request, rows), request.threshold);
  const steps = stepsOf(sample, fields, random, request.tests);
  const entries: RobustnessEntry[] = [];
  for (const [done, step] of steps.entries()) {
    if (signal?.aborted) throw new CancelledError('Measuring robustness was cancelled.');
    await breathe();
    const perturbed = step();
    if (!perturbed || !perturbed.rows.includes(1)) continue;
    const predictions = await request.predict(perturbed.frame);
    entries.push(entryOf(perturbed, before, answersOf({ ...before.data, predictions }, request.threshold), fields));
    request.onProgress?.((done + 1) / steps.length);
  }
  return sectionOf(request, entries, before, rows.length, fields.length);
}

function sampleRows(count: number, fieldCount: number, seed: number): Int32Array {
  const affordable = Math.floor(ROBUSTNESS_PREDICTION_LIMIT / Math.max(1, fieldCount * TESTS_PER_FIELD));
  const limit = Math.max(ROWS_MIN, Math.min(ROBUSTNESS_ROW_LIMIT, affordable));
  if (count <= limit) return Int32Array.from({ length: count }, (_, row) => row);
  return createRandom(`robustness-rows:${seed}`).sampleWithoutReplacement(count, limit).toSorted();
}

function stepsOf(
  sample: Frame,
  fields: readonly Field[],
  random: ReturnType<typeof createRandom>,
  wanted: readonly RobustnessTest[] = RobustnessTest.options,
): (() => Perturbed | null)[] {
  const single = fields.flatMap((field) =>
    testsOf(field, sample.columns.get(field.name) as Column)
      .filter((test) => wanted.includes(test))
      .map((test) => () => perturbColumn(sample, field, test, random.fork(`${test}/${field.name}`))),
  );
  return wanted.includes('noise') ? [() => perturbByNoise(sample, fields, random.fork('noise')), ...single] : single;
}

/** What the model said about the sample, ready to be compared. */
interface Answers {
  readonly data: TaskData;
  /** Decided class, or the number. */
  readonly decisions: Float64Array;
  /** Probabilities row by row, or the numbers. */
  readonly scores: Float64Array;
  readonly width: number;
  /** How far a number must move to count as changed; 0 for classes. */
  readonly distance: number;
}

function answersOf(data: TaskData, threshold = 0.5): Answers {
  const facts = rowFacts(data, threshold);
  if ('values' in data.predictions) {
    const scores = Float64Array.from(data.predictions.values);
    const deviation = data.truth.length < 2 ? 0 : Math.sqrt(variance(Float64Array.from(data.truth)));
    const rmse = Math.sqrt(scores.reduce((sum, value, row) => sum + (value - (data.truth[row] as number)) ** 2, 0) / scores.length);
    return { data, decisions: scores, scores, width: 1, distance: Math.max(rmse, CHANGE_DEVIATION_RATIO * deviation) };
  }
  const scores = Float64Array.from(data.predictions.probabilities);
  const width = data.classes?.length ?? 1;
  const decisions =
    facts.said === null
      ? Float64Array.from(data.truth, (_, row) => argmax(scores.subarray(row * width, (row + 1) * width)))
      : facts.said.map((score) => (isPositive(score, threshold) ? 1 : 0));
  return { data, decisions, scores, width, distance: 0 };
}

function argmax(values: Float64Array): number {
  let best = 0;
  values.forEach((value, index) => {
    if (value > (values[best] as number)) best = index;
  });
  return best;
}

function entryOf(perturbed: Perturbed, before: Answers, after: Answers, fields: readonly Field[]): RobustnessEntry {
  const { test, field } = perturbed;
  const rows = Int32Array.from(perturbed.rows.keys()).filter((row) => perturbed.rows[row] === 1);
  const facts = fields.find((each) => each.name === field);
  const refused = test === 'missing' && facts?.nullable === false;
  let changed = 0;
  let noticed = 0;
  let silent = 0;
  let distance = 0;
  for (const row of rows) {
    const isChanged = Math.abs((before.decisions[row] as number) - (after.decisions[row] as number)) > before.distance;
    const isNoticed = refused || (facts !== undefined && isOutside(facts, perturbed.frame.columns.get(facts.name) as Column, row));
    if (isChanged) changed += 1;
    if (isNoticed) noticed += 1;
    if (isChanged && !isNoticed) silent += 1;
    distance += furthest(before, after, row);
  }
  return {
    test,
    field,
    rows: rows.length,
    changed: wilsonInterval(changed, rows.length),
    meanDistance: distance / rows.length,
    noticedRatio: noticed / rows.length,
    silentRatio: silent / rows.length,
    refused,
    metricBefore: metricOfRows(before.data, rows),
    metricAfter: metricOfRows(after.data, rows),
  };
}

function furthest(before: Answers, after: Answers, row: number): number {
  let most = 0;
  for (let at = row * before.width; at < (row + 1) * before.width; at += 1)
    most = Math.max(most, Math.abs((before.scores[at] as number) - (after.scores[at] as number)));
  return most;
}

/** Whether the contract would refuse the value or warn of it. */
function isOutside(field: Field, column: Column, row: number): boolean {
  const { minimum, maximum, allowedValues } = field.expect;
  if (column.kind === 'number') {
    const value = column.values[row] as number;
    return (minimum !== undefined && value < minimum) || (maximum !== undefined && value > maximum);
  }
  const code = column.codes[row] as number;
  return code >= 0 && allowedValues !== undefined && !allowedSet(allowedValues).has(column.levels[code] ?? '');
}

const allowedSets = new WeakMap<readonly string[], ReadonlySet<string>>();

function allowedSet(values: readonly string[]): ReadonlySet<string> {
  const known = allowedSets.get(values) ?? new Set(values);
  allowedSets.set(values, known);
  return known;
}

function sectionOf(
  request: RobustnessRequest,
  entries: RobustnessEntry[],
  before: Answers,
  rows: number,
  fieldCount: number,
): RobustnessSection {
  const summary = summarise(entries, null, { ...ROBUSTNESS_TOLERANCES, ...request.tolerances });
  const notes: string[] = [];
  if (rows < request.frame.rowCount) notes.push(`Robustness was measured on a sample of ${rows} of ${request.frame.rowCount} rows.`);
  if (fieldCount < request.fields.length) notes.push(`${fieldCount} of ${request.fields.length} columns were perturbed one by one.`);
  return {
    rows,
    metric: primaryMetric(request.task),
    changeDistance: request.task === 'regression' ? before.distance : null,
    summary,
    entries: entries.toSorted(bySeverity).slice(0, ROBUSTNESS_ENTRY_LIMIT),
    labelNoise: null,
    warnings: summary.filter((each) => !each.passed).map(warningOf),
    notes,
  };
}

function bySeverity(left: RobustnessEntry, right: RobustnessEntry): number {
  return (
    right.silentRatio - left.silentRatio ||
    (right.changed.value ?? 0) - (left.changed.value ?? 0) ||
    (`${left.test}/${left.field}` < `${right.test}/${right.field}` ? -1 : 1)
  );
}

/** The section with what wrong labels do, which is measured apart. */
export function withLabelNoise(
  section: RobustnessSection,
  labelNoise: LabelNoise,
  tolerance = ROBUSTNESS_TOLERANCES.label_noise,
): RobustnessSection {
  const summary = [...section.summary, ...summarise([], labelNoise, { ...ROBUSTNESS_TOLERANCES, label_noise: tolerance })];
  return { ...section, labelNoise, summary, warnings: summary.filter((each) => !each.passed).map(warningOf) };
}

/** The label noise level that a tolerance is about. */
export const LABEL_NOISE_RATIO = 0.1;

function summarise(
  entries: readonly RobustnessEntry[],
  labelNoise: LabelNoise | null,
  tolerances: Readonly<Record<RobustnessTest, number>>,
): RobustnessSummary[] {
  return RobustnessTest.options.flatMap((test): RobustnessSummary[] => {
    const tolerance = tolerances[test];
    if (test === 'label_noise') {
      const drop = labelNoise?.levels.find((level) => level.ratio === LABEL_NOISE_RATIO)?.drop;
      return drop === undefined || drop === null ? [] : [{ test, tolerance, worst: drop, field: null, passed: drop <= tolerance }];
    }
    const [worst] = entries.filter((entry) => entry.test === test).toSorted(bySeverity);
    return worst ? [{ test, tolerance, worst: worst.silentRatio, field: worst.field, passed: worst.silentRatio <= tolerance }] : [];
  });
}

/** A test that passed its tolerance, in words. */
export function warningOf({ test, worst, field, tolerance }: RobustnessSummary): string {
  const shown = worst === null ? '-' : Number((100 * worst).toPrecision(3));
  if (test === 'label_noise') {
    return `label_noise: with ${100 * LABEL_NOISE_RATIO} % wrong training labels the metric falls by ${worst === null ? '-' : Number(worst.toPrecision(3))}, more than ${tolerance}.`;
  }
  return `${test}${field === null ? '' : ` of ${field}`}: ${shown} % of the answers change unnoticed, more than ${Number((100 * tolerance).toPrecision(3))} %.`;
}
