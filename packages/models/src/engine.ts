import type * as Ort from 'onnxruntime-node';
import type { ServingSettings } from '@slipway/kernel';
import { InferenceError, ModelClosedError, ModelFormatError, ProviderMissingError } from './errors.ts';
import { type EncodedRows, type InputPlan, type NamedTensor, NUMBERS_INPUT, TEXTS_INPUT } from './input-plan.ts';
import { GraphBuilder } from './onnx/graph-builder.ts';

/** Numbers that a graph gave, row-major [rowCount, width]. */
export type Numbers = Float32Array | Float64Array;

/** A loaded graph; `run` occupies the calling thread while it computes. */
export interface Engine {
  /** @returns one array per asked output, in order. @throws {InferenceError | ModelClosedError} */
  run(rows: EncodedRows, outputs: readonly string[]): Promise<Numbers[]>;
  /** The same at once, for engines that can: nothing else happens on the thread meanwhile. */
  runNow?(rows: EncodedRows, outputs: readonly string[]): Numbers[];
  close(): Promise<void>;
}

/** What computes a graph. */
export type Provider = NonNullable<ServingSettings['provider']>;

export interface EngineOptions {
  /** Threads inside one run; 1 keeps latency steady on shared machines. */
  readonly threads?: number | undefined;
  /** Default `cpu`. */
  readonly provider?: Provider | undefined;
}

let library: Promise<typeof Ort> | undefined;

/** ONNX Runtime, loaded when the first model is (it costs ~40 MB). */
async function loadLibrary(): Promise<typeof Ort> {
  library ??= import('onnxruntime-node');
  return library;
}

/** Loads a graph that has passed `checkModel`. @throws {ModelFormatError} with the engine's words when it refuses it. */
export async function openEngine(source: string | Uint8Array, plan: InputPlan, options: EngineOptions = {}): Promise<Engine> {
  const ort = await loadLibrary();
  if (options.provider !== undefined) await requireProvider(options.provider);
  const session = await createSession(ort, source, options);
  const feed = plan.layout === 'packed' ? packedFeed(ort, plan) : namedFeed(ort, plan);
  let isClosed = false;
  return {
    async run(rows, outputs) {
      if (isClosed) throw new ModelClosedError('The model was closed.');
      const parts: Numbers[][] = [];
      for (const part of piecesOf(rows, plan.texts.length)) {
        const result = await runSession(session, feed(part), outputs);
        parts.push(outputs.map((name) => numbersIn(result[name], name)));
      }
      return outputs.map((_, at) => joined(parts.map((part) => part[at] as Numbers)));
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      await session.release();
    },
  };
}

/**
 * Rows times characters of the longest text that one run may have: text operators pad every row to the longest, so one
 * long text among many rows would cost the memory of many long ones.
 */
const TEXT_CELL_LIMIT = 4_000_000;

/** The rows in pieces that keep to TEXT_CELL_LIMIT, one row at least each; all of them when they do. */
function piecesOf(rows: EncodedRows, textWidth: number): EncodedRows[] {
  if (textWidth === 0 || rows.rowCount <= 1) return [rows];
  const starts = [0];
  let longest = 0;
  for (let row = 0; row < rows.rowCount; row += 1) {
    let own = 1;
    for (let at = row * textWidth; at < (row + 1) * textWidth; at += 1) own = Math.max(own, (rows.texts[at] as string).length);
    longest = Math.max(longest, own);
    const first = starts.at(-1) ?? 0;
    if (row === first || longest * (row + 1 - first) <= TEXT_CELL_LIMIT) continue;
    starts.push(row);
    longest = own;
  }
  if (starts.length === 1) return [rows];
  const width = rows.numbers.length / rows.rowCount;
  return starts.map((start, index) => {
    const end = starts[index + 1] ?? rows.rowCount;
    return {
      rowCount: end - start,
      numbers: rows.numbers.slice(start * width, end * width),
      texts: rows.texts.slice(start * textWidth, end * textWidth),
    };
  });
}

