import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { CancelledError, PlatformError } from '@slipway/kernel';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type TestHome, cells, createTestHome } from './testing/index.ts';

let home: TestHome;
beforeAll(async () => {
  home = await createTestHome();
});
afterAll(() => home.close());

const SMALL = 'name,age,city\nAda,36,London\nBob,41,"Porto, PT"\nCleo,,Lima\n';

describe('reading', () => {
  test('DA1 values, types and order survive from CSV to frame', async () => {
    const result = await home.ingest(SMALL);
    const frame = await home.frame(result);

    assert.deepEqual(cells(frame, 'name'), ['Ada', 'Bob', 'Cleo']);
    assert.deepEqual(cells(frame, 'age'), [36, 41, null]);
    assert.deepEqual(cells(frame, 'city'), ['London', 'Porto, PT', 'Lima']);
    assert.equal(result.rows, 3);
    assert.equal(result.reading.delimiter, ',');
  });

  test.each([
    ['semicolons', ';'],
    ['tabs', '\t'],
    ['pipes', '|'],
  ])('DA1 %s are found without being named', async (_, delimiter) => {
    const text = `a${delimiter}b${delimiter}c\n1${delimiter}x y, z${delimiter}2.5\n3${delimiter}"q${delimiter}""r"""${delimiter}4\n`;
    const result = await home.ingest(text);
    const frame = await home.frame(result);

    assert.equal(result.reading.delimiter, delimiter);
    assert.deepEqual(cells(frame, 'b'), ['x y, z', `q${delimiter}"r"`]);
    assert.deepEqual(cells(frame, 'c'), [2.5, 4]);
  });

  test('DA1 the same table has the same rows hash from CSV, quoted CSV, gzip, UTF-16, JSON and NDJSON', async () => {
    const rows = [
      { name: 'Zoë', age: 36, vip: true, at: '2024-03-31T10:00:00Z' },
      { name: 'Łukasz "L"\nK', age: null, vip: false, at: '2024-04-01' },
    ];
    const csv = 'name,age,vip,at\nZoë,36,true,2024-03-31T10:00:00Z\n"Łukasz ""L""\nK",,false,2024-04-01\n';
    const quoted = '"name";"age";"vip";"at"\r\n"Zoë";"36";"TRUE";"2024-03-31 10:00"\r\n"Łukasz ""L""\nK";"?";"FALSE";"2024-04-01"\r\n';
    const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(csv, 'utf16le')]);
    const utf16be = Buffer.from(utf16).swap16();
    const sources = {
      csv,
      bom: `\ufeff${csv}`,
      quoted,
      gzip: gzipSync(csv),
      utf16,
      utf16be,
      utf16WithoutMark: Buffer.from(csv, 'utf16le'),
      json: JSON.stringify(rows, null, 2),
      ndjson: rows.map((row) => JSON.stringify(row)).join('\n'),
    };
    const hashes: Record<string, string> = {};
    for (const [name, source] of Object.entries(sources)) hashes[name] = (await home.ingest(source)).rowsHash;

    assert.deepEqual(new Set(Object.values(hashes)).size, 1, JSON.stringify(hashes));
  });

  test('DA1 the rows hash changes with a value, the order of rows and a column name', async () => {
    const base = (await home.ingest('a,b\n1,x\n2,y\n')).rowsHash;
    const others = ['a,b\n1,x\n2,z\n', 'a,b\n2,y\n1,x\n', 'a,c\n1,x\n2,y\n', 'a,b\n1,x\n2,\n', 'a,b\n1.5,x\n2,y\n'];
    for (const other of others) assert.notEqual((await home.ingest(other)).rowsHash, base, other);
    assert.equal((await home.ingest('a;b\r\n1;x\r\n2;y')).rowsHash, base);
  });

  test('DA1 Parquet written by us or others gives the same rows as its CSV', async () => {
    const csv = await home.ingest('a,b,c,d\n1,x,2.5,2024-01-02\n,y,,2024-01-03T04:05:06.789Z\n');
    const own = await home.objects.read('default', csv.parquet.sha256);
    const foreign = await home.engine.use(async (session) => {
      const path = session.path('.parquet');
      await session.run(
        `copy (select * from (values (1::smallint, 'x', 2.5::decimal(9,2), timestamp '2024-01-02'), (null, 'y', null, timestamp '2024-01-03 04:05:06.789')) t(a,b,c,d)) to '${path}' (format parquet, compression snappy)`,
      );
      const { readFile } = await import('node:fs/promises');
      return readFile(path);
    });

    assert.equal((await home.ingest(own)).rowsHash, csv.rowsHash);
    assert.equal((await home.ingest(foreign)).rowsHash, csv.rowsHash);
  });

  test('DA1 Latin-1 is read where UTF-8 is not valid, and said so', async () => {
    const result = await home.ingest(Buffer.from('name,n\nJosé,1\nZoë,2\n', 'latin1'));

    assert.deepEqual(cells(await home.frame(result), 'name'), ['José', 'Zoë']);
    assert.equal(result.reading.encoding, 'latin1');
    assert.match(result.notes.map((note) => note.note).join(), /not UTF-8 \(first at line 2\)/);
  });

  test('DA1 a multi-byte character that lies across read chunks is kept', async () => {
    const filler = 'x'.repeat(997);
    const rows = Array.from({ length: 700 }, (_, index) => `${filler}€${index}`);
    const result = await home.ingest(`id,v\n${rows.map((row, index) => `${index % 7},${row}`).join('\n')}\n`);

    assert.deepEqual(cells(await home.frame(result), 'v'), rows);
  });

  test('DA2 columns given for a headerless file name it, and spaces after commas are dropped', async () => {
    const text = '39, State-gov, 77516, <=50K\n50, ?, 83311, >50K\n';
    const result = await home.ingest(text, { columns: ['age', 'work', 'weight', 'income'] });
    const frame = await home.frame(result);

    assert.deepEqual(cells(frame, 'work'), ['State-gov', null]);
    assert.deepEqual(cells(frame, 'weight'), [77516, 83311]);
    assert.equal(result.reading.header, false);
  });

  test('DA2 columns equal to the first line do not turn it into a row', async () => {
    const result = await home.ingest(SMALL, { columns: ['name', 'age', 'city'] });
    assert.equal(result.rows, 3);
  });

  test('DA2 a comment line before the table is skipped and said so', async () => {
    const text = '|1x3 Cross validator\n25, Private, <=50K.\n38, Local, >50K.\n';
    const result = await home.ingest(text, { columns: ['age', 'work', 'income'] });

    assert.equal(result.rows, 2);
    assert.match(result.notes.map((note) => note.note).join(), /first line is no row/);
  });

  test('DA2 labels that end in a full stop are those of the contract, and said so', async () => {
    const train = await home.ingest('age,income\n25,<=50K\n38,>50K\n31,<=50K\n', {}, { target: 'income' });
    const read = await home.ingest('age,income\n25,<=50K.\n38,>50K.\n', {}, { contract: train.contract });
    const other = await home.ingest('age,income\n25,<=50K.\n38,rich.\n', {}, { contract: train.contract });

    assert.deepEqual(cells(await home.frame(read), 'income'), ['<=50K', '>50K']);
    assert.match(read.notes.map((note) => note.note).join(), /full stop/);
    assert.deepEqual(cells(await home.frame(other), 'income'), ['<=50K.', 'rich.']);
  });

  test('DA1 quotes that never pair up in tab-separated text are ordinary characters', async () => {
    const result = await home.ingest('label\ttext\nham\t"Wen u miss someone\nspam\tWin a "prize" now\nham\tok\n');

    assert.deepEqual(cells(await home.frame(result), 'text'), ['"Wen u miss someone', 'Win a "prize" now', 'ok']);
    assert.equal(result.reading.quote, 'none');
  });

  test('DA1 backslash-escaped quotes are found', async () => {
    const result = await home.ingest('a,b\n1,"say \\"hi\\", now"\n2,"x"\n');
    assert.deepEqual(cells(await home.frame(result), 'b'), ['say "hi", now', 'x']);
  });

  test('DA1 a single column of prose keeps its commas when quoted', async () => {
    const result = await home.ingest('text\n"hello, world"\n"one, two, three"\nplain\n');
    assert.deepEqual(cells(await home.frame(result), 'text'), ['hello, world', 'one, two, three', 'plain']);
  });

  test('DA1 nested JSON becomes JSON text, and a key that a row lacks is missing', async () => {
    const result = await home.ingest('{"a":1,"tags":["x",{"y":2}]}\n{"a":2.5,"b":"12"}\n');
    const frame = await home.frame(result);

    assert.deepEqual(cells(frame, 'tags'), ['["x",{"y":2}]', null]);
    assert.deepEqual(cells(frame, 'b'), [null, '12']);
    assert.deepEqual(
      result.contract.fields.map(({ name, type }) => [name, type]),
      [
        ['a', 'float64'],
        ['tags', 'json'],
        ['b', 'string'],
      ],
    );
  });

  test('DA1 a value of nearly 1 MB and rows of many columns are read', async () => {
    const long = 'y'.repeat(1_000_000 - 10);
    const wide = Array.from({ length: 2_000 }, (_, index) => `c${index}`);
    const result = await home.ingest(`a,b\n1,${long}\n2,z\n`);
    const many = await home.ingest(`${wide.join(',')}\n${wide.map((_, index) => index).join(',')}\n`);

    assert.equal((cells(await home.frame(result), 'b')[0] as string).length, long.length);
    assert.equal(many.profile.columns.length, 2_000);
  });
});

