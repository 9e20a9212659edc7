import type { CallWish, Capacity, Frame, PlatformError, Row, ServingSettings } from '@slipway/kernel';
import { Batcher, type CallOptions, type RunFacts } from './batcher.ts';
import type { ModelMetadata } from './contract.ts';
import type { Numbers, Provider } from './engine.ts';
import { SignatureError } from './errors.ts';
import { InlineGuard } from './inline-guard.ts';
import { createEncoder, type InputEncoder, type InputPlan } from './input-plan.ts';
import { type Lane, type LaneKind, type LaneOptions, openLane, openLaneHere } from './lane.ts';
import type { ModelLimits } from './onnx/scan.ts';
import { answerOutput, type ModelSource, type PreparedModel } from './prepare.ts';
import { compileSample } from './sample-rows.ts';
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
  /** False leaves all computing to ONNX Runtime. By default a cheap graph of plain numbers is computed by a program in JavaScript. */
  readonly compile?: boolean;
  readonly limits?: Partial<ModelLimits>;
  /** Rows of one run of `predict`; for batch work, where nobody waits for a thread. Default: what fits a few milliseconds. */
  readonly runRows?: number;
  /** Most rows that wait for their run; default ROW_QUEUE_LIMIT. */
  readonly queueLimit?: number;
  /** As a release serves it: several workers where the model is slow, warmed up, and what the settings say. */
  readonly serving?: ServingSettings;
  /** Told of every run of calls. */
  readonly onRun?: ((facts: RunFacts, lane: LaneKind) => void) | undefined;
}

/** How a loaded model is served. */
export interface ModelFacts {
  readonly lane: LaneKind;
  /** Runs that compute at once. */
  readonly lanes: number;
  readonly layout: 'packed' | 'named';
  readonly unpackedReason: string | undefined;
  /** `program`: computed in JavaScript on the thread that asks; `onnxruntime` otherwise, and why. */
  readonly engine: 'onnxruntime' | 'program';
  readonly uncompiledReason: string | undefined;
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
  /** `facts.lane`, cheaper to ask. */
  readonly lane: LaneKind;
  readonly capacity: Capacity;
  /** Whole frames, in bounded pieces with room for other work between them. */
  predict(frame: Frame): Promise<Predictions>;
  /**
   * A call's rows; calls that wait share a run. @throws {ModelBusyError} when they would wait too long or past the queue's
   * limit. @throws {ModelTimeoutError} when their deadline passes before their turn.
   */
  predictRows(rows: readonly Row[], options?: CallOptions): Promise<Predictions>;
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
  const settings = laneOptionsOf(options);
  const open = options.prepare === 'here' ? openLaneHere : openLane;
  const { lane, prepared } = await open(source, options.metadata, settings);
  // A model that was prepared here is to compute here; one whose lane was chosen stays there.
  const canMove = options.prepare !== 'here' && settings.lane === 'auto';
  const more = canMove ? async () => (await openLane(source, options.metadata, { ...settings, lane: 'worker' })).lane : undefined;
  const model = new LoadedModel(options, lane, prepared, more);
  if (options.serving && options.serving.warmup !== false) await model.warmUp();
  return model;
}

function laneOptionsOf({ serving, ...options }: OpenModelOptions): LaneOptions {
  const lane = options.lane ?? serving?.lane ?? 'auto';
  const threads = options.threads ?? serving?.threads ?? 1;
  const provider = serving?.provider satisfies Provider | undefined;
  // Many rows in one run are what ONNX Runtime is good at, and so are its providers and threads.
  const isSmall = lane !== 'worker' && threads === 1 && (provider ?? 'cpu') === 'cpu' && options.runRows === undefined;
  return {
    threads,
    provider,
    pack: options.pack ?? true,
    compile: isSmall && (options.compile ?? true) && (options.pack ?? true),
    lane,
    lanes: serving ? (serving.lanes ?? 'auto') : 1,
    ...(options.limits ? { limits: options.limits } : {}),
  };
}

