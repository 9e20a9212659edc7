import assert from 'node:assert/strict';
import { InvalidError } from '@slipway/kernel';
import { test } from 'vitest';
import { parseMetric, rolloutOf, rolloutOptions } from './rollout-flags.ts';

test('metrics of a rollout are written short', () => {
  assert.deepEqual(parseMetric('error-rate:0.02'), { metric: 'error-rate', margin: 0.02 });
  assert.deepEqual(parseMetric('latency:p99:0.3'), { metric: 'latency', quantile: 0.99, margin: 0.3, floorMs: 20 });
  assert.deepEqual(parseMetric('latency'), { metric: 'latency', quantile: 0.95, margin: 0.5, floorMs: 20 });
  assert.deepEqual(parseMetric('label:correct'), { metric: 'outcome', outcome: 'label', score: 'correct' });
  assert.deepEqual(parseMetric('rating:value:0.1'), { metric: 'outcome', outcome: 'rating', score: 'value', margin: 0.1 });
  for (const text of ['', 'latency:fast', 'label', 'label:best', 'cost:0.1:2', 'error-rate:-1', 'error-rate:x'])
    assert.throws(() => parseMetric(text), InvalidError, text);
});

test('the flags of a rollout become its options, and a wrong one is named', () => {
  const options = rolloutOptions({
    steps: '10,50%',
    shadow: true,
    approval: true,
    goal: ['cost:0.2'],
    guardrail: ['none'],
    minUnits: '200',
  });
  assert.deepEqual(options.steps, [0.1, 0.5]);
  assert.equal(options.shadow, 1);
  assert.deepEqual(options.goals, [{ metric: 'cost', margin: 0.2 }]);
  assert.deepEqual(options.guardrails, []);
  assert.equal(options.minUnits, 200);
  const refused = (flags: Parameters<typeof rolloutOptions>[0], text: RegExp) => assert.throws(() => rolloutOptions(flags), text);
  refused({ strategy: 'fast' }, /--strategy/);
  refused({ steps: '0' }, /--steps/);
  refused({ minUnits: '3' }, /--min-units/);
  refused({ onExpiry: 'wait' }, /--on-expiry/);
  refused({ confidence: '2' }, /--confidence/);
  refused({ steps: '5,x' }, /--steps must be/);
});

test('a launch says its rollout in a word', () => {
  assert.deepEqual(rolloutOf('canary:5,20')?.steps, [0.05, 0.2]);
  assert.equal(rolloutOf('shadow:20')?.shadow, 0.2);
  assert.deepEqual(rolloutOf('ab:50')?.steps, [0.5]);
  assert.equal(rolloutOf(undefined), undefined);
  assert.throws(() => rolloutOf('slowly'), /--rollout must be/);
});
