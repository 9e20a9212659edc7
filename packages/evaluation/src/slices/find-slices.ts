import { type Field, type Frame, computeInSlices } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { EvaluationInputError } from '../errors.ts';
import { type TaskData, checkTaskData } from '../inputs.ts';
import { primaryMetric } from '../metric-table.ts';
import { type Slice, SLICE_FALSE_DISCOVERY_RATIO, SLICE_LIMIT, type SlicesSection } from './contract.ts';
import { describeSlice, metricOfRows } from './describe-slice.ts';
import { type Grouping, groupColumn } from './grouping.ts';
import { type RowFacts, rowFacts } from './row-losses.ts';
import { type Candidate, allRows, isMember, takeData } from './slice-candidate.ts';
import { type Sums, benjaminiHochberg, meanOf, minusSums, oneSampleTest, welchTest } from './tests-of-means.ts';

/** Rows looked at: a seeded sample of larger test sets. */
export const SLICE_ROW_LIMIT = 50_000;
/** Slices with fewer rows, or a smaller share of the rows, are not tested. */
export const SLICE_ROWS_MIN = 30;
export const SLICE_SHARE_MIN = 0.01;
/** Columns cut into slices; pairs are made of the first so many of them. */
export const SLICE_COLUMN_LIMIT = 200;
export const SLICE_PAIR_COLUMN_LIMIT = 30;
/** Two slices that share more of their rows than this are one find. */
const OVERLAP_RATIO_MAX = 0.9;
/** Significant slices that are compared with each other at most. */
const CANDIDATE_LIMIT = 400;

export interface SlicesRequest extends TaskData {
  readonly frame: Frame;
  /** Columns to cut, the most important first: pairs are made of the first ones. */
  readonly fields: readonly Pick<Field, 'name' | 'type'>[];
  readonly seed: number;
  /** Above it the positive class is decided; 0.5 when left out. */
  readonly threshold?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Totals {
  readonly loss: Sums;
  readonly error: Sums | null;
}

/**
 * Looks through every value and range of every column and through their pairs for rows on which the model does worse
 * than on the rest (Welch's test of the mean loss) or is off on average (test of the mean error), with the share of false
 * finds bounded. A pair must also be worse than each of its columns alone. Source: Chung et al. 2019 (Slice Finder);
 * Benjamini & Hochberg 1995. @throws {EvaluationInputError} {CancelledError}
 */
export async function findSlices(request: SlicesRequest): Promise<SlicesSection> {
  checkTaskData(request);
  const { frame, fields, seed, signal } = request;
  if (frame.rowCount !== request.truth.length)
    throw new EvaluationInputError(`The frame has ${frame.rowCount} rows and the truth ${request.truth.length}.`);
  const rows = sampleRows(frame.rowCount, seed);
  const data = takeData(request, rows);
  const facts = rowFacts(data, request.threshold);
  const rowsMin = Math.max(SLICE_ROWS_MIN, Math.ceil(rows.length * SLICE_SHARE_MIN));
  const groupings = cutColumns(frame, fields, rows);
  const total = totalsOf(facts);
  const candidates: Candidate[] = [];
  const search = new PairSearch(groupings, facts, total, rowsMin, candidates);
  await computeInSlices(() => search.advance(), signal);
  const tested = testAll(candidates);
  const context = { data, facts, total, fields, seed };
  const metric = primaryMetric(request.task);
  return {
    loss: facts.kind,
    metric,
    rows: rows.length,
    rowsMin,
    columns: groupings.map((grouping) => grouping.column),
    tested: candidates.length,
    falseDiscoveryRatio: SLICE_FALSE_DISCOVERY_RATIO,
    overall: { loss: meanOf(total.loss), metric: metricOfRows(data, allRows(rows.length)) },
    worst: await describeAll(context, pick(tested, 'worse'), signal),
    biased: facts.said === null ? [] : await describeAll(context, pick(tested, 'biased'), signal),
    notes: notesOf(request, rows.length, groupings.length),
  };
}

function notesOf({ frame, fields }: SlicesRequest, rowCount: number, columns: number): string[] {
  const notes: string[] = [];
  if (rowCount < frame.rowCount) notes.push(`Slices were looked for in a sample of ${rowCount} of ${frame.rowCount} rows.`);
  if (columns > SLICE_PAIR_COLUMN_LIMIT) notes.push(`Pairs were made of ${SLICE_PAIR_COLUMN_LIMIT} of ${columns} columns.`);
  if (fields.length > SLICE_COLUMN_LIMIT) notes.push(`${SLICE_COLUMN_LIMIT} of ${fields.length} columns were cut into slices.`);
  return notes;
}

function sampleRows(count: number, seed: number): Int32Array {
  if (count <= SLICE_ROW_LIMIT) return allRows(count);
  return createRandom(`slices:${seed}`).sampleWithoutReplacement(count, SLICE_ROW_LIMIT).toSorted();
}

function cutColumns(frame: Frame, fields: SlicesRequest['fields'], rows: Int32Array): Grouping[] {
  const taken = rows.length === frame.rowCount ? {} : { rows };
  return fields.slice(0, SLICE_COLUMN_LIMIT).flatMap((field) => {
    const column = frame.columns.get(field.name);
    if (!column) return [];
    const grouping = groupColumn(field, column, { ranges: 'quantile', ...taken });
    return grouping.groups.length < 2 ? [] : [grouping];
  });
}

function totalsOf({ losses, said, truth }: RowFacts): Totals {
  return { loss: sumsOf(losses), error: said && truth ? sumsOf(said.map((value, row) => value - (truth[row] as number))) : null };
}

function sumsOf(values: Float64Array): Sums {
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  return { count: values.length, sum, squares };
}

/** Singles first, then pair by pair, a column or a pair a step. */
class PairSearch {
  readonly #groupings: readonly Grouping[];
  readonly #facts: RowFacts;
  readonly #total: Totals;
  readonly #rowsMin: number;
  readonly #out: Candidate[];
  readonly #singles: Totals[][] = [];
  #first = 0;
  #second = 1;

