import { type BinaryName, type GraphProgram, type Operand, type Step, type UnaryName } from './program.ts';
import { finderByTables, finderByWalking } from './leaf-finders.ts';
import type { Numbers } from '../engine.ts';

/** Computes a program. Not reentrant, and never asynchronous: every row goes through the same memory. */
export interface Scorer {
  /** @param numbers row-major [rowCount, inputWidth]. @returns row-major [rowCount, width of the output]. */
  score(numbers: Float64Array, rowCount: number, output: string): Numbers;
}

/** Makes a function of each step, bound to the program's memory. */
export function createScorer(program: GraphProgram): Scorer {
  const memory = new Float64Array(program.cells);
  for (const { at, values } of program.constants) memory.set(values, at);
  const functions = program.steps.map((step) => functionOf(memory, step));
  const plans = new Map(
    Object.entries(program.outputs).map(([name, output]) => [
      name,
      { ...output, run: Array.from(output.steps, (index) => functions[index] as () => void) },
    ]),
  );
  const { inputWidth } = program;
  return {
    score(numbers, rowCount, name) {
      const output = plans.get(name);
      if (!output) throw new Error(`Broken invariant: the program has no output "${name}"`);
      const { at, width, run } = output;
      const result = output.type === 'float' ? new Float32Array(rowCount * width) : new Float64Array(rowCount * width);
      for (let row = 0; row < rowCount; row += 1) {
        const start = row * inputWidth;
        for (let cell = 0; cell < inputWidth; cell += 1) memory[cell] = numbers[start + cell] as number;
        for (let step = 0; step < run.length; step += 1) (run[step] as () => void)();
        for (let cell = 0; cell < width; cell += 1) result[row * width + cell] = memory[at + cell] as number;
      }
      return result;
    },
  };
}

function functionOf(memory: Float64Array, step: Step): () => void {
  const compute = bareFunctionOf(memory, step);
  const { at, size, type } = step.to;
  if (MERE_COPIES.has(step.op) || (type !== 'float' && type !== 'int64')) return compute;
  const end = at + size;
  if (type === 'int64') {
    return () => {
      compute();
      // Minus zero plus zero is zero.
      for (let cell = at; cell < end; cell += 1) memory[cell] = (memory[cell] as number) + 0;
    };
  }
  return () => {
    compute();
    for (let cell = at; cell < end; cell += 1) memory[cell] = Math.fround(memory[cell] as number);
  };
}

/** Steps that copy cells of their own type. */
const MERE_COPIES: ReadonlySet<Step['op']> = new Set(['gather', 'lookUp', 'where']);

function bareFunctionOf(memory: Float64Array, step: Step): () => void {
  switch (step.op) {
    case 'unary':
      return unary(memory, step);
    case 'binary':
      return binary(memory, step);
    case 'where':
      return where(memory, step);
    case 'gather':
      return gather(memory, step);
    case 'lookUp':
      return lookUp(memory, step);
    case 'sumRows':
      return sumRows(memory, step);
    case 'matMul':
      return matMul(memory, step);
    case 'softmax':
      return softmax(memory, step);
    case 'trees':
      return trees(memory, step);
  }
}

type StepOf<Name extends Step['op']> = Extract<Step, { op: Name }>;

const sigmoid = (value: number): number => {
  if (value >= 0) return 1 / (1 + Math.exp(-value));
  const power = Math.exp(value);
  return power / (1 + power);
};

