import type { Frame, Row } from '@slipway/kernel';
import { Batcher } from './batcher.ts';
import type { ModelMetadata } from './contract.ts';
import type { Numbers } from './engine.ts';
import { SignatureError } from './errors.ts';
import { createEncoder, type InputEncoder, type InputPlan } from './input-plan.ts';
import { type Lane, type LaneKind, openLane, openLaneHere } from './lane.ts';
import type { ModelLimits } from './onnx/scan.ts';
import { answerOutput, type ModelSource, type PreparedModel } from './prepare.ts';
import type { ModelSignature } from './signature.ts';

/** What a model says about N rows. */
export interface Predictions {
  readonly rowCount: number;
  /** Classification: row-major [N * K], classes in the metadata's order. */
  readonly probabilities?: Float32Array;
  /** Regression: [N]. */
  readonly values?: Float64Array;
  /** Classification: the likeliest class of each row (of equals, the first), or what the metadata's threshold decides; empty for regression. */
  readonly labels: readonly string[];
}

/** The encoded features that the trees or weights see: row-major [rowCount, width]. */
export interface Features {
  readonly rowCount: number;
  readonly width: number;
  readonly values: Float32Array;
}

export interface OpenModelOptions {
  /** A local file; give this or `bytes`. */
  readonly path?: string;
  readonly bytes?: Uint8Array;
  readonly metadata: ModelMetadata;
  /** Threads inside one run, default 1; batch work may ask for more. */
  readonly threads?: number;
  /** Where runs compute; `auto` (default) moves a model whose row takes over 1 ms to a worker. */
  readonly lane?: LaneKind | 'auto';
  /** Where the model is read, packed and measured: on a worker (default), or here, for callers that may block; it then also runs here. */
  readonly prepare?: 'worker' | 'here';
  /** False serves the graph as it is; for comparisons. */
  readonly pack?: boolean;
  readonly limits?: Partial<ModelLimits>;
  /** Rows of one run of `predict`; for batch work, where nobody waits for a thread. Default: what fits a few milliseconds. */
  readonly runRows?: number;
  /** Most rows that wait for their run; default ROW_QUEUE_LIMIT. */
  readonly queueLimit?: number;
}

/** How a loaded model is served. */
export interface ModelFacts {
  readonly lane: LaneKind;
  readonly layout: 'packed' | 'named';
  readonly unpackedReason: string | undefined;
  /** Median of one row when it was loaded. */
  readonly rowMs: number;
  /** Most rows of one run. */
  readonly batchRows: number;
  /** Text columns that the graph only looks up, and the texts it knows: every other text gets one and the same answer. */
  readonly knownTexts: ReadonlyMap<string, readonly string[]>;
}

/** A loaded model. Rows must have passed the contract; frames must hold the contract's columns. */
export interface OnnxModel {
  readonly metadata: ModelMetadata;
  readonly signature: ModelSignature;
  readonly facts: ModelFacts;
  /** Whole frames, in bounded pieces with room for other work between them. */
  predict(frame: Frame): Promise<Predictions>;
  /** A call's rows; calls of one event-loop turn share a run. @throws {ModelBusyError} past the queue's limit. */
  predictRows(rows: readonly Row[]): Promise<Predictions>;
  /** @throws {SignatureError} when the graph has no `features` output. */
  features(frame: Frame): Promise<Features>;
  close(): Promise<void>;
}

/** Rows that may wait for one model. */
export const ROW_QUEUE_LIMIT = 10_000;
/** Most rows of one run whatever they cost. */
export const BATCH_ROW_LIMIT = 1_024;
/** How long one run may occupy its thread, as measured at load. */
const RUN_BUDGET_MS: Readonly<Record<LaneKind, number>> = { inline: 4, worker: 50 };

/**
 * Opens a model: read within limits, checked, packed, measured, and put on its lane.
 * @throws {ModelFormatError | ModelRefusedError | ModelTooLargeError | SignatureError}
 */
export async function openModel(options: OpenModelOptions): Promise<OnnxModel> {
  const source = sourceOf(options);
  const settings = {
    threads: options.threads ?? 1,
    pack: options.pack ?? true,
    lane: options.lane ?? 'auto',
    ...(options.limits ? { limits: options.limits } : {}),
  };
  const open = options.prepare === 'here' ? openLaneHere : openLane;
  const { lane, prepared } = await open(source, options.metadata, settings);
  return new LoadedModel(options, lane, prepared);
}

function sourceOf({ path, bytes }: OpenModelOptions): ModelSource {
  const source = path ?? bytes;
  if (source === undefined) throw new TypeError('openModel needs a path or bytes');
  return source;
}

class LoadedModel implements OnnxModel {
  readonly metadata: ModelMetadata;
  readonly signature: ModelSignature;
  readonly facts: ModelFacts;
  readonly #lane: Lane;
  readonly #encoder: InputEncoder;
  readonly #batcher: Batcher;
  readonly #outputs: readonly string[];
  readonly #width: number;
  readonly #hasFeatures: boolean;

