import { describe, expect, test } from 'vitest';
import {
  RangeOfValueError,
  ShapeError,
  binaryPlan,
  bootstrapDifference,
  bootstrapInterval,
  bootstrapPlan,
  createRandom,
  regressionPlan,
  rocAuc,
} from './index.ts';

function sample(n: number, seed: number) {
  const random = createRandom(seed);
  const labels = new Int32Array(n);
  const probabilities = new Float64Array(n);
  for (let row = 0; row < n; row += 1) {
    const z = random.normal();
    labels[row] = random.next() < 1 / (1 + Math.exp(-2 * z)) ? 1 : 0;
    probabilities[row] = 1 / (1 + Math.exp(-2 * z));
  }
  return { labels, probabilities };
}

test('the fast plan and the general bootstrap give the same interval from the same seed', () => {
  const { labels, probabilities } = sample(300, 1);
  const fast = bootstrapPlan(binaryPlan({ labels, probabilities }), { seed: 9, resamples: 200 })['roc_auc'];
  const slow = bootstrapInterval({
    n: 300,
    seed: 9,
    resamples: 200,
    statistic: (rows) =>
      rocAuc(
        Array.from(rows, (row) => probabilities[row] as number),
        Array.from(rows, (row) => labels[row] as number),
      ),
  });
  expect(fast?.value).toBeCloseTo(slow.value, 12);
  expect(fast?.low).toBeCloseTo(slow.low, 12);
  expect(fast?.high).toBeCloseTo(slow.high, 12);
});

test('a mean lies in its 95 % interval in about 95 % of repetitions', () => {
  let covered = 0;
  for (let repetition = 0; repetition < 200; repetition += 1) {
    const random = createRandom(`coverage ${repetition}`);
    const values = Float64Array.from({ length: 80 }, () => random.normal());
    const interval = bootstrapInterval({
      n: 80,
      seed: repetition,
      resamples: 300,
      statistic: (rows) => rows.reduce((sum, row) => sum + (values[row] as number), 0) / rows.length,
    });
    if (interval.low <= 0 && interval.high >= 0) covered += 1;
  }
  expect(covered).toBeGreaterThan(200 * 0.89);
  expect(covered).toBeLessThan(200 * 0.99);
});

describe('the paired difference of two predictors', () => {
  const { labels, probabilities } = sample(400, 2);
  const random = createRandom(4);
  const noisy = probabilities.map((p) => Math.min(1, Math.max(0, p + 0.02 * random.normal())));
  const first = binaryPlan({ labels, probabilities });

  test('is narrower than the intervals of its parts, because both see the same rows', () => {
    const second = binaryPlan({ labels, probabilities: noisy });
    const difference = bootstrapDifference({ first, second, name: 'roc_auc' }, { seed: 1 });
    const alone = bootstrapPlan(first, { seed: 1 })['roc_auc'];
    expect(difference.high - difference.low).toBeLessThan(0.3 * ((alone?.high ?? 0) - (alone?.low ?? 0)));
  });

  test('excludes zero against a constant and includes it against itself', () => {
    const constant = binaryPlan({ labels, probabilities: new Float64Array(400).fill(0.5) });
    expect(bootstrapDifference({ first, second: constant, name: 'roc_auc' }, { seed: 1 }).low).toBeGreaterThan(0.2);
    expect(bootstrapDifference({ first, second: first, name: 'roc_auc' }, { seed: 1 })).toEqual({ value: 0, low: 0, high: 0 });
  });
});

test('fifty thousand rows, nine metrics and a thousand resamples take about a second', () => {
  const plan = binaryPlan(sample(50_000, 3));
  // Processor time: what else runs on the machine must not decide.
  const before = process.cpuUsage();
  const intervals = bootstrapPlan(plan, { seed: 1 });
  const { user, system } = process.cpuUsage(before);
  // Measured 0.7 s on two shared cores (2026-11).
  expect((user + system) / 1e6).toBeLessThan(6);
  expect(intervals['roc_auc']?.low).toBeLessThan(intervals['roc_auc']?.value ?? 0);
});

test('resamples without a class do not count for roc_auc; with one class it has no interval', () => {
  const few = binaryPlan({ labels: [0, 0, 0, 1], probabilities: [0.1, 0.2, 0.3, 0.9] });
  expect(bootstrapPlan(few, { seed: 1 })['roc_auc']).toEqual({ value: 1, low: 1, high: 1 });
  const single = bootstrapPlan(binaryPlan({ labels: [0, 0], probabilities: [0.1, 0.2] }), { seed: 1 });
  expect(single['roc_auc']).toEqual({ value: Number.NaN, low: Number.NaN, high: Number.NaN });
  expect(single['accuracy']?.value).toBe(1);
});

test('the same seed repeats an interval and another one moves it', () => {
  const plan = regressionPlan({ predicted: [1, 2, 3.5, 4], truth: [1, 2.5, 3, 5] });
  expect(bootstrapPlan(plan, { seed: 1 })).toEqual(bootstrapPlan(plan, { seed: 1 }));
  expect(bootstrapPlan(plan, { seed: 1, resamples: 50 })).not.toEqual(bootstrapPlan(plan, { seed: 2, resamples: 50 }));
});

test('impossible requests are refused', () => {
  const plan = regressionPlan({ predicted: [1, 2], truth: [1, 2] });
  const longer = regressionPlan({ predicted: [1, 2, 3], truth: [1, 2, 3] });
  expect(() => bootstrapPlan(plan, { seed: 1, resamples: 0 })).toThrow(RangeOfValueError);
  expect(() => bootstrapPlan(plan, { seed: 1, resamples: 100_001 })).toThrow(RangeOfValueError);
  expect(() => bootstrapPlan(plan, { seed: 1, level: 1 })).toThrow(RangeOfValueError);
  expect(() => bootstrapDifference({ first: plan, second: longer, name: 'rmse' }, { seed: 1 })).toThrow(ShapeError);
  expect(() => bootstrapDifference({ first: plan, second: plan, name: 'auc' }, { seed: 1 })).toThrow(RangeOfValueError);
});
