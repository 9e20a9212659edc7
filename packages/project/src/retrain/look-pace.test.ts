import { expect, test } from 'vitest';
import { LookPace } from './look-pace.ts';

test('looks that find nothing take a twentieth of the time at most, of each release by itself', () => {
  const pace = new LookPace();
  expect(pace.isResting('a', 0)).toBe(false);
  pace.looked('a', { startedMs: 1_000, endedMs: 1_500, started: false });
  expect(pace.isResting('a', 10_999)).toBe(true);
  expect(pace.isResting('a', 11_000)).toBe(false);
  expect(pace.isResting('b', 1_500)).toBe(false);
});

test('a look that started a retraining is followed by no rest, however long it took', () => {
  const pace = new LookPace();
  pace.looked('a', { startedMs: 0, endedMs: 800, started: false });
  pace.looked('a', { startedMs: 16_000, endedMs: 16_900, started: true });
  expect(pace.isResting('a', 16_900)).toBe(false);
});
