import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quickstartFile } from '@slipway/project/quickstart';
import { afterAll, afterEach, beforeEach, describe, test } from 'vitest';
import { objectProblems, strayFiles } from './home-checks.ts';
import { roundsOf } from './rounds.ts';
import { type Ended, endAll, runCli, startCli, startServerProcess, temporaryHome } from './server-process.ts';

const CONFLICT_EXIT_CODE = 6;

let where: { home: string; remove(): Promise<void> };
beforeEach(async () => {
  where = await temporaryHome();
});
afterEach(async () => {
  await endAll();
  await where.remove();
});
afterAll(endAll);

const launch = (name: string, seconds = 2) =>
  ['launch', quickstartFile(), '--target', 'diagnosis', '--name', name, '--seconds', String(seconds), '--json'] as const;

/** It ended with the exit code of a conflict, said who holds the home in one JSON object, and showed no stack. */
function assertTurnedAway(ended: Ended): void {
  assert.equal(ended.code, CONFLICT_EXIT_CODE, ended.stderr);
  const { error } = JSON.parse(ended.stdout) as { error: { code: string; message: string; help: string | null } };
  assert.equal(error.code, 'records/home-locked');
  assert.match(error.message, /is in use by (?:process \d+|another process)/);
  assert.ok(error.help !== null && error.help.length > 0, 'it says what to do');
  assert.doesNotMatch(ended.stdout + ended.stderr, /^\s+at .*:\d+:\d+/m);
}

async function untilHeld(home: string): Promise<void> {
  for (;;) {
    const text = await readFile(join(home, 'holder.json'), 'utf8').catch(() => '');
    if (text !== '') return;
    await sleep(20);
  }
}

async function releaseNames(): Promise<string[]> {
  const listed = await runCli(where, ['releases', '--json']);
  assert.equal(listed.code, 0, listed.stderr);
  return (JSON.parse(listed.stdout) as { items: { name: string }[] }).items.map((release) => release.name).toSorted();
}

async function assertSound(): Promise<void> {
  const verified = await runCli(where, ['audit', 'verify', '--json']);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  assert.deepEqual(await objectProblems(where.home), []);
}

describe('two processes on one home', () => {
  test('a command speaks to the server that holds the home, and a second server is turned away', async () => {
    const server = await startServerProcess(where);
    const second = await runCli(where, ['up', '--port', '0', '--json']);
    assertTurnedAway(second);
    assert.match(second.stdout, new RegExp(server.url.replaceAll('.', '\\.')), 'it says where the first one answers');
    const launched = await runCli(where, launch('through'));
    assert.equal(launched.code, 0, launched.stderr);
    assert.deepEqual(
      (await server.client.releases.list()).items.map((release) => release.name),
      ['through'],
      'the server itself knows what the command made',
    );
    assert.equal((await server.stop()).code, 0);
    assert.deepEqual(await releaseNames(), ['through']);
    await assertSound();
  });

  test('while a command holds the home, another one and a server are turned away and nothing is lost', async () => {
    const first = startCli(where, launch('first'));
    await untilHeld(where.home);
    const [up, list] = await Promise.all([runCli(where, ['up', '--port', '0', '--json']), runCli(where, ['releases', '--json'])]);
    assertTurnedAway(up);
    assertTurnedAway(list);
    const ended = await first.ended;
    assert.equal(ended.code, 0, ended.stderr);
    assert.deepEqual(await releaseNames(), ['first']);
    await assertSound();
  });

  test('a home whose owner was killed is free at once', async () => {
    const server = await startServerProcess(where);
    await server.kill();
    assert.deepEqual(await releaseNames(), []);
    assert.deepEqual(await strayFiles(where.home), []);
  });

  test.for(roundsOf('two-commands'))('round $number: of two launches at the same instant, what ended well is there', async ({ random }) => {
    const ended = await Promise.all(
      ['left', 'right'].map(async (name, index) => {
        if (index === 1) await sleep(random.next() ** 3 * 1_000);
        return { name, ...(await runCli(where, launch(name, 0.5))) };
      }),
    );
    for (const each of ended) if (each.code !== 0) assertTurnedAway(each);
    const succeeded = ended.filter((each) => each.code === 0).map((each) => each.name);
    assert.ok(succeeded.length > 0, `one of the two gets the home:\n${ended.map((each) => each.stderr).join('\n')}`);
    assert.deepEqual(await releaseNames(), succeeded.toSorted());
    await assertSound();
    assert.deepEqual(await strayFiles(where.home), []);
  });
});
