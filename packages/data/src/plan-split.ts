import { type Column, type Frame, cell } from '@slipway/kernel';
import { type Random, createRandom } from '@slipway/statistics';
import { SplitError, UnknownColumnError } from './errors.ts';

export type SplitStrategy = 'stratified' | 'random' | 'group' | 'time' | 'given';
export type SplitTask = 'binary' | 'multiclass' | 'regression' | 'ranking';

/** Whether the target is a number rather than a class. */
const isNumeric = (task: SplitTask) => task === 'regression' || task === 'ranking';

export interface SplitRequest {
  readonly frame: Frame;
  readonly target: string;
  readonly task: SplitTask;
  readonly strategy: SplitStrategy;
  /** Share of rows that are tested, between 0 and 1; not used by `given`. */
  readonly testRatio: number;
  readonly seed: number;
  /** Column whose values never lie on both sides; for `group`. */
  readonly group?: string | undefined;
  /** Column by which the last rows are the test; for `time`. */
  readonly time?: string | undefined;
  /** For `given`: how many rows at the top of the frame are for training; the rest is the test. */
  readonly trainRowCount?: number | undefined;
}

export interface Split {
  /** Positions in the frame, ascending; together they hold every row that has a target. */
  readonly train: Int32Array;
  readonly test: Int32Array;
  readonly strategy: SplitStrategy;
  readonly seed: number;
  /** Rows used by neither: without a target, or (for `time`) without a time. */
  readonly dropped: number;
}

/** Fewer rows on a side than this make no split. */
export const SIDE_ROWS_MIN = 2;
/** A class needs one row on each side. */
export const CLASS_ROWS_MIN = 2;
/** Strata of a numeric target: its deciles. */
const TARGET_BINS = 10;
/** Orders of groups that are tried to get every class on both sides. */
const GROUP_ATTEMPTS = 20;

/**
 * Divides rows into train and test, reproducibly by the seed. `stratified` keeps the shares of classes (of deciles for a
 * numeric target); `group` keeps each group whole; `time` tests on the latest rows and never cuts through equal times.
 * @throws {SplitError} when a class has fewer than 2 rows, only one class or value is there, or a side would be empty.
 */
export function planSplit(request: SplitRequest): Split {
  const target = columnOf(request.frame, request.target, 'target');
  const rows = labelledRows(target, request.frame.rowCount);
  const dropped = request.frame.rowCount - rows.length;
  if (request.strategy !== 'given' && !(request.testRatio > 0 && request.testRatio < 1)) {
    throw new SplitError(`The share of test rows must lie between 0 and 1, got ${request.testRatio}.`, {
      details: { testRatio: request.testRatio },
    });
  }
  const classes = isNumeric(request.task) ? undefined : classRows(target, rows, request);
  if (isNumeric(request.task)) requireVariety(target, rows, request.target);
  const random = createRandom(request.seed).fork(`split/${request.strategy}`);
  const parts = divide(request, target, rows, classes, random);
  const split = {
    train: Int32Array.from(parts.train).toSorted(),
    test: Int32Array.from(parts.test).toSorted(),
    strategy: request.strategy,
    seed: request.seed,
    dropped: dropped + rows.length - parts.train.length - parts.test.length,
  };
  checkSides(split, target, request);
  return split;
}

interface Parts {
  readonly train: readonly number[];
  readonly test: readonly number[];
}

function divide(
  request: SplitRequest,
  target: Column,
  rows: readonly number[],
  classes: ReadonlyMap<string, number[]> | undefined,
  random: Random,
): Parts {
  switch (request.strategy) {
    case 'stratified':
      return byStrata(classes ? [...classes.values()] : targetBins(target, rows), request.testRatio, random, classes !== undefined);
    case 'random':
      return byStrata([[...rows]], request.testRatio, random, false);
    case 'group':
      return byGroup(request, target, rows, random);
    case 'time':
      return byTime(request, rows);
    case 'given': {
      const count = request.trainRowCount ?? request.frame.rowCount;
      return { train: rows.filter((row) => row < count), test: rows.filter((row) => row >= count) };
    }
  }
}

function columnOf(frame: Frame, name: string, use: string): Column {
  const column = frame.columns.get(name);
  if (!column) throw new UnknownColumnError(`There is no column "${name}" (${use}).`, { details: { column: name, wish: use } });
  return column;
}

