import assert from 'node:assert/strict';
import { test } from 'vitest';
import { readOf } from './read-flags.ts';

test('flags say how a table is read, and what is not said is left to looking', () => {
  assert.deepEqual(readOf({}), {});
  assert.deepEqual(readOf({ dates: 'day-first', missing: '-999, unknown', header: 'no', columns: 'a,b' }), {
    header: false,
    columns: ['a', 'b'],
    missing: ['-999', 'unknown'],
    dayFirst: true,
  });
  assert.deepEqual(readOf({ dates: 'month-first', header: 'yes' }), { header: true, dayFirst: false });
});

test('a choice that does not exist is refused by its flag', () => {
  assert.throws(() => readOf({ dates: 'dmy' }), /--dates must be day-first or month-first, got "dmy"/);
  assert.throws(() => readOf({ header: 'constructor' }), /--header must be yes or no/);
});
