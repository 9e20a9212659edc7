import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findHolder } from '@slipway/records';
import { prepareTestHome } from '@slipway/server/testing';
import { afterEach, beforeEach, describe, test } from 'vitest';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const STOPPED_WITHIN_MS = 20_000;
const STILL_THERE_MS = 3_000;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a server under a wrapper that is told to stop', () => {
  let home: string;
  let wrapper: ChildProcess | undefined;
  let pid: number | undefined;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'slipway-npm-'));
    await prepareTestHome(home);
  });
  afterEach(async () => {
    wrapper?.kill('SIGKILL');
    if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGKILL');
    await rm(home, { recursive: true, force: true });
  });

  /** A shell that waits for the server as npm's does, and dies of SIGTERM without passing it on. */
  async function start(env: Readonly<Record<string, string>>): Promise<number> {
    const surroundings = Object.entries(process.env).filter(
      ([name]) => !/^(?:SLIPWAY_|DATABASE_URL$|VITEST|NODE_OPTIONS$|npm_)/.test(name),
    );
    const script = '"$0" "$1" up; exit $?';
    wrapper = spawn('sh', ['-c', script, process.execPath, MAIN], {
      env: { ...Object.fromEntries(surroundings), SLIPWAY_HOME: home, SLIPWAY_PORT: '0', ...env },
      stdio: 'ignore',
    });
    for (let look = 0; look < 600; look += 1) {
      const holder = await findHolder(home).catch(() => undefined);
      if (holder?.url) return (pid = holder.pid);
      await delay(100);
    }
    throw new Error('The server did not come up.');
  }

  test('stops and leaves the home when npm started it', async () => {
    const server = await start({ npm_command: 'run-script' });
    wrapper?.kill('SIGTERM');
    for (let waitedMs = 0; isAlive(server) && waitedMs < STOPPED_WITHIN_MS; waitedMs += 100) await delay(100);
    assert.equal(isAlive(server), false);
    // Closed in order: nobody is left who says that he holds the home.
    assert.equal(await findHolder(home), undefined);
    await assert.rejects(readFile(join(home, 'holder.json')));
  }, 120_000);

  test('stays when something else did: the control', async () => {
    const server = await start({});
    wrapper?.kill('SIGTERM');
    await delay(STILL_THERE_MS);
    assert.equal(isAlive(server), true);
  }, 120_000);
});
