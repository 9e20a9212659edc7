import { createRandom } from '@slipway/statistics';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideGates } from '../gates.ts';
import { bestF1Threshold, chooseThreshold, costOf, cutAt, decisionMetric, meets, thresholdOfCosts } from './choose-threshold.ts';
import { Objective, ObjectiveResult } from './contract.ts';
import { judgeDecisions, judgeNumbers } from './judge-objective.ts';

const COSTS = { falsePositive: 1, falseNegative: 9, truePositive: 0, trueNegative: 0 };

/** Calibrated rows: the label is drawn with the probability; `shift` moves what is said away from it. */
function calibrated(rows: number, seed: string, shift = 0) {
  const random = createRandom(seed);
  const labels = new Uint8Array(rows);
  const probabilities = new Float64Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const margin = 1.6 * random.normal() - 0.8;
    labels[row] = random.next() < 1 / (1 + Math.exp(-margin)) ? 1 : 0;
    probabilities[row] = 1 / (1 + Math.exp(-(margin + shift)));
  }
  return { probabilities, labels };
}

describe('the threshold', () => {
  test('of calibrated probabilities is that of the costs', () => {
    const chosen = chooseThreshold({ ...calibrated(4_000, 'calibrated'), costs: COSTS });
    expect(chosen).toMatchObject({ threshold: 0.1, source: 'costs', constraintMet: true, rows: 4_000 });
    expect(thresholdOfCosts({ ...COSTS, falseNegative: 1 })).toBe(0.5);
    expect(thresholdOfCosts({ falsePositive: 10, falseNegative: 0, truePositive: -90, trueNegative: 0 })).toBeCloseTo(0.1, 12);
  });

  test('of probabilities that say too much follows what was seen, and costs less', () => {
    const rows = calibrated(4_000, 'shifted', 2);
    const chosen = chooseThreshold({ ...rows, costs: COSTS });
    expect(chosen.source).toBe('observed');
    // The shift of the log-odds by 2 moves the right threshold from 0.1 to 0.45.
    expect(chosen.threshold).toBeGreaterThan(0.3);
    const fresh = calibrated(20_000, 'fresh', 2);
    const costAt = (threshold: number) => costOf(cutAt(fresh.probabilities, fresh.labels, threshold), COSTS);
    expect(costAt(chosen.threshold)).toBeLessThan(costAt(0.1));
  });

  test('keeps a constraint on new rows, and says when no threshold can', () => {
    const constraint = { metric: 'recall', atLeast: 0.8 } as const;
    const kept = Array.from({ length: 20 }, (_, index) => {
      const chosen = chooseThreshold({
        ...calibrated(1_500, `constraint ${index}`),
        costs: { ...COSTS, falsePositive: 9, falseNegative: 1 },
        constraint,
      });
      expect(chosen.constraintMet).toBe(true);
      const fresh = calibrated(20_000, `fresh ${index}`);
      return meets(constraint, cutAt(fresh.probabilities, fresh.labels, chosen.threshold), false);
    });
    // Without the standard error to spare about half would break it.
    expect(kept.filter(Boolean).length).toBeGreaterThanOrEqual(14);
    const impossible = chooseThreshold({
      ...calibrated(500, 'impossible'),
      costs: COSTS,
      constraint: { metric: 'precision', atLeast: 0.9999 },
    });
    expect(impossible.constraintMet).toBe(false);
  });

  test('is never worse on its own rows than acting on none, on all, or from a half on', () => {
    const row = fc.record({ probability: fc.integer({ min: 0, max: 19 }).map((p) => p / 20), label: fc.integer({ min: 0, max: 1 }) });
    const price = fc.integer({ min: 1, max: 50 });
    fc.assert(
      fc.property(fc.array(row, { minLength: 2, maxLength: 60 }), price, price, (rows, falsePositive, falseNegative) => {
        const probabilities = Float64Array.from(rows, (each) => each.probability);
        const labels = Uint8Array.from(rows, (each) => each.label);
        const costs = { ...COSTS, falsePositive, falseNegative };
        const chosen = chooseThreshold({ probabilities, labels, costs });
        expect(chosen.threshold).toBeGreaterThanOrEqual(0);
        expect(chosen.threshold).toBeLessThanOrEqual(1);
        if (chosen.source === 'costs') return;
        const cost = costOf(cutAt(probabilities, labels, chosen.threshold), costs);
        for (const other of [0, 0.5]) expect(cost).toBeLessThanOrEqual(costOf(cutAt(probabilities, labels, other), costs));
        expect(cost).toBeLessThanOrEqual(costOf(cutAt(probabilities, labels, 2), costs));
      }),
    );
  });

  test('with the best F1 beats a half when the positive class is rare', () => {
    const { probabilities, labels } = calibrated(5_000, 'rare', -2);
    const best = bestF1Threshold(probabilities, labels);
    expect(best.value).toBeGreaterThan(best.atDefault);
    expect(decisionMetric('f1', cutAt(probabilities, labels, best.threshold))).toBeCloseTo(best.value, 12);
  });
});

