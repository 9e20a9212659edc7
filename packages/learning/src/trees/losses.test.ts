import assert from 'node:assert/strict';
import { createRandom, rankingPlan } from '@slipway/statistics';
import { describe, expect, test } from 'vitest';
import { TrainRequestError } from '../errors.ts';
import type { EncodedFeature, EncodedMatrix } from '../matrix.ts';
import { applyBins, fitBins } from './binning.ts';
import { boost, type BoostRequest } from './boost.ts';
import { planConstraints } from './constraints.ts';
import { completeLoss } from './complete-loss.ts';
import { isStandardised, linkOf } from './loss.ts';
import { baseScores, meanLoss, type Objective, rowLosses, type Targets, writeGradients } from './objective.ts';
import { TREE_DEFAULTS } from './parameters.ts';
import { predictForest } from './tree.ts';
import { weightedQuantile } from './weighted-quantile.ts';

const numeric = (name: string): EncodedFeature => ({ name, field: name, kind: 'numeric', codeCount: 0 });

/** Four numbers, one of them with holes, and a category. */
function table(rowCount: number, seed: number): EncodedMatrix {
  const random = createRandom(seed);
  const draw = (valueOf: () => number) => Float32Array.from({ length: rowCount }, valueOf);
  return {
    rowCount,
    features: [numeric('a'), numeric('b'), numeric('c'), numeric('d'), { name: 'kind', field: 'kind', kind: 'categorical', codeCount: 12 }],
    columns: [
      draw(() => random.normal()),
      draw(() => random.normal()),
      draw(() => (random.next() < 0.1 ? Number.NaN : random.normal())),
      draw(() => random.int(4)),
      draw(() => random.int(12)),
    ],
  };
}

const at = (matrix: EncodedMatrix, feature: number, row: number) => matrix.columns[feature]?.[row] as number;
const signalOf = (matrix: EncodedMatrix, row: number) =>
  Math.sin(2 * at(matrix, 0, row)) + at(matrix, 1, row) * (at(matrix, 3, row) > 1 ? 1 : -1) + (at(matrix, 4, row) % 3) / 2;

function requestFor(matrix: EncodedMatrix, objective: Objective, target: Float64Array, more: Partial<BoostRequest> = {}): BoostRequest {
  return {
    objective,
    outputCount: 1,
    data: applyBins(matrix, fitBins(matrix)),
    targets: { target, weights: undefined },
    parameters: TREE_DEFAULTS,
    roundLimit: 60,
    seed: 1,
    ...more,
  };
}

const NUMBERS: readonly Objective[] = [
  'squared',
  { kind: 'absolute' },
  { kind: 'quantile', level: 0.9 },
  { kind: 'poisson' },
  { kind: 'tweedie', power: 1.3 },
];

