import type { NodeMessage } from '../onnx/messages.ts';
import { readAttribute } from '../onnx/attribute.ts';
import type { CellType, Operand } from './program.ts';

/** A value of the graph as cells of the program's memory. */
export interface Value {
  readonly at: number;
  readonly type: CellType;
  /** Sizes of what one row has of it (a tensor [N, 3] is [3]); of a constant, all its sizes. */
  readonly shape: readonly number[];
  readonly isConstant: boolean;
  /** Numbers of the steps that make it. */
  readonly needs: ReadonlySet<number>;
}

/** Thrown within the compiler where a graph has what it does not know; the graph is then served by ONNX Runtime. */
export class NotCompilable extends Error {}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** What a constant or a row's value is to a row of a given rank: without the first size, where that is 1 and stands for all rows. */
export function rowShape({ shape, isConstant }: Value, rowRank: number): readonly number[] {
  if (!isConstant) {
    if (shape.length !== rowRank) throw new NotCompilable('values of different ranks meet');
    return shape;
  }
  if (shape.length <= rowRank) return shape;
  if (shape.length === rowRank + 1 && shape[0] === 1) return shape.slice(1);
  throw new NotCompilable('a constant has more sizes than a row');
}

/** The common shape of values that meet cell by cell: all alike, or single cells. @returns it, with one operand for each value. */
export function alignCells(values: readonly Value[]): { readonly shape: readonly number[]; readonly operands: readonly Operand[] } {
  const rowRank = values.find((value) => !value.isConstant)?.shape.length;
  if (rowRank === undefined) throw new NotCompilable('constants meet constants');
  const shapes = values.map((value) => rowShape(value, rowRank));
  const widest = shapes.reduce((best, shape) => (sizeOf(shape) > sizeOf(best) ? shape : best), shapes[0] as readonly number[]);
  const shape = [...Array.from({ length: rowRank - widest.length }, () => 1), ...widest];
  const core = coreOf(shape);
  const operands = values.map((value, index): Operand => {
    const own = shapes[index] as readonly number[];
    if (sizeOf(own) === 1) return { at: value.at, stride: 0 };
    if (coreOf(own) !== core) throw new NotCompilable('shapes broadcast in a way that is not known');
    return { at: value.at, stride: 1 };
  });
  return { shape, operands };
}

/** Sizes after the leading ones. */
function coreOf(shape: readonly number[]): string {
  const first = shape.findIndex((size) => size !== 1);
  return first === -1 ? '' : shape.slice(first).join();
}

/** A whole-number attribute. */
export function integerAttribute(node: NodeMessage, name: string, otherwise: number): number {
  const value = readAttribute(node.attribute, name);
  return value === undefined ? otherwise : Number(value);
}

/** The axis of a node within a row of `rowRank` sizes; axis 0 of the tensor is the rows and is refused. */
export function rowAxis(axis: number, rowRank: number): number {
  const within = axis < 0 ? axis + rowRank : axis - 1;
  if (within < 0 || within >= rowRank) throw new NotCompilable('an operator works across rows');
  return within;
}
