import assert from 'node:assert/strict';
import { InvalidError } from '@slipway/kernel';
import { describe, test } from 'vitest';
import { parseTrigger, retrainOf } from './retrain-flags.ts';
import { explainChange } from './show-history.ts';

describe('flags of retraining', () => {
  test('triggers are read with their numbers, a schedule whole', () => {
    assert.deepEqual(parseTrigger('drift'), { kind: 'drift', window: '7d' });
    assert.deepEqual(parseTrigger('quality:roc_auc:0.02'), { kind: 'quality', metric: 'roc_auc', drop: 0.02, window: '7d', rows: 100 });
    assert.deepEqual(parseTrigger('schedule:0 3 * * 1,4'), { kind: 'schedule', cron: '0 3 * * 1,4' });
    for (const text of ['new-data', 'new-data:x', 'drift:long', 'hand', 'schedule'])
      assert.throws(() => parseTrigger(text), /starts no retraining/);
    assert.throws(() => parseTrigger('quality:acuracy'), /metric: expected a metric; did you mean "accuracy"/);
  });

  test('a policy comes of the flags; without --retrain there is none, and the others say what is missing', () => {
    const policy = retrainOf({
      retrain: ['drift,new-data:2000', 'schedule:0 3 * * 1'],
      retrainFresh: true,
      retrainRows: '5000',
      retrainBudget: '4/7',
      retrainRollout: 'canary:10,50',
      retrainCoolDown: '2d',
    });
    assert.deepEqual(
      policy?.on.map(({ kind }) => kind),
      ['drift', 'new-data', 'schedule'],
    );
    assert.deepEqual(policy?.data, { rows: 5000, original: false });
    assert.deepEqual(policy?.budget, { runs: 4, days: 7, seconds: 36_000 });
    assert.deepEqual([policy?.rollout?.strategy, policy?.rollout?.steps], ['canary', [0.1, 0.5]]);
    assert.equal(retrainOf({}), undefined);
    assert.throws(
      () => retrainOf({ retrainRows: '10' }),
      (error: InvalidError) => error.message.startsWith('--retrain-rows says how'),
    );
    assert.throws(() => retrainOf({ retrain: ['drift'], retrainCoolDown: 'soon' }), /--retrain: coolDown: is no length of time/);
  });
});

describe('a history in sentences', () => {
  const trigger = { kind: 'quality', reason: 'accuracy fell from 0.8 to 0.6', evidence: null };

  test('a revision says why it came, a retraining what it went by, and what is unknown is shown as it is', () => {
    const created = { revision: 2, version: 'mv_1', live: false, reason: 'retrained: drift' };
    assert.equal(
      explainChange({ type: 'releases.revision.created', data: created }),
      'revision 2 (mv_1), waits for its rollout: retrained: drift',
    );
    const comparison = { metric: 'roc_auc', champion: 0.6, candidate: 0.8, improvement: 0.2, low: 0.1, high: 0.3 };
    const refused = { run: 'run_1', trigger, reason: 'a gate failed', champion: { version: 'mv_0', revision: 1 }, comparison };
    assert.equal(
      explainChange({ type: 'project.retraining.refused', data: refused }),
      'retraining refused: accuracy fell from 0.8 to 0.6 → roc_auc 0.8 against 0.6 of revision 1 (0.2, 0.1 to 0.3) → a gate failed',
    );
    assert.equal(
      explainChange({ type: 'project.retraining.skipped', data: { code: 'cool-down', reason: 'cool-down of 7d', trigger } }),
      'retraining skipped: accuracy fell from 0.8 to 0.6 → cool-down of 7d',
    );
    assert.equal(
      explainChange({ type: 'releases.rollout.step-entered', data: { candidate: 2, step: 0, kind: 'shadow', reason: 'started' } }),
      'rollout of revision 2 step entered 1 (shadow): started',
    );
    assert.equal(
      explainChange({ type: 'monitoring.monitor.configured', data: { window: '24h', groups: ['gender'], everyMinutes: 5 } }),
      'the monitor was set: groups ["gender"], everyMinutes 5',
    );
    assert.equal(explainChange({ type: 'some.other.thing', data: { a: 1 } }), 'other thing: {"a":1}');
  });
});
