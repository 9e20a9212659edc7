import assert from 'node:assert/strict';
import { test } from 'vitest';
import { LaunchDefinition } from '../contract.ts';
import {
  canary,
  csv,
  dataset,
  defineProject,
  drift,
  model,
  newData,
  planLaunches,
  qualityDrop,
  release,
  renderConfig,
  retrain,
  schedule,
} from '../define.ts';
import { RetrainPolicy } from './contract.ts';
import { retrainRollout } from './retrain-rollout.ts';

const rows = dataset('rows', { source: csv('rows.csv') });
const policy = retrain({
  on: [drift(), qualityDrop({ drop: 0.03 }), schedule('0 3 * * 1'), newData({ rows: 2000 })],
  data: { rows: 5000, days: 90, original: false },
  rollout: canary({ steps: [0.1, 0.5] }),
  coolDown: '7d',
});

function planned(options: object = {}) {
  const served = model('m', { from: rows, target: 'y', ...options });
  return planLaunches(defineProject('p', [release('r', { serve: served, retrain: policy })]))[0]?.definition;
}

test('a definition holds a policy, and what is saved means the same again', async () => {
  const definition = planned();
  assert.deepEqual(definition?.retrain, RetrainPolicy.parse(policy));
  assert.ok(definition);
  const text = renderConfig(definition, { dataPath: 'rows.csv', testPath: undefined });
  assert.match(text, /import \{[^}]*\bretrain\b[^}]*\} from 'slipway'/);
  const source = text.replace(/import .*\n/, '').replace('export default', 'return');
  const define = await import('../define.ts');
  const again = new Function(...Object.keys(define), source)(...Object.values(define)) as Parameters<typeof planLaunches>[0];
  assert.deepEqual(planLaunches(again)[0]?.definition.retrain, definition.retrain);
});

test('what has no labels of single recorded calls holds no policy', () => {
  const base = { name: 'm', dataset: 'd', target: 'y', retrain: {} };
  assert.ok(LaunchDefinition.safeParse(base).success);
  for (const wrong of [{ query: 'q' }, { recording: 'none' }, { target: '', unsupervised: { task: 'cluster' } }]) {
    const parsed = LaunchDefinition.safeParse({ ...base, ...wrong });
    assert.match(parsed.error?.issues[0]?.message ?? '', /needs labels of single recorded calls/, JSON.stringify(wrong));
  }
});

test('without a rollout of its own a refresh is shadowed and judged by labels; other answers are no harm unless named', () => {
  const options = retrainRollout(RetrainPolicy.parse({}), 'binary');
  assert.deepEqual([options.strategy, options.goals?.[0]?.metric], ['shadow', 'outcome']);
  assert.deepEqual(
    options.guardrails?.map(({ metric }) => metric),
    ['error-rate', 'latency'],
  );
  const named = retrainRollout(RetrainPolicy.parse({ rollout: { guardrails: [{ metric: 'predictions' }] } }), 'regression');
  assert.deepEqual(
    named.guardrails?.map(({ metric }) => metric),
    ['predictions'],
  );
  assert.equal(named.goals?.[0]?.metric === 'outcome' && named.goals[0].score, 'absolute-error');
});
