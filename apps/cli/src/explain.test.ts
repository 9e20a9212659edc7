import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Explanation } from '@slipway/kernel';
import { type RunningServer, startServer } from '@slipway/server';
import { prepareTestHome } from '@slipway/server/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { objectOf, runCommand } from './testing/run-command.ts';

const KEY = 'explain-test-key-0123456789-0123456789-01';
const ROWS = 300;

/** Loans are granted by income and plan; the age has nothing to do with it. */
function loans(): string {
  // The minimal standard generator: enough for a table that is the same every time.
  let state = 4_711;
  const next = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const lines = Array.from({ length: ROWS }, (_, row) => {
    const income = 20 + Math.floor(60 * next());
    const plan = ['basic', 'plus', 'pro'][Math.floor(3 * next())] as string;
    const granted = income + (plan === 'pro' ? 15 : 0) + 10 * (next() - 0.5) > 55;
    return `p${row},${income},${18 + Math.floor(50 * next())},${plan},${granted ? 'yes' : 'no'}`;
  });
  return ['person,income,age,plan,granted', ...lines, ''].join('\n');
}

interface Explained {
  readonly invocation: string;
  readonly release: string;
  readonly explanation: Explanation;
}

describe('explanations over a running server', () => {
  let folder: string;
  let server: RunningServer;
  const row = JSON.stringify({ income: 40, age: 30, plan: 'basic' });
  const run = (...args: string[]) => runCommand([...args, '--json'], { SLIPWAY_URL: server.url ?? '', SLIPWAY_KEY: KEY });
  let invocation: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-explain-'));
    await writeFile(join(folder, 'loans.csv'), loans());
    await prepareTestHome(join(folder, 'home'));
    server = await startServer({ home: join(folder, 'home'), port: 0, listen: true, adminKey: KEY, log: () => {} });
    const launch = ['launch', join(folder, 'loans.csv'), '--target', 'granted', '--seconds', '1', '--force'];
    objectOf(await run(...launch, '--exclude', 'person', '--immutable', 'plan', '--sensitive', 'age'));
  }, 120_000);
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('a prediction comes with its reasons when asked, and without them when not', async () => {
    const plain = objectOf<{ predictions: { explanation?: Explanation }[] }>(await run('predict', 'loans', row));
    assert.equal(plain.predictions[0]?.explanation, undefined);
    const asked = objectOf<{ predictions: { invocation: string; explanation?: Explanation }[] }>(
      await run('predict', 'loans', row, '--explain'),
    );
    const [answer] = asked.predictions;
    assert.equal(answer?.explanation?.contributions[0]?.field, 'income');
    const { base, rest, margin, contributions } = answer.explanation;
    const sum = contributions.reduce((total, each) => total + each.contribution, base + rest);
    assert.ok(Math.abs(sum - margin) < 1e-6);
    invocation = answer.invocation;
  });

  test('a recorded call is explained, and no counterfactual changes an immutable or a sensitive column', async () => {
    const { explanation, release } = objectOf<Explained>(await run('explain', invocation));
    assert.equal(release, 'loans');
    assert.ok(explanation.counterfactuals && explanation.counterfactuals.length > 0);
    for (const { changes, prediction } of explanation.counterfactuals) {
      assert.equal(prediction, 'yes');
      assert.deepEqual(
        changes.map((change) => change.field),
        ['income'],
      );
    }
    assert.equal(explanation.neighbours?.length, 3);
    const none = objectOf<Explained>(await run('explain', invocation, '--immutable', 'income', '--neighbours', '0'));
    assert.deepEqual(none.explanation.counterfactuals, []);
    assert.equal(none.explanation.neighbours, undefined);
  });

  test('a person reads why', async () => {
    const { stdout, code } = await runCommand(['explain', invocation], { SLIPWAY_URL: server.url ?? '', SLIPWAY_KEY: KEY });
    assert.equal(code, 0);
    assert.match(stdout, /log-odds towards yes/);
    assert.match(stdout, /what would have changed it:\n\s+income 40 →/);
  });

  test('an unknown call and a flag that means nothing are refused', async () => {
    assert.equal((await run('explain', 'inv_nothing')).code, 5);
    assert.equal((await run('explain', invocation, '--method', 'guess')).code, 2);
    assert.equal((await run('explain', invocation, '--want', '>=much')).code, 2);
  });
});
