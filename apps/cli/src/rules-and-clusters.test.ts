import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LaunchResult } from '@slipway/project/contract';
import type { Client } from '@slipway/client';
import { type RunningServer, startServer } from '@slipway/server';
import { prepareTestHome } from '@slipway/server/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { objectOf, runCommand } from './testing/run-command.ts';

type PredictReply = Awaited<ReturnType<Client['predict']>>;

const KEY = 'cli-test-key-0123456789-0123456789-0123';

/** Customers who leave when they are young and their plan is basic, and some others; two clumps of ages. */
function customers(): string {
  let state = 7;
  const next = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const lines = Array.from({ length: 600 }, () => {
    const isYoung = next() < 0.5;
    const age = Math.round((isYoung ? 25 : 65) + 8 * (next() - 0.5));
    const plan = next() < 0.5 ? 'basic' : 'full';
    const calls = Math.round(10 * next());
    const leaves = next() < (isYoung && plan === 'basic' ? 0.85 : 0.1) || (calls > 8 && next() < 0.8);
    return `${next() < 0.03 ? '' : age},${plan},${calls},${leaves ? 'yes' : 'no'}`;
  });
  return ['age,plan,calls,left', ...lines, ''].join('\n');
}

describe('rules, and launches without a target, over a running server', () => {
  let folder: string;
  let home: string;
  let server: RunningServer;
  let data: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-rules-'));
    home = join(folder, 'home');
    data = join(folder, 'customers.csv');
    await writeFile(data, customers());
    await writeFile(join(folder, 'rules.csv'), 'age,plan,then,name\n< 40,basic,yes,young and basic\nmissing,-,no,\n,,no,\n');
    await prepareTestHome(home);
    server = await startServer({ home, port: 0, listen: true, adminKey: KEY, log: () => {} });
  }, 120_000);
  afterAll(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const slipway = (...args: readonly string[]) => runCommand([...args, '--home', home], { SLIPWAY_KEY: KEY });
  const launch = (...flags: readonly string[]) => slipway('launch', data, ...flags);

  test('a decision table is launched as the model, answers as it was written, and is saved as a definition', async () => {
    const config = join(folder, 'rules.config.ts');
    const result = objectOf<LaunchResult>(
      await launch('--target', 'left', '--name', 'table', '--rules', join(folder, 'rules.csv'), '--save', config, '--json'),
    );
    assert.deepEqual([result.trainer, result.parity.maxError, result.release?.revision, result.rules?.role], ['rules', 0, 1, 'model']);
    assert.ok((result.metrics['accuracy']?.value ?? 0) > 0.75);
    const rows = [
      { age: 30, plan: 'basic' },
      { age: 50, plan: 'basic' },
      { age: null, plan: 'basic' },
    ];
    const reply = objectOf<PredictReply>(await slipway('predict', 'table', JSON.stringify(rows), '--json'));
    assert.deepEqual(
      reply.predictions.map((each) => each.prediction),
      ['yes', 'no', 'no'],
    );
    assert.match(await readFile(config, 'utf8'), /train: rules\(\{/);
    const why = await slipway('explain', reply.predictions[1]?.invocation ?? '');
    assert.match(why.stdout, /why: no rule holds; it decides \d+.* % of the training rows; no with probability/);
    assert.match(why.stdout, /rule 1 \(young and basic\) → yes: age < 40 fails \(age 50\)/);
    const asked = objectOf<PredictReply>(await slipway('predict', 'table', JSON.stringify(rows[0]), '--explain', '--json'));
    assert.equal(asked.predictions[0]?.explanation?.rules?.decided.name, 'young and basic');
    const shown = await slipway('report', 'table', '--markdown');
    assert.match(shown.stdout, /## Rules/);
  }, 120_000);

  test('rules or AI is answered with numbers, a gate and the worth of each', async () => {
    const result = objectOf<LaunchResult>(
      await launch(
        '--target',
        'left',
        '--name',
        'ai',
        '--seconds',
        '1',
        '--baseline-rules',
        join(folder, 'rules.csv'),
        '--cost-fp',
        '1',
        '--cost-fn',
        '3',
        '--force',
        '--json',
      ),
    );
    assert.equal(result.rules?.role, 'baseline');
    assert.equal(result.rules?.comparison?.primary, 'roc_auc');
    assert.ok(result.gates.some((gate) => gate.name === 'roc_auc better than rules'));
    assert.ok(result.objective?.alternatives.some((each) => each.name === 'rules'));
  }, 180_000);

  test('a rule that does not fit the data is refused with its mend before anything is stored', async () => {
    await writeFile(join(folder, 'wrong.csv'), 'agee,then\n< 40,yes\n');
    const unknown = await launch('--target', 'left', '--name', 'wrong', '--rules', join(folder, 'wrong.csv'));
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /rule 1: there is no column "agee"\. Did you mean "age"/);
    await writeFile(join(folder, 'label.csv'), 'age,then\n< 40,perhaps\n');
    assert.match(
      (await launch('--target', 'left', '--name', 'wrong', '--rules', join(folder, 'label.csv'))).stderr,
      /"perhaps" is no class/,
    );
    assert.match(
      (await launch('--target', 'left', '--rules', join(folder, 'rules.csv'), '--seconds', '5')).stderr,
      /--seconds: rules are not searched for/,
    );
    assert.match((await launch('--target', 'left', '--rules', join(folder, 'none.csv'))).stderr, /There is no file/);
    const listed = await slipway('versions', '--json');
    assert.ok(!listed.stdout.includes('"wrong"'));
  }, 60_000);

  test('groups, components and anomalies are launched without a target, served, reported and saved as definitions', async () => {
    for (const task of ['cluster', 'reduce', 'anomaly'] as const) {
      const config = join(folder, `${task}.config.ts`);
      const ended = await launch('--task', task, '--name', task, '--exclude', 'left', '--save', config, '--force', '--json');
      const result = objectOf<LaunchResult>(ended);
      assert.deepEqual([result.task, result.release?.revision, result.unsupervised?.kind], [task, 1, task]);
      assert.ok(result.parity.maxError <= 1e-6);
      const reply = objectOf<PredictReply>(await slipway('predict', task, JSON.stringify(result.example), '--json'));
      const [answer] = reply.predictions;
      assert.equal(answer?.error, undefined);
      if (task === 'cluster') assert.equal(answer?.prediction, String(answer?.cluster));
      if (task === 'reduce') assert.equal(answer?.components?.length, result.unsupervised?.count);
      if (task === 'anomaly') assert.deepEqual([answer?.isAnomaly, answer?.prediction], [false, 'usual']);
      assert.ok((await readFile(config, 'utf8')).includes(`unsupervised: { task: '${task}'`));
      const why = await slipway('explain', answer?.invocation ?? '');
      assert.match(why.stdout, /contribution\n[\s\S]*age /, why.stderr);
      const shown = await slipway('report', task, '--markdown');
      assert.equal(shown.code, 0);
      assert.match(shown.stdout, /Reference/);
      assert.equal(/## Robustness/.test(shown.stdout), task !== 'reduce');
      const card = await slipway('report', task, '--card');
      assert.match(card.stdout, /Model card: /, card.stderr);
      const watched = objectOf<{ reference: { fields: number } | null }>(await slipway('monitor', task, '--window', '1h', '--json'));
      // Age, plan, calls, and what is answered.
      assert.equal(watched.reference?.fields, 4);
    }
  }, 240_000);

  test('options that contradict each other are refused by name', async () => {
    const stderr = async (...flags: readonly string[]) => {
      const ended = await launch(...flags);
      assert.equal(ended.code, 2, ended.stdout);
      return ended.stderr;
    };
    assert.match(await stderr('--task', 'cluster', '--target', 'left'), /has no target, so "target" means nothing/);
    assert.match(await stderr('--task', 'cluster', '--components', '3'), /--components: belongs to --task reduce/);
    assert.match(await stderr('--target', 'left', '--clusters', '3'), /--clusters: belongs to a launch without a target/);
    assert.match(await stderr('--task', 'anomaly', '--label', 'lft'), /no column "lft" \(label\)\. Did you mean "left"/);
    assert.match(await stderr('--task', 'cluster', '--exclude', 'age,plan,calls,left'), /No column is left/);
    assert.match(await stderr('--task', 'anomaly', '--contamination', '0.9'), /--contamination/);
  }, 60_000);
});
