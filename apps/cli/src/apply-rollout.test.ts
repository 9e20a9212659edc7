import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LaunchResult } from '@slipway/project/contract';
import { type RunningServer, startServer } from '@slipway/server';
import { prepareTestHome } from '@slipway/server/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { objectOf, runCommand } from './testing/run-command.ts';
import { runProcess } from './testing/run-process.ts';

const KEY = 'cli-test-key-0123456789-0123456789-0123';

interface Applied {
  readonly applied: readonly LaunchResult[];
}
interface ShownRollout {
  readonly status: string;
  readonly champion: number;
  readonly candidate: number;
  readonly run: string;
}
interface Shown {
  readonly revisions: readonly unknown[];
}

function customers(): string {
  let state = 7;
  const next = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const lines = Array.from({ length: 300 }, () => {
    const age = Math.round(20 + 50 * next());
    const calls = Math.round(10 * next());
    return `${age},${calls},${next() < (age < 40 ? 0.8 : 0.2) ? 'yes' : 'no'}`;
  });
  return ['age,calls,left', ...lines, ''].join('\n');
}

describe('a definition with a rollout, applied again and again', () => {
  let folder: string;
  let server: RunningServer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-apply-'));
    await writeFile(join(folder, 'customers.csv'), customers());
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
  const apply = async (file: string) => {
    const [made] = objectOf<Applied>(await slipway('apply', file, '--force', '--json')).applied;
    assert.ok(made?.release);
    return { ...made, release: made.release };
  };
  const rolloutOf = async (name: string) => objectOf<ShownRollout>(await slipway('rollout', name, '--json'));
  const counts = async (name: string) => {
    const { revisions } = objectOf<Shown>(await slipway('releases', name, '--json'));
    const versions = objectOf<{ items: readonly { kind: string; name: string }[] }>(await slipway('versions', '--json'));
    return [revisions.length, versions.items.filter((each) => each.kind === 'model' && each.name === name).length];
  };

  for (const strategy of ['canary', 'shadow', 'ab'] as const) {
    test(`${strategy}: a change starts one rollout, and applying again makes nothing new, before and after it was promoted`, async () => {
      const config = join(folder, `${strategy}.config.ts`);
      const flags = ['--target', 'left', '--seconds', '1', '--force', '--rollout', strategy];
      const first = objectOf<LaunchResult>(
        await slipway('launch', join(folder, 'customers.csv'), ...flags, '--name', strategy, '--save', config, '--json'),
      );
      // Nothing was live, so there was nothing to take over from.
      assert.deepEqual([first.release?.revision, first.release?.rollout], [1, null]);
      const text = await readFile(config, 'utf8');
      assert.match(text, new RegExp(`rollout: \\{ strategy: '${strategy}'`));
      const same = await apply(config);
      assert.deepEqual([same.version, same.created, same.release.revision, same.release.rollout], [first.version, false, 1, null]);
      assert.deepEqual(await counts(strategy), [1, 1]);

      await writeFile(
        config,
        text.replace(/^ {2}seed: (\d+),/m, (_, seed) => `  seed: ${Number(seed) + 1},`),
      );
      const changed = await apply(config);
      assert.deepEqual([changed.created, changed.release.revision], [true, 2]);
      const begun = await rolloutOf(strategy);
      assert.deepEqual([begun.status, begun.champion, begun.candidate, begun.run], ['running', 1, 2, changed.release.rollout]);

      const during = await apply(config);
      assert.deepEqual([during.version, during.created, during.release.revision], [changed.version, false, 2]);
      assert.deepEqual(await rolloutOf(strategy), { ...(await rolloutOf(strategy)), run: begun.run, status: 'running' });
      assert.deepEqual(await counts(strategy), [2, 2]);

      objectOf(await slipway('rollout', 'promote', strategy, '--reason', 'seen enough', '--json'));
      const after = await apply(config);
      assert.deepEqual([after.version, after.created, after.release.revision, after.release.rollout], [changed.version, false, 2, null]);
      assert.equal((await rolloutOf(strategy)).run, begun.run);
      assert.deepEqual(await counts(strategy), [2, 2]);
    }, 180_000);
  }
});
