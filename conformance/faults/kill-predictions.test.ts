import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { objectProblems, strayFiles } from './home-checks.ts';
import { type AnsweredRow, collectProblems, listAll, listProblems, lookUpProblems } from './load-checks.ts';
import { Load } from './load.ts';
import { RELEASE, startLaunch, untilEnded } from './quickstart.ts';
import { type Round, roundsOf } from './rounds.ts';
import { type ServerProcess, endAll, startServerProcess, temporaryHome } from './server-process.ts';

const CALLERS = 8;
const LOAD_MS_MIN = 300;
const LOAD_MS_RANGE = 1_500;
/** Every second kill comes while segments turn into Parquet, this long after it began at most. */
const ROLL_WITHIN_MS = 400;
/** Rows looked up one by one; all are looked for in the list. */
const LOOK_UPS_MAX = 400;
const LOOK_UPS_AT_ONCE = 4;

let where: { home: string; remove(): Promise<void> };

beforeAll(async () => {
  where = await temporaryHome();
  const server = await startServerProcess(where);
  await untilEnded(server.client, await startLaunch(server.client));
  await server.stop();
});
afterAll(async () => {
  await endAll();
  await where.remove();
});

/** A backup begins with turning every open segment into Parquet. */
async function roll(server: ServerProcess): Promise<void> {
  for await (const _chunk of await server.client.backup());
}

async function killUnderLoad({ number, random }: Round): Promise<readonly AnsweredRow[]> {
  const server = await startServerProcess(where);
  const load = new Load(server.client, random.fork('load'), CALLERS);
  await Promise.race([load.begun, load.done]);
  await sleep(LOAD_MS_MIN + random.next() * LOAD_MS_RANGE);
  if (number % 2 === 0) {
    void roll(server).catch(() => {});
    await sleep(random.next() * ROLL_WITHIN_MS);
  }
  await server.kill();
  await load.done;
  return load.answered;
}

/** Rows spread over the whole, the last ones before the kill among them. */
function sample(rows: readonly AnsweredRow[]): AnsweredRow[] {
  const step = Math.max(1, Math.floor((2 * rows.length) / LOOK_UPS_MAX));
  return rows.filter((_, index) => index % step === 0 || index >= rows.length - LOOK_UPS_MAX / 2);
}

async function problemsOf(server: ServerProcess, answered: readonly AnsweredRow[], all: readonly AnsweredRow[]): Promise<string[]> {
  return [
    ...listProblems(all, await listAll(server.client, RELEASE)),
    ...(await collectProblems(sample(answered), LOOK_UPS_AT_ONCE, (row) => lookUpProblems(server.client, row))),
  ];
}

describe('kill -9 under prediction load', () => {
  const all: AnsweredRow[] = [];

  test.for(roundsOf('kill-predictions'))('round $number: what was answered is there once, with its outcomes', async (round) => {
    const answered = await killUnderLoad(round);
    all.push(...answered);
    assert.ok(answered.length > 0, 'the load was answered before the kill');
    const server = await startServerProcess(where);
    assert.deepEqual(await problemsOf(server, answered, all), []);
    await roll(server);
    assert.deepEqual(
      (await problemsOf(server, answered, all)).map((problem) => `after the roll: ${problem}`),
      [],
    );
    assert.deepEqual(await objectProblems(where.home), []);
    assert.deepEqual(await strayFiles(where.home), []);
    assert.equal((await server.client.audit.verify()).ok, true);
    await server.stop();
  });
});
