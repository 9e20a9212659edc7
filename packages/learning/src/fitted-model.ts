import type { Frame } from '@slipway/kernel';
import { type Calibration, calibrateMargins } from './calibration.ts';
import { type LinearModel, predictLinear } from './linear/linear-model.ts';
import type { EncodedMatrix } from './matrix.ts';
import { encodeFrame, type Preparation } from './preparation.ts';
import type { Link, Loss } from './trees/loss.ts';
import { type Objective, objectiveFor } from './trees/objective.ts';
import { type Forest, predictForest } from './trees/tree.ts';

/** `ranking` learns numbers whose order within a query is what counts. */
export type Task = 'binary' | 'multiclass' | 'regression' | 'ranking';

export type SinglePredictor =
  { readonly kind: 'trees'; readonly forest: Forest } | { readonly kind: 'linear'; readonly linear: LinearModel };

/** One model of an ensemble, with the factor of its margin. */
export interface EnsembleMember {
  /** In 0..1. Members that average each other share 1; trees and the linear model they begin from have the same weight, and add up. */
  readonly weight: number;
  readonly predictor: SinglePredictor;
}

/** Features to margins. An ensemble's margin is the weighted sum of its members' margins, so that explanations add up. */
export type Predictor = SinglePredictor | { readonly kind: 'ensemble'; readonly members: readonly EnsembleMember[] };

/** Members as one predictor; a single one with the whole weight is itself. */
export function predictorOf(members: readonly EnsembleMember[]): Predictor {
  const [first] = members;
  return members.length === 1 && first ? first.predictor : { kind: 'ensemble', members };
}

export type { Link };

/** A trained model as plain data: what the exported graph computes, and what parity is checked against. */
export interface FittedModel {
  readonly task: Task;
  /** In the order of the probabilities; for `binary` the positive class is last. Null for regression. */
  readonly classes: readonly string[] | null;
  readonly preparation: Preparation;
  readonly predictor: Predictor;
  /** Margins to margins, before they become probabilities; null when the margins are used as they are. */
  readonly calibration: Calibration | null;
  /** Always `identity` for classes. */
  readonly link: Link;
  /**
   * Regression with link `identity` or `root`: the target, or its root, was (y - mean) / deviation while learning. `added` (root):
   * what the square of an expected root lacks of the expected number, as the training rows have it.
   */
  readonly scale: { readonly mean: number; readonly deviation: number; readonly added?: number };
}

/** What a model says about rows. Row-major matrices. */
export interface TrainerOutputs {
  readonly rowCount: number;
  /** [rowCount × classes], in the order of `classes`; null for regression. */
  readonly probabilities: Float32Array | null;
  /** Label of the largest probability, the first of equals; null for regression. */
  readonly labels: readonly string[] | null;
  /** Predicted numbers; null for classification. */
  readonly values: Float64Array | null;
  /** [rowCount × features]. */
  readonly features: Float32Array;
}

export function objectiveOf(task: Task, loss?: Loss): Objective {
  return objectiveFor(task, loss);
}

/** Raw margins [rowCount × outputs], before calibration: log-odds, class scores, or standardised predictions. */
export function predictMargins(predictor: Predictor, matrix: EncodedMatrix): Float64Array {
  if (predictor.kind === 'trees') return predictForest(predictor.forest, matrix);
  if (predictor.kind === 'linear') return predictLinear(predictor.linear, matrix);
  let sum: Float64Array | undefined;
  for (const { weight, predictor: member } of predictor.members) {
    const margins = predictMargins(member, matrix);
    if (!sum) sum = new Float64Array(margins.length);
    for (let at = 0; at < margins.length; at += 1) sum[at] = (sum[at] as number) + weight * (margins[at] as number);
  }
  return sum ?? new Float64Array(0);
}

/** Probabilities [rowCount × classCount] from margins, computed in double and rounded once. */
function probabilitiesOf(task: Task, margins: Float64Array, classCount: number): Float32Array {
  if (task === 'binary') {
    const probabilities = new Float32Array(margins.length * 2);
    margins.forEach((margin, row) => {
      const positive = 1 / (1 + Math.exp(-margin));
      probabilities[2 * row] = 1 - positive;
      probabilities[2 * row + 1] = positive;
    });
    return probabilities;
  }
  const probabilities = new Float32Array(margins.length);
  for (let from = 0; from < margins.length; from += classCount) {
    const row = margins.subarray(from, from + classCount);
    const largest = row.reduce((most, margin) => Math.max(most, margin), Number.NEGATIVE_INFINITY);
    const powers = row.map((margin) => Math.exp(margin - largest));
    const sum = powers.reduce((total, power) => total + power, 0);
    for (let index = 0; index < classCount; index += 1) probabilities[from + index] = (powers[index] as number) / sum;
  }
  return probabilities;
}

/** The numbers that margins stand for. */
export function numbersOf({ link, scale }: Pick<FittedModel, 'link' | 'scale'>, margins: Float64Array): Float64Array {
  const { mean, deviation, added = 0 } = scale;
  if (link === 'log') return margins.map(Math.exp);
  if (link === 'identity') return margins.map((margin) => margin * deviation + mean);
  return margins.map((margin) => {
    const root = Math.max(0, margin * deviation + mean);
    return root * root + added;
  });
}

/** The trainer's own predictions on a frame, without ONNX: the reference for parity. */
export function predictFitted(model: FittedModel, frame: Frame): TrainerOutputs {
  const matrix = encodeFrame(model.preparation, frame);
  const margins = calibrateMargins(model.calibration, predictMargins(model.predictor, matrix));
  const features = rowMajor(matrix);
  if (!model.classes) {
    const values = numbersOf(model, margins);
    return { rowCount: frame.rowCount, probabilities: null, labels: null, values, features };
  }
  const classCount = model.classes.length;
  const probabilities = probabilitiesOf(model.task, margins, classCount);
  const labels = Array.from({ length: frame.rowCount }, (_, row) => {
    let best = row * classCount;
    for (let at = best + 1; at < (row + 1) * classCount; at += 1)
      if ((probabilities[at] as number) > (probabilities[best] as number)) best = at;
    return model.classes?.[best - row * classCount] ?? '';
  });
  return { rowCount: frame.rowCount, probabilities, labels, values: null, features };
}

function rowMajor(matrix: EncodedMatrix): Float32Array {
  const width = matrix.columns.length;
  const values = new Float32Array(matrix.rowCount * width);
  matrix.columns.forEach((column, at) => {
    for (let row = 0; row < matrix.rowCount; row += 1) values[row * width + at] = column[row] as number;
  });
  return values;
}
