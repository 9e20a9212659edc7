import type { Leak, LeakKind } from '../contract.ts';
import { CATEGORY_LIMIT, type LeakColumn } from './leak-columns.ts';

/** Fewer rows prove nothing: small tables are full of accidents. */
const LEAK_ROWS_MIN = 20;
/** A value must occur this often for its purity to mean something. */
const LEVEL_SUPPORT_MIN = 5;
/** Share of the rows that must lie in values with that support. */
const SUPPORTED_RATIO_MIN = 0.95;
/** Share of rows on which the column must be present to explain the target. */
const PRESENT_RATIO_MIN = 0.9;
/** Relative error below which a line through the target is exact: float32 files keep 7 digits. */
const LINE_ERROR_MAX = 1e-6;

/** The target as codes (classes, or the few values of a number) and as numbers, over the sampled rows. */
export interface LeakTarget {
  readonly codes: Int32Array | null;
  readonly codeCount: number;
  readonly codeName: (code: number) => string;
  readonly numbers: Float64Array | null;
}

export function leak(column: LeakColumn, kind: LeakKind, reason: string, evidence: Leak['evidence']): Leak {
  // What stands for the target one to one is of no use to anybody; what merely tells it may be a lucky honest column.
  return {
    column: column.name,
    kind,
    reason,
    evidence,
    action: kind === 'suspicious' ? 'needs-acceptance' : 'dropped',
    columns: [column.name],
    equation: null,
    help: null,
    rows: [],
  };
}

/** Whether each value of the column goes with one value of the target, on enough rows of each. */
export function checkPureValues(column: LeakColumn, target: LeakTarget): Leak | undefined {
  const { codes, levelCount } = column;
  if (!codes || !target.codes) return undefined;
  const levels = countLevels(codes, target.codes, levelCount, target.codeCount);
  const supported = levels.filter((level) => level.rows >= LEVEL_SUPPORT_MIN);
  const rows = supported.reduce((sum, level) => sum + level.rows, 0);
  if (rows < LEAK_ROWS_MIN || rows < codes.length * Math.max(SUPPORTED_RATIO_MIN, PRESENT_RATIO_MIN)) return undefined;
  if (supported.some((level) => level.most < level.rows)) return undefined;
  const told = new Set(supported.map((level) => level.target));
  if (told.size < 2) return undefined;
  const example = supported[0] as LevelCount;
  const evidence = { rows, values: supported.length, targetValues: told.size };
  if (supported.length === told.size) {
    const reason = `each value goes with one value of the target and back, as ${nameOf(column, example.code)} with ${target.codeName(example.target)}, on all ${rows} rows.`;
    return leak(column, 'target-copy', reason, evidence);
  }
  const reason = `each of its ${supported.length} values goes with one value of the target only, as ${nameOf(column, example.code)} with ${target.codeName(example.target)}, on all ${rows} rows.`;
  return leak(column, 'function-of-target', reason, evidence);
}

interface LevelCount {
  /** -1 is the missing value, which tells as much as any other. */
  readonly code: number;
  readonly rows: number;
  /** Rows of its most frequent target value. */
  readonly most: number;
  readonly target: number;
}

function nameOf(column: LeakColumn, code: number): string {
  return code < 0 ? 'a missing value' : column.levelName(code);
}

function countLevels(codes: Int32Array, targets: Int32Array, levelCount: number, targetCount: number): LevelCount[] {
  const rows = new Float64Array(levelCount + 1);
  const cells = new Map<number, number>();
  for (let row = 0; row < codes.length; row += 1) {
    const level = (codes[row] as number) + 1;
    rows[level] = (rows[level] as number) + 1;
    const cell = level * targetCount + (targets[row] as number);
    cells.set(cell, (cells.get(cell) ?? 0) + 1);
  }
  const best = new Map<number, { most: number; target: number }>();
  for (const [cell, count] of cells) {
    const level = Math.floor(cell / targetCount);
    const known = best.get(level);
    if (!known || count > known.most) best.set(level, { most: count, target: cell % targetCount });
  }
  return [...best].map(([level, { most, target }]) => ({ code: level - 1, rows: rows[level] as number, most, target }));
}

/** Whether a numeric target is the column on another scale: the same, a line, or a strictly ordered function of it. */
export function checkNumericCopy(column: LeakColumn, target: LeakTarget): Leak | undefined {
  const pairs = presentPairs(column.numbers, target.numbers);
  if (!pairs) return undefined;
  const { x, y } = pairs;
  const rows = x.length;
  if (x.every((value, row) => value === y[row])) return leak(column, 'target-copy', `it equals the target on all ${rows} rows.`, { rows });
  const line = fitLine(x, y);
  if (line && line.error <= LINE_ERROR_MAX) {
    const reason = `the target is ${show(line.slope)} times this column plus ${show(line.intercept)} on all ${rows} rows.`;
    return leak(column, 'target-copy', reason, { rows, slope: line.slope, intercept: line.intercept });
  }
  const direction = monotone(x, y);
  if (direction === undefined) return undefined;
  return leak(column, 'function-of-target', `sorting by it sorts the target, ${direction}, on all ${rows} rows without an exception.`, {
    rows,
  });
}

