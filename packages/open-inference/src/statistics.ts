/** Models and versions whose calls are counted at once; the one counted longest ago goes first. */
export const STATISTICS_LIMIT = 1_000;

/** How long the parts of one request took, in nanoseconds. */
export interface CallTimes {
  readonly inputNs: number;
  readonly inferNs: number;
  readonly outputNs: number;
}

interface Duration {
  readonly count: number;
  readonly ns: number;
}

/** Counts of one version since this process started, of the calls over this protocol; shaped as Triton tells them. */
export interface ModelStatistics {
  readonly name: string;
  readonly version: string;
  /** Milliseconds since 1970 of the last answered request; 0 = never. */
  readonly last_inference: number;
  /** Rows answered. */
  readonly inference_count: number;
  /** Requests answered; the engine may have answered several by one run. */
  readonly execution_count: number;
  readonly inference_stats: {
    readonly success: Duration;
    readonly fail: Duration;
    readonly queue: Duration;
    readonly compute_input: Duration;
    readonly compute_infer: Duration;
    readonly compute_output: Duration;
    readonly cache_hit: Duration;
    readonly cache_miss: Duration;
  };
  readonly batch_stats: readonly {
    readonly batch_size: number;
    readonly compute_input: Duration;
    readonly compute_infer: Duration;
    readonly compute_output: Duration;
  }[];
}

const NOTHING: Duration = { count: 0, ns: 0 };
/** Sizes of requests that are told apart; further ones count in the totals only. */
export const BATCH_SIZES_LIMIT = 64;

interface Counters {
  lastMs: number;
  rows: number;
  success: number;
  fail: number;
  failNs: number;
  inputNs: number;
  inferNs: number;
  outputNs: number;
  readonly batches: Map<number, { count: number; inputNs: number; inferNs: number; outputNs: number }>;
}

/** Counts requests by project, model and version. */
export class Statistics {
  readonly #counters = new Map<string, Counters>();

  succeeded(key: StatisticsKey, rows: number, { inputNs, inferNs, outputNs }: CallTimes, nowMs: number): void {
    const counters = this.#of(key);
    counters.lastMs = nowMs;
    counters.rows += rows;
    counters.success += 1;
    counters.inputNs += inputNs;
    counters.inferNs += inferNs;
    counters.outputNs += outputNs;
    let batch = counters.batches.get(rows);
    if (!batch) {
      if (counters.batches.size >= BATCH_SIZES_LIMIT) return;
      counters.batches.set(rows, (batch = { count: 0, inputNs: 0, inferNs: 0, outputNs: 0 }));
    }
    batch.count += 1;
    batch.inputNs += inputNs;
    batch.inferNs += inferNs;
    batch.outputNs += outputNs;
  }

  failed(key: StatisticsKey, ns: number): void {
    const counters = this.#of(key);
    counters.fail += 1;
    counters.failNs += ns;
  }

  /** The counts of one version, all zero when it has not been called. */
  read(key: StatisticsKey): ModelStatistics {
    return render(key, this.#counters.get(keyOf(key)));
  }

  /** Versions of a project that have been called, or of one of its models. */
  called(project: string, model: string | undefined): StatisticsKey[] {
    return [...this.#counters.keys()]
      .map((key) => JSON.parse(key) as [string, string, string])
      .filter(([owner, name]) => owner === project && (model === undefined || name === model))
      .map(([owner, name, version]) => ({ project: owner, model: name, version }));
  }

  #of(key: StatisticsKey): Counters {
    const text = keyOf(key);
    let counters = this.#counters.get(text);
    if (counters) this.#counters.delete(text);
    else counters = { lastMs: 0, rows: 0, success: 0, fail: 0, failNs: 0, inputNs: 0, inferNs: 0, outputNs: 0, batches: new Map() };
    this.#counters.set(text, counters);
    if (this.#counters.size > STATISTICS_LIMIT) this.#counters.delete(this.#counters.keys().next().value ?? '');
    return counters;
  }
}

export interface StatisticsKey {
  readonly project: string;
  readonly model: string;
  readonly version: string;
}

function keyOf({ project, model, version }: StatisticsKey): string {
  return JSON.stringify([project, model, version]);
}

function render({ model, version }: StatisticsKey, counters: Counters | undefined): ModelStatistics {
  const { success = 0, fail = 0, failNs = 0, inputNs = 0, inferNs = 0, outputNs = 0 } = counters ?? {};
  return {
    name: model,
    version,
    last_inference: counters?.lastMs ?? 0,
    inference_count: counters?.rows ?? 0,
    execution_count: success,
    inference_stats: {
      success: { count: success, ns: inputNs + inferNs + outputNs },
      fail: { count: fail, ns: failNs },
      // The engine's own queue is part of the time that answering took.
      queue: { count: success, ns: 0 },
      compute_input: { count: success, ns: inputNs },
      compute_infer: { count: success, ns: inferNs },
      compute_output: { count: success, ns: outputNs },
      cache_hit: NOTHING,
      cache_miss: NOTHING,
    },
    batch_stats: [...(counters?.batches ?? [])]
      .toSorted(([left], [right]) => left - right)
      .map(([size, { count, ...ns }]) => ({
        batch_size: size,
        compute_input: { count, ns: ns.inputNs },
        compute_infer: { count, ns: ns.inferNs },
        compute_output: { count, ns: ns.outputNs },
      })),
  };
}
