import assert from 'node:assert/strict';
import { type Column, Contract, type Frame, textColumn } from '@slipway/kernel';
import { describe, test } from 'vitest';
import { NoFeatureError } from './errors.ts';
import { DAY_MS, encodeFrame, fitPreparation, LEVEL_LIMIT, modulo, usedFields } from './preparation.ts';

type FieldInput = { readonly name: string; readonly type: string; readonly role: string };

function table(fields: readonly FieldInput[], columns: Readonly<Record<string, Column>>): { contract: Contract; frame: Frame } {
  const contract = Contract.parse({ format: 'slipway.contract/1', fields: fields.map((field) => ({ ...field, nullable: true })) });
  const [first] = Object.values(columns);
  const rowCount = first?.kind === 'number' ? first.values.length : (first?.codes.length ?? 0);
  return { contract, frame: { rowCount, columns: new Map(Object.entries(columns)) } };
}

const numbers = (values: readonly number[]): Column => ({ kind: 'number', values: Float64Array.from(values) });
const numericField = { name: 'x', type: 'float64', role: 'numeric' };
const categoryField = { name: 'c', type: 'string', role: 'categorical' };

describe('LE1 preparation is fitted on training rows and excludes what cannot be learnt from, saying why', () => {
  test('roles decide what is used', () => {
    const { contract, frame } = table(
      [
        numericField,
        { name: 'id', type: 'string', role: 'identifier' },
        { name: 'note', type: 'string', role: 'text' },
        { name: 'same', type: 'float64', role: 'numeric' },
        { name: 'gone', type: 'float64', role: 'numeric' },
      ],
      { x: numbers([1, 2, Number.NaN]), id: textColumn(['a', 'b', 'c']), note: textColumn(['p', 'q', 'r']), same: numbers([4, 4, 4]) },
    );
    const preparation = fitPreparation(contract, frame);
    assert.deepEqual(usedFields(preparation), ['x']);
    assert.deepEqual(preparation.excluded, [
      { field: 'id', reason: 'role' },
      { field: 'note', reason: 'text' },
      { field: 'same', reason: 'constant' },
      { field: 'gone', reason: 'absent' },
    ]);
    assert.deepEqual(JSON.parse(JSON.stringify(preparation)), preparation);
  });

  test('nothing left is an error that lists the columns', () => {
    const { contract, frame } = table([numericField], { x: numbers([4, 4, 4]) });
    assert.throws(() => fitPreparation(contract, frame), NoFeatureError);
  });

  test('a column that is constant where it is present, and missing elsewhere, is kept', () => {
    const { contract, frame } = table([numericField], { x: numbers([4, Number.NaN, 4]) });
    assert.equal(fitPreparation(contract, frame).features.length, 1);
  });
});

function shiftOf(values: readonly number[]): number | undefined {
  const { contract, frame } = table([numericField], { x: numbers(values) });
  const [plan] = fitPreparation(contract, frame).features;
  return plan?.kind === 'number' ? plan.shift : undefined;
}

describe('numbers', () => {
  test('are shifted in double only where float32 would merge values', () => {
    const seconds = Array.from({ length: 1_000 }, (_, index) => 1_700_000_000 + index * 7);
    assert.equal(shiftOf(seconds), 1_700_000_000);
    assert.equal(shiftOf(seconds.map((value) => value - 1_700_000_000)), 0);
    assert.equal(shiftOf([1e-3, 5e9, 0.1, 1 / 3]), 0);
    const years = Array.from({ length: 1_000 }, (_, index) => 2_000 + index / 36_525);
    assert.ok(shiftOf(years) === 2_000 || shiftOf(years) === 0);
  });

  test('after the shift every distinct second is a distinct feature value', () => {
    const seconds = Array.from({ length: 1_000 }, (_, index) => 1_700_000_000 + index);
    const { contract, frame } = table([numericField], { x: numbers(seconds) });
    const { columns } = encodeFrame(fitPreparation(contract, frame), frame);
    assert.equal(new Set(columns[0]).size, 1_000);
    assert.equal(new Set(Float32Array.from(seconds)).size < 20, true);
  });
});

