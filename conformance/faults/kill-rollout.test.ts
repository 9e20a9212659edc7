import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@slipway/client';
import { RolloutOptions } from '@slipway/releases/rollout-contract';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { RELEASE, row, startLaunch, untilEnded } from './quickstart.ts';
import { roundsOf } from './rounds.ts';
import { endAll, startServerProcess, temporaryHome } from './server-process.ts';

const CALLS_PER_ROUND = 60;
const AT_ONCE = 10;
const FINISHING_ROUNDS_LIMIT = 60;

let where: { home: string; remove(): Promise<void> };

/** Equal versions, so what is measured here is that nothing is lost: three steps, each with its units. */
const rollout = RolloutOptions.parse({
  steps: [0.2, 0.5],
  minUnits: 60,
  minStepSeconds: 0,
  lookSeconds: 0.2,
  goals: [{ metric: 'error-rate', margin: 0.1 }],
  guardrails: [],
});

beforeAll(async () => {
  where = await temporaryHome();
  const server = await startServerProcess(where);
  await untilEnded(server.client, await startLaunch(server.client));
  await untilEnded(server.client, await startLaunch(server.client, { seed: 99, rollout }));
  await server.stop();
});
afterAll(async () => {
  await endAll();
  await where.remove();
});

/** Calls of customers that never come back. @returns how many were answered, and how many may have been recorded beside. */
async function callSome(client: Client, tag: string, isOver: () => boolean): Promise<{ answered: number; unsure: number }> {
  let answered = 0;
  let unsure = 0;
  for (let start = 0; start < CALLS_PER_ROUND && !isOver(); start += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, (_, index) =>
        client.predict(RELEASE, { rows: [row], unit: `${tag}-${start + index}` }).then(
          () => (answered += 1),
          () => (unsure += 1),
        ),
      ),
    );
  }
  return { answered, unsure };
}

async function listCalls(client: Client) {
  const calls: Awaited<ReturnType<Client['invocations']['list']>>['items'] = [];
  let cursor: string | undefined;
  do {
    const page = await client.invocations.list({ release: RELEASE, limit: 200, cursor });
    calls.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return calls;
}

describe('a server killed during a rollout', () => {
  test('loses no call of it, repeats no step of it, and ends it', async () => {
    let answered = 0;
    let unsure = 0;
    const kills = roundsOf('rollout');
    for (const { number, random } of kills) {
      const server = await startServerProcess(where);
      let isOver = false;
      const calling = callSome(server.client, `kill-${number}`, () => isOver);
      await sleep(100 + random.next() * 1_200);
      await server.kill();
      isOver = true;
      const counts = await calling;
      answered += counts.answered;
      unsure += counts.unsure;
    }
    const server = await startServerProcess(where);
    const { client } = server;
    for (let round = 0; round < FINISHING_ROUNDS_LIMIT; round += 1) {
      if ((await client.rollouts.latest(RELEASE)).endedAt !== null) break;
      answered += (await callSome(client, `finish-${round}`, () => false)).answered;
      await sleep(500);
    }
    const ended = await client.rollouts.latest(RELEASE);
    assert.equal(ended.status, 'promoted', JSON.stringify(ended, null, 1));
    // Recorded and not counted can only be what was under way while the last look was made.
    const look = ended.look ?? assert.fail('a rollout that was decided has a look');
    const listed = await listCalls(client);
    const before = listed.filter(({ arm, observedTime }) => arm !== 'live' && Date.parse(observedTime) <= look.atMs).length;
    const counted = look.units.champion + look.units.candidate;
    assert.ok(counted <= before && counted >= before - AT_ONCE, `${counted} of ${before} recorded calls were counted`);
    assert.ok(
      listed.length >= answered && listed.length <= answered + unsure,
      `${listed.length} recorded, ${answered} (+${unsure}) answered`,
    );
    const types = (await client.releases.history(RELEASE)).items.map(({ type }) => type.replace('releases.', ''));
    assert.deepEqual(types, [
      'rollout.promoted',
      'rollout.step-entered',
      'rollout.step-entered',
      'rollout.started',
      'revision.created',
      'revision.created',
    ]);
    assert.deepEqual((await client.releases.get(RELEASE)).traffic, [{ name: 'live', revision: 2, weight: 1 }]);
    assert.equal(await untilEnded(client, ended.run), 'succeeded');
    assert.equal((await client.audit.verify()).ok, true);
    await server.stop();
  });
});
