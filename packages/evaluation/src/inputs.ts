import { EvaluationInputError } from './errors.ts';
import type { Task } from './contract.ts';
import type { TrainedLoss } from './metric-table.ts';

/** What a model said: class probabilities row by row (shape [n * classes], in the order of the classes), or numbers. */
export type ModelPredictions = { readonly probabilities: Float32Array | Float64Array } | { readonly values: Float32Array | Float64Array };

/** Class codes in the order of `classes`, or numbers. */
export type Truth = Int32Array | Float64Array;

/** What is to be compared: one task, its truth, and what was predicted. */
export interface TaskData {
  readonly task: Task;
  /** Labels in the order of the probabilities; null for a regression. */
  readonly classes: readonly string[] | null;
  /** The class that binary metrics are about; the last one by default. */
  readonly positive: string | null;
  readonly truth: Truth;
  readonly predictions: ModelPredictions;
  readonly weights?: Float64Array | undefined;
  /** Binary: from which probability of the positive class on a row is predicted positive; by default the likelier class is. */
  readonly threshold?: number | undefined;
  /** Regression: what it was trained for. */
  readonly loss?: TrainedLoss | undefined;
  /** Ranking: the query of each row. */
  readonly queries?: Int32Array | undefined;
}

/** Whether a task predicts classes; the others predict numbers. */
export function predictsClasses(task: Task): boolean {
  return task === 'binary' || task === 'multiclass';
}

/** Float32 sums may pass 1 by a little; what is further out is an error of the model. */
const PROBABILITY_SLACK = 1e-5;

/** Position of the positive class. @throws {EvaluationInputError} */
export function positiveIndex(data: Pick<TaskData, 'classes' | 'positive'>): number {
  const classes = data.classes ?? [];
  const index = data.positive === null ? classes.length - 1 : classes.indexOf(data.positive);
  if (index < 0) throw new EvaluationInputError(`The positive class "${data.positive}" is none of the classes ${classes.join(', ')}.`);
  return index;
}

/** Checks truth, predictions and weights against each other. @throws {EvaluationInputError} naming the first row at fault. */
export function checkTaskData(data: TaskData): void {
  const { task, classes, truth, weights } = data;
  const rows = truth.length;
  if (rows === 0)
    throw new EvaluationInputError('There are no rows to evaluate on.', { help: 'Give a test file with rows or a larger test share.' });
  if (predictsClasses(task)) {
    if (!classes || classes.length < 2 || (task === 'binary' && classes.length !== 2)) {
      throw new EvaluationInputError(
        `A ${task} task needs ${task === 'binary' ? 'two' : 'two or more'} classes, got ${classes?.length ?? 0}.`,
      );
    }
    checkCodes(truth, classes.length);
  } else checkFinite(truth, 'truth');
  if (task === 'ranking') checkQueries(data);
  checkPredictions(data);
  if (weights) {
    if (weights.length !== rows) throw new EvaluationInputError(`There are ${weights.length} weights for ${rows} rows.`);
    checkFinite(weights, 'weight');
    if (!weights.some((weight) => weight > 0) || weights.some((weight) => weight < 0)) {
      throw new EvaluationInputError('Weights must not be negative and not all zero.');
    }
  }
}

function checkQueries({ truth, queries, weights }: TaskData): void {
  if (queries?.length !== truth.length) throw new EvaluationInputError('A ranking is evaluated with the query of every row.');
  if (truth.some((grade: number) => grade < 0)) throw new EvaluationInputError('The relevance of a row must not be below 0.');
  if (weights) throw new EvaluationInputError('Rows of a ranking have no weights of their own; queries are what is counted.');
}

function checkCodes(truth: Truth, classCount: number): void {
  const row = truth.findIndex((code: number) => !Number.isInteger(code) || code < 0 || code >= classCount);
  if (row >= 0) {
    throw new EvaluationInputError(`Row ${row} has class code ${truth[row]}; codes are whole numbers below ${classCount}.`, {
      help: 'Rows whose label is missing or unknown must be left out before evaluating.',
    });
  }
}

function checkFinite(values: Float32Array | Float64Array | Int32Array, name: string): void {
  const row = values.findIndex((value: number) => !Number.isFinite(value));
  if (row >= 0) throw new EvaluationInputError(`The ${name} of row ${row} is ${values[row]}; a finite number is needed.`);
}

function checkPredictions({ task, classes, truth, predictions }: TaskData): void {
  if (!predictsClasses(task)) {
    if (!('values' in predictions)) throw new EvaluationInputError('A regression is evaluated on "values", not on probabilities.');
    if (predictions.values.length !== truth.length) {
      throw new EvaluationInputError(`There are ${predictions.values.length} predictions for ${truth.length} rows.`);
    }
    checkFinite(predictions.values, 'prediction');
    return;
  }
  if (!('probabilities' in predictions)) throw new EvaluationInputError('A classification is evaluated on "probabilities".');
  const expected = truth.length * (classes?.length ?? 0);
  const { probabilities } = predictions;
  if (probabilities.length !== expected) {
    throw new EvaluationInputError(
      `${truth.length} rows of ${classes?.length} classes need ${expected} probabilities, got ${probabilities.length}.`,
    );
  }
  const at = probabilities.findIndex((value: number) => !(value >= -PROBABILITY_SLACK && value <= 1 + PROBABILITY_SLACK));
  if (at >= 0) {
    throw new EvaluationInputError(
      `Row ${Math.floor(at / (classes?.length ?? 1))} has probability ${probabilities[at]}; probabilities lie in 0..1.`,
    );
  }
}

/** Probabilities as doubles, clipped into 0..1. */
export function clippedProbabilities(predictions: ModelPredictions): Float64Array {
  if (!('probabilities' in predictions)) throw new EvaluationInputError('A classification is evaluated on "probabilities".');
  const clipped = new Float64Array(predictions.probabilities);
  for (let at = 0; at < clipped.length; at += 1) clipped[at] = Math.min(1, Math.max(0, clipped[at] as number));
  return clipped;
}

/** One class's probability of every row. */
export function columnOf(probabilities: Float64Array, classCount: number, code: number): Float64Array {
  const column = new Float64Array(probabilities.length / classCount);
  for (let row = 0; row < column.length; row += 1) column[row] = probabilities[row * classCount + code] as number;
  return column;
}
