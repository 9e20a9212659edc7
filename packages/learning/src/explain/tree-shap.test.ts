import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { explainCase, largestDifference, offDiagonal, type ShapCase } from '../testing/tree-shap-cases.ts';
import type { Tree } from '../trees/tree.ts';
import { compileTree } from './compile-tree.ts';
import { goesLeftAt } from './decide.ts';
import { gaussLegendre } from './gauss-legendre.ts';
import { InterventionalTreeShap } from './interventional.ts';
import { type FeatureRows, TreeShap } from './tree-shap.ts';

const { cases } = JSON.parse(readFileSync(new URL('../testing/vectors/tree-shap.json', import.meta.url), 'utf8')) as { cases: ShapCase[] };
/** The issue asks for 1e-6. */
const TOLERANCE = 1e-9;
/** shap adds interventional values up in float32. */
const FLOAT_TOLERANCE = 1e-7;

function assertClose(got: ArrayLike<number>, wanted: readonly number[], what: string, tolerance = TOLERANCE): void {
  const difference = largestDifference(got, wanted);
  assert.ok(difference <= tolerance, `${what}: ${difference}`);
}

describe.each(cases)('$name', (each) => {
  const answers = explainCase(each);

  test('path-dependent values are the reference implementation`s, and add up', () => {
    const { pathDependent, expected } = answers;
    assertClose(pathDependent, each.pathDependent.flat(2), 'contribution');
    assertClose(expected, each.expected, 'expected');
    each.margins.flat().forEach((margin, at) => {
      const sum = pathDependent.subarray(at * each.width, (at + 1) * each.width).reduce((total, value) => total + value, 0);
      assert.ok(Math.abs(sum + (expected[at % each.outputs] as number) - margin) < 1e-6);
    });
  });

  test.skipIf(!each.interventional)('interventional values are the reference implementation`s', () => {
    assertClose(answers.interventional ?? [], (each.interventional ?? []).flat(2), 'contribution', FLOAT_TOLERANCE);
  });

  test.skipIf(!each.interactions)('interaction values are the reference implementation`s', () => {
    assertClose(answers.interactions ?? [], offDiagonal(each.interactions ?? [], each.width), 'interaction');
  });

  test('a wrong cover is noticed', () => {
    const [first, ...rest] = each.trees;
    const left = first?.tree_structure.left_child;
    const wrong = {
      ...each,
      trees: [{ tree_structure: { ...first?.tree_structure, left_child: { ...left, internal_count: 1, leaf_count: 1 } } }, ...rest],
    };
    assert.ok(largestDifference(explainCase(wrong).pathDependent, each.pathDependent.flat(2)) > 1e-6);
  });
});

/** A random tree that asks the same features again and again, with covers from random rows. */
function randomTree(seed: number, leafCount: number, width: number): Tree {
  const random = createRandom(seed);
  const feature: number[] = [];
  const left: number[] = [];
  const right: number[] = [];
  let leaf = 0;
  const grow = (leaves: number): number => {
    if (leaves === 1) return ~leaf++;
    const node = feature.push(random.int(width)) - 1;
    const first = 1 + random.int(leaves - 1);
    left[node] = grow(first);
    right[node] = grow(leaves - first);
    return node;
  };
  grow(leafCount);
  const count = feature.length;
  const make = (value: () => number) => Float64Array.from({ length: count }, value);
  return {
    feature: Int32Array.from(feature),
    threshold: make(() => random.normal()),
    missingLeft: Uint8Array.from(make(() => random.int(2))),
    bin: new Int32Array(count),
    set: new Int32Array(count).fill(-1),
    left: Int32Array.from(left),
    right: Int32Array.from(right),
    gain: new Float64Array(count),
    sets: new Uint32Array(0),
    value: Float64Array.from({ length: leafCount }, () => random.normal()),
  };
}

