import { describe, expect, it } from 'vitest';
import { conductGates, fairColumns } from './conduct-gates.ts';

describe('gates about conduct', () => {
  it('come from --fair, an intersection too, and make its columns sensitive', () => {
    const flags = { fair: 'sex=0.8,sex+race=0.7' };
    expect(conductGates(flags)).toEqual([
      { kind: 'fairness', column: 'sex', measure: 'demographic_parity_ratio', atLeast: 0.8 },
      { kind: 'fairness', column: 'sex+race', measure: 'demographic_parity_ratio', atLeast: 0.7 },
    ]);
    expect([...new Set(fairColumns(flags))]).toEqual(['sex', 'race']);
  });

  it('come from --robust, for all tests or for those that are named', () => {
    expect(conductGates({ robust: true })).toEqual([{ kind: 'robustness' }]);
    expect(conductGates({ robust: 'typo=0.05,noise' })).toEqual([
      { kind: 'robustness', test: 'typo', atMost: 0.05 },
      { kind: 'robustness', test: 'noise' },
    ]);
  });

  it('are none unless asked for', () => {
    expect(conductGates({})).toBeUndefined();
    expect(fairColumns({})).toEqual([]);
  });

  it.each([{ fair: 'sex' }, { fair: 'sex=two' }, { fair: '=0.8' }, { fair: 'sex=1.2' }, { robust: 'typo=' }, { robust: 'gravity=0.1' }])(
    'refuse $fair$robust',
    (flags) => {
      expect(() => conductGates(flags)).toThrow(/--fair|--robust/);
    },
  );
});
