import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { syntheticModel } from '@slipway/models/testing';
import type { BatchResult } from '@slipway/project/contract';
import { type RunningServer, startServer } from '@slipway/server';
import { prepareTestHome } from '@slipway/server/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { objectOf, runCommand } from './testing/run-command.ts';

const KEY = 'cli-predict-table-key-0123456789-0123456';
const ROWS = 60_000;
/** Every so many rows one holds a text where the model takes a number. */
const BROKEN_EVERY = 1_000;
const GOOD = ROWS - ROWS / BROKEN_EVERY;

interface Row {
  readonly id: number;
  readonly n0: number | string;
  readonly n1: number | null;
  readonly c0: string;
}

const ROWS_MADE: readonly Row[] = Array.from({ length: ROWS }, (_, id) => ({
  id,
  n0: id % BROKEN_EVERY === 9 ? 'many' : (id * 7919) % 8,
  n1: id % 13 === 0 ? null : ((id * 104_729) % 800) / 100,
  c0: ['red', 'green', 'blue'][id % 3] as string,
}));

const csv = (rows: readonly Row[]) => ['id,n0,n1,c0', ...rows.map(({ id, n0, n1, c0 }) => `${id},${n0},${n1 ?? ''},${c0}`), ''].join('\n');

interface Answer {
  readonly row: number;
  readonly id: number;
  readonly prediction: string;
  readonly probability_yes: number;
}

interface Shown extends BatchResult {
  readonly outputFile: string | null;
  readonly rejectsFile: string | null;
}