/** Half goes to the even neighbour, as ONNX says. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

const UNARY: Readonly<Record<UnaryName, (value: number) => number>> = {
  IsNaN: (value) => (Number.isNaN(value) ? 1 : 0),
  Not: (value) => (value === 0 ? 1 : 0),
  Neg: (value) => -value,
  Abs: Math.abs,
  Sqrt: Math.sqrt,
  Log: Math.log,
  Exp: Math.exp,
  Sigmoid: sigmoid,
  Tanh: Math.tanh,
  Relu: (value) => (value < 0 ? 0 : value),
  Floor: Math.floor,
  Ceil: Math.ceil,
  Round: roundEven,
  Truncate: Math.trunc,
  Truth: (value) => (value === 0 ? 0 : 1),
  Copy: (value) => value,
};

const BINARY: Readonly<Record<BinaryName, (left: number, right: number) => number>> = {
  Add: (left, right) => left + right,
  Sub: (left, right) => left - right,
  Mul: (left, right) => left * right,
  Div: (left, right) => left / right,
  DivWhole: (left, right) => Math.trunc(left / right),
  Mod: (left, right) => left % right,
  ModWhole: (left, right) => {
    const rest = left % right;
    return rest !== 0 && rest < 0 !== right < 0 ? rest + right : rest;
  },
  Max: Math.max,
  Min: Math.min,
  Pow: (left, right) => left ** right,
  Equal: (left, right) => (left === right ? 1 : 0),
  Less: (left, right) => (left < right ? 1 : 0),
  LessOrEqual: (left, right) => (left <= right ? 1 : 0),
  Greater: (left, right) => (left > right ? 1 : 0),
  GreaterOrEqual: (left, right) => (left >= right ? 1 : 0),
  And: (left, right) => (left !== 0 && right !== 0 ? 1 : 0),
  Or: (left, right) => (left !== 0 || right !== 0 ? 1 : 0),
};

function unary(memory: Float64Array, { name, from, to }: StepOf<'unary'>): () => void {
  const { at, size } = to;
  const { at: source, stride } = from;
  if (name === 'Copy') {
    return () => {
      for (let cell = 0; cell < size; cell += 1) memory[at + cell] = memory[source + cell * stride] as number;
    };
  }
  if (name === 'Relu') {
    return () => {
      for (let cell = 0; cell < size; cell += 1) {
        const value = memory[source + cell * stride] as number;
        memory[at + cell] = value < 0 ? 0 : value;
      }
    };
  }
  const compute = UNARY[name];
  return () => {
    for (let cell = 0; cell < size; cell += 1) memory[at + cell] = compute(memory[source + cell * stride] as number);
  };
}

function binary(memory: Float64Array, step: StepOf<'binary'>): () => void {
  const loop = LOOPS[step.name];
  if (loop) return loop(memory, step);
  const { at, size } = step.to;
  const { at: first, stride: firstStride } = step.left;
  const { at: second, stride: secondStride } = step.right;
  const compute = BINARY[step.name];
  return () => {
    for (let cell = 0; cell < size; cell += 1)
      memory[at + cell] = compute(memory[first + cell * firstStride] as number, memory[second + cell * secondStride] as number);
  };
}

type Loop = (memory: Float64Array, step: StepOf<'binary'>) => () => void;

/** The commonest ones each with a loop of its own, so that no function is called for a cell. */
const LOOPS: Partial<Readonly<Record<BinaryName, Loop>>> = {
  Add: (memory, { left, right, to }) => {
    return () => {
      for (let cell = 0; cell < to.size; cell += 1)
        memory[to.at + cell] = (memory[left.at + cell * left.stride] as number) + (memory[right.at + cell * right.stride] as number);
    };
  },
  Sub: (memory, { left, right, to }) => {
    return () => {
      for (let cell = 0; cell < to.size; cell += 1)
        memory[to.at + cell] = (memory[left.at + cell * left.stride] as number) - (memory[right.at + cell * right.stride] as number);
    };
  },
  Mul: (memory, { left, right, to }) => {
    return () => {
      for (let cell = 0; cell < to.size; cell += 1)
        memory[to.at + cell] = (memory[left.at + cell * left.stride] as number) * (memory[right.at + cell * right.stride] as number);
    };
  },
  Div: (memory, { left, right, to }) => {
    return () => {
      for (let cell = 0; cell < to.size; cell += 1)
        memory[to.at + cell] = (memory[left.at + cell * left.stride] as number) / (memory[right.at + cell * right.stride] as number);
    };
  },
};

