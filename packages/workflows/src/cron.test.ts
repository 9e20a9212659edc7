import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import { nextCronMs, parseCron, type Cron } from './cron.ts';
import { CronError } from './errors.ts';

const at = (text: string) => Date.parse(text);
const next = (cron: string, after: string) => new Date(nextCronMs(parseCron(cron), at(after))).toISOString();

describe('cron expressions', () => {
  test('the next moment is strictly after the one given', () => {
    assert.equal(next('0 3 * * *', '2026-03-01T03:00:00.000Z'), '2026-03-02T03:00:00.000Z');
    assert.equal(next('0 3 * * *', '2026-03-01T02:59:59.999Z'), '2026-03-01T03:00:00.000Z');
    assert.equal(next('*/15 * * * * *', '2026-03-01T00:00:14.001Z'), '2026-03-01T00:00:15.000Z');
    assert.equal(next('59 23 31 12 *', '2026-12-31T23:59:00.000Z'), '2027-12-31T23:59:00.000Z');
  });

  test('a restricted day of the month and a restricted weekday match either, as in Unix cron', () => {
    assert.equal(next('0 0 13 * 5', '2026-02-01T00:00:00Z'), '2026-02-06T00:00:00.000Z');
    assert.equal(next('0 0 * * 7', '2026-02-02T00:00:00Z'), '2026-02-08T00:00:00.000Z');
  });

  test('29 February is found across a century without a leap day', () => {
    assert.equal(next('0 0 29 2 *', '2096-03-01T00:00:00Z'), '2104-02-29T00:00:00.000Z');
  });

  test.each([
    '',
    '* * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 8',
    '5-1 * * * *',
    '*/0 * * * *',
    'a * * * *',
    '* * * * * * *',
  ])('%j is refused', (text) => {
    assert.throws(() => parseCron(text), CronError);
  });

  test('a day that does not exist never fires, and says so', () => {
    assert.throws(() => nextCronMs(parseCron('0 0 30 2 *'), 0), /never fires/);
  });

  test('a search by seconds finds the same moment', () => {
    const field = (low: number, high: number) =>
      fc.oneof(
        fc.constant('*'),
        fc.integer({ min: low, max: high }).map(String),
        fc
          .tuple(fc.integer({ min: low, max: high }), fc.integer({ min: low, max: high }))
          .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
        fc.integer({ min: 1, max: 30 }).map((step) => `*/${step}`),
      );
    const expression = fc.tuple(field(0, 59), field(0, 59), field(0, 23), fc.constant('*'), fc.constant('*'), field(0, 6));
    fc.assert(
      fc.property(expression, fc.integer({ min: 0, max: 4e9 }), (fields, second) => {
        const cron = parseCron(fields.join(' '));
        const found = nextCronMs(cron, second * 1000);
        const bruteLimit = 20_000;
        for (let step = 1; step <= bruteLimit; step += 1) {
          const moment = (second + step) * 1000;
          if (matches(cron, new Date(moment))) return assert.equal(found, moment);
        }
        assert.ok(found > (second + bruteLimit) * 1000);
        assert.ok(matches(cron, new Date(found)));
      }),
      { numRuns: 150 },
    );
  });
});

function matches(cron: Cron, date: Date): boolean {
  return (
    cron.seconds.has(date.getUTCSeconds()) &&
    cron.minutes.has(date.getUTCMinutes()) &&
    cron.hours.has(date.getUTCHours()) &&
    cron.weekdays.has(date.getUTCDay())
  );
}
