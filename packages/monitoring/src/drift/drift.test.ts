import type { Column, Frame } from '@slipway/kernel';
import { FieldSketch, createRandom } from '@slipway/statistics';
import { expect, test } from 'vitest';
import { compareWithReference } from './compare-with-reference.ts';
import { compareJointly } from './domain-classifier.ts';
import { adjustPValues } from './field-distance.ts';

function sketch(values: readonly (number | string | null)[], kind: 'number' | 'text' = 'number'): FieldSketch {
  const made = new FieldSketch(kind);
  for (const value of values) made.update(value);
  return made;
}

function normals(seed: number, count: number): number[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => random.normal());
}

function compareOne(reference: FieldSketch, current: FieldSketch) {
  const [field] = compareWithReference({ reference: new Map([['x', reference]]), current: new Map([['x', current]]) }).fields;
  if (!field) throw new Error('one field');
  return field;
}

test('MO30 a tail that moved away is seen by the Wasserstein distance where the deciles see nothing', () => {
  const reference = normals(1, 20_000);
  const moved = normals(2, 5_000).map((value) => (value > 1.6 ? value + 15 : value));
  const found = compareOne(sketch(reference), sketch(moved));
  expect(found.psi).toBeLessThan(0.1);
  expect(found).toMatchObject({ verdict: 'drift', reason: expect.stringContaining('Wasserstein') as string });
  expect(compareOne(sketch(reference), sketch(normals(3, 5_000))).verdict).toBe('ok');
});

test('MO31 the Wasserstein distance of a moved normal is what it moved by', () => {
  const reference = sketch(normals(1, 50_000));
  for (const by of [0.25, 0.5, 1]) {
    const { wasserstein } = compareOne(reference, sketch(normals(2, 50_000).map((value) => value + by)));
    expect(Math.abs((wasserstein ?? 0) - by)).toBeLessThan(0.05);
  }
});

test('MO32 adjusted p-values equal those of R: p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.5), "BH")', () => {
  const adjusted = adjustPValues([0.01, 0.04, 0.03, 0.005, 0.5]);
  [0.025, 0.05, 0.05, 0.025, 0.5].forEach((value, index) => expect(adjusted[index]).toBeCloseTo(value, 12));
  expect(adjustPValues([])).toEqual([]);
});

test('MO33 of 200 windows with 40 unchanged fields next to none has a drifted field', () => {
  const random = createRandom(11);
  const draw = (count: number) =>
    sketch(
      Array.from({ length: count }, () => `c${random.int(8)}`),
      'text',
    );
  const reference = new Map(Array.from({ length: 40 }, (_, index) => [`f${index}`, draw(5_000)]));
  let alarms = 0;
  for (let window = 0; window < 200; window += 1) {
    const current = new Map([...reference.keys()].map((name) => [name, draw(200)]));
    if (compareWithReference({ reference, current }).verdict !== 'ok') alarms += 1;
  }
  expect(alarms).toBeLessThanOrEqual(2);
});

test('MO34 the data as a whole has drifted when enough of its fields have; predictions do not count', () => {
  const names = ['a', 'b', 'c', 'd', 'prediction'];
  const reference = new Map(names.map((name, index) => [name, sketch(normals(index, 5_000))]));
  const withMoved = (moved: readonly string[]) =>
    new Map(names.map((name, index) => [name, sketch(normals(index + 10, 1_000).map((value) => value + (moved.includes(name) ? 2 : 0)))]));
  const datasetOf = (moved: readonly string[]) => compareWithReference({ reference, current: withMoved(moved) }).dataset;
  expect(datasetOf([])).toMatchObject({ verdict: 'ok', fields: 4, drifted: 0 });
  expect(datasetOf(['prediction'])).toMatchObject({ verdict: 'ok', drifted: 0 });
  expect(datasetOf(['a'])).toMatchObject({ verdict: 'warn', share: 0.25 });
  expect(datasetOf(['a', 'b'])).toMatchObject({ verdict: 'drift', share: 0.5 });
  const tolerant = compareWithReference({ reference, current: withMoved(['a', 'b']), datasetRatio: 0.75 });
  expect(tolerant.dataset.verdict).toBe('warn');
});