  constructor(groupings: readonly Grouping[], facts: RowFacts, total: Totals, rowsMin: number, out: Candidate[]) {
    this.#groupings = groupings;
    this.#facts = facts;
    this.#total = total;
    this.#rowsMin = rowsMin;
    this.#out = out;
  }

  advance(): boolean {
    if (this.#singles.length < this.#groupings.length) {
      this.#single(this.#groupings[this.#singles.length] as Grouping);
      return true;
    }
    const limit = Math.min(this.#groupings.length, SLICE_PAIR_COLUMN_LIMIT);
    if (this.#first >= limit - 1) return false;
    this.#pair(this.#first, this.#second);
    this.#second += 1;
    if (this.#second >= limit) {
      this.#first += 1;
      this.#second = this.#first + 1;
    }
    return true;
  }

  #single(grouping: Grouping): void {
    const cells = this.#cells(grouping.codes, grouping.groups.length);
    this.#singles.push(cells);
    cells.forEach((cell, group) => {
      if (group === grouping.other || !this.#isLarge(cell.loss.count)) return;
      this.#out.push({
        first: grouping,
        firstGroup: group,
        second: null,
        secondGroup: -1,
        ...cell,
        pWorse: welchTest(cell.loss, minusSums(this.#total.loss, cell.loss)).pGreater,
        pBiased: cell.error ? oneSampleTest(cell.error).pTwoSided : Number.NaN,
      });
    });
  }

  #isLarge(count: number): boolean {
    return count >= this.#rowsMin && this.#total.loss.count - count >= this.#rowsMin;
  }

  #pair(first: number, second: number): void {
    const a = this.#groupings[first] as Grouping;
    const b = this.#groupings[second] as Grouping;
    const width = b.groups.length;
    const codes = a.codes.map((code, row) => (code < 0 || (b.codes[row] as number) < 0 ? -1 : code * width + (b.codes[row] as number)));
    this.#cells(codes, a.groups.length * width).forEach((cell, code) => {
      const firstGroup = Math.floor(code / width);
      const secondGroup = code % width;
      if (firstGroup === a.other || secondGroup === b.other || !this.#isLarge(cell.loss.count)) return;
      const parents = [this.#singles[first]?.[firstGroup], this.#singles[second]?.[secondGroup]] as [Totals, Totals];
      // A pair that is nearly the whole of one of its columns says nothing that the column does not.
      if (parents.some((parent) => cell.loss.count > OVERLAP_RATIO_MAX * parent.loss.count)) return;
      this.#out.push({ first: a, firstGroup, second: b, secondGroup, ...cell, ...pairTests(cell, parents, this.#total) });
    });
  }

