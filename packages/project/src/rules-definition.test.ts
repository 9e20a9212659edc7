/* oxlint-disable unicorn/no-thenable -- `then` is what a rule answers, never a function */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { csv, dataset, defineProject, metric, model, planLaunches, release, renderConfig, rules } from './define.ts';

interface Customer {
  readonly age: number;
  readonly plan: string;
}

const data = dataset('customers', { source: csv('customers.csv') });
const planned = (options: Omit<Parameters<typeof model>[1], 'from'>) => {
  const trained = model('churn', { from: data, ...options });
  return planLaunches(defineProject('p', [data, trained, release('churn', { serve: trained })]))[0]?.definition;
};

describe('rules in a definition', () => {
  test('predicates and table cells come down to the same plain JSON', () => {
    const written = rules<Customer>([{ when: (row) => row.age >= 60 && row.plan === 'x', then: 'yes' }], { otherwise: 'no' });
    const table = rules([{ when: { age: { atLeast: 60 }, plan: 'x' }, then: 'yes' }], { otherwise: 'no' });
    assert.deepEqual(written, table);
    assert.deepEqual(rules({ rules: [{ when: { plan: 'x' }, then: 'yes' }], otherwise: 'no' }).params['otherwise'], 'no');
    assert.deepEqual(planned({ target: 'left', train: written })?.train, table);
  });

  test('a predicate that no rule can hold is refused when it is written', () => {
    const limit = 60;
    assert.throws(() => rules<Customer>([{ when: (row) => row.age >= limit, then: 'yes' }]), /"limit", which comes from outside/);
  });

  test('a baseline and its gate are rendered as they are written', () => {
    const definition = planned({
      target: 'left',
      baseline: rules([{ when: { plan: { in: ['x', 'y'] } }, then: 'yes' }]),
      gates: [metric('roc_auc').betterThan('rules')],
    });
    assert.ok(definition);
    const text = renderConfig(definition, { dataPath: 'customers.csv', testPath: undefined });
    assert.match(text, /baseline: rules\(\{ rules: \[\{ when: \{ plan: \{ in: \['x', 'y'\] \} \}, then: 'yes' \}\] \}\)/);
    assert.match(text, /metric\('roc_auc'\)\.betterThan\('rules'\)/);
    assert.match(text, /^import \{ .*rules.* \} from 'slipway'/);
  });

  test('a launch has a target or looks for something without one', () => {
    assert.throws(() => planned({}), /target: is needed/);
    assert.deepEqual(planned({ unsupervised: { task: 'cluster' } })?.target, '');
  });
});
