import assert from 'node:assert/strict';
import { test } from 'vitest';
import { AttemptFacts, RetrainPolicy } from './contract.ts';
import { HELD_BACK_ROWS_MIN, HOLD_BACK_RATIO, HOLD_BACK_RATIO_MAX, type HoldBackSituation, holdBackRatio } from './hold-back.ts';

const policy = (changes: object = {}) => RetrainPolicy.parse({ margin: 0.05, ...changes });
const situation = (changes: Partial<HoldBackSituation> = {}): HoldBackSituation => ({
  policy: policy(),
  calls: 5_000,
  before: [],
  proven: { metric: undefined, rows: 200 },
  ...changes,
});
/** An attempt whose two versions were told apart by `half` on 200 rows. */
const attempt = (half: number) =>
  AttemptFacts.parse({
    data: { rows: 800, heldBack: 200, leftOut: 0, original: 0, from: '', heldBackFrom: '', to: '' },
    comparison: { metric: 'roc_auc', champion: 0.8, candidate: 0.8, improvement: 0, low: -half, high: half },
  });

test('what a policy names is held back, whatever the noise', () => {
  assert.equal(holdBackRatio(situation({ policy: policy({ data: { holdBack: 0.1 } }), before: [attempt(0.1)] })), 0.1);
});

test('a small share of few calls is still enough rows to judge by', () => {
  const few = policy({ data: { holdBack: 0.1 } });
  assert.equal(Math.round(288 * holdBackRatio(situation({ policy: few, calls: 288 }))), HELD_BACK_ROWS_MIN);
  assert.equal(holdBackRatio(situation({ policy: few, calls: 20 })), HOLD_BACK_RATIO_MAX);
});

test('without a reason for more it is a fifth', () => {
  assert.equal(holdBackRatio(situation()), HOLD_BACK_RATIO);
  assert.equal(holdBackRatio(situation({ before: [attempt(0.01)] })), HOLD_BACK_RATIO);
});

test('it grows to the rows that the margin needs by the noise of the last comparison', () => {
  const ratio = holdBackRatio(situation({ before: [attempt(0.09), attempt(0.5)] }));
  // 200 rows x (1.43 x 0.09 / 0.05)^2 = 1,324 of 5,000.
  assert.ok(Math.abs(ratio - 1_324 / 5_000) < 0.002, String(ratio));
});

test('before the first comparison the noise of the live version’s own proof is taken', () => {
  const ratio = holdBackRatio(situation({ proven: { metric: { value: 0.8, low: 0.71, high: 0.86 }, rows: 200 } }));
  assert.ok(Math.abs(ratio - 1_324 / 5_000) < 0.002, String(ratio));
});

test('what cannot be reached is not bought with half of what is learnt from', () => {
  const ratio = holdBackRatio(situation({ calls: 1_000, before: [attempt(0.09)] }));
  assert.ok(ratio > HOLD_BACK_RATIO && ratio < HOLD_BACK_RATIO_MAX, String(ratio));
});