function labelledRows(target: Column, rowCount: number): number[] {
  const rows: number[] = [];
  for (let row = 0; row < rowCount; row += 1) {
    const missing = target.kind === 'text' ? (target.codes[row] as number) < 0 : Number.isNaN(target.values[row] as number);
    if (!missing) rows.push(row);
  }
  return rows;
}

/** Rows by class, classes in the order of their text. */
function classRows(target: Column, rows: readonly number[], request: SplitRequest): Map<string, number[]> {
  const classes = new Map<string, number[]>();
  for (const row of rows) {
    const label = String(cell(target, row));
    const members = classes.get(label);
    if (members) members.push(row);
    else classes.set(label, [row]);
  }
  if (classes.size < 2) {
    throw new SplitError(
      `The target "${request.target}" has ${classes.size === 0 ? 'no values' : `one class only: "${[...classes.keys()][0]}"`}.`,
      {
        details: { target: request.target, classes: classes.size },
        help: 'A classifier needs rows of at least two classes.',
      },
    );
  }
  const small = [...classes].filter(([, members]) => members.length < CLASS_ROWS_MIN).map(([label]) => label);
  if (small.length > 0 && request.strategy === 'stratified') {
    const shown = small
      .slice(0, 5)
      .map((label) => `"${label}"`)
      .join(', ');
    throw new SplitError(
      `${small.length === 1 ? 'The class' : `${small.length} classes`} ${shown} of "${request.target}" ${small.length === 1 ? 'has' : 'have'} one row only.`,
      {
        details: { target: request.target, classes: small.slice(0, 20), minimum: CLASS_ROWS_MIN },
        help: `Every class needs at least ${CLASS_ROWS_MIN} rows: leave these rows out, merge classes, or use a random split. Is this target a number to be predicted by regression?`,
      },
    );
  }
  return new Map([...classes].toSorted(([left], [right]) => (left < right ? -1 : 1)));
}

function requireVariety(target: Column, rows: readonly number[], name: string): void {
  const first = rows.length > 0 ? cell(target, rows[0] as number) : null;
  if (rows.some((row) => cell(target, row) !== first)) return;
  throw new SplitError(`The target "${name}" ${rows.length === 0 ? 'has no values' : `is the same in every row: ${first}`}.`, {
    details: { target: name },
    help: 'There is nothing to predict; choose another target.',
  });
}

/** Takes the share from each stratum; what rounding leaves over is carried to the next, so the total is exact. */
function byStrata(strata: readonly (readonly number[])[], ratio: number, random: Random, bothSides: boolean): Parts {
  const train: number[] = [];
  const test: number[] = [];
  let carried = 0;
  for (const stratum of strata) {
    const shuffled = random.shuffle(Int32Array.from(stratum));
    const exact = shuffled.length * ratio + carried;
    const most = bothSides ? shuffled.length - 1 : shuffled.length;
    const count = Math.max(bothSides ? 1 : 0, Math.min(most, Math.round(exact)));
    carried = exact - count;
    for (let index = 0; index < shuffled.length; index += 1) (index < count ? test : train).push(shuffled[index] as number);
  }
  return { train, test };
}

function targetBins(target: Column, rows: readonly number[]): number[][] {
  if (target.kind !== 'number')
    throw new SplitError('A regression target must be a number.', { help: 'Choose a numeric target, or a classification task.' });
  const { values } = target;
  const sorted = rows.toSorted((left, right) => (values[left] as number) - (values[right] as number) || left - right);
  const bins = Math.max(1, Math.min(TARGET_BINS, Math.floor(sorted.length / 5)));
  return Array.from({ length: bins }, (_, bin) =>
    sorted.slice(Math.floor((bin * sorted.length) / bins), Math.floor(((bin + 1) * sorted.length) / bins)),
  );
}

