import { readAttribute } from '../onnx/attribute.ts';
import type { NodeMessage } from '../onnx/messages.ts';
import { ML_DOMAIN } from '../onnx/graph-builder.ts';
import { type Builder, cellTypeOf } from './builder.ts';
import { compileForest } from './compile-forest.ts';
import { tableForest } from './forest-tables.ts';
import type { BinaryName, CellType, UnaryName } from './program.ts';
import { alignCells, integerAttribute, NotCompilable, rowAxis, rowShape, sizeOf, type Value } from './values.ts';

/** Compiles a node. @returns the values of its outputs, in order. @throws {NotCompilable} */
type Operator = (node: NodeMessage, builder: Builder) => readonly Value[];

function required(node: NodeMessage, builder: Builder, index: number): Value {
  const value = builder.input(node, index);
  if (!value) throw new NotCompilable(`the operator ${node.opType} lacks an input`);
  return value;
}

const isReal = (type: CellType): boolean => type === 'float' || type === 'double';

const unary =
  (name: UnaryName, result?: CellType): Operator =>
  (node, builder) => {
    const value = required(node, builder, 0);
    return [emitUnary(builder, name, value, result ?? value.type)];
  };

function emitUnary(builder: Builder, name: UnaryName, value: Value, type: CellType): Value {
  if (value.isConstant) throw new NotCompilable('a constant is computed with');
  return builder.emit(type, value.shape, [value], (to) => ({ op: 'unary', name, from: { at: value.at, stride: 1 }, to }));
}

const binary =
  (name: BinaryName, options: { readonly whole?: BinaryName; readonly result?: CellType } = {}): Operator =>
  (node, builder) => {
    if (node.input.length > 2) throw new NotCompilable(`${node.opType} has more than two inputs`);
    const values = [required(node, builder, 0), required(node, builder, 1)] as const;
    const { type } = values[0];
    if (values[1].type !== type) throw new NotCompilable('values of different types meet');
    const { shape, operands } = alignCells(values);
    const [left, right] = operands as [(typeof operands)[number], (typeof operands)[number]];
    const chosen = type === 'int64' ? (options.whole ?? name) : name;
    return [builder.emit(options.result ?? type, shape, values, (to) => ({ op: 'binary', name: chosen, left, right, to }))];
  };

const modulo: Operator = (node, builder) => {
  const isWhole = required(node, builder, 0).type === 'int64' && integerAttribute(node, 'fmod', 0) === 0;
  return binary(isWhole ? 'ModWhole' : 'Mod')(node, builder);
};

const where: Operator = (node, builder) => {
  const values = [0, 1, 2].map((index) => required(node, builder, index));
  const [, yesValue, noValue] = values as [Value, Value, Value];
  if (yesValue.type !== noValue.type) throw new NotCompilable('values of different types meet');
  const { shape, operands } = alignCells(values);
  const [condition, yes, no] = operands as [(typeof operands)[number], (typeof operands)[number], (typeof operands)[number]];
  return [builder.emit(yesValue.type, shape, values, (to) => ({ op: 'where', condition, yes, no, to }))];
};

/** Rounding to float32 is done by whoever writes floats. */
const cast: Operator = (node, builder) => {
  const value = required(node, builder, 0);
  const type = cellTypeOf(integerAttribute(node, 'to', 0));
  if (type === value.type || (type === 'double' && value.type !== 'bool')) return [{ ...value, type }];
  if (value.isConstant) throw new NotCompilable('a constant is computed with');
  if (type === 'bool') return [emitUnary(builder, 'Truth', value, type)];
  return [emitUnary(builder, type === 'int64' && isReal(value.type) ? 'Truncate' : 'Copy', value, type)];
};

const identity: Operator = (node, builder) => [required(node, builder, 0)];

/** Neighbours in memory become a view; others are copied. */
const concat: Operator = (node, builder) => {
  const values = node.input.map((_, index) => required(node, builder, index));
  const [first] = values as [Value];
  if (values.some((value) => value.isConstant || value.type !== first.type || value.shape.length !== 1))
    throw new NotCompilable('Concat joins other things than the columns of rows');
  rowAxis(integerAttribute(node, 'axis', 0), 1);
  const cells = values.flatMap((value) => Array.from({ length: sizeOf(value.shape) }, (_, cell) => value.at + cell));
  const needs = new Set(values.flatMap((value) => [...value.needs]));
  if (cells.every((cell, index) => cell === first.at + index)) return [{ ...first, shape: [cells.length], needs }];
  const from = Int32Array.from(cells);
  return [builder.emit(first.type, [cells.length], values, (to) => ({ op: 'gather', from, to }))];
};

