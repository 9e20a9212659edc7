import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { test } from 'vitest';
import {
  type Contract,
  Contract as ContractShape,
  type Field,
  InvalidError,
  JsonError,
  NotFoundError,
  PROBLEM_LIMIT,
  Redacted,
  canonicalJson,
  compileContract,
  createInvocationIds,
  fixedClock,
  frameFromRows,
  locateInvocation,
  nearestName,
  parseJson,
  parseTime,
  toErrorBody,
  toName,
} from './index.ts';

test('K1 an invocation id tells its millisecond and replica, and two never meet', () => {
  const clock = fixedClock(1_790_000_000_123);
  const next = createInvocationIds(clock, 4095);
  const ids = Array.from({ length: 10_000 }, () => next());
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(locateInvocation(ids[0] ?? ''), { timeMs: 1_790_000_000_123, replica: 4095 });
  assert.deepEqual(ids.toSorted(), ids, 'ids of one process sort by creation');
  assert.equal(locateInvocation('inv_not-an-id'), undefined);
  assert.throws(() => createInvocationIds(clock, 4096), RangeError);
});

test('K2 canonical JSON does not depend on the order of keys', () => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value)
        .toReversed()
        .map(([key, item]) => [key, shuffled(item)]),
    );
  };
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const copy = JSON.parse(JSON.stringify(value)) as unknown;
      assert.equal(canonicalJson(shuffled(copy)), canonicalJson(copy));
      assert.deepEqual(JSON.parse(canonicalJson(copy)), copy);
    }),
  );
  assert.throws(() => canonicalJson(Number.NaN), TypeError);
});

test('K3 JSON from outside is bounded', () => {
  assert.deepEqual(parseJson('{"a":[1,{"b":"[[[["}]}'), { a: [1, { b: '[[[[' }] });
  assert.throws(() => parseJson('['.repeat(65) + ']'.repeat(65)), /deeper than 64/);
  assert.doesNotThrow(() => parseJson('['.repeat(64) + ']'.repeat(64)));
  assert.throws(() => parseJson('['.repeat(1_000_000)), JsonError);
  assert.throws(() => parseJson('{"x":{"__proto__":{"admin":true}}}'), /__proto__/);
  assert.throws(() => parseJson('{"\\u005f_proto__":1}'), /__proto__/);
  assert.throws(() => parseJson('{"x":1e999}'), /too large/);
  assert.throws(() => parseJson(`[${'9'.repeat(309)}]`), /too large/);
  assert.throws(() => parseJson(`[${'9'.repeat(250)}e99]`), /too large/);
  assert.equal((parseJson(`[${'9'.repeat(250)}]`) as number[])[0], Number('9'.repeat(250)));
  assert.throws(() => parseJson('['.repeat(65) + ']'.repeat(65)), /nests deeper/);
  parseJson('['.repeat(64) + ']'.repeat(64));
  parseJson(JSON.stringify('[{'.repeat(100)));
  assert.throws(() => parseJson(`{"x":${'9'.repeat(400)}}`), /too large/);
  assert.throws(() => parseJson('{"x":NaN}'), JsonError);
  assert.deepEqual(parseJson('{"x":1e5,"y":12e-300}'), { x: 1e5, y: 12e-300 });
});

const field = (name: string, type: Field['type'], more: Partial<Field> = {}): Field => ({
  name,
  type,
  role: type === 'string' ? 'categorical' : 'numeric',
  nullable: false,
  expect: {},
  severity: 'warn',
  ...more,
});

const contract: Contract = ContractShape.parse({
  format: 'slipway.contract/1',
  fields: [
    field('age', 'int64', { expect: { minimum: 0, maximum: 150 }, severity: 'error' }),
    field('income', 'float64', { nullable: true }),
    field('plan', 'string', { expect: { allowedValues: ['basic', 'pro'] }, severity: 'error' }),
    field('since', 'timestamp', { role: 'time', nullable: true }),
    field('active', 'boolean', { role: 'boolean', nullable: true }),
  ],
  ignored: ['customerID'],
});

test('K4 a good row has no problem, and known unused columns are ignored', () => {
  const validator = compileContract(contract);
  assert.deepEqual(validator.check([{ age: 3, plan: 'pro', customerID: { any: 1 } }]), []);
  assert.deepEqual(validator.check([{ age: 3, income: null, plan: 'pro', since: '2024-02-29', active: false }]), []);
});

