import { CancelledError, type Frame, breathe } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { LEAK_EVIDENCE_ROW_LIMIT, type Leak } from './contract.ts';
import { COPY_BITS_MARGIN, rowBits, rowKey } from './copies.ts';
import { type EvidenceSource, evidenceRow } from './evidence-rows.ts';
import { type NearTexts, indexTexts } from './near-texts.ts';
import { buildRadiusTree } from './radius-tree.ts';
import { type CodedField, codeField } from './row-cells.ts';

/** Rows that are compared: all test rows up to this many, with this many training rows (seeded samples). */
const TEST_ROW_LIMIT = 4_000;
const TRAIN_ROW_LIMIT = 60_000;
/** Numbers this near, in robust standard deviations, may be the same with some noise. */
const NOISE_DEVIATIONS = 0.05;
const NOISE_DEVIATIONS_FEW_NUMBERS = 0.02;
/** A copy is this many times nearer than the next row; neighbours in a dense place are all about as near. */
const NEARER_FACTOR = 5;
const NEARER_FACTOR_FEW_NUMBERS = 10;
const NUMBERS_MANY = 5;
/** Distance below which numbers are the same but for their last digits, in deviations. */
const SAME_DEVIATIONS = 1e-4;
/** A finding needs this share of the test rows, and this many of them. */
const FOUND_RATIO_MIN = 0.02;
const FOUND_ROWS_MIN = 5;
/** Messages written after one pattern, and rows of few numbers, are often nearly the same; more of them must be. */
const UNSURE_RATIO_MIN = 0.05;
/** Candidates looked at for one row. */
const CANDIDATE_LIMIT = 5_000;
const ROWS_BETWEEN_BREATHS = 50;