function presentPairs(x: Float64Array | null, y: Float64Array | null): { x: Float64Array; y: Float64Array } | undefined {
  if (!x || !y) return undefined;
  const kept = Array.from(x.keys()).filter((row) => !Number.isNaN(x[row]) && !Number.isNaN(y[row]));
  if (kept.length < LEAK_ROWS_MIN || kept.length < x.length * PRESENT_RATIO_MIN) return undefined;
  const pairs = { x: Float64Array.from(kept, (row) => x[row] as number), y: Float64Array.from(kept, (row) => y[row] as number) };
  return hasSpread(pairs.x) && hasSpread(pairs.y) ? pairs : undefined;
}

function hasSpread(values: Float64Array): boolean {
  return new Set(values.subarray(0, 10_000)).size >= 3;
}

function fitLine(x: Float64Array, y: Float64Array): { slope: number; intercept: number; error: number } | undefined {
  const [meanX, meanY] = [average(x), average(y)];
  let covariance = 0;
  let spread = 0;
  for (let row = 0; row < x.length; row += 1) {
    const step = (x[row] as number) - meanX;
    covariance += step * ((y[row] as number) - meanY);
    spread += step * step;
  }
  if (!(spread > 0) || !Number.isFinite(spread) || !Number.isFinite(covariance)) return undefined;
  const slope = covariance / spread;
  const intercept = meanY - slope * meanX;
  let worst = 0;
  let range = 0;
  for (let row = 0; row < x.length; row += 1) {
    worst = Math.max(worst, Math.abs((y[row] as number) - intercept - slope * (x[row] as number)));
    range = Math.max(range, Math.abs((y[row] as number) - meanY));
  }
  return { slope, intercept, error: worst / range };
}

function average(values: Float64Array): number {
  let mean = 0;
  for (let row = 0; row < values.length; row += 1) mean += ((values[row] as number) - mean) / (row + 1);
  return mean;
}

/** Whether y never falls (or never rises) along x; equal x may span a range of y, as rounded copies do. */
function monotone(x: Float64Array, y: Float64Array): 'rising' | 'falling' | undefined {
  const order = Uint32Array.from(x.keys()).toSorted((a, b) => (x[a] as number) - (x[b] as number) || (y[a] as number) - (y[b] as number));
  const groups: { low: number; high: number }[] = [];
  for (let at = 0; at < order.length; at += 1) {
    const value = y[order[at] as number] as number;
    const last = groups.at(-1);
    if (last && x[order[at] as number] === x[order[at - 1] as number]) last.high = value;
    else groups.push({ low: value, high: value });
  }
  // With fewer groups an order without exception could be luck, or an honest column of a few steps.
  if (groups.length < LEAK_ROWS_MIN) return undefined;
  const follows = (rising: boolean) =>
    groups.every((group, index) => {
      const next = groups[index + 1];
      return !next || (rising ? group.high <= next.low : group.low >= next.high);
    });
  return follows(true) ? 'rising' : follows(false) ? 'falling' : undefined;
}

/** Whether the column's categories are ranges of a numeric target that do not overlap, such as low, middle, high. */
export function checkTargetRanges(column: LeakColumn, target: LeakTarget): Leak | undefined {
  const { codes, levelCount } = column;
  const y = target.numbers;
  if (!codes || !y || levelCount < 3 || levelCount > CATEGORY_LIMIT) return undefined;
  const ranges = Array.from({ length: levelCount }, () => ({ low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY, rows: 0 }));
  for (let row = 0; row < codes.length; row += 1) {
    const range = ranges[codes[row] as number];
    if (!range) continue;
    range.rows += 1;
    range.low = Math.min(range.low, y[row] as number);
    range.high = Math.max(range.high, y[row] as number);
  }
  const supported = ranges.filter((range) => range.rows >= LEVEL_SUPPORT_MIN).toSorted((a, b) => a.low - b.low);
  const rows = supported.reduce((sum, range) => sum + range.rows, 0);
  if (supported.length < 3 || rows < codes.length * SUPPORTED_RATIO_MIN) return undefined;
  if (supported.some((range, index) => range.high > (supported[index + 1]?.low ?? Number.POSITIVE_INFINITY))) return undefined;
  return leak(
    column,
    'function-of-target',
    `its ${supported.length} values are ranges of the target that do not overlap, on ${rows} rows.`,
    { rows },
  );
}

function show(value: number): string {
  return String(Number(value.toPrecision(6)));
}
