import assert from 'node:assert/strict';
import { describe, expect, test } from 'vitest';
import type { EncodedMatrix } from '../matrix.ts';
import type { Objective } from '../trees/objective.ts';
import { buildDesign, type Design, planDesign } from './design.ts';
import { fitLinear, type LinearRequest } from './fit.ts';
import { foldLinear, predictLinear } from './linear-model.ts';

const ROWS = 60;
const WIDTH = 4;

/** The same formulas as in the Python script that froze the numbers below. */
const dense = Float64Array.from({ length: ROWS * WIDTH }, (_, at) => {
  const row = Math.floor(at / WIDTH);
  const column = at % WIDTH;
  return Math.sin(1 + row * (column + 1) * 0.7) + 0.3 * Math.cos(row * 0.11 * (column + 2));
});
const design: Design = { rowCount: ROWS, width: WIDTH, denseWidth: WIDTH, dense, hotCount: 0, hot: new Int32Array(0) };
const signal = Float64Array.from({ length: ROWS }, (_, row) => {
  const [a, b, c, d] = dense.subarray(row * WIDTH) as unknown as [number, number, number, number];
  return 1.5 * a - b + 0.5 * c * d + 0.8 * Math.sin(row * 1.3);
});
const binary = signal.map((value) => (value > 0 ? 1 : 0));
const three = signal.map((value) => (value < -0.8 ? 0 : value < 0.8 ? 1 : 2));
const numbers = signal.map((value) => 2 * value + 3);
const weights = Float64Array.from({ length: ROWS }, (_, row) => 1 + 0.5 * (row % 3));

interface Case {
  readonly name: string;
  readonly objective: Objective;
  readonly target: Float64Array;
  readonly weights?: Float64Array;
  readonly strength: number;
  readonly l1Ratio: number;
  /** Coefficients, then the intercept, per output: scikit-learn 1.9.1, tol 1e-12. */
  readonly expected: readonly (readonly number[])[];
}

const CASES: readonly Case[] = [
  {
    name: 'binary ridge (LogisticRegression, lbfgs)',
    objective: 'binary',
    target: binary,
    strength: 0.02,
    l1Ratio: 0,
    expected: [[2.3855059548153763, -1.3627584825292554, 0.07751153792260802, 0.15238554005574476, 0.47335989521204763]],
  },
  {
    name: 'binary elastic net (LogisticRegression, saga)',
    objective: 'binary',
    target: binary,
    strength: 0.02,
    l1Ratio: 0.5,
    expected: [[2.6742428529637485, -1.4913484918892361, 0, 0.031543349419116996, 0.4766975827478289]],
  },
  {
    name: 'binary ridge with sample weights',
    objective: 'binary',
    target: binary,
    weights,
    strength: 0.02,
    l1Ratio: 0,
    expected: [[2.347196165215595, -1.36896493134001, -0.013617891661681467, 0.007867348100152402, 0.5059743009749572]],
  },
  {
    name: 'multinomial ridge',
    objective: 'multiclass',
    target: three,
    strength: 0.02,
    l1Ratio: 0,
    expected: [
      [-1.9120741581756378, 1.1468327820690178, 0.08641399176537562, -0.192021727786615, -0.5941216251267938],
      [0.2820671420353784, -0.3762853731222867, 0.022878880980499436, 0.09334444746825538, 0.5751418301081083],
      [1.6300070161402593, -0.7705474089467308, -0.10929287274587512, 0.09867728031835961, 0.018979795018685117],
    ],
  },
  {
    name: 'multinomial elastic net',
    objective: 'multiclass',
    target: three,
    strength: 0.02,
    l1Ratio: 0.5,
    expected: [
      [-2.3490147105290844, 1.4309009622520028, 0, -0.07976527103495845, -0.5824808384586614],
      [0, 0, 0, 0, 0.6269363415349486],
      [1.5631225279092673, -0.5343305339250976, -0.016065814089147593, 0, -0.04445550307629995],
    ],
  },
  {
    name: 'squares with elastic net (ElasticNet)',
    objective: 'squared',
    target: numbers,
    strength: 0.1,
    l1Ratio: 0.5,
    expected: [[3.038434958875719, -1.6213818955012516, 0, 0, 3.0178367721331947]],
  },
  {
    name: 'squares with ridge (Ridge)',
    objective: 'squared',
    target: numbers,
    strength: 0.1,
    l1Ratio: 0,
    expected: [[2.8834530258385866, -1.572385767605346, -0.002719739764545365, 0.02871288569991806, 3.01966622231845]],
  },
];

