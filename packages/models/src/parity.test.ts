import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { maxParityError } from './index.ts';

describe('maxParityError', () => {
  test('probabilities are compared absolutely and pass up to 1e-4', () => {
    assert.equal(maxParityError([0.5, 0.25], [0.5, 0.25], 'binary').passed, true);
    assert.equal(maxParityError([0.5, 0.25], [0.5, 0.25009], 'multiclass').passed, true);
    const worse = maxParityError([0.5, 0.25], [0.5, 0.25011], 'binary');
    assert.deepEqual([worse.passed, worse.worstIndex], [false, 1]);
  });

  test('regression is compared relative to max(1, |y|) and passes up to 1e-5', () => {
    assert.equal(maxParityError([1e6], [1e6 + 9], 'regression').passed, true);
    assert.equal(maxParityError([1e6], [1e6 + 11], 'regression').passed, false);
    assert.equal(maxParityError([0.001], [0.001009], 'regression').passed, true);
    assert.equal(maxParityError([0.001], [0.001011], 'regression').passed, false);
  });

  test('a number against none, an infinity against none and different lengths never pass', () => {
    assert.equal(maxParityError([Number.NaN], [Number.NaN], 'binary').passed, true);
    assert.equal(maxParityError([Number.POSITIVE_INFINITY], [Number.POSITIVE_INFINITY], 'regression').passed, true);
    for (const [left, right] of [
      [0, Number.NaN],
      [Number.NaN, 0],
      [0, Number.POSITIVE_INFINITY],
      [Number.POSITIVE_INFINITY, 0],
    ] as const) {
      assert.equal(maxParityError([left], [right], 'regression').maxError, Number.POSITIVE_INFINITY);
    }
    assert.equal(maxParityError([1, 2], [1], 'binary').passed, false);
  });
});
