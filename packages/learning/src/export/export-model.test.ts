import assert from 'node:assert/strict';
import { type Column, Contract, type Frame, textColumn } from '@slipway/kernel';
import { decodeModel } from '@slipway/models';
import { createRandom, type Random } from '@slipway/statistics';
import { describe, expect, test } from 'vitest';
import type { Calibration } from '../calibration.ts';
import { type FittedModel, predictFitted, type Task } from '../fitted-model.ts';
import { DAY_MS, type FeaturePlan, FIRST_LEVEL_CODE } from '../preparation.ts';
import type { LinearModel } from '../linear/linear-model.ts';
import { compareWithGraph } from '../testing/open-fitted.ts';
import { type Forest, SET_WORDS, type Tree } from '../trees/tree.ts';
import { exportModel } from './export-model.ts';

const NASTY = [
  Number.NaN,
  0,
  -0,
  1,
  -1,
  1.5,
  0.1,
  1e-45,
  -1e-45,
  1e-320,
  16_777_216,
  16_777_217,
  16_777_219,
  3.4e38,
  -3.4e38,
  1e39,
  -1e39,
  1e308,
  1.1754943508222875e-38,
];
const NASTY_TIMES = [Number.NaN, 0, -1, 1, DAY_MS, -DAY_MS, 1_700_000_000_123, -62_135_596_800_000, 253_402_300_799_999, 8.64e15, -8.64e15];
const LEVELS = ['a', 'b', ' ', 'é', '漢字', '😀', 'NaN', '0', 'a\nb', ...Array.from({ length: 80 }, (_, index) => `level ${index}`)];

const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: [
    { name: 'x', type: 'float64', role: 'numeric', nullable: true },
    { name: 'far', type: 'float64', role: 'numeric', nullable: true },
    { name: 'when', type: 'timestamp', role: 'time', nullable: true },
    { name: 'kind', type: 'string', role: 'categorical', nullable: true },
    { name: 'flag', type: 'boolean', role: 'boolean', nullable: true },
    { name: 'few', type: 'string', role: 'categorical', nullable: true },
  ],
});

const features: readonly FeaturePlan[] = [
  { kind: 'number', name: 'x', field: 'x', shift: 0 },
  { kind: 'number', name: 'far', field: 'far', shift: 1_700_000_000.25 },
  { kind: 'time', name: 'when', field: 'when', referenceMs: 1_600_000_000_001, periodMs: 0 },
  { kind: 'time', name: 'when.dayTime', field: 'when', referenceMs: 0, periodMs: DAY_MS },
  { kind: 'time', name: 'when.weekTime', field: 'when', referenceMs: 4 * DAY_MS, periodMs: 7 * DAY_MS },
  { kind: 'category', name: 'kind', field: 'kind', levels: LEVELS },
  { kind: 'number', name: 'flag', field: 'flag', shift: 0 },
  { kind: 'category', name: 'few', field: 'few', levels: ['yes', 'no'] },
];
const preparation = { features, excluded: [] };
const CODE_COUNTS = features.map((plan) => (plan.kind === 'category' ? FIRST_LEVEL_CODE + plan.levels.length : 0));

const pick = <T>(random: Random, items: readonly T[]): T => items[random.int(items.length)] as T;

/** Rows full of edge values, and of values right at the thresholds. */
function nastyFrame(random: Random, rowCount: number): Frame {
  const numbers = (valueOf: () => number): Column => ({ kind: 'number', values: Float64Array.from({ length: rowCount }, valueOf) });
  const texts = (valueOf: () => string | null): Column => textColumn(Array.from({ length: rowCount }, valueOf));
  const columns = new Map<string, Column>([
    ['x', numbers(() => (random.next() < 0.7 ? pick(random, NASTY) : random.normal()))],
    ['far', numbers(() => 1_700_000_000 + pick(random, [...NASTY, random.normal(), random.int(1_000) / 8]))],
    ['when', numbers(() => (random.next() < 0.5 ? pick(random, NASTY_TIMES) : random.int(2 ** 31) * 1_000 + random.int(1_000)))],
    ['kind', texts(() => pick(random, [...LEVELS, null, '', 'unseen', 'A']))],
    ['flag', numbers(() => pick(random, [0, 1, Number.NaN]))],
    ['few', texts(() => pick(random, ['yes', 'no', null, 'maybe', 'Yes']))],
  ]);
  return { rowCount, columns };
}

