import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { testEngines, type TestEngine } from '@slipway/records/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { temporaryDatabase } from './database.ts';
import { objectProblems, strayFiles } from './home-checks.ts';
import { launchProblems, readLaunchFacts } from './launch-checks.ts';
import { RELEASE, row, startLaunch, untilEnded } from './quickstart.ts';
import { type Round, roundsOf } from './rounds.ts';
import { type ServerProcess, type Where, endAll, runCli, startServerProcess, temporaryHome } from './server-process.ts';

/** In every third round the start that takes over is killed as well, within this time. */
const SECOND_KILL_WITHIN_MS = 4_000;

afterAll(endAll);

async function withHome<T>(engine: TestEngine, work: (where: Where) => Promise<T>): Promise<T> {
  const { home, remove } = await temporaryHome();
  const database = engine === 'postgres' ? await temporaryDatabase() : undefined;
  try {
    return await work({ home, databaseUrl: database?.url });
  } finally {
    await endAll();
    await database?.remove();
    await remove();
  }
}

/** How long a launch takes here and now: from the upload to the end of its run. */
async function measureLaunchMs(where: Where): Promise<number> {
  const server = await startServerProcess(where);
  const startedMs = performance.now();
  await untilEnded(server.client, await startLaunch(server.client));
  const tookMs = performance.now() - startedMs;
  await server.stop();
  return tookMs;
}

/** Starts a launch and kills the server at a moment of it. @returns the run, if the start was answered. */
async function killDuringLaunch(server: ServerProcess, afterMs: number): Promise<string | undefined> {
  const starting = startLaunch(server.client).catch(() => undefined);
  await sleep(afterMs);
  await server.kill();
  return starting;
}

async function restart(where: Where, { number, random }: Round): Promise<ServerProcess> {
  if (number % 3 === 0) {
    const doomed = startServerProcess(where);
    doomed.catch(() => {});
    await sleep(random.next() * SECOND_KILL_WITHIN_MS);
    await endAll();
    await doomed.catch(() => {});
  }
  return startServerProcess(where);
}

/** The run that was committed before the kill, answered or not; a launch that never was is started again. */
async function runToFollow(server: ServerProcess, answered: string | undefined): Promise<string> {
  const { items } = await server.client.runs.list({ limit: 10 });
  if (answered !== undefined) {
    assert.deepEqual(
      items.map((run) => run.id),
      [answered],
      'the run whose start was answered must be there after the kill',
    );
  }
  return items[0]?.id ?? startLaunch(server.client);
}

describe.each(testEngines)('kill -9 at a random moment of a launch (%s)', (engine) => {
  let launchMs = 0;
  beforeAll(async () => {
    launchMs = await withHome(engine, measureLaunchMs);
  });

  test.for(roundsOf(`kill-launch ${engine}`))('round $number: the run resumes and completes, nothing is there twice', async (round) => {
    await withHome(engine, async (where) => {
      const killMs = round.place * launchMs;
      const answered = await killDuringLaunch(await startServerProcess(where), killMs);
      const server = await restart(where, round);
      try {
        await untilEnded(server.client, await runToFollow(server, answered));
        assert.deepEqual(launchProblems(await readLaunchFacts(server.client, RELEASE, row)), []);
        assert.deepEqual(await objectProblems(where.home), []);
        assert.deepEqual(await strayFiles(where.home), []);
        const verified = await runCli(where, ['audit', 'verify', '--json']);
        assert.equal(verified.code, 0, verified.stderr);
      } catch (error) {
        throw new Error(
          `killed ${Math.round(killMs)} ms into a launch of ${Math.round(launchMs)} ms: ${String(error)}\n${server.output()}`,
          {
            cause: error,
          },
        );
      }
    });
  });
});
