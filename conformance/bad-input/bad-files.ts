import { randomBytes } from 'node:crypto';
import type { Expected } from './refusals.ts';

/** A file to launch from that cannot end well. */
export interface BadFile {
  readonly what: string;
  readonly bytes: () => Uint8Array | string;
  readonly name?: string;
  readonly target?: string;
  readonly flags?: readonly string[];
  readonly expected: Expected;
}

const ROWS = 60;
/** A small table that launches: `make(row)` is the target's value. */
export function tableText(make: (row: number) => string, header = 'age,plan,left'): string {
  const lines = Array.from({ length: ROWS }, (_, row) => `${20 + ((row * 7) % 50)},${row % 3 === 0 ? 'pro' : 'basic'},${make(row)}`);
  return [header, ...lines, ''].join('\n');
}

export const goodTable = () => tableText((row) => ((row * 7) % 50 > 24 ? 'yes' : 'no'));

const invalid = (...says: readonly RegExp[]): Expected => ({ kind: 'invalid', says });

export const badFiles: readonly BadFile[] = [
  { what: 'an empty file', bytes: () => '', expected: invalid(/empty/, /column names and at least one row/) },
  { what: 'a file of blanks', bytes: () => ' \n\n \n', expected: invalid(/empty/) },
  { what: 'a header alone', bytes: () => 'age,plan,left\n', expected: invalid(/no rows/, /at least one row/) },
  { what: 'a target of one class', bytes: () => tableText(() => 'yes'), expected: invalid(/"left"/, /only one value/, /every outcome/) },
  { what: 'a constant numeric target', bytes: () => tableText(() => '7.5'), expected: invalid(/"left"/, /only one value/) },
  { what: 'a target without values', bytes: () => tableText(() => ''), expected: invalid(/"left"/, /no value/) },
  { what: 'a target that is not in the file', bytes: goodTable, target: 'lefd', expected: invalid(/"lefd"/, /[Dd]id you mean "left"/) },
  { what: 'a target like no column', bytes: goodTable, target: 'zzzzzz', expected: invalid(/"zzzzzz"/, /age.*plan.*left/) },
  {
    what: 'an unknown column to exclude',
    bytes: goodTable,
    flags: ['--exclude', 'agee'],
    expected: invalid(/"agee"/, /[Dd]id you mean "age"/),
  },
  { what: 'an unknown sensitive column', bytes: goodTable, flags: ['--sensitive', 'gender'], expected: invalid(/"gender"/, /age/) },
  { what: 'an unknown accepted leak', bytes: goodTable, flags: ['--accept-leak', 'plam'], expected: invalid(/"plam"/, /"plan"/) },
  { what: 'an unknown time column', bytes: goodTable, flags: ['--time', 'when'], expected: invalid(/"when"/) },
  { what: 'a time column without times', bytes: goodTable, flags: ['--time', 'plan'], expected: invalid(/"plan"/, /time/) },
  { what: 'an unknown subject column', bytes: goodTable, flags: ['--subject', 'who'], expected: invalid(/"who"/) },
  { what: 'a positive label that does not occur', bytes: goodTable, flags: ['--positive', 'maybe'], expected: invalid(/"maybe"/, /"no"/) },
  { what: 'a role that the values do not allow', bytes: goodTable, flags: ['--as', 'plan=numeric'], expected: invalid(/"plan"/) },
  {
    what: 'more columns than the limit',
    bytes: () => `${Array.from({ length: 2_001 }, (_, n) => `c${n}`).join(',')}\n${'1,'.repeat(2_000)}1\n`,
    target: 'c0',
    expected: invalid(/2000|2,000|2001/, /columns/),
  },
  {
    what: 'a field of 5 MB',
    bytes: () => `age,plan,left\n1,${'x'.repeat(5_000_000)},yes\n`,
    expected: invalid(/line 2/, /1000000|1,000,000/),
  },
  { what: 'NUL bytes', bytes: () => goodTable().replace('pro', 'p\0o'), expected: invalid(/NUL/, /[Ll]ine 2/) },
  { what: 'ragged rows', bytes: () => `${goodTable()}1,2\n1,2,3,4\n`, expected: invalid(/line 62/, /3 values/) },
  { what: 'random bytes', bytes: () => randomBytes(65_536), name: 'random.csv', expected: invalid(/CSV|text/) },
  { what: 'a cut gzip file', bytes: () => Buffer.from('1f8b0800000000000003', 'hex'), name: 'cut.csv.gz', expected: invalid(/gzip/) },
  {
    what: 'a picture',
    bytes: () => Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), randomBytes(500)]),
    name: 'x.csv',
    expected: invalid(/PNG|table/),
  },
  {
    what: 'a header that names a column twice',
    bytes: () => tableText((row) => String(row % 2), 'age,Age,left'),
    expected: invalid(/repeat/, /"age"|"Age"/),
  },
  { what: 'a Parquet file that is none', bytes: () => `PAR1${'x'.repeat(100)}PAR1`, name: 'x.parquet', expected: invalid(/Parquet/) },
  { what: 'JSON that is none', bytes: () => '[{"age":1,', name: 'x.json', expected: invalid(/ends inside the object/, /cut off/) },
  { what: 'JSON rows that are no objects', bytes: () => '[1,2,3]', name: 'x.json', expected: invalid(/object/) },
  { what: 'one row', bytes: () => 'age,left\n1,yes\n', expected: invalid(/left|rows/) },
  { what: 'four rows', bytes: () => 'age,left\n1,yes\n2,no\n3,yes\n4,no\n', expected: invalid(/rows/) },
  { what: 'no column to learn from', bytes: () => `left\n${'yes\nno\n'.repeat(40)}`, expected: invalid(/column/) },
];
