import type { Frame } from '@slipway/kernel';
import { z } from 'zod';
import { ESTIMATE_CLASSES_LIMIT } from '../limits.ts';
import { SmallTrees, fitSmallTrees } from '../trees/small-trees.ts';

/** Steps of a calibration curve. */
const CURVE_STEPS_LIMIT = 50;
/** Rows that a step stands for at least. */
const CURVE_STEP_ROWS = 20;

/** Share of rows that were of a class, by the probability that the model gave it: ascending on both axes. */
export const CalibrationCurve = z.array(z.object({ upTo: z.number(), rate: z.number() }));
export type CalibrationCurve = z.infer<typeof CalibrationCurve>;

/** What quality without labels is estimated from, learnt from rows that the model had not seen. */
export const QualityReference = z.object({
  rows: z.int(),
  /** By class; empty for regression. */
  curves: z.record(z.string(), CalibrationCurve),
  /** Regression: the absolute error by inputs and prediction. */
  absoluteError: SmallTrees.nullable(),
  squaredError: SmallTrees.nullable(),
});
export type QualityReference = z.infer<typeof QualityReference>;

/** Calibration curves of a classifier on rows it has not seen. @param probabilities row by row, one a class. */
export function learnCalibration(
  classes: readonly string[],
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
): QualityReference | undefined {
  if (classes.length > ESTIMATE_CLASSES_LIMIT) return undefined;
  const rows = labels.length;
  const curves = classes.map((label, code): [string, CalibrationCurve] => {
    const points = Array.from({ length: rows }, (_, row) => ({
      p: probabilities[row * classes.length + code] as number,
      hit: labels[row] === code ? 1 : 0,
    }));
    return [label, isotonic(points)];
  });
  return { rows, curves: Object.fromEntries(curves), absoluteError: null, squaredError: null };
}

/** Pool-adjacent-violators over bins of equal count. Source: Zadrozny & Elkan 2002. */
function isotonic(points: { p: number; hit: number }[]): CalibrationCurve {
  points.sort((a, b) => a.p - b.p);
  const size = Math.max(CURVE_STEP_ROWS, Math.ceil(points.length / CURVE_STEPS_LIMIT));
  const steps: { upTo: number; hits: number; count: number }[] = [];
  for (const { p, hit } of points) {
    const last = steps.at(-1);
    if (!last || (last.count >= size && p > last.upTo)) steps.push({ upTo: p, hits: hit, count: 1 });
    else Object.assign(last, { upTo: p, hits: last.hits + hit, count: last.count + 1 });
  }
  const pooled: typeof steps = [];
  for (const step of steps) {
    let block = { ...step };
    for (let last = pooled.at(-1); last && last.hits / last.count >= block.hits / block.count; last = pooled.at(-1)) {
      pooled.pop();
      block = { upTo: block.upTo, hits: last.hits + block.hits, count: last.count + block.count };
    }
    pooled.push(block);
  }
  return pooled.map(({ upTo, hits, count }) => ({ upTo, rate: hits / count }));
}

/** The calibrated share of a probability: the step that holds it. */
export function calibrated(curve: CalibrationCurve, p: number): number {
  return (curve.find((step) => p <= step.upTo) ?? curve.at(-1))?.rate ?? p;
}

/** Column under which a regression's own prediction is shown to the model of its errors. */
export const PREDICTION_COLUMN = ' prediction';

/** Learns how large a regression's errors are by its inputs and its prediction. Source: direct loss estimation (NannyML 2022). */
export async function learnLosses(
  frame: Frame,
  names: readonly string[],
  predicted: Float64Array,
  truth: Float64Array,
): Promise<QualityReference> {
  const shown = withPrediction(frame, predicted);
  const errors = Float64Array.from(predicted, (value, row) => Math.abs(value - (truth[row] as number)));
  const options = { loss: 'squared', rounds: 40, depth: 3, leafRowsMin: 30 } as const;
  const columns = [...names, PREDICTION_COLUMN];
  return {
    rows: frame.rowCount,
    curves: {},
    absoluteError: await fitSmallTrees(shown, errors, columns, options),
    squaredError: await fitSmallTrees(
      shown,
      errors.map((error) => error ** 2),
      columns,
      options,
    ),
  };
}

export function withPrediction(frame: Frame, predicted: Float64Array): Frame {
  return { rowCount: frame.rowCount, columns: new Map([...frame.columns, [PREDICTION_COLUMN, { kind: 'number', values: predicted }]]) };
}
