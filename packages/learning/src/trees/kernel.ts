import {
  add,
  addPairs,
  and,
  assembleModule,
  constant,
  copyMemory,
  get,
  lessThan,
  load,
  loadByte,
  loadPair,
  set,
  shiftLeft,
  shiftRight,
  store,
  storePair,
  subtract,
  subtractPairs,
  whileLoop,
  type Code,
  type WasmFunction,
} from './wasm-assembler.ts';

/** Bins per feature including bin 0, which always means missing. */
export const BIN_LIMIT = 256;
/** Features whose bins lie next to each other in one 32-bit word, read together when a histogram is filled. */
export const GROUP_SIZE = 4;
/** Bytes of one histogram cell: gradient and hessian as doubles. */
export const CELL_BYTES = 16;
/** Bytes of one feature's histogram. */
export const FEATURE_BYTES = BIN_LIMIT * CELL_BYTES;

/** The loops over rows that dominate training. All arguments are byte addresses in the kernel's memory, or counts. */
export interface Kernel {
  /** Adds the (gradient, hessian) pairs of `count` rows into the histograms of the four features of one group. */
  fill(bins: number, rows: number, count: number, pairs: number, histogram: number): void;
  /** Copies the pairs of the listed rows into row-list order, so that each group reads them in sequence. */
  gather(pairs: number, rows: number, count: number, ordered: number): void;
  /** histogram -= other, over `count` cells. */
  subtract(histogram: number, other: number, count: number): void;
  /** Stable in-place partition of a row list by `goesLeft[bin]` (one byte each); returns how many went left. */
  partition(bins: number, rows: number, count: number, scratch: number, goesLeft: number): number;
}

const byteOf = (word: Code, position: number): Code =>
  position === 0 ? and(word, constant(255)) : and(shiftRight(word, constant(8 * position)), constant(255));

/** Locals of fill: parameters, then end, word, cell addresses; then the pair. */
function fillFunction(): WasmFunction {
  const [bins, rows, count, pairs, histogram, end, word, cell] = [0, 1, 2, 3, 4, 5, 6, 7];
  const pair = 8;
  const accumulate = (position: number): Code => {
    const offset = position * FEATURE_BYTES;
    return [
      ...set(cell, add(get(histogram), shiftLeft(byteOf(get(word), position), constant(4)))),
      ...storePair(get(cell), addPairs(loadPair(get(cell), offset), get(pair)), offset),
    ];
  };
  const body = [
    ...set(end, add(get(rows), shiftLeft(get(count), constant(2)))),
    ...whileLoop(
      lessThan(get(rows), get(end)),
      set(word, load(add(get(bins), shiftLeft(load(get(rows)), constant(2))))),
      set(pair, loadPair(get(pairs))),
      accumulate(0),
      accumulate(1),
      accumulate(2),
      accumulate(3),
      set(rows, add(get(rows), constant(4))),
      set(pairs, add(get(pairs), constant(CELL_BYTES))),
    ),
  ];
  return { name: 'fill', parameters: 5, locals: 3, pairLocals: 1, result: false, body };
}

function gatherFunction(): WasmFunction {
  const [pairs, rows, count, ordered, end] = [0, 1, 2, 3, 4];
  const body = [
    ...set(end, add(get(rows), shiftLeft(get(count), constant(2)))),
    ...whileLoop(
      lessThan(get(rows), get(end)),
      storePair(get(ordered), loadPair(add(get(pairs), shiftLeft(load(get(rows)), constant(4))))),
      set(rows, add(get(rows), constant(4))),
      set(ordered, add(get(ordered), constant(CELL_BYTES))),
    ),
  ];
  return { name: 'gather', parameters: 4, locals: 1, pairLocals: 0, result: false, body };
}

function subtractFunction(): WasmFunction {
  const [histogram, other, count, end] = [0, 1, 2, 3];
  const body = [
    ...set(end, add(get(histogram), shiftLeft(get(count), constant(4)))),
    ...whileLoop(
      lessThan(get(histogram), get(end)),
      storePair(get(histogram), subtractPairs(loadPair(get(histogram)), loadPair(get(other)))),
      set(histogram, add(get(histogram), constant(CELL_BYTES))),
      set(other, add(get(other), constant(CELL_BYTES))),
    ),
  ];
  return { name: 'subtract', parameters: 3, locals: 1, pairLocals: 0, result: false, body };
}

/** Without branches: every row is written to both sides, and only one of the two write positions moves on. */
function partitionFunction(): WasmFunction {
  const [bins, rows, count, scratch, goesLeft, end, reading, left, right, row, isLeft] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const body = [
    ...set(end, add(get(rows), shiftLeft(get(count), constant(2)))),
    ...set(reading, get(rows)),
    ...set(left, get(rows)),
    ...set(right, get(scratch)),
    ...whileLoop(
      lessThan(get(reading), get(end)),
      set(row, load(get(reading))),
      set(isLeft, shiftLeft(loadByte(add(get(goesLeft), loadByte(add(get(bins), shiftLeft(get(row), constant(2)))))), constant(2))),
      store(get(left), get(row)),
      store(get(right), get(row)),
      set(left, add(get(left), get(isLeft))),
      set(right, subtract(add(get(right), constant(4)), get(isLeft))),
      set(reading, add(get(reading), constant(4))),
    ),
    ...copyMemory(get(left), get(scratch), subtract(get(right), get(scratch))),
    ...shiftRight(subtract(get(left), get(rows)), constant(2)),
  ];
  return { name: 'partition', parameters: 5, locals: 6, pairLocals: 0, result: true, body };
}

/** A memory of WebAssembly; a shared one can be handed to other threads. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
}

/** The part of WebAssembly used here: a global of Node whose types come only with the DOM's library. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Memory: new (descriptor: { initial: number; maximum?: number; shared?: boolean }) => WasmMemory;
  readonly Instance: new (module: object, imports: { env: { memory: object } }) => { readonly exports: unknown };
}
const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyApi };

const PAGE_BYTES = 65_536;
/** Modules over a memory of one thread, and over a shared one. */
const compiled: { own?: object; shared?: object } = {};

/** Instantiates the kernel over a new memory of the given size in bytes, shared between threads when asked. */
export function createKernel(sizeBytes: number, isShared = false): { kernel: Kernel; buffer: ArrayBufferLike; memory: WasmMemory } {
  const initial = Math.max(1, Math.ceil(sizeBytes / PAGE_BYTES));
  const memory = new WebAssembly.Memory(isShared ? { initial, maximum: initial, shared: true } : { initial });
  return { kernel: attachKernel(memory), buffer: memory.buffer, memory };
}

/** Instantiates the kernel over a memory that exists. */
export function attachKernel(memory: WasmMemory): Kernel {
  const kind = memory.buffer instanceof SharedArrayBuffer ? 'shared' : 'own';
  const functions = [fillFunction(), gatherFunction(), subtractFunction(), partitionFunction()];
  compiled[kind] ??= new WebAssembly.Module(assembleModule(functions, kind === 'shared'));
  // The exports are the four functions assembled above, in the shape the interface states.
  return new WebAssembly.Instance(compiled[kind], { env: { memory } }).exports as Kernel;
}
