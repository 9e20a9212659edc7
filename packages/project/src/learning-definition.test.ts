import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { LaunchDefinition } from './contract.ts';
import { csv, dataset, defineProject, model, planLaunches, release } from './define.ts';
import { learningRecipe, trainingWishes } from './learning-definition.ts';
import { modelRecipe } from './recipe.ts';
import { renderConfig } from './render-config.ts';

const plain = LaunchDefinition.parse({ name: 'm', dataset: 'm', target: 'y' });
const recipeOf = (definition: LaunchDefinition) =>
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

const WISHES = {
  task: { task: 'regression' },
  query: { task: 'ranking', query: 'q' },
  loss: { loss: { kind: 'quantile', level: 0.9 } },
  monotone: { monotone: { age: 'increasing' } },
  interactions: { interactions: [['a', 'b'], ['c']] },
} as const;

describe('what a definition says about learning', () => {
  test('nothing said is nothing in the recipe, and every wish makes another one', () => {
    assert.deepEqual([learningRecipe(plain), trainingWishes(plain)], [{}, {}]);
    assert.deepEqual(learningRecipe({ ...plain, monotone: {}, interactions: [] }), {});
    const recipes = Object.values(WISHES).map((wish) => recipeOf(LaunchDefinition.parse({ ...plain, ...wish })));
    assert.equal(new Set([recipeOf(plain), ...recipes]).size, recipes.length + 1);
  });

  test('the order of lists and of columns in them makes no other recipe', () => {
    const of = (interactions: string[][]) => recipeOf(LaunchDefinition.parse({ ...plain, interactions }));
    assert.equal(of([['c'], ['b', 'a']]), of([['a', 'b'], ['c']]));
  });

  test.each(Object.keys(WISHES) as (keyof typeof WISHES)[])('%s goes through a project and is written out again', (name) => {
    const wish = WISHES[name];
    const data = dataset('m', { source: csv('m.csv') });
    const trained = model('m', { from: data, target: 'y', ...wish } as unknown as Parameters<typeof model>[1]);
    const [planned] = planLaunches(defineProject('default', [data, trained, release('m', { serve: trained })]));
    assert.ok(planned);
    for (const [key, value] of Object.entries(wish)) {
      assert.deepEqual(planned.definition[key as keyof LaunchDefinition], value);
      assert.match(renderConfig(planned.definition, { dataPath: 'm.csv', testPath: undefined }), new RegExp(`\\n  ${key}: `));
    }
  });

  test('a level outside 0..1, an unknown loss and an unknown direction are refused', () => {
    for (const wrong of [
      { loss: { kind: 'quantile', level: 1 } },
      { loss: { kind: 'huber' } },
      { monotone: { age: 'up' } },
      { task: 'sorting' },
    ])
      assert.equal(LaunchDefinition.safeParse({ ...plain, ...wrong }).success, false);
  });
});
