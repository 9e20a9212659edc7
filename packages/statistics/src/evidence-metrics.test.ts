import { describe, expect, test } from 'vitest';
import {
  RangeOfValueError,
  balancedAccuracy,
  breuschPagan,
  calibrationBinOf,
  calibrationError,
  deLongArea,
  deLongDifference,
  durbinWatson,
  gainCurve,
  jarqueBera,
  ksStatistic,
  liftAtK,
  ljungBox,
  mcNemar,
  mcNemarTest,
  medianAbsoluteError,
  multiclassRocAuc,
  argmaxRows,
  ndcgAtK,
  pinballLoss,
  precisionAtK,
  quantileCoverage,
  queryAveragePrecision,
  queryRows,
  rankingPlan,
  reciprocalRank,
  regressionPlan,
  residualBins,
  rocAuc,
  topKAccuracy,
} from './index.ts';
import { isClose, readVectors } from './testing/read-vectors.ts';

function expectClose(actual: number, expected: number | null, name: string): void {
  expect(isClose(actual, expected), `${name}: ${actual} and ${expected}`).toBe(true);
}

interface BinaryCase {
  name: string;
  labels: number[];
  probabilities: number[];
  weights: number[] | null;
  expected: Record<string, number | null>;
}

describe('calibration error, KS, precision and lift of the best tenth equal their references to 1e-9', () => {
  test.each(readVectors<BinaryCase>('binary'))('$name', ({ labels, probabilities, weights, expected }) => {
    const w = weights ?? undefined;
    const top = 0.1 * (weights ?? labels.map(() => 1)).reduce((sum, weight) => sum + weight, 0);
    expectClose(calibrationError(probabilities, labels, w), expected['calibration_error'] as number, 'calibration_error');
    expectClose(ksStatistic(probabilities, labels, w), expected['ks'] as number | null, 'ks');
    expectClose(precisionAtK(probabilities, labels, top, w), expected['precision_at_10_percent'] as number, 'precision');
    expectClose(liftAtK(probabilities, labels, top, w), expected['lift_at_10_percent'] as number | null, 'lift');
  });
});

interface MulticlassCase extends BinaryCase {
  class_count: number;
}

describe('one-versus-rest areas, top-k and balanced accuracy equal scikit-learn to 1e-9', () => {
  test.each(readVectors<MulticlassCase>('multiclass'))('$name', ({ labels, probabilities, weights, class_count: classCount, expected }) => {
    const w = weights ?? undefined;
    for (const average of ['macro', 'weighted'] as const)
      expectClose(
        multiclassRocAuc(probabilities, labels, { classCount, average, weights: w }),
        expected[`roc_auc_${average}`] ?? null,
        average,
      );
    expectClose(topKAccuracy(probabilities, labels, { classCount, top: 3, weights: w }), expected['top_3_accuracy'] ?? null, 'top 3');
    const predicted = argmaxRows(probabilities, classCount);
    expectClose(balancedAccuracy(predicted, labels, classCount, w), expected['balanced_accuracy'] ?? null, 'balanced');
    expectClose(topKAccuracy(probabilities, labels, { classCount, top: 1, weights: w }), expected['accuracy'] ?? null, 'top 1');
  });
});

interface Comparisons {
  delong: (Record<'auc' | 'auc_error' | 'auc_low' | 'auc_high' | 'difference' | 'error' | 'z' | 'p_value' | 'low' | 'high', number> & {
    name: string;
    labels: number[];
    first: number[];
    second: number[];
  })[];
  mcnemar: [number, number, number][];
}

