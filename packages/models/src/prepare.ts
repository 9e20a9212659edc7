import { readFile, stat } from 'node:fs/promises';
import { openCompiledEngine } from './compiled/compiled-engine.ts';
import { compileGraph } from './compiled/compile-graph.ts';
import type { GraphProgram } from './compiled/program.ts';
import type { ModelMetadata } from './contract.ts';
import { openEngine, type Engine, type EngineOptions, type Numbers } from './engine.ts';
import { createEncoder, namedPlan, type EncodedRows, type InputPlan, type NamedTensor } from './input-plan.ts';
import { checkModel } from './onnx/check.ts';
import { decodeModel } from './onnx/codec.ts';
import { MODEL_LIMITS, type ModelLimits } from './onnx/scan.ts';
import { ModelTooLargeError } from './errors.ts';
import { packInputs } from './pack.ts';
import { compileSample } from './sample-rows.ts';
import { checkSignature, signatureOf, type ModelSignature } from './signature.ts';

/** A local file, or the bytes. */
export type ModelSource = string | Uint8Array;

export interface PrepareOptions extends EngineOptions {
  readonly limits?: Partial<ModelLimits>;
  /** False leaves the graph as it is and feeds its inputs one by one. */
  readonly pack: boolean;
  /** True lets JavaScript compute the graph where it answers as ONNX Runtime does, and sooner. */
  readonly compile: boolean;
}

/** What loading found out about a model. Plain data: a worker makes it, the main thread uses it. */
export interface PreparedModel {
  readonly signature: ModelSignature;
  readonly plan: InputPlan;
  /** The derived graph; undefined when the original is served as it is. */
  readonly packedBytes: Uint8Array | undefined;
  /** Why the original is served, when it is. */
  readonly unpackedReason: string | undefined;
  /** The packed graph as a program for the thread that asks; undefined when ONNX Runtime computes it. */
  readonly program: GraphProgram | undefined;
  /** Why there is no program. */
  readonly uncompiledReason: string | undefined;
  /** Median time of one row, in milliseconds, and of one row within a batch. */
  readonly rowMs: number;
  readonly batchRowMs: number;
  readonly hasFeatures: boolean;
  /** Of the graph as it is served. */
  readonly sizeBytes: number;
}

/** Differences between the packed and the original graph above this, relative to max(1, |value|), refuse the packed one. */
const PACK_TOLERANCE = 1e-6;
const PARITY_ROWS = 64;
const MEASURE_REPEATS = 40;
const MEASURE_BUDGET_MS = 200;
const WARM_RUNS = 2_000;
const WARM_BUDGET_MS = 60;

/**
 * Reads, checks, packs and measures a model: everything that needs time or meets untrusted bytes.
 * @returns the description and the engine that would serve it; close the engine when it is not used.
 */
export async function prepareModel(
  source: ModelSource,
  metadata: ModelMetadata,
  options: PrepareOptions,
): Promise<{ prepared: PreparedModel; engine: Engine }> {
  const bytes = typeof source === 'string' ? await readModelFile(source, options.limits) : source;
  const model = decodeModel(bytes, options.limits);
  checkModel(model);
  const signature = signatureOf(model);
  checkSignature(signature, metadata);
  const original = namedPlan(signature.inputs.map(namedTensor));
  const engine = await openEngine(bytes, original, options);
  const shared = { signature, hasFeatures: signature.outputs.some((output) => output.name === 'features') };
  const named: Candidate = { plan: original, bytes: undefined, engine };
  const choice = options.pack
    ? await choosePacked(named, options, metadata, () => packInputs(model, keptOutputs(metadata)))
    : { ...named, reason: 'asked to' };
  const compiled = options.compile ? await chooseProgram(choice, metadata) : { reason: 'asked to' };
  return {
    prepared: {
      ...shared,
      plan: choice.plan,
      packedBytes: choice.bytes,
      unpackedReason: choice.reason,
      program: compiled.program,
      uncompiledReason: compiled.reason,
      sizeBytes: (choice.bytes ?? bytes).length,
      ...(compiled.times ?? (await measure(choice, metadata))),
    },
    engine: choice.engine,
  };
}

interface RowTimes {
  readonly rowMs: number;
  readonly batchRowMs: number;
}

/** The packed graph as a program, when that answers sample rows as ONNX Runtime does and a row of it comes sooner; else why not. */
async function chooseProgram(
  packed: Candidate,
  metadata: ModelMetadata,
): Promise<{ readonly program?: GraphProgram; readonly times?: RowTimes; readonly reason: string | undefined }> {
  if (!packed.bytes || packed.plan.texts.length > 0) return { reason: 'the graph reads more than one matrix of numbers' };
  const { program, reason } = compileGraph(decodeModel(packed.bytes), keptOutputs(metadata));
  if (!program) return { reason };
  const engine = openCompiledEngine(program);
  const candidate: Candidate = { plan: packed.plan, bytes: packed.bytes, engine };
  for (const output of Object.keys(program.outputs)) {
    const difference = await largestDifference(packed, candidate, metadata, output);
    if (difference > PACK_TOLERANCE) return { reason: `"${output}" of the program differs by ${difference}` };
  }
  const [own, native] = [await measure(candidate, metadata), await measure(packed, metadata)];
  if (own.rowMs >= native.rowMs) return { times: native, reason: 'ONNX Runtime answers a row sooner' };
  return { program, times: own, reason: undefined };
}