/** Shapley values straight from their definition, over all sets of features. */
function shapleyByDefinition(width: number, valueOf: (present: ReadonlySet<number>) => number): number[] {
  const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));
  return Array.from({ length: width }, (_, player) => {
    let sum = 0;
    for (let mask = 0; mask < 2 ** width; mask += 1) {
      if ((mask >> player) & 1) continue;
      const present = new Set(Array.from({ length: width }, (__, at) => at).filter((at) => (mask >> at) & 1));
      const size = present.size;
      const share = (factorial(size) * factorial(width - size - 1)) / factorial(width);
      sum += share * (valueOf(new Set([...present, player])) - valueOf(present));
    }
    return sum;
  });
}

describe('against the definition', () => {
  const width = 5;
  const random = createRandom('rows');
  const make = (rowCount: number): FeatureRows => ({
    rowCount,
    width,
    values: Float32Array.from({ length: rowCount * width }, () => (random.next() < 0.1 ? Number.NaN : random.normal())),
  });

  test.each([1, 2, 3, 4])('seed %i: both methods are Shapley values of their games', (seed) => {
    const tree = randomTree(seed, 14, width);
    const background = make(9);
    const row = make(1);
    const nodes = new Float64Array(tree.feature.length);
    const leaves = new Float64Array(tree.value.length);
    const walk = (choose: (node: number) => boolean): number => {
      let node = 0;
      while (node >= 0) node = (choose(node) ? tree.left[node] : tree.right[node]) as number;
      return ~node;
    };
    for (let at = 0; at < background.rowCount; at += 1) {
      const leaf = walk((node) => {
        nodes[node] = (nodes[node] as number) + 1;
        return goesLeftAt(tree, node, background.values[at * width + (tree.feature[node] as number)] as number);
      });
      leaves[leaf] = (leaves[leaf] as number) + 1;
    }
    const mixed = (present: ReadonlySet<number>) => {
      let sum = 0;
      for (let at = 0; at < background.rowCount; at += 1)
        sum += tree.value[
          walk((node) => {
            const feature = tree.feature[node] as number;
            return goesLeftAt(tree, node, (present.has(feature) ? row.values[feature] : background.values[at * width + feature]) as number);
          })
        ] as number;
      return sum / background.rowCount;
    };
    const sink = () => ({ contributions: new Float64Array(width), outputCount: 1, output: 0, weight: 1 });
    const interventional = sink();
    const shap = new InterventionalTreeShap(tree, background);
    shap.explain(row, interventional);
    assertClose(interventional.contributions, shapleyByDefinition(width, mixed), 'interventional');
    assertClose([shap.expected()], [mixed(new Set())], 'expected');

    const compiled = compileTree(tree, { nodes, leaves });
    const byPath = (present: ReadonlySet<number>, slot = 0): number => {
      const [left, right] = [compiled.left[slot] as number, compiled.right[slot] as number];
      if (left === 0) return compiled.value[slot] as number;
      const feature = compiled.feature[left] as number;
      if (present.has(feature))
        return byPath(present, goesLeftAt(tree, compiled.node[left] as number, row.values[feature] as number) ? left : right);
      return (compiled.own[left] as number) * byPath(present, left) + (compiled.own[right] as number) * byPath(present, right);
    };
    const pathDependent = sink();
    new TreeShap(compiled).explain(row, pathDependent);
    assertClose(pathDependent.contributions, shapleyByDefinition(width, byPath), 'path-dependent');
  });

  test('a quadrature of n points is exact for polynomials of degree 2n - 1 and not of 2n', () => {
    for (const count of [1, 2, 5, 9, 40]) {
      const { points, weights } = gaussLegendre(count);
      const integral = (degree: number) => points.reduce((sum, point, at) => sum + (weights[at] as number) * point ** degree, 0);
      assert.ok(Math.abs(integral(2 * count - 1) * 2 * count - 1) < 1e-12, `${count}`);
    }
    const { points, weights } = gaussLegendre(2);
    assert.ok(Math.abs(points.reduce((sum, point, at) => sum + (weights[at] as number) * point ** 4, 0) - 1 / 5) > 1e-4);
  });
});