function requestOf(item: Case): LinearRequest {
  return {
    objective: item.objective,
    outputCount: item.objective === 'multiclass' ? 3 : 1,
    design,
    targets: { target: item.target, weights: item.weights },
    penalty: { strength: item.strength, l1Ratio: item.l1Ratio },
  };
}

describe('LE4 linear models reach the optimum', () => {
  test.each(CASES)("$name has scikit-learn's coefficients within 1e-4", (item) => {
    const fitted = fitLinear(requestOf(item));
    item.expected.forEach((expected, output) => {
      expected.forEach((value, at) => expect(fitted[output]?.[at], `output ${output}, weight ${at}`).toBeCloseTo(value, 4));
    });
  });

  test('fitting twice gives the same bits, and a path start gives the same optimum', () => {
    const item = CASES[1] as Case;
    const once = fitLinear(requestOf(item));
    assert.deepEqual(fitLinear(requestOf(item)), once);
    const start = fitLinear({ ...requestOf(item), penalty: { strength: 0.5, l1Ratio: 0.5 } });
    fitLinear({ ...requestOf(item), start })[0]?.forEach((value, at) => expect(value).toBeCloseTo(once[0]?.[at] as number, 6));
  });

  test('separable rows stay finite', () => {
    const target = Float64Array.from({ length: ROWS }, (_, row) => ((dense[row * WIDTH] as number) > 0 ? 1 : 0));
    const [fitted] = fitLinear({
      objective: 'binary',
      outputCount: 1,
      design,
      targets: { target, weights: undefined },
      penalty: { strength: 1e-4, l1Ratio: 0 },
    });
    assert.ok(fitted?.every((value) => Number.isFinite(value)));
  });
});

describe('designs', () => {
  const matrix: EncodedMatrix = {
    rowCount: 6,
    features: [
      { name: 'x', field: 'x', kind: 'numeric', codeCount: 0 },
      { name: 'c', field: 'c', kind: 'categorical', codeCount: 4 },
    ],
    columns: [Float32Array.of(1, 2, Number.NaN, 4, 5, 1_000), Float32Array.of(2, 3, 2, 0, 3, 1)],
  };

  test('a folded model predicts what the standardised weights predict, missing and one-hot columns included', () => {
    const plan = planDesign(matrix);
    assert.equal(plan.width, 1 + 1 + 4);
    assert.equal(plan.numeric[0]?.fill, 4);
    const built = buildDesign(plan, matrix);
    const fitted = Float64Array.of(0.5, -2, 0.1, 0.2, 0.3, 0.4, 7);
    const margins = predictLinear(foldLinear(plan, [fitted]), matrix);
    for (let row = 0; row < 6; row += 1) {
      const hot = fitted[built.hot[row] as number] as number;
      const expected = 7 + 0.5 * (built.dense[row * 2] as number) - 2 * (built.dense[row * 2 + 1] as number) + hot;
      expect(margins[row]).toBeCloseTo(expected, 12);
    }
  });

  test('an outlier among the training values does not set the scale; usual values are not clipped', () => {
    const [term] = planDesign(matrix).numeric;
    assert.deepEqual([term?.low, term?.high], [-998, 35]);
    assert.ok((term?.deviation ?? 0) < 15, `${term?.deviation}`);
    const usual = { ...matrix, columns: [Float32Array.of(1, 2, 3, 4, 5, 9), matrix.columns[1] as Float32Array] };
    assert.deepEqual([planDesign(usual).numeric[0]?.low, planDesign(usual).numeric[0]?.high], [-7, 17]);
    const rare = { ...matrix, columns: [Float32Array.of(0, 0, 0, 0, 0, 9_000), matrix.columns[1] as Float32Array] };
    assert.deepEqual([planDesign(rare).numeric[0]?.low, planDesign(rare).numeric[0]?.high], [-9_000, 18_000]);
  });

  test('no value can make a margin infinite: beyond the limits it is taken as the limit', () => {
    const plan = planDesign(matrix);
    const model = foldLinear(plan, [Float64Array.of(1, 0, 0, 0, 0, 0, 0)]);
    const at = (value: number) =>
      predictLinear(model, { ...matrix, rowCount: 1, columns: [Float32Array.of(value), Float32Array.of(1)] })[0];
    assert.equal(at(Number.POSITIVE_INFINITY), at(35));
  });
});
