import assert from 'node:assert/strict';
import { InvalidError } from '@slipway/kernel';
import { LaunchDefinition } from '@slipway/project/contract';
import { describe, test } from 'vitest';
import { parseObjective } from './objective-flags.ts';

describe('flags of the business objective', () => {
  test('costs of decisions, KPI and constraint become an objective', () => {
    const objective = parseObjective({ costFp: '1', costFn: '5', costTp: '-2', kpi: 'margin:EUR', constraint: 'recall >= 0.8' });
    assert.deepEqual(objective, {
      costs: { falsePositive: 1, falseNegative: 5, truePositive: -2 },
      kpi: { name: 'margin', unit: 'EUR' },
      constraint: { metric: 'recall', atLeast: 0.8 },
    });
    assert.equal(LaunchDefinition.shape.objective.safeParse(objective).success, true);
  });

  test('costs of errors become an objective, and no flag none', () => {
    assert.deepEqual(parseObjective({ costOver: '1', costUnder: '4' }), { costPerUnitError: { over: 1, under: 4 } });
    assert.deepEqual(parseObjective({ costFp: '1', costFn: '2', constraint: 'selection_rate<=0.1', kpi: 'calls' }), {
      costs: { falsePositive: 1, falseNegative: 2 },
      kpi: { name: 'calls' },
      constraint: { metric: 'selection_rate', atMost: 0.1 },
    });
    assert.equal(parseObjective({}), undefined);
  });

  test.each([
    [{ costFp: '1' }, /--cost-fn/],
    [{ costUnder: '1' }, /--cost-over/],
    [{ costFp: '1', costFn: '1', costOver: '1', costUnder: '1' }, /one pair/],
    [{ kpi: 'margin' }, /--kpi needs costs/],
    [{ constraint: 'recall>=1' }, /--constraint needs costs/],
    [{ costFp: 'x', costFn: '1' }, /--cost-fp/],
    [{ costFp: '1', costFn: '1', constraint: 'recall=1' }, /--constraint wants/],
  ])('%j is refused with the flag named', (flags, message) => {
    assert.throws(
      () => parseObjective(flags),
      (error) => error instanceof InvalidError && message.test(error.message),
    );
  });
});
