import { rocAuc } from '@slipway/statistics';
import type { Task } from '../contract.ts';
import type { Leak } from './contract.ts';
import { JOINT_ROW_LIMIT, jointScore } from './joint-score.ts';
import { type LeakTarget, leak } from './leak-checks.ts';
import type { LeakColumn } from './leak-columns.ts';
import { type Bins, type ColumnScore, binsOf } from './single-column-score.ts';

/** A score (ROC AUC or R2) that one honest column hardly ever reaches, and how many rows it takes to believe it. */
const SUSPICIOUS_SCORE_MIN = 0.995;
export const SUSPICIOUS_ROWS_MIN = 200;
/** Its distance from a perfect score must be this many times smaller than that of the best ordinary column. */
const SUSPICIOUS_DISTANCE_FACTOR = 5;
/** Scores from here are suspicious as well when the others are ten times as far from perfect: copies with some noise. */
const NOISY_COPY_SCORE_MIN = 0.98;
const NOISY_COPY_DISTANCE_FACTOR = 10;
/** When more columns than these score that high, the task is simply easy: so many, or this share of all. */
const EASY_TASK_COLUMNS = 2;
const EASY_TASK_RATIO = 0.2;
/** An amount that one column explains so far is a part of it or was measured with it: the next must be eight times as far from 1. */
const PART_SCORE_MIN = 0.9;
const PART_DISTANCE_FACTOR = 8;
/**
 * Recorded after the outcome, as the length of a sales call is: strong alone, and with it the columns together are more than
 * twice as near to perfect. Measured 2026-11: the strongest honest column of nine published sets reaches a factor of 1.8
 * (the sex of Titanic's passengers), all others at most 1.5 (telling the price in Elec2).
 */
const AFTERWARDS_SCORE_MIN = 0.75;
const AFTERWARDS_FACTOR_MIN = 2;
/** Or alone it does better than all the others together, and much is gained with it. */
const ALONE_SCORE_MIN = 0.85;
const ALONE_FACTOR_MIN = 1.5;
const AFTERWARDS_WITHOUT_MAX = 0.95;
/** In tables of fewer columns than these one column is the strongest by a distance as a matter of course. */
const AFTERWARDS_COLUMNS_MIN = 6;
/** Columns of the joint model: the strongest alone. */
const JOINT_COLUMN_LIMIT = 60;
const AFTERWARDS_TRIED = 3;
/** Score of a cell's being empty from which it tells the outcome, when other columns are far from that. */
const EMPTY_SCORE_MIN = 0.85;
const EMPTY_R2_MIN = 0.6;
const EMPTY_DISTANCE_FACTOR = 1.5;

export interface SuspiciousRequest {
  /** Columns without an exact relation to the target. */
  readonly scores: readonly ColumnScore[];
  readonly task: Task;
  readonly target: LeakTarget;
  readonly rowCount: number;
  readonly seed: number;
}

/** Columns that are too good beside all others, each named once, for the strongest reason. */
export function findSuspicious(request: SuspiciousRequest): Leak[] {
  if (request.rowCount < SUSPICIOUS_ROWS_MIN) return [];
  const found = new Map<string, Leak>();
  for (const each of [...tooGood(request), ...emptyCells(request), ...afterwards(request)])
    if (!found.has(each.column)) found.set(each.column, each);
  return [...found.values()];
}

function tooGood({ scores, task }: SuspiciousRequest): Leak[] {
  const regression = task === 'regression';
  const highMin = regression ? PART_SCORE_MIN : NOISY_COPY_SCORE_MIN;
  const high = scores.filter(({ score }) => score >= highMin);
  if (high.length > Math.max(EASY_TASK_COLUMNS, scores.length * EASY_TASK_RATIO)) return [];
  const ordinary = scores.reduce((best, { score }) => (score < highMin ? Math.max(best, score) : best), regression ? 0 : 0.5);
  return high
    .filter(({ score }) => (1 - score) * factorOf(score) <= 1 - ordinary)
    .map(({ column, score }) =>
      leak(
        column,
        'suspicious',
        `alone it reaches ${regression ? 'R2' : 'ROC AUC'} ${show(score)}, the next column ${show(ordinary)}: is it known before the outcome?`,
        { score, next: ordinary },
      ),
    );
}

function factorOf(score: number): number {
  if (score >= SUSPICIOUS_SCORE_MIN) return SUSPICIOUS_DISTANCE_FACTOR;
  return score >= NOISY_COPY_SCORE_MIN ? NOISY_COPY_DISTANCE_FACTOR : PART_DISTANCE_FACTOR;
}