describe('LE9 losses', () => {
  test.each(NUMBERS)('%o: gradients are the slope of the loss', (objective) => {
    const random = createRandom(1);
    const target = Float64Array.from({ length: 200 }, (_, row) => (row % 5 === 0 ? 0 : Math.abs(3 * random.normal())));
    const targets: Targets = { target, weights: target.map(() => 0.5 + random.next()) };
    const scores = target.map(() => random.normal());
    const pairs = new Float64Array(400);
    writeGradients(objective, targets, [scores], 0, pairs);
    const step = 1e-6;
    const up = rowLosses(objective, targets, [scores.map((score) => score + step)]);
    const down = rowLosses(objective, targets, [scores.map((score) => score - step)]);
    // Deviances and squares are twice the log-likelihood that the gradients follow.
    const factor = objective === 'squared' || (typeof objective === 'object' && ['poisson', 'tweedie'].includes(objective.kind)) ? 2 : 1;
    target.forEach((_, row) => {
      const slope = ((up[row] as number) - (down[row] as number)) / (2 * step * factor);
      expect(pairs[2 * row] as number).toBeCloseTo(slope * (targets.weights?.[row] as number), 4);
      assert.ok((pairs[2 * row + 1] as number) > 0);
    });
  });

  test.each(NUMBERS)('%o: the starting score is the constant of the lowest loss', (objective) => {
    const random = createRandom(2);
    const target = Float64Array.from({ length: 501 }, () => Math.abs(random.normal()) * 4);
    const targets: Targets = { target, weights: undefined };
    const [base = 0] = baseScores(objective, targets, 1);
    const lossAt = (score: number) => meanLoss(objective, targets, [new Float64Array(501).fill(score)]);
    for (const shift of [-0.05, 0.05]) expect(lossAt(base)).toBeLessThanOrEqual(lossAt(base + shift) + 1e-9);
  });

  test.each(NUMBERS)('%o: lowers its loss on unseen rows, by at least a fifth', (objective) => {
    const isLog = typeof objective === 'object' && ['poisson', 'tweedie'].includes(objective.kind);
    const targetOf = (matrix: EncodedMatrix, seed: number) => {
      const random = createRandom(seed);
      return Float64Array.from({ length: matrix.rowCount }, (_, row) =>
        isLog
          ? Math.max(0, Math.round(Math.exp(signalOf(matrix, row) / 2) + random.normal() / 2))
          : signalOf(matrix, row) + random.normal() / 4,
      );
    };
    const [matrix, unseen] = [table(3_000, 1), table(2_000, 2)];
    const request = requestFor(matrix, objective, targetOf(matrix, 3));
    const validation = { data: applyBins(unseen, request.data.features), targets: { target: targetOf(unseen, 4), weights: undefined } };
    const { losses, bestRound } = boost({ ...request, validation });
    expect(losses[bestRound] as number).toBeLessThan((losses[0] as number) * 0.8);
  });

  test('a quantile model has its share of outcomes below it', () => {
    const random = createRandom(5);
    const targetOf = (matrix: EncodedMatrix) =>
      Float64Array.from(
        { length: matrix.rowCount },
        (_, row) => signalOf(matrix, row) + random.normal() * (1 + Math.abs(at(matrix, 0, row))),
      );
    const [matrix, unseen] = [table(6_000, 1), table(6_000, 2)];
    const truth = targetOf(unseen);
    for (const level of [0.1, 0.5, 0.9]) {
      const { forest } = boost(requestFor(matrix, { kind: 'quantile', level }, targetOf(matrix)));
      const predicted = predictForest(forest, unseen);
      const below = truth.reduce((count, value, row) => count + (value <= (predicted[row] as number) ? 1 : 0), 0) / truth.length;
      assert.ok(Math.abs(below - level) < 0.035, `${below} below at ${level}`);
    }
  });

  test('weighted quantiles interpolate between the middles of weights, and agree with repeated rows', () => {
    assert.equal(weightedQuantile(Float64Array.of(3, 1, 2), undefined, 0.5), 2);
    assert.equal(weightedQuantile(Float64Array.of(1, 2, 3, 4), undefined, 0.5), 2.5);
    assert.deepEqual(
      [0, 1].map((level) => weightedQuantile(Float64Array.of(5, 7), Float64Array.of(1, 3), level)),
      [5, 7],
    );
    assert.equal(weightedQuantile(Float64Array.of(4, 1, 3, 2), Float64Array.of(1, 1, 1, 1), 0.5), 2.5);
    assert.ok(Number.isNaN(weightedQuantile(new Float64Array(0), undefined, 0.5)));
  });

  test('a ranking puts the better rows of a query first', () => {
    const make = (seed: number) => {
      const matrix = table(3_000, seed);
      const random = createRandom(seed + 10);
      const queries = Int32Array.from({ length: 3_000 }, () => random.int(150));
      const shift = Float64Array.from({ length: 150 }, () => random.normal() * 3);
      const target = Float64Array.from({ length: 3_000 }, (_, row) =>
        Math.min(4, Math.max(0, Math.floor(signalOf(matrix, row) + 1.5 + random.normal() / 2))),
      );
      // A column that only says which query it is must not look like an answer.
      matrix.columns[2]?.set(Float32Array.from(queries, (query) => shift[query] as number));
      return { matrix, targets: { target, weights: undefined, queries } };
    };
    const [train, unseen] = [make(1), make(2)];
    const request = requestFor(train.matrix, { kind: 'lambdarank' }, train.targets.target, { targets: train.targets });
    const { forest, losses } = boost({
      ...request,
      validation: { data: applyBins(unseen.matrix, request.data.features), targets: unseen.targets },
    });
    const plan = rankingPlan({
      scores: predictForest(forest, unseen.matrix),
      relevance: unseen.targets.target,
      queries: unseen.targets.queries,
    });
    const out = new Float64Array(plan.names.length);
    plan.evaluate(new Uint16Array(plan.rowCount).fill(1), out);
    expect(out[0] as number).toBeGreaterThan(0.9);
    expect(losses.at(-1) as number).toBeLessThan((losses[0] as number) / 3);
  });

  test('the losses of a ranking add up to one minus the mean nDCG of its queries', () => {
    const targets = { target: Float64Array.of(2, 0, 1, 0, 0, 3), weights: undefined, queries: Int32Array.of(7, 7, 7, 9, 9, 4) };
    const perfect = rowLosses({ kind: 'lambdarank' }, targets, [Float64Array.of(3, 1, 2, 0, 0, 0)]);
    assert.equal(
      perfect.reduce((sum, loss) => sum + loss, 0),
      0,
    );
    const worst = meanLoss({ kind: 'lambdarank' }, targets, [Float64Array.of(1, 3, 2, 0, 0, 0)]);
    const gained = (1 / Math.log2(3) + 3 / Math.log2(4)) / (3 + 1 / Math.log2(3));
    expect(worst).toBeCloseTo((1 - gained) / 3, 12);
  });

  test('a loss is complete, has its own parameter only, and says its link', () => {
    assert.deepEqual(completeLoss({ kind: 'quantile' }), { kind: 'quantile', level: 0.5 });
    assert.deepEqual(completeLoss({ kind: 'tweedie', power: 1.9 }), { kind: 'tweedie', power: 1.9 });
    for (const wrong of [
      { kind: 'quantile', level: 1 },
      { kind: 'tweedie', power: 2 },
      { kind: 'poisson', level: 0.5 },
      { kind: 'squared', power: 1.5 },
    ] as const)
      assert.throws(() => completeLoss(wrong), TrainRequestError);
    assert.deepEqual(
      [linkOf({ kind: 'poisson' }), linkOf({ kind: 'absolute' }), isStandardised({ kind: 'lambdarank' })],
      ['log', 'identity', false],
    );
  });
});