  /** Sums of the rows of each group. */
  #cells(codes: Int32Array, count: number): Totals[] {
    const { losses, said, truth } = this.#facts;
    const counts = new Float64Array(count);
    const [lossSum, lossSquares, errorSum, errorSquares] = [0, 1, 2, 3].map(() => new Float64Array(count)) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    for (let row = 0; row < codes.length; row += 1) {
      const code = codes[row] as number;
      if (code < 0) continue;
      const loss = losses[row] as number;
      counts[code] = (counts[code] as number) + 1;
      lossSum[code] = (lossSum[code] as number) + loss;
      lossSquares[code] = (lossSquares[code] as number) + loss * loss;
      if (!said || !truth) continue;
      const error = (said[row] as number) - (truth[row] as number);
      errorSum[code] = (errorSum[code] as number) + error;
      errorSquares[code] = (errorSquares[code] as number) + error * error;
    }
    return Array.from(counts, (rows, code) => ({
      loss: { count: rows, sum: lossSum[code] as number, squares: lossSquares[code] as number },
      error: said ? { count: rows, sum: errorSum[code] as number, squares: errorSquares[code] as number } : null,
    }));
  }
}

/** The largest of three p-values: against the rest of all rows, and of each of its two columns' groups. */
function pairTests(cell: Totals, parents: readonly [Totals, Totals], total: Totals): Pick<Candidate, 'pWorse' | 'pBiased'> {
  const wholes = [total, ...parents];
  const pWorse = Math.max(...wholes.map((whole) => welchTest(cell.loss, minusSums(whole.loss, cell.loss)).pGreater));
  if (!cell.error) return { pWorse, pBiased: Number.NaN };
  const own = oneSampleTest(cell.error);
  const { error } = cell;
  const others = parents.map((parent) => {
    const test = welchTest(error, minusSums(parent.error as Sums, error));
    return own.statistic > 0 ? test.pGreater : 1 - test.pGreater;
  });
  return { pWorse, pBiased: Math.max(own.pTwoSided, ...others) };
}

interface Tested {
  readonly candidate: Candidate;
  readonly worse: number;
  readonly biased: number;
}

function testAll(candidates: readonly Candidate[]): Tested[] {
  const worse = benjaminiHochberg(Float64Array.from(candidates, (candidate) => candidate.pWorse));
  const biased = benjaminiHochberg(Float64Array.from(candidates, (candidate) => candidate.pBiased));
  return candidates.map((candidate, index) => ({ candidate, worse: worse[index] as number, biased: biased[index] as number }));
}

interface Picked {
  readonly candidate: Candidate;
  readonly pValue: number;
  readonly adjustedPValue: number;
}

/** Significant slices, by mean loss or by certainty of the bias, without those that repeat the rows of one before. */
function pick(tested: readonly Tested[], kind: 'worse' | 'biased'): Picked[] {
  const significant = tested
    .filter((each) => each[kind] <= SLICE_FALSE_DISCOVERY_RATIO)
    .toSorted((left, right) =>
      kind === 'worse' ? meanOf(right.candidate.loss) - meanOf(left.candidate.loss) : left.candidate.pBiased - right.candidate.pBiased,
    )
    .slice(0, CANDIDATE_LIMIT);
  const kept: Tested[] = [];
  for (const each of significant) {
    if (kept.length >= SLICE_LIMIT) break;
    if (!kept.some((other) => overlap(each.candidate, other.candidate) > OVERLAP_RATIO_MAX)) kept.push(each);
  }
  return kept.map((each) => ({
    candidate: each.candidate,
    pValue: kind === 'worse' ? each.candidate.pWorse : each.candidate.pBiased,
    adjustedPValue: each[kind],
  }));
}

/** Shared rows by all rows of both. */
function overlap(left: Candidate, right: Candidate): number {
  let both = 0;
  const count = left.first.codes.length;
  for (let row = 0; row < count; row += 1) if (isMember(left, row) && isMember(right, row)) both += 1;
  return both / (left.loss.count + right.loss.count - both);
}

async function describeAll(
  context: Parameters<typeof describeSlice>[0],
  picked: readonly Picked[],
  signal: AbortSignal | undefined,
): Promise<Slice[]> {
  const slices: Slice[] = [];
  await computeInSlices(() => {
    const next = picked[slices.length];
    if (!next) return false;
    slices.push(describeSlice(context, next));
    return true;
  }, signal);
  return slices;
}
