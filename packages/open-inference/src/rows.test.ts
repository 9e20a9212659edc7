import assert from 'node:assert/strict';
import { type Contract, Contract as ContractShape } from '@slipway/kernel';
import { describe, test } from 'vitest';
import type { Datatype, Tensor, Values } from './datatypes.ts';
import { outputsOf } from './outputs.ts';
import { rowsOf } from './rows.ts';
import { compileSignature } from './signature.ts';

const contract = (fields: readonly object[], ignored: string[] = []): Contract =>
  ContractShape.parse({ format: 'slipway.contract/1', fields, ignored });

const INPUT = contract(
  [
    { name: 'age', type: 'float64', role: 'numeric', nullable: true },
    { name: 'visits', type: 'int64', role: 'numeric', nullable: true },
    { name: 'member', type: 'boolean', role: 'boolean', nullable: false },
    { name: 'since', type: 'timestamp', role: 'time', nullable: true },
    { name: 'plan', type: 'string', role: 'categorical', nullable: false },
    { name: 'tags', type: 'json', role: 'text', nullable: true },
    { name: 'id', type: 'string', role: 'identifier', nullable: true },
  ],
  ['customer'],
);
const OUTPUT = contract([
  { name: 'prediction', type: 'string', role: 'categorical', nullable: false, expect: { allowedValues: ['no', 'yes'] } },
  { name: 'probabilities', type: 'json', role: 'ignored', nullable: false },
]);
const signature = compileSignature(INPUT, OUTPUT);
const numbers = compileSignature(
  contract([
    { name: 'a', type: 'float64', role: 'numeric', nullable: true },
    { name: 'b', type: 'int64', role: 'numeric', nullable: false },
  ]),
  contract([{ name: 'prediction', type: 'float64', role: 'numeric', nullable: false }]),
);

const tensor = (name: string, datatype: Datatype, values: Values, shape: readonly number[] = [values.length, 1]): Tensor => ({
  name,
  datatype,
  shape,
  values,
});
const cell = (name: string, datatype: Datatype, value: unknown) => rowsOf(signature, [tensor(name, datatype, [value])])[0]?.[name];

