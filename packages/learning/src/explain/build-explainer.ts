import { cell, type Column, columnKind, type Contract, type Field, type Frame, INPUT_ROLES, toRfc3339 } from '@slipway/kernel';
import { createRandom, type Random } from '@slipway/statistics';
import { type FittedModel, predictMargins } from '../fitted-model.ts';
import { type EncodedMatrix, takeMatrixRows } from '../matrix.ts';
import { encodeFrame, usedFields } from '../preparation.ts';
import type { ExplainerData, Examples, FieldRange } from './explainer-data.ts';
import { PredictorExplainer, referencesOf } from './predictor-explainer.ts';
import type { FeatureRows } from './tree-shap.ts';

/** Training rows that branches are weighed by; a seeded sample of larger tables. */
export const REFERENCE_ROW_LIMIT = 10_000;
/** Rows that stand in for absent features when explaining interventionally. */
export const BACKGROUND_ROW_LIMIT = 100;
/** Training examples kept to be shown, and the encoded cells they may have in all. */
export const EXAMPLE_ROW_LIMIT = 1_000;
export const EXAMPLE_CELL_LIMIT = 500_000;
const EXAMPLE_TEXT_LIMIT = 120;
/** Rows that additivity is checked and importance is measured on. */
const CHECK_ROW_LIMIT = 100;
/** Values of a field that counterfactuals try. */
const RANGE_VALUE_LIMIT = 24;
const RANGE_LEVEL_LIMIT = 30;
/** A level must have this many of the reference rows to be proposed to anybody. */
const RANGE_LEVEL_ROWS = 5;

export interface BuildRequest {
  readonly fitted: FittedModel;
  /** What calls send: the model's input fields. */
  readonly contract: Contract;
  /** A sample of at most REFERENCE_ROW_LIMIT training rows. */
  readonly frame: Frame;
  /** Position of each row in the training data. */
  readonly rows: Int32Array;
  /** Class index or number of each row. */
  readonly target: Float64Array;
  readonly immutable: readonly string[];
  /** Whether the data says whose rows they are; then no row of it is kept. */
  readonly hasSubject: boolean;
  readonly seed: number | string;
}

/** Takes from training rows what explaining a model needs, and checks that its explanations add up. */
export function buildExplainer(request: BuildRequest): ExplainerData {
  const { fitted, contract, frame, hasSubject, seed } = request;
  const random = createRandom(`explainer:${seed}`);
  const matrix = encodeFrame(fitted.preparation, frame);
  const references = referencesOf(fitted.predictor, matrix);
  const positions = sample(random.fork('background'), matrix.rowCount, BACKGROUND_ROW_LIMIT);
  const background = hasSubject ? shuffledRows(matrix, positions.length, random.fork('shuffle')) : rowsOf(matrix, positions);
  const checked = takeMatrixRows(matrix, sample(random.fork('check'), matrix.rowCount, CHECK_ROW_LIMIT));
  const { importance, additivityError } = check(request, references, background, checked);
  const used = new Set(usedFields(fitted.preparation));
  const fields = contract.fields.filter((field) => used.has(field.name));
  return {
    format: 'slipway.explainer/1',
    fitted,
    contract,
    referenceRows: matrix.rowCount,
    references,
    backgroundKind: hasSubject ? 'shuffled' : 'rows',
    background,
    importance,
    spreads: spreadsOf(matrix),
    examples: hasSubject ? null : examplesOf(request, matrix, fields, random.fork('examples')),
    ranges: fields.flatMap((field) => rangeOf(field, frame.columns.get(field.name)) ?? []),
    immutable: [...new Set(request.immutable)],
    additivityError,
  };
}

/** Distinct positions, ascending; all of them when there are no more than the limit. */
function sample(random: Random, count: number, limit: number): Int32Array {
  return count <= limit ? Int32Array.from({ length: count }, (_, row) => row) : random.sampleWithoutReplacement(count, limit).toSorted();
}

/** Encoded rows, row-major. */
export function rowsOf(matrix: EncodedMatrix, positions?: Int32Array): FeatureRows {
  const rowCount = positions?.length ?? matrix.rowCount;
  const width = matrix.columns.length;
  const values = new Float32Array(rowCount * width);
  matrix.columns.forEach((column, at) => {
    for (let row = 0; row < rowCount; row += 1) values[row * width + at] = column[positions ? (positions[row] as number) : row] as number;
  });
  return { rowCount, width, values };
}

function shuffledRows(matrix: EncodedMatrix, rowCount: number, random: Random): FeatureRows {
  const width = matrix.columns.length;
  const values = new Float32Array(rowCount * width);
  matrix.columns.forEach((column, at) => {
    for (let row = 0; row < rowCount; row += 1) values[row * width + at] = column[random.int(column.length)] as number;
  });
  return { rowCount, width, values };
}

function check(
  { fitted }: BuildRequest,
  references: ExplainerData['references'],
  background: FeatureRows,
  matrix: EncodedMatrix,
): { importance: Float64Array; additivityError: number } {
  const explainer = new PredictorExplainer({ predictor: fitted.predictor, references, background, method: 'path-dependent' });
  const rows = rowsOf(matrix);
  const contributions = explainer.explain(rows);
  const importance = new Float64Array(rows.width);
  contributions.forEach((value, at) => {
    const feature = at % rows.width;
    importance[feature] = (importance[feature] as number) + Math.abs(value) / rows.rowCount;
  });
  return { importance, additivityError: additivityErrorOf(explainer, contributions, predictMargins(fitted.predictor, matrix), rows.width) };
}