describe('comparisons', () => {
  const [comparisons] = readVectors<Comparisons>('comparisons');

  test.each(comparisons?.delong ?? [])("DeLong's errors equal those by definition: $name", (sample) => {
    const { labels, first, second } = sample;
    const one = deLongArea(first, labels);
    const found = deLongDifference(first, second, labels);
    const actual = {
      auc: one.value,
      auc_error: one.standardError,
      auc_low: one.low,
      auc_high: one.high,
      difference: found.value,
      error: found.standardError,
      z: found.z,
      p_value: found.pValue,
      low: found.low,
      high: found.high,
    };
    for (const [name, value] of Object.entries(actual)) expectClose(value, sample[name as keyof typeof actual], name);
  });

  test('a scorer compared with itself differs by nothing, and one class gives no area', () => {
    const same = deLongDifference([0.1, 0.4, 0.6, 0.9], [0.1, 0.4, 0.6, 0.9], [0, 1, 0, 1]);
    expect(same).toMatchObject({ value: 0, z: 0, pValue: 1, low: 0, high: 0 });
    expect(deLongDifference([0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1])).toMatchObject({ value: 1, pValue: 0 });
    expect(deLongArea([0.1, 0.2], [0, 0]).value).toBeNaN();
  });

  test("McNemar's test equals SciPy's binomial test and statsmodels' chi-square", () => {
    for (const [firstOnly, secondOnly, pValue] of comparisons?.mcnemar ?? [])
      expectClose(mcNemarTest(firstOnly, secondOnly).pValue, pValue, `${firstOnly} and ${secondOnly}`);
    expect(mcNemar([1, 1, 0, 2], [1, 0, 0, 1], [1, 1, 1, 1])).toMatchObject({ firstOnly: 1, secondOnly: 1, pValue: 1 });
    expect(() => mcNemarTest(0.5, 1)).toThrow(RangeOfValueError);
  });
});

interface RankingCase {
  name: string;
  queries: number[];
  scores: number[];
  relevance: number[];
  expected: Record<'ndcg_at_10' | 'ndcg_at_3' | 'ndcg_at_3_exponential' | 'map' | 'mrr', number>[];
}

describe('ranking metrics equal scikit-learn to 1e-9', () => {
  test.each(readVectors<RankingCase>('ranking'))('$name', ({ queries, scores, relevance, expected }) => {
    queryRows(queries).forEach((rows, query) => {
      const s = Array.from(rows, (row) => scores[row] as number);
      const r = Array.from(rows, (row) => relevance[row] as number);
      const reference = expected[query];
      expectClose(ndcgAtK(s, r, 10), reference?.ndcg_at_10 ?? null, 'ndcg@10');
      expectClose(ndcgAtK(s, r, 3), reference?.ndcg_at_3 ?? null, 'ndcg@3');
      expectClose(ndcgAtK(s, r, 3, 'exponential'), reference?.ndcg_at_3_exponential ?? null, 'ndcg@3 exponential');
      expectClose(queryAveragePrecision(s, r), reference?.map ?? null, 'map');
      expectClose(reciprocalRank(s, r), reference?.mrr ?? null, 'mrr');
    });
    const out = new Float64Array(3);
    rankingPlan({ scores, relevance, queries }).evaluate(new Uint16Array(expected.length).fill(1), out);
    (['ndcg_at_10', 'map', 'mrr'] as const).forEach((name, index) => {
      expectClose(out[index] as number, expected.reduce((sum, each) => sum + each[name], 0) / expected.length, name);
    });
  });

  test('a query without a relevant document does not count', () => {
    const plan = rankingPlan({ scores: [2, 1, 5, 4], relevance: [0, 1, 0, 0], queries: [1, 1, 2, 2] });
    const out = new Float64Array(3);
    plan.evaluate(new Uint16Array(2).fill(1), out);
    expect(out[2]).toBe(0.5);
    expect(ndcgAtK([1, 2], [0, 0], 10)).toBeNaN();
    expect(() => ndcgAtK([1], [-1], 10)).toThrow(RangeOfValueError);
  });
});

interface ResidualCase {
  name: string;
  residuals: number[];
  factor: number[];
  jarque_bera: [number, number];
  skewness: number;
  kurtosis: number;
  breusch_pagan: [number, number];
  ljung_box: [number, number];
  durbin_watson: number;
  pinball: [number, number][];
  coverage: number;
  median_absolute_error: number;
}