function sourceOf({ path, bytes }: OpenModelOptions): ModelSource {
  const source = path ?? bytes;
  if (source === undefined) throw new TypeError('openModel needs a path or bytes');
  return source;
}

class LoadedModel implements OnnxModel {
  readonly metadata: ModelMetadata;
  readonly signature: ModelSignature;
  readonly capacity: Capacity;
  readonly #prepared: PreparedModel;
  readonly #encoder: InputEncoder;
  readonly #batcher: Batcher;
  readonly #outputs: readonly string[];
  readonly #width: number;
  readonly #deadlineMs: number | undefined;
  readonly #knownTexts: ReadonlyMap<string, readonly string[]>;
  readonly #onRun: OpenModelOptions['onRun'];
  readonly #openWorkers: (() => Promise<Lane>) | undefined;
  #guard: InlineGuard | undefined;
  #lane: Lane;
  #moving = false;
  #isClosed = false;
  inFlight = 0;

  constructor(options: OpenModelOptions, lane: Lane, prepared: PreparedModel, openWorkers: (() => Promise<Lane>) | undefined) {
    const { metadata, runRows, serving = {} } = options;
    this.metadata = metadata;
    this.signature = prepared.signature;
    this.#prepared = prepared;
    this.#lane = lane;
    this.#encoder = createEncoder(prepared.plan, metadata.contract);
    this.#outputs = [answerOutput(metadata)];
    this.#width = metadata.classes?.length ?? 1;
    this.#deadlineMs = serving.deadlineMs;
    this.#knownTexts = knownTextsOf(prepared.plan);
    this.#onRun = options.onRun;
    this.#openWorkers = openWorkers;
    const rowLimit = runRows ?? batchRowsFor(lane.kind, prepared.batchRowMs, serving.maxBatchRows);
    // Whoever says how many rows a run has does not mind how long it takes.
    if (lane.kind === 'inline' && runRows === undefined)
      this.#guard = new InlineGuard({ rowLimitMax: rowLimit, budgetMs: RUN_BUDGET_MS.inline });
    this.#batcher = new Batcher({
      rowLimit,
      queueLimit: options.queueLimit ?? serving.queueRows ?? ROW_QUEUE_LIMIT,
      width: this.#width,
      lanes: lane.lanes,
      delayMs: serving.batchDelayMs ?? 0,
      rowMs: prepared.batchRowMs,
      run: async (rows) => this.#run(this.#encoder.encodeRows(rows), this.#outputs),
      runNow: (rows) => this.#lane.runNow?.(this.#encoder.encodeRows(rows), this.#outputs)[0],
      onRun: (facts) => this.#ran(facts),
    });
    this.capacity = new ModelCapacity(this, () => this.#lane.memoryBytes, this.#batcher);
  }

  get facts(): ModelFacts {
    return {
      lane: this.#lane.kind,
      lanes: this.#lane.lanes,
      layout: this.#prepared.plan.layout,
      unpackedReason: this.#prepared.unpackedReason,
      engine: this.#lane.runNow ? 'program' : 'onnxruntime',
      uncompiledReason: this.#prepared.uncompiledReason,
      rowMs: this.#prepared.rowMs,
      batchRows: this.#batcher.rowLimit,
      knownTexts: this.#knownTexts,
    };
  }

  /** Where calls compute at present; cheaper to ask than all facts. */
  get lane(): LaneKind {
    return this.#lane.kind;
  }

  /** Runs of the sizes that will be used, on every lane, over rows like the contract's: the first caller finds arenas and caches made. */
  async warmUp(): Promise<void> {
    const most = this.#batcher.rowLimit;
    const sample = compileSample(this.metadata.contract, this.#prepared.plan, most);
    for (const rows of [1, 1, Math.ceil(most / 4), most]) {
      const encoded = () => this.#encoder.encodeRows(sample.slice(0, rows));
      await Promise.all(Array.from({ length: this.#lane.lanes }, () => this.#lane.run(encoded(), this.#outputs)));
    }
  }

  async predictRows(rows: readonly Row[], options: CallOptions = {}): Promise<Predictions> {
    this.inFlight += 1;
    try {
      const { deadlineMs = this.#deadlineMs === undefined ? undefined : performance.now() + this.#deadlineMs } = options;
      const asked = deadlineMs === options.deadlineMs ? options : { ...options, deadlineMs };
      return this.#describe(rows.length, await this.#batcher.add(rows, asked));
    } finally {
      this.inFlight -= 1;
    }
  }

  async predict(frame: Frame): Promise<Predictions> {
    const numbers = this.metadata.classes === null ? new Float64Array(frame.rowCount) : new Float32Array(frame.rowCount * this.#width);
    await this.#eachPiece(frame, this.#outputs, (part, start) => numbers.set(part, start * this.#width));
    return this.#describe(frame.rowCount, numbers);
  }

  async features(frame: Frame): Promise<Features> {
    if (!this.#prepared.hasFeatures) throw new SignatureError('The graph has no output "features".');
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
    this.#isClosed = true;
    this.#batcher.close();
    await this.#lane.close();
  }

  /** Inline runs that turn out slower than measured become smaller, or leave the event loop's thread. */
  #ran(facts: RunFacts): void {
    this.#onRun?.(facts, this.#lane.kind);
    const advice = this.#guard?.advise(this.#lane.lastRunMs, facts.rows, this.#batcher.rowLimit);
    if (advice === undefined) return;
    if (advice !== 'leave') this.#batcher.adapt(advice);
    else if (this.#openWorkers && !this.#moving) void this.#move(this.#openWorkers);
  }

  /** Calls go on being answered inline until the workers are ready. */
  async #move(openWorkers: () => Promise<Lane>): Promise<void> {
    this.#moving = true;
    const workers = await openWorkers().catch(() => undefined);
    if (!workers) return;
    if (this.#isClosed) return workers.close();
    const inline = this.#lane;
    this.#lane = workers;
    this.#guard = undefined;
    this.#batcher.adapt({ lanes: workers.lanes, rowLimit: batchRowsFor('worker', this.#batcher.rowMs, this.#batcher.rowLimit) });
    await inline.close();
  }

  async #eachPiece(
    frame: Frame,
    outputs: readonly string[],
    use: (numbers: Numbers, start: number, rowCount: number) => void,
  ): Promise<void> {
    const size = this.#batcher.rowLimit;
    this.inFlight += 1;
    try {
      for (let start = 0; start < frame.rowCount; start += size) {
        const end = Math.min(start + size, frame.rowCount);
        use(await this.#run(this.#encoder.encodeFrame(frame, start, end), outputs), start, end - start);
      }
    } finally {
      this.inFlight -= 1;
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
    const labels: string[] = [];
    for (let row = 0; row < rowCount; row += 1) labels.push(classes[this.#decide(probabilities, row)] as string);
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

/** On a worker, whoever sets a limit gets it; on the event loop's thread the budget stands whatever is set. */
function batchRowsFor(lane: LaneKind, batchRowMs: number, asked: number | undefined): number {
  if (lane === 'worker' && asked !== undefined) return asked;
  const affordable = Math.floor(RUN_BUDGET_MS[lane] / Math.max(batchRowMs, 1e-6));
  return Math.max(1, Math.min(asked ?? BATCH_ROW_LIMIT, affordable));
}

class ModelCapacity implements Capacity {
  readonly #model: { readonly inFlight: number };
  readonly #memoryBytes: () => number;
  readonly #batcher: Batcher;

  constructor(model: { readonly inFlight: number }, memoryBytes: () => number, batcher: Batcher) {
    this.#model = model;
    this.#memoryBytes = memoryBytes;
    this.#batcher = batcher;
  }

  get memoryBytes(): number {
    return this.#memoryBytes();
  }

  get inFlight(): number {
    return this.#model.inFlight;
  }

  get queuedRows(): number {
    return this.#batcher.queuedRows;
  }

  refusal(wish: CallWish): PlatformError | undefined {
    return this.#batcher.refusal(wish);
  }
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
