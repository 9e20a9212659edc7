import type { Frame } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { computeInSlices } from '../breathe.ts';
import type { Leak, Task } from '../contract.ts';
import { EvaluationInputError } from '../errors.ts';
import type { Truth } from '../inputs.ts';
import { type LeakTarget, checkNumericCopy, checkPairs, checkPureValues, checkTargetRanges, leak } from './leak-checks.ts';
import { type LeakColumn, leakColumn } from './leak-columns.ts';
import { type ColumnScore, scoreColumn } from './single-column-score.ts';

/** Rows that are looked at, a seeded sample of what is given. */
export const LEAK_ROW_LIMIT = 20_000;
/** A score (ROC AUC or R2) that one honest column hardly ever reaches, and how many rows it takes to believe it. */
const SUSPICIOUS_SCORE_MIN = 0.995;
const SUSPICIOUS_ROWS_MIN = 200;
/** Its distance from a perfect score must be this many times smaller than that of the best ordinary column. */
const SUSPICIOUS_DISTANCE_FACTOR = 5;
/** Scores from here are suspicious as well when the others are ten times as far from perfect: copies with some noise. */
const NOISY_COPY_SCORE_MIN = 0.98;
const NOISY_COPY_DISTANCE_FACTOR = 10;
/** When more columns than these score that high, the task is simply easy: so many, or this share of all. */
const EASY_TASK_COLUMNS = 2;
const EASY_TASK_RATIO = 0.2;
/** Score of the row's position from which the order of the file gives the target away. */
const ROW_NUMBER_SCORE_MIN = 0.95;

export interface LeakRequest {
  readonly task: Task;
  readonly frame: Frame;
  /** Columns to look at: the inputs of the model to be. */
  readonly fields: readonly string[];
  /** Class codes or numbers of every row of the frame; the target's own column is not among the fields. */
  readonly target: Truth;
  readonly classes: readonly string[] | null;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Columns that know the answer: copies and one-to-one codes of the target, functions of it, row numbers of a sorted
 * file, and single columns that are too good beside all others. Strong honest columns (a breast-cancer measurement with
 * ROC AUC 0.97) are not reported. @throws {EvaluationInputError} {CancelledError}
 */
export async function findLeaks(request: LeakRequest): Promise<Leak[]> {
  const { frame } = request;
  if (request.target.length !== frame.rowCount) {
    throw new EvaluationInputError(`The frame has ${frame.rowCount} rows and the target ${request.target.length}.`);
  }
  if (frame.rowCount === 0) return [];
  const rows = sampleRows(frame.rowCount, request.seed);
  const target = targetOf(request, rows);
  const columns: LeakColumn[] = [];
  const exact: Leak[] = [];
  const scores: ColumnScore[] = [];
  let next = 0;
  await computeInSlices(() => {
    const name = request.fields[next];
    if (name === undefined) return false;
    next += 1;
    const column = leakColumn(name, columnNamed(frame, name), rows);
    const found = checkOne(column, target, rows, request.seed);
    if (found) exact.push(found);
    else {
      columns.push(column);
      scores.push({ column, score: scoreColumn(column, target, request.seed) });
    }
    return true;
  }, request.signal);
  const pairs = checkPairs(columns, target);
  const known = new Set(pairs.map((found) => found.column));
  const suspicious = findSuspicious(scores, request.task, rows.length).filter((found) => !known.has(found.column));
  return uniqueByColumn([...exact, ...pairs, ...suspicious], request.fields);
}

function columnNamed(frame: Frame, name: string) {
  const column = frame.columns.get(name);
  if (!column) throw new EvaluationInputError(`The frame has no column "${name}".`);
  return column;
}

function sampleRows(count: number, seed: number): Int32Array {
  if (count <= LEAK_ROW_LIMIT) return Int32Array.from({ length: count }, (_, row) => row);
  return createRandom(`leak rows:${seed}`).sampleWithoutReplacement(count, LEAK_ROW_LIMIT).toSorted();
}

function targetOf({ task, target, classes }: LeakRequest, rows: Int32Array): LeakTarget {
  if (task !== 'regression') {
    const codes = Int32Array.from(rows, (row) => target[row] as number);
    const names = classes ?? [];
    return {
      codes,
      codeCount: Math.max(names.length, 1 + codes.reduce((a, b) => Math.max(a, b), 0)),
      codeName: (code) => JSON.stringify(names[code] ?? ''),
      numbers: null,
    };
  }
  const numbers = Float64Array.from(rows, (row) => target[row] as number);
  const coded = leakColumn('', { kind: 'number', values: numbers }, Int32Array.from(numbers.keys()));
  return { codes: coded.codes, codeCount: coded.levelCount, codeName: coded.levelName, numbers };
}

/** The first exact relation between one column and the target. */
function checkOne(column: LeakColumn, target: LeakTarget, rows: Int32Array, seed: number): Leak | undefined {
  return (
    checkNumericCopy(column, target) ??
    checkPureValues(column, target) ??
    checkTargetRanges(column, target) ??
    checkRowNumber(column, target, rows, seed)
  );
}

/** A number that only counts the rows says nothing about a new row; in a sorted file it still predicts the target. */
function checkRowNumber(column: LeakColumn, target: LeakTarget, rows: Int32Array, seed: number): Leak | undefined {
  const { numbers } = column;
  if (!numbers || rows.length < SUSPICIOUS_ROWS_MIN) return undefined;
  const offset = (numbers[0] as number) - (rows[0] as number);
  if (!numbers.every((value, index) => value - (rows[index] as number) === offset)) return undefined;
  const score = scoreColumn(column, target, seed);
  if (score < ROW_NUMBER_SCORE_MIN) return undefined;
  return leak(
    column,
    'identifier',
    `it numbers the rows, and the file is sorted so that the number gives the target away (score ${show(score)}).`,
    { score },
  );
}

/** The scores are those of columns without an exact relation to the target. */
function findSuspicious(scores: readonly ColumnScore[], task: Task, rowCount: number): Leak[] {
  if (rowCount < SUSPICIOUS_ROWS_MIN) return [];
  const high = scores.filter(({ score }) => score >= NOISY_COPY_SCORE_MIN);
  if (high.length > Math.max(EASY_TASK_COLUMNS, scores.length * EASY_TASK_RATIO)) return [];
  const none = task === 'regression' ? 0 : 0.5;
  const ordinary = scores.reduce((best, { score }) => (score < NOISY_COPY_SCORE_MIN ? Math.max(best, score) : best), none);
  const measure = task === 'regression' ? 'R2' : 'ROC AUC';
  return high
    .filter(({ score }) => {
      const factor = score >= SUSPICIOUS_SCORE_MIN ? SUSPICIOUS_DISTANCE_FACTOR : NOISY_COPY_DISTANCE_FACTOR;
      return (1 - score) * factor <= 1 - ordinary;
    })
    .map(({ column, score }) =>
      leak(
        column,
        'suspicious',
        `alone it reaches ${measure} ${show(score)}, the next column ${show(ordinary)}: is it known before the outcome?`,
        {
          score,
          next: ordinary,
        },
      ),
    );
}

function uniqueByColumn(leaks: readonly Leak[], fields: readonly string[]): Leak[] {
  const first = new Map<string, Leak>();
  for (const found of leaks) if (!first.has(found.column)) first.set(found.column, found);
  return [...first.values()].toSorted((a, b) => fields.indexOf(a.column) - fields.indexOf(b.column));
}

function show(value: number): string {
  return value.toFixed(4);
}
