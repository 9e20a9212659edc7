import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type RunningServer, startServer } from '@slipway/server';
import { prepareTestHome } from '@slipway/server/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { objectOf, runCommand } from './testing/run-command.ts';

const KEY = 'cli-test-key-0123456789-0123456789-0123';
const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const ROWS = 240;

interface Launched {
  readonly release: { readonly name: string; readonly url: string; readonly revision: number } | null;
  readonly version: string;
  readonly recipe: string;
  readonly gates: readonly { readonly name: string; readonly passed: boolean }[];
}
interface Predicted {
  readonly revision: number;
  readonly predictions: readonly { readonly invocation: string; readonly prediction: string; readonly probabilities: object }[];
}
interface Listed<T> {
  readonly items: readonly T[];
}

/** Customers who leave when they are young; `noise` makes it a matter of chance. */
function customers(noise: boolean): string {
  // The minimal standard generator: enough for a table that is the same every time.
  let state = 20_261;
  const next = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const lines = Array.from({ length: ROWS }, (_, row) => {
    const age = 18 + Math.floor(60 * next());
    const leaves = noise ? next() < 0.5 : age + 20 * (next() + next() - 1) < 45;
    return `c${row},${age},${['basic', 'pro', 'team'][Math.floor(3 * next())]},${leaves ? 'yes' : 'no'}`;
  });
  return ['customer,age,plan,left', ...lines, ''].join('\n');
}