function where(memory: Float64Array, { condition, yes, no, to }: StepOf<'where'>): () => void {
  const { at, size } = to;
  const address = (operand: Operand, cell: number) => operand.at + cell * operand.stride;
  return () => {
    for (let cell = 0; cell < size; cell += 1) {
      const chosen = memory[address(condition, cell)] === 0 ? no : yes;
      memory[at + cell] = memory[address(chosen, cell)] as number;
    }
  };
}

function gather(memory: Float64Array, { from, to }: StepOf<'gather'>): () => void {
  const { at } = to;
  return () => {
    for (let cell = 0; cell < from.length; cell += 1) memory[at + cell] = memory[from[cell] as number] as number;
  };
}

/** An index beyond the table gives NaN, which the parity check sees; ONNX Runtime refuses such a row. */
function lookUp(memory: Float64Array, { table, rows, width, indices, count, to }: StepOf<'lookUp'>): () => void {
  const { at } = to;
  return () => {
    for (let item = 0; item < count; item += 1) {
      const asked = memory[indices + item] as number;
      const index = asked < 0 ? asked + rows : asked;
      const isThere = index >= 0 && index < rows;
      const start = table + index * width;
      for (let cell = 0; cell < width; cell += 1)
        memory[at + item * width + cell] = isThere ? (memory[start + cell] as number) : Number.NaN;
    }
  };
}

function sumRows(memory: Float64Array, { from, count, to }: StepOf<'sumRows'>): () => void {
  const { at, size } = to;
  return () => {
    for (let cell = 0; cell < size; cell += 1) {
      let sum = 0;
      for (let row = 0; row < count; row += 1) sum += memory[from + row * size + cell] as number;
      memory[at + cell] = sum;
    }
  };
}

function matMul(memory: Float64Array, { from, inner, weights, bias, to }: StepOf<'matMul'>): () => void {
  const { at, size } = to;
  return () => {
    for (let cell = 0; cell < size; cell += 1) memory[at + cell] = bias === null ? 0 : (memory[bias.at + cell * bias.stride] as number);
    for (let index = 0; index < inner; index += 1) {
      const value = memory[from + index] as number;
      if (value === 0) continue;
      const start = index * size;
      for (let cell = 0; cell < size; cell += 1)
        memory[at + cell] = (memory[at + cell] as number) + value * (weights[start + cell] as number);
    }
  };
}

function softmax(memory: Float64Array, { from, to }: StepOf<'softmax'>): () => void {
  const { at, size } = to;
  return () => {
    let largest = Number.NEGATIVE_INFINITY;
    for (let cell = 0; cell < size; cell += 1) largest = Math.max(largest, memory[from + cell] as number);
    let sum = 0;
    for (let cell = 0; cell < size; cell += 1) {
      const power = Math.exp((memory[from + cell] as number) - largest);
      memory[at + cell] = power;
      sum += power;
    }
    for (let cell = 0; cell < size; cell += 1) memory[at + cell] = (memory[at + cell] as number) / sum;
  };
}

function trees(memory: Float64Array, { from, to, forest, tables }: StepOf<'trees'>): () => void {
  const { at, size } = to;
  const { leafTarget, leafWeight } = forest;
  const leaves = new Int32Array(forest.roots.length);
  const find = tables ? finderByTables(memory, from, tables, leaves) : finderByWalking(memory, from, forest, leaves);
  if (size === 1) {
    return () => {
      find();
      let sum = 0;
      for (let tree = 0; tree < leaves.length; tree += 1) sum += leafWeight[leaves[tree] as number] as number;
      memory[at] = sum;
    };
  }
  return () => {
    find();
    memory.fill(0, at, at + size);
    for (let tree = 0; tree < leaves.length; tree += 1) {
      const leaf = leaves[tree] as number;
      const target = at + (leafTarget[leaf] as number);
      memory[target] = (memory[target] as number) + (leafWeight[leaf] as number);
    }
  };
}
