import assert from 'node:assert/strict';
import { InvalidError } from '@slipway/kernel';
import type { ArmTallies, ArmTally } from '@slipway/telemetry';
import { describe, test } from 'vitest';
import { RolloutOptions } from './contract.ts';
import { decideRollout } from './decide-rollout.ts';
import { planRollout, trafficOf } from './plan-rollout.ts';
import { weighEvidence } from './weigh-evidence.ts';

const plan = (options: Partial<RolloutOptions> = {}) => planRollout(RolloutOptions.parse(options));
const NONE = { count: 0, sum: 0, squares: 0 };

/** An arm of `units` units of which a share fails. */
function arm(revision: number, share: number, units: number, failures: number, more: Partial<ArmTally> = {}): ArmTally {
  return {
    revision,
    shadow: false,
    share,
    calls: units,
    failed: { count: units, sum: failures, squares: failures },
    costMicros: { count: units, sum: units * 10, squares: units * 100 },
    latency: new Map([[100, units]]),
    number: NONE,
    answers: new Map([['yes', { count: units, sum: units / 2, squares: units / 2 }]]),
    outcomes: new Map(),
    ...more,
  };
}

const tallies = (arms: ArmTally[], pairs: ArmTallies['pairs'] = []): ArmTallies => ({ arms, pairs });

function decide(
  options: Partial<RolloutOptions>,
  step: number,
  counted: ArmTallies,
  more: { nowMs?: number; status?: 'running' | 'paused' | 'awaiting-approval' } = {},
) {
  const written = plan(options);
  const nowMs = more.nowMs ?? 3_600_000;
  const look = weighEvidence({ plan: written, step, champion: 3, candidate: 4, tallies: counted, nowMs });
  return {
    look,
    decision: decideRollout({ plan: written, status: more.status ?? 'running', step, startedAtMs: 0, stepEnteredAtMs: 0, nowMs, look }),
  };
}

describe('plans', () => {
  test('RL20 what a strategy leaves open is written out', () => {
    assert.deepEqual(
      plan().steps.map((step) => ('share' in step ? step.share : step.kind)),
      [0.05, 0.25, 0.5],
    );
    assert.equal(plan().require, 'no-worse');
    assert.equal(plan({ strategy: 'ab' }).require, 'better');
    assert.deepEqual(plan({ strategy: 'shadow', approval: true }).steps, [{ kind: 'shadow', share: 1 }, { kind: 'approval' }]);
    assert.deepEqual(
      plan().guardrails.map(({ metric }) => metric),
      ['latency', 'predictions'],
    );
  });

  test('RL20 options that contradict each other are refused, naming the field', () => {
    const refused = (options: Partial<RolloutOptions>, field: string) =>
      assert.throws(
        () => plan(options),
        (error: InvalidError) => error instanceof InvalidError && error.details['field'] === `plan.${field}`,
      );
    refused({ strategy: 'shadow', steps: [0.5] }, 'steps');
    refused({ strategy: 'ab', steps: [0.2, 0.5] }, 'steps');
    refused({ steps: [0.5, 0.2] }, 'steps');
    refused({ goals: [{ metric: 'predictions', margin: 0.1 }] }, 'goals');
    refused({ goals: [{ metric: 'cost', margin: 0.1 }], guardrails: [{ metric: 'cost', margin: 0.2 }] }, 'goals');
  });

  test('RL21 the candidate keeps the units it has as its share grows, and nothing answers but the champion in a shadow', () => {
    const revisions = { champion: 3, candidate: 4 };
    const canary = trafficOf(plan(), 1, revisions);
    assert.deepEqual(canary.arms, [
      { name: 'candidate', revision: 4, weight: 0.25 },
      { name: 'champion', revision: 3, weight: 0.75 },
    ]);
    const shadow = trafficOf(plan({ strategy: 'shadow', shadow: 0.5 }), 0, revisions);
    assert.deepEqual(shadow, { arms: [{ name: 'live', revision: 3, weight: 1 }], mirrors: [{ revision: 4, share: 0.5 }] });
    assert.deepEqual(trafficOf(plan({ approval: true }), 3, revisions), trafficOf(plan(), 2, revisions), 'an approval keeps the shares');
  });
});