const THRESHOLDS = [
  0,
  0.5,
  1,
  1.25,
  -1,
  16_777_217,
  16_777_218,
  3.4028234663852886e38,
  7e-46,
  Number.POSITIVE_INFINITY,
  0.1,
  Math.fround(0.1),
  100,
  19_000,
];

/** A tree of random shape; whole-number leaves make sums exact, so equal sums mean equal decisions. */
function randomTree(random: Random, nodeCount: number): Tree {
  const tree = {
    feature: [] as number[],
    threshold: [] as number[],
    missingLeft: [] as number[],
    set: [] as number[],
    left: [] as number[],
    right: [] as number[],
    sets: [] as number[],
    value: [] as number[],
  };
  const open: { node: number; side: 'left' | 'right' }[] = [];
  const leaf = () => ~(tree.value.push(random.int(1_000_003)) - 1);
  for (let node = 0; node < nodeCount; node += 1) {
    if (node > 0) {
      const [link] = open.splice(random.int(open.length), 1);
      if (link) tree[link.side][link.node] = node;
    }
    const feature = random.int(features.length);
    const codeCount = CODE_COUNTS[feature] as number;
    tree.feature.push(feature);
    tree.threshold.push(codeCount > 0 ? 0 : pick(random, THRESHOLDS));
    tree.missingLeft.push(random.int(2));
    tree.set.push(codeCount > 0 ? tree.sets.length / SET_WORDS : -1);
    if (codeCount > 0) {
      const words = new Uint32Array(SET_WORDS);
      const size = 1 + random.int(Math.min(32, codeCount - 1));
      for (const code of random.sampleWithoutReplacement(codeCount, size))
        words[code >>> 5] = (words[code >>> 5] as number) | (1 << (code & 31));
      tree.sets.push(...words);
    }
    tree.left.push(0);
    tree.right.push(0);
    open.push({ node, side: 'left' }, { node, side: 'right' });
  }
  for (const link of open) tree[link.side][link.node] = leaf();
  return {
    feature: Int32Array.from(tree.feature),
    threshold: Float64Array.from(tree.threshold),
    missingLeft: Uint8Array.from(tree.missingLeft),
    bin: new Int32Array(nodeCount),
    set: Int32Array.from(tree.set),
    left: Int32Array.from(tree.left),
    right: Int32Array.from(tree.right),
    gain: new Float64Array(nodeCount),
    sets: Uint32Array.from(tree.sets),
    value: Float64Array.from(tree.value),
  };
}

function randomForest(random: Random, outputCount: number, treeCount: number): Forest {
  const trees = Array.from({ length: treeCount * outputCount }, () => randomTree(random, 1 + random.int(30)));
  return { outputCount, base: Float64Array.from({ length: outputCount }, () => random.int(1_000)), trees };
}

function randomLinear(random: Random, outputCount: number): LinearModel {
  const numeric = features.flatMap((plan, feature) =>
    plan.kind === 'category'
      ? []
      : [{ feature, fill: random.normal(), mean: 0, deviation: 1, low: -50, high: 50, hasIndicator: random.int(2) === 1 }],
  );
  const categorical = features.flatMap((plan, feature) =>
    plan.kind === 'category' ? [{ feature, codeCount: CODE_COUNTS[feature] as number }] : [],
  );
  const normals = (length: number) => Float64Array.from({ length }, () => random.normal());
  const codes = categorical.reduce((sum, term) => sum + term.codeCount, 0);
  const missing = Float64Array.from(
    numeric.flatMap((term) => Array.from({ length: outputCount }, () => (term.hasIndicator ? random.normal() : 0))),
  );
  return {
    outputCount,
    intercepts: normals(outputCount),
    numeric,
    slopes: normals(numeric.length * outputCount),
    missing,
    categorical,
    codes: normals(codes * outputCount),
  };
}

