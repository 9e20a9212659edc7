import { type Frame, type Json, categoryText, computeInSlices } from '@slipway/kernel';
import {
  BINARY_METRICS,
  MULTICLASS_METRICS,
  type Random,
  type ResamplePlan,
  binaryPlan,
  createRandom,
  multiclassPlan,
  quantile,
} from '@slipway/statistics';
import type { QualityEstimate } from '../contract.ts';
import { ESTIMATE_ROUNDS, OUTCOME_COUNT_MIN } from '../limits.ts';
import { scoreSmallTrees } from '../trees/small-trees.ts';
import type { PredictionTask } from './quality.ts';
import { type QualityReference, calibrated, withPrediction } from './quality-reference.ts';

/** A call as the estimate sees it: no outcome. */
export interface UnlabelledCall {
  readonly prediction: Json;
  readonly probabilities: Json | null;
}

/**
 * What quality probably is while no label is known. Classification: every row counts as each class by its calibrated
 * probability (confidence-based estimation). Regression: the errors that the model of errors expects (direct loss estimation).
 * The band holds where 95 % of measured values would lie, when labels are drawn from these probabilities: it knows of
 * sampling, not of a changed relation between inputs and truth, which no estimate without labels can see.
 */
export async function estimateQuality(
  calls: readonly UnlabelledCall[],
  task: PredictionTask,
  reference: QualityReference,
  inputs: Frame | undefined,
): Promise<QualityEstimate> {
  const rows = task.task === 'regression' ? estimateErrors(calls, reference, inputs) : await estimateClasses(calls, task, reference);
  if (!rows || rows.count < OUTCOME_COUNT_MIN) {
    return {
      count: rows?.count ?? 0,
      method: methodOf(task),
      metrics: {},
      reason: `an estimate needs ${OUTCOME_COUNT_MIN} recorded calls`,
    };
  }
  return { ...rows, method: methodOf(task), reason: null };
}

function methodOf(task: PredictionTask): QualityEstimate['method'] {
  return task.task === 'regression' ? 'direct-loss-estimation' : 'confidence-based-estimation';
}

type Estimated = Pick<QualityEstimate, 'count' | 'metrics'>;

interface Expected {
  readonly predicted: number;
  readonly probabilities: readonly number[];
  /** Calibrated: adds up to 1. */
  readonly chances: readonly number[];
}

async function estimateClasses(
  calls: readonly UnlabelledCall[],
  task: PredictionTask,
  reference: QualityReference,
): Promise<Estimated | undefined> {
  const classes = task.classes ?? [];
  if (classes.some((label) => !Object.hasOwn(reference.curves, label))) return undefined;
  const rows = calls.flatMap((call) => expect(call, classes, reference));
  if (rows.length === 0) return undefined;
  const names = task.task === 'binary' ? BINARY_METRICS : MULTICLASS_METRICS;
  const planOf = (weights: Float64Array) =>
    task.task === 'binary' ? binary(rows, classes, task.positive, weights) : multiclass(rows, classes, weights);
  const width = classes.length;
  const chances = Float64Array.from(rows.flatMap((row) => row.chances));
  const values = evaluate(planOf(chances), new Uint16Array(rows.length * width).fill(1), names.length);
  const plan = planOf(new Float64Array(rows.length * width).fill(1));
  const random = createRandom('estimate');
  const samples: Float64Array[] = [];
  // A server answers calls meanwhile.
  await computeInSlices(() => {
    samples.push(evaluate(plan, draw(random, rows, width), names.length));
    return samples.length < ESTIMATE_ROUNDS;
  }, undefined);
  return { count: rows.length, metrics: Object.fromEntries(names.map((name, index) => [name, bandOf(values[index], samples, index)])) };
}

function expect(call: UnlabelledCall, classes: readonly string[], reference: QualityReference): Expected[] {
  const given = call.probabilities;
  if (given === null || typeof given !== 'object' || Array.isArray(given)) return [];
  const table = given as Readonly<Record<string, Json>>;
  const probabilities = classes.map((label) => (typeof table[label] === 'number' ? table[label] : Number.NaN));
  const predicted = classes.indexOf(categoryText(call.prediction) ?? '');
  if (predicted < 0 || probabilities.some((p) => !(p >= 0 && p <= 1))) return [];
  const raw = classes.map((label, index) => calibrated(reference.curves[label] ?? [], probabilities[index] as number));
  const total = raw.reduce((sum, value) => sum + value, 0);
  return [{ predicted, probabilities, chances: total > 0 ? raw.map((value) => value / total) : probabilities }];
}