describe('decisions', () => {
  const even = (units: number, failed: number, candidateFailed: number) =>
    tallies([arm(3, 0.5, units, failed), arm(4, 0.5, units, candidateFailed)]);

  test('RL22 few units decide nothing', () => {
    const { decision } = decide({ steps: [0.5] }, 0, even(50, 2, 3));
    assert.deepEqual(decision, { action: 'stay', reason: '50 of 100 units in this step' });
  });

  test('RL22 a step without harm leads to the next, the last only with proof', () => {
    const first = tallies([arm(3, 0.95, 1_900, 100), arm(4, 0.05, 100, 5)]);
    assert.equal(decide({}, 0, first).decision.action, 'next');
    assert.equal(decide({}, 0, first, { nowMs: 30_000 }).decision.action, 'stay', 'a step has its time');
    const undecided = decide({ steps: [0.5] }, 0, even(500, 25, 25));
    assert.equal(undecided.decision.action, 'stay');
    assert.match(undecided.decision.reason, /error-rate is not decided/);
    const needed = undecided.look.metrics[0]?.needed?.ifEqual;
    assert.ok(needed?.median && needed.p90 && needed.median < needed.p90);
    assert.equal(decide({ steps: [0.5] }, 0, even(500 + needed.p90, 25, 25)).decision.action, 'promote');
  });

  test('RL23 what is surely worse is rolled back, paused or waiting too, and not before', () => {
    assert.equal(decide({ steps: [0.5] }, 0, even(2_000, 100, 260)).decision.action, 'roll-back');
    assert.equal(decide({ steps: [0.5] }, 0, even(2_000, 100, 260), { status: 'paused' }).decision.action, 'roll-back');
    assert.equal(
      decide({ steps: [0.5], approval: true }, 1, even(2_000, 100, 260), { status: 'awaiting-approval' }).decision.action,
      'roll-back',
    );
    assert.equal(decide({ steps: [0.5] }, 0, even(2_000, 100, 110)).decision.action, 'stay');
    assert.equal(decide({ steps: [0.5] }, 0, even(30, 0, 30)).decision.action, 'roll-back', 'what fails always is found soon');
  });

  test('RL23 a guardrail rolls back only beyond its margin', () => {
    const slow = (bucket: number) => tallies([arm(3, 0.5, 3_000, 0), arm(4, 0.5, 3_000, 0, { latency: new Map([[bucket, 3_000]]) })]);
    const options = { steps: [0.5], guardrails: [{ metric: 'latency' as const, quantile: 0.95, margin: 0.5, floorMs: 1 }] };
    assert.equal(decide(options, 0, slow(115)).decision.action, 'promote', '35 % slower');
    const { decision } = decide(options, 0, slow(135));
    assert.equal(decision.action, 'roll-back', 'twice as slow');
    assert.match(decision.reason, /latency p95 is worse: ratio/);
    const unfelt = { steps: [0.5], guardrails: [{ metric: 'latency' as const, quantile: 0.95, margin: 0.5, floorMs: 1_000 }] };
    assert.equal(decide(unfelt, 0, slow(135)).decision.action, 'promote', 'nobody feels it');
  });

  test('RL23 other predictions are a guardrail', () => {
    const answers = new Map([['yes', { count: 3_000, sum: 2_900, squares: 2_900 }]]);
    const { decision } = decide({ steps: [0.5] }, 0, tallies([arm(3, 0.5, 3_000, 0), arm(4, 0.5, 3_000, 0, { answers })]));
    assert.equal(decision.action, 'roll-back');
    assert.match(decision.reason, /predictions is worse/);
  });

  test('RL24 lost units make the comparison void', () => {
    const { decision } = decide({ steps: [0.5] }, 0, tallies([arm(3, 0.5, 5_000, 0), arm(4, 0.5, 4_500, 0)]));
    assert.equal(decision.action, 'roll-back');
    assert.match(decision.reason, /sample ratio mismatch/);
  });

  test('RL25 time without a verdict ends as the plan says', () => {
    const late = { nowMs: 169 * 3_600_000 };
    assert.equal(decide({ steps: [0.5] }, 0, even(300, 9, 9), late).decision.action, 'roll-back');
    assert.equal(decide({ steps: [0.5], onExpiry: 'promote' }, 0, even(300, 9, 9), late).decision.action, 'promote');
    assert.equal(decide({ strategy: 'ab' }, 0, even(50_000, 50, 50)).decision.action, 'stay', 'a null A/B shows nothing better');
    assert.equal(decide({ strategy: 'ab' }, 0, even(50_000, 5_000, 3_000)).decision.action, 'promote');
  });

  test('RL26 mirrored calls are compared in pairs and need far fewer of them', () => {
    const count = 1_200;
    // 36 answers are broken and 12 mended.
    const [sum, squares] = [-24, 48];
    const right = (hits: number) => new Map([['label correct', { count, sum: hits, squares: hits }]]);
    const arms = [arm(3, 1, count, 0, { outcomes: right(1_140) }), arm(4, 1, count, 0, { shadow: true, outcomes: right(1_140 + sum) })];
    const pairs = [
      {
        revision: 4,
        champion: 3,
        failed: { count, sum: 0, squares: 0 },
        costMicros: NONE,
        flipped: NONE,
        outcomes: new Map([['label correct', { count, sum, squares }]]),
      },
    ];
    const goals = [{ metric: 'outcome' as const, outcome: 'label', score: 'correct' as const }];
    const paired = decide({ strategy: 'shadow', goals }, 0, tallies(arms, pairs));
    assert.equal(paired.look.metrics[0]?.basis, 'paired');
    assert.equal(paired.decision.action, 'roll-back');
    const split = tallies([arm(3, 0.5, count, 0, { outcomes: right(1_140) }), arm(4, 0.5, count, 0, { outcomes: right(1_140 + sum) })]);
    assert.equal(decide({ steps: [0.5], goals }, 0, split).decision.action, 'stay', 'the same calls, split, say nothing yet');
  });

  test('RL27 only units of the same time are compared', () => {
    // Success falls for both while the candidate gets more of the traffic.
    const arms = [arm(3, 0.95, 9_500, 95), arm(4, 0.05, 500, 5), arm(3, 0.5, 5_000, 500), arm(4, 0.5, 5_000, 500)];
    const { look } = decide({ steps: [0.05, 0.5] }, 1, tallies(arms));
    assert.ok(Math.abs(look.metrics[0]?.difference ?? 1) < 1e-9);
    assert.ok((look.metrics[0]?.candidate ?? 0) > (look.metrics[0]?.champion ?? 0) + 0.04, 'the plain means differ by far');
  });
});