const split: Operator = (node, builder) => {
  const value = required(node, builder, 0);
  if (value.isConstant || value.shape.length !== 1) throw new NotCompilable('Split parts other things than the columns of rows');
  rowAxis(integerAttribute(node, 'axis', 0), 1);
  const given = builder.input(node, 1);
  const listed = given ? builder.tensor(given) : readAttribute(node.attribute, 'split');
  const width = value.shape[0] as number;
  const sizes = Array.isArray(listed) ? listed.map(Number) : node.output.map(() => width / node.output.length);
  if (sizes.reduce((sum, size) => sum + size, 0) !== width || !sizes.every(Number.isInteger))
    throw new NotCompilable('Split makes uneven parts');
  let at = value.at;
  return sizes.map((size) => {
    const part = { ...value, at, shape: [size] };
    at += size;
    return part;
  });
};

const gather: Operator = (node, builder) => {
  const data = required(node, builder, 0);
  const indices = required(node, builder, 1);
  const axis = integerAttribute(node, 'axis', 0);
  if (data.isConstant) return [lookUp(builder, data, indices, axis)];
  if (!indices.isConstant || data.shape.length !== 1 || indices.shape.length !== 1)
    throw new NotCompilable('Gather picks by computed places');
  rowAxis(axis, 1);
  const width = data.shape[0] as number;
  const from = Int32Array.from(builder.tensor(indices), (index) => data.at + (index < 0 ? index + width : index));
  if (from.some((cell) => cell < data.at || cell >= data.at + width)) throw new NotCompilable('Gather picks a column that is not there');
  return [builder.emit(data.type, [from.length], [data], (to) => ({ op: 'gather', from, to }))];
};

/** Rows of a constant table by computed numbers. */
function lookUp(builder: Builder, table: Value, indices: Value, axis: number): Value {
  if (indices.isConstant || axis !== 0 || table.shape.length > 2) throw new NotCompilable('Gather looks up in a way that is not known');
  const [rows = 0, width = 1] = table.shape;
  const shape = [...indices.shape, ...table.shape.slice(1)];
  const count = sizeOf(indices.shape);
  return builder.emit(table.type, shape, [table, indices], (to) => ({
    op: 'lookUp',
    table: table.at,
    rows,
    width,
    indices: indices.at,
    count,
    to,
  }));
}

/** Sums over the first size of a row, which is axis 1 of the tensor. */
const reduceSum: Operator = (node, builder) => {
  const value = required(node, builder, 0);
  const given = builder.input(node, 1);
  const listed = given ? builder.tensor(given) : readAttribute(node.attribute, 'axes');
  const [axis, ...others] = Array.isArray(listed) ? listed.map(Number) : [];
  if (value.isConstant || axis === undefined || others.length > 0) throw new NotCompilable('ReduceSum sums over more than one axis');
  if (rowAxis(axis, value.shape.length) !== 0) throw new NotCompilable('ReduceSum sums over an inner axis');
  const [count = 1, ...rest] = value.shape;
  const shape = integerAttribute(node, 'keepdims', 1) === 1 ? [1, ...rest] : rest;
  return [builder.emit(value.type, shape, [value], (to) => ({ op: 'sumRows', from: value.at, count, to }))];
};

/** A row times a constant matrix. */
const matMul: Operator = (node, builder) => {
  const [value, weights] = [required(node, builder, 0), required(node, builder, 1)];
  const [inner, size] = weights.shape as [number, number];
  const matrix = Float64Array.from(builder.tensor(weights));
  return [emitMatMul(builder, { value, weights, inner, size, matrix, bias: undefined })];
};

interface Product {
  readonly value: Value;
  readonly weights: Value;
  readonly inner: number;
  readonly size: number;
  /** Row-major [inner, size]. */
  readonly matrix: Float64Array;
  readonly bias: Value | undefined;
}