test('MO35 thresholds of one field stand over those of all', () => {
  const reference = new Map([
    ['a', sketch(normals(1, 5_000))],
    ['b', sketch(normals(2, 5_000))],
  ]);
  const current = new Map([...reference.keys()].map((name, index) => [name, sketch(normals(index + 5, 1_000).map((value) => value + 2))]));
  const fieldThresholds = { a: { drift: 1_000, warn: 999, wassersteinDrift: 1_000, wassersteinWarn: 999 } };
  const verdicts = compareWithReference({ reference, current, fieldThresholds }).fields.map((field) => [field.field, field.verdict]);
  expect(verdicts).toEqual([
    ['b', 'drift'],
    ['a', 'ok'],
  ]);
});

test('MO36 the likely cause is told: a unit, missing values, a constant, a category', () => {
  const weights = normals(1, 5_000).map((value) => 70 + 10 * value);
  const causeOf = (values: readonly (number | null)[]) => compareOne(sketch(weights), sketch(values)).cause;
  expect(causeOf(weights.slice(0, 1_000).map((value) => value * 1_000))).toContain('1000 times');
  expect(causeOf(weights.slice(0, 1_000).map((value, index) => (index % 2 === 0 ? null : value)))).toContain(
    'missing values went from 0 %',
  );
  expect(causeOf(weights.slice(0, 1_000).map(() => 70))).toContain('always 70');
  expect(causeOf(weights.slice(0, 1_000).map((value) => value + 30))).toContain('median');
  expect(causeOf(weights.slice(0, 1_000))).toBeNull();
  const texts = (share: number) =>
    sketch(
      Array.from({ length: 2_000 }, (_, index) => (index < 2_000 * share ? 'basic' : 'plus')),
      'text',
    );
  expect(compareOne(texts(0.5), texts(0.95)).cause).toMatch(/went from 50 % to (5|95) %/);
});

function frameOf(rows: number, seed: number, together: boolean): Frame {
  const random = createRandom(seed);
  const a = Float64Array.from({ length: rows }, () => random.normal());
  const b = Float64Array.from({ length: rows }, (_, row) => (together ? (a[row] as number) : random.normal()));
  return {
    rowCount: rows,
    columns: new Map<string, Column>([
      ['a', { kind: 'number', values: a }],
      ['b', { kind: 'number', values: b }],
      ['c', { kind: 'text', codes: Int32Array.from({ length: rows }, () => random.int(4)), levels: ['p', 'q', 'r', 's'] }],
    ]),
  };
}

test('MO37 columns that no longer go together are seen although each of them is as it was', async () => {
  const reference = frameOf(3_000, 1, true);
  const found = await compareJointly(reference, frameOf(3_000, 2, false), ['a', 'b', 'c']);
  expect(found.verdict).toBe('drift');
  expect(found.columns.map((each) => each.column).toSorted()).toEqual(['a', 'b']);
  const same = await compareJointly(reference, frameOf(3_000, 3, true), ['a', 'b', 'c']);
  expect(same).toMatchObject({ verdict: 'ok' });
  expect(Math.abs((same.auc?.value ?? 0) - 0.5)).toBeLessThan(0.06);
  expect(await compareJointly(reference, frameOf(100, 3, true), ['a', 'b'])).toMatchObject({ verdict: 'not-enough-data', auc: null });
});

test('MO36 numbers whose middle and spread stay name the part of the distribution that changed', () => {
  const reference = Array.from({ length: 5_000 }, (_, index) => index / 5_000);
  // Two tenths on each side move apart: the middle stays, and the deviation grows by an eighth only.
  const moved = [0.05, 0.45, null, null, 0.55, 0.95];
  const notched = reference.map((value) => moved[Math.floor(value * 10) - 2] ?? value);
  const found = compareOne(sketch(reference), sketch(notched));
  expect([found.verdict, found.cause]).toEqual(['drift', expect.stringMatching(/^the share of "/)]);
});
