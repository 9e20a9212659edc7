import type { NodeMessage } from '../onnx/messages.ts';
import { ELEMENT_TYPES } from '../onnx/schema.ts';
import type { CellType, Step } from './program.ts';
import { NotCompilable, type Value } from './values.ts';

/** Element types of ONNX that cells can hold. */
export const CELL_TYPES: ReadonlyMap<number | undefined, CellType> = new Map([
  [ELEMENT_TYPES.float, 'float'],
  [ELEMENT_TYPES.double, 'double'],
  [ELEMENT_TYPES.int64, 'int64'],
  [ELEMENT_TYPES.int32, 'int64'],
  [ELEMENT_TYPES.bool, 'bool'],
]);

/** The cell type of an ONNX element type. @throws {NotCompilable} for others. */
export function cellTypeOf(elementType: number | undefined): CellType {
  const type = CELL_TYPES.get(elementType);
  if (type === undefined) throw new NotCompilable(`element type ${elementType} is not computed outside ONNX Runtime`);
  return type;
}

/** What an operator makes its steps with. */
export interface Builder {
  /** The value of an input; undefined where an optional one is left out. */
  input(node: NodeMessage, index: number): Value | undefined;
  /** The tensor behind a constant. */
  tensor(value: Value): readonly number[];
  /** Adds a step over `reads` that makes a value of this row shape. */
  emit(type: CellType, shape: readonly number[], reads: readonly Value[], stepOf: (to: Step['to']) => Step): Value;
}
