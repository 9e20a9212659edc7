import { type Column, type Frame, takeRows, textColumn } from '@slipway/kernel';
import { createRandom, deLongArea } from '@slipway/statistics';
import type { MultivariateDrift } from '../contract.ts';
import { DOMAIN_AUC_DRIFT, DOMAIN_AUC_WARN, DOMAIN_ROWS_LIMIT, DOMAIN_ROWS_MIN } from '../limits.ts';
import { fitSmallTrees, scoreSmallTrees } from '../trees/small-trees.ts';

/** Columns named as telling the two sides apart. */
const NAMED_COLUMNS_LIMIT = 5;

/**
 * Whether a classifier can tell calls of now from rows of then by all columns together: this sees what no single column
 * shows, such as two columns that no longer go together. Boosted trees learn from one half and are judged by the other, both
 * ways; the area under the curve has DeLong's interval. Source: Lopez-Paz & Oquab 2017.
 */
export async function compareJointly(reference: Frame, current: Frame, names: readonly string[]): Promise<MultivariateDrift> {
  const before = pickRows(reference, 'before');
  const now = pickRows(current, 'now');
  const counts = { reference: before.rowCount, current: now.rowCount };
  if (Math.min(counts.reference, counts.current) < DOMAIN_ROWS_MIN) {
    return { verdict: 'not-enough-data', reason: `a verdict needs ${DOMAIN_ROWS_MIN} rows of each side`, auc: null, counts, columns: [] };
  }
  const { frame, target } = stack(before, now, names);
  const folds = foldsOf(frame.rowCount);
  const areas = [];
  const importances = new Map<string, number>();
  for (const [train, test] of [folds, [folds[1], folds[0]] as const]) {
    const model = await fitSmallTrees(takeRows(frame, train), pick(target, train), names, { loss: 'logistic' });
    const [held, labels] = [takeRows(frame, test), pick(target, test)];
    const area = deLongArea(scoreSmallTrees(model, held), labels);
    areas.push(area);
    for (const name of names) {
      const shuffled = deLongArea(scoreSmallTrees(model, withShuffled(held, name)), labels);
      importances.set(name, (importances.get(name) ?? 0) + (area.value - shuffled.value) / 2);
    }
  }
  return { ...judgeAreas(areas), counts, columns: rank(importances) };
}

function judgeAreas(areas: readonly { value: number; standardError: number }[]): Pick<MultivariateDrift, 'verdict' | 'reason' | 'auc'> {
  const value = areas.reduce((sum, each) => sum + each.value, 0) / areas.length;
  // The two halves share no rows to judge by, so that their errors add up.
  const error = Math.sqrt(areas.reduce((sum, each) => sum + each.standardError ** 2, 0)) / areas.length;
  const auc = { value, low: Math.max(0, value - 3.29 * error), high: Math.min(1, value + 3.29 * error) };
  const verdict = auc.low <= 0.5 ? 'ok' : value >= DOMAIN_AUC_DRIFT ? 'drift' : value >= DOMAIN_AUC_WARN ? 'warn' : 'ok';
  return { verdict, reason: `a classifier tells now from then with an AUC of ${value.toFixed(3)}; 0.5 is by chance`, auc };
}

function rank(importances: ReadonlyMap<string, number>): MultivariateDrift['columns'] {
  return [...importances]
    .map(([column, importance]) => ({ column, importance }))
    .filter((each) => each.importance > 0.005)
    .toSorted((a, b) => b.importance - a.importance)
    .slice(0, NAMED_COLUMNS_LIMIT);
}

function pickRows(frame: Frame, seed: string): Frame {
  const order = Int32Array.from({ length: frame.rowCount }, (_, row) => row);
  createRandom(seed).shuffle(order);
  return takeRows(frame, order.subarray(0, DOMAIN_ROWS_LIMIT));
}

function foldsOf(rows: number): readonly [Int32Array, Int32Array] {
  const order = Int32Array.from({ length: rows }, (_, row) => row);
  createRandom('folds').shuffle(order);
  return [order.slice(0, rows >> 1), order.slice(rows >> 1)];
}

function pick(values: Float64Array, rows: Int32Array): Float64Array {
  return Float64Array.from(rows, (row) => values[row] as number);
}

function stack(before: Frame, now: Frame, names: readonly string[]): { frame: Frame; target: Float64Array } {
  const rowCount = before.rowCount + now.rowCount;
  const columns = new Map<string, Column>();
  for (const name of names) {
    const [first, second] = [before.columns.get(name), now.columns.get(name)];
    if (!first || !second || first.kind !== second.kind) continue;
    columns.set(name, joinColumns(first, second));
  }
  const target = Float64Array.from({ length: rowCount }, (_, row) => (row < before.rowCount ? 0 : 1));
  return { frame: { rowCount, columns }, target };
}

function joinColumns(first: Column, second: Column): Column {
  if (first.kind === 'number' && second.kind === 'number') {
    return { kind: 'number', values: Float64Array.from([...first.values, ...second.values]) };
  }
  const texts = [first, second].flatMap((column) =>
    column.kind === 'text' ? Array.from(column.codes, (code) => column.levels[code] ?? null) : [],
  );
  return textColumn(texts);
}

function withShuffled(frame: Frame, name: string): Frame {
  const column = frame.columns.get(name);
  if (!column) return frame;
  const order = Int32Array.from({ length: frame.rowCount }, (_, row) => row);
  createRandom(name).shuffle(order);
  const shuffled = takeRows({ rowCount: frame.rowCount, columns: new Map([[name, column]]) }, order).columns.get(name);
  return shuffled ? { rowCount: frame.rowCount, columns: new Map([...frame.columns, [name, shuffled]]) } : frame;
}
