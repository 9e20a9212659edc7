import { integerOf } from '../onnx/codec.ts';
import type { GraphMessage, ModelMessage, NodeMessage, TensorMessage } from '../onnx/messages.ts';
import { numbersOf } from '../onnx/tensor.ts';
import { NUMBERS_INPUT } from '../input-plan.ts';
import { OPERATORS } from './operators.ts';
import { type Builder, CELL_TYPES } from './builder.ts';
import type { CellType, GraphProgram, ProgramOutput, Step } from './program.ts';
import { NotCompilable, sizeOf, type Value } from './values.ts';

/** Cells of a program's memory; larger ones are for ONNX Runtime. */
export const PROGRAM_CELL_LIMIT = 1_000_000;
/** Steps of a program. */
export const PROGRAM_STEP_LIMIT = 5_000;

/** A program, or why the graph cannot be one. */
export type Compiled =
  { readonly program: GraphProgram; readonly reason: undefined } | { readonly program: undefined; readonly reason: string };

/**
 * Turns a packed graph (one input, a matrix of doubles) into steps that JavaScript computes row by row. Knows the operators of the
 * graphs that learning exports and of plain linear, tree and dense models; whatever else there is makes it say no.
 * @param outputs those that serving reads; ones that the graph lacks are left out.
 */
export function compileGraph(model: ModelMessage, outputs: readonly string[]): Compiled {
  try {
    return { program: new Compiler(model.graph).compile(outputs), reason: undefined };
  } catch (thrown) {
    if (thrown instanceof NotCompilable) return { program: undefined, reason: thrown.message };
    throw thrown;
  }
}

const NOTHING: ReadonlySet<number> = new Set();

class Compiler implements Builder {
  readonly #graph: GraphMessage;
  readonly #values = new Map<string, Value>();
  readonly #constants: { at: number; values: Float64Array }[] = [];
  readonly #steps: Step[] = [];
  #cells = 0;
  #inputWidth = 0;

  constructor(graph: GraphMessage) {
    this.#graph = graph;
  }

  compile(outputs: readonly string[]): GraphProgram {
    this.#readInputs();
    for (const tensor of this.#graph.initializer) this.#keepConstant(tensor);
    for (const node of this.#graph.node) this.#compileNode(node);
    const named = outputs.flatMap((name) => {
      const value = this.#values.get(name);
      return value ? [[name, this.#output(value)] as const] : [];
    });
    if (named.length === 0) throw new NotCompilable('the graph lacks the outputs');
    return {
      cells: this.#cells,
      inputWidth: this.#inputWidth,
      constants: this.#constants,
      steps: this.#steps,
      outputs: Object.fromEntries(named),
    };
  }

  input(node: NodeMessage, index: number): Value | undefined {
    const name = node.input[index];
    if (name === undefined || name === '') return undefined;
    const value = this.#values.get(name);
    if (!value) throw new NotCompilable(`"${name}" is of a type that is not computed outside ONNX Runtime`);
    return value;
  }

  tensor({ at }: Value): readonly number[] {
    const constant = this.#constants.find((each) => each.at === at);
    if (!constant) throw new NotCompilable('an operator needs a constant where a value is computed');
    return Array.from(constant.values);
  }

  emit(type: CellType, shape: readonly number[], reads: readonly Value[], stepOf: (to: Step['to']) => Step): Value {
    const number = this.#steps.length;
    if (number >= PROGRAM_STEP_LIMIT) throw new NotCompilable(`the graph needs more than ${PROGRAM_STEP_LIMIT} steps`);
    const size = sizeOf(shape);
    const at = this.#take(size);
    this.#steps.push(stepOf({ at, size, type }));
    return { at, type, shape, isConstant: false, needs: new Set([...reads.flatMap((value) => [...value.needs]), number]) };
  }

  #take(count: number): number {
    const at = this.#cells;
    this.#cells += count;
    if (this.#cells > PROGRAM_CELL_LIMIT) throw new NotCompilable(`the graph needs more than ${PROGRAM_CELL_LIMIT} cells`);
    return at;
  }

  #readInputs(): void {
    const [input, ...others] = this.#graph.input;
    const sizes = input?.type?.tensorType?.shape?.dim ?? [];
    const width = Number(integerOf(sizes[1]?.dimValue ?? 0));
    if (input?.name !== NUMBERS_INPUT || others.length > 0 || width < 1)
      throw new NotCompilable('the graph reads more than one matrix of numbers');
    this.#inputWidth = width;
    this.#values.set(NUMBERS_INPUT, { at: this.#take(width), type: 'double', shape: [width], isConstant: false, needs: NOTHING });
  }

  /** A constant of a type that has no cells is no mistake while no operator asks for it. */
  #keepConstant(tensor: TensorMessage): void {
    const type = CELL_TYPES.get(tensor.dataType);
    if (type === undefined) return;
    const values = type === 'bool' ? truthsOf(tensor) : numbersOf(tensor);
    const shape = tensor.dims.map((size) => Number(integerOf(size)));
    if (values.length !== sizeOf(shape) || values.length === 0) throw new NotCompilable('a constant has not the size it says');
    const at = this.#take(values.length);
    this.#constants.push({ at, values: Float64Array.from(values) });
    this.#values.set(tensor.name ?? '', { at, type, shape, isConstant: true, needs: NOTHING });
  }

  #compileNode(node: NodeMessage): void {
    const operator = OPERATORS.get(`${node.domain ?? ''}:${node.opType}`);
    if (!operator) throw new NotCompilable(`the operator ${node.opType} is not computed outside ONNX Runtime`);
    operator(node, this).forEach((value, index) => {
      const name = node.output[index];
      if (name) this.#values.set(name, value);
    });
  }

  #output({ at, shape, type, isConstant, needs }: Value): ProgramOutput {
    if (isConstant || (type !== 'float' && type !== 'double')) throw new NotCompilable('an output holds no floating-point numbers of rows');
    return { at, width: sizeOf(shape), type, steps: Int32Array.from(needs).sort() };
  }
}

function truthsOf(tensor: TensorMessage): number[] {
  const raw = tensor.rawData;
  return raw !== undefined && raw.length > 0 ? Array.from(raw) : (tensor.int32Data ?? []);
}
