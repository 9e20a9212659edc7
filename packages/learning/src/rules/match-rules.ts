import { type Column, type Frame, invariant } from '@slipway/kernel';
import type { CompiledRules, Node } from './compile-rules.ts';
import type { Comparison, Operand } from './rule-table.ts';

type Mask = Uint8Array;

/** Which conditions hold for each row: one mask a rule, 1 = holds. The reference for the exported graph. */
export function holdsOf({ conditions }: Pick<CompiledRules, 'conditions'>, frame: Frame): Mask[] {
  return conditions.map((node) => evaluate(node, frame));
}

/** Position of the first rule that holds for each row; the number of rules where none does. */
export function firstMatches(masks: readonly Mask[], rowCount: number): Int32Array {
  const first = new Int32Array(rowCount).fill(masks.length);
  for (let rule = masks.length - 1; rule >= 0; rule -= 1) {
    const mask = masks[rule] as Mask;
    for (let row = 0; row < rowCount; row += 1) if (mask[row] === 1) first[row] = rule;
  }
  return first;
}

function evaluate(node: Node, frame: Frame): Mask {
  if (node.kind === 'all' || node.kind === 'any') {
    const masks = node.of.map((each) => evaluate(each, frame));
    const isAll = node.kind === 'all';
    return masks.reduce((joined, mask) => joined.map((bit, row) => (isAll ? bit & (mask[row] as number) : bit | (mask[row] as number))));
  }
  if (node.kind === 'compare') return compare(node.sign, valuesOf(node.left, frame), valuesOf(node.right, frame));
  const column = columnOf(frame, node.field);
  if (node.kind === 'missing') return missingMask(column, node.negated);
  invariant(column.kind === 'text', `column ${node.field} holds text, as its field says`);
  const holds = levelTest(node);
  // An empty text is a missing one: the graph's string tensors cannot tell them apart.
  const byLevel = Uint8Array.from(column.levels, (level) => (level !== '' && holds(level) !== node.negated ? 1 : 0));
  return Uint8Array.from(column.codes, (code) => (code < 0 ? 0 : (byLevel[code] as number)));
}

function levelTest(node: Extract<Node, { kind: 'levels' | 'text' }>): (level: string) => boolean {
  if (node.kind === 'levels') {
    const values = new Set(node.values);
    return (level) => values.has(level);
  }
  if (node.how === 'contains') return (level) => level.includes(node.value);
  return node.how === 'startsWith' ? (level) => level.startsWith(node.value) : (level) => level.endsWith(node.value);
}

function missingMask(column: Column, negated: boolean): Mask {
  const [yes, no] = negated ? [0, 1] : [1, 0];
  if (column.kind === 'number') return Uint8Array.from(column.values, (value) => (Number.isNaN(value) ? yes : no));
  const empty = column.levels.indexOf('');
  return Uint8Array.from(column.codes, (code) => (code < 0 || code === empty ? yes : no));
}

/** Comparisons in double; nothing compares with a missing number, and nothing is unequal to it either. */
function compare(sign: Comparison, left: Float64Array, right: Float64Array): Mask {
  const mask = new Uint8Array(left.length);
  for (let row = 0; row < left.length; row += 1) {
    const [a, b] = [left[row] as number, right[row] as number];
    mask[row] = holds(sign, a, b) ? 1 : 0;
  }
  return mask;
}

function holds(sign: Comparison, a: number, b: number): boolean {
  switch (sign) {
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
    case '==':
      return a === b;
    case '!=':
      // A missing number is not known to differ from any.
      return a !== b && !Number.isNaN(a) && !Number.isNaN(b);
  }
}

function valuesOf(operand: Operand, frame: Frame): Float64Array {
  if (typeof operand === 'number') return new Float64Array(frame.rowCount).fill(operand);
  if ('column' in operand) {
    const column = columnOf(frame, operand.column);
    invariant(column.kind === 'number', `column ${operand.column} holds numbers, as its field says`);
    return column.values;
  }
  const [left, right] = [valuesOf(operand.of[0], frame), valuesOf(operand.of[1], frame)];
  const calc = CALCULATIONS[operand.calc];
  return left.map((value, row) => calc(value, right[row] as number));
}

const CALCULATIONS: Readonly<Record<'+' | '-' | '*' | '/', (left: number, right: number) => number>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
};

function columnOf(frame: Frame, name: string): Column {
  const column = frame.columns.get(name);
  invariant(column, `the frame has the column ${name} the rules read`);
  return column;
}