test('K4 each broken rule names row, field, expected and got', () => {
  const problemOf = (row: unknown) => compileContract(contract).check([{ age: 1, plan: 'pro' }, row])[0];
  const good = { age: 3, plan: 'pro' };
  assert.deepEqual(problemOf({ plan: 'pro' }), { row: 1, field: 'age', rule: 'missing', expected: 'a whole number', got: 'nothing' });
  assert.deepEqual(problemOf({ ...good, age: '3' }), undefined, 'integers may travel as decimal text');
  assert.equal(problemOf({ ...good, age: 3.5 })?.rule, 'type');
  assert.equal(problemOf({ ...good, age: 2 ** 53 })?.rule, 'type');
  assert.equal(problemOf({ ...good, age: 151 })?.rule, 'maximum');
  assert.equal(problemOf({ ...good, income: '12.5' })?.got, 'text "12.5"');
  assert.equal(problemOf({ ...good, income: Number.NaN })?.rule, 'type');
  assert.equal(problemOf({ ...good, plan: 'gold' })?.rule, 'allowed');
  assert.equal(problemOf({ ...good, since: '2023-02-29' })?.rule, 'type');
  assert.equal(problemOf({ ...good, since: 8.64e15 }), undefined);
  assert.equal(problemOf({ ...good, since: 8.64e15 + 1 })?.rule, 'type', 'no date can name it');
  assert.equal(problemOf({ ...good, active: 'yes' })?.rule, 'type');
  assert.match(problemOf({ ...good, incme: 1 })?.expected ?? '', /did you mean "income"/);
  assert.equal(problemOf(null)?.rule, 'row');
  assert.equal(problemOf(JSON.parse('{"age":3,"plan":"pro","toString":1}'))?.rule, 'unknown');
});

test('K4 problems are listed up to a named limit', () => {
  const rows = Array.from({ length: PROBLEM_LIMIT + 1 }, () => ({}));
  assert.equal(compileContract(contract).check(rows).length, PROBLEM_LIMIT);
});

test('K5 an unexpected error shows none of its text', () => {
  assert.equal(toErrorBody(new Error('password=hunter2'), 'req_1').error.message.includes('hunter2'), false);
  assert.equal(toErrorBody(new Error('x'), null).error.kind, 'internal');
  assert.equal(toErrorBody(new NotFoundError('no'), null).error.kind, 'notFound');
  assert.deepEqual(toErrorBody(new InvalidError('bad', { help: 'fix' }), 'r').error.help, 'fix');
});

test('K6 a secret cannot be printed by accident', () => {
  const secret = new Redacted('s3cret');
  assert.equal(`${secret}${JSON.stringify({ secret })}${inspect(secret, { showHidden: true, depth: 9 })}`.includes('s3cret'), false);
  assert.equal(secret.reveal(), 's3cret');
});

test('times are read as UTC and impossible days are refused', () => {
  assert.equal(parseTime('1970-01-01T00:00:01.5Z'), 1500);
  assert.equal(parseTime('2024-01-01T02:00:00+02:00'), Date.UTC(2024, 0, 1));
  assert.equal(parseTime('2024-01-01'), Date.UTC(2024, 0, 1));
  assert.equal(parseTime('0001-01-01'), new Date('0001-01-01T00:00:00Z').getTime());
  for (const wrong of ['2024-13-01', '2024-02-30', '24-01-01', '2024-01-01T25:00', 'soon', ''])
    assert.equal(parseTime(wrong), undefined, wrong);
});

test('names are made from any text and have one spelling', () => {
  assert.equal(toName('Größe & Preis (2024).csv', 'x'), 'gro-e-preis-2024-.csv');
  assert.equal(toName('???', 'data'), 'data');
  assert.equal(toName('A'.repeat(100), 'x').length, 64);
});

test('a frame holds numbers, categories and times as the model graph takes them', () => {
  const frame = frameFromRows(contract, [
    { age: 3, plan: 'pro', since: '1970-01-01T00:00:01Z', active: true },
    { age: 4, plan: 'basic' },
  ]);
  assert.deepEqual(frame.columns.get('since'), { kind: 'number', values: Float64Array.of(1000, Number.NaN) });
  assert.deepEqual(frame.columns.get('active'), { kind: 'number', values: Float64Array.of(1, Number.NaN) });
  assert.deepEqual(frame.columns.get('plan'), { kind: 'text', codes: Int32Array.of(0, 1), levels: ['pro', 'basic'] });
});

test('a number too long for a double is refused wherever it stands, and digits in text are not numbers', () => {
  for (let offset = 0; offset < 250; offset += 1) {
    const before = `{"a":"${'x'.repeat(offset)}","b":`;
    assert.throws(() => parseJson(`${before}${'9'.repeat(309)}}`), /too large for a double/, `after ${offset} characters`);
    assert.doesNotThrow(() => parseJson(`${before}${'9'.repeat(308)}}`));
    assert.doesNotThrow(() => parseJson(`${before}"${'9'.repeat(400)}"}`));
    assert.throws(() => parseJson(`${before}${'9'.repeat(210)}e99}`), /too large for a double/);
  }
});

test('a name is suggested only when it is near for its length', () => {
  assert.equal(nearestName('incme', ['age', 'income']), 'income');
  assert.equal(nearestName('agee', ['age', 'income']), 'age');
  assert.equal(nearestName('Y', ['x', 'y']), 'y');
  assert.equal(nearestName('zz', ['a', 'b']), undefined);
  assert.equal(nearestName('q', ['a', 'b']), undefined);
});