/** Columns whose cells are filled in, or left empty, according to the outcome. */
function emptyCells({ scores, task, target }: SuspiciousRequest): Leak[] {
  const ordinary = scores.map(({ score }) => score).toSorted((a, b) => b - a);
  return scores.flatMap(({ column, score }) => {
    const empty = emptyOf(column);
    if (!empty) return [];
    const none = task === 'regression' ? 0 : 0.5;
    const alone = emptyScore(empty, target);
    const next = ordinary.find((other) => other < score) ?? none;
    if (alone < (task === 'regression' ? EMPTY_R2_MIN : EMPTY_SCORE_MIN) || (1 - alone) * EMPTY_DISTANCE_FACTOR > 1 - Math.min(next, alone))
      return [];
    const share = empty.reduce((sum, value) => sum + value, 0) / empty.length;
    const measure = task === 'regression' ? 'R2' : 'ROC AUC';
    const reason = `whether its cell is empty (${(100 * share).toFixed(1)} % are) tells the target by itself (${measure} ${show(alone)}): is it filled in after the outcome?`;
    return [leak(column, 'suspicious', reason, { score: alone, emptyRatio: Number(share.toFixed(6)) })];
  });
}

function emptyOf(column: LeakColumn): Uint8Array | undefined {
  const empty = column.codes
    ? Uint8Array.from(column.codes, (code) => Number(code < 0))
    : Uint8Array.from(column.numbers ?? [], (value) => Number(Number.isNaN(value)));
  return empty.includes(1) && empty.includes(0) ? empty : undefined;
}

function emptyScore(empty: Uint8Array, target: LeakTarget): number {
  if (!target.codes) return target.numbers ? correlation(empty, target.numbers) ** 2 : 0;
  let best = 0;
  for (let code = 0; code < Math.min(target.codeCount, 10); code += 1) {
    const area = rocAuc(
      Float64Array.from(empty),
      Uint8Array.from(target.codes, (value) => Number(value === code)),
    );
    if (!Number.isNaN(area)) best = Math.max(best, area, 1 - area);
  }
  return best;
}

function correlation(x: ArrayLike<number>, y: Float64Array): number {
  const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (let row = 0; row < y.length; row += 1) {
    const [a, b] = [(x[row] as number) - meanX, (y[row] as number) - meanY];
    xy += a * b;
    xx += a * a;
    yy += b * b;
  }
  return xx === 0 || yy === 0 ? 0 : xy / Math.sqrt(xx * yy);
}

/** Strong columns without which all the others together are far weaker. Only for classes: amounts often hang on one honest column. */
function afterwards({ scores, task, target, seed, rowCount }: SuspiciousRequest): Leak[] {
  const { codes } = target;
  if (task === 'regression' || !codes || scores.length <= AFTERWARDS_COLUMNS_MIN) return [];
  const strongest = scores.toSorted((a, b) => b.score - a.score).slice(0, JOINT_COLUMN_LIMIT);
  if ((strongest[0]?.score ?? 0) < AFTERWARDS_SCORE_MIN) return [];
  const step = Math.max(1, Math.ceil(rowCount / JOINT_ROW_LIMIT));
  const rows = Array.from({ length: Math.floor(rowCount / step) }, (_, index) => index * step);
  const code = commonest(codes);
  const labels = Uint8Array.from(rows, (row) => Number(codes[row] === code));
  const bins = new Map(strongest.map(({ column }) => [column.name, thinned(binsOf(column), rows)]));
  const all = jointScore([...bins.values()], labels, seed);
  return strongest.slice(0, AFTERWARDS_TRIED).flatMap(({ column, score }) => {
    if (score < AFTERWARDS_SCORE_MIN) return [];
    const without = jointScore(
      [...bins].filter(([name]) => name !== column.name).map(([, each]) => each),
      labels,
      seed,
    );
    const nearer = (1 - without) / Math.max(1e-9, 1 - all);
    const beatsAll = score >= ALONE_SCORE_MIN && score >= without && nearer >= ALONE_FACTOR_MIN;
    if (!(without <= AFTERWARDS_WITHOUT_MAX) || !(nearer >= AFTERWARDS_FACTOR_MIN || beatsAll)) return [];
    const reason = `all columns together reach ROC AUC ${show(all)}, without this one ${show(without)}; alone it reaches ${show(score)}. Columns recorded during or after the outcome look like this: is it known before?`;
    return [leak(column, 'suspicious', reason, { score, together: all, without })];
  });
}

function thinned({ codes, count }: Bins, rows: readonly number[]): Bins {
  return { codes: Int32Array.from(rows, (row) => codes[row] as number), count };
}

/** The class that is scored against the rest: the rarer one of two, the commonest of many. */
function commonest(codes: Int32Array): number {
  const counts = new Map<number, number>();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  return [...counts].toSorted((a, b) => b[1] - a[1] || a[0] - b[0])[0]?.[0] ?? 0;
}

function show(value: number): string {
  return value.toFixed(4);
}
