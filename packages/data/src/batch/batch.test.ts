import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contract, Frame } from '@slipway/kernel';
import { afterEach, beforeEach, describe, test } from 'vitest';
import { type Engine, createEngine } from '../engine.ts';
import { BatchColumnsError } from '../errors.ts';
import { convertSource, describeSource } from './convert-source.ts';
import { joinShards } from './join-shards.ts';
import { PIECE_ROWS } from './load-piece.ts';
import { planBatch } from './plan-batch.ts';
import type { Answers } from './answer-writer.ts';
import { runShard } from './run-shard.ts';

const shared = { expect: {}, severity: 'error' } as const;
const contract: Contract = {
  format: 'slipway.contract/1',
  fields: [
    { name: 'age', type: 'float64', role: 'numeric', nullable: false, ...shared, expect: { maximum: 120 } },
    { name: 'plan', type: 'string', role: 'categorical', nullable: true, ...shared },
    { name: 'visits', type: 'int64', role: 'numeric', nullable: true, ...shared },
  ],
  ignored: ['id'],
};

let folder = '';
let engine: Engine;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-batch-'));
  engine = createEngine({ workDirectory: join(folder, 'work'), threads: 1 });
});
afterEach(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

/** Answers with the age, and with how the plan was read. */
const seen: Frame[] = [];
async function answer(frame: Frame): Promise<Answers> {
  seen.push(frame);
  const age = frame.columns.get('age');
  const plan = frame.columns.get('plan');
  assert.ok(age?.kind === 'number' && plan?.kind === 'text');
  const failed = Uint8Array.from({ length: frame.rowCount }, (_, row) => (age.values[row] === 13 ? 1 : 0));
  return {
    columns: [
      { name: 'prediction', kind: 'number', values: age.values },
      {
        name: 'known',
        kind: 'text',
        codes: Int32Array.from(plan.codes, (code) => (code < 0 ? 0 : code + 1)),
        levels: ['none', 'basic', 'pro', 'other'],
      },
    ],
    failed,
  };
}

async function shard(text: string, keep: readonly string[] = []) {
  const path = join(folder, 'in.csv');
  const file = join(folder, 'in.parquet');
  await writeFile(path, text);
  const source = await convertSource(engine, { source: { path }, target: file });
  const plan = planBatch(contract, source.columns);
  const [outputPath, rejectsPath] = [join(folder, 'out.parquet'), join(folder, 'rejects.parquet')];
  const knownTexts = new Map([['plan', ['basic', 'pro']]]);
  const result = await runShard(engine, { file, plan, from: 0, to: source.rows, keep, knownTexts, answer, outputPath, rejectsPath });
  const rowsOf = async (written: string) =>
    (await stat(written).catch(() => undefined)) === undefined
      ? []
      : engine.use(async (session) => session.rows(`select * from read_parquet('${await session.link(written, '.parquet')}')`));
  return { plan, result, output: await rowsOf(outputPath), rejects: await rowsOf(rejectsPath), outputPath };
}

describe('a shard', () => {
  test('answers the rows that keep the contract, in order, and sets the others aside with every reason', async () => {
    const text = 'id,age,plan,visits\n1,30,basic,2\n2,abc,pro,1.5\n3,,pro,3\n4,150,free,4\n5,41.5,free,\n6,13,pro,1\n7,20,,9\n';
    const { result, output, rejects } = await shard(text, ['id']);
    assert.deepEqual(
      output.map((row) => [Number(row['row']), Number(row['id']), row['prediction'], row['known']]),
      [
        [0, 1, 30, 'basic'],
        [4, 5, 41.5, 'other'],
        [6, 7, 20, 'none'],
      ],
    );
    assert.deepEqual(
      rejects.map((row) => [Number(row['row']), row['reasons']]),
      [
        [1, 'age: expected a number, got "abc"; visits: expected a whole number, got "1.5"'],
        [2, 'age: expected a number, for every row, got nothing'],
        [3, 'age: expected at most 120, got "150"'],
        [5, 'the model gave no finite number'],
      ],
    );
    assert.deepEqual([result.rows, result.rejected], [7, 4]);
  });

  test('a number that is not finite breaks the contract, a missing one does not, and negative zero is zero', async () => {
    const file = join(folder, 'numbers.parquet');
    await engine.use(async (session) => {
      const path = session.path('.parquet');
      const values = `(values (1.5, 'a'), ('nan'::double, 'b'), ('-infinity'::double, 'c'), (-0.0::double, ''), (2, null)) v(age, plan)`;
      await session.run(`copy (select age::double as age, plan, 1 as visits from ${values}) to '${path}'`);
      await copyFile(path, file);
    });
    const plan = planBatch(contract, await columnsOf(engine, file));
    const [outputPath, rejectsPath] = [join(folder, 'numbers-out.parquet'), join(folder, 'numbers-rejects.parquet')];
    const frames: { age: number[]; plan: number[] }[] = [];
    const remember = async (frame: Frame) => {
      const [age, texts] = [frame.columns.get('age'), frame.columns.get('plan')];
      assert.ok(age?.kind === 'number' && texts?.kind === 'text');
      frames.push({ age: [...age.values], plan: [...texts.codes] });
      return ageOnly(frame);
    };
    const request = { file, plan, from: 0, to: 5, keep: [], knownTexts: new Map(), answer: remember, outputPath, rejectsPath };
    assert.equal((await runShard(engine, request)).rejected, 2);
    assert.deepEqual(frames, [{ age: [1.5, 0, 2], plan: [0, -1, -1] }]);
    assert.ok(Object.is(frames[0]?.age[1], 0));
  });

  test('without a good row there is no output, and without a bad one no rejects (control)', async () => {
    const bad = await shard('id,age,plan,visits\n1,x,basic,2\n2,y,basic,2\n');
    assert.deepEqual([bad.output.length, bad.rejects.length], [0, 2]);
    await rm(join(folder, 'rejects.parquet'));
    const good = await shard('id,age,plan,visits\n1,1,basic,2\n2,2,basic,2\n');
    assert.deepEqual([good.output.length, good.rejects.length, good.result.rejected], [2, 0, 0]);
  });

  test('several pieces and several shards give every row once and in order', async () => {
    const count = 40_000;
    const path = join(folder, 'many.csv');
    const file = join(folder, 'many.parquet');
    await writeFile(path, `age,plan,visits\n${Array.from({ length: count }, (_, row) => `${(row % 100) + 20},pro,${row}`).join('\n')}\n`);
    const source = await convertSource(engine, { source: { path }, target: file });
    const plan = planBatch(contract, source.columns);
    const files: string[] = [];
    for (let from = 0; from < count; from += 15_000) {
      const outputPath = join(folder, `part-${from}.parquet`);
      const to = Math.min(count, from + 15_000);
      await runShard(engine, {
        file,
        plan,
        from,
        to,
        keep: [],
        knownTexts: new Map(),
        answer: ageOnly,
        outputPath,
        rejectsPath: join(folder, 'none'),
      });
      files.push(outputPath);
    }
    const target = join(folder, 'all.csv');
    await joinShards(engine, { files, format: 'csv', target });
    const back = await convertSource(engine, { source: { path: target }, target: join(folder, 'all.parquet') });
    assert.equal(back.rows, count);
    const numbers = (await readFile(target, 'utf8')).split('\n').slice(1, -1);
    assert.deepEqual(
      numbers.map((line) => Number(line.split(',')[0])),
      Array.from({ length: count }, (_, row) => row),
    );
  });

  test('a shard of many pieces, row groups and threads answers every row once and in order', async () => {
    const count = 300_000;
    const file = join(folder, 'long.parquet');
    const wide = createEngine({ workDirectory: join(folder, 'wide'), threads: 4 });
    try {
      await wide.use(async (session) => {
        const path = session.path('.parquet');
        const age = "case when range % 1000 = 5 then 'x' else (range % 100)::varchar end as age";
        await session.run(`copy (select ${age}, 'pro' as plan, range as visits from range(${count})) to '${path}' (row_group_size 20000)`);
        await copyFile(path, file);
      });
      const plan = planBatch(contract, await columnsOf(wide, file));
      const [outputPath, rejectsPath] = [join(folder, 'long-out.parquet'), join(folder, 'long-rejects.parquet')];
      const request = { file, plan, from: 1_000, to: count, keep: ['visits'], knownTexts: new Map(), answer: ageOnly };
      const { rejected } = await runShard(wide, { ...request, outputPath, rejectsPath });
      assert.equal(rejected, (count - 1_000) / 1_000);
      await wide.use(async (session) => {
        const output = `read_parquet('${await session.link(outputPath, '.parquet')}')`;
        const wrong = `"row" % 100 <> prediction or "row" <> visits or "row" % 1000 = 5`;
        const [sums] = await session.rows(
          `select count(*)::int n, count(distinct "row")::int as different, count(*) filter (${wrong})::int as wrong,
             min("row")::int as first, max("row")::int as last from ${output}`,
        );
        assert.deepEqual(sums, {
          n: count - 1_000 - rejected,
          different: count - 1_000 - rejected,
          wrong: 0,
          first: 1_000,
          last: count - 1,
        });
      });
    } finally {
      await wide.close();
    }
  });
});

describe('pieces that are answered at once', () => {
  const PIECES = 9;
  const count = PIECES * PIECE_ROWS - 100;

  async function request(answerPiece: (frame: Frame) => Promise<Answers>) {
    const file = join(folder, 'pieces.parquet');
    await engine.use(async (session) => {
      const path = session.path('.parquet');
      await session.run(`copy (select range as age, 'pro' as plan, range as visits from range(${count})) to '${path}'`);
      await copyFile(path, file);
    });
    const whole: Contract = { ...contract, fields: contract.fields.map((field) => ({ ...field, expect: {} })) };
    const plan = planBatch(whole, await columnsOf(engine, file));
    const [outputPath, rejectsPath] = [join(folder, 'pieces-out.parquet'), join(folder, 'pieces-rejects.parquet')];
    return { file, plan, from: 0, to: count, keep: [], knownTexts: new Map(), answer: answerPiece, outputPath, rejectsPath };
  }

  test('are no more than asked for, and are written in their order, whichever is answered first', async () => {
    for (const answersAtOnce of [1, 4]) {
      let [waiting, most, seenPieces] = [0, 0, 0];
      const answerLate = async (frame: Frame) => {
        most = Math.max(most, (waiting += 1));
        // The first of four takes the longest.
        await sleep(4 * (4 - (seenPieces++ % 4)));
        waiting -= 1;
        return ageOnly(frame);
      };
      const asked = await request(answerLate);
      await runShard(engine, { ...asked, answersAtOnce });
      assert.equal(most, answersAtOnce);
      assert.equal(seenPieces, PIECES);
      await engine.use(async (session) => {
        const output = `read_parquet('${await session.link(asked.outputPath, '.parquet')}', file_row_number = true)`;
        const wrong = '"row" <> prediction or "row" <> file_row_number';
        const [sums] = await session.rows(`select count(*)::int as n, count(*) filter (${wrong})::int as wrong from ${output}`);
        assert.deepEqual(sums, { n: count, wrong: 0 });
      });
    }
  });

  test('when one of them fails, so does the shard, and nothing is written', async () => {
    let pieces = 0;
    const asked = await request(async (frame) => {
      if ((pieces += 1) === 3) throw new Error('the model fell over');
      await sleep(5);
      return ageOnly(frame);
    });
    await assert.rejects(runShard(engine, { ...asked, answersAtOnce: 4 }), /the model fell over/);
    assert.equal(await stat(asked.outputPath).catch(() => undefined), undefined);
  });

  test('are all answered before the shard says so, and nothing is written by then', async () => {
    let rows = 0;
    const asked = await request(ageOnly);
    const told: unknown[] = [];
    const onAnswered = () => told.push([rows, existsSync(asked.outputPath)]);
    await runShard(engine, { ...asked, answersAtOnce: 4, onRows: (more) => (rows += more), onAnswered });
    assert.deepEqual(told, [[count, false]]);
    assert.ok(existsSync(asked.outputPath));
  });
});

async function columnsOf(from: Engine, file: string) {
  return (await describeSource(from, file)).columns;
}

async function ageOnly(frame: Frame): Promise<Answers> {
  const age = frame.columns.get('age');
  assert.ok(age?.kind === 'number');
  return { columns: [{ name: 'prediction', kind: 'number', values: age.values }], failed: new Uint8Array(frame.rowCount) };
}

describe('the plan of a table', () => {
  const columns = [
    { name: 'age', sqlType: 'BIGINT' },
    { name: 'plan', sqlType: 'VARCHAR' },
    { name: 'visits', sqlType: 'INTEGER' },
  ];

  test('a column that may be missing is noted, one that may not is an error that names the nearest', () => {
    assert.deepEqual(planBatch(contract, columns.slice(0, 2)).absent, ['visits']);
    assert.throws(
      () => planBatch(contract, [{ name: 'Age', sqlType: 'BIGINT' }, ...columns.slice(1)]),
      (error: unknown) => error instanceof BatchColumnsError && /"age" \(is it "Age"\?\)/.test(error.message),
    );
  });

  test('columns that the contract does not know are left out and named; the ignored are not worth a note', () => {
    assert.deepEqual(planBatch(contract, [...columns, { name: 'id', sqlType: 'BIGINT' }, { name: 'extra', sqlType: 'DATE' }]).extra, [
      'extra',
    ]);
  });
});