/** Largest |base + contributions - margin| over rows and outputs, relative to max(1, |margin|). */
export function additivityErrorOf(
  explainer: PredictorExplainer,
  contributions: Float64Array,
  margins: Float64Array,
  width: number,
): number {
  let worst = 0;
  margins.forEach((margin, at) => {
    let sum = explainer.base[at % explainer.outputCount] as number;
    for (let feature = 0; feature < width; feature += 1) sum += contributions[at * width + feature] as number;
    worst = Math.max(worst, Math.abs(sum - margin) / Math.max(1, Math.abs(margin)));
  });
  return worst;
}

/** Half of what lies between the 16th and the 84th percentile, which is a normal variable's deviation; 0 for categories. */
function spreadsOf(matrix: EncodedMatrix): Float64Array {
  return Float64Array.from(matrix.features, (feature, index) =>
    feature.kind === 'categorical'
      ? 0
      : spreadOf((matrix.columns[index] as Float32Array).filter((value) => Number.isFinite(value)).toSorted()),
  );
}

function spreadOf(sorted: ArrayLike<number>): number {
  if (sorted.length === 0) return 1;
  const at = (ratio: number) => sorted[Math.round(ratio * (sorted.length - 1))] as number;
  const middle = (at(0.84) - at(0.16)) / 2;
  if (middle > 0) return middle;
  const whole = at(1) - at(0);
  return whole > 0 ? whole : 1;
}

function examplesOf(
  { frame, rows, target, fitted }: BuildRequest,
  matrix: EncodedMatrix,
  fields: readonly Field[],
  random: Random,
): Examples {
  const limit = Math.min(EXAMPLE_ROW_LIMIT, Math.max(1, Math.floor(EXAMPLE_CELL_LIMIT / Math.max(1, matrix.columns.length))));
  const positions = sample(random, matrix.rowCount, limit);
  return {
    encoded: rowsOf(matrix, positions),
    rows: positions.map((position) => rows[position] as number),
    targets: Array.from(positions, (position) => {
      const value = target[position] as number;
      return fitted.classes ? (fitted.classes[value] ?? '') : value;
    }),
    cells: fields.map((field) => {
      const column = frame.columns.get(field.name);
      return { field: field.name, values: Array.from(positions, (row) => (column ? cellOf(field, column, row) : null)) };
    }),
  };
}

/** A cell as a call would send it. */
function cellOf(field: Field, column: Column, row: number): string | number | boolean | null {
  const value = cell(column, row);
  if (value === null) return null;
  if (typeof value === 'string') {
    const sent = sentLevel(field, value);
    return typeof sent === 'string' && sent.length > EXAMPLE_TEXT_LIMIT ? `${sent.slice(0, EXAMPLE_TEXT_LIMIT)}…` : sent;
  }
  if (field.type === 'boolean') return value === 1;
  return field.type === 'timestamp' ? toRfc3339(value) : value;
}

/** A level as a call would send it: categories may be numbers or booleans there. */
function sentLevel(field: Field, level: string): string | number | boolean {
  if (field.type === 'boolean') return level === 'true';
  if (field.type === 'float64' || field.type === 'int64') return Number(level);
  return level;
}

/** Values that a counterfactual may give a field; undefined when it should not be changed at all (times, free text). */
function rangeOf(field: Field, column: Column | undefined): FieldRange | undefined {
  if (!column || !INPUT_ROLES.has(field.role) || field.role === 'time' || field.role === 'text' || field.type === 'timestamp')
    return undefined;
  if (columnKind(field) === 'text' || field.type === 'boolean') return categoryRange(field, column);
  if (column.kind !== 'number') return undefined;
  const sorted = column.values.filter((value) => Number.isFinite(value)).toSorted();
  if (sorted.length === 0) return undefined;
  const values = new Set<number>();
  for (let step = 0; step < RANGE_VALUE_LIMIT; step += 1) {
    const ratio = 0.02 + (0.96 * step) / (RANGE_VALUE_LIMIT - 1);
    values.add(sorted[Math.round(ratio * (sorted.length - 1))] as number);
  }
  const { minimum = null, maximum = null } = field.expect;
  const isAllowed = (value: number) => (minimum === null || value >= minimum) && (maximum === null || value <= maximum);
  return {
    field: field.name,
    kind: 'number',
    values: [...values].filter(isAllowed),
    spread: spreadOf(sorted),
    isWhole: field.type === 'int64' || sorted.every(Number.isInteger),
    minimum,
    maximum,
  };
}

function categoryRange(field: Field, column: Column): FieldRange {
  const counts = new Map<string, number>();
  const rowCount = column.kind === 'text' ? column.codes.length : column.values.length;
  for (let row = 0; row < rowCount; row += 1) {
    const value = cell(column, row);
    if (value === null || value === '') continue;
    const level = typeof value === 'number' ? String(value === 1) : value;
    counts.set(level, (counts.get(level) ?? 0) + 1);
  }
  const allowed = field.expect.allowedValues && new Set(field.expect.allowedValues);
  const levels = [...counts]
    .filter(([level, count]) => count >= RANGE_LEVEL_ROWS && (!allowed || allowed.has(level)))
    .toSorted(([left, leftCount], [right, rightCount]) => rightCount - leftCount || (left < right ? -1 : 1))
    .slice(0, RANGE_LEVEL_LIMIT)
    .map(([level]) => sentLevel(field, level));
  return { field: field.name, kind: 'category', values: levels, spread: 1, isWhole: false, minimum: null, maximum: null };
}
