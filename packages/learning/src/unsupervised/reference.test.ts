import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { compareUnsupervised, type UnsupervisedVectors } from '../testing/unsupervised-cases.ts';

/** Directions of nearly equal variance are only as sure as their gap. */
const TOLERANCE = 1e-9;

test('LU6 clusters, components, scores and measures equal the frozen values of scikit-learn and SciPy', () => {
  const vectors = JSON.parse(readFileSync(new URL('../testing/vectors/unsupervised.json', import.meta.url), 'utf8')) as UnsupervisedVectors;
  const worst = compareUnsupervised(vectors);
  assert.equal(Object.keys(worst).length, 9);
  for (const [name, difference] of Object.entries(worst)) assert.ok(difference <= TOLERANCE, `${name} differ by ${difference}`);
});

test('LU6 a difference from the reference is seen', () => {
  const vectors = JSON.parse(readFileSync(new URL('../testing/vectors/unsupervised.json', import.meta.url), 'utf8')) as UnsupervisedVectors;
  const [first] = vectors.components;
  assert.ok(first);
  const spoilt = { ...vectors, components: [{ ...first, variances: first.variances.map((each) => each * 1.001) }] };
  assert.ok((compareUnsupervised(spoilt)['variances'] ?? 0) > TOLERANCE);
});
