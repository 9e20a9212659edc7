import assert from 'node:assert/strict';
import { test } from 'vitest';
import { LaunchDefinition } from './contract.ts';
import { withLossOfCosts } from './loss-of-costs.ts';
import { modelRecipe, reportRecipe } from './recipe.ts';

const base = { name: 'wine', dataset: 'wine', target: 'quality' };
const costPerUnitError = { over: 1, under: 4 };

test('costs of errors ask for their quantile, unless a loss is given or the trainer learns none', () => {
  const costly = LaunchDefinition.parse({ ...base, objective: { costPerUnitError } });
  assert.deepEqual(withLossOfCosts(costly).loss, { kind: 'quantile', level: 0.8 });
  const squared = { ...costly, loss: { kind: 'squared' as const } };
  assert.equal(withLossOfCosts(squared), squared);
  const linear = { ...costly, train: { kind: 'linear' as const, params: {} } };
  assert.equal(withLossOfCosts(linear), linear);
  const decisions = LaunchDefinition.parse({ ...base, objective: { costs: { falsePositive: 1, falseNegative: 2 } } });
  assert.equal(withLossOfCosts(decisions), decisions);
});

test('only what chooses the threshold is part of a version, and the whole objective is part of its report', () => {
  const recipe = (definition: LaunchDefinition) =>
    modelRecipe({
      data: 'd',
      contract: 'c',
      dropped: [],
      definition,
      split: { strategy: 'random', testRatio: 0.2, seed: 1 },
      trainer: 'gbdt',
      params: {},
      seed: 1,
    });
  const plain = LaunchDefinition.parse(base);
  const costs = { falsePositive: 1, falseNegative: 2 };
  const decisions = LaunchDefinition.parse({ ...base, objective: { costs } });
  const named = LaunchDefinition.parse({ ...base, objective: { costs, kpi: { name: 'margin' } } });
  const errors = LaunchDefinition.parse({ ...base, objective: { costPerUnitError } });
  assert.notEqual(recipe(decisions), recipe(plain));
  assert.equal(recipe(named), recipe(decisions));
  assert.equal(recipe(errors), recipe(plain));
  const report = (objective: LaunchDefinition['objective']) =>
    reportRecipe({ version: 'v', test: 't', gates: 'g', acceptLeak: [], ...(objective ? { objective } : {}) });
  assert.notEqual(report(named.objective), report(decisions.objective));
  assert.notEqual(report(errors.objective), report(undefined));
});
