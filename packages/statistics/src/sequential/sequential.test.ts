import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import {
  type ArmSums,
  EMPTY_SUMS,
  RangeOfValueError,
  addSums,
  anytimeInterval,
  anytimeRadius,
  bucketOf,
  checkSampleRatio,
  createRandom,
  forecastUnits,
  judgeGoal,
  judgeGuardrail,
  pairedDifference,
  quantileInterval,
  quantileRatio,
  smoothedVariance,
  stratifiedDifference,
  sumsOf,
  unpairedSpread,
} from '../index.ts';
import { logRateEvidence } from './mixture.ts';

const close = (left: number, right: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(left - right) <= tolerance * Math.max(1, Math.abs(right)), `${left} is not ${right}`);

describe('an interval that holds at every look', () => {
  test('its radius is that of the normal mixture, solved by hand', () => {
    // I = 10,000, kappa = 2,500: radius^2 = (I + kappa) / I^2 * ln((I + kappa) / (kappa alpha^2)).
    const byHand = Math.sqrt((12_500 / 10_000 ** 2) * Math.log(12_500 / (2_500 * 0.05 ** 2)));
    close(anytimeRadius(0.01, { alpha: 0.05, effectScale: 0.02 }), byHand);
  });

  test('it is wider than the interval of one look, and narrows as the standard error does', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 10, noNaN: true }), fc.double({ min: 1e-4, max: 1, noNaN: true }), (error, scale) => {
        const radius = anytimeRadius(error, { alpha: 0.05, effectScale: scale });
        assert.ok(radius > 1.96 * error);
        assert.ok(radius > anytimeRadius(error / 2, { alpha: 0.05, effectScale: scale }));
      }),
    );
  });

  test('nothing known gives an infinite interval, everything known none', () => {
    assert.equal(anytimeRadius(Infinity, { alpha: 0.05, effectScale: 1 }), Infinity);
    assert.equal(anytimeRadius(0, { alpha: 0.05, effectScale: 1 }), 0);
    assert.throws(() => anytimeRadius(1, { alpha: 1, effectScale: 1 }), RangeOfValueError);
    assert.throws(() => anytimeRadius(1, { alpha: 0.05, effectScale: 0 }), RangeOfValueError);
    assert.throws(() => anytimeRadius(Number.NaN, { alpha: 0.05, effectScale: 1 }), RangeOfValueError);
  });

  test('over 2,000 looks at coin tosses it leaves out the truth in less than 5 % of runs; a z-test does so in far more', () => {
    const random = createRandom('looks');
    let wrong = 0;
    let naive = 0;
    for (let run = 0; run < 200; run += 1) {
      let sums = EMPTY_SUMS;
      let isWrong = false;
      let isNaive = false;
      for (let look = 0; look < 2_000; look += 1) {
        sums = addSums(sums, sumsOf([random.next() < 0.5 ? -1 : 1]));
        if (look < 20) continue;
        const { estimate, standardError } = pairedDifference(sums, 1);
        const { low, high } = anytimeInterval(estimate, standardError, { alpha: 0.05, effectScale: 0.1 });
        isWrong ||= low > 0 || high < 0;
        isNaive ||= Math.abs(estimate) > 1.96 * standardError;
      }
      wrong += Number(isWrong);
      naive += Number(isNaive);
    }
    assert.ok(wrong <= 10, `${wrong} of 200`);
    assert.ok(naive > 60, `${naive} of 200`);
  });
});

describe('verdicts', () => {
  test('a goal is better, no worse than the margin, worse, or undecided', () => {
    assert.equal(judgeGoal({ low: 0.001, high: 0.1 }, 0.01), 'better');
    assert.equal(judgeGoal({ low: -0.009, high: 0.1 }, 0.01), 'no-worse');
    assert.equal(judgeGoal({ low: -0.009, high: -0.001 }, 0.01), 'no-worse');
    assert.equal(judgeGoal({ low: -0.02, high: -0.001 }, 0.01), 'worse');
    assert.equal(judgeGoal({ low: -0.02, high: 0.02 }, 0.01), 'undecided');
  });

  test('a guardrail is worse only beyond its margin', () => {
    assert.equal(judgeGuardrail({ low: -0.02, high: -0.001 }, 0.01), 'undecided');
    assert.equal(judgeGuardrail({ low: -0.03, high: -0.011 }, 0.01), 'worse');
    assert.equal(judgeGuardrail({ low: -0.005, high: 0.1 }, 0.01), 'no-worse');
  });
});

const sums = (hits: number, count: number): ArmSums => ({ count, sum: hits, squares: hits });

