import assert from 'node:assert/strict';
import { createRandom } from '@slipway/statistics';
import { describe, expect, test } from 'vitest';
import { TreeSpaceError } from '../errors.ts';
import type { EncodedMatrix } from '../matrix.ts';
import { applyBins, fitBins, takeBinnedRows } from './binning.ts';
import { boost, cutForest, type BoostRequest } from './boost.ts';
import { TreeGrower } from './grower.ts';
import { BIN_LIMIT, createKernel, FEATURE_BYTES } from './kernel.ts';
import { TREE_DEFAULTS } from './parameters.ts';
import { addBinned, codesOf, predictForest } from './tree.ts';

function numericMatrix(columns: Float32Array[]): EncodedMatrix {
  const features = columns.map((_, index) => ({ name: `f${index}`, field: `f${index}`, kind: 'numeric' as const, codeCount: 0 }));
  return { rowCount: columns[0]?.length ?? 0, features, columns };
}

const category = (name: string, codeCount: number) => ({ name, field: name, kind: 'categorical' as const, codeCount });

/** Five features: three numeric (one with missing values), a category of 30 codes, a category of 4. */
function mixedMatrix(rowCount: number, seed: number): EncodedMatrix {
  const random = createRandom(seed);
  const draw = (valueOf: () => number) => Float32Array.from({ length: rowCount }, valueOf);
  const numeric = numericMatrix([
    draw(() => random.normal()),
    draw(() => random.int(5)),
    draw(() => (random.next() < 0.2 ? Number.NaN : random.next())),
  ]);
  return {
    rowCount,
    features: [...numeric.features, category('many', 30), category('few', 4)],
    columns: [...numeric.columns, draw(() => random.int(30)), draw(() => random.int(4))],
  };
}

const LUCKY = new Set([3, 7, 8, 20, 29]);

function signalOf(matrix: EncodedMatrix, row: number): number {
  const [a, b, c, many, few] = matrix.columns.map((column) => column[row] as number) as [number, number, number, number, number];
  return a + (b > 2 ? 1 : -1) + (Number.isNaN(c) ? 2 : c) + (LUCKY.has(many) ? 2 : 0) + (few === 2 ? 1 : 0) - 2;
}

function requestFor(matrix: EncodedMatrix, objective: BoostRequest['objective'], overrides: Partial<BoostRequest> = {}): BoostRequest {
  const signal = Float64Array.from({ length: matrix.rowCount }, (_, row) => signalOf(matrix, row));
  const target = signal.map((value) =>
    objective === 'squared' ? value : objective === 'binary' ? Number(value > 0) : value < -1 ? 0 : value < 1 ? 1 : 2,
  );
  return {
    objective,
    outputCount: objective === 'multiclass' ? 3 : 1,
    data: applyBins(matrix, fitBins(matrix)),
    targets: { target, weights: undefined },
    parameters: TREE_DEFAULTS,
    roundLimit: 40,
    seed: 1,
    ...overrides,
  };
}

describe('the kernel', () => {
  test('fills, gathers, subtracts and partitions exactly as plain loops do', () => {
    const random = createRandom(5);
    const rowCount = 1_000;
    const { kernel, buffer } = createKernel(200_000);
    const bins = new Uint8Array(buffer, 0, rowCount * 4).map(() => random.int(256));
    new Uint8Array(buffer, 0, rowCount * 4).set(bins);
    const rows = random.sampleWithoutReplacement(rowCount, 600).toSorted();
    new Int32Array(buffer, 4_096, 600).set(rows);
    const pairs = new Float64Array(buffer, 16_384, rowCount * 2).map(() => random.normal());
    new Float64Array(buffer, 16_384, rowCount * 2).set(pairs);
    kernel.gather(16_384, 4_096, 600, 40_960);
    const ordered = new Float64Array(buffer, 40_960, 1_200);
    assert.deepEqual(
      [...ordered],
      [...rows].flatMap((row) => [pairs[2 * row], pairs[2 * row + 1]]),
    );
    const histogram = new Float64Array(buffer, 65_536, 4 * BIN_LIMIT * 2).fill(0);
    kernel.fill(0, 4_096, 600, 40_960, 65_536);
    const expected = new Float64Array(4 * BIN_LIMIT * 2);
    for (const row of rows) {
      for (let feature = 0; feature < 4; feature += 1) {
        const cell = (feature * BIN_LIMIT + (bins[row * 4 + feature] as number)) * 2;
        expected[cell] = (expected[cell] as number) + (pairs[2 * row] as number);
        expected[cell + 1] = (expected[cell + 1] as number) + (pairs[2 * row + 1] as number);
      }
    }
    assert.deepEqual(histogram, expected);
    const other = new Float64Array(buffer, 65_536 + 4 * FEATURE_BYTES, 512).fill(0.25);
    kernel.subtract(65_536, 65_536 + 4 * FEATURE_BYTES, 256);
    assert.equal(histogram[7], (expected[7] as number) - (other[7] as number));
    const goesLeft = new Uint8Array(buffer, 60_000, 256).map((_, bin) => (bin % 3 === 0 ? 1 : 0));
    new Uint8Array(buffer, 60_000, 256).set(goesLeft);
    const isLeft = (row: number) => goesLeft[bins[row * 4 + 2] as number] === 1;
    const leftCount = kernel.partition(2, 4_096, 600, 180_000, 60_000);
    const sides = [...rows].filter(isLeft);
    assert.equal(leftCount, sides.length);
    assert.deepEqual([...new Int32Array(buffer, 4_096, 600)], [...sides, ...[...rows].filter((row) => !isLeft(row))]);
  });
});

