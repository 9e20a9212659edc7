import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';

/** What a process of its own says about the cache it got, started for a program that lies in `from`. */
function keptBy(from: string, more: Readonly<Record<string, string>> = {}): string {
  const program = `
    import { keepCompiled } from ${JSON.stringify(new URL('./compile-cache.ts', import.meta.url).href)};
    console.log(keepCompiled(${JSON.stringify(from)}) ?? 'none');`;
  const { NODE_COMPILE_CACHE: _cache, NODE_DISABLE_COMPILE_CACHE: _off, ...env } = process.env;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { env: { ...env, ...more }, encoding: 'utf8' });
  assert.equal(child.status, 0, child.stderr);
  return child.stdout.trim();
}

test('what was compiled is kept beside the dependencies, elsewhere on request, and nowhere when that is turned off', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-compiled-'));
  try {
    const sources = join(folder, 'apps/cli/src');
    await mkdir(sources, { recursive: true });
    await mkdir(join(folder, 'node_modules'));
    const kept = join(folder, 'node_modules/.cache/slipway-compiled');
    assert.ok(keptBy(sources).startsWith(kept));
    assert.ok(existsSync(kept));
    assert.ok(keptBy(sources, { NODE_COMPILE_CACHE: join(folder, 'other') }).startsWith(join(folder, 'other')));
    assert.equal(keptBy(sources, { NODE_DISABLE_COMPILE_CACHE: '1' }), 'none');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('a folder that cannot be made stops no command', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-compiled-'));
  try {
    await mkdir(join(folder, 'node_modules'));
    await writeFile(join(folder, 'node_modules/.cache'), 'a file where the folder should be');
    assert.equal(keptBy(folder), 'none');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
