import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { RetrainPolicy } from './contract.ts';
import { BACK_OFF_MS, type RetrainSituation, decideRetrain } from './decide-retrain.ts';
import { lostOf, qualityFinding } from './find-trigger.ts';

const DAY_MS = 86_400_000;
const policy = (changes: object = {}) =>
  RetrainPolicy.parse({ on: [{ kind: 'drift' }], coolDown: '7d', budget: { runs: 3, days: 30, seconds: 100 }, ...changes });
const situation = (changes: Partial<RetrainSituation> = {}): RetrainSituation => ({
  nowMs: 1_000 * DAY_MS,
  eventNowMs: 100 * DAY_MS,
  newRows: 1_000,
  last: undefined,
  spent: { runs: 0, seconds: 0 },
  gain: null,
  ...changes,
});
const codeOf = (changes: Partial<RetrainSituation>, of: object = {}) => {
  const decision = decideRetrain(policy(of), situation(changes));
  return decision.start ? 'start' : decision.code;
};

describe('whether an attempt may begin', () => {
  test('nothing in the way, it begins', () => {
    assert.equal(codeOf({}), 'start');
  });

  test('the cool-down is counted in event time, whatever the wall clock says', () => {
    const last = { failed: false, endedAtMs: 0, eventAtMs: 93 * DAY_MS + 1 };
    assert.equal(codeOf({ last }), 'cool-down');
    assert.equal(codeOf({ last: { ...last, eventAtMs: 93 * DAY_MS } }), 'start');
    assert.equal(codeOf({ last, nowMs: 10_000 * DAY_MS }), 'cool-down');
  });

  test('after an attempt that failed, wall time has to pass as well', () => {
    const last = { failed: true, endedAtMs: 1_000 * DAY_MS - BACK_OFF_MS + 1, eventAtMs: 0 };
    assert.equal(codeOf({ last }), 'back-off');
    assert.equal(codeOf({ last: { ...last, endedAtMs: 1_000 * DAY_MS - BACK_OFF_MS } }), 'start');
    assert.equal(codeOf({ last: { ...last, failed: false } }), 'start');
  });

  test('the budget is one of runs and of seconds', () => {
    assert.equal(codeOf({ spent: { runs: 2, seconds: 99 } }), 'start');
    assert.equal(codeOf({ spent: { runs: 3, seconds: 0 } }), 'budget-runs');
    assert.equal(codeOf({ spent: { runs: 0, seconds: 100 } }), 'budget-seconds');
  });

  test('few new labels, or little to win back, are no reason to train', () => {
    assert.equal(codeOf({ newRows: 99 }), 'few-rows');
    assert.equal(codeOf({ newRows: 100 }), 'start');
    const expectedGain = { rows: 100, atLeast: 0.05 };
    assert.equal(codeOf({ gain: null }, { expectedGain }), 'small-gain');
    assert.equal(codeOf({ gain: { metric: 'accuracy', lost: 0.049 } }, { expectedGain }), 'small-gain');
    assert.equal(codeOf({ gain: { metric: 'accuracy', lost: 0.05 } }, { expectedGain }), 'start');
  });
});

describe('quality', () => {
  const window = { from: '2026-01-01T00:00:00.000Z', to: '2026-01-08T00:00:00.000Z' };
  const proven = { accuracy: { value: 0.8, low: 0.7, high: 0.9 }, mae: { value: 2, low: 1, high: 3 } };
  const quality = (count: number, metrics: Record<string, number>) => ({
    window,
    quality: { outcome: 'label', count, skipped: 0, truncated: false, metrics },
  });
  const trigger = (changes: object = {}) => ({ kind: 'quality' as const, window: '7d', rows: 100, ...changes });

  test('a drop from what was proven fires, a smaller one and too few labels do not', () => {
    const origin = { task: 'binary', proven };
    assert.match(
      qualityFinding(trigger(), origin, quality(200, { accuracy: 0.74 }))?.reason ?? '',
      /accuracy fell from 0.8 when it was proven to 0.74 over 200 labelled calls/,
    );
    assert.equal(qualityFinding(trigger(), origin, quality(200, { accuracy: 0.76 })), undefined);
    assert.equal(qualityFinding(trigger(), origin, quality(99, { accuracy: 0.1 })), undefined);
    assert.equal(qualityFinding(trigger({ drop: 0.03 }), origin, quality(200, { accuracy: 0.76 }))?.kind, 'quality');
  });

  test('errors get worse by rising, and a bound needs no earlier value', () => {
    const origin = { task: 'regression', proven };
    assert.equal(lostOf('mae', 2, 2.5), 0.5);
    assert.equal(lostOf('accuracy', 0.5, 0.75), -0.25);
    assert.equal(qualityFinding(trigger({ drop: 0.5 }), origin, quality(200, { mae: 2.5 }))?.kind, 'quality');
    assert.equal(qualityFinding(trigger({ drop: 0.5 }), origin, quality(200, { mae: 1 })), undefined);
    const bound = trigger({ atMost: 2.2 });
    assert.match(qualityFinding(bound, { task: 'regression', proven: {} }, quality(200, { mae: 2.5 }))?.reason ?? '', /above 2.2/);
    assert.equal(qualityFinding(bound, origin, quality(200, { mae: 2.1 })), undefined);
  });
});
