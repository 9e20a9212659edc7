import { describe, expect, test } from 'vitest';
import {
  RangeOfValueError,
  ShapeError,
  accuracy,
  argmaxRows,
  averagePrecision,
  binaryPlan,
  brier,
  confusion,
  confusionMatrix,
  f1,
  logLoss,
  macroF1,
  mae,
  mape,
  mcc,
  multiclassLogLoss,
  multiclassPlan,
  precision,
  r2,
  recall,
  regressionPlan,
  rmse,
  rocAuc,
  type ResamplePlan,
} from './index.ts';
import { isClose, readVectors } from './testing/read-vectors.ts';

interface BinaryCase {
  name: string;
  labels: number[];
  probabilities: number[];
  weights: number[] | null;
  expected: Record<string, number | null>;
}
interface MulticlassCase extends BinaryCase {
  class_count: number;
  confusion: number[];
}
interface RegressionCase {
  name: string;
  truth: number[];
  predicted: number[];
  weights: number[] | null;
  expected: Record<string, number | null>;
}

function expectClose(actual: Record<string, number>, expected: Record<string, number | null>): void {
  for (const [name, value] of Object.entries(expected)) {
    expect(isClose(actual[name] as number, value), `${name}: ${actual[name]} and ${value}`).toBe(true);
  }
}

/** The references that have a function of their own here; the plans are compared with all. */
function only<T>(expected: Record<string, T>, actual: Record<string, number>): Record<string, T> {
  return Object.fromEntries(Object.entries(expected).filter(([name]) => name in actual));
}

function once(plan: ResamplePlan): Record<string, number> {
  const out = new Float64Array(plan.names.length);
  plan.evaluate(new Uint16Array(plan.rowCount).fill(1), out);
  return Object.fromEntries(plan.names.map((name, index) => [name, out[index] as number]));
}

describe('binary metrics equal scikit-learn to 1e-9', () => {
  test.each(readVectors<BinaryCase>('binary'))('$name', ({ labels, probabilities, weights, expected: reference }) => {
    const w = weights ?? undefined;
    const guess = probabilities.map((p) => (p > 0.5 ? 1 : 0));
    // scikit-learn warns and says 0 where no positive exists; here that is undefined.
    const expected = labels.includes(1) ? reference : { ...reference, average_precision: null };
    const direct = {
      roc_auc: rocAuc(probabilities, labels, w),
      average_precision: averagePrecision(probabilities, labels, w),
      log_loss: logLoss(probabilities, labels, w),
      brier: brier(probabilities, labels, w),
      accuracy: accuracy(guess, labels, w),
      precision: precision(guess, labels, w),
      recall: recall(guess, labels, w),
      f1: f1(guess, labels, w),
      mcc: mcc(guess, labels, w),
    };
    expectClose(direct, only(expected, direct));
    expectClose(once(binaryPlan({ probabilities, labels, weights: w })), expected);
  });
});

describe('multiclass metrics equal scikit-learn to 1e-9', () => {
  test.each(readVectors<MulticlassCase>('multiclass'))('$name', (sample) => {
    const { labels, probabilities, class_count: classCount, expected } = sample;
    const weights = sample.weights ?? undefined;
    const predicted = argmaxRows(probabilities, classCount);
    const cells = confusionMatrix(predicted, labels, classCount, weights);
    expect(sample.confusion.every((value, index) => isClose(cells[index] as number, value))).toBe(true);
    const direct = {
      accuracy: accuracy(predicted, labels, weights),
      macro_f1: macroF1(predicted, labels, classCount, weights),
      log_loss: multiclassLogLoss(probabilities, labels, classCount, weights),
    };
    expectClose(direct, only(expected, direct));
    expectClose(once(multiclassPlan({ probabilities, labels, classCount, weights })), expected);
  });
});

describe('regression metrics equal scikit-learn to 1e-9', () => {
  test.each(readVectors<RegressionCase>('regression'))('$name', ({ truth, predicted, weights, expected }) => {
    const w = weights ?? undefined;
    const direct = {
      rmse: rmse(predicted, truth, w),
      mae: mae(predicted, truth, w),
      r2: r2(predicted, truth, w),
      mape: mape(predicted, truth, w),
    };
    expectClose(direct, only(expected, direct));
    const planned = once(regressionPlan({ predicted, truth, weights: w }));
    expectClose(planned, truth.includes(0) ? { ...expected, mape: 0 } : expected);
  });
});

test('metrics work on float32 probabilities and on scores beyond 0..1 where only the order counts', () => {
  expect(rocAuc(Float32Array.of(-3, 10, 2.5), Int32Array.of(0, 1, 0))).toBe(1);
  expect(logLoss(Float32Array.of(1, 0), Uint8Array.of(1, 0))).toBeLessThan(1e-9);
  expect(logLoss([0], [1])).toBeCloseTo(36.04, 2);
});

test('a large sample is sorted by radix with the same result as by comparison', () => {
  const n = 10_000;
  const scores = Float64Array.from({ length: n }, (_, i) => Math.round(Math.sin(i * 12.9898) * 1e3) / 1e3 - 0);
  const labels = Int32Array.from({ length: n }, (_, i) => ((i * 7919) % 13 < 4 ? 1 : 0));
  let pairs = 0;
  let wins = 0;
  for (let i = 0; i < n; i += 1) {
    if (labels[i] !== 1) continue;
    for (let j = 0; j < n; j += 1) {
      if (labels[j] !== 0) continue;
      pairs += 1;
      wins += (scores[i] as number) > (scores[j] as number) ? 1 : scores[i] === scores[j] ? 0.5 : 0;
    }
  }
  expect(rocAuc(scores, labels)).toBeCloseTo(wins / pairs, 12);
});

test('arrays of different rows, no rows, foreign labels, NaN and impossible probabilities are refused', () => {
  expect(() => rocAuc([0.1], [0, 1])).toThrow(ShapeError);
  expect(() => rmse([], [])).toThrow(ShapeError);
  expect(() => multiclassLogLoss([0.5, 0.5, 1], [0, 1], 2)).toThrow(ShapeError);
  expect(() => confusion([0, 2], [0, 1])).toThrow(RangeOfValueError);
  expect(() => rocAuc([Number.NaN, 1], [0, 1])).toThrow(RangeOfValueError);
  expect(() => logLoss([1.2], [1])).toThrow(RangeOfValueError);
  expect(() => macroF1([0, 3], [0, 1], 3)).toThrow(RangeOfValueError);
});

test('a tie between classes goes to the first', () => {
  expect([...argmaxRows([0.4, 0.4, 0.2, 0.1, 0.45, 0.45], 3)]).toEqual([0, 1]);
});