describe('LE10 constraints', () => {
  const directions = { a: 'increasing', c: 'decreasing' } as const;
  const ALL: readonly Objective[] = ['binary', ...NUMBERS];

  test.each(ALL)('%o: margins rise and fall as demanded wherever a row lies (property, with a control)', (objective) => {
    const matrix = table(2_000, 7);
    const random = createRandom(8);
    const target = Float64Array.from({ length: 2_000 }, (_, row) => {
      const value = Math.max(0, signalOf(matrix, row) + random.normal() / 2);
      return objective === 'binary' ? Number(value > 0.5) : value;
    });
    const constraints = planConstraints({ monotone: directions }, matrix.features);
    const steps = Float32Array.from({ length: 41 }, (_, step) => (step - 20) / 6);
    const breaksOf = (request: BoostRequest) => {
      const { forest } = boost(request);
      let breaks = 0;
      for (let row = 0; row < 60; row += 1) {
        for (const [feature, sign] of [
          [0, 1],
          [2, -1],
        ] as const) {
          const columns = matrix.columns.map((column, index) =>
            index === feature ? steps : new Float32Array(41).fill(column[row] as number),
          );
          const margins = predictForest(forest, { rowCount: 41, features: matrix.features, columns });
          for (let step = 1; step < 41; step += 1)
            if (sign * ((margins[step] as number) - (margins[step - 1] as number)) < -1e-12) breaks += 1;
        }
      }
      return breaks;
    };
    const request = requestFor(matrix, objective, target);
    assert.equal(breaksOf({ ...request, constraints }), 0);
    assert.ok(breaksOf(request) > 0, 'the free forest breaks the order');
  });

  test('columns meet on a branch only where a list has them all', () => {
    const matrix = table(3_000, 9);
    const target = Float64Array.from({ length: 3_000 }, (_, row) => signalOf(matrix, row) * (at(matrix, 0, row) > 0 ? 2 : 1));
    const pathsOf = (request: BoostRequest) => {
      const paths = new Set<string>();
      for (const tree of boost(request).forest.trees) {
        const visit = (node: number, seen: ReadonlySet<number>): void => {
          if (node < 0) {
            paths.add([...seen].toSorted().join());
            return;
          }
          const next = new Set(seen).add(tree.feature[node] as number);
          visit(tree.left[node] as number, next);
          visit(tree.right[node] as number, next);
        };
        visit(0, new Set());
      }
      return paths;
    };
    const constraints = planConstraints(
      {
        interactions: [
          ['a', 'b'],
          ['b', 'd'],
        ],
      },
      matrix.features,
    );
    const request = requestFor(matrix, 'squared', target);
    const allowed = new Set(['0', '1', '2', '3', '4', '0,1', '1,3']);
    assert.deepEqual(
      [...pathsOf({ ...request, constraints })].filter((path) => !allowed.has(path)),
      [],
    );
    assert.ok([...pathsOf(request)].some((path) => !allowed.has(path)));
  });

  test('a constraint that names no column, or orders a category, is refused', () => {
    const { features } = table(10, 1);
    assert.equal(planConstraints({}, features), undefined);
    assert.throws(() => planConstraints({ monotone: { nobody: 'increasing' } }, features), TrainRequestError);
    assert.throws(() => planConstraints({ monotone: { kind: 'increasing' } }, features), TrainRequestError);
    assert.throws(() => planConstraints({ interactions: [['a', 'nobody']] }, features), TrainRequestError);
  });
});

describe('LE2 threads', () => {
  test.each(['binary', 'multiclass', { kind: 'quantile', level: 0.7 }, { kind: 'tweedie', power: 1.5 }] as Objective[])(
    '%o: helpers change nothing, bit for bit',
    (objective) => {
      const matrix = table(70_000, 11);
      const target = Float64Array.from({ length: 70_000 }, (_, row) => {
        const value = signalOf(matrix, row);
        if (objective === 'binary') return Number(value > 0.5);
        return objective === 'multiclass' ? (value < 0 ? 0 : value < 1 ? 1 : 2) : Math.max(0, value);
      });
      const parameters = { ...TREE_DEFAULTS, rowRatio: 0.9, featureRatio: 0.8 };
      const outputCount = objective === 'multiclass' ? 3 : 1;
      const request = requestFor(matrix, objective, target, { roundLimit: 10, parameters, outputCount });
      const alone = boost(request);
      for (const threads of [2, 4]) assert.deepEqual(boost({ ...request, threads, helpedWorkMin: 0 }), alone);
    },
  );
});