const CLASSES: Readonly<Record<Task, readonly string[] | null>> = {
  binary: ['no', 'yes'],
  multiclass: ['a', '', 'ü'],
  regression: null,
  ranking: null,
};

function largestError(left: ArrayLike<number>, right: ArrayLike<number>): number {
  assert.equal(left.length, right.length);
  let most = 0;
  for (let index = 0; index < left.length; index += 1) {
    const difference = Math.abs((left[index] as number) - (right[index] as number));
    most = Math.max(most, difference / Math.max(1, Math.abs(left[index] as number)));
  }
  return most;
}

describe('LE3 the graph computes what the trainer computes', () => {
  test('features and split decisions are equal bit for bit, for random trees and nasty inputs', async () => {
    for (let seed = 0; seed < 30; seed += 1) {
      const random = createRandom(seed);
      const model: FittedModel = {
        task: 'regression',
        classes: null,
        preparation,
        predictor: { kind: 'trees', forest: randomForest(random, 1, 1 + random.int(20)) },
        calibration: null,
        link: 'identity',
        scale: { mean: 0, deviation: 1 },
      };
      const { trainer, graph, features: encoded } = await compareWithGraph(model, contract, nastyFrame(random, 500));
      assert.deepEqual(encoded, trainer.features, `seed ${seed}`);
      assert.deepEqual(graph.values, trainer.values, `seed ${seed}`);
    }
  });

  test.each(['binary', 'multiclass'] as const)('%s forests agree in probabilities and labels', async (task) => {
    for (let seed = 0; seed < 5; seed += 1) {
      const random = createRandom(seed);
      const outputCount = task === 'binary' ? 1 : 3;
      const forest = randomForest(random, outputCount, 10);
      const trees = forest.trees.map((tree) => ({ ...tree, value: tree.value.map((value) => (value - 500_000) / 1_000_000) }));
      const model: FittedModel = {
        task,
        classes: CLASSES[task],
        preparation,
        predictor: { kind: 'trees', forest: { ...forest, base: forest.base.map(() => 0.1), trees } },
        calibration: null,
        link: 'identity',
        scale: { mean: 0, deviation: 1 },
      };
      const { trainer, graph } = await compareWithGraph(model, contract, nastyFrame(random, 300));
      expect(largestError(trainer.probabilities ?? [], graph.probabilities ?? []), `seed ${seed}`).toBeLessThan(1e-6);
      assert.deepEqual(graph.labels, trainer.labels);
    }
  });

  test.each(['binary', 'multiclass', 'regression'] as const)('linear models agree (%s)', async (task) => {
    for (let seed = 0; seed < 5; seed += 1) {
      const random = createRandom(seed);
      const linear = randomLinear(random, task === 'multiclass' ? 3 : 1);
      const model: FittedModel = {
        task,
        classes: CLASSES[task],
        preparation,
        predictor: { kind: 'linear', linear },
        calibration: null,
        link: 'identity',
        scale: { mean: 2e5, deviation: 1e5 },
      };
      const { trainer, graph } = await compareWithGraph(model, contract, nastyFrame(random, 300));
      const error = largestError(trainer.probabilities ?? trainer.values ?? [], graph.probabilities ?? graph.values ?? []);
      expect(error, `seed ${seed}`).toBeLessThan(task === 'regression' ? 1e-9 : 1e-6);
    }
  });

  const CALIBRATIONS: readonly (Calibration | null)[] = [
    null,
    { kind: 'platt', slope: 0.7, intercept: -0.3 },
    { kind: 'temperature', factor: 1.4 },
    { kind: 'isotonic', margins: [-2, -0.5, 0.1, 3], values: [-3, -1, 0.5, 2] },
    { kind: 'isotonic', margins: [0], values: [0.5] },
  ];

  test.each(['binary', 'multiclass', 'regression'] as const)('ensembles and calibrations agree (%s)', async (task) => {
    for (const [seed, calibration] of CALIBRATIONS.entries()) {
      if (calibration && (task === 'regression' || (task === 'multiclass' && calibration.kind !== 'temperature'))) continue;
      const random = createRandom(seed);
      const outputCount = task === 'multiclass' ? 3 : 1;
      const forest = randomForest(random, outputCount, 10);
      const trees = forest.trees.map((tree) => ({ ...tree, value: tree.value.map((value) => (value - 500_000) / 1_000_000) }));
      const small = { ...forest, base: forest.base.map(() => 0.1), trees };
      const model: FittedModel = {
        task,
        classes: CLASSES[task],
        preparation,
        predictor: {
          kind: 'ensemble',
          members: [
            { weight: 0.3, predictor: { kind: 'linear', linear: randomLinear(random, outputCount) } },
            { weight: 0.5, predictor: { kind: 'trees', forest: small } },
            { weight: 0.2, predictor: { kind: 'trees', forest: { ...small, trees: small.trees.slice(0, 6) } } },
          ],
        },
        calibration,
        link: 'identity',
        scale: { mean: 2e5, deviation: 1e5 },
      };
      const frame = nastyFrame(random, 300);
      const { trainer, graph } = await compareWithGraph(model, contract, frame);
      const told = trainer.probabilities ?? trainer.values ?? [];
      const error = largestError(told, graph.probabilities ?? graph.values ?? []);
      expect(error, `seed ${seed}`).toBeLessThan(task === 'regression' ? 1e-9 : 1e-6);
      const alone = predictFitted({ ...model, predictor: { kind: 'trees', forest: small }, calibration: null }, frame);
      expect(largestError(told, alone.probabilities ?? alone.values ?? [])).toBeGreaterThan(1e-3);
    }
  });

  test('with link log a number is the exponential of its margin', async () => {
    const random = createRandom(11);
    const forest = randomForest(random, 1, 10);
    const trees = forest.trees.map((tree) => ({ ...tree, value: tree.value.map((value) => (value - 500_000) / 1_000_000) }));
    const model: FittedModel = {
      task: 'regression',
      classes: null,
      preparation,
      predictor: { kind: 'trees', forest: { ...forest, base: Float64Array.of(2), trees } },
      calibration: null,
      link: 'log',
      scale: { mean: 5, deviation: 3 },
    };
    const { trainer, graph } = await compareWithGraph(model, contract, nastyFrame(random, 300));
    expect(largestError(trainer.values ?? [], graph.values ?? [])).toBeLessThan(1e-12);
    assert.ok((trainer.values ?? []).every((value) => value > 0));
  });

  test('the comparison notices one threshold moved by one float (negative control)', async () => {
    const random = createRandom(3);
    const forest = randomForest(random, 1, 5);
    const moved = { ...forest, trees: forest.trees.map((tree) => ({ ...tree, threshold: tree.threshold.map((value) => value + 0.3) })) };
    const base: FittedModel = {
      task: 'regression',
      classes: null,
      preparation,
      predictor: { kind: 'trees', forest },
      calibration: null,
      link: 'identity',
      scale: { mean: 0, deviation: 1 },
    };
    const frame = nastyFrame(random, 500);
    const { trainer } = await compareWithGraph(base, contract, frame);
    const { graph } = await compareWithGraph({ ...base, predictor: { kind: 'trees', forest: moved } }, contract, frame);
    assert.notDeepEqual(graph.values, trainer.values);
  });

  test('equal models give equal bytes, and a column named like an output has an input of another name', () => {
    const model: FittedModel = {
      task: 'binary',
      classes: ['no', 'yes'],
      preparation,
      predictor: { kind: 'trees', forest: { outputCount: 1, base: Float64Array.of(0.5), trees: [] } },
      calibration: null,
      link: 'identity',
      scale: { mean: 0, deviation: 1 },
    };
    assert.deepEqual(exportModel(model), exportModel(model));
    const named = { features: [{ kind: 'number' as const, name: 'prediction', field: 'prediction', shift: 0 }], excluded: [] };
    const { graph } = decodeModel(exportModel({ ...model, preparation: named }));
    const names = (values: readonly { readonly name: string }[] | undefined) => values?.map(({ name }) => name);
    assert.deepEqual(names(graph?.input), ['slipway:column:prediction']);
    assert.ok(names(graph?.output)?.includes('prediction'));
  });
});
