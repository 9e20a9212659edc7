import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { inferType } from './infer-type.ts';
import { ColumnObserver, missingMarkers } from './observe-column.ts';
import { timeForms } from './time-forms.ts';

function read(values: readonly string[], options: { decimalComma?: boolean; dayFirst?: boolean; missing?: readonly string[] } = {}) {
  const observer = new ColumnObserver(missingMarkers(options.missing));
  values.forEach((value, index) => {
    const bytes = Buffer.from(value);
    observer.observe(bytes, 0, bytes.length, index + 2);
  });
  return inferType(observer, { decimalComma: options.decimalComma ?? false, typed: false, nested: false, dayFirst: options.dayFirst });
}

describe('types', () => {
  test.each<[string, string[], string]>([
    ['whole numbers', ['1', '-5', '+7', '0', '9223372036854775807'], 'int64'],
    ['one more than int64 holds', ['1', '9223372036854775808'], 'string'],
    ['postal codes', ['02134', '10001'], 'string'],
    ['decimals and exponents', ['1', '2.5', '.5', '5.', '-1e-3', '1E5'], 'float64'],
    ['whole numbers written as decimals', ['1.0', '2.0'], 'float64'],
    ['too large an exponent', ['1', '1e999'], 'string'],
    ['infinity', ['1', 'inf'], 'string'],
    ['hexadecimal and underscores', ['0x1F', '1_000'], 'string'],
    ['booleans', ['true', 'False', 'T', 'f'], 'boolean'],
    ['yes and no', ['yes', 'no'], 'string'],
    ['F and M', ['F', 'M'], 'string'],
    ['zero and one', ['0', '1'], 'int64'],
    ['dates', ['2024-01-31', '2024-02-29'], 'timestamp'],
    ['a day that does not exist', ['2024-01-31', '2023-02-29'], 'string'],
    ['times with zones', ['2024-01-31T10:00:00+02:00', '2024-01-31 10:00'], 'timestamp'],
    ['months', ['1949-01', '1960-12'], 'timestamp'],
    ['days first', ['31/01/2024', '01/02/2024'], 'timestamp'],
    ['months first', ['01/31/2024', '02/01/2024'], 'timestamp'],
    ['names of months', ['5 Mar 2024', '29-FEB-2024', '31 december 1999'], 'timestamp'],
    ['names of months first', ['Mar 5, 2024', 'May 1 2000', 'September 30, 2001'], 'timestamp'],
    ['a day that a named month does not have', ['Mar 5 2024', 'Feb 30 2024'], 'string'],
    ['words that are no months', ['Mars 5 2024', 'Mac 5 2024'], 'string'],
    ['ambiguous days and months', ['01/02/2024', '03/04/2024'], 'string'],
    ['numbers and one word', ['1', '2', 'x'], 'string'],
    ['nothing', ['', ' ', '?'], 'string'],
  ])('DA5 %s', (_, values, type) => {
    assert.equal(read(values).type, type);
  });

  test('DA5 markers are missing in numbers, booleans and times', () => {
    const reading = read(['1', 'NA', '', ' ', '?', 'None', '-', 'NaN', 'null', 'N/A']);

    assert.equal(reading.type, 'int64');
    assert.equal(reading.missing, 9);
    assert.equal(reading.markers[''], 2);
    assert.equal(reading.markers['None'], 1);
  });

  test('DA5 in texts a question mark, NaN and null are missing, but None, NA and a dash are values, and said so', () => {
    const reading = read(['Brick', 'None', 'None', 'NA', '?', 'null', '']);

    assert.equal(reading.type, 'string');
    assert.equal(reading.missing, 3);
    assert.match(reading.notes.join(), /"None" \(2\), "NA" \(1\) kept/);
  });

  test('DA5 own markers replace the defaults in every column', () => {
    assert.equal(read(['Brick', 'None'], { missing: ['None'] }).missing, 1);
    assert.equal(read(['1', '-999', '3'], { missing: ['-999'] }).missing, 1);
    assert.equal(read(['1', 'NA'], { missing: ['-999'] }).type, 'string');
  });

  test('DA5 the decimal comma is read only where commas do not separate, and never mixed with points', () => {
    assert.equal(read(['1,5', '2'], { decimalComma: true }).type, 'float64');
    assert.equal(read(['1,5', '2'], { decimalComma: true }).numberForm, 'decimalComma');
    assert.equal(read(['1,5', '2']).type, 'string');
    assert.match(read(['1,5', '2.5'], { decimalComma: true }).notes.join(), /mixed/);
  });

  test.each<[string, string[], string, string]>([
    ['whole thousands', ['1,234', '12', '-1,234,567'], 'int64', 'commaGroups'],
    ['thousands with fractions', ['1,234.50', '12', '0.5'], 'float64', 'commaGroups'],
    ['thousands as in Europe', ['1.234,50', '12', '900,5', '2.000'], 'float64', 'dotGroups'],
    ['decimals of three places', ['1.234', '12.345'], 'float64', 'plain'],
    ['groups that are none', ['1,234', '12,34'], 'string', 'plain'],
    ['a list of two digits', ['1,2,3', '4,5,6'], 'string', 'plain'],
    ['points between groups without a comma: addresses, versions, keys', ['192.168.100.200', '1.234.567'], 'string', 'plain'],
    ['both habits', ['1,234.5', '1.234,5'], 'string', 'plain'],
    ['a leading zero', ['0,123', '1,234'], 'string', 'plain'],
    ['more digits than a double holds', ['1,234,567,890,123,456,789'], 'string', 'plain'],
  ])('DA5 thousands: %s', (_, values, type, form) => {
    const reading = read(values);
    assert.deepEqual([reading.type, reading.numberForm], [type, form]);
    assert.equal(
      reading.notes.some((note) => /thousands/.test(note)),
      form !== 'plain',
    );
  });

  test.each<[string, string[], string, string, string]>([
    ['amounts', ['$1,234.50', '$12', '-$0.5'], 'float64', '$', 'commaGroups'],
    ['amounts behind a blank', ['€ 12', '€ -3'], 'int64', '€', 'plain'],
    ['shares', ['12 %', '3.5%', '-1%'], 'float64', '%', 'plain'],
    ['two currencies', ['$12', '€12'], 'string', '', 'plain'],
    ['some without the sign', ['$12', '12'], 'string', '', 'plain'],
    ['a word among them', ['$12', 'free', '$13'], 'string', '', 'plain'],
    ['signs only', ['$', '$'], 'string', '', 'plain'],
    ['groups that are none', ['$1,2', '$3'], 'string', '', 'plain'],
  ])('DA5 signs: %s', (_, values, type, mark, form) => {
    const reading = read(values);
    assert.deepEqual([reading.type, reading.mark, reading.numberForm], [type, mark, form]);
    assert.equal(
      reading.notes.some((note) => /without the sign/.test(note)),
      mark !== '',
    );
  });

  test('DA5 more amounts than are looked at closely in a column of texts are still read', () => {
    const many = Array.from({ length: 12_000 }, (_, index) => `$${index + 1}`);
    assert.equal(read(many).type, 'int64');
    assert.equal(read([...many, 'free']).type, 'string');
  });

  test('DA5 a comma before three digits is a decimal comma where commas do not separate, unless another value says otherwise', () => {
    assert.equal(read(['1,234', '5,678'], { decimalComma: true }).numberForm, 'decimalComma');
    assert.equal(read(['1,234', '5,678,901'], { decimalComma: true }).numberForm, 'commaGroups');
    assert.equal(read(['1,234', '5.5'], { decimalComma: true }).numberForm, 'commaGroups');
    assert.equal(read(['1,5', '5.5'], { decimalComma: true }).type, 'string');
  });

  test('DA5 a column that nearly is numeric says which values are not', () => {
    const reading = read([...Array.from({ length: 50 }, (_, index) => String(index)), '12 kg']);
    assert.match(reading.notes.join(), /50 of 51 values are numbers, but not "12 kg" at line 52/);
  });

  test('DA5 the caller decides ambiguous days', () => {
    assert.equal(read(['01/02/2024'], { dayFirst: true }).timeForm, 'dmy');
    assert.equal(read(['01/02/2024'], { dayFirst: false }).timeForm, 'mdy');
    assert.match(read(['01/02/2024']).notes.join(), /dayFirst/);
  });

  test('DA5 a text is a time in every form in which it exists, and in none otherwise', () => {
    assert.deepEqual(timeForms('03/04/2024'), ['dmy', 'mdy']);
    assert.deepEqual(timeForms('31.12.2024 23:59'), ['dmy']);
    assert.deepEqual(timeForms('3-31-2024'), ['mdy']);
    assert.deepEqual(timeForms('2024/3/1'), ['slash']);
    assert.deepEqual(timeForms('2024-13'), []);
    assert.deepEqual(timeForms('10.20.30.40'), []);
  });
});