const columns = (count: number) => Array.from({ length: count }, (_, index) => `c${index}`).join(',');

describe('refusals', () => {
  const truncated = gzipSync(Buffer.from(SMALL.repeat(1000))).subarray(0, 200);
  const cases: [string, string | Uint8Array, string, RegExp][] = [
    ['an empty file', '', 'data/empty', /empty/],
    ['only blanks', ' \n\n', 'data/empty', /empty/],
    ['an empty gzip', gzipSync(''), 'data/empty', /empty/],
    ['a header only', 'a,b,c\n', 'data/no-rows', /no rows/],
    ['an empty JSON list', '[]', 'data/no-rows', /no rows/],
    [
      'ragged rows',
      'a,b,c\n1,2,3\n4,5\n6,7,8\n9,10,11,12\n',
      'data/ragged-rows',
      /2 rows do not have 3 values: line 3 \(2\), line 5 \(4\)/,
    ],
    ['too many columns', `${columns(2_001)}\n${columns(2_001)}\n`, 'data/too-many-columns', /limit is 2000/],
    ['a hundred thousand columns', `${columns(100_001)}\n1\n`, 'data/too-many-columns', /limit is 2000/],
    ['a 5 MB field', `a,b\n1,${'x'.repeat(5 * 1024 * 1024)}\n`, 'data/field-too-large', /line 2, column 2, is larger than 1000000 bytes/],
    ['a 5 MB field in JSON', JSON.stringify([{ a: 'x'.repeat(5 * 1024 * 1024) }]), 'data/field-too-large', /column "a"/],
    ['a NUL byte', 'a,b\n1,2\n3,\u00004\n', 'data/nul-byte', /Line 3/],
    ['random bytes', randomBytes(10_000), 'data/unknown-format', /neither text nor Parquet/],
    ['a ZIP', Buffer.from('504b030414000000', 'hex'), 'data/unknown-format', /Excel/],
    ['duplicate names', 'a,b,A\n1,2,3\n', 'data/duplicate-column', /"a", "A"/],
    ['the name __proto__', 'a,__proto__\n1,2\n', 'data/column-name', /__proto__/],
    ['a very long name', `a,${'n'.repeat(300)}\n1,2\n`, 'data/column-name', /256/],
    ['a file without names', '1,2.5,x\n3,4.5,y\n', 'data/no-header', /looks like data/],
    [
      'a title above the names',
      `Report of May\na,b,c\n${'1,2,3\n'.repeat(9)}`,
      'data/header-width',
      /Line 1 should name the 3 columns, but has 1 value: Report of May/,
    ],
    [
      'names as R writes them',
      `a,b\n${'x,1,2\n'.repeat(40)}`,
      'data/header-width',
      /Line 1 should name the 3 columns, but has 2 values: a, b/,
    ],
    ['a web page', '<!DOCTYPE html>\n<html><body>404</body></html>\n', 'data/unknown-format', /a web page/],
    ['an XML document', '<?xml version="1.0"?>\n<rows><row a="1"/></rows>\n', 'data/unknown-format', /XML/],
    ['UTF-32', Buffer.from('fffe0000610000002c000000', 'hex'), 'data/unknown-format', /UTF-32/],
    ['JSON by columns', '{"a":[1,2,3],"b":[4,5,6]}', 'data/json-row', /one object of lists or objects \("a", "b"\), not one object a row/],
    ['JSON with its rows under a name', '{"rows":[{"a":1},{"a":2}]}', 'data/json-row', /one object of lists/],
    ['a quote never closed', 'a,b\n1,"x\n2,y\n3,z\n', 'data/quote', /opens at line 2 is never closed/],
    ['text after a quote', 'a,b\n1,"x"y\n2,z\n', 'data/quote', /line 2/],
    ['a cut-off gzip', truncated, 'data/broken-gzip', /cut off/],
    ['a damaged gzip', Buffer.concat([Buffer.from([0x1f, 0x8b]), randomBytes(100)]), 'data/broken-gzip', /damaged/],
    [
      'damaged UTF-8',
      Buffer.concat([Buffer.from('a,b\nZoë,Łódź\n'), Buffer.from([0xff]), Buffer.from(',x\n')]),
      'data/invalid-encoding',
      /Line 3/,
    ],
    ['JSON of numbers', '[{"a":1}, 2]', 'data/json-row', /line 1/i],
    ['JSON cut off', '[{"a":1},\n{"a":2', 'data/json-row', /ends inside the object that begins at line 2/],
    ['JSON with NaN', '{"a":1}\n{"a":NaN}\n', 'data/json-row', /Line 2/],
    ['JSON with __proto__', '{"a":1}\n{"__proto__":{"x":1}}\n', 'data/json-row', /Line 2/],
    ['a nesting bomb', `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, 'data/json-row', /64/],
    ['damaged Parquet', Buffer.concat([Buffer.from('PAR1'), randomBytes(2_000), Buffer.from('PAR1')]), 'data/parquet', /cannot be read/],
  ];

  test.each(cases)('DA3 %s is refused with its code and place, and leaves nothing behind', async (_, content, code, message) => {
    const own = await createTestHome();
    try {
      await assert.rejects(own.ingest(content), (thrown: unknown) => {
        assert.ok(thrown instanceof PlatformError, `${String(thrown)} is a PlatformError`);
        assert.equal(thrown.code, code, thrown.message);
        assert.match(thrown.message, message);
        assert.ok(!thrown.message.includes(own.directory), 'the message shows no path of ours');
        return true;
      });
      assert.deepEqual(await own.leftovers(), []);
    } finally {
      await own.close();
    }
  });

  test('DA3 a gzip bomb stops at the limit of decompressed bytes', async () => {
    const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024, 'a,b\n'));
    assert.ok(bomb.length < 100_000);
    await assert.rejects(home.ingest(bomb, {}, { limits: { decompressedBytes: 1024 * 1024 } }), { code: 'data/source-too-large' });
    await assert.rejects(home.ingest(SMALL, {}, { limits: { sourceBytes: 10 } }), { code: 'data/source-too-large' });
    await assert.rejects(home.ingest(SMALL, {}, { limits: { rows: 2 } }), { code: 'data/too-many-rows' });
    assert.equal((await home.ingest(SMALL, {}, { limits: { rows: 3 } })).rows, 3);
  });

  test('DA3 the count of given names has to be that of the values', async () => {
    await assert.rejects(home.ingest(SMALL, { columns: ['a', 'b'] }), { code: 'data/column-count' });
  });

  test('DA5 grouped and marked numbers become the numbers that they are', async () => {
    const text = 'a,b,c,d\n"1,234",$5,"1.234,50 €",12 %\n"-12,345,678","$1,234.25","900,5 €",NA\n7,-$0.5,"2 €",0.5%\n';
    const result = await home.ingest(text);
    assert.deepEqual(
      result.contract.fields.map((field) => field.type),
      ['int64', 'float64', 'float64', 'float64'],
    );
    assert.ok(result.notes.some(({ column, note }) => column === 'b' && note.includes('"$"')));
    const frame = await home.frame(result);
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map((name) => cells(frame, name)),
      [
        [1234, -12345678, 7],
        [5, 1234.25, -0.5],
        [1234.5, 900.5, 2],
        [12, null, 0.5],
      ],
    );
  });

  test('DA5 dates with names of months become the days that they are', async () => {
    const result = await home.ingest('a,b\n5 Mar 2024,"Jan 1, 2000"\n29-FEB-2024,May 31 1969\n31 december 1999,"september 9, 2001"\n');
    const frame = await home.frame(result);
    const days = (name: string) => cells(frame, name).map((value) => new Date(Number(value)).toISOString().slice(0, 10));
    assert.deepEqual(days('a'), ['2024-03-05', '2024-02-29', '1999-12-31']);
    assert.deepEqual(days('b'), ['2000-01-01', '1969-05-31', '2001-09-09']);
  });

  test('DA2 names given for a file that has its own are refused until it is said which count', async () => {
    const text = `p,q\n${'1,x\n2,y\n'.repeat(5)}`;
    await assert.rejects(home.ingest(text, { columns: ['a', 'b'] }), { code: 'data/two-headers', message: /names as well: p, q/ });
    assert.equal((await home.ingest(text, { columns: ['a', 'b'], header: true })).rows, 10);
    assert.equal((await home.ingest(text, { columns: ['a', 'b'], header: false })).rows, 11);
    assert.equal((await home.ingest(text, { columns: ['P', 'Q'] })).rows, 10, 'the same names again are the header');
    const without = `NA,q\n${'1,x\n2,y\n'.repeat(5)}`;
    assert.equal((await home.ingest(without, { columns: ['a', 'b'] })).rows, 11, 'a missing number is no name');
  });

  test.each(['open', 'read', 'profile', 'store'])('DA3 an abort during "%s" ends ingestion and leaves nothing behind', async (phase) => {
    const own = await createTestHome();
    const controller = new AbortController();
    const onProgress = (event: { phase: string }) => {
      if (event.phase === phase) controller.abort();
    };
    try {
      await assert.rejects(own.ingest(SMALL, {}, { signal: controller.signal, onProgress }), CancelledError);
      assert.deepEqual(await own.leftovers(), []);
      assert.equal((await own.ingest(SMALL)).rows, 3);
    } finally {
      await own.close();
    }
  });

  test('DA3 names in options that the data do not have are refused with the nearest one', async () => {
    await assert.rejects(home.ingest(SMALL, {}, { target: 'agee' }), { code: 'data/unknown-column', message: /Did you mean "age"/ });
    await assert.rejects(home.ingest(SMALL, {}, { exclude: ['citi'] }), { message: /Did you mean "city"/ });
    await assert.rejects(home.ingest(SMALL, {}, { as: { nam: 'text' } }), { message: /Did you mean "name"/ });
    await assert.rejects(home.ingest(SMALL, {}, { as: { name: 'numeric' } }), { code: 'data/role' });
    await assert.rejects(home.ingest('a b c\n1 2 3\n', {}, { target: 'c' }), (thrown: unknown) => {
      assert.match((thrown as PlatformError).help ?? '', /one column, "a b c"; .* --delimiter/);
      return true;
    });
  });

  test('DA4 DuckDB reads nothing outside its folder and its settings are locked', async () => {
    await home.engine.use(async (session) => {
      await assert.rejects(session.rows(`select * from read_text('${process.execPath}')`), /disabled by configuration/);
      await assert.rejects(session.rows('set enable_external_access = true'), /locked/);
      await assert.rejects(session.rows('install httpfs'), /disabled|not.*allowed|Permission/i);
      const inside = session.path('.csv');
      await session.run(`copy (select 1 as a) to '${inside}'`);
      assert.equal((await session.rows(`select * from read_csv('${inside}')`)).length, 1);
    });
  });
});