describe('categories', () => {
  const letters = [...Array.from({ length: 10 }, () => 'b'), ...Array.from({ length: 20 }, () => 'a'), 'rare', null, ''];

  test('are coded by frequency; rare and unseen levels are other, empty is missing', () => {
    const { contract, frame } = table([categoryField], { c: textColumn(letters) });
    const preparation = fitPreparation(contract, frame);
    assert.deepEqual(preparation.features, [{ kind: 'category', name: 'c', field: 'c', levels: ['a', 'b'] }]);
    const call = table([categoryField], { c: textColumn(['b', 'a', 'rare', 'new', null, '']) });
    assert.deepEqual([...(encodeFrame(preparation, call.frame).columns[0] ?? [])], [3, 2, 1, 1, 0, 0]);
  });

  test('more levels than the limit leave the least frequent to other', () => {
    const many = Array.from({ length: 300 }, (_, level) => Array.from({ length: level < LEVEL_LIMIT ? 12 : 6 }, () => `v${level}`)).flat();
    const { contract, frame } = table([categoryField], { c: textColumn(many) });
    const [plan] = fitPreparation(contract, frame).features;
    assert.equal(plan?.kind === 'category' ? plan.levels.length : 0, LEVEL_LIMIT);
    assert.ok(plan?.kind === 'category' && !plan.levels.includes('v299'));
  });

  test('a column of names that all occur once says nothing and is left out', () => {
    const { contract, frame } = table([categoryField, numericField], {
      c: textColumn(Array.from({ length: 50 }, (_, row) => `name ${row}`)),
      x: numbers(Array.from({ length: 50 }, (_, row) => row)),
    });
    assert.deepEqual(fitPreparation(contract, frame).excluded, [{ field: 'c', reason: 'constant' }]);
  });
});

describe('times', () => {
  const timeField = { name: 't', type: 'timestamp', role: 'time' };

  test('become days since the first, and the moments within day, week and year that vary', () => {
    const start = Date.UTC(2020, 0, 1);
    const { contract, frame } = table([timeField], { t: numbers(Array.from({ length: 900 }, (_, row) => start + row * 0.9 * DAY_MS)) });
    const preparation = fitPreparation(contract, frame);
    assert.deepEqual(
      preparation.features.map((plan) => plan.name),
      ['t', 't.dayTime', 't.weekTime', 't.yearTime', 't.weekday', 't.month'],
    );
    const monday = table([timeField], { t: numbers([Date.UTC(2024, 0, 1, 12), Date.UTC(1969, 11, 29), Number.NaN]) });
    const { columns } = encodeFrame(preparation, monday.frame);
    assert.deepEqual([...(columns[1] ?? [])], [0.5, 0, Number.NaN]);
    assert.deepEqual([...(columns[2] ?? [])], [0.5, 0, Number.NaN]);
  });

  test('dates without hours have no part of the day, and a calendar part gives way to a column of its name', () => {
    const days = Array.from({ length: 60 }, (_, row) => Date.UTC(2020, 0, 1 + row));
    const { contract, frame } = table([timeField, { name: 't.weekTime', type: 'float64', role: 'numeric' }], {
      t: numbers(days),
      't.weekTime': numbers(days),
    });
    assert.deepEqual(
      fitPreparation(contract, frame).features.map((plan) => plan.name),
      ['t', 't.weekTime_', 't.weekday', 't.weekTime'],
    );
  });

  test('the remainder has the sign of the period and is never -0', () => {
    assert.deepEqual([modulo(-1, 7), modulo(-7, 7), modulo(-0, 7), modulo(8, 7)], [6, 0, 0, 1]);
  });
});