describe('bins', () => {
  test('every value lies in the bin whose bounds enclose it, whatever the distribution', () => {
    const random = createRandom(11);
    const heavy = Float32Array.from({ length: 5_000 }, () => Math.exp(4 * random.normal()));
    const ties = Float32Array.from({ length: 5_000 }, () => (random.next() < 0.6 ? 0 : random.int(1_000) / 7));
    const nasty = Float32Array.from(
      { length: 5_000 },
      () => [Number.NaN, -0, 0, 1e-45, -1e-45, 3.4e38, -3.4e38, Infinity, -Infinity][random.int(9)] as number,
    );
    const matrix = numericMatrix([heavy, ties, nasty]);
    const bins = fitBins(matrix);
    const data = applyBins(matrix, bins);
    matrix.columns.forEach((column, feature) => {
      const upper = bins[feature]?.upper as Float64Array;
      assert.ok(upper.length <= 254 && upper.every((bound, at) => at === 0 || bound > (upper[at - 1] as number)));
      column.forEach((value, row) => {
        const bin = data.bins[row * 4 + feature] as number;
        if (Number.isNaN(value)) assert.equal(bin, 0);
        else assert.ok(value <= (upper[bin - 1] as number) && (bin === 1 || value > (upper[bin - 2] as number)), `${value} in bin ${bin}`);
      });
    });
  });

  test('rows taken from a binned table are the bins of the rows taken before', () => {
    const matrix = mixedMatrix(100, 2);
    const bins = fitBins(matrix);
    const taken = takeBinnedRows(applyBins(matrix, bins), Int32Array.of(5, 5, 99, 0));
    assert.deepEqual([taken.rowCount, taken.bins[4], taken.bins.length], [4, taken.bins[0], 2 * 4 * 4]);
  });
});

