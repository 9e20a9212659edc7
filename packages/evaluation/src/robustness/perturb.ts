import type { Column, Field, Frame } from '@slipway/kernel';
import { type Random, quantile } from '@slipway/statistics';
import type { RobustnessTest } from './contract.ts';

/** Noise is normal with this share of a column's deviation; a shift is this many deviations. */
export const NOISE_DEVIATION_RATIO = 0.05;
export const SHIFT_DEVIATIONS = 1;
/** Quartiles of a normal distribution are this many standard deviations apart. */
const QUARTILE_DISTANCE = 1.3489795003921634;
const UNSEEN = 'never-seen-before';
/** From so many words on a text is long, and has a mistake in one word of so many. */
const LONG_TEXT_WORDS = 10;
const MINUTE_MS = 60_000;

/** A frame with one thing wrong, and which rows that could concern. */
export interface Perturbed {
  readonly test: RobustnessTest;
  /** Null: every column of the kind at once. */
  readonly field: string | null;
  readonly frame: Frame;
  readonly rows: Uint8Array;
}

type Numbers = Extract<Column, { kind: 'number' }>;
type Texts = Extract<Column, { kind: 'text' }>;

const NUMBER_TESTS: Readonly<Partial<Record<RobustnessTest, (value: number, deviation: number) => number>>> = {
  unit_times_10: (value) => value * 10,
  unit_times_1000: (value) => value * 1000,
  unit_fahrenheit: (value) => value * 1.8 + 32,
  unit_celsius: (value) => (value - 32) / 1.8,
  shift_up: (value, deviation) => value + SHIFT_DEVIATIONS * deviation,
  shift_down: (value, deviation) => value - SHIFT_DEVIATIONS * deviation,
};

const TEXT_TESTS: Readonly<Partial<Record<RobustnessTest, (text: string, random: Random) => string>>> = {
  typo: (text, random) => withTypos(text, random),
  case: (text) => (text === text.toUpperCase() ? text.toLowerCase() : text.toUpperCase()),
  whitespace: (text) => `${text} `,
};

/** The tests that fit a column. A time is shifted only; a number of two values has no unit; free text has no unseen value. */
export function testsOf(field: Pick<Field, 'type' | 'role'>, column: Column): RobustnessTest[] {
  if (column.kind === 'text')
    return field.role === 'text' ? ['missing', 'typo', 'case', 'whitespace'] : ['missing', 'typo', 'case', 'whitespace', 'unseen'];
  if (field.type === 'boolean' || isTwoValued(column.values)) return ['missing'];
  if (field.type === 'timestamp') return ['missing', 'shift_up', 'shift_down'];
  const units: RobustnessTest[] = ['missing', 'unit_times_10', 'unit_times_1000', 'unit_fahrenheit', 'unit_celsius'];
  return deviationOf(column.values) === 0 ? units : [...units, 'shift_up', 'shift_down'];
}

function isTwoValued(values: Float64Array): boolean {
  const seen = new Set<number>();
  for (const value of values) {
    if (!Number.isNaN(value)) seen.add(value);
    if (seen.size > 2) return false;
  }
  return true;
}

/** One column as a test leaves it. Missing cells stay missing. */
export function perturbColumn(frame: Frame, field: Pick<Field, 'name' | 'type'>, test: RobustnessTest, random: Random): Perturbed {
  const column = frame.columns.get(field.name) as Column;
  const changed = column.kind === 'number' ? perturbNumbers(column, test, field.type) : perturbTexts(column, test, random);
  return { test, field: field.name, frame: withColumn(frame, field.name, changed), rows: presentRows(column, frame.rowCount) };
}

