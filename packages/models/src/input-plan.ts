import {
  InvalidError,
  categoryText,
  isInheritedName,
  matrixAt,
  numberOf,
  type Contract,
  type Field,
  type Frame,
  type Row,
  type RowMatrix,
} from '@slipway/kernel';
import { columnOfInput } from './input-names.ts';

/**
 * One column of the matrix of doubles that a model is fed with. `double` carries a number (NaN missing), `int64` a
 * whole number (INT64_MIN missing; exact in a double), `category` the number that the graph's own label encoder
 * would give for the text, looked up here because a string tensor costs more than the whole tree ensemble.
 */
export type NumberColumn =
  | { readonly kind: 'double' | 'int64'; readonly field: string }
  | {
      readonly kind: 'category';
      readonly field: string;
      readonly keys: readonly string[];
      readonly values: readonly number[];
      readonly otherwise: number;
    };

/** One tensor of a graph that is fed input by input. */
export interface NamedTensor {
  readonly name: string;
  readonly elementType: 'double' | 'float' | 'int64' | 'string';
  readonly rank: 1 | 2;
}

/** How rows become tensors. Plain data, so that a worker can make it and the main thread can use it. */
export interface InputPlan {
  /** `packed`: one [N, D] tensor of doubles and one [N, S] of strings; `named`: the graph's own inputs. */
  readonly layout: 'packed' | 'named';
  readonly columns: readonly NumberColumn[];
  /** Fields that are fed as strings. */
  readonly texts: readonly string[];
  /** For `named`: the tensors of the columns, then of the texts. */
  readonly tensors: readonly NamedTensor[];
}

/** Names of the derived graph's inputs. */
export const NUMBERS_INPUT = 'slipway:numbers';
export const TEXTS_INPUT = 'slipway:texts';

/** Rows ready for the engine: row-major numbers [rowCount * D] and texts [rowCount * S]. */
export interface EncodedRows {
  readonly rowCount: number;
  readonly numbers: Float64Array;
  readonly texts: readonly string[];
}

/** INT64_MIN, which a double holds exactly. */
const MISSING_INT64 = -(2 ** 63);

interface CompiledColumn {
  readonly name: string;
  readonly isInherited: boolean;
  readonly field: Field;
  readonly kind: NumberColumn['kind'];
  readonly values: ReadonlyMap<string, number>;
  readonly otherwise: number;
  readonly missing: number;
}

/** Turns contract-checked rows, or frames, into the numbers and texts of a plan. */
export interface InputEncoder {
  readonly plan: InputPlan;
  /** Allocates for `rowCount` rows and lets the caller fill row by row. */
  encodeRows(rows: readonly Row[]): EncodedRows;
  /** Encodes rows `start` (inclusive) to `end` (exclusive) of a frame. @throws {InvalidError} when a column is missing or of the wrong kind. */
  encodeFrame(frame: Frame, start: number, end: number): EncodedRows;
}

/** Compiles a plan against the contract that its rows passed. */
export function createEncoder(plan: InputPlan, contract: Contract): InputEncoder {
  const fields = new Map(contract.fields.map((field) => [field.name, field]));
  const columns = plan.columns.map((column) => compileColumn(column, fieldOf(fields, column.field)));
  const copyMatrix = plan.texts.length === 0 ? matrixCopier(columns) : undefined;
  return {
    plan,
    encodeRows: (rows) => encodeRows(columns, plan.texts, rows, copyMatrix),
    encodeFrame: (frame, start, end) => encodeFrame(columns, plan.texts, frame, { start, end }),
  };
}

function fieldOf(fields: ReadonlyMap<string, Field>, name: string): Field {
  const field = fields.get(name);
  if (!field) throw new InvalidError(`The model needs the field "${name}", which its contract lacks.`);
  return field;
}

function compileColumn(column: NumberColumn, field: Field): CompiledColumn {
  const shared = { name: column.field, isInherited: isInheritedName(column.field), field, kind: column.kind };
  if (column.kind !== 'category') {
    return { ...shared, values: new Map(), otherwise: 0, missing: column.kind === 'int64' ? MISSING_INT64 : Number.NaN };
  }
  const values = new Map<string, number>();
  // ONNX Runtime keeps the first of equal keys.
  column.keys.forEach((key, index) => {
    if (!values.has(key)) values.set(key, column.values[index] as number);
  });
  return { ...shared, values, otherwise: column.otherwise, missing: values.get('') ?? column.otherwise };
}

function encodeRows(
  columns: readonly CompiledColumn[],
  textNames: readonly string[],
  rows: readonly Row[],
  copyMatrix: MatrixCopier | undefined,
): EncodedRows {
  const width = columns.length;
  const numbers = new Float64Array(rows.length * width);
  for (let index = 0; index < rows.length; index += 1) {
    const matrix = copyMatrix && matrixAt(rows, index);
    if (copyMatrix && matrix) {
      copyMatrix(matrix, numbers, index * width);
      index += matrix.rowCount - 1;
    } else encodeRow(columns, rows[index] as Row, numbers, index * width);
  }
  const texts: string[] = [];
  if (textNames.length > 0) {
    for (const row of rows) for (const name of textNames) texts.push(categoryText(Object.hasOwn(row, name) ? row[name] : null) ?? '');
  }
  return { rowCount: rows.length, numbers, texts };
}

