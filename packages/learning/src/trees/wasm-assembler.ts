/**
 * Just enough of a WebAssembly assembler for the few loops that dominate tree training. Two things are out of reach
 * of JavaScript there: adding a gradient and a hessian with one 128-bit instruction, and indexing without bounds checks.
 * Written by hand so that the repository needs no other toolchain and the bytes can be read and reviewed.
 */

export type Code = readonly number[];

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const byte = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? byte : byte | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** Signed LEB128 of a 32-bit integer. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0);
    bytes.push(done ? byte : byte | 0x80);
    if (done) return bytes;
  }
}

/** A memory operand: an address and a constant offset in bytes. */
function access(opcode: Code, alignment: number, address: Code, offset: number): number[] {
  return [...address, ...opcode, alignment, ...unsigned(offset)];
}

const binary =
  (opcode: Code) =>
  (left: Code, right: Code): Code => [...left, ...right, ...opcode];

export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)];
export const constant = (value: number): Code => [0x41, ...signed(value)];
export const add = binary([0x6a]);
export const subtract = binary([0x6b]);
export const and = binary([0x71]);
export const shiftLeft = binary([0x74]);
export const shiftRight = binary([0x76]);
export const lessThan = binary([0x49]);
export const addPairs = binary([0xfd, 0xf0, 0x01]);
export const subtractPairs = binary([0xfd, 0xf1, 0x01]);
export const load = (address: Code, offset = 0): Code => access([0x28], 2, address, offset);
export const loadByte = (address: Code, offset = 0): Code => access([0x2d], 0, address, offset);
export const loadPair = (address: Code, offset = 0): Code => access([0xfd, 0x00], 4, address, offset);
export const store = (address: Code, value: Code): Code => [...address, ...value, 0x36, 2, 0];
export const storePair = (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0xfd, 0x0b, 4, ...unsigned(offset)];
export const copyMemory = (to: Code, from: Code, size: Code): Code => [...to, ...from, ...size, 0xfc, 0x0a, 0, 0];

/** Runs the body while the condition holds. */
export function whileLoop(condition: Code, ...body: readonly Code[]): Code {
  return [0x02, 0x40, 0x03, 0x40, ...condition, 0x45, 0x0d, 1, ...body.flat(), 0x0c, 0, 0x0b, 0x0b];
}

export interface WasmFunction {
  readonly name: string;
  /** Number of i32 parameters; they are locals 0, 1, … */
  readonly parameters: number;
  /** Number of further i32 locals and, after them, of 128-bit locals. */
  readonly locals: number;
  readonly pairLocals: number;
  /** Whether the body leaves one i32 as the result. */
  readonly result: boolean;
  readonly body: Code;
}

const I32 = 0x7f;
const V128 = 0x7b;

function section(id: number, entries: readonly Code[]): number[] {
  const content = [...unsigned(entries.length), ...entries.flat()];
  return [id, ...unsigned(content.length), ...content];
}

function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...unsigned(bytes.length), ...bytes];
}

function functionBody(definition: WasmFunction): number[] {
  const groups: number[][] = [];
  if (definition.locals > 0) groups.push([...unsigned(definition.locals), I32]);
  if (definition.pairLocals > 0) groups.push([...unsigned(definition.pairLocals), V128]);
  const content = [...unsigned(groups.length), ...groups.flat(), ...definition.body, 0x0b];
  return [...unsigned(content.length), ...content];
}

/** The magic number and version 1. */
const HEADER: Code = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** Largest memory, in pages: all that 32-bit addresses reach. A shared memory must state a limit. */
export const PAGE_LIMIT = 65_536;

/** The bytes of a module that imports one memory (`env.memory`), shared between threads or not, and exports the functions by name. */
export function assembleModule(functions: readonly WasmFunction[], isShared = false): Uint8Array<ArrayBuffer> {
  const limits = isShared ? [0x03, 0x01, ...unsigned(PAGE_LIMIT)] : [0x00, 0x01];
  const types = functions.map((item) => [
    0x60,
    ...unsigned(item.parameters),
    ...Array.from({ length: item.parameters }, () => I32),
    ...(item.result ? [1, I32] : [0]),
  ]);
  return Uint8Array.from([
    ...HEADER,
    ...section(1, types),
    ...section(2, [[...text('env'), ...text('memory'), 0x02, ...limits]]),
    ...section(
      3,
      functions.map((_, index) => unsigned(index)),
    ),
    ...section(
      7,
      functions.map((item, index) => [...text(item.name), 0x00, ...unsigned(index)]),
    ),
    ...section(10, functions.map(functionBody)),
  ]);
}
