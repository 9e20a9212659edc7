import { CancelledError } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, expect, test } from 'vitest';
import { type EvaluateRequest, EvaluationInputError, type MetricName, evaluate, higherIsBetter, metricsOf } from './index.ts';

const random = createRandom('evaluate');

/** Scores that know something about the class when `signal` is above zero. */
function binaryRequest(rows: number, signal: number): EvaluateRequest {
  const truth = Int32Array.from({ length: rows }, () => (random.next() < 0.3 ? 1 : 0));
  const probabilities = new Float32Array(rows * 2);
  for (let row = 0; row < rows; row += 1) {
    const p = 1 / (1 + Math.exp(-(signal * ((truth[row] as number) - 0.5) * 2 + random.normal() - 0.8)));
    probabilities[row * 2] = 1 - p;
    probabilities[row * 2 + 1] = p;
  }
  const trainTruth = Int32Array.from({ length: 1_000 }, (_, row) => (row < 300 ? 1 : 0));
  return {
    task: 'binary',
    classes: ['no', 'yes'],
    positive: 'yes',
    truth,
    predictions: { probabilities },
    trainTruth,
    seed: 1,
    resamples: 300,
  };
}

function regressionRequest(rows: number, noise: number, zeroAt = -1): EvaluateRequest {
  const truth = Float64Array.from({ length: rows }, (_, row) => (row === zeroAt ? 0 : 10 + random.normal()));
  const values = truth.map((y) => y + noise * random.normal());
  const trainTruth = Float64Array.from({ length: 500 }, () => 10 + random.normal());
  return { task: 'regression', classes: null, positive: null, truth, predictions: { values }, trainTruth, seed: 1, resamples: 300 };
}

function multiclassRequest(rows: number): EvaluateRequest {
  const truth = Int32Array.from({ length: rows }, () => random.int(3));
  const probabilities = Float64Array.from({ length: rows * 3 }, (_, at) => (truth[Math.floor(at / 3)] === at % 3 ? 0.6 : 0.2));
  return {
    task: 'multiclass',
    classes: ['a', 'b', 'c'],
    positive: null,
    truth,
    predictions: { probabilities },
    trainTruth: Int32Array.of(0, 0, 1, 2),
    seed: 1,
    resamples: 300,
  };
}

describe('each task', () => {
  test.each([
    ['binary', binaryRequest(400, 1.5)],
    ['multiclass', multiclassRequest(300)],
    ['regression', regressionRequest(300, 0.4)],
  ] as const)('%s has its metrics by name, inside their intervals, and beats its baseline', async (task, request) => {
    const evaluation = await evaluate(request);
    expect(Object.keys(evaluation.metrics)).toEqual(metricsOf(task));
    expect(Object.keys(evaluation.baseline.metrics)).toEqual(metricsOf(task));
    for (const metric of metricsOf(task)) {
      const { value, low, high } = evaluation.metrics[metric] ?? {};
      expect((low ?? 1) <= (value ?? 0) && (value ?? 1) <= (high ?? 0), `${metric}: ${low} ${value} ${high}`).toBe(true);
    }
    expect(evaluation.improvement.metric).toBe(evaluation.primary);
    expect(evaluation.improvement.low).toBeGreaterThan(0);
    expect(evaluation.rows).toEqual({ train: request.trainTruth.length, test: request.truth.length });
  });

  test('the same request gives the same evaluation', async () => {
    const request = binaryRequest(200, 1);
    expect(await evaluate(request)).toEqual(await evaluate(request));
  });
});

test('an improvement is better whatever the direction of its metric', async () => {
  const evaluation = await evaluate(binaryRequest(400, 2));
  for (const metric of ['roc_auc', 'log_loss', 'brier', 'mcc'] as const satisfies MetricName[]) {
    const difference = (evaluation.metrics[metric]?.value ?? 0) - (evaluation.baseline.metrics[metric] ?? 0);
    expect(evaluation.improvements[metric]?.value).toBeCloseTo(higherIsBetter(metric) ? difference : -difference, 12);
    expect(evaluation.improvements[metric]?.low).toBeGreaterThan(0);
  }
});

test('scores that know nothing do not beat the baseline (negative control)', async () => {
  const { improvement } = await evaluate(binaryRequest(400, 0));
  expect(improvement.low).toBeLessThan(0);
});

test('the baselines learn from the training rows alone', async () => {
  const binary = await evaluate(binaryRequest(100, 1));
  expect(binary.baseline.name).toBe('majority');
  expect(binary.baseline.metrics.roc_auc).toBe(0.5);
  expect(binary.baseline.metrics.recall).toBe(0);
  const request = { ...regressionRequest(50, 1), trainTruth: Float64Array.of(1, 3) };
  const regression = await evaluate(request);
  const expected = Math.sqrt(Array.from(request.truth).reduce((sum, y) => sum + (y - 2) ** 2, 0) / 50);
  expect(regression.baseline).toMatchObject({ name: 'mean' });
  expect(regression.baseline.metrics.rmse).toBeCloseTo(expected, 12);
});

test('binary metrics are about the positive class, also when it is not the last', async () => {
  const request = binaryRequest(300, 1.5);
  const flipped = await evaluate({ ...request, positive: 'no' });
  const usual = await evaluate(request);
  expect(flipped.metrics.roc_auc?.value).toBeCloseTo(usual.metrics.roc_auc?.value ?? 0, 6);
  expect(flipped.metrics.recall?.value).not.toBeCloseTo(usual.metrics.recall?.value ?? 0, 2);
  const [[trueNo = 0] = [], [falseNo = 0] = []] = usual.confusion?.cells ?? [];
  expect(flipped.metrics.precision?.value).toBeCloseTo(trueNo / (trueNo + falseNo), 12);
});