/** Every row once a class, weighted by the chance of that class. */
function binary(rows: readonly Expected[], classes: readonly string[], positive: string | null, weights: Float64Array): ResamplePlan {
  const one = positive === null ? classes.length - 1 : classes.indexOf(positive);
  const spread = <T>(value: (row: Expected, label: number) => T) => rows.flatMap((row) => classes.map((_, label) => value(row, label)));
  return binaryPlan({
    probabilities: Float64Array.from(spread((row) => row.probabilities[one] as number)),
    labels: Uint8Array.from(spread((_, label) => (label === one ? 1 : 0))),
    predicted: Uint8Array.from(spread((row) => (row.predicted === one ? 1 : 0))),
    weights,
  });
}

function multiclass(rows: readonly Expected[], classes: readonly string[], weights: Float64Array): ResamplePlan {
  return multiclassPlan({
    probabilities: Float64Array.from(rows.flatMap((row) => classes.flatMap(() => row.probabilities))),
    labels: Int32Array.from(rows.flatMap(() => classes.map((_, label) => label))),
    classCount: classes.length,
    weights,
  });
}

function evaluate(plan: ResamplePlan, counts: Uint16Array, width: number): Float64Array {
  const out = new Float64Array(width).fill(Number.NaN);
  plan.evaluate(counts, out);
  return out;
}

/** A resample of the rows with a label drawn for each of them. */
function draw(random: Random, rows: readonly Expected[], width: number): Uint16Array {
  const counts = new Uint16Array(rows.length * width);
  for (let drawn = 0; drawn < rows.length; drawn += 1) {
    const row = random.int(rows.length);
    let rest = random.next();
    const { chances } = rows[row] as Expected;
    let label = 0;
    while (label < width - 1 && rest >= (chances[label] as number)) {
      rest -= chances[label] as number;
      label += 1;
    }
    const place = row * width + label;
    counts[place] = (counts[place] as number) + 1;
  }
  return counts;
}

function bandOf(value: number | undefined, samples: readonly Float64Array[], index: number): QualityEstimate['metrics'][string] {
  const defined = Float64Array.from(samples, (sample) => sample[index] as number)
    .filter(Number.isFinite)
    .toSorted();
  if (value === undefined || !Number.isFinite(value) || defined.length * 2 < samples.length) return { value: null, low: null, high: null };
  return { value, low: quantile(defined, 0.025), high: quantile(defined, 0.975) };
}

function estimateErrors(calls: readonly UnlabelledCall[], reference: QualityReference, inputs: Frame | undefined): Estimated | undefined {
  const { absoluteError, squaredError } = reference;
  if (!absoluteError || !squaredError || !inputs) return undefined;
  const predicted = Float64Array.from(calls, (call) => (typeof call.prediction === 'number' ? call.prediction : Number.NaN));
  const shown = withPrediction(inputs, predicted);
  const absolute = scoreSmallTrees(absoluteError, shown).map((error) => Math.max(0, error));
  const squared = scoreSmallTrees(squaredError, shown).map((error, row) => Math.max((absolute[row] as number) ** 2, error));
  const count = calls.length;
  const meanOf = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / count;
  const [mae, square] = [meanOf(absolute), meanOf(squared)];
  // The errors measured would spread around the expected ones by their own variance, E[e^2] - E[|e|]^2.
  const half = 1.96 * Math.sqrt(Math.max(0, square - mae ** 2) / count);
  const rmse = Math.sqrt(square);
  const fourth = meanOf(squared.map((error) => 3 * error ** 2)) - square ** 2;
  const halfSquare = 1.96 * Math.sqrt(Math.max(0, fourth) / count);
  return {
    count,
    metrics: {
      mae: { value: mae, low: Math.max(0, mae - half), high: mae + half },
      rmse: { value: rmse, low: Math.sqrt(Math.max(0, square - halfSquare)), high: Math.sqrt(square + halfSquare) },
    },
  };
}