function byGroup(request: SplitRequest, target: Column, rows: readonly number[], random: Random): Parts {
  if (request.group === undefined)
    throw new SplitError('A group split needs the column that groups rows.', { help: 'Name it with `group`.' });
  const column = columnOf(request.frame, request.group, 'group');
  const groups = new Map<string, number[]>();
  for (const row of rows) {
    const value = cell(column, row);
    // A row without a group belongs to nobody else.
    const key = value === null ? `row ${row}` : `value ${value}`;
    const members = groups.get(key);
    if (members) members.push(row);
    else groups.set(key, [row]);
  }
  if (groups.size < 2) {
    throw new SplitError(`The column "${request.group}" has one group only.`, {
      details: { group: request.group },
      help: 'Group by a column with several values.',
    });
  }
  let best: Parts | undefined;
  let bestMissing = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < GROUP_ATTEMPTS && bestMissing > 0; attempt += 1) {
    const parts = fillTest([...groups.values()], rows.length * request.testRatio, random.fork(`attempt ${attempt}`));
    const missing = isNumeric(request.task)
      ? 0
      : missingClasses(target, rows, parts.train) * 1_000 + missingClasses(target, rows, parts.test);
    if (missing < bestMissing) {
      best = parts;
      bestMissing = missing;
    }
  }
  return best as Parts;
}

/** Takes groups in random order as long as each brings the test closer to its size. */
function fillTest(groups: readonly number[][], wanted: number, random: Random): Parts {
  const order = random.shuffle(Int32Array.from(groups, (_, index) => index));
  const inTest = new Uint8Array(groups.length);
  let size = 0;
  let taken = 0;
  for (const index of order) {
    const next = size + (groups[index] as number[]).length;
    if (taken === groups.length - 1 || (size > 0 && Math.abs(next - wanted) >= Math.abs(size - wanted))) continue;
    if (size === 0 && next > wanted && next - wanted > wanted && index !== order[order.length - 1]) continue;
    inTest[index] = 1;
    size = next;
    taken += 1;
  }
  if (taken === 0) inTest[smallest(groups)] = 1;
  return { train: groups.filter((_, index) => !inTest[index]).flat(), test: groups.filter((_, index) => inTest[index]).flat() };
}

function smallest(groups: readonly number[][]): number {
  let best = 0;
  groups.forEach((group, index) => {
    if (group.length < (groups[best] as number[]).length) best = index;
  });
  return best;
}

function missingClasses(target: Column, all: readonly number[], rows: readonly number[]): number {
  const labels = (list: readonly number[]) => new Set(list.map((row) => cell(target, row))).size;
  return labels(all) - labels(rows);
}

function byTime(request: SplitRequest, rows: readonly number[]): Parts {
  if (request.time === undefined)
    throw new SplitError('A split by time needs the column that holds the time.', { help: 'Name it with `time`.' });
  const column = columnOf(request.frame, request.time, 'time');
  if (column.kind !== 'number') {
    throw new SplitError(`The column "${request.time}" is neither a time nor a number.`, {
      details: { time: request.time },
      help: 'Order by a column of times.',
    });
  }
  const { values } = column;
  const timed = rows.filter((row) => !Number.isNaN(values[row] as number));
  const sorted = timed.toSorted((left, right) => (values[left] as number) - (values[right] as number) || left - right);
  const timeAt = (index: number) => values[sorted[index] as number];
  let cut = Math.round(sorted.length * (1 - request.testRatio));
  // Rows of one moment stay together: the boundary moves back to where the moment begins, or on to where it ends.
  const start = cut;
  while (cut > 0 && timeAt(cut) === timeAt(cut - 1)) cut -= 1;
  if (cut === 0) for (cut = start; cut < sorted.length && timeAt(cut) === timeAt(cut - 1);) cut += 1;
  return { train: sorted.slice(0, cut), test: sorted.slice(cut) };
}

function checkSides(split: Split, target: Column, request: SplitRequest): void {
  for (const side of ['train', 'test'] as const) {
    if (split[side].length >= SIDE_ROWS_MIN) continue;
    throw new SplitError(`The ${request.strategy} split leaves ${split[side].length} ${side} rows; at least ${SIDE_ROWS_MIN} are needed.`, {
      details: { train: split.train.length, test: split.test.length },
      help: 'Give more rows, or another share of test rows.',
    });
  }
  if (isNumeric(request.task)) return;
  const known = new Set(Array.from(split.train, (row) => cell(target, row)));
  if (known.size < 2) {
    throw new SplitError(`The training rows of the ${request.strategy} split hold one class only: "${[...known][0]}".`, {
      details: { target: request.target },
      help: 'Choose another split: the classes do not lie in both parts.',
    });
  }
}