describe('tensors become rows', () => {
  test('the signature shows what feeds the model, and which inputs may be left out', () => {
    assert.deepEqual(
      signature.inputs.map(({ name, datatype, parameters }) => [name, datatype, parameters?.['optional'] ?? false]),
      [
        ['age', 'FP64', true],
        ['visits', 'INT64', true],
        ['member', 'BOOL', false],
        ['since', 'INT64', true],
        ['plan', 'BYTES', false],
        ['tags', 'BYTES', true],
      ],
    );
    assert.equal(signature.matrix, undefined, 'text is no number');
    assert.equal(numbers.matrix?.names.length, 2);
  });

  test('columns of any fit datatype become the values that the contract reads', () => {
    assert.equal(cell('age', 'FP32', 1.5), 1.5);
    assert.equal(cell('age', 'INT64', 3n), 3);
    assert.equal(cell('visits', 'INT64', 7n), 7);
    assert.equal(cell('visits', 'UINT64', 2n ** 60n), (2n ** 60n).toString(), 'never rounded');
    assert.equal(cell('visits', 'FP64', 7.5), 7.5, 'for the contract to refuse');
    assert.equal(cell('member', 'UINT8', 1), true);
    assert.equal(cell('member', 'BOOL', false), false);
    assert.equal(cell('since', 'BYTES', '2026-01-01T00:00:00Z'), '2026-01-01T00:00:00Z');
    assert.deepEqual(cell('tags', 'BYTES', '["a",1]'), ['a', 1]);
    assert.equal(cell('customer', 'BYTES', 'c-1'), 'c-1', 'ignored columns are kept');
  });

  test('missing is null, NaN, the smallest INT64, or an empty time', () => {
    assert.equal(cell('age', 'FP64', null), null);
    assert.equal(cell('age', 'FP16', Number.NaN), null);
    assert.equal(cell('age', 'INT64', -(2n ** 63n)), null);
    assert.equal(cell('visits', 'INT64', -(2n ** 63n)), null);
    assert.equal(cell('visits', 'INT64', -(2n ** 63n) + 1n), (-(2n ** 63n) + 1n).toString(), 'its neighbour is a number');
    assert.equal(cell('since', 'BYTES', ''), null);
  });

  test('one numeric tensor of all columns is read in the order of the contract', () => {
    const rows = rowsOf(numbers, [tensor('input-0', 'FP64', [1, 2, Number.NaN, 4], [2, 2])]);
    assert.deepEqual(rows, [
      { a: 1, b: 2 },
      { a: null, b: 4 },
    ]);
  });

  test('what does not fit is refused by name', () => {
    const refuse = (tensors: readonly Tensor[], says: RegExp, of = signature) => assert.throws(() => rowsOf(of, tensors), says);
    refuse([], /no inputs/);
    refuse([tensor('agee', 'FP64', [1])], /no input "agee"; did you mean "age"\?$/);
    refuse([tensor('age', 'FP64', [1]), tensor('age', 'FP64', [1])], /"age" is given twice/);
    refuse([tensor('age', 'FP64', [1, 2]), tensor('plan', 'BYTES', ['a'])], /"plan" has the shape \[1, 1\]; expected \[2\] or \[2, 1\]/);
    refuse([tensor('age', 'FP64', [1, 2], [1, 2])], /one value a row/);
    refuse([tensor('x', 'FP64', [1, 2, 3], [1, 3])], /3 columns; this model takes 2: a, b/, numbers);
    refuse([tensor('x', 'BYTES', ['1', '2'], [1, 2])], /no input "x"/, numbers);
    refuse([tensor('tags', 'BYTES', ['{'])], /JSON/);
  });

  test('a column called __proto__ is a field of a matrix like any other', () => {
    const numeric = (name: string) => ({ name, type: 'float64', role: 'numeric', nullable: true }) as const;
    const odd = compileSignature(contract([numeric('a'), numeric('__proto__'), numeric('b')]), OUTPUT);
    const rows = rowsOf(odd, [{ name: 'input', datatype: 'FP64', shape: [2, 3], values: Float64Array.of(1, 2, 3, 4, Number.NaN, 6) }]);
    assert.deepEqual(rows.map(Object.entries), [
      [
        ['a', 1],
        ['__proto__', 2],
        ['b', 3],
      ],
      [
        ['a', 4],
        ['__proto__', null],
        ['b', 6],
      ],
    ]);
    assert.equal(Object.getPrototypeOf(rows[0]), Object.prototype);
  });

  test('a column called __proto__ changes no prototype', () => {
    const odd = compileSignature(contract([{ name: '__proto__', type: 'json', role: 'text', nullable: true }]), OUTPUT);
    const [row] = rowsOf(odd, [tensor('__proto__', 'BYTES', ['{"polluted":true}'])]);
    assert.equal(Object.getPrototypeOf(row), Object.prototype);
    assert.ok(Object.hasOwn(row ?? {}, '__proto__'));
  });
});

describe('answers become tensors', () => {
  const answers = [
    { invocation: 'inv_1', output: { prediction: 'yes', probabilities: { no: 0.25, yes: 0.75 } } },
    { invocation: 'inv_2', output: { prediction: 'no', probabilities: { yes: 0.125, no: 0.875 } } },
  ];

  test('labels, probabilities in the order of the classes, and the ids', () => {
    const [prediction, probabilities, invocation] = outputsOf(signature, answers, undefined);
    assert.deepEqual(prediction?.values, ['yes', 'no']);
    assert.deepEqual(Array.from(probabilities?.values ?? []), [0.25, 0.75, 0.875, 0.125]);
    assert.deepEqual([probabilities?.shape, probabilities?.parameters], [[2, 2], { labels: '["no","yes"]' }]);
    assert.deepEqual(invocation?.values, ['inv_1', 'inv_2']);
  });

  test('only what is asked for comes, in that order; the likeliest classes by the classification extension', () => {
    const [invocation, top] = outputsOf(signature, answers, [
      { name: 'invocation' },
      { name: 'probabilities', parameters: { classification: 1 } },
    ]);
    assert.equal(invocation?.name, 'invocation');
    assert.deepEqual(
      [top?.shape, top?.values],
      [
        [2, 1],
        ['0.750000:1:yes', '0.875000:0:no'],
      ],
    );
    assert.throws(
      () => outputsOf(signature, answers, [{ name: 'probability' }]),
      /no output "probability"; it has prediction, probabilities, invocation/,
    );
    assert.throws(() => outputsOf(signature, answers, [{ name: 'prediction', parameters: { classification: 2 } }]), /no classes/);
  });
});
