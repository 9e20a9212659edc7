import assert from 'node:assert/strict';
import { createRandom } from '@slipway/statistics';
import { test } from 'vitest';
import { rowsNeeded } from './rows-needed.ts';

test('half the noise needs a quarter of the rows, and half the margin four times as many', () => {
  const wide = rowsNeeded({ value: 0, low: -0.1, rows: 200, margin: 0.02, require: 'no-worse' }) ?? 0;
  const narrow = rowsNeeded({ value: 0, low: -0.05, rows: 200, margin: 0.02, require: 'no-worse' }) ?? 0;
  const strict = rowsNeeded({ value: 0, low: -0.1, rows: 200, margin: 0.01, require: 'no-worse' }) ?? 0;
  assert.ok(Math.abs(wide / narrow - 4) < 0.01 && Math.abs(strict / wide - 4) < 0.01, `${wide} ${narrow} ${strict}`);
});

test('a version that was clearly worse, or not better where that is asked for, would not be helped by more rows', () => {
  assert.equal(rowsNeeded({ value: -0.05, low: -0.1, rows: 200, margin: 0.02, require: 'no-worse' }), null);
  assert.equal(rowsNeeded({ value: 0, low: -0.1, rows: 200, margin: 0.02, require: 'better' }), null);
  assert.equal(rowsNeeded({ value: 0, low: 0, rows: 200, margin: 0.02, require: 'no-worse' }), null);
});

test('with the rows it names, an equally good version is shown to be within the margin in about four cases of five', () => {
  const random = createRandom('rows-needed');
  const rounds = 2_000;
  // Differences of accuracy by row: -1, 0 or 1; a tenth of the rows each differ.
  const draw = (rows: number) => {
    let sum = 0;
    let squares = 0;
    for (let row = 0; row < rows; row += 1) {
      const u = random.next();
      const difference = u < 0.1 ? 1 : u < 0.2 ? -1 : 0;
      sum += difference;
      squares += difference * difference;
    }
    const value = sum / rows;
    return { value, low: value - 1.959964 * Math.sqrt((squares / rows - value * value) / rows) };
  };
  const needed = rowsNeeded({ value: 0, low: -1.959964 * Math.sqrt(0.2 / 200), rows: 200, margin: 0.05, require: 'no-worse' }) ?? 0;
  const passed = (rows: number) => Array.from({ length: rounds }, () => draw(rows)).filter(({ low }) => low >= -0.05).length / rounds;
  const share = passed(needed);
  assert.ok(share > 0.76 && share < 0.84, `${needed} rows: ${share}`);
  const fewer = passed(Math.round(needed / 3));
  assert.ok(fewer < 0.5, `the control, a third of the rows: ${fewer}`);
});
