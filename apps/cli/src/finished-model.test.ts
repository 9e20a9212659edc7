import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelLaunchResult } from '@slipway/project/contract';
import { type RunningServer, startServer } from '@slipway/server';
import { prepareTestHome } from '@slipway/server/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { objectOf, runCommand } from './testing/run-command.ts';
import { runProcess } from './testing/run-process.ts';

const KEY = 'cli-test-key-0123456789-0123456789-0123';

/** y = 2 a + b as one MatMul over an input `x` [N, 2]: what a trainer elsewhere would have written. */
const LINE = Buffer.from(
  'CAoSB3NsaXB3YXk6dwokCgF4Cgpjb25zdGFudDowEgF5GghNYXRNdWxfMCIGTWF0TXVsEgVnaXZlbiocCgICARABQgpjb25zdGFudDowSggAAABAAACAP1oUCgF4Eg8KDQgBEgkKAxIBTgoCCAJiFAoBeRIPCg0IARIJCgMSAU4KAggBQgIQFUIOCgphaS5vbm54Lm1sEAQ=',
  'base64',
);

interface Applied {
  readonly applied: readonly ModelLaunchResult[];
}

describe('a finished model as a definition, over a running server', () => {
  let folder: string;
  let server: RunningServer;
  let config: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-finished-'));
    config = join(folder, 'slipway.config.ts');
    const rows = Array.from({ length: 60 }, (_, row) => `${row % 7},${row % 11},${2 * (row % 7) + (row % 11) + (row % 3) / 10}`);
    await writeFile(join(folder, 'line.onnx'), LINE);
    await writeFile(join(folder, 'rows.csv'), ['a,b,y', ...rows, ''].join('\n'));
    await prepareTestHome(join(folder, 'home'));
    server = await startServer({ home: join(folder, 'home'), port: 0, listen: true, adminKey: KEY, log: () => {} });
  }, 120_000);
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const slipway = (...args: readonly string[]) => {
    const run = args[0] === 'apply' ? runProcess : runCommand;
    return run([...args, '--home', join(folder, 'home')], { SLIPWAY_KEY: KEY });
  };
  const apply = async (file = config) => objectOf<Applied>(await slipway('apply', file, '--json')).applied;

  test('is saved as TypeScript that, applied, makes nothing new', async () => {
    const files = [join(folder, 'line.onnx'), '--reference', join(folder, 'rows.csv'), '--target', 'y', '--columns', 'a,b'];
    const launched = objectOf<ModelLaunchResult>(await slipway('launch', ...files, '--name', 'line', '--save', config, '--json'));
    assert.deepEqual([launched.created, launched.release.revision], [true, 1]);
    const text = await readFile(config, 'utf8');
    assert.match(text, /onnx: file\('\.\/line\.onnx'\),\n {2}reference: file\('\.\/rows\.csv'\),\n {2}target: 'y',/);
    for (const again of [await apply(), await apply()]) {
      const [made] = again;
      assert.equal(again.length, 1);
      // The same JSON as the launch, but for the run that looked and what was there already.
      assert.deepEqual({ ...made, run: '', created: true }, { ...launched, run: '' });
      assert.equal(made?.created, false);
    }
    const card = await slipway('report', 'line', '--card');
    assert.match(card.stdout, /Model card: line version 1[\s\S]*line\.onnx[\s\S]*\| rmse \|/, card.stderr);
    assert.match((await slipway('report', 'line')).stderr, /made elsewhere have a card: --card/);
    const reply = objectOf<{ predictions: { prediction: number }[] }>(await slipway('predict', 'line', '{"a":3,"b":4}', '--json'));
    assert.equal(reply.predictions[0]?.prediction, 10);
  }, 120_000);

  test('a changed definition makes a new revision, once', async () => {
    const text = await readFile(config, 'utf8');
    await writeFile(config, text.replace("target: 'y',", "target: 'y',\n  as: { b: 'numeric' },\n  subject: 'a',"));
    const [changed] = await apply();
    assert.deepEqual([changed?.created, changed?.release.revision], [true, 2]);
    assert.equal((await apply())[0]?.release.revision, 2);
  }, 120_000);

  test('written by hand, with a named dataset and without reference data', async () => {
    const written = join(folder, 'written.config.ts');
    await writeFile(
      written,
      `import { csv, dataset, defineProject, file, model, release } from 'slipway';
       const rows = dataset('known-rows', { source: csv('rows.csv'), exclude: ['y'] });
       const known = model('known', { onnx: file('line.onnx'), reference: rows });
       const bare = model('bare', { onnx: file('line.onnx'), columns: ['left', 'right'] });
       export default defineProject('lines', [rows, known, bare, release('known', { serve: known }), release('served', { serve: bare })]);\n`,
    );
    const made = await apply(written);
    assert.deepEqual(
      made.map(({ release, inputs, reference }) => [release.name, inputs.map((input) => input.name).join(), reference === null]),
      [
        ['known', 'a,b', false],
        ['served', 'left,right', true],
      ],
    );
    assert.ok((await slipway('datasets', '--json')).stdout.includes('"known-rows"'));
    assert.deepEqual(
      (await apply(written)).map(({ created, release }) => [created, release.revision]),
      [
        [false, 1],
        [false, 1],
      ],
    );
  }, 120_000);

  test('what cannot be is refused by release and field before anything is sent', async () => {
    const wrong = join(folder, 'wrong.config.ts');
    const refused = async (options: string) => {
      await writeFile(
        wrong,
        `import { defineProject, file, model, release } from 'slipway';
         const m = model('m', { onnx: file('line.onnx'), ${options} });
         export default defineProject('p', [m, release('m', { serve: m })]);\n`,
      );
      const ended = await slipway('apply', wrong);
      assert.equal(ended.code, 2, ended.stdout);
      return ended.stderr;
    };
    assert.match(await refused("target: 'y'"), /Release "m": target: names a column of the reference data, and there are none/);
    assert.match(await refused("scores: 'odds'"), /Release "m": scores/);
    await writeFile(wrong, (await readFile(wrong, 'utf8')).replace("scores: 'odds'", '').replace('line.onnx', 'none.onnx'));
    assert.match((await slipway('apply', wrong)).stderr, /There is no file ".*none\.onnx"/);
  }, 60_000);
});
