import { type Field, type Row, nearestName, parseJson } from '@slipway/kernel';
import { type Datatype, type Tensor, isFloat, isInteger } from './datatypes.ts';
import { InferRequestError, TensorError } from './errors.ts';
import type { Signature } from './signature.ts';

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
  const matrix = tensors.length === 1 ? matrixFields(signature, first) : undefined;
  if (matrix) return matrixRows(matrix, first);
  const seen = new Set<string>();
  for (const tensor of tensors) checkColumn(signature, tensor, first, seen);
  const rows = copies([...seen], first.shape[0] as number);
  for (const tensor of tensors) fillColumn(rows, tensor, signature.fields.get(tensor.name));
  return rows;
}

/** Rows are copies of one, which makes each in one step instead of growing it field by field. Each has every name as its own. */
function copies(names: readonly string[], count: number): Record<string, unknown>[] {
  const template: Record<string, unknown> = {};
  for (const name of names) setOwn(template, name, Number.NaN);
  return Array.from({ length: count }, () => ({ ...template }));
}

/** One tensor [rows, fields] under another name than any field's: all fields in the contract's order. */
function matrixFields({ matrix, fields, ignored }: Signature, { name, datatype, shape }: Tensor): readonly Field[] | undefined {
  if (!matrix || fields.has(name) || ignored.has(name) || datatype === 'BYTES' || shape.length !== 2) return undefined;
  if (shape[1] !== matrix.length) {
    throw new TensorError(
      `The input "${name}" has ${shape[1]} columns; this model takes ${matrix.length}: ${matrix
        .map((field) => field.name)
        .slice(0, 8)
        .join(', ')}${matrix.length > 8 ? ', …' : ''}.`,
      {
        details: { input: name, expectedShape: [-1, matrix.length], gotShape: shape },
      },
    );
  }
  return matrix;
}

function matrixRows(fields: readonly Field[], { values, datatype, shape }: Tensor): Row[] {
  const columns = fields.map((field) => ({ name: field.name, convert: converterFor(field, datatype) }));
  const width = columns.length;
  const rows = copies(
    columns.map((column) => column.name),
    shape[0] as number,
  );
  rows.forEach((row, at) => {
    for (let index = 0; index < width; index += 1) {
      const { name, convert } = columns[index] as (typeof columns)[number];
      row[name] = convert(values[at * width + index]);
    }
  });
  return rows;
}

function checkColumn({ fields, ignored, matrix }: Signature, { name, shape }: Tensor, first: Tensor, seen: Set<string>): void {
  if (seen.has(name)) throw new TensorError(`The input "${name}" is given twice.`, { details: { input: name } });
  seen.add(name);
  if (!fields.has(name) && !ignored.has(name)) {
    const near = nearestName(name, [...fields.keys()]);
    const takes = `it takes ${[...fields.keys()].slice(0, 8).join(', ')}${fields.size > 8 ? ', …' : ''}`;
    const orMatrix = matrix ? `, or one numeric tensor [rows, ${matrix.length}]` : '';
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

/** The rows have the column's name as their own, whatever it is. */
function fillColumn(rows: readonly Record<string, unknown>[], { name, datatype, values }: Tensor, field: Field | undefined): void {
  const convert = field ? converterFor(field, datatype) : plain;
  for (let row = 0; row < rows.length; row += 1) (rows[row] as Record<string, unknown>)[name] = convert(values[row]);
}

/** A column may be called "__proto__"; plain assignment would then change the prototype. */
function setOwn(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
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