/** One life of one release, from the first launch to a restored copy of it; each test stands on those before it. */
describe('the commands over a running server', () => {
  let folder: string;
  let home: string;
  let server: RunningServer;
  let first: Launched;
  const row = JSON.stringify({ age: 21, plan: 'pro' });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-commands-'));
    home = join(folder, 'home');
    await writeFile(join(folder, 'churn.csv'), customers(false));
    await writeFile(join(folder, 'chance.csv'), customers(true));
    server = await startServer({ home, port: 0, listen: true, adminKey: KEY, log: () => {} });
  });
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const slipway = (...args: readonly string[]) => runCommand([...args, '--home', home], { SLIPWAY_KEY: KEY });
  const launch = (file: string, ...flags: readonly string[]) =>
    slipway('launch', join(folder, file), '--target', 'left', '--subject', 'customer', '--seconds', '1', '--json', ...flags);
  const ask = async <T>(...args: readonly string[]) => objectOf<T>(await slipway(...args, '--json'));

  test('launch prints one JSON object with the keys that were promised', async () => {
    const ended = await launch('churn.csv', '--save', join(folder, 'slipway.config.ts'));
    first = objectOf<Launched>(ended);
    for (const [path, keys] of Object.entries(PROMISED)) {
      const part = path.split('.').reduce<unknown>((value, key) => (key === '' ? value : pick(value, key)), first);
      assert.deepEqual(
        keys.filter((key) => !Object.hasOwn(part as object, key)),
        [],
        `${path || 'the object'} lacks keys`,
      );
    }
    assert.deepEqual(Object.keys(first).toSorted(), [...(PROMISED[''] ?? []), ...ALSO_SAID].toSorted());
    assert.deepEqual([first.release?.name, first.release?.revision], ['churn', 1]);
    assert.match(ended.stderr, /upload.*data.*search.*saved .*slipway\.config\.ts/s, 'progress is on stderr');
  });

  test('apply of what launch saved makes nothing new: the same version, the same revision', async () => {
    const before = await ask<Listed<{ id: string }>>('versions');
    // A process of its own: a definition is imported as Node imports it.
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'apply', '--json', '--home', home], {
      cwd: folder,
      env: { ...process.env, SLIPWAY_KEY: KEY },
    });
    const { applied } = JSON.parse(stdout) as { applied: Launched[] };
    assert.deepEqual(
      applied.map(({ version, recipe, release }) => [version, recipe, release?.revision]),
      [[first.version, first.recipe, 1]],
    );
    assert.deepEqual(await ask('versions'), before);
  });

  test('launching again makes version 2 and revision 2; rollback makes 1 answer at once', async () => {
    const second = objectOf<Launched>(await launch('churn.csv'));
    assert.equal(second.release?.revision, 2);
    assert.notEqual(second.version, first.version);
    const models = await ask<Listed<{ number: number }>>('versions', '--kind', 'model', '--name', 'churn');
    assert.deepEqual(models.items.map(({ number }) => number).toSorted(), [1, 2]);
    assert.equal((await ask<Predicted>('predict', 'churn', row)).revision, 2);
    const back = await slipway('rollback', 'churn', '--reason', 'the test says so');
    assert.equal(back.stdout, 'churn: revision 1 is live\n');
    const reply = await ask<Predicted & { version: string }>('predict', 'churn', row);
    assert.deepEqual([reply.revision, reply.version], [1, first.version]);
    assert.deepEqual(
      reply.predictions.map(({ prediction }) => prediction),
      ['yes'],
    );
    assert.equal((await slipway('rollback', 'churn')).code, 6, 'there is nothing before revision 1');
    assert.equal((await slipway('rollback', 'nobody')).code, 5);
  });

  test('what happened can be listed, and read by people', async () => {
    const { items } = await ask<Listed<{ id: string; status: string }>>('runs');
    assert.deepEqual(new Set(items.map(({ status }) => status)), new Set(['succeeded']));
    const run = await slipway('runs', items[0]?.id ?? '');
    assert.match(run.stdout, /project\.launch {2}succeeded/);
    assert.match((await slipway('versions')).stdout, /^version .*\n─+[^]*model/);
    assert.match((await slipway('versions', first.version)).stdout, /from dv_\S+ \(training-data\)/);
    assert.match((await slipway('releases')).stdout, /churn .* r1 100 %/);
    assert.match((await slipway('releases', 'churn')).stdout, /●\s+1 /);
    const history = await slipway('releases', 'history', 'churn');
    assert.match(history.stdout, /rolled.*the test says so/);
    assert.equal((await slipway('releases', 'history', 'nobody')).code, 5);
    assert.match((await slipway('predict', 'churn', `[${row},${row}]`)).stdout, /inv_.* yes +no [\d.e-]+ +yes [\d.]+\n.*inv_/);
    assert.match((await slipway('monitor', 'churn')).stdout, /churn revision \d: \d+ calls[^]*age[^]*quality/);
    assert.match((await slipway('audit', 'verify')).stdout, /^ok: \d+ events verified/);
    const doctor = await ask<{ ok: boolean; findings: { status: string }[] }>('doctor');
    assert.ok(doctor.ok && doctor.findings.length >= 6, JSON.stringify(doctor));
  });

  test('a call that breaks the contract shows the row, the field, what was expected and what came', async () => {
    const wrong = await slipway('predict', 'churn', '{"age":"old","plan":"pro"}');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /row 0, field age.*expected a whole number, got text "old"/);
  });

  test('a model no better than chance is not released: exit code 3, release null, and what to do', async () => {
    const refused = await launch('chance.csv');
    const result = objectOf<Launched>(refused, 3);
    assert.equal(result.release, null);
    assert.deepEqual(Object.keys(result).toSorted(), Object.keys(first).toSorted(), 'the same object');
    assert.ok(result.gates.some(({ name, passed }) => name.includes('baseline') && !passed));
    assert.match(refused.stderr, /✗ .*baseline.*Not released.*--force/s);
    assert.equal((await slipway('predict', 'chance', row)).code, 5, 'nothing is live');
    const forced = objectOf<Launched>(await launch('chance.csv', '--force'));
    assert.equal(forced.release?.revision, 1);
    const { items } = await ask<Listed<{ type: string; principal: string; subject: { id: string } }>>('audit', 'list', '--limit', '500');
    const override = items.filter(({ type }) => type === 'evaluation.gates.overridden');
    const admin = server.house.identity.authenticateCached(KEY)?.id;
    assert.deepEqual(
      override.map(({ principal, subject }) => [principal, subject.id]),
      [[admin, 'chance']],
    );
  });

  test('erase removes a person and says what was done', async () => {
    await slipway('predict', 'churn', row, '--subject', 'c7');
    const receipt = await ask<{ invocations: number; rows: number; datasets: unknown[] }>('erase', '--subject', 'c7');
    assert.deepEqual([receipt.invocations, receipt.rows, receipt.datasets.length], [1, 2, 2]);
    const again = await ask<{ invocations: number; rows: number }>('erase', '--subject', 'c7');
    assert.deepEqual([again.invocations, again.rows], [0, 0]);
    assert.ok((await ask<{ ok: boolean }>('audit', 'verify')).ok);
  });

  test('a key that is not one of the home ends with 4, in words', async () => {
    const ended = await runCommand(['releases', '--home', home], { SLIPWAY_KEY: 'another-key-0123456789-0123456789-0123' });
    assert.equal(ended.code, 4);
    assert.match(ended.stderr, /error\[identity\/.*key.*\n {2}try: /);
    assert.equal((await runCommand(['releases', '--home', home])).code, 0, 'without a key the owner of the home is trusted');
  });

  test('--home wins over SLIPWAY_HOME, and a port in use ends with 6', async () => {
    const elsewhere = join(folder, 'elsewhere');
    await prepareTestHome(elsewhere);
    const flagged = await runCommand(['releases', '--home', home, '--json'], { SLIPWAY_HOME: elsewhere, SLIPWAY_KEY: KEY });
    const fromEnv = await runCommand(['releases', '--json'], { SLIPWAY_HOME: home, SLIPWAY_KEY: KEY });
    assert.deepEqual(objectOf(flagged), objectOf(fromEnv));
    const port = new URL(server.url ?? '').port;
    const busy = await runCommand(['up', '--port', port], { SLIPWAY_HOME: elsewhere, SLIPWAY_KEY: KEY });
    assert.equal(busy.code, 6, busy.stderr);
    assert.match(busy.stderr, new RegExp(`Port ${port} on 127\\.0\\.0\\.1 is in use[^]*try: Choose another with --port`));
  });

  test('backup and restore give the same releases and the same predictions elsewhere', async () => {
    const file = join(folder, 'backup.gz');
    const { sizeBytes } = await ask<{ sizeBytes: number }>('backup', file);
    assert.equal(sizeBytes, (await readFile(file)).length);
    const releases = await ask('releases');
    const here = await ask<Predicted>('predict', 'churn', row);
    assert.equal((await slipway('restore', file)).code, 6, 'a home in use is left alone');
    // One process runs one engine: from here on each command is its own server.
    await server.close();
    const copy = join(folder, 'copy');
    const inCopy = (...args: readonly string[]) => runCommand([...args, '--home', copy, '--json'], { SLIPWAY_KEY: KEY });
    assert.ok(objectOf<{ objects: number }>(await inCopy('restore', file)).objects > 5);
    assert.deepEqual(objectOf(await inCopy('releases')), releases);
    const there = objectOf<Predicted>(await inCopy('predict', 'churn', row));
    assert.deepEqual([there.revision, there.predictions[0]?.probabilities], [here.revision, here.predictions[0]?.probabilities]);
    assert.equal((await inCopy('restore', file)).code, 6, 'a home that holds data is not overwritten');
    await writeFile(join(folder, 'cut.gz'), (await readFile(file)).subarray(0, sizeBytes / 2));
    const cut = await runCommand(['restore', join(folder, 'cut.gz'), '--home', join(folder, 'other')]);
    assert.equal(cut.code, 2, cut.stderr);
    assert.match(cut.stderr, /cut|cannot be read/);
    assert.ok(!existsSync(join(folder, 'other')), 'nothing was made of it');
    const forced = await runCommand(['restore', join(folder, 'cut.gz'), '--force', '--home', copy]);
    assert.equal(forced.code, 2, forced.stderr);
    assert.deepEqual(objectOf(await inCopy('releases')), releases, 'and nothing replaced by it');
  });
});

/** The object of issue 2, point 10: keys by the part they belong to. */
const PROMISED: Readonly<Record<string, readonly string[]>> = {
  '': 'release version recipe task trainer rows split leakage baseline metrics gates parity seconds'.split(' '),
  release: ['name', 'url', 'revision'],
  rows: ['train', 'test'],
  split: ['strategy', 'seed'],
  'metrics.roc_auc': ['value', 'low', 'high'],
  'gates.0': ['name', 'passed', 'value', 'threshold'],
  parity: ['maxError'],
  seconds: ['total'],
  baseline: ['roc_auc', 'accuracy'],
};
/** What is said beyond the promise; whatever is added later must be added here. */
const ALSO_SAID = [
  ...'comparison created dataset decision example fairness forced forecast importances notes objective'.split(' '),
  ...'report robustness rules run seed slices unsupervised'.split(' '),
];

function pick(value: unknown, key: string): unknown {
  assert.ok(value !== null && typeof value === 'object', `nothing holds ${key}`);
  return (value as Record<string, unknown>)[key];
}
