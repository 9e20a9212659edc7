import { CancelledError, type Column, type Frame, takeRows } from '@slipway/kernel';
import { createRandom, type Random } from '@slipway/statistics';
import type { FieldImportance, Importances, MetricName, Task } from './contract.ts';
import { EvaluationInputError } from './errors.ts';
import { type ModelPredictions, type TaskData, type Truth, checkTaskData, predictsClasses } from './inputs.ts';
import { evaluateOnce, metricPlan } from './metric-plan.ts';
import { higherIsBetter, primaryMetric } from './metric-table.ts';

/** Rows that importances are measured on at most, a seeded sample of what is given. */
export const IMPORTANCE_ROW_LIMIT = 2_000;
export const IMPORTANCE_REPEATS_DEFAULT = 3;
export const IMPORTANCE_REPEATS_LIMIT = 100;
/** Row predictions in all; with many fields the rows become fewer, but not fewer than IMPORTANCE_ROWS_MIN. */
export const IMPORTANCE_PREDICTION_LIMIT = 1_000_000;
const IMPORTANCE_ROWS_MIN = 200;

export interface ImportanceRequest extends Pick<TaskData, 'loss' | 'queries'> {
  readonly task: Task;
  readonly classes: readonly string[] | null;
  readonly positive: string | null;
  /** Predicts every row of a frame; called once and then once a field and repeat. */
  readonly predict: (frame: Frame) => Promise<ModelPredictions>;
  readonly frame: Frame;
  readonly truth: Truth;
  /** Columns to shuffle, usually the model's inputs. */
  readonly fields: readonly string[];
  readonly seed: number;
  readonly repeats?: number;
  readonly rowLimit?: number;
  readonly signal?: AbortSignal | undefined;
  /** Share done, 0..1. */
  readonly onProgress?: ((ratio: number) => void) | undefined;
}

/**
 * How much worse the primary metric gets when one column is shuffled and the rest stays: what the model uses, not what
 * causes what; columns that repeat each other share their importance. Sorted, most important first.
 * Source: Breiman 2001; Fisher, Rudin & Dominici 2019. @throws {EvaluationInputError} {CancelledError}
 */
export async function permutationImportance(request: ImportanceRequest): Promise<Importances> {
  const repeats = request.repeats ?? IMPORTANCE_REPEATS_DEFAULT;
  if (!Number.isInteger(repeats) || repeats < 1 || repeats > IMPORTANCE_REPEATS_LIMIT) {
    throw new EvaluationInputError(`"repeats" must be a whole number from 1 to ${IMPORTANCE_REPEATS_LIMIT}, got ${repeats}.`);
  }
  const random = createRandom(`importance:${request.seed}`);
  const rows = sampleRows(request, repeats, random.fork('rows'));
  const frame = takeRows(request.frame, rows);
  const truth =
    request.truth instanceof Int32Array
      ? rows.map((row) => request.truth[row] as number)
      : Float64Array.from(rows, (row) => request.truth[row] as number);
  const queries = request.queries && rows.map((row) => request.queries?.[row] as number);
  const { metric, score, whole } = await chooseMetric({ ...request, queries }, frame, truth);
  const fields: FieldImportance[] = [];
  for (const field of request.fields) {
    const drops: number[] = [];
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      if (request.signal?.aborted) throw new CancelledError('Measuring importances was cancelled.');
      const shuffled = shuffleColumn(frame, field, random.fork(`${field}/${repeat}`));
      const now = score(await request.predict(shuffled));
      drops.push(higherIsBetter(metric) ? whole - now : now - whole);
      request.onProgress?.((fields.length * repeats + repeat + 1) / (request.fields.length * repeats));
    }
    fields.push({ field, ...meanAndDeviation(drops) });
  }
  fields.sort((a, b) => b.importance - a.importance || (a.field < b.field ? -1 : 1));
  return { metric, rows: rows.length, repeats, fields };
}

function sampleRows(request: ImportanceRequest, repeats: number, random: Random): Int32Array {
  const count = request.frame.rowCount;
  if (request.truth.length !== count) throw new EvaluationInputError(`The frame has ${count} rows and the truth ${request.truth.length}.`);
  for (const field of request.fields) {
    if (!request.frame.columns.has(field)) throw new EvaluationInputError(`The frame has no column "${field}".`);
  }
  const affordable = Math.max(
    IMPORTANCE_ROWS_MIN,
    Math.floor(IMPORTANCE_PREDICTION_LIMIT / (Math.max(1, request.fields.length) * repeats)),
  );
  const limit = Math.min(request.rowLimit ?? IMPORTANCE_ROW_LIMIT, affordable);
  return count <= limit ? Int32Array.from({ length: count }, (_, row) => row) : random.sampleWithoutReplacement(count, limit).toSorted();
}

async function chooseMetric(
  request: ImportanceRequest,
  frame: Frame,
  truth: Truth,
): Promise<{ metric: MetricName; whole: number; score: (predictions: ModelPredictions) => number }> {
  const { task, classes, positive, loss, queries } = request;
  const measure = (predictions: ModelPredictions) => {
    const data = { task, classes, positive, truth, predictions, loss, queries };
    checkTaskData(data);
    return evaluateOnce(metricPlan(data));
  };
  const values = measure(await request.predict(frame));
  const primary = primaryMetric(task, loss);
  // A sample of one class has no ROC AUC; the log loss is always defined.
  const metric = Number.isNaN(values[primary]) && predictsClasses(task) ? 'log_loss' : primary;
  return { metric, whole: values[metric] as number, score: (predictions) => measure(predictions)[metric] as number };
}

function shuffleColumn(frame: Frame, name: string, random: Random): Frame {
  const column = frame.columns.get(name) as Column;
  const shuffled: Column =
    column.kind === 'number'
      ? { kind: 'number', values: random.shuffle(column.values.slice()) }
      : { kind: 'text', codes: random.shuffle(column.codes.slice()), levels: column.levels };
  return { rowCount: frame.rowCount, columns: new Map(frame.columns).set(name, shuffled) };
}

function meanAndDeviation(values: readonly number[]): { importance: number; deviation: number } {
  const importance = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - importance) ** 2, 0);
  return { importance, deviation: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)) };
}