test('weights of zero take rows out of every metric', async () => {
  const request = binaryRequest(200, 1);
  const weights = Float64Array.from({ length: 200 }, (_, row) => (row < 120 ? 2 : 0));
  const kept = {
    ...request,
    truth: request.truth.slice(0, 120),
    predictions: { probabilities: (request.predictions as { probabilities: Float32Array }).probabilities.slice(0, 240) },
  };
  const [weighted, plain] = [await evaluate({ ...request, weights }), await evaluate(kept)];
  for (const metric of metricsOf('binary'))
    expect(weighted.metrics[metric]?.value).toBeCloseTo(plain.metrics[metric]?.value ?? Number.NaN, 12);
});

describe('what is undefined is null and explained', () => {
  test('ROC AUC of one class', async () => {
    const request = binaryRequest(120, 1);
    const { metrics, notes, curves } = await evaluate({ ...request, truth: new Int32Array(120) });
    expect(metrics.roc_auc).toEqual({ value: null, low: null, high: null });
    expect(metrics.accuracy?.value).not.toBeNull();
    expect(notes.join()).toContain('roc_auc');
    expect(curves).toBeNull();
  });

  test('MAPE leaves out rows whose truth is zero and says how many', async () => {
    const { metrics, notes } = await evaluate(regressionRequest(150, 0.5, 7));
    expect(metrics.mape?.value).toBeLessThan(0.2);
    expect(notes.join()).toContain('the 1 of 150 rows');
  });
});

describe('curves and calibration', () => {
  test('keep at most 200 points from corner to corner, with the area of the metric', async () => {
    const { curves, metrics } = await evaluate(binaryRequest(20_000, 1));
    const roc = curves?.roc ?? [];
    expect(roc.length).toBeLessThanOrEqual(200);
    expect(roc.length).toBeGreaterThan(100);
    expect(curves?.precisionRecall.length).toBeLessThanOrEqual(200);
    expect([roc[0]?.falsePositiveRatio, roc.at(-1)?.truePositiveRatio, roc.at(-1)?.falsePositiveRatio]).toEqual([0, 1, 1]);
    let area = 0;
    for (const [index, point] of roc.entries()) {
      const before = roc[index - 1] ?? point;
      area += ((point.falsePositiveRatio - before.falsePositiveRatio) * (point.truePositiveRatio + before.truePositiveRatio)) / 2;
    }
    expect(area).toBeCloseTo(metrics.roc_auc?.value ?? 0, 3);
  });

  test('bins hold every row and compare what was said with what happened', async () => {
    const { calibration } = await evaluate(binaryRequest(5_000, 1));
    expect(calibration?.reduce((sum, bin) => sum + bin.rows, 0)).toBe(5_000);
    expect(calibration?.every((bin) => bin.meanProbability >= bin.from && bin.meanProbability <= bin.to)).toBe(true);
  });
});

test('the event loop keeps turning while fifty thousand rows are resampled', async () => {
  const request = { ...binaryRequest(50_000, 1), resamples: 200 };
  let turns = 0;
  let running = true;
  const count = () => {
    turns += 1;
    if (running) setImmediate(count);
  };
  setImmediate(count);
  const started = process.cpuUsage();
  await evaluate(request);
  running = false;
  const cpuMs = (process.cpuUsage(started).user + process.cpuUsage(started).system) / 1_000;
  // Counted in processor time, because wall time says more about the machine's other work. Slices are of 8 ms.
  expect(cpuMs / turns).toBeLessThan(30);
});

describe('refused', () => {
  const request = binaryRequest(20, 1);
  test.each<[string, Partial<EvaluateRequest>]>([
    ['no rows', { truth: new Int32Array(0), predictions: { probabilities: new Float64Array(0) } }],
    ['no training rows', { trainTruth: new Int32Array(0) }],
    ['a class code that does not exist', { truth: new Int32Array(20).fill(2) }],
    ['a missing label', { truth: new Int32Array(20).fill(-1) }],
    ['too few probabilities', { predictions: { probabilities: new Float64Array(39) } }],
    ['a probability that is NaN', { predictions: { probabilities: new Float64Array(40).fill(Number.NaN) } }],
    ['a probability above one', { predictions: { probabilities: new Float64Array(40).fill(1.5) } }],
    ['values for a classification', { predictions: { values: new Float64Array(20) } }],
    ['three classes for a binary task', { classes: ['a', 'b', 'c'] }],
    ['a positive class that does not exist', { positive: 'maybe' }],
    ['weights of other rows', { weights: new Float64Array(3) }],
    ['weights that are all zero', { weights: new Float64Array(20) }],
    ['no resamples', { resamples: 0 }],
  ])('%s', async (_name, change) => {
    await expect(evaluate({ ...request, ...change })).rejects.toThrow(EvaluationInputError);
  });

  test('an infinite prediction of a regression', async () => {
    const predictions = { values: new Float64Array(10).fill(Number.POSITIVE_INFINITY) };
    await expect(evaluate({ ...regressionRequest(10, 1), predictions })).rejects.toThrow(EvaluationInputError);
  });

  test('a cancelled evaluation', async () => {
    await expect(evaluate({ ...request, signal: AbortSignal.abort() })).rejects.toThrow(CancelledError);
  });
});
