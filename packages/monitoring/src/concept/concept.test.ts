import { createRandom } from '@slipway/statistics';
import { expect, test } from 'vitest';
import { Adwin } from './adwin.ts';
import { findConceptDrift } from './find-concept-drift.ts';

test('MO40 ADWIN finds a change within a few hundred values, and none where there is none', () => {
  const random = createRandom(1);
  let alarms = 0;
  let widest = 0;
  for (let stream = 0; stream < 20; stream += 1) {
    const adwin = new Adwin();
    for (let index = 0; index < 5_000; index += 1) if (adwin.add(random.next() < 0.2 ? 1 : 0)) alarms += 1;
    widest = Math.max(widest, adwin.width);
  }
  expect(alarms).toBeLessThanOrEqual(1);
  expect(widest).toBe(5_000);
  const adwin = new Adwin();
  let noticed: number | undefined;
  let rise = 0;
  for (let index = 0; index < 4_000; index += 1) {
    const change = adwin.add(random.next() < (index < 2_000 ? 0.2 : 0.45) ? 1 : 0);
    if (change && noticed === undefined) {
      noticed = index;
      rise = change.after - change.before;
    }
  }
  expect(noticed).toBeGreaterThan(2_000);
  expect(noticed).toBeLessThan(2_400);
  expect(rise).toBeGreaterThan(0);
  expect(Math.abs(adwin.mean - 0.45)).toBeLessThan(0.05);
  expect(adwin.width).toBeLessThan(2_300);
});

function pairs(count: number, wrongRatio: (index: number) => number) {
  const random = createRandom(3);
  return Array.from({ length: count }, (_, index) => ({
    invocation: `inv_${String(index).padStart(6, '0')}`,
    eventTimeMs: 1_000 * index,
    prediction: 'yes',
    outcome: random.next() < wrongRatio(index) ? 'no' : 'yes',
  }));
}

test('MO41 the error along the time of the calls: a rise is drift, a fall is told, arrival changes nothing', () => {
  const worse = pairs(3_000, (index) => (index < 1_500 ? 0.1 : 0.4));
  const found = findConceptDrift(worse, 'binary');
  expect(found).toMatchObject({ verdict: 'drift', error: { measure: 'error rate' } });
  const order = Int32Array.from(worse, (_, index) => index);
  createRandom(9).shuffle(order);
  expect(
    findConceptDrift(
      [...order].map((index) => worse[index] as (typeof worse)[number]),
      'binary',
    ),
  ).toEqual(found);
  const better = findConceptDrift(
    pairs(3_000, (index) => (index < 1_500 ? 0.4 : 0.1)),
    'binary',
  );
  expect(better).toMatchObject({ verdict: 'ok' });
  expect(better.changes.length).toBeGreaterThan(0);
  expect(
    findConceptDrift(
      pairs(3_000, () => 0.2),
      'binary',
    ),
  ).toMatchObject({ verdict: 'ok', changes: [] });
  expect(
    findConceptDrift(
      pairs(99, () => 0.2),
      'binary',
    ).verdict,
  ).toBe('not-enough-data');
});

test('MO42 numbers are judged by how large their errors are', () => {
  const random = createRandom(5);
  const numbers = (spread: (index: number) => number) =>
    Array.from({ length: 2_000 }, (_, index) => ({
      invocation: `inv_${String(index).padStart(6, '0')}`,
      eventTimeMs: index,
      prediction: 10,
      outcome: 10 + random.normal() * spread(index),
    }));
  expect(
    findConceptDrift(
      numbers((index) => (index < 1_000 ? 1 : 6)),
      'regression',
    ).verdict,
  ).toBe('drift');
  expect(
    findConceptDrift(
      numbers(() => 2),
      'regression',
    ).verdict,
  ).toBe('ok');
});