/** A little normal noise on every number at once; whole numbers stay whole. Null without numbers that vary. */
export function perturbByNoise(frame: Frame, fields: readonly Pick<Field, 'name' | 'type'>[], random: Random): Perturbed | null {
  const columns = new Map(frame.columns);
  const rows = new Uint8Array(frame.rowCount);
  let touched = 0;
  for (const { name, type } of fields) {
    const column = frame.columns.get(name);
    if (column?.kind !== 'number' || type === 'timestamp' || type === 'boolean' || isTwoValued(column.values)) continue;
    const spread = NOISE_DEVIATION_RATIO * deviationOf(column.values);
    if (spread === 0) continue;
    const noisy = column.values.map((value) => value + spread * random.normal());
    columns.set(name, { kind: 'number', values: type === 'int64' ? noisy.map(Math.round) : noisy });
    touched += 1;
    column.values.forEach((value, row) => {
      if (!Number.isNaN(value)) rows[row] = 1;
    });
  }
  return touched === 0 ? null : { test: 'noise', field: null, frame: { rowCount: frame.rowCount, columns }, rows };
}

function withColumn(frame: Frame, name: string, column: Column): Frame {
  return { rowCount: frame.rowCount, columns: new Map(frame.columns).set(name, column) };
}

function presentRows(column: Column, rowCount: number): Uint8Array {
  return Uint8Array.from({ length: rowCount }, (_, row) =>
    (column.kind === 'number' ? Number.isNaN(column.values[row]) : (column.codes[row] as number) < 0) ? 0 : 1,
  );
}

function perturbNumbers(column: Numbers, test: RobustnessTest, type: Field['type']): Column {
  if (test === 'missing') return { kind: 'number', values: new Float64Array(column.values.length).fill(Number.NaN) };
  const change = NUMBER_TESTS[test];
  if (!change) return column;
  const deviation = deviationOf(column.values);
  const values = column.values.map((value) => change(value, deviation));
  if (type === 'timestamp') return { kind: 'number', values: values.map((value) => Math.round(value / MINUTE_MS) * MINUTE_MS) };
  return { kind: 'number', values: type === 'int64' ? values.map(Math.round) : values };
}

/**
 * Standard deviation of the middle half, were it normal: a few huge values do not make everything else look close
 * together. 0 where half the rows share one value: there a small change of every row is nothing that happens.
 */
function deviationOf(values: Float64Array): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted();
  return sorted.length < 2 ? 0 : (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / QUARTILE_DISTANCE;
}

function perturbTexts(column: Texts, test: RobustnessTest, random: Random): Column {
  if (test === 'missing') return { kind: 'text', codes: new Int32Array(column.codes.length).fill(-1), levels: [] };
  if (test === 'unseen') return { kind: 'text', codes: column.codes.map((code) => (code < 0 ? -1 : 0)), levels: [unseenOf(column.levels)] };
  const change = TEXT_TESTS[test];
  // Levels are changed rather than cells: one mistake a value is as telling, and costs nothing for many rows.
  return change ? { ...column, levels: column.levels.map((level) => change(level, random)) } : column;
}

function unseenOf(levels: readonly string[]): string {
  const known = new Set(levels);
  let text = UNSEEN;
  while (known.has(text)) text += '-x';
  return text;
}

/** One typing mistake in a short text, in about every tenth word of a long one. */
function withTypos(text: string, random: Random): string {
  const words = text.split(' ');
  if (words.length < LONG_TEXT_WORDS) return withTypo(text, random);
  return words.map((word) => (word.length > 1 && random.int(LONG_TEXT_WORDS) === 0 ? withTypo(word, random) : word)).join(' ');
}

/** Two neighbouring letters swapped, or one left out. */
function withTypo(text: string, random: Random): string {
  const letters = [...text];
  if (letters.length === 0) return text;
  if (letters.length === 1) return `${text}${text}`;
  const at = random.int(letters.length - 1);
  const isSwap = random.int(2) === 0 && letters[at] !== letters[at + 1];
  if (!isSwap) letters.splice(at, 1);
  else [letters[at], letters[at + 1]] = [letters[at + 1] as string, letters[at] as string];
  return letters.join('');
}