describe('residual checks equal SciPy and statsmodels to 1e-9', () => {
  test.each(readVectors<ResidualCase>('residuals'))('$name', (sample) => {
    const { residuals, factor } = sample;
    const normality = jarqueBera(residuals);
    expectClose(normality.statistic, sample.jarque_bera[0], 'Jarque-Bera');
    expectClose(normality.pValue, sample.jarque_bera[1], 'Jarque-Bera p');
    expectClose(normality.skewness, sample.skewness, 'skewness');
    expectClose(normality.kurtosis, sample.kurtosis, 'kurtosis');
    const spread = breuschPagan(residuals, factor);
    expectClose(spread.statistic, sample.breusch_pagan[0], 'Breusch-Pagan');
    expectClose(spread.pValue, sample.breusch_pagan[1], 'Breusch-Pagan p');
    const memory = ljungBox(residuals, 10);
    expectClose(memory.statistic, sample.ljung_box[0], 'Ljung-Box');
    expectClose(memory.pValue, sample.ljung_box[1], 'Ljung-Box p');
    expectClose(durbinWatson(residuals), sample.durbin_watson, 'Durbin-Watson');
    const truth = factor.map((value, row) => value + (residuals[row] as number));
    for (const [level, loss] of sample.pinball) {
      expectClose(pinballLoss(factor, truth, level), loss, `pinball ${level}`);
      const out = new Float64Array(7);
      regressionPlan({ predicted: factor, truth, quantile: level }).evaluate(new Uint16Array(truth.length).fill(1), out);
      expectClose(out[5] as number, loss, `pinball ${level} of the plan`);
      expectClose(out[6] as number, sample.coverage, 'coverage of the plan');
    }
    expectClose(quantileCoverage(factor, truth), sample.coverage, 'coverage');
    expectClose(medianAbsoluteError(factor, truth), sample.median_absolute_error, 'median absolute error');
  });

  test('residual bins hold every row once, in the order of the prediction', () => {
    const predicted = Float64Array.from({ length: 103 }, (_, row) => Math.sin(row * 1.7));
    const truth = predicted.map((value, row) => value + (row % 2 === 0 ? 1 : -1));
    const bins = residualBins(predicted, truth);
    expect(bins).toHaveLength(10);
    expect(bins.reduce((sum, bin) => sum + bin.rows, 0)).toBe(103);
    expect(bins.every((bin, index) => index === 0 || bin.from >= (bins[index - 1]?.to ?? 0))).toBe(true);
    expect(bins.every((bin) => Math.abs(bin.rmse - 1) < 1e-12)).toBe(true);
    expect(residualBins([1, 2], [1, 2])).toHaveLength(2);
  });
});

test('a gain curve ends with every positive, and without one there is none', () => {
  const curve = gainCurve([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0], 4);
  expect(curve?.map((point) => point.gain)).toEqual([0.5, 0.5, 1, 1]);
  expect(curve?.[0]).toEqual({ taken: 0.25, gain: 0.5, lift: 2 });
  expect(gainCurve([0.9, 0.8], [0, 0], 4)).toBeNull();
  expect(() => precisionAtK([0.5, 0.4], [1, 0], 3)).toThrow(RangeOfValueError);
});

test('a probability on an edge belongs to the bin below it', () => {
  expect([0, 0.1, 0.100001, 0.3, 0.7, 1].map((p) => calibrationBinOf(p))).toEqual([0, 0, 1, 2, 6, 9]);
});

test('a scorer turned round has one minus its area, and the same distance between its classes', () => {
  const scores = [0.2, 0.4, 0.9, 0.6, 0.1];
  const labels = [0, 1, 1, 0, 0];
  const turned = scores.map((score) => 1 - score);
  expect(deLongArea(turned, labels).value).toBeCloseTo(1 - rocAuc(scores, labels), 12);
  expect(ksStatistic(turned, labels)).toBeCloseTo(ksStatistic(scores, labels), 12);
});