describe('differences of arms', () => {
  test('one stratum is the difference of means with its textbook standard error', () => {
    const { estimate, standardError } = stratifiedDifference([{ champion: sums(90, 100), candidate: sums(45, 50) }], 0);
    close(estimate, 0);
    close(standardError, Math.sqrt(0.09 / 100 + 0.09 / 50));
  });

  test('steps with other shares at other times do not pass for a difference; thrown together they would', () => {
    const strata = [
      { champion: sums(990, 1_000), candidate: sums(99, 100) },
      { champion: sums(50, 100), candidate: sums(500, 1_000) },
    ];
    close(stratifiedDifference(strata, 0.5).estimate, 0, 1e-9);
    const pooled = { champion: sums(1_040, 1_100), candidate: sums(599, 1_100) };
    assert.ok(stratifiedDifference([pooled], 0.5).estimate < -0.3);
  });

  test('a small arm without failures is as uncertain as both arms together', () => {
    const { standardError } = stratifiedDifference([{ champion: sums(900, 1_000), candidate: sums(50, 50) }], 0.5);
    assert.ok(standardError > Math.sqrt(smoothedVariance(sums(950, 1_050), 0) / 50));
  });

  test('an arm without units leaves everything open', () => {
    const { estimate, standardError } = stratifiedDifference([{ champion: sums(9, 10), candidate: EMPTY_SUMS }], 0.5);
    assert.deepEqual([estimate, standardError], [0, Infinity]);
    assert.equal(pairedDifference(EMPTY_SUMS, 0.5).standardError, Infinity);
  });

  test('sums of parts are the sums of the whole', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1000, max: 1000 })), fc.array(fc.integer({ min: -1000, max: 1000 })), (left, right) =>
        assert.deepEqual(addSums(sumsOf(left), sumsOf(right)), sumsOf([...left, ...right])),
      ),
    );
  });
});

describe('quantiles', () => {
  test('the interval of a quantile holds at every look, and finds a slower version', () => {
    const random = createRandom('quantiles');
    const [base, same, slow] = [new Map<number, number>(), new Map<number, number>(), new Map<number, number>()];
    const add = (map: Map<number, number>, value: number) => map.set(bucketOf(value), (map.get(bucketOf(value)) ?? 0) + 1);
    const truth = Math.exp(1.6448536269514722 * 0.5);
    for (let unit = 0; unit < 5_000; unit += 1) {
      add(base, Math.exp(0.5 * random.normal()));
      add(same, Math.exp(0.5 * random.normal()));
      add(slow, 1.5 * Math.exp(0.5 * random.normal()));
      const { low, high } = quantileInterval(base, 0.95, 0.05);
      assert.ok(low <= truth && truth <= high, `look ${unit}: ${low}..${high}`);
    }
    const ratio = quantileRatio(base, same, 0.95, 0.05);
    assert.ok(ratio.low < 1 && ratio.high > 1);
    assert.ok(quantileRatio(base, slow, 0.95, 0.05).low > 1.1);
  });

  test('few values leave a quantile open', () => {
    assert.equal(quantileInterval(new Map([[1, 3]]), 0.95, 0.05).high, Infinity);
    assert.deepEqual(quantileInterval(new Map(), 0.5, 0.05), { count: 0, estimate: 0, low: 0, high: Infinity });
  });

  test('the evidence against a rate is a martingale: its mean over all outcomes is 1', () => {
    for (const count of [1, 7, 40]) {
      let mean = 0;
      let ways = 1;
      for (let hits = 0; hits <= count; hits += 1) {
        if (hits > 0) ways = (ways * (count - hits + 1)) / hits;
        mean += ways * 0.3 ** hits * 0.7 ** (count - hits) * Math.exp(logRateEvidence(hits, count, 0.3, 20));
      }
      close(mean, 1, 1e-9);
    }
  });
});

describe('sample ratio', () => {
  test('a fair deal is no mismatch, lost units are, over several shares together', () => {
    assert.equal(checkSampleRatio([{ candidate: 5_040, champion: 4_960, share: 0.5 }]).mismatch, false);
    assert.equal(checkSampleRatio([{ candidate: 4_600, champion: 5_400, share: 0.5 }]).mismatch, true);
    const steps = [
      { candidate: 470, champion: 9_530, share: 0.05 },
      { candidate: 2_300, champion: 7_700, share: 0.25 },
    ];
    const ratio = checkSampleRatio(steps);
    assert.equal(ratio.mismatch, true);
    close(ratio.intendedShare ?? 0, 0.15);
    assert.deepEqual(checkSampleRatio([]), { mismatch: false, pValue: 1, candidateShare: null, intendedShare: null });
  });
});

describe('forecasts', () => {
  test('nine of ten drops are found before the forecast says', () => {
    const spread = unpairedSpread(Math.sqrt(0.9 * 0.1), Math.sqrt(0.8 * 0.2), 0.5);
    const forecast = forecastUnits({ distance: 0.1, spread, alpha: 0.05, effectScale: 0.05 });
    const limit = forecast.p90 ?? 0;
    assert.ok((forecast.median ?? Infinity) < limit);
    const random = createRandom('forecast');
    let found = 0;
    for (let run = 0; run < 200; run += 1) {
      const arms = { champion: EMPTY_SUMS, candidate: EMPTY_SUMS };
      for (let unit = 0; unit < limit; unit += 1) {
        const arm = random.next() < 0.5 ? 'candidate' : 'champion';
        const hit = Number(random.next() < (arm === 'candidate' ? 0.8 : 0.9));
        arms[arm] = addSums(arms[arm], sums(hit, 1));
        if (unit % 5 !== 0) continue;
        const { estimate, standardError } = stratifiedDifference([arms], 0.5);
        if (anytimeInterval(estimate, standardError, { alpha: 0.05, effectScale: 0.05 }).high < 0) {
          found += 1;
          break;
        }
      }
    }
    assert.ok(found >= 175, `${found} of 200`);
  });

  test('what lies on the line is never told from it', () => {
    assert.deepEqual(forecastUnits({ distance: 0, spread: 1, alpha: 0.05, effectScale: 0.1 }), { median: null, p90: null });
    assert.deepEqual(forecastUnits({ distance: 1e-9, spread: 1, alpha: 0.05, effectScale: 0.1 }), { median: null, p90: null });
  });
});