export interface NearDuplicateRequest {
  readonly train: EvidenceSource;
  readonly test: EvidenceSource;
  /** The inputs of the model to be. */
  readonly fields: readonly string[];
  readonly target: string;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Test rows that were trained on, as they are or with a little noise: equal in nearly every input to a training row, where
 * that is no accident (coarse columns repeat by themselves and do not count). @throws {CancelledError}
 */
export async function findNearDuplicates(request: NearDuplicateRequest): Promise<Leak | undefined> {
  const { train, test, seed } = request;
  if (request.fields.length === 0 || train.frame.rowCount === 0 || test.frame.rowCount < FOUND_ROWS_MIN) return undefined;
  const random = createRandom(`near duplicates:${seed}`);
  const known = sample(train.frame, TRAIN_ROW_LIMIT, () => random.sampleWithoutReplacement(train.frame.rowCount, TRAIN_ROW_LIMIT));
  const asked = sample(test.frame, TEST_ROW_LIMIT, () => random.sampleWithoutReplacement(test.frame.rowCount, TEST_ROW_LIMIT));
  const fields = request.fields.map((name) => codeField(name, [train.frame, test.frame]));
  const compared = fields.map(comparedField);
  const finder = createFinder(compared, known, isTrainingAgain(compared, known, asked));
  const pairs: { row: number; twin: number; exact: boolean }[] = [];
  for (const [at, row] of asked.entries()) {
    if (at % ROWS_BETWEEN_BREATHS === 0) {
      if (request.signal?.aborted) throw new CancelledError('The evaluation was cancelled.');
      await breathe();
    }
    const twin = finder(row);
    if (twin) pairs.push({ row, ...twin });
  }
  const exact = pairs.filter((pair) => pair.exact).length;
  const near = pairs.length - exact;
  const unsure = isLowDimensional(compared) || compared.every((field) => field.deviation === 0);
  const nearRatioMin = unsure ? UNSURE_RATIO_MIN : FOUND_RATIO_MIN;
  const counted = exact + (near / asked.length >= nearRatioMin && near >= FOUND_ROWS_MIN ? near : 0);
  const ratio = counted / asked.length;
  if (counted < FOUND_ROWS_MIN || ratio < FOUND_RATIO_MIN) return undefined;
  const shown = counted > exact ? pairs.toSorted((a, b) => Number(a.exact) - Number(b.exact)) : pairs.filter((pair) => pair.exact);
  const shownColumns = [...(request.target === '' ? [] : [request.target]), ...request.fields];
  return {
    column: '@near-duplicates',
    kind: 'near-duplicates',
    reason: `${counted} of ${asked.length} test rows (${(100 * ratio).toFixed(1)} %) are training rows again: ${exact} the same in every input, ${counted - exact} nearly the same. The test would reward remembering.`,
    evidence: { rows: counted, looked: asked.length, exact, ratio: Number(ratio.toFixed(6)) },
    action: 'needs-acceptance',
    columns: [],
    equation: null,
    help: 'Remove the copies, or name the column that tells which rows belong together with --group.',
    rows: shown.slice(0, LEAK_EVIDENCE_ROW_LIMIT / 2).flatMap(({ row, twin }) => {
      // The columns in which the two differ come first: they show how near the rows are.
      const different = fields.filter((field) => field.codes[0]?.[twin] !== field.codes[1]?.[row]).map((field) => field.name);
      const columns = [...new Set([...shownColumns.slice(0, 1), ...different, ...shownColumns])];
      return [evidenceRow(test, row, columns), evidenceRow(train, twin, columns)];
    }),
  };
}

function sample(frame: Frame, limit: number, take: () => Int32Array): Int32Array {
  if (frame.rowCount <= limit) return Int32Array.from({ length: frame.rowCount }, (_, row) => row);
  return take().toSorted();
}

type Finder = (row: number) => { twin: number; exact: boolean } | undefined;

/** Fewer test rows say nothing together. */
const ASKED_ROWS_MIN = 20;
/** Of the test rows that should be new, at most this share is. */
const NEW_RATIO_MAX = 0.2;
const EXCESS_DEVIATIONS_MIN = 6;

/**
 * Whether the test rows as a whole are training rows, though no single one may say so where columns are coarse: as many of them
 * as training rows have a twin in training would by accident; nearly all of the others have one, too.
 */
function isTrainingAgain(fields: readonly ComparedField[], known: Int32Array, asked: Int32Array): boolean {
  if (asked.length < ASKED_ROWS_MIN) return false;
  const counts = new Map<string, number>();
  for (const row of known) {
    const key = rowKey(fields, 0, row);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const own = 1 - [...counts.values()].filter((count) => count === 1).length / known.length;
  const matched = asked.reduce((sum, row) => sum + (counts.has(rowKey(fields, 1, row)) ? 1 : 0), 0) / asked.length;
  const deviation = Math.sqrt(asked.length * own * (1 - own));
  return 1 - matched <= NEW_RATIO_MAX * (1 - own) && (matched - own) * asked.length >= EXCESS_DEVIATIONS_MIN * Math.max(1, deviation);
}

/** Training is side 0, test side 1 of the coded fields. */
function createFinder(fields: readonly ComparedField[], known: Int32Array, everyTwinCounts: boolean): Finder {
  const neededBits = Math.log2(Math.max(2, known.length)) + COPY_BITS_MARGIN;
  const keys = new Map<string, number>();
  for (const row of known) keys.set(rowKey(fields, 0, row), row);
  const near = nearFinder(fields, known, neededBits);
  return (row) => {
    const same = keys.get(rowKey(fields, 1, row));
    if (same !== undefined) return everyTwinCounts || rowBits(fields, 1, row) >= neededBits ? { twin: same, exact: true } : undefined;
    const twin = near(row);
    return twin === undefined ? undefined : { twin, exact: false };
  };
}

interface ComparedField extends CodedField {
  /** Robust standard deviation of a number column; 0 where nearly all values are one. */
  readonly deviation: number;
  readonly sorted: Float64Array;
}

function comparedField(field: CodedField): ComparedField {
  const sorted = (field.numbers[0] ?? new Float64Array()).filter((value) => !Number.isNaN(value)).toSorted();
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  const spread = (at(0.75) - at(0.25)) / 1.349 || (at(0.95) - at(0.05)) / 3.29;
  // Few different values are steps, not a scale on which noise could move a value.
  return { ...field, sorted, deviation: field.kind === 'number' && field.bits.length > 30 ? spread : 0 };
}

function nearFinder(fields: readonly ComparedField[], known: Int32Array, neededBits: number) {
  const scaled = fields.filter((field) => field.deviation > 0);
  // Cells that can only be the same or not are compared first: most rows are told apart by them.
  const ordered = fields.toSorted((a, b) => Number(a.deviation > 0) - Number(b.deviation > 0));
  const texts = fields.filter((field) => field.freeText).map((field) => ({ field, near: indexTexts(field, codesAt(field, 0, known)) }));
  const byText = texts[0] ? textCandidates(texts[0], known) : undefined;
  const byNumbers = numberCandidates(scaled, known);
  const few = isLowDimensional(fields);
  const factor = few ? NEARER_FACTOR_FEW_NUMBERS : NEARER_FACTOR;
  const noise = few ? NOISE_DEVIATIONS_FEW_NUMBERS : NOISE_DEVIATIONS;
  return (row: number): number | undefined => {
    let nearest: { twin: number; apart: number; bits: number } | undefined;
    let looked = 0;
    const visit = (twin: number) => {
      looked += 1;
      const { bits, apart } = agreement(ordered, texts, row, twin);
      if (apart <= (nearest?.apart ?? noise)) nearest = { twin, apart, bits };
      return looked >= CANDIDATE_LIMIT;
    };
    byText?.(row, noise, visit);
    if (nearest === undefined) byNumbers(row, noise, visit);
    if (nearest === undefined || nearest.bits < neededBits) return undefined;
    const { twin, apart } = nearest;
    const radius = factor * Math.max(apart, SAME_DEVIATIONS);
    let others = 0;
    byNumbers(row, radius, (other) => {
      // Another copy of the same row is no neighbour.
      if (other !== twin && agreement(ordered, texts, row, other).apart <= radius && agreementOfCopies(ordered, twin, other) > apart)
        others += 1;
      return others > 0;
    });
    return others > 0 ? undefined : twin;
  };
}

/** Distance of two training rows in deviations. */
function agreementOfCopies(fields: readonly ComparedField[], one: number, other: number): number {
  let most = 0;
  for (const field of fields) {
    if (field.deviation === 0) continue;
    most = Math.max(most, Math.abs((field.numbers[0]?.[one] ?? 0) - (field.numbers[0]?.[other] ?? 0)) / field.deviation);
  }
  return most;
}

/** Few numbers, often tied to each other, lie near others by chance; a text among the columns rules that out. */
function isLowDimensional(fields: readonly ComparedField[]): boolean {
  return fields.filter((field) => field.deviation > 0).length < NUMBERS_MANY && !fields.some((field) => field.freeText);
}

function codesAt(field: CodedField, side: number, rows: Int32Array): Int32Array {
  return Int32Array.from(rows, (row) => field.codes[side]?.[row] ?? -1);
}

type Candidates = (row: number, radius: number, visit: (twin: number) => boolean) => void;

function numberCandidates(scaled: readonly ComparedField[], known: Int32Array): Candidates {
  if (scaled.length === 0) return () => undefined;
  const width = scaled.length;
  const points = new Float64Array(known.length * width);
  scaled.forEach((field, axis) =>
    known.forEach((row, at) => (points[at * width + axis] = scaledValue(field, field.numbers[0]?.[row] ?? Number.NaN))),
  );
  const tree = buildRadiusTree(points, width);
  return (row, radius, visit) => {
    const query = scaled.map((field) => scaledValue(field, field.numbers[1]?.[row] ?? Number.NaN));
    tree.search(query, radius, (point) => visit(known[point] as number));
  };
}

function scaledValue(field: ComparedField, value: number): number {
  // Missing values lie far from all others and together.
  return Number.isFinite(value) ? value / field.deviation : -1e12;
}

interface TextField {
  readonly field: ComparedField;
  readonly near: NearTexts;
}

function textCandidates({ field, near }: TextField, known: Int32Array): Candidates {
  const rowsOf = new Map<number, number>();
  for (const row of known) rowsOf.set(field.codes[0]?.[row] ?? -1, row);
  return (row, _, visit) => {
    const code = field.codes[1]?.[row] ?? -1;
    if (code < 0) return;
    const twin = rowsOf.get(code) ?? rowsOf.get(near.nearest(code) ?? -1);
    if (twin !== undefined) visit(twin);
  };
}

/** How far two rows are apart (in deviations of the number that differs most), and the bits of what they have in common. */
function agreement(
  fields: readonly ComparedField[],
  texts: readonly TextField[],
  row: number,
  twin: number,
): { bits: number; apart: number } {
  let bits = 0;
  let most = 0;
  for (const field of fields) {
    const [mine, theirs] = [field.codes[1]?.[row] ?? -1, field.codes[0]?.[twin] ?? -1];
    if (field.deviation > 0 && mine >= 0 && theirs >= 0) {
      const value = field.numbers[1]?.[row] as number;
      const apart = Math.abs(value - (field.numbers[0]?.[twin] as number));
      most = Math.max(most, apart / field.deviation);
      bits += -Math.log2(Math.max(1, shareWithin(field.sorted, value, apart)) / field.sorted.length);
    } else if (mine === theirs) bits += field.bits[mine < 0 ? field.bits.length - 1 : mine] ?? 0;
    else if (field.freeText && texts.some((text) => text.field === field && text.near.nearest(mine) === theirs))
      bits += Math.min(field.bits[mine] ?? 0, field.bits[theirs] ?? 0);
    else return { bits: 0, apart: Number.POSITIVE_INFINITY };
  }
  return { bits, apart: most };
}

function shareWithin(sorted: Float64Array, value: number, radius: number): number {
  return countAtMost(sorted, value + radius) - countAtMost(sorted, value - radius);
}

function countAtMost(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
