import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { Contract, type Row, compileContract } from './contract.ts';
import { matrixAt, noteMatrix } from './row-matrix.ts';

const contractOf = (fields: readonly object[], ignored: readonly string[] = []) =>
  Contract.parse({ format: 'slipway.contract/1', fields, ignored });
const FIELDS = ['a', 'b'];
const rowsFrom = (values: readonly (number | null)[]): Row[] =>
  Array.from({ length: values.length / 2 }, (_, row) => ({ a: values[2 * row], b: values[2 * row + 1] }));

function notedRows(values: readonly (number | null)[], fields: readonly string[] = FIELDS): Row[] {
  const rows = rowsFrom(values);
  noteMatrix(rows, { fields, rowCount: rows.length, values: Float64Array.from(values, (value) => value ?? Number.NaN) });
  return rows;
}

describe('rows that came as a matrix', () => {
  test('are known again in the same list, in a copy of it, and among others', () => {
    const rows = notedRows([1, 2, 3, 4]);

    assert.equal(matrixAt(rows)?.rowCount, 2);
    assert.equal(matrixAt([...rows])?.rowCount, 2);
    const among = [{ a: 0, b: 0 }, ...rows, { a: 9, b: 9 }];
    assert.equal(matrixAt(among, 0), undefined);
    assert.equal(matrixAt(among, 1)?.rowCount, 2);
    assert.equal(matrixAt(among, 2), undefined, 'its second row is not its first');
  });

  test('are no matrix when one is missing, replaced, or in another place', () => {
    const rows = notedRows([1, 2, 3, 4, 5, 6]);

    assert.equal(matrixAt(rows.slice(0, 2)), undefined);
    assert.equal(matrixAt(rows.with(1, { a: 3, b: 4 })), undefined);
    assert.equal(matrixAt([rows[0], rows[2], rows[1]]), undefined);
    assert.equal(matrixAt([{ ...rows[0] }, rows[1], rows[2]]), undefined);
    assert.equal(matrixAt([]), undefined);
    assert.equal(matrixAt([null, 1]), undefined);
  });

  test('a matrix of another size than its rows is not noted', () => {
    const rows = rowsFrom([1, 2]);
    noteMatrix(rows, { fields: FIELDS, rowCount: 1, values: new Float64Array(3) });

    assert.equal(matrixAt(rows), undefined);
  });
});

const TYPES = ['float64', 'int64', 'timestamp'] as const;
/** At, inside and beyond every limit that a number can have. */
const VALUES = [
  0,
  -0,
  1,
  -1,
  0.5,
  2.5,
  10,
  1e300,
  -1e300,
  2 ** 53,
  -(2 ** 53),
  2 ** 53 - 1,
  8.64e15,
  8.64e15 + 2,
  Infinity,
  -Infinity,
  null,
];

describe('K4 a contract says of a matrix what it says of its rows', () => {
  test('whatever the types, limits and values are', () => {
    let refused = 0;
    let checked = 0;
    for (const type of TYPES) {
      for (const nullable of [true, false]) {
        for (const expect of [{}, { minimum: 0 }, { maximum: 1 }, { minimum: -1, maximum: 10 }, { allowedValues: ['1', '0.5'] }]) {
          for (const severity of ['warn', 'error']) {
            const validator = compileContract(
              contractOf([
                { name: 'a', type, role: 'numeric', nullable, expect, severity },
                { name: 'b', type: 'float64', role: 'numeric', nullable: true },
              ]),
            );
            for (const value of VALUES) {
              const values = [1, 2, value, null, 3, 4];
              const problems = validator.check(rowsFrom(values));
              assert.deepEqual(validator.check(notedRows(values)), problems, JSON.stringify({ type, nullable, expect, severity, value }));
              checked += 1;
              if (problems.length > 0) refused += 1;
            }
          }
        }
      }
    }
    assert.ok(refused > 100 && checked - refused > 100, `${refused} of ${checked} are refused: both happen`);
  });

  test('whichever columns it lacks, has too many of, or ignores', () => {
    const a = { name: 'a', type: 'float64', role: 'numeric', nullable: true };
    const b = { name: 'b', type: 'float64', role: 'numeric', nullable: false };
    const text = { name: 'c', type: 'string', role: 'categorical', nullable: false };
    for (const contract of [
      contractOf([a]),
      contractOf([a], ['b']),
      contractOf([a, b, text]),
      contractOf([a, b, { ...text, nullable: true }]),
    ]) {
      const validator = compileContract(contract);
      assert.deepEqual(validator.check(notedRows([1, 2])), validator.check(rowsFrom([1, 2])));
    }
  });

  test('by looking at the matrix alone: one that lies about its rows is believed', () => {
    const validator = compileContract(contractOf([{ name: 'a', type: 'float64', role: 'numeric', nullable: false }], ['b']));
    const rows: Row[] = [{ a: 'text' }];
    assert.equal(validator.check(rows).length, 1);
    noteMatrix(rows, { fields: ['a'], rowCount: 1, values: Float64Array.of(1) });
    assert.equal(validator.check(rows).length, 0);
  });
});