  constructor({ metadata, runRows, queueLimit = ROW_QUEUE_LIMIT }: OpenModelOptions, lane: Lane, prepared: PreparedModel) {
    this.metadata = metadata;
    this.signature = prepared.signature;
    this.#lane = lane;
    this.#encoder = createEncoder(prepared.plan, metadata.contract);
    this.#outputs = [answerOutput(metadata)];
    this.#width = metadata.classes?.length ?? 1;
    this.#hasFeatures = prepared.hasFeatures;
    const batchRows = runRows ?? batchRowsFor(lane.kind, prepared.batchRowMs);
    this.facts = {
      lane: lane.kind,
      layout: prepared.plan.layout,
      unpackedReason: prepared.unpackedReason,
      rowMs: prepared.rowMs,
      batchRows,
      knownTexts: knownTextsOf(prepared.plan),
    };
    const run = async (rows: readonly Row[]) => this.#run(this.#encoder.encodeRows(rows), this.#outputs);
    this.#batcher = new Batcher({ rowLimit: batchRows, queueLimit, width: this.#width, run });
  }

  async predictRows(rows: readonly Row[]): Promise<Predictions> {
    return this.#describe(rows.length, await this.#batcher.add(rows));
  }

  async predict(frame: Frame): Promise<Predictions> {
    const numbers = this.metadata.classes === null ? new Float64Array(frame.rowCount) : new Float32Array(frame.rowCount * this.#width);
    await this.#eachPiece(frame, this.#outputs, (part, start) => numbers.set(part, start * this.#width));
    return this.#describe(frame.rowCount, numbers);
  }

  async features(frame: Frame): Promise<Features> {
    if (!this.#hasFeatures) throw new SignatureError('The graph has no output "features".');
    let values: Float32Array | undefined;
    let width = this.metadata.features.length;
    await this.#eachPiece(frame, ['features'], (part, start, rowCount) => {
      width = part.length / rowCount;
      values ??= new Float32Array(frame.rowCount * width);
      values.set(part, start * width);
    });
    return { rowCount: frame.rowCount, width, values: values ?? new Float32Array(0) };
  }

  async close(): Promise<void> {
    this.#batcher.close();
    await this.#lane.close();
  }

  async #eachPiece(
    frame: Frame,
    outputs: readonly string[],
    use: (numbers: Numbers, start: number, rowCount: number) => void,
  ): Promise<void> {
    const size = this.facts.batchRows;
    for (let start = 0; start < frame.rowCount; start += size) {
      const end = Math.min(start + size, frame.rowCount);
      use(await this.#run(this.#encoder.encodeFrame(frame, start, end), outputs), start, end - start);
    }
  }

  async #run(rows: Parameters<Lane['run']>[0], outputs: readonly string[]): Promise<Numbers> {
    const [numbers] = await this.#lane.run(rows, outputs);
    return numbers as Numbers;
  }

  #describe(rowCount: number, numbers: Numbers): Predictions {
    const { classes } = this.metadata;
    if (classes === null) return { rowCount, values: numbers instanceof Float64Array ? numbers : Float64Array.from(numbers), labels: [] };
    const probabilities = numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
    const labels = Array.from({ length: rowCount }, (_, row) => classes[this.#decide(probabilities, row)] as string);
    return { rowCount, probabilities, labels };
  }

  /** The class that a row is said to be of: by the metadata's threshold of the last of two, or the likeliest. */
  #decide(probabilities: Float32Array, row: number): number {
    const { classes, decision } = this.metadata;
    const width = classes?.length ?? 1;
    if (!decision) return argmax(probabilities, row, width);
    return (probabilities[row * width + 1] as number) >= decision.threshold ? 1 : 0;
  }
}

function knownTextsOf({ columns, texts }: InputPlan): ReadonlyMap<string, readonly string[]> {
  const known = new Map<string, Set<string>>();
  for (const column of columns) {
    if (column.kind !== 'category' || texts.includes(column.field)) continue;
    const keys = known.get(column.field) ?? new Set<string>();
    column.keys.forEach((key) => keys.add(key));
    known.set(column.field, keys);
  }
  return new Map([...known].map(([field, keys]) => [field, [...keys]]));
}

function batchRowsFor(lane: LaneKind, batchRowMs: number): number {
  const affordable = Math.floor(RUN_BUDGET_MS[lane] / Math.max(batchRowMs, 1e-6));
  return Math.max(1, Math.min(BATCH_ROW_LIMIT, affordable));
}

/** Index of the largest of `width` numbers of a row; of equals, the first. */
export function argmax(numbers: ArrayLike<number>, row: number, width: number): number {
  const offset = row * width;
  let best = 0;
  for (let index = 1; index < width; index += 1) {
    if ((numbers[offset + index] as number) > (numbers[offset + best] as number)) best = index;
  }
  return best;
}
