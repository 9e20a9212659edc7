import { describe, expect, it } from 'vitest';
import { type GroupThreshold, thresholdOf } from './group-thresholds.ts';

const any = { value: null, from: null, to: null };
const GROUPS: GroupThreshold[] = [
  { label: 'young', conditions: [{ ...any, column: 'age', to: 30 }], threshold: 0.3 },
  { label: 'thirties', conditions: [{ ...any, column: 'age', from: 30, to: 40 }], threshold: 0.4 },
  { label: 'age unknown', conditions: [{ ...any, column: 'age' }], threshold: 0.45 },
  {
    label: 'older women',
    conditions: [
      { ...any, column: 'age', from: 40 },
      { ...any, column: 'sex', value: 'f' },
    ],
    threshold: 0.6,
  },
];
const of = (row: Record<string, unknown>) => thresholdOf(GROUPS, (column) => row[column]);

describe('group thresholds', () => {
  it('belong to values and ranges, the upper end not included', () => {
    expect(of({ age: 29.9 })).toBe(0.3);
    expect(of({ age: 30 })).toBe(0.4);
    expect(of({ age: '39' })).toBe(0.4);
    expect(of({ age: 40, sex: 'f' })).toBe(0.6);
  });

  it('tell a missing value from a column that was not sent', () => {
    expect(of({ age: null })).toBe(0.45);
    expect(of({})).toBeUndefined();
  });

  it('leave all other rows to the common threshold', () => {
    expect(of({ age: 40, sex: 'm' })).toBeUndefined();
    expect(of({ age: 'nobody knows', sex: 'f' })).toBeUndefined();
  });

  it('compare numbers and booleans as they are written', () => {
    const groups = [
      {
        label: 'one',
        conditions: [
          { ...any, column: 'a', value: '1' },
          { ...any, column: 'b', value: 'true' },
        ],
        threshold: 0.2,
      },
    ];
    expect(thresholdOf(groups, (column) => ({ a: 1, b: true })[column])).toBe(0.2);
  });
});
