import { type Frame, computeInSlices } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import type { Leak, Task } from '../contract.ts';
import { EvaluationInputError } from '../errors.ts';
import type { Truth } from '../inputs.ts';
import { type LeakTarget, checkNumericCopy, checkPureValues, checkTargetRanges, leak } from './leak-checks.ts';
import { type LeakColumn, leakColumn } from './leak-columns.ts';
import { type EvidenceSource, firstDifferentRows } from './evidence-rows.ts';
import { findColumnSum } from './many-column-sum.ts';
import { findPairRelations } from './pair-relations.ts';
import { SUSPICIOUS_ROWS_MIN, findSuspicious } from './find-suspicious.ts';
import { type ColumnScore, scoreColumn } from './single-column-score.ts';

/** Rows that are looked at, a seeded sample of what is given. */
export const LEAK_ROW_LIMIT = 20_000;
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
  /** Name of the target's column in the frame: it is shown with the evidence. */
  readonly targetName?: string | undefined;
  /** Where the frame's rows stand in their file, from 0. */
  readonly positions?: ArrayLike<number> | undefined;
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
  const pairs = await pairLeaks(columns, target, request);
  const known = new Set(pairs.map((found) => found.column));
  const others = scores.filter(({ column }) => !known.has(column.name));
  const suspicious = findSuspicious({ scores: others, task: request.task, target, rowCount: rows.length, seed: request.seed });
  const found = uniqueByColumn([...exact, ...pairs, ...suspicious], request.fields);
  return keepSomething(found, request.fields).map((each) => ({ ...each, rows: evidenceOf(each, request, rows) }));
}

/** Sums, differences, products and ratios of two columns, and the sum of several, each column named once. */
async function pairLeaks(columns: readonly LeakColumn[], target: LeakTarget, request: LeakRequest): Promise<Leak[]> {
  if (!target.numbers) return [];
  const found = new Map<string, Leak>();
  const search = findPairRelations(columns, target.numbers);
  await computeInSlices(() => {
    const { done, value } = search.next();
    if (value) {
      const { first, second, operation, formula, rows } = value;
      const equation = `${request.targetName ?? 'target'} = ${formula}`;
      for (const each of partsOf([first, second], equation, { rows, operation })) if (!found.has(each.column)) found.set(each.column, each);
    }
    return done !== true;
  }, request.signal);
  // What a pair says already, any third column would say with it.
  const others = columns.filter((column) => !found.has(column.name));
  const sum = findColumnSum(others, target.numbers);
  const several = sum
    ? partsOf(sum.columns, `${request.targetName ?? 'target'} = ${sum.formula}`, { rows: sum.rows, operation: 'sum' })
    : [];
  return [...found.values(), ...several];
}

/** The columns of one equation, each as a finding. */
function partsOf(
  columns: readonly LeakColumn[],
  equation: string,
  evidence: { readonly rows: number; readonly operation: string },
): Leak[] {
  const names = columns.map((column) => column.name);
  const reason = `${equation} on all ${evidence.rows} rows.`;
  return columns.map((column) => ({ ...leak(column, 'function-of-target', reason, evidence), columns: names, equation }));
}

/** Where nothing would be left to learn from, functions of the target stay, and a person decides: toy data are like that. */
function keepSomething(leaks: readonly Leak[], fields: readonly string[]): Leak[] {
  const dropped = leaks.filter((leak) => leak.action === 'dropped').length;
  if (dropped < fields.length) return [...leaks];
  return leaks.map((each) => (each.kind === 'function-of-target' ? { ...each, action: 'needs-acceptance' as const } : each));
}

/** Rows of different values; of a classification, some of each class. */
function evidenceOf(found: Leak, { frame, target, task, targetName, positions }: LeakRequest, rows: Int32Array): Leak['rows'] {
  const ROWS_OF_A_CLASS = 3;
  const columns = [...found.columns, ...(targetName === undefined ? [] : [targetName])];
  const taken = new Map<number, number>();
  const chosen = Array.from(rows).filter((row) => {
    if (task === 'regression') return true;
    const code = target[row] as number;
    taken.set(code, (taken.get(code) ?? 0) + 1);
    return (taken.get(code) ?? 0) <= ROWS_OF_A_CLASS;
  });
  const source: EvidenceSource = { frame, side: 'train', positions };
  return firstDifferentRows(source, chosen, columns);
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

function uniqueByColumn(leaks: readonly Leak[], fields: readonly string[]): Leak[] {
  const first = new Map<string, Leak>();
  for (const found of leaks) if (!first.has(found.column)) first.set(found.column, found);
  return [...first.values()].toSorted((a, b) => fields.indexOf(a.column) - fields.indexOf(b.column));
}

function show(value: number): string {
  return value.toFixed(4);
}
