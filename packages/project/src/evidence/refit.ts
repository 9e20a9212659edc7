import { type Contract, type Frame, type Json, takeRows } from '@slipway/kernel';
import { type TrainRequest, type TrainedModel, type TrainerName, train } from '@slipway/learning';
import type { ModelPredictions, Task, Truth } from '@slipway/evaluation';
import { createRandom } from '@slipway/statistics';

/** What the small models of an evaluation are taught with. */
export interface RefitPlan {
  readonly frame: Frame;
  readonly target: Float64Array;
  readonly contract: Contract;
  readonly task: Task;
  readonly classes: readonly string[] | null;
  readonly trainer: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly seed: number;
  /** Rows that are to be predicted. */
  readonly test: Frame;
  /** Wall-clock for all of them together. */
  readonly budgetMs: number;
  readonly rowLimit: number;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
  /** Loss, constraints and whatever else the judged model was taught with. */
  readonly extra?: Partial<TrainRequest>;
}

/** Teaches models like the judged one on a sample of its rows, until a budget of time is spent. */
export class Refitter {
  readonly #plan: RefitPlan;
  readonly #endMs: number;
  readonly rows: Int32Array;
  readonly #frame: Frame;
  /** Labels of the sampled rows. */
  readonly target: Float64Array;

  constructor(plan: RefitPlan) {
    this.#plan = plan;
    this.#endMs = plan.nowMs() + plan.budgetMs;
    const count = plan.frame.rowCount;
    this.rows =
      count <= plan.rowLimit
        ? Int32Array.from({ length: count }, (_, row) => row)
        : createRandom(`refit:${plan.seed}`).sampleWithoutReplacement(count, plan.rowLimit).toSorted();
    this.#frame = count <= plan.rowLimit ? plan.frame : takeRows(plan.frame, this.rows);
    this.target = Float64Array.from(this.rows, (row) => plan.target[row] as number);
  }

  /** Predictions for the test rows; null when the time is spent or such labels cannot be learnt from. */
  async refit(target: Float64Array, weights?: Float64Array): Promise<ModelPredictions | null> {
    const { contract, task, classes, trainer, params, seed, signal, nowMs, test, extra } = this.#plan;
    const leftMs = this.#endMs - nowMs();
    if (leftMs <= 0) return null;
    const limit = AbortSignal.timeout(Math.ceil(leftMs));
    try {
      const trained = await train({
        ...extra,
        frame: this.#frame,
        contract,
        task,
        target,
        classes,
        seed,
        // The version's own trainer and parameters: its recipe has proven them to be complete.
        fixed: { trainer: trainer as TrainerName, params: params as Readonly<Record<string, Json>> },
        ...(weights ? { weights } : {}),
        signal: AbortSignal.any([signal, limit]),
      });
      return await predictInSlices(trained, test);
    } catch (error) {
      signal.throwIfAborted();
      if (limit.aborted || isUnlearnable(error)) return null;
      throw error;
    }
  }

  async refitTruth(truth: Truth, weights?: Float64Array): Promise<ModelPredictions | null> {
    return this.refit(Float64Array.from(truth), weights);
  }
}

/** Rows predicted between two turns of the event loop. */
const SLICE_ROWS = 500;

async function predictInSlices(trained: TrainedModel, test: Frame): Promise<ModelPredictions> {
  const width = trained.classes?.length ?? 1;
  const outputs = new Float64Array(test.rowCount * width);
  for (let start = 0; start < test.rowCount; start += SLICE_ROWS) {
    const rows = Array.from({ length: Math.min(SLICE_ROWS, test.rowCount - start) }, (_, index) => start + index);
    const said = trained.predict(takeRows(test, rows));
    outputs.set(said.probabilities ?? said.values ?? [], start * width);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return trained.classes === null ? { values: outputs } : { probabilities: outputs };
}

/** A sample may miss a class, or have nothing that varies: then there is no small model, and no finding. */
function isUnlearnable(error: unknown): boolean {
  return error instanceof Error && 'kind' in error && error.kind === 'invalid';
}
