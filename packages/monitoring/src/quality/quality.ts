import { type Json, categoryText } from '@slipway/kernel';
import {
  BINARY_METRICS,
  MULTICLASS_METRICS,
  REGRESSION_METRICS,
  type ResamplePlan,
  binaryPlan,
  multiclassPlan,
  regressionPlan,
} from '@slipway/statistics';
import type { Pair } from '@slipway/telemetry';
import type { Quality } from '../contract.ts';

/** What a version predicts. */
export interface PredictionTask {
  readonly task: 'binary' | 'multiclass' | 'regression';
  /** Class labels in the order of the model's probabilities; null for regression. */
  readonly classes: readonly string[] | null;
  /** The positive class of a binary task. */
  readonly positive: string | null;
}

type Measured = Pick<Quality, 'count' | 'skipped' | 'metrics'>;
type QualityPair = Pick<Pair, 'prediction' | 'probabilities' | 'outcome' | 'weight'>;

/**
 * The metrics that evaluation reports, over predictions whose outcome is known and by the outcomes' weights. Outcomes
 * that are no class (or no number) and predictions without probabilities are skipped and counted.
 */
export function measureQuality(pairs: readonly QualityPair[], task: PredictionTask): Measured {
  if (task.task === 'regression') return measureRegression(pairs);
  const classes = task.classes ?? [];
  const usable = pairs.flatMap((pair) => readClassified(pair, classes));
  const names = task.task === 'binary' ? BINARY_METRICS : MULTICLASS_METRICS;
  const plan = task.task === 'binary' ? () => planBinary(usable, classes, task.positive) : () => planMulticlass(usable, classes);
  return { count: usable.length, skipped: pairs.length - usable.length, metrics: evaluateOnce(names, plan, usable) };
}

interface Classified {
  readonly label: number;
  readonly predicted: number;
  readonly probabilities: readonly number[];
  readonly weight: number;
}

function readClassified(pair: QualityPair, classes: readonly string[]): Classified[] {
  const label = classes.indexOf(categoryText(pair.outcome) ?? '');
  const predicted = classes.indexOf(categoryText(pair.prediction) ?? '');
  const probabilities = classes.map((name) => probabilityOf(pair.probabilities, name));
  if (label < 0 || predicted < 0 || probabilities.some((value) => !(value >= 0 && value <= 1))) return [];
  return [{ label, predicted, probabilities, weight: pair.weight }];
}

function probabilityOf(probabilities: Json | null, name: string): number {
  if (probabilities === null || typeof probabilities !== 'object' || !Object.hasOwn(probabilities, name)) return Number.NaN;
  const value = (probabilities as Readonly<Record<string, Json>>)[name];
  return typeof value === 'number' ? value : Number.NaN;
}

function planBinary(rows: readonly Classified[], classes: readonly string[], positive: string | null): ResamplePlan {
  // The positive class is the last one unless the version says otherwise.
  const one = positive === null ? classes.length - 1 : classes.indexOf(positive);
  return binaryPlan({
    probabilities: Float64Array.from(rows, (row) => row.probabilities[one] ?? Number.NaN),
    labels: Uint8Array.from(rows, (row) => (row.label === one ? 1 : 0)),
    predicted: Uint8Array.from(rows, (row) => (row.predicted === one ? 1 : 0)),
    weights: Float64Array.from(rows, (row) => row.weight),
  });
}

function planMulticlass(rows: readonly Classified[], classes: readonly string[]): ResamplePlan {
  return multiclassPlan({
    probabilities: Float64Array.from(rows.flatMap((row) => row.probabilities)),
    labels: Int32Array.from(rows, (row) => row.label),
    classCount: classes.length,
    weights: Float64Array.from(rows, (row) => row.weight),
  });
}

function measureRegression(pairs: readonly QualityPair[]): Measured {
  const usable = pairs.filter((pair) => isNumber(pair.prediction) && isNumber(pair.outcome));
  const plan = () =>
    regressionPlan({
      predicted: Float64Array.from(usable, (pair) => pair.prediction as number),
      truth: Float64Array.from(usable, (pair) => pair.outcome as number),
      weights: Float64Array.from(usable, (pair) => pair.weight),
    });
  return { count: usable.length, skipped: pairs.length - usable.length, metrics: evaluateOnce(REGRESSION_METRICS, plan, usable) };
}

function isNumber(value: Json): boolean {
  return typeof value === 'number' && Number.isFinite(value);
}

function evaluateOnce(
  names: readonly string[],
  plan: () => ResamplePlan,
  rows: readonly { readonly weight: number }[],
): Record<string, number | null> {
  const values = new Float64Array(names.length).fill(Number.NaN);
  // Without any weight nothing is defined.
  if (rows.some((row) => row.weight > 0)) plan().evaluate(new Uint16Array(rows.length).fill(1), values);
  return Object.fromEntries(names.map((name, index) => [name, toNullable(values[index])]));
}

function toNullable(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : value;
}
