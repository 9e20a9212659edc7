import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { type TestHome, cells, createTestHome } from './testing/index.ts';

let home: TestHome;
beforeAll(async () => {
  home = await createTestHome();
});
afterAll(() => home.close());

type Value = string | number | null;

/** Words that no marker, number, boolean or time begins with, plus everything that makes CSV hard. */
const awkward = fc
  .array(fc.constantFrom('w', 'é', '😀', ',', ';', '\t', '|', '"', '\n', '\r\n', ' ', "'", '\\', '#', '=', '\u2028', '0'), {
    minLength: 1,
    maxLength: 8,
  })
  .map((parts) => `z${parts.join('')}z`);
const number = fc
  .oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))
  .map((value) => (Object.is(value, -0) ? 0 : value));

const column = fc.oneof(
  fc.record({ kind: fc.constant('text' as const), values: fc.array(fc.option(awkward, { freq: 6 }), { minLength: 12, maxLength: 12 }) }),
  fc.record({ kind: fc.constant('number' as const), values: fc.array(fc.option(number, { freq: 6 }), { minLength: 12, maxLength: 12 }) }),
);
const table = fc.record({
  columns: fc.array(column, { minLength: 2, maxLength: 6 }),
  rows: fc.integer({ min: 2, max: 12 }),
  delimiter: fc.constantFrom(',', ';', '\t', '|'),
  newline: fc.constantFrom('\n', '\r\n'),
  quoteAll: fc.boolean(),
  endsInNewline: fc.boolean(),
});

test('DA6 any table written as CSV with any delimiter, quoting and line end is read back value by value', async () => {
  await fc.assert(
    fc.asyncProperty(table, async ({ columns, rows, delimiter, newline, quoteAll, endsInNewline }) => {
      const write = (value: Value) => {
        const text = value === null ? '' : String(value);
        const must = /[\s",;\t|\\]/.test(text);
        return text !== '' && (quoteAll || must) ? `"${text.replaceAll('"', '""')}"` : text;
      };
      const header = columns.map((_, index) => `name${index}`).join(delimiter);
      const body = Array.from({ length: rows }, (_, row) => columns.map(({ values }) => write(values[row] as Value)).join(delimiter));
      const text = [header, ...body].join(newline) + (endsInNewline ? newline : '');

      // The delimiter is given: twelve random rows may agree on another one by chance.
      const result = await home.ingest(text, { delimiter, header: true });
      const frame = await home.frame(result);

      assert.equal(result.rows, rows);
      columns.forEach(({ kind, values }, index) => {
        const expected = values.slice(0, rows) as Value[];
        if (expected.every((value) => value === null)) return;
        const got = cells(frame, `name${index}`);
        // Unique texts may be identifiers and number columns constant: the values are the same whatever their role.
        assert.deepEqual(kind === 'number' ? got.map((value) => (value === null ? null : Number(value))) : got, expected);
      });
    }),
    { numRuns: 60 },
  );
});
