import { FieldSketch, createRandom } from '@slipway/statistics';
import { expect, test } from 'vitest';
import { compareWithReference } from './compare-with-reference.ts';
import { CURRENT_COUNT_MIN } from '../limits.ts';

type Value = number | string | null;

function sketch(kind: 'number' | 'text', values: readonly Value[]): FieldSketch {
  const made = new FieldSketch(kind);
  for (const value of values) made.update(value);
  return made;
}

function normals(seed: number, count: number, mean = 0): number[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => random.normal() + mean);
}

function compare(reference: FieldSketch, current: FieldSketch | undefined) {
  const report = compareWithReference({ reference: new Map([['x', reference]]), current: new Map(current ? [['x', current]] : []) });
  const [field] = report.fields;
  if (!field) throw new Error('one field');
  return field;
}

test('MO1 the same distribution is ok and one moved by a deviation has drifted', () => {
  const reference = sketch('number', normals(1, 20_000));
  expect(compare(reference, sketch('number', normals(2, 2_000)))).toMatchObject({ verdict: 'ok', kind: 'number' });
  const moved = compare(reference, sketch('number', normals(3, 2_000, 1)));
  expect(moved.verdict).toBe('drift');
  expect(moved.psi).toBeGreaterThan(0.7);
  expect(moved.bins).toHaveLength(10);
  // A third of a deviation: between the two thresholds (its exact PSI is 0.11).
  expect(compare(reference, sketch('number', normals(4, 20_000, 0.35))).verdict).toBe('warn');
});

test('MO2 below the minimum count there is no verdict, at the minimum there is', () => {
  const reference = sketch('number', normals(1, 5_000));
  expect(compare(reference, sketch('number', normals(2, CURRENT_COUNT_MIN - 1, 3)))).toMatchObject({ verdict: 'not-enough-data' });
  expect(compare(reference, sketch('number', normals(2, CURRENT_COUNT_MIN, 3))).verdict).toBe('drift');
  expect(compare(reference, undefined)).toMatchObject({ verdict: 'not-enough-data', psi: null, counts: { current: 0 } });
  expect(compare(reference, sketch('text', ['a']))).toMatchObject({ verdict: 'not-enough-data' });
});

test('MO3 values that went missing are seen, in both directions', () => {
  const reference = sketch('number', normals(1, 5_000));
  const holes = normals(2, 1_000).map((value, index) => (index % 2 === 0 ? null : value));
  const found = compare(reference, sketch('number', holes));
  expect(found).toMatchObject({ verdict: 'drift', missingReference: 0, missingCurrent: 0.5 });
  expect(found.bins.at(-1)).toEqual({ label: 'missing', reference: 0, current: 0.5 });
  expect(compare(sketch('number', holes), reference)).toMatchObject({ verdict: 'drift', missingCurrent: 0 });
});

function withFresh(fresh: number, name: string): string[] {
  return Array.from({ length: 1_000 }, (_, index) => (index < fresh ? name : 'abc'.charAt(index % 3)));
}

test('MO4 new categories are named, a rare one without its text, and one in a hundred is a warning', () => {
  const reference = sketch(
    'text',
    Array.from({ length: 2_000 }, (_, index) => 'abc'.charAt(index % 3)),
  );
  expect(compare(reference, sketch('text', withFresh(10, 'd')))).toMatchObject({
    verdict: 'warn',
    newCategories: [{ value: 'd', count: 10 }],
  });
  expect(compare(reference, sketch('text', withFresh(4, 'Ada')))).toMatchObject({
    verdict: 'ok',
    newCategories: [{ value: null, count: 4 }],
  });
  expect(compare(reference, sketch('text', withFresh(500, 'd'))).verdict).toBe('drift');
});

test('MO5 many categories do not drift by chance: of 200 samples of the reference none gets a verdict', () => {
  const random = createRandom(5);
  const draw = (count: number) =>
    sketch(
      'text',
      Array.from({ length: count }, () => `c${random.int(60)}`),
    );
  const reference = draw(50_000);
  const verdicts = Array.from({ length: 200 }, () => compare(reference, draw(CURRENT_COUNT_MIN)));
  // The control: by the thresholds alone almost all of them would have been called drifted.
  expect(verdicts.filter((field) => (field.psi ?? 0) >= field.threshold.warn).length).toBeGreaterThan(150);
  expect(verdicts.filter((field) => field.verdict !== 'ok').length).toBeLessThanOrEqual(2);
});

test('MO6 the overall verdict is that of the worst field, which comes first', () => {
  const reference = new Map([
    ['same', sketch('number', normals(1, 5_000))],
    ['gone', sketch('number', normals(1, 5_000))],
    ['moved', sketch('number', normals(1, 5_000))],
  ]);
  const current = new Map([
    ['same', sketch('number', normals(2, 1_000))],
    ['moved', sketch('number', normals(3, 1_000, 2))],
    ['unknown', sketch('number', [1])],
  ]);
  const report = compareWithReference({ reference, current });
  expect(report.verdict).toBe('drift');
  expect(report.fields.map((field) => field.field)).toEqual(['moved', 'same', 'gone']);
  expect(compareWithReference({ reference: new Map(), current }).verdict).toBe('not-enough-data');
  expect(compareWithReference({ reference, current, thresholds: { drift: 1_000, wassersteinDrift: 1_000 } }).verdict).toBe('warn');
});
