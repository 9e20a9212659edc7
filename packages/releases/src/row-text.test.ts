import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'vitest';
import { onlyRowText } from './row-text.ts';

const rowOf = (body: string) => (JSON.parse(body) as { rows: unknown[] }).rows[0];

test('a body of one flat row gives the text of the row, spaces outside it left out', () => {
  for (const [body, expected] of [
    ['{"rows":[{"a":1,"b":"x"}]}', '{"a":1,"b":"x"}'],
    [' { "rows" : [ {"a": 1.50, "b":null} ] } ', '{"a": 1.50, "b":null}'],
    ['{"rows":[{}]}', '{}'],
  ] as const) {
    assert.equal(onlyRowText(body, rowOf(body)), expected);
  }
});

test('a text that could mean something else than the parsed row is not taken (negative controls)', () => {
  for (const body of [
    '{"rows":[{"a":1,"a":2}]}',
    '{"rows":[{"a":1}],"rows":[{"a":2}]}',
    '{"rows":[{"a":1}],"unit":"u"}',
    '{"unit":"u","rows":[{"a":1}]}',
    '{"rows":[{"a":1},{"a":2}]}',
    '{"rows":[{"a":{"b":1}}]}',
    '{"rows":[{"a":[1]}]}',
    '{"rows":[{"a":"}]}"}]}',
    '{"rows":[{"a":":"}]}',
    '{"rows":[5]}',
    '{"rows":["{"],"x":["}"]}',
  ]) {
    assert.equal(onlyRowText(body, rowOf(body)), undefined, body);
  }
});

test('whatever a caller sends, a text that is taken means the row', () => {
  const key = fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom('rows', 'a', ':', '{', ']')).filter((name) => name !== '__proto__');
  const value = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string(),
    fc.constantFrom('"}]}', ':', null, true),
    fc.json(),
  );
  const space = fc.constantFrom('', ' ', '\n\t');
  const member = fc
    .tuple(key, value, space)
    .map(([name, item, gap]) => `${gap}${JSON.stringify(name)}${gap}:${gap}${JSON.stringify(item)}`);
  const row = fc.tuple(fc.array(member, { maxLength: 5 }), space).map(([members, gap]) => `{${members.join(`${gap},`)}${gap}}`);
  const body = fc
    .tuple(fc.array(row, { minLength: 1, maxLength: 2 }), space)
    .map(([rows, gap]) => `{${gap}"rows":${gap}[${rows.join(',')}${gap}]}`);
  let taken = 0;
  fc.assert(
    fc.property(body, (text) => {
      const parsed = rowOf(text);
      const found = onlyRowText(text, parsed);
      if (found === undefined) return;
      taken += 1;
      assert.deepEqual(JSON.parse(found), parsed);
      assert.equal((JSON.parse(text) as { rows: unknown[] }).rows.length, 1);
    }),
    { numRuns: 3_000 },
  );
  assert.ok(taken > 100, `only ${taken} texts were taken`);
});
