import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LaunchResult } from '@slipway/project/contract';
import { type RunningServer, startServer } from '@slipway/server';
import { prepareTestHome } from '@slipway/server/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { objectOf, runCommand } from './testing/run-command.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const KEY = 'cli-known-table-key-0123456789-0123456789';

/** Loans whose fee is a line through the amount that is to be predicted. */
function loans(): string {
  // The minimal standard generator: enough for a table that is the same every time.
  let state = 77;
  const next = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const lines = Array.from({ length: 400 }, (_, row) => {
    const income = Math.round(20 + 40 * next());
    const amount = Math.round(3 * income + 20 * next());
    return `${row % 2 === 0 ? 'north' : 'south'},${income},${2 * amount + 5},${amount},${income + 25 * next() > 52 ? 'yes' : 'no'}`;
  });
  return ['region,income,fee,amount,repaid', ...lines, ''].join('\n');
}

describe('a table that is known already', () => {
  let folder: string;
  let home: string;
  let server: RunningServer;
  const slipway = (...args: readonly string[]) => runCommand([...args, '--home', home], { SLIPWAY_KEY: KEY });
  const launch = (...flags: readonly string[]) => slipway('launch', join(folder, 'loans.csv'), '--seconds', '1', '--json', ...flags);
  const repaid = ['--target', 'repaid', '--exclude', 'fee,amount', '--name', 'loans'];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-known-'));
    home = join(folder, 'home');
    await writeFile(join(folder, 'loans.csv'), loans());
    await prepareTestHome(home);
    server = await startServer({ home, port: 0, listen: true, adminKey: KEY, log: () => {} });
    objectOf(await launch(...repaid));
  });
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test.each([
    [['--immutable', 'incom'], /no column "incom" \(immutable\)\. Did you mean "income"/],
    [['--accept-leak', 'x'], /no column "x" \(acceptLeak\)/],
    [['--fair', 'regio=0.8'], /no column "regio" \(sensitive\)/],
    [['--sensitive', 'repaid'], /"repaid" is the target/],
    [['--monotone', 'region=increasing'], /"region" cannot be monotone/],
    [['--cost-over', '1', '--cost-under', '2'], /number/],
  ])('is asked as strictly as a new one: %j', async (flags, said) => {
    const ended = await launch(...repaid, ...flags);
    assert.equal(ended.code, 2, ended.stdout);
    assert.match(objectOf<{ error: { message: string } }>(ended, 2).error.message, said);
  });

  test('a saved configuration with gates, costs and limits of its own makes nothing new when applied', async () => {
    const config = join(folder, 'slipway.config.ts');
    const flags = ['--fair', 'region=0.1', '--robust', 'typo=0.9', '--monotone', 'income=increasing', '--cost-fp', '1', '--cost-fn', '2'];
    const launched = objectOf<LaunchResult>(await launch(...repaid, ...flags, '--save', config));
    // A process of its own: a definition is imported as Node imports it.
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'apply', config, '--json', '--home', home], {
      env: { ...process.env, SLIPWAY_KEY: KEY },
    });
    const [result] = (JSON.parse(stdout) as { applied: LaunchResult[] }).applied;
    assert.deepEqual(
      [result?.created, result?.version, result?.report, result?.release?.revision],
      [false, launched.version, launched.report, launched.release?.revision],
    );
  });

  test('what is demanded of a column that is dropped as a leak has no effect, and that is said', async () => {
    const flags = ['--target', 'amount', '--exclude', 'repaid', '--name', 'amounts', '--monotone', 'fee=increasing,income=increasing'];
    const result = objectOf<LaunchResult>(await launch(...flags));
    assert.equal(result.leakage[0]?.action, 'dropped');
    assert.match(result.notes.find((each) => each.column === 'fee')?.note ?? '', /left out as a leak/);
  });

  test('the card of a model is found by its name', async () => {
    const { code, stdout } = await slipway('report', 'loans', '--card');
    assert.equal(code, 0);
    assert.match(stdout, /^# Model card: loans version /);
    assert.equal((await slipway('report', 'nobody', '--card')).code, 5);
  });
});
