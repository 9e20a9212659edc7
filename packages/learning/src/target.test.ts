import assert from 'node:assert/strict';
import { type Column, Field, type Frame, textColumn } from '@slipway/kernel';
import { describe, test } from 'vitest';
import { TargetError } from './errors.ts';
import { CLASS_COUNT_LIMIT, prepareTarget } from './target.ts';

const field = (type: string): Field => Field.parse({ name: 'y', type, role: 'target', nullable: true });
const frameOf = (column: Column): Frame => ({
  rowCount: column.kind === 'text' ? column.codes.length : column.values.length,
  columns: new Map([['y', column]]),
});
const text = (values: readonly (string | null)[]) => frameOf(textColumn(values));
const numbers = (values: readonly number[]) => frameOf({ kind: 'number', values: Float64Array.from(values) });

describe('LE5 the target decides the task and the order of classes', () => {
  test('two labels are binary with the likelier "yes" last, or the one asked for', () => {
    const churn = prepareTarget(text(['Yes', 'No', null, 'No']), field('string'));
    assert.deepEqual([churn.task, churn.classes, churn.positive, churn.missingCount], ['binary', ['No', 'Yes'], 'Yes', 1]);
    assert.deepEqual(
      [[...churn.target], [...churn.rows]],
      [
        [1, 0, 0],
        [0, 1, 3],
      ],
    );
    assert.deepEqual(prepareTarget(text(['Yes', 'No']), field('string'), { positive: 'No' }).classes, ['Yes', 'No']);
    assert.deepEqual(prepareTarget(text(['malignant', 'z']), field('string')).classes, ['z', 'malignant']);
  });

  test('booleans and numbers of two values are binary, other numbers regression unless classes are asked for', () => {
    assert.deepEqual(prepareTarget(numbers([1, 0, 1]), field('boolean')).classes, ['false', 'true']);
    assert.deepEqual(prepareTarget(numbers([1, 0, 1]), field('int64')).classes, ['0', '1']);
    assert.equal(prepareTarget(numbers([1.5, 2, 7]), field('float64')).task, 'regression');
    assert.deepEqual(prepareTarget(numbers([10, 9, 8]), field('int64'), { task: 'multiclass' }).classes, ['8', '9', '10']);
  });

  test('what cannot be learnt is refused: absent, empty, constant, too many classes, unknown positive, text as number', () => {
    const refused = (frame: Frame, type = 'string', options = {}) =>
      assert.throws(() => prepareTarget(frame, field(type), options), TargetError);
    refused({ rowCount: 3, columns: new Map() });
    refused(text([null, '', null]));
    refused(text(['a', 'a', null]));
    refused(numbers([2, 2, 2]), 'float64');
    refused(text(Array.from({ length: CLASS_COUNT_LIMIT + 1 }, (_, index) => `c${index}`)));
    refused(text(['a', 'b']), 'string', { positive: 'c' });
    refused(text(['a', 'b', 'c']), 'string', { task: 'binary' });
    refused(text(['1', '2', '3']), 'string', { task: 'regression' });
    assert.equal(
      prepareTarget(text(Array.from({ length: CLASS_COUNT_LIMIT }, (_, index) => `c${index}`)), field('string')).classes?.length,
      CLASS_COUNT_LIMIT,
    );
  });
});
