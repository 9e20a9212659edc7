import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { findOrigin } from './origin.ts';

const hasGit = spawnSync('git', ['--version']).status === 0;

test.skipIf(!hasGit)('a launch from a repository says its commit, whether anything changed since, and the lock file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-origin-'));
  const git = (...args: string[]) =>
    spawnSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { encoding: 'utf8' }).stdout.trim();
  try {
    assert.deepEqual(await findOrigin(join(folder, 'data.csv')), {}, 'negative control: no repository, nothing to say');
    git('init', '-q');
    writeFileSync(join(folder, 'data.csv'), 'a,b\n1,2\n');
    writeFileSync(join(folder, 'package-lock.json'), '{}');
    git('add', '-A');
    git('commit', '-q', '-m', 'first');
    const clean = await findOrigin(join(folder, 'data.csv'));
    assert.equal(clean.commit, git('rev-parse', 'HEAD'));
    assert.equal(clean.dirty, false);
    assert.match(clean.lockFile ?? '', /^[0-9a-f]{64}$/);
    writeFileSync(join(folder, 'data.csv'), 'a,b\n3,4\n');
    assert.equal((await findOrigin(join(folder, 'data.csv'))).dirty, true);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
