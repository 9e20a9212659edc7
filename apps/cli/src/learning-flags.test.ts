import assert from 'node:assert/strict';
import { InvalidError } from '@slipway/kernel';
import { describe, test } from 'vitest';
import { parseInteractions, parseLoss, parseMonotone } from './learning-flags.ts';

describe('flags of what is learnt', () => {
  test('a loss is a name, with a number where it has one', () => {
    assert.deepEqual(parseLoss('quantile:0.9'), { kind: 'quantile', level: 0.9 });
    assert.deepEqual(parseLoss('tweedie'), { kind: 'tweedie', power: 1.5 });
    assert.deepEqual([parseLoss('absolute'), parseLoss(undefined)], [{ kind: 'absolute' }, undefined]);
    for (const wrong of ['quantile:1', 'quantile:x', 'tweedie:2', 'poisson:1', 'huber', ''])
      assert.throws(() => parseLoss(wrong), InvalidError);
  });

  test('directions and lists are read column by column', () => {
    assert.deepEqual(parseMonotone(['age=increasing,a=b=decreasing', 'debt=decreasing']), {
      age: 'increasing',
      'a=b': 'decreasing',
      debt: 'decreasing',
    });
    assert.deepEqual([parseMonotone([]), parseInteractions([])], [undefined, undefined]);
    assert.deepEqual(parseInteractions(['a+b, c + d', 'e']), [['a', 'b'], ['c', 'd'], ['e']]);
    for (const wrong of ['age', 'age=up', '=increasing']) assert.throws(() => parseMonotone([wrong]), InvalidError);
  });
});