function joined(parts: readonly Numbers[]): Numbers {
  const [first] = parts;
  if (first === undefined) throw new InferenceError('The model was run without rows.');
  if (parts.length === 1) return first;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const all = first instanceof Float32Array ? new Float32Array(length) : new Float64Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const found = new Map<Provider, Promise<void>>();

/**
 * Makes sure that a provider can compute here, by letting it: asked for one whose binaries are not there, ONNX Runtime must
 * not answer with another. Costs a moment the first time. @throws {ProviderMissingError}
 */
export function requireProvider(provider: Provider): Promise<void> {
  if (provider === 'cpu') return Promise.resolve();
  let known = found.get(provider);
  if (!known) found.set(provider, (known = tryProvider(provider)));
  return known;
}

async function tryProvider(provider: Provider): Promise<void> {
  const ort = await loadLibrary();
  const graph = new GraphBuilder('probe');
  graph.op('Identity', [graph.input('x', 'float', ['N', 1])], {}, { output: 'y' });
  graph.output('y', 'float', ['N', 1]);
  try {
    const session = await ort.InferenceSession.create(graph.build(), { executionProviders: [provider], logSeverityLevel: 4 });
    await session.release();
  } catch (cause) {
    const there = ort.listSupportedBackends().filter(({ name, bundled }) => bundled && PROVIDERS.has(name));
    throw new ProviderMissingError(`This server cannot compute with "${provider}": ${shorten(cause)}`, {
      details: { field: 'serving.provider', got: provider, available: there.map(({ name }) => name) },
      help: `Put the ${provider} binaries of onnxruntime-node there, or leave serving.provider out: then the processor computes.`,
      cause,
    });
  }
}

const PROVIDERS: ReadonlySet<string> = new Set<Provider>(['cpu', 'cuda', 'dml', 'coreml']);

async function createSession(ort: typeof Ort, source: string | Uint8Array, asked: EngineOptions): Promise<Ort.InferenceSession> {
  const options: Ort.InferenceSession.SessionOptions = {
    // Operators that the provider lacks are computed by the processor, as ONNX Runtime always does.
    executionProviders: [asked.provider ?? 'cpu'],
    intraOpNumThreads: asked.threads ?? 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // Its errors arrive as exceptions; the log would repeat them on stderr.
    logSeverityLevel: 4,
    // Waiting threads would otherwise burn a core between calls.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  };
  try {
    // The overloads take a path or bytes, never their union.
    return typeof source === 'string'
      ? await ort.InferenceSession.create(source, options)
      : await ort.InferenceSession.create(source, options);
  } catch (cause) {
    throw new ModelFormatError(`ONNX Runtime does not accept the model: ${shorten(cause)}`, { cause });
  }
}

async function runSession(session: Ort.InferenceSession, feeds: Ort.InferenceSession.FeedsType, outputs: readonly string[]) {
  try {
    return await session.run(feeds, outputs);
  } catch (cause) {
    throw new InferenceError(`The model failed on its input: ${shorten(cause)}`, { cause });
  }
}

/** The first line of the engine's message without paths of its build machine and C++ signatures. */
function shorten(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const line = text.split('\n')[0] ?? '';
  return line
    .replaceAll(/\/[\w./-]+:\d+\s*/g, '')
    .replaceAll(/\S+ onnxruntime::.*\[with [^\]]*\]\s*/g, '')
    .slice(0, 400);
}

function numbersIn(tensor: Ort.Tensor | undefined, name: string): Numbers {
  const data = tensor?.data;
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  throw new InferenceError(`The output "${name}" holds no floating-point numbers.`);
}

type Feed = (rows: EncodedRows) => Record<string, Ort.Tensor>;

function packedFeed(ort: typeof Ort, plan: InputPlan): Feed {
  const width = plan.columns.length;
  const textWidth = plan.texts.length;
  return ({ rowCount, numbers, texts }) => {
    const feeds: Record<string, Ort.Tensor> = { [NUMBERS_INPUT]: new ort.Tensor('float64', numbers, [rowCount, width]) };
    if (textWidth > 0) feeds[TEXTS_INPUT] = new ort.Tensor('string', texts, [rowCount, textWidth]);
    return feeds;
  };
}

function namedFeed(ort: typeof Ort, plan: InputPlan): Feed {
  const width = plan.columns.length;
  return (rows) => {
    const feeds: Record<string, Ort.Tensor> = {};
    plan.tensors.forEach((tensor, position) => {
      const dims = tensor.rank === 2 ? [rows.rowCount, 1] : [rows.rowCount];
      feeds[tensor.name] =
        tensor.elementType === 'string'
          ? new ort.Tensor('string', textsAt(rows, position - width, plan.texts.length), dims)
          : numberTensor(
              ort,
              tensor,
              Float64Array.from({ length: rows.rowCount }, (_, row) => rows.numbers[row * width + position] as number),
              dims,
            );
    });
    return feeds;
  };
}

function textsAt(rows: EncodedRows, position: number, width: number): string[] {
  return Array.from({ length: rows.rowCount }, (_, row) => rows.texts[row * width + position] as string);
}

function numberTensor(ort: typeof Ort, tensor: NamedTensor, values: Float64Array, dims: number[]): Ort.Tensor {
  if (tensor.elementType === 'double') return new ort.Tensor('float64', values, dims);
  if (tensor.elementType === 'float') return new ort.Tensor('float32', Float32Array.from(values), dims);
  return new ort.Tensor(
    'int64',
    BigInt64Array.from(values, (value) => BigInt(Math.trunc(value))),
    dims,
  );
}
