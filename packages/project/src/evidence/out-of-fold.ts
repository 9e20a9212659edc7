import { type Contract, type Json, takeRows } from '@slipway/kernel';
import { type TrainRequest, type TrainedModel, train } from '@slipway/learning';
import { createRandom } from '@slipway/statistics';
import type { LabelledRows } from '../prepare-data.ts';

/** Training rows that are predicted by fits without them; more are sampled. */
export const OUT_OF_FOLD_ROW_LIMIT = 50_000;
/** Tables below this many rows are divided finer, so that the fits resemble the one on all rows. */
const FINE_ROWS_BELOW = 20_000;
const FINE_FOLDS = 5;
const COARSE_FOLDS = 3;
/** Rows predicted between two turns of the event loop. */
const SLICE_ROWS = 500;

export interface OutOfFoldRequest {
  readonly rows: LabelledRows;
  readonly contract: Contract;
  readonly trained: Pick<TrainedModel, 'task' | 'classes' | 'trainer' | 'params'>;
  readonly seed: number;
  /** Column whose values are not divided. */
  readonly group?: string | undefined;
  readonly weights?: Float64Array | undefined;
  /** Loss, constraints and whatever else the model was taught with. */
  readonly extra?: Partial<TrainRequest>;
  readonly threads: number;
  readonly rowLimit?: number;
  /** Parts that are predicted at most, all by default: fewer give fewer rows in less time. */
  readonly foldLimit?: number;
  readonly signal: AbortSignal;
}

/** Row positions with what a fit that had not seen them says: [rows x classes], or numbers. */
export interface OutOfFold {
  readonly rows: Int32Array;
  readonly outputs: Float64Array;
  readonly width: number;
}

/**
 * Predicts training rows by models of the same trainer and hyper-parameters that were fitted without them: what decisions
 * may be chosen by without touching the test rows. Deterministic by seed.
 */
export async function outOfFold(request: OutOfFoldRequest): Promise<OutOfFold> {
  const { rows: all, trained } = request;
  const rows = sampled(all.frame.rowCount, request.rowLimit ?? OUT_OF_FOLD_ROW_LIMIT, request.seed);
  const foldCount = rows.length < FINE_ROWS_BELOW ? FINE_FOLDS : COARSE_FOLDS;
  const parts = partsOf(request, rows, foldCount);
  const width = trained.classes?.length ?? 1;
  const outputs = new Float64Array(rows.length * width);
  const predicted = Math.min(foldCount, request.foldLimit ?? foldCount);
  const waiting = Array.from({ length: predicted }, (_, fold) => fold);
  const work = async () => {
    for (let fold = waiting.shift(); fold !== undefined; fold = waiting.shift())
      await predictFold(request, { rows, parts, fold, width, outputs });
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(request.threads, predicted)) }, work));
  if (predicted === foldCount) return { rows, outputs, width };
  const kept = Array.from(rows.keys()).filter((at) => (parts[at] as number) < predicted);
  return {
    rows: Int32Array.from(kept, (at) => rows[at] as number),
    outputs: Float64Array.from(
      { length: kept.length * width },
      (_, at) => outputs[(kept[Math.floor(at / width)] as number) * width + (at % width)] as number,
    ),
    width,
  };
}

function sampled(count: number, limit: number, seed: number): Int32Array {
  if (count <= limit) return Int32Array.from({ length: count }, (_, row) => row);
  return createRandom(`out-of-fold:${seed}`).sampleWithoutReplacement(count, limit).toSorted();
}

/** The fold of each row: groups stay whole, classes are dealt out evenly. */
function partsOf({ rows: all, group, seed, trained }: OutOfFoldRequest, rows: Int32Array, foldCount: number): Uint8Array {
  const random = createRandom(`out-of-fold-parts:${seed}`);
  const parts = new Uint8Array(rows.length);
  const column = group === undefined ? undefined : all.frame.columns.get(group);
  if (column) {
    const foldOf = new Map<number, number>();
    rows.forEach((row, at) => {
      const key = column.kind === 'number' ? (column.values[row] as number) : (column.codes[row] as number);
      const fold = foldOf.get(key) ?? random.int(foldCount);
      foldOf.set(key, fold);
      parts[at] = fold;
    });
    return parts;
  }
  const order = random.shuffle(Int32Array.from(rows.keys()));
  if (trained.classes !== null) order.sort((a, b) => (all.target[rows[a] as number] as number) - (all.target[rows[b] as number] as number));
  order.forEach((at, position) => {
    parts[at] = position % foldCount;
  });
  return parts;
}

interface Fold {
  readonly rows: Int32Array;
  readonly parts: Uint8Array;
  readonly fold: number;
  readonly width: number;
  readonly outputs: Float64Array;
}

async function predictFold(request: OutOfFoldRequest, { rows, parts, fold, width, outputs }: Fold): Promise<void> {
  const { rows: all, contract, trained, seed, weights, extra, signal } = request;
  const others = rows.filter((_, at) => parts[at] !== fold);
  const test = Array.from(rows.keys()).filter((at) => parts[at] === fold);
  if (test.length === 0) return;
  const pick = (values: Float64Array) => Float64Array.from(others, (row) => values[row] as number);
  const model = await train({
    ...extra,
    frame: takeRows(all.frame, others),
    contract,
    task: trained.task,
    target: pick(all.target),
    classes: trained.classes,
    ...(weights ? { weights: pick(weights) } : {}),
    seed,
    fixed: { trainer: trained.trainer, params: trained.params as Readonly<Record<string, Json>> },
    signal,
  });
  for (let start = 0; start < test.length; start += SLICE_ROWS) {
    signal.throwIfAborted();
    const slice = test.slice(start, start + SLICE_ROWS);
    const said = model.predict(
      takeRows(
        all.frame,
        slice.map((at) => rows[at] as number),
      ),
    );
    const numbers = said.probabilities ?? said.values ?? [];
    slice.forEach((at, index) => {
      for (let output = 0; output < width; output += 1) outputs[at * width + output] = numbers[index * width + output] as number;
    });
    await new Promise((resolve) => setImmediate(resolve));
  }
}
