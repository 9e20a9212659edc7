import assert from 'node:assert/strict';
import { test } from 'vitest';
import { frequencyName, inferFrequency, parseFrequency, stepIndex, stepTime, usualSeasons } from './frequency.ts';

const times = (...texts: string[]) => Float64Array.from(texts, (text) => Date.parse(text));

test('the step of most neighbours is the frequency, whatever gaps there are', () => {
  const hourly = inferFrequency([times('2024-01-01T00:30Z', '2024-01-01T01:30Z', '2024-01-01T02:30Z', '2024-01-01T09:30Z')]);
  assert.deepEqual(hourly, { unit: 'milliseconds', step: 3_600_000, offset: 1_800_000 });
  assert.equal(inferFrequency([times('2024-01-01')]), undefined);
});

test('months and quarters are calendar steps', () => {
  const monthly = inferFrequency([times('1949-01-01', '1949-02-01', '1949-03-01', '1949-05-01')]);
  assert.ok(monthly);
  assert.equal(frequencyName(monthly), '1mo');
  assert.deepEqual(usualSeasons(monthly), [12]);
  const quarterly = inferFrequency([times('2020-01-01', '2020-04-01', '2020-07-01')]);
  assert.equal(quarterly && frequencyName(quarterly), '1q');
  assert.deepEqual(quarterly && usualSeasons(quarterly), [4]);
});

test.each(['15min', '1h', '1d', '1w', '1mo', '1q', '1y'])('%s is read and written, and its grid gives back its own times', (name) => {
  const frequency = parseFrequency(name, [times('2024-01-01', '2024-03-01')]);
  assert.ok(frequency);
  assert.equal(frequencyName(frequency), name);
  for (let index = 500; index < 520; index += 1) assert.equal(stepIndex(frequency, stepTime(frequency, index)), index);
});

test('a day that daylight saving moves by an hour stays on its step', () => {
  const days = times('2024-03-29T23:00Z', '2024-03-30T23:00Z', '2024-03-31T22:00Z', '2024-04-01T22:00Z', '2024-04-02T22:00Z');
  const frequency = inferFrequency([days]);
  assert.ok(frequency);
  const steps = Array.from(days, (time) => stepIndex(frequency, time));
  assert.deepEqual(
    steps,
    [0, 1, 2, 3, 4].map((step) => (steps[0] ?? 0) + step),
  );
});

test('what is no frequency is none', () => {
  for (const text of ['', 'fortnight', '0h', '-1d', '1.5h']) assert.equal(parseFrequency(text, []), undefined);
});