describe('slipway predict NAME FILE -o FILE', () => {
  let folder: string;
  let home: string;
  let server: RunningServer;
  const at = (name: string) => join(folder, name);
  const slipway = (...args: readonly string[]) => runCommand([...args, '--home', home], { SLIPWAY_KEY: KEY });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-predict-table-'));
    home = join(folder, 'home');
    await writeFile(at('model.onnx'), syntheticModel({ numeric: 2, categorical: 1, trees: 20, depth: 4 }).bytes);
    await writeFile(at('rows.csv'), csv(ROWS_MADE));
    await prepareTestHome(home);
    server = await startServer({ home, port: 0, listen: true, adminKey: KEY, log: () => {} });
    objectOf(await slipway('launch', at('model.onnx'), '--name', 'colours', '--output', 'probabilities', '--json'));
  });
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** What DuckDB reads in a file that was written. */
  async function rowsIn<T>(name: string): Promise<T[]> {
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    // "yes" and "no" of a text file would be read as true and false.
    const source = name.endsWith('.csv') ? `read_csv('${at(name)}', types = {'prediction': 'VARCHAR'})` : `'${at(name)}'`;
    const reader = await connection.runAndReadAll(`select * from ${source} order by "row"`);
    return reader.getRowObjectsJS() as T[];
  }

  test('answers every row of a CSV as calls of the release would, and sets broken rows aside with their reasons', async () => {
    const ended = await slipway('predict', 'colours', at('rows.csv'), '-o', at('out.parquet'), '--keep', 'id', '--json');
    const result = objectOf<Shown>(ended);
    assert.deepEqual([result.rows, result.predicted, result.rejected], [ROWS, GOOD, ROWS / BROKEN_EVERY]);
    assert.deepEqual([result.outputFile, result.rejectsFile], [at('out.parquet'), at('out.rejects.parquet')]);
    const answers = await rowsIn<Answer>('out.parquet');
    assert.equal(answers.length, GOOD);
    assert.ok(answers.every(({ row, id }) => Number(row) === Number(id)));
    assert.ok(answers.every(({ row }) => Number(row) % BROKEN_EVERY !== 9));
    const rejects = await rowsIn<{ row: bigint; reasons: string; n0: string }>('out.rejects.parquet');
    assert.deepEqual(
      rejects.map(({ row }) => Number(row)),
      Array.from({ length: ROWS / BROKEN_EVERY }, (_, index) => index * BROKEN_EVERY + 9),
    );
    assert.ok(rejects.every(({ reasons, n0 }) => n0 === 'many' && reasons === 'n0: expected a number, got "many"'));
    await assertLikeCalls(answers);
  });

  /** The answers of some rows, each of the shard's pieces among them, beside what a call says. */
  async function assertLikeCalls(answers: readonly Answer[]): Promise<void> {
    const chosen = answers.filter((_, index) => index % 997 === 0);
    const rows = chosen.map(({ row }) => {
      const { n0, n1, c0 } = ROWS_MADE[Number(row)] as Row;
      return { n0, n1, c0 };
    });
    const { predictions } = objectOf<{ predictions: { prediction: string; probabilities: { yes: number } }[] }>(
      await slipway('predict', 'colours', JSON.stringify(rows), '--json'),
    );
    assert.deepEqual(
      chosen.map((answer) => answer.prediction),
      predictions.map(({ prediction }) => prediction),
    );
    // Trees are summed in another order when many rows are answered at a time.
    const apart = chosen.map((answer, index) => Math.abs(answer.probability_yes - (predictions[index]?.probabilities.yes ?? Number.NaN)));
    assert.ok(Math.max(...apart) <= 1e-6, `${Math.max(...apart)} apart`);
  }

  test('Parquet and NDJSON give the same answers as the CSV, in every format of output', async () => {
    const few = ROWS_MADE.filter(({ n0 }) => typeof n0 === 'number').slice(0, 5_000);
    await writeFile(at('few.csv'), csv(few));
    await writeFile(at('few.ndjson'), few.map((row) => JSON.stringify(row)).join('\n'));
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    await connection.run(`copy (select * from read_json('${at('few.ndjson')}')) to '${at('few.parquet')}'`);
    const outputs = { 'few.csv': 'a.parquet', 'few.ndjson': 'b.csv', 'few.parquet': 'c.ndjson' };
    const read: unknown[][] = [];
    for (const [input, output] of Object.entries(outputs)) {
      const result = objectOf<Shown>(await slipway('predict', 'colours', at(input), '-o', at(output), '--json'));
      assert.deepEqual([result.predicted, result.rejected, result.rejectsFile], [few.length, 0, null]);
      const answers = await rowsIn<Answer>(output);
      read.push(answers.map(({ row, prediction, probability_yes }) => [Number(row), prediction, probability_yes]));
    }
    assert.equal(read[0]?.length, few.length);
    assert.deepEqual(read[1], read[0]);
    assert.deepEqual(read[2], read[0]);
  });

  test('says on stderr how far it is, and on stdout what it made', async () => {
    const { code, stdout, stderr } = await slipway('predict', 'colours', at('rows.csv'), '-o', at('told.csv'));
    assert.equal(code, 0);
    for (const line of [
      /^upload .*rows\.csv/m,
      /^predict .* of 60,000 rows/m,
      /^join .*1 shards?/m,
      /^done .*59940 rows predicted, 60 set aside/m,
    ])
      assert.match(stderr, line);
    assert.match(stdout, /59940 of 60000 rows predicted by colours revision 1/);
    assert.match(stdout, /60 rows set aside, with reasons: .*told\.rejects\.csv/);
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.endsWith('.part')),
      [],
    );
  });

  test('is a run, and its predictions a version whose parent is the model', async () => {
    const result = objectOf<Shown>(await slipway('predict', 'colours', at('rows.csv'), '-o', at('kept.ndjson'), '--json'));
    const run = objectOf<{ workflow: string; status: string; title: string }>(await slipway('runs', result.run, '--json'));
    assert.deepEqual([run.workflow, run.status, run.title], ['project.batch', 'succeeded', 'predict colours for rows.csv']);
    const version = objectOf<{ kind: string; lineage: { edges: { child: string; parent: string; role: string }[] } }>(
      await slipway('versions', result.predictions, '--json'),
    );
    assert.equal(version.kind, 'predictions');
    const parents = version.lineage.edges.filter(({ child }) => child === result.predictions);
    assert.deepEqual(
      parents.map(({ parent, role }) => [parent, role]),
      [[result.version, 'model']],
    );
    assert.equal((await readFile(at('kept.ndjson'), 'utf8')).trim().split('\n').length, GOOD);
  });

  test.each([
    ['a release that is not there', ['nobody', 'rows.csv', '-o', 'x.parquet'], 5, /nobody/],
    ['an output without a format', ['colours', 'rows.csv', '-o', 'x.xlsx'], 2, /Use \.parquet, \.csv or \.ndjson/],
    ['an output over its input', ['colours', 'rows.csv', '-o', 'rows.csv'], 2, /overwritten/],
    ['a column to keep that is not there', ['colours', 'rows.csv', '-o', 'x.csv', '--keep', 'ident'], 2, /no column "ident"/],
    ['an input that is not there', ['colours', 'gone.csv', '-o', 'x.csv'], 5, /gone\.csv/],
  ])('%s is refused and leaves no file', async (_name, args, code, words) => {
    const paths = args.map((arg) => (/\.(?:csv|parquet|xlsx)$/.test(arg) ? at(arg) : arg));
    const ended = await slipway('predict', ...paths);
    assert.equal(ended.code, code, ended.stderr);
    assert.match(ended.stderr, words);
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith('x.')),
      [],
    );
  });
});
