import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { type Column, type Frame, textColumn } from '@slipway/kernel';
import { ForecastInputError } from '../errors.ts';
import { readTime, seriesFromFrame } from './from-frame.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2024, 0, 1);
const number = (values: number[]): Column => ({ kind: 'number', values: Float64Array.from(values) });

function frameOf(columns: Record<string, Column>): Frame {
  const first = Object.values(columns)[0];
  return {
    rowCount: first?.kind === 'number' ? first.values.length : (first?.codes.length ?? 0),
    columns: new Map(Object.entries(columns)),
  };
}

const names = { target: 'y', time: 't', covariates: [] };

describe('series of a table', () => {
  test('rows in any order come to lie on the grid, with gaps as missing values', () => {
    const t = number([3, 0, 1, 5].map((hour) => START + hour * HOUR));
    const { series, frequency, notes } = seriesFromFrame(frameOf({ t, y: number([30, 0.5, 10, 50]) }), { ...names, frequency: '1h' });
    assert.deepEqual([...(series[0]?.values ?? [])], [0.5, 10, Number.NaN, 30, Number.NaN, 50]);
    assert.equal(series[0]?.startIndex, START / HOUR);
    assert.equal(frequency.step, HOUR);
    assert.match(notes.join(), /2 of 6 steps/);
  });

  test('a column tells series apart, and rows without a value keep their known future', () => {
    const frame = frameOf({
      t: number([0, 1, 2, 0, 1].map((hour) => START + hour * HOUR)),
      s: textColumn(['a', 'a', 'a', 'b', 'b']),
      y: number([1, 2, Number.NaN, 5, 6]),
      x: number([7, 8, 9, 1, 2]),
    });
    const { series } = seriesFromFrame(frame, { ...names, series: 's', covariates: ['x'] });
    assert.deepEqual(
      series.map(({ id, values, covariates }) => [id, [...values], [...(covariates[0] ?? [])]]),
      [
        ['a', [1, 2], [7, 8, 9]],
        ['b', [5, 6], [1, 2]],
      ],
    );
  });

  test.each([
    ['two rows at one time', { t: number([START, START, START + HOUR]), y: number([1, 2, 3]) }, /two rows/],
    ['a target of text', { t: number([START, START + HOUR]), y: textColumn(['a', 'b']) }, /not a number/],
    ['a time that is none', { t: textColumn(['2024-01-01', 'soon']), y: number([1, 2]) }, /"soon"/],
    ['a single time', { t: number([START]), y: number([1]) }, /no step/],
    ['no value', { t: number([START, START + HOUR]), y: number([Number.NaN, Number.NaN]) }, /no value/],
  ])('LF4 %s is refused by name', (_, columns, message) => {
    assert.throws(
      () => seriesFromFrame(frameOf(columns), names),
      (error) => error instanceof ForecastInputError && message.test(error.message),
    );
  });

  test('months, quarters and years are times', () => {
    assert.equal(readTime('1949-02'), Date.UTC(1949, 1, 1));
    assert.equal(readTime('2024-Q3'), Date.UTC(2024, 6, 1));
    assert.equal(readTime('2024'), Date.UTC(2024, 0, 1));
    assert.equal(readTime('2024-13'), undefined);
  });
});
