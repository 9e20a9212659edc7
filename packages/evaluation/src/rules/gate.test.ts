import assert from 'node:assert/strict';
import { test } from 'vitest';
import { decideRules } from './gate.ts';
import type { RulesSection } from './contract.ts';

const section = (low: number): RulesSection => ({
  role: 'baseline',
  rules: [],
  count: 1,
  notes: [],
  comparison: {
    rows: 100,
    primary: 'roc_auc',
    metrics: [{ metric: 'roc_auc', model: 0.8, rules: 0.7, improvement: { value: 0.1, low, high: 0.2 } }],
    deLongPValue: null,
    mcNemarPValue: null,
    changed: 0.1,
    verdict: 'use-model',
  },
});

test('the model must be shown to be better than the rules', () => {
  assert.equal(decideRules('roc_auc', section(0.01)).passed, true);
  const failed = decideRules('roc_auc', section(-0.01));
  assert.equal(failed.passed, false);
  assert.match(failed.message, /the rules do as well\. Launch the rules themselves/);
});

test('without rules, or without the metric, the gate fails and says what to do', () => {
  assert.match(decideRules('roc_auc', null).message, /--baseline-rules FILE/);
  assert.equal(decideRules('f1', section(1)).passed, false);
  const notes = ['The rules were not compared: a column was left out.'];
  assert.match(decideRules('roc_auc', { ...section(1), comparison: null, notes }).message, /a column was left out/);
});
