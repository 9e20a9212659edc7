import { describe, expect, it } from 'vitest';
import { LaunchDefinition } from './contract.ts';
import { csv, dataset, defineProject, fairness, metric, model, planLaunches, release, robustness } from './define.ts';
import { requireMitigable } from './evidence/require-mitigable.ts';
import { modelRecipe } from './recipe.ts';
import { renderConfig } from './render-config.ts';

const data = dataset('loans', { source: csv('loans.csv'), exclude: ['sex'] });
const DEFINED = model('loan', {
  from: data,
  target: 'paid',
  sensitive: ['sex'],
  mitigate: 'thresholds',
  moreGates: [
    fairness('sex').ratioAtLeast(0.8),
    fairness('sex').measure('equalized_odds_difference').atMost(0.1),
    robustness('typo', 0.05),
    metric('f1').atLeast(0.5),
  ],
});

const plannedFrom = (defined: ReturnType<typeof model>): LaunchDefinition => {
  const [planned] = planLaunches(defineProject('bank', [data, defined, release('loan', { serve: defined })]));
  if (!planned) throw new Error('nothing was planned');
  return planned.definition;
};

describe('fairness and robustness in a definition', () => {
  it('come down to gates and a method', () => {
    expect(plannedFrom(DEFINED)).toMatchObject({
      mitigate: 'thresholds',
      moreGates: [
        { kind: 'fairness', column: 'sex', measure: 'demographic_parity_ratio', atLeast: 0.8 },
        { kind: 'fairness', column: 'sex', measure: 'equalized_odds_difference', atMost: 0.1 },
        { kind: 'robustness', test: 'typo', atMost: 0.05 },
        { kind: 'metric', metric: 'f1', atLeast: 0.5 },
      ],
    });
  });

  it('are written out by a saved configuration', () => {
    const text = renderConfig(plannedFrom(DEFINED), { dataPath: 'loans.csv', testPath: undefined });
    expect(text).toContain("mitigate: 'thresholds'");
    expect(text).toContain("{ kind: 'robustness', test: 'typo', atMost: 0.05 }");
    expect(text).toMatch(/import \{.*\bmetric\b.*\} from 'slipway'/);
  });

  it('are refused when they could not be done or judged', () => {
    const of = (changes: Partial<LaunchDefinition>) => ({
      ...LaunchDefinition.parse({ name: 'loan', dataset: 'loans', target: 'paid' }),
      ...changes,
    });
    expect(() => requireMitigable(of({ mitigate: 'reweighing' }), 'binary')).toThrow('needs to know the groups');
    expect(() => requireMitigable(of({ mitigate: 'thresholds', sensitive: ['sex'] }), 'multiclass')).toThrow(
      'does not fit a multiclass model',
    );
    expect(() => requireMitigable(of({ mitigate: 'reweighing', sensitive: ['sex'] }), 'regression')).toThrow(
      'does not fit a regression model',
    );
    expect(() => requireMitigable(of({ sensitive: ['sex'], moreGates: [fairness('sex+race').ratioAtLeast(0.8)] }), 'binary')).toThrow(
      '"race"',
    );
    requireMitigable(of({ mitigate: 'reweighing', sensitive: ['sex'] }), 'multiclass');
    requireMitigable(of({ sensitive: ['sex', 'race'], moreGates: [fairness('sex+race').ratioAtLeast(0.8)] }), 'binary');
  });

  it('change the recipe only when they change the version', () => {
    const recipeOf = (changes: Partial<LaunchDefinition>) =>
      modelRecipe({
        data: 'd',
        contract: 'c',
        dropped: [],
        definition: { ...LaunchDefinition.parse({ name: 'loan', dataset: 'loans', target: 'paid' }), ...changes },
        split: { strategy: 'stratified', testRatio: 0.2, seed: 1 },
        trainer: 'gbdt',
        params: {},
        seed: 1,
      });
    const plain = recipeOf({});
    // Counterfactuals leave sensitive columns as they are, which is stored with the version.
    expect(recipeOf({ sensitive: ['sex'] })).not.toBe(plain);
    expect(recipeOf({ sensitive: ['sex'] })).toBe(recipeOf({ immutable: ['sex'] }));
    expect(recipeOf({ moreGates: [{ kind: 'robustness' }] })).toBe(plain);
    const reweighed = recipeOf({ sensitive: ['sex'], mitigate: 'reweighing' });
    expect(reweighed).not.toBe(plain);
    expect(recipeOf({ sensitive: ['age'], mitigate: 'reweighing' })).not.toBe(reweighed);
    expect(recipeOf({ sensitive: ['sex'], mitigate: 'thresholds' })).not.toBe(reweighed);
  });
});
