import { createRandom } from '@slipway/statistics';
import { type ModelPredictions, type TaskData, type Truth, checkTaskData } from '../inputs.ts';
import { higherIsBetter, primaryMetric } from '../metric-table.ts';
import { metricOfRows } from '../slices/describe-slice.ts';
import type { LabelNoise } from './contract.ts';

/** Shares of the training labels that are made wrong. */
export const LABEL_NOISE_RATIOS = [0.05, 0.1, 0.2] as const;

export interface LabelNoiseRequest extends Omit<TaskData, 'predictions'> {
  /** Labels the small models are taught by. */
  readonly trainTruth: Truth;
  /** Teaches a small model these labels and asks it about the test rows; null when there is no time left. */
  readonly refit: (trainTruth: Truth) => Promise<ModelPredictions | null>;
  readonly seed: number;
}

/**
 * How much the primary metric falls when some training labels are wrong: classes become another class at random, numbers
 * change places with each other. Null when not even the clean model was ready in time. Levels that were not are left out.
 */
export async function measureLabelNoise(request: LabelNoiseRequest): Promise<LabelNoise | null> {
  const { task, classes, positive, truth, trainTruth, seed } = request;
  const metric = primaryMetric(task);
  const score = (predictions: ModelPredictions) => {
    const data = { task, classes, positive, truth, predictions };
    checkTaskData(data);
    return metricOfRows(
      data,
      Int32Array.from({ length: truth.length }, (_, row) => row),
    );
  };
  const cleanPredictions = await request.refit(trainTruth);
  if (!cleanPredictions) return null;
  const clean = score(cleanPredictions);
  const levels: LabelNoise['levels'] = [];
  for (const ratio of LABEL_NOISE_RATIOS) {
    const predictions = await request.refit(flipLabels(trainTruth, classes?.length ?? 0, ratio, seed));
    if (!predictions) break;
    const value = score(predictions);
    levels.push({ ratio, value, drop: dropOf(metric, clean, value) });
  }
  return { metric, trainRows: trainTruth.length, testRows: truth.length, clean, levels };
}

/** Points of a metric where more is better; otherwise the share by which the loss grows. */
function dropOf(metric: string, clean: number | null, value: number | null): number | null {
  if (clean === null || value === null) return null;
  if (higherIsBetter(metric)) return clean - value;
  return clean === 0 ? null : (value - clean) / clean;
}

/** A share of the labels made wrong: exactly that many rows, chosen by the seed. */
export function flipLabels(truth: Truth, classCount: number, ratio: number, seed: number): Truth {
  const random = createRandom(`label-noise:${seed}:${ratio}`);
  const rows = random.sampleWithoutReplacement(truth.length, Math.round(ratio * truth.length));
  const flipped = truth.slice();
  if (classCount > 1) {
    for (const row of rows) flipped[row] = ((truth[row] as number) + 1 + random.int(classCount - 1)) % classCount;
    return flipped;
  }
  const shuffled = random.shuffle(rows.slice());
  rows.forEach((row, index) => {
    flipped[row] = truth[shuffled[index] as number] as number;
  });
  return flipped;
}
