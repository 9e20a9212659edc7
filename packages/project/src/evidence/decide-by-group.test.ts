import { type Frame, textColumn } from '@slipway/kernel';
import { describe, expect, it } from 'vitest';
import { decideByGroup, readerOf } from './decide-by-group.ts';

const FRAME: Frame = {
  rowCount: 4,
  columns: new Map([
    ['age', { kind: 'number' as const, values: Float64Array.from([25, 35, Number.NaN, 61]) }],
    ['member', { kind: 'number' as const, values: Float64Array.from([1, 0, 1, Number.NaN]) }],
    ['sex', textColumn(['f', 'm', 'f', null])],
  ]),
};
const read = readerOf(FRAME, [
  { name: 'age', type: 'int64' },
  { name: 'member', type: 'boolean' },
  { name: 'sex', type: 'string' },
]);

describe('decisions by group', () => {
  it('are those that serving makes', () => {
    const groups = [
      { label: 'young', conditions: [{ column: 'age', value: null, from: null, to: 30 }], threshold: 0.2 },
      { label: 'no age', conditions: [{ column: 'age', value: null, from: null, to: null }], threshold: 0.9 },
    ];
    const said = Float64Array.from([0.2, 0.5, 0.8, 0.5000001]);
    expect([...decideByGroup(groups, { said, threshold: 0.5, read })]).toEqual([1, 0, 0, 1]);
    expect([...decideByGroup([], { said, threshold: 0.5, read })]).toEqual([0, 0, 1, 1]);
    expect([...decideByGroup([], { said, threshold: 0.2, read })]).toEqual([1, 1, 1, 1]);
  });

  it('read cells as callers send them', () => {
    expect([0, 1, 2, 3].map((row) => read('member', row))).toEqual([true, false, true, null]);
    expect(read('sex', 3)).toBeNull();
    expect(read('absent', 0)).toBeUndefined();
  });
});