describe('LE2 boosting', () => {
  test.each(['binary', 'multiclass', 'squared'] as const)('%s: lowers the loss on rows it has not seen', (objective) => {
    const matrix = mixedMatrix(3_000, 1);
    const bins = fitBins(matrix);
    const unseen = mixedMatrix(2_000, 2);
    const validation = { data: applyBins(unseen, bins), targets: requestFor(unseen, objective).targets };
    const { losses, bestRound } = boost(requestFor(matrix, objective, { validation, roundLimit: 100 }));
    expect(losses[bestRound] as number).toBeLessThan((losses[0] as number) * 0.25);
  });

  test('the same request gives the same forest, another seed another one when rows and features are sampled', () => {
    const parameters = { ...TREE_DEFAULTS, rowRatio: 0.7, featureRatio: 0.6 };
    const request = requestFor(mixedMatrix(1_000, 3), 'binary', { parameters });
    assert.deepEqual(boost(request), boost(request));
    assert.notDeepEqual(boost({ ...request, seed: 2 }).forest, boost(request).forest);
  });

  test('binned and encoded rows reach the same leaves', () => {
    const matrix = mixedMatrix(2_000, 4);
    const request = requestFor(matrix, 'squared');
    const { forest } = boost(request);
    const scores = new Float64Array(2_000).fill(forest.base[0] as number);
    for (const tree of forest.trees) addBinned(tree, request.data, scores);
    assert.deepEqual(predictForest(forest, matrix), scores);
  });

  test('missing values go where they belong, and a set of categories is found', () => {
    const matrix = mixedMatrix(4_000, 5);
    const { forest } = boost(requestFor(matrix, 'squared', { roundLimit: 60 }));
    const error = (pick: (row: number) => boolean) => {
      const predicted = predictForest(forest, matrix);
      const rows = [...predicted.keys()].filter(pick);
      return rows.reduce((sum, row) => sum + ((predicted[row] as number) - signalOf(matrix, row)) ** 2, 0) / rows.length;
    };
    expect(error((row) => Number.isNaN(matrix.columns[2]?.[row] as number))).toBeLessThan(0.1);
    const sets = forest.trees.flatMap((tree) =>
      [...tree.set.keys()].filter((node) => tree.feature[node] === 3).map((node) => codesOf(tree, node).join()),
    );
    const rest = Array.from({ length: 30 }, (_, code) => code).filter((code) => !LUCKY.has(code));
    assert.ok(sets.includes([...LUCKY].join()) || sets.includes(rest.join()), sets.slice(0, 3).join(' | '));
  });

  test('a weight of two is the same as the row twice', () => {
    const matrix = numericMatrix([Float32Array.from({ length: 400 }, (_, row) => row % 20)]);
    const target = Float64Array.from({ length: 400 }, (_, row) => ((row % 20 > 12 ? 1 : 0) + (row % 7 === 0 ? 1 : 0)) % 2);
    const parameters = { ...TREE_DEFAULTS, leafRowsMin: 1, leafHessianMin: 1 };
    const base = { objective: 'binary', outputCount: 1, parameters, roundLimit: 20, seed: 1 } as const;
    const weights = Float64Array.from({ length: 400 }, (_, row) => (row < 200 ? 2 : 1));
    const weighted = boost({ ...base, data: applyBins(matrix, fitBins(matrix)), targets: { target, weights } });
    const positions = Int32Array.from({ length: 600 }, (_, at) => (at < 400 ? Math.floor(at / 2) : at - 200));
    const data = takeBinnedRows(applyBins(matrix, fitBins(matrix)), positions);
    const repeated = boost({
      ...base,
      data,
      targets: { target: Float64Array.from(positions, (row) => target[row] as number), weights: undefined },
    });
    const left = predictForest(weighted.forest, matrix);
    predictForest(repeated.forest, matrix).forEach((value, row) => expect(value).toBeCloseTo(left[row] as number, 9));
  });

  test('training stops when the validation loss no longer falls, when the caller says so, and without a split', () => {
    const matrix = mixedMatrix(600, 6);
    const noise = createRandom(1);
    const target = Float64Array.from({ length: 600 }, () => noise.int(2));
    const request = requestFor(matrix, 'binary', { targets: { target, weights: undefined }, roundLimit: 500, patience: 10 });
    const validation = { data: request.data, targets: { target: target.map((value) => 1 - value), weights: undefined } };
    const patient = boost({ ...request, validation });
    assert.deepEqual([patient.stoppedBy, patient.rounds, patient.bestRound], ['patience', 10, 0]);
    let calls = 0;
    assert.equal(boost({ ...request, shouldStop: () => (calls += 1) > 3 }).rounds, 3);
    const few = boost({ ...request, parameters: { ...TREE_DEFAULTS, leafRowsMin: 400 } });
    assert.deepEqual([few.stoppedBy, few.rounds, predictForest(few.forest, matrix).length], ['no-split', 0, 600]);
    assert.equal(cutForest(patient.forest, 4).trees.length, 4);
  });

  test('limits hold: leaves, depth, rows per leaf', () => {
    const matrix = mixedMatrix(2_000, 7);
    const parameters = { ...TREE_DEFAULTS, leafLimit: 31, depthLimit: 3, leafRowsMin: 50 };
    const request = requestFor(matrix, 'squared', { parameters, roundLimit: 10 });
    const { forest } = boost(request);
    for (const tree of forest.trees) {
      assert.ok(tree.value.length <= 8);
      const counts = new Map<number, number>();
      const leaves = new Float64Array(2_000);
      addBinned({ ...tree, value: tree.value.map((_, leaf) => leaf) }, request.data, leaves);
      for (const leaf of leaves) counts.set(leaf, (counts.get(leaf) ?? 0) + 1);
      assert.ok([...counts.values()].every((count) => count >= 50));
    }
  });

  test('a table whose histograms exceed the limit is refused with what to do', () => {
    const column = new Float32Array(4).fill(1);
    const matrix = numericMatrix(Array.from({ length: 2_100 }, () => column));
    const data = applyBins(matrix, fitBins(matrix));
    assert.throws(() => new TreeGrower(data, { ...TREE_DEFAULTS, leafLimit: 127 }), TreeSpaceError);
  });
});
