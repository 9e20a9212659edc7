import { describe, expect, test } from 'vitest';
import {
  GateDefinition,
  type GateFacts,
  type LeakInput,
  UnknownMetricError,
  checkGates,
  decideGates,
  defaultGates,
  hashGates,
} from './index.ts';

const LEAK: LeakInput = {
  column: 'refund',
  kind: 'suspicious',
  reason: 'alone it reaches 0.999.',
  evidence: {},
  action: 'needs-acceptance',
};

const GOOD: GateFacts = {
  metrics: { roc_auc: { value: 0.85, low: 0.83, high: 0.87 }, log_loss: { value: 0.4, low: 0.38, high: 0.42 } },
  improvements: { roc_auc: { value: 0.35, low: 0.33, high: 0.37 } },
  parity: { maxError: 1e-7 },
  leaks: [],
  acceptedLeaks: [],
  latency: { p95Ms: 0.4 },
};

function decide(gate: GateDefinition, facts: Partial<GateFacts> = {}) {
  const [result] = decideGates([gate], { ...GOOD, ...facts });
  if (!result) throw new Error('one gate has one result');
  return result;
}

test('the default gates pass on good facts, for every task', () => {
  expect(decideGates(defaultGates('binary'), GOOD).map((gate) => [gate.name, gate.passed])).toEqual([
    ['roc_auc better than baseline', true],
    ['parity', true],
    ['leakage', true],
    ['latency', true],
  ]);
  const first = (['multiclass', 'regression'] as const).map((task) => defaultGates(task)[0]);
  expect(first).toEqual([
    { kind: 'betterThanBaseline', metric: 'log_loss' },
    { kind: 'betterThanBaseline', metric: 'rmse' },
  ]);
});

describe('each gate fails when its condition is not met, and says what to do', () => {
  test.each<[string, GateDefinition, Partial<GateFacts>, number | null, RegExp]>([
    ['a metric below its floor', { kind: 'metric', metric: 'roc_auc', atLeast: 0.9 }, {}, 0.85, /below 0\.9\. More rows/],
    ['a metric above its ceiling', { kind: 'metric', metric: 'log_loss', atMost: 0.3 }, {}, 0.4, /above 0\.3\./],
    ['an undefined metric', { kind: 'metric', metric: 'roc_auc', atLeast: 0.5 }, { metrics: {} }, null, /undefined/],
    [
      'no better than the baseline',
      { kind: 'betterThanBaseline', metric: 'roc_auc' },
      { improvements: { roc_auc: { value: 0.02, low: -0.01, high: 0.05 } } },
      -0.01,
      /Add rows or columns/,
    ],
    [
      'exactly the baseline',
      { kind: 'betterThanBaseline', metric: 'roc_auc' },
      { improvements: { roc_auc: { value: 0, low: 0, high: 0 } } },
      0,
      /not above 0/,
    ],
    ['an unmeasured improvement', { kind: 'betterThanBaseline', metric: 'roc_auc' }, { improvements: {} }, null, /more test rows/],
    ['parity', { kind: 'parity', maxError: 1e-4 }, { parity: { maxError: 0.02 } }, 0.02, /Report it/],
    ['parity that was not compared', { kind: 'parity', maxError: 1e-4 }, { parity: null }, null, /not compared/],
    ['parity that is NaN', { kind: 'parity', maxError: 1e-4 }, { parity: { maxError: Number.NaN } }, null, /not compared/],
    ['a leak nobody accepted', { kind: 'leakage' }, { leaks: [LEAK] }, 1, /--exclude refund.*--accept-leak refund/],
    ['a search for leaks that did not happen', { kind: 'leakage' }, { leaks: null }, null, /not searched/],
    ['latency', { kind: 'latency', p95MsMax: 50 }, { latency: { p95Ms: 51 } }, 51, /smaller model/],
    ['latency that was not measured', { kind: 'latency', p95MsMax: 50 }, { latency: null }, null, /not measured/],
  ])('%s', (_name, gate, facts, value, message) => {
    const result = decide(gate, facts);
    expect(result).toMatchObject({ passed: false, value });
    expect(result.message).toMatch(message);
  });
});

test('gates pass exactly at their threshold', () => {
  expect(decide({ kind: 'metric', metric: 'roc_auc', atLeast: 0.85, atMost: 0.85 }).passed).toBe(true);
  expect(decide({ kind: 'parity', maxError: 1e-7 }).passed).toBe(true);
  expect(decide({ kind: 'latency', p95MsMax: 0.4 }).passed).toBe(true);
});

test('a leak that was accepted by name or whose column was dropped does not stop a version', () => {
  expect(decide({ kind: 'leakage' }, { leaks: [LEAK], acceptedLeaks: ['refund'] }).passed).toBe(true);
  expect(decide({ kind: 'leakage' }, { leaks: [LEAK], acceptedLeaks: ['other'] }).passed).toBe(false);
  expect(decide({ kind: 'leakage' }, { leaks: [{ ...LEAK, kind: 'target-copy', action: 'dropped' }] }).passed).toBe(true);
});

test('the hash does not depend on the order of keys, but on every threshold and on the order of gates', () => {
  const [first, second] = [defaultGates('binary'), defaultGates('binary').toReversed()];
  expect(hashGates(first)).toBe(hashGates([{ metric: 'roc_auc', kind: 'betterThanBaseline' }, ...first.slice(1)]));
  expect(hashGates(first)).not.toBe(hashGates(second));
  expect(hashGates([{ kind: 'parity', maxError: 1e-4 }])).not.toBe(hashGates([{ kind: 'parity', maxError: 1e-3 }]));
});

test('definitions are strict, need a bound, and take the default latency', () => {
  expect(GateDefinition.safeParse({ kind: 'metric', metric: 'roc_auc' }).success).toBe(false);
  expect(GateDefinition.safeParse({ kind: 'metric', metric: 'ROC AUC', atLeast: 1 }).success).toBe(false);
  expect(GateDefinition.safeParse({ kind: 'leakage', allow: true }).success).toBe(false);
  expect(GateDefinition.parse({ kind: 'latency' })).toEqual({ kind: 'latency', p95MsMax: 50 });
});

test('a metric of another task is refused by name', () => {
  expect(() => checkGates([{ kind: 'metric', metric: 'rmse', atMost: 1 }], 'binary')).toThrow(UnknownMetricError);
  expect(checkGates([{ kind: 'metric', metric: 'rmse', atMost: 1 }], 'regression')).toHaveLength(1);
});
