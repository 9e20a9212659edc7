import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'vitest';
import { HomeFormatError, HomeLockedError } from './errors.ts';
import { findHolder, openHome } from './home.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipway-home-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const holdScript = new URL('./testing/hold-home.ts', import.meta.url).pathname;

async function holdInChild() {
  const child = spawn(process.execPath, [holdScript, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

test('a home held by another process is refused with the address of its holder', async () => {
  const child = await holdInChild();
  await assert.rejects(openHome(directory), (error: HomeLockedError) => {
    assert.ok(error instanceof HomeLockedError);
    assert.equal(error.details['pid'], child.pid);
    assert.equal(error.details['url'], 'http://127.0.0.1:1');
    return true;
  });
  assert.equal((await findHolder(directory))?.pid, child.pid);
  child.kill('SIGKILL');
  await once(child, 'exit');
});

test('a holder that was killed leaves no lock behind', async () => {
  const child = await holdInChild();
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(await findHolder(directory), undefined);
  const home = await openHome(directory);
  await home.release();
});

test('a home of a newer format is refused with the command to run', async () => {
  const home = await openHome(directory);
  await home.release();
  assert.deepEqual(JSON.parse(await readFile(join(directory, 'format.json'), 'utf8')), { format: 'slipway.home', version: 1 });
  await writeFile(join(directory, 'format.json'), '{"format":"slipway.home","version":99}');
  await assert.rejects(openHome(directory), HomeFormatError);
  await writeFile(join(directory, 'format.json'), 'not json');
  await assert.rejects(openHome(directory), HomeFormatError);
});

test('half-written files of a killed owner are removed by the next one, and nothing else is', async () => {
  await writeFile(join(directory, 'holder.json.0123456789ab'), '{"pi');
  await writeFile(join(directory, 'holder.json.bak'), 'kept');
  const home = await openHome(directory);
  const names = await readdir(directory);
  assert.ok(!names.includes('holder.json.0123456789ab'));
  assert.ok(names.includes('holder.json.bak'));
  await home.release();
});