function encodeRow(columns: readonly CompiledColumn[], row: Row, numbers: Float64Array, offset: number): void {
  for (let position = 0; position < columns.length; position += 1) {
    const column = columns[position] as CompiledColumn;
    const isAbsent = column.isInherited && !Object.hasOwn(row, column.name);
    numbers[offset + position] = numberIn(column, isAbsent ? undefined : row[column.name]);
  }
}

/** Copies rows that came as a matrix to where they are encoded. A column that they lack is missing. */
type MatrixCopier = (matrix: RowMatrix, numbers: Float64Array, offset: number) => void;

/** Undefined when some column is looked up by its text. */
function matrixCopier(columns: readonly CompiledColumn[]): MatrixCopier | undefined {
  if (columns.some(({ kind }) => kind === 'category')) return undefined;
  const places = new WeakMap<readonly string[], Int32Array>();
  return ({ fields, rowCount, values }, numbers, offset) => {
    let sources = places.get(fields);
    if (!sources) places.set(fields, (sources = Int32Array.from(columns, ({ name }) => fields.indexOf(name))));
    for (let position = 0; position < columns.length; position += 1) {
      const { missing } = columns[position] as CompiledColumn;
      const source = sources[position] as number;
      for (let row = 0, at = offset + position; row < rowCount; row += 1, at += columns.length) {
        const value = source < 0 ? Number.NaN : (values[row * fields.length + source] as number);
        numbers[at] = Number.isNaN(value) ? missing : value;
      }
    }
  };
}

function numberIn(column: CompiledColumn, value: unknown): number {
  if (value === undefined || value === null) return column.missing;
  if (column.kind === 'category') {
    const text = typeof value === 'string' ? value : String(value);
    return column.values.get(text) ?? column.otherwise;
  }
  const number = typeof value === 'number' ? value : numberOf(column.field, value);
  return Number.isNaN(number) ? column.missing : number;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function encodeFrame(columns: readonly CompiledColumn[], textNames: readonly string[], frame: Frame, { start, end }: Range): EncodedRows {
  const rowCount = end - start;
  const numbers = new Float64Array(rowCount * columns.length);
  columns.forEach((column, position) => fillFromFrame(numbers, { column, position, width: columns.length }, frame, { start, end }));
  const texts = Array.from({ length: textNames.length * rowCount }, () => '');
  textNames.forEach((name, position) => {
    const column = textColumnOf(frame, name);
    for (let row = 0; row < rowCount; row += 1) {
      const code = column.codes[start + row] as number;
      texts[row * textNames.length + position] = code < 0 ? '' : (column.levels[code] as string);
    }
  });
  return { rowCount, numbers, texts };
}

interface Target {
  readonly column: CompiledColumn;
  readonly position: number;
  readonly width: number;
}

function fillFromFrame(numbers: Float64Array, { column, position, width }: Target, frame: Frame, { start, end }: Range): void {
  if (column.kind === 'category') {
    const { codes, levels } = textColumnOf(frame, column.name);
    const encoded = levels.map((level) => column.values.get(level) ?? column.otherwise);
    for (let row = start, at = position; row < end; row += 1, at += width) {
      const code = codes[row] as number;
      numbers[at] = code < 0 ? column.missing : (encoded[code] as number);
    }
    return;
  }
  const source = frame.columns.get(column.name);
  if (source?.kind !== 'number') throw wrongColumn(column.name, 'numbers', source?.kind);
  for (let row = start, at = position; row < end; row += 1, at += width) {
    const value = source.values[row] as number;
    numbers[at] = Number.isNaN(value) ? column.missing : value;
  }
}

function textColumnOf(frame: Frame, name: string): { readonly codes: Int32Array; readonly levels: readonly string[] } {
  const column = frame.columns.get(name);
  if (column?.kind !== 'text') throw wrongColumn(name, 'texts', column?.kind);
  return column;
}

function wrongColumn(name: string, expected: string, got: string | undefined): InvalidError {
  return new InvalidError(`The model needs the column "${name}" as ${expected}; the frame ${got ? `has it as ${got}` : 'lacks it'}.`);
}

/** The plan that feeds a graph's inputs one by one, whatever they are. */
export function namedPlan(tensors: readonly NamedTensor[]): InputPlan {
  const numbers = tensors.filter((tensor) => tensor.elementType !== 'string');
  const texts = tensors.filter((tensor) => tensor.elementType === 'string');
  return {
    layout: 'named',
    columns: numbers.map(({ name, elementType }) => ({ kind: elementType === 'int64' ? 'int64' : 'double', field: columnOfInput(name) })),
    texts: texts.map((tensor) => columnOfInput(tensor.name)),
    tensors: [...numbers, ...texts],
  };
}