describe('the worth of decisions', () => {
  const rows = calibrated(3_000, 'worth');

  test('is minus the cost per thousand, paired with doing nothing and acting on all', async () => {
    const objective = Objective.parse({ costs: { falsePositive: 1, falseNegative: 9 }, kpi: { name: 'margin', unit: 'EUR' } });
    const result = await judgeDecisions({ objective, ...rows, threshold: 0.1, seed: 1, resamples: 300 });
    expect(ObjectiveResult.parse(result)).toEqual(result);
    expect(result.model.value).toBeCloseTo((-1_000 * costOf(cutAt(rows.probabilities, rows.labels, 0.1), COSTS)) / 3_000, 9);
    const [none, all] = result.alternatives;
    expect(none).toMatchObject({ name: 'act-on-none' });
    const positives = rows.labels.reduce((sum, label) => sum + label, 0);
    expect(none?.value.value).toBeCloseTo((-9_000 * positives) / 3_000, 9);
    expect(all?.advantage.value).toBeCloseTo((result.model.value ?? 0) - (all?.value.value ?? 0), 9);
    for (const { threshold, value } of result.curve)
      expect(value).toBeCloseTo((-1_000 * costOf(cutAt(rows.probabilities, rows.labels, threshold), COSTS)) / 3_000, 9);
    expect(result.verdict).toBe('use-model');
    expect(decideGates([{ kind: 'objective' }], { ...NO_FACTS, objective: result })[0]).toMatchObject({ passed: true });
  });

  test('of a model that knows nothing is not shown, and its gate fails saying so', async () => {
    const objective = Objective.parse({ costs: { falsePositive: 1, falseNegative: 9 } });
    const random = createRandom('nothing');
    const probabilities = Float64Array.from(rows.labels, () => random.next());
    const result = await judgeDecisions({ objective, probabilities, labels: rows.labels, threshold: 0.1, seed: 1, resamples: 300 });
    expect(result.verdict).not.toBe('use-model');
    const [gate] = decideGates([{ kind: 'objective' }], { ...NO_FACTS, objective: result });
    expect(gate?.passed).toBe(false);
    expect(gate?.message).toContain('acting on every row');
  });

  test('below that of the live version fails the gate; equal to it does not', async () => {
    const objective = Objective.parse({
      costs: { falsePositive: 1, falseNegative: 9 },
      constraint: { metric: 'selection_rate', atMost: 0.01 },
    });
    const perfect = Uint8Array.from(rows.labels);
    const worse = await judgeDecisions({ objective, ...rows, threshold: 0.1, champion: perfect, seed: 1, resamples: 300 });
    expect(worse.verdict).toBe('keep-champion');
    const [gate] = decideGates([{ kind: 'objective' }], { ...NO_FACTS, objective: worse });
    expect(gate?.message).toContain('live version');
    expect(gate?.message).toContain('selection_rate');
    expect(worse.constraint?.met).toBe(false);
    const own = Uint8Array.from(rows.probabilities, (probability) => (probability >= 0.1 ? 1 : 0));
    const same = await judgeDecisions({ objective: { costs: COSTS }, ...rows, threshold: 0.1, champion: own, seed: 1, resamples: 300 });
    expect(same.alternatives.at(-1)?.advantage).toEqual({ value: 0, low: 0, high: 0 });
    expect(same.verdict).toBe('use-model');
  });

  test('a gate without a judged objective fails', () => {
    expect(decideGates([{ kind: 'objective' }], NO_FACTS)[0]?.passed).toBe(false);
  });
});

test('numbers are judged by what their errors cost, and a wrong quantile is named', async () => {
  const random = createRandom('numbers');
  const truth = Float64Array.from({ length: 2_000 }, () => 100 + 10 * random.normal());
  const predicted = truth.map((value) => value + 3 * random.normal());
  const objective = Objective.parse({ costPerUnitError: { over: 1, under: 9 } });
  const result = await judgeNumbers({ objective, predicted, truth, trainTruth: truth, seed: 1, resamples: 300 });
  expect(result).toMatchObject({ kind: 'unit-error', verdict: 'use-model' });
  expect(result.notes[0]).toContain('quantile:0.9');
  const shifted = predicted.map((value) => value + 3 * 1.2816);
  const better = await judgeNumbers({
    objective,
    predicted: shifted,
    truth,
    trainTruth: truth,
    champion: predicted,
    seed: 1,
    resamples: 300,
  });
  expect(better.notes).toEqual([]);
  expect(better.alternatives.at(-1)?.advantage.low).toBeGreaterThan(0);
});

test.each([
  [{}, 'either "costs"'],
  [{ costs: { falsePositive: 1, falseNegative: 1 }, costPerUnitError: { over: 1, under: 1 } }, 'either "costs"'],
  [{ costs: { falsePositive: -1, falseNegative: 1 } }, 'must be above "trueNegative"'],
  [{ costs: { falsePositive: 1, falseNegative: 1, truePositive: 2 } }, 'must be above "truePositive"'],
  [{ costPerUnitError: { over: 1, under: 1 }, constraint: { metric: 'recall', atLeast: 1 } }, 'only decisions'],
  [{ costs: { falsePositive: 1, falseNegative: 1 }, constraint: { metric: 'recall' } }, 'needs either "atLeast"'],
])('an objective that asks nothing is refused: %j', (objective, message) => {
  const parsed = Objective.safeParse(objective);
  expect(parsed.success).toBe(false);
  expect(parsed.error?.issues.map((issue) => issue.message).join(' ')).toContain(message);
});

const NO_FACTS = { metrics: {}, improvements: {}, parity: null, leaks: null, acceptedLeaks: [], latency: null };
