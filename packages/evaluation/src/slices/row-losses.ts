import { LOG_LOSS_EPSILON } from '@slipway/statistics';
import { type TaskData, clippedProbabilities, positiveIndex } from '../inputs.ts';

/** What each row contributes: its loss, whether its label is right, and what was said and true as numbers. */
export interface RowFacts {
  readonly kind: 'log_loss' | 'absolute_error';
  readonly losses: Float64Array;
  /** 1 where the decision is right; null for numbers. */
  readonly right: Uint8Array | null;
  /** Probability of the positive class, or the number; null for several classes. */
  readonly said: Float64Array | null;
  readonly truth: Float64Array | null;
}

/** The data must have passed `checkTaskData`. `threshold`: the positive class is decided above it. */
export function rowFacts(data: TaskData, threshold = 0.5): RowFacts {
  const { truth } = data;
  if ('values' in data.predictions) {
    const said = Float64Array.from(data.predictions.values);
    return {
      kind: 'absolute_error',
      losses: said.map((value, row) => Math.abs(value - (truth[row] as number))),
      right: null,
      said,
      truth: Float64Array.from(truth),
    };
  }
  const classCount = data.classes?.length ?? 0;
  const probabilities = clippedProbabilities(data.predictions);
  const losses = Float64Array.from(truth, (code, row) => -Math.log(clip(probabilities[row * classCount + code] as number)));
  if (data.task !== 'binary') {
    const right = Uint8Array.from(truth, (code, row) => (largest(probabilities, row, classCount) === code ? 1 : 0));
    return { kind: 'log_loss', losses, right, said: null, truth: null };
  }
  const positive = positiveIndex(data);
  const said = Float64Array.from(truth, (_, row) => probabilities[row * classCount + positive] as number);
  const labels = Float64Array.from(truth, (code) => (code === positive ? 1 : 0));
  const right = Uint8Array.from(said, (score, row) => (isPositive(score, threshold) === (labels[row] === 1) ? 1 : 0));
  return { kind: 'log_loss', losses, right, said, truth: labels };
}

/** The decision that serving makes: ties go to the negative class, which comes first. */
export function isPositive(probability: number, threshold: number): boolean {
  return threshold === 0.5 ? probability > 0.5 : probability >= threshold;
}

function clip(probability: number): number {
  return Math.min(1 - LOG_LOSS_EPSILON, Math.max(LOG_LOSS_EPSILON, probability));
}

function largest(probabilities: Float64Array, row: number, classCount: number): number {
  let best = 0;
  for (let code = 1; code < classCount; code += 1)
    if ((probabilities[row * classCount + code] as number) > (probabilities[row * classCount + best] as number)) best = code;
  return best;
}
