import { type Field, type Row, type RowMatrix, nearestName, noteMatrix, parseJson } from '@slipway/kernel';
import { type Datatype, type Tensor, isFloat, isInteger } from './datatypes.ts';
import { InferRequestError, TensorError } from './errors.ts';
import { rowTemplate } from './row-template.ts';
import type { MatrixColumns, Signature } from './signature.ts';

/**
 * Turns a request's tensors into the rows that the contract checks. Missing values are null in JSON, NaN in floats, the
 * smallest INT64, and tensors that are left out; every other judgement is the contract's.
 * @throws {TensorError | InferRequestError} naming the input.
 */
export function rowsOf(signature: Signature, tensors: readonly Tensor[]): Row[] {
  const first = tensors[0];
  if (!first)
    throw new InferRequestError('The request has no inputs.', {
      details: { problems: [{ field: 'inputs', expected: 'tensors', got: 'none' }] },
    });
  const matrix = tensors.length === 1 ? matrixFor(signature, first) : undefined;
  const rowCount = first.shape[0] as number;
  if (matrix) return rowsFrom(signature, matrixColumns(matrix.fields, first), { template: matrix.template, rowCount });
  const seen = new Set<string>();
  for (const tensor of tensors) checkColumn(signature, tensor, first, seen);
  const columns = tensors.map((tensor) => tensorColumn(signature, tensor));
  return rowsFrom(signature, columns, { template: rowTemplate([...seen]), rowCount });
}

/** Where a column's values lie, and what becomes of them. */
interface SourceColumn {
  readonly name: string;
  readonly values: ArrayLike<unknown>;
  readonly offset: number;
  readonly step: number;
  readonly convert: Converter;
  /** Its place in the model's matrix; undefined when it is not part of it. */
  readonly place: number | undefined;
  /** What a value is that the contract can only refuse for its size; anything else is for the contract to see. */
  readonly type: 'number' | 'boolean';
}

const typeOf = (field: Field | undefined) => (field?.type === 'boolean' ? 'boolean' : 'number');

function matrixColumns(fields: readonly Field[], { values, datatype }: Tensor): SourceColumn[] {
  return fields.map((field, index) => ({
    name: field.name,
    values,
    offset: index,
    step: fields.length,
    convert: converterFor(field, datatype),
    place: index,
    type: typeOf(field),
  }));
}

function tensorColumn({ fields, matrix }: Signature, { name, values, datatype }: Tensor): SourceColumn {
  const field = fields.get(name);
  const convert = field ? converterFor(field, datatype) : plain;
  return { name, values, offset: 0, step: 1, convert, place: matrix?.places.get(name), type: typeOf(field) };
}

/** Makes the rows, and where they are nothing but the model's numbers notes these beside them. */
function rowsFrom(
  signature: Signature,
  columns: readonly SourceColumn[],
  { template, rowCount }: { template: Row; rowCount: number },
): Row[] {
  const rows = Array.from({ length: rowCount }, (): Record<string, unknown> => ({ ...template }));
  const matrix = emptyMatrix(signature, columns, rowCount);
  let isWhole = matrix !== undefined;
  for (let at = 0; at < rowCount; at += 1) {
    // The template has the column's name as its own, whatever it is.
    const row = rows[at] as Record<string, unknown>;
    for (let index = 0; index < columns.length; index += 1) {
      const { name, values, offset, step, convert, place, type } = columns[index] as SourceColumn;
      const value = convert(values[offset + at * step]);
      row[name] = value;
      if (!matrix || place === undefined) continue;
      if (typeof value === type) matrix.values[at * matrix.fields.length + place] = Number(value);
      else if (value !== null) isWhole = false;
    }
  }
  if (matrix && isWhole) noteMatrix(rows, matrix);
  return rows;
}

/** Of fewer rows the matrix costs about what it saves. */
export const MATRIX_ROWS_MIN = 8;

/** Filled with what is missing; undefined where the rows have values that no matrix of this model holds. */
function emptyMatrix({ matrix, ignored }: Signature, columns: readonly SourceColumn[], rowCount: number): RowMatrix | undefined {
  if (!matrix || rowCount < MATRIX_ROWS_MIN || !columns.every(({ name, place }) => place !== undefined || ignored.has(name)))
    return undefined;
  const { names } = matrix;
  return { fields: names, rowCount, values: new Float64Array(rowCount * names.length).fill(Number.NaN) };
}

/** One tensor [rows, fields] under another name than any field's: all fields in the contract's order. */
function matrixFor({ matrix, fields, ignored }: Signature, { name, datatype, shape }: Tensor): MatrixColumns | undefined {
  if (!matrix || fields.has(name) || ignored.has(name) || datatype === 'BYTES' || shape.length !== 2) return undefined;
  const { names } = matrix;
  if (shape[1] !== names.length) {
    throw new TensorError(
      `The input "${name}" has ${shape[1]} columns; this model takes ${names.length}: ${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}.`,
      { details: { input: name, expectedShape: [-1, names.length], gotShape: shape } },
    );
  }
  return matrix;
}

function checkColumn({ fields, ignored, matrix }: Signature, { name, shape }: Tensor, first: Tensor, seen: Set<string>): void {
  if (seen.has(name)) throw new TensorError(`The input "${name}" is given twice.`, { details: { input: name } });
  seen.add(name);
  if (!fields.has(name) && !ignored.has(name)) {
    const near = nearestName(name, [...fields.keys()]);
    const takes = `it takes ${[...fields.keys()].slice(0, 8).join(', ')}${fields.size > 8 ? ', …' : ''}`;
    const orMatrix = matrix ? `, or one numeric tensor [rows, ${matrix.names.length}]` : '';
    const hint = near ? `did you mean "${near}"?` : `${takes}${orMatrix}.`;
    throw new TensorError(`This model has no input "${name}"; ${hint}`, { details: { input: name } });
  }
  const [rowCount] = first.shape;
  if (shape[0] !== rowCount || shape.slice(1).some((size) => size !== 1)) {
    throw new TensorError(
      `The input "${name}" has the shape [${shape.join(', ')}]; expected [${rowCount}] or [${rowCount}, 1], one value a row.`,
      {
        details: { input: name, expectedShape: [rowCount ?? -1, 1], gotShape: shape },
      },
    );
  }
}

/** The smallest INT64 stands for a missing whole number or time, as in a model's graph. */
const MISSING_INT64 = -(2n ** 63n);

function plain(value: unknown): unknown {
  if (typeof value === 'number') return Number.isNaN(value) ? null : value;
  if (typeof value !== 'bigint') return value;
  if (value === MISSING_INT64) return null;
  // Whole numbers beyond 2^53 travel as decimal text, so that none is rounded.
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

type Converter = (value: unknown) => unknown;

/** From an element of a datatype to what a field's contract reads. */
function converterFor(field: Field, datatype: Datatype): Converter {
  if (field.type === 'boolean' && (isInteger(datatype) || isFloat(datatype))) return zeroOne;
  if (field.type === 'float64' && isInteger(datatype))
    return (value) => (typeof value === 'bigint' && value !== MISSING_INT64 ? Number(value) : plain(value));
  if (field.type === 'timestamp' && datatype === 'BYTES') return (value) => (value === '' ? null : value);
  if (field.type === 'json' && datatype === 'BYTES') return (value) => (typeof value === 'string' ? parseJson(value) : value);
  return plain;
}

function zeroOne(value: unknown): unknown {
  const number = plain(value);
  return number === 0 || number === 1 ? number === 1 : number;
}