async function readModelFile(path: string, limits: Partial<ModelLimits> | undefined): Promise<Uint8Array> {
  const limitBytes = limits?.sizeBytes ?? MODEL_LIMITS.sizeBytes;
  const { size } = await stat(path);
  if (size > limitBytes) throw new ModelTooLargeError(`The model has ${size} bytes; at most ${limitBytes} are accepted.`);
  return readFile(path);
}

/** The output that holds a task's answer. */
export function answerOutput(metadata: ModelMetadata): 'prediction' | 'probabilities' {
  return metadata.classes === null ? 'prediction' : 'probabilities';
}

function keptOutputs(metadata: ModelMetadata): string[] {
  return [answerOutput(metadata), 'features'];
}

function namedTensor({ name, elementType, shape }: ModelSignature['inputs'][number]): NamedTensor {
  // checkSignature has restricted the types to these.
  return { name, elementType: elementType as NamedTensor['elementType'], rank: shape.length === 1 ? 1 : 2 };
}

/** A graph that could serve, with its engine. */
export interface Candidate {
  readonly plan: InputPlan;
  readonly bytes: Uint8Array | undefined;
  readonly engine: Engine;
  readonly reason?: string | undefined;
}

/** The packed graph when it answers sample rows as the original does; else the original, and why. The other engine is closed. */
export async function choosePacked(
  named: Candidate,
  engineOptions: EngineOptions,
  metadata: ModelMetadata,
  pack: () => ReturnType<typeof packInputs>,
): Promise<Candidate & { reason: string | undefined }> {
  const packed = pack();
  if (!packed) return { ...named, reason: 'the graph has inputs or subgraphs that cannot be packed' };
  const engine = await openEngine(packed.bytes, packed.plan, engineOptions);
  const candidate = { plan: packed.plan, bytes: packed.bytes, engine };
  const difference = await largestDifference(named, candidate, metadata);
  if (difference <= PACK_TOLERANCE) {
    await named.engine.close();
    return { ...candidate, reason: undefined };
  }
  await engine.close();
  return { ...named, reason: `the packed graph differs by ${difference}` };
}

/** Largest relative difference of the answers of two graphs over sample rows; NaN on one side only is infinite. */
async function largestDifference(
  left: Candidate,
  right: Candidate,
  metadata: ModelMetadata,
  output: string = answerOutput(metadata),
): Promise<number> {
  const sample = compileSample(metadata.contract, right.plan, PARITY_ROWS);
  const answers = [output];
  const [expected, got] = await Promise.all(
    [left, right].map(async ({ plan, engine }) => {
      const [numbers] = await engine.run(createEncoder(plan, metadata.contract).encodeRows(sample), answers);
      return numbers as Numbers;
    }),
  );
  return relativeDifference(expected as Numbers, got as Numbers);
}

function relativeDifference(expected: Numbers, got: Numbers): number {
  if (expected.length !== got.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let index = 0; index < expected.length; index += 1) {
    const left = expected[index] as number;
    const right = got[index] as number;
    if (Object.is(left, right) || left === right) continue;
    const difference = Math.abs(left - right) / Math.max(1, Math.abs(left));
    largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference);
  }
  return largest;
}

async function measure({ plan, engine }: Candidate, metadata: ModelMetadata): Promise<RowTimes> {
  const encoder = createEncoder(plan, metadata.contract);
  const sample = compileSample(metadata.contract, plan, PARITY_ROWS);
  const outputs = [answerOutput(metadata)];
  // Different rows take different branches; one row repeated would look twice as fast as it is.
  const singles = sample.map((row) => encoder.encodeRows([row]));
  if (engine.runNow) warmProgram(engine.runNow, singles, outputs);
  return {
    rowMs: await medianMs(engine, singles, outputs),
    batchRowMs: (await medianMs(engine, [encoder.encodeRows(sample)], outputs)) / sample.length,
  };
}

/** JavaScript is ten times slower until it is compiled, which takes some hundred runs; serving is measured as it will be. */
function warmProgram(runNow: NonNullable<Engine['runNow']>, singles: readonly EncodedRows[], outputs: readonly string[]): void {
  const startedMs = performance.now();
  for (let run = 0; run < WARM_RUNS && performance.now() - startedMs < WARM_BUDGET_MS; run += 1)
    runNow(singles[run % singles.length] as EncodedRows, outputs);
}

async function medianMs(engine: Engine, batches: readonly EncodedRows[], outputs: readonly string[]): Promise<number> {
  const times: number[] = [];
  const startedMs = performance.now();
  while (times.length < MEASURE_REPEATS && (times.length < 2 || performance.now() - startedMs < MEASURE_BUDGET_MS)) {
    const batch = batches[times.length % batches.length] as EncodedRows;
    const beforeMs = performance.now();
    if (engine.runNow) engine.runNow(batch, outputs);
    else await engine.run(batch, outputs);
    times.push(performance.now() - beforeMs);
  }
  // The first run also builds arenas; it is no measure of the later ones.
  const later = times.slice(1).toSorted((left, right) => left - right);
  return later[Math.floor(later.length / 2)] ?? (times[0] as number);
}