function emitMatMul(builder: Builder, { value, weights, inner, size, matrix, bias }: Product): Value {
  const fits = !value.isConstant && value.shape.length === 1 && value.shape[0] === inner && weights.shape.length === 2;
  if (!fits || !isReal(value.type) || value.type !== weights.type)
    throw new NotCompilable('a product is not of a row and a constant matrix');
  const biasShape = bias && rowShape(bias, 1);
  if (biasShape && sizeOf(biasShape) !== size && sizeOf(biasShape) !== 1)
    throw new NotCompilable('a bias has another width than its product');
  const added = bias && biasShape ? { at: bias.at, stride: sizeOf(biasShape) === 1 ? (0 as const) : (1 as const) } : null;
  const reads = bias ? [value, bias] : [value];
  return builder.emit(value.type, [size], reads, (to) => ({ op: 'matMul', from: value.at, inner, weights: matrix, bias: added, to }));
}

const gemm: Operator = (node, builder) => {
  const [value, weights, bias] = [required(node, builder, 0), required(node, builder, 1), builder.input(node, 2)];
  const scales = ['alpha', 'beta'].map((name) => Number(readAttribute(node.attribute, name) ?? 1));
  if (scales.some((scale) => scale !== 1) || integerAttribute(node, 'transA', 0) !== 0 || bias?.isConstant === false)
    throw new NotCompilable('Gemm scales or turns its inputs');
  const isTurned = integerAttribute(node, 'transB', 0) === 1;
  const [rows, columns] = weights.shape as [number, number];
  const given = builder.tensor(weights);
  const [inner, size] = isTurned ? [columns, rows] : [rows, columns];
  const matrix = Float64Array.from(given, (_, index) => {
    const [row, column] = [Math.floor(index / size), index % size];
    return given[isTurned ? column * inner + row : index] as number;
  });
  return [emitMatMul(builder, { value, weights, inner, size, matrix, bias })];
};

const softmax: Operator = (node, builder) => {
  const value = required(node, builder, 0);
  if (value.isConstant || value.shape.length !== 1) throw new NotCompilable('Softmax is not over the columns of rows');
  rowAxis(integerAttribute(node, 'axis', -1), 1);
  return [builder.emit(value.type, value.shape, [value], (to) => ({ op: 'softmax', from: value.at, to }))];
};

const trees: Operator = (node, builder) => {
  const value = required(node, builder, 0);
  if (value.isConstant || value.shape.length !== 1) throw new NotCompilable('trees do not read the columns of rows');
  const { forest, targets, type } = compileForest(node, value);
  const tables = tableForest(forest);
  return [builder.emit(type, [targets], [value], (to) => ({ op: 'trees', from: value.at, forest, tables, to }))];
};

/** By domain and name. */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  [':Identity', identity],
  [':Cast', cast],
  [':Concat', concat],
  [':Split', split],
  [':Gather', gather],
  [':Where', where],
  [':IsNaN', unary('IsNaN', 'bool')],
  [':Not', unary('Not')],
  [':Neg', unary('Neg')],
  [':Abs', unary('Abs')],
  [':Sqrt', unary('Sqrt')],
  [':Log', unary('Log')],
  [':Exp', unary('Exp')],
  [':Sigmoid', unary('Sigmoid')],
  [':Tanh', unary('Tanh')],
  [':Relu', unary('Relu')],
  [':Floor', unary('Floor')],
  [':Ceil', unary('Ceil')],
  [':Round', unary('Round')],
  [':Add', binary('Add')],
  [':Sum', binary('Add')],
  [':Sub', binary('Sub')],
  [':Mul', binary('Mul')],
  [':Div', binary('Div', { whole: 'DivWhole' })],
  [':Mod', modulo],
  [':Max', binary('Max')],
  [':Min', binary('Min')],
  [':Pow', binary('Pow')],
  [':Equal', binary('Equal', { result: 'bool' })],
  [':Less', binary('Less', { result: 'bool' })],
  [':LessOrEqual', binary('LessOrEqual', { result: 'bool' })],
  [':Greater', binary('Greater', { result: 'bool' })],
  [':GreaterOrEqual', binary('GreaterOrEqual', { result: 'bool' })],
  [':And', binary('And')],
  [':Or', binary('Or')],
  [':ReduceSum', reduceSum],
  [':MatMul', matMul],
  [':Gemm', gemm],
  [':Softmax', softmax],
  [`${ML_DOMAIN}:TreeEnsemble`, trees],
  [`${ML_DOMAIN}:TreeEnsembleRegressor`, trees],
]);
