import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Client, createClient } from '@slipway/client';
import { type Call, InvalidError, type Result, type Servable, type VersionRef } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import { fakeLoader, fakeModel } from '@slipway/releases/testing';
import { RolloutOptions } from '@slipway/releases/rollout-contract';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type RunningServer, startServer } from './index.ts';
import { prepareTestHome } from './testing/index.ts';

/** Versions named after what they do. */
function model(version: VersionRef): Servable {
  const base = fakeModel(version);
  const answer = (call: Call<unknown>): Result<unknown> => {
    const { x } = call.input as { x: number };
    if (version.content === sha256Hex('broken')) return { status: 'error', error: new InvalidError('broken') };
    const isFlipped = version.content === sha256Hex('flipping') && x < 3;
    return { status: 'ok', output: { prediction: x < 10 !== isFlipped ? 'low' : 'high', probabilities: { high: 0.25, low: 0.75 } } };
  };
  return { ...base, invoke: async (calls) => calls.map(answer) };
}

let home: string;
let server: RunningServer;
let client: Client;
let project: string;

const open = () =>
  startServer({ home, port: 0, listen: false, log: () => {}, extra: { loaders: [fakeLoader('model', model)] } }).then((started) => {
    server = started;
    client = createClient({ url: 'http://127.0.0.1', key: server.localToken.reveal(), fetch: server.fetch });
  });

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'slipway-rollout-'));
  await prepareTestHome(home);
  await open();
  project = (await client.me()).project.id;
});
afterAll(async () => {
  await server?.close();
  await rm(home, { recursive: true, force: true });
});

async function register(content: string): Promise<string> {
  const { records, catalog } = server.house;
  const { version } = await records.transaction((tx) =>
    catalog.register(tx, {
      project,
      kind: 'model',
      name: 'fake',
      recipe: sha256Hex(`recipe ${content}`),
      content: sha256Hex(content),
      run: null,
      principal: 'prn_test',
      meta: {},
      parents: [],
    }),
  );
  return version.id;
}

async function release(name: string, content = 'good'): Promise<void> {
  const version = await register(content);
  await server.house.records.transaction((tx) =>
    server.house.releases.publish(tx, { project, name, version, kind: 'model', run: null, principal: 'prn_test', revise: 'always' }),
  );
}

/** Calls of different customers, answered or not. */
async function send(name: string, count: number, tag: string): Promise<{ revisions: Map<number, number>; invocations: string[] }> {
  const revisions = new Map<number, number>();
  const invocations: string[] = [];
  for (let start = 0; start < count; start += 50) {
    const replies = await Promise.all(
      Array.from({ length: Math.min(50, count - start) }, (_, index) =>
        client.predict(name, { rows: [{ x: (start + index) % 20 }], unit: `${tag}-${start + index}` }).catch(() => undefined),
      ),
    );
    for (const reply of replies) {
      if (!reply) continue;
      revisions.set(reply.revision, (revisions.get(reply.revision) ?? 0) + 1);
      invocations.push(reply.predictions[0]?.invocation ?? '');
    }
  }
  return { revisions, invocations };
}

const plan = (options: Partial<RolloutOptions> = {}) =>
  RolloutOptions.parse({ minUnits: 50, minStepSeconds: 0, lookSeconds: 0.2, guardrails: [], ...options });

async function until(name: string, isDone: (rollout: Awaited<ReturnType<Client['rollouts']['latest']>>) => boolean, what: string) {
  for (let wait = 0; wait < 450; wait += 1) {
    const rollout = await client.rollouts.latest(name);
    if (isDone(rollout)) return rollout;
    await delay(100);
  }
  return assert.fail(`${what}: ${JSON.stringify(await client.rollouts.latest(name), null, 1)}`);
}

const arms = async (name: string) => (await client.releases.get(name)).traffic.map(({ revision, weight }) => [revision, weight]);

describe('rollouts', () => {
  test('RL23 a version that fails is rolled back by itself, and the history says why', async () => {
    await release('failing');
    const begun = await client.rollouts.start('failing', { version: await register('broken'), plan: plan({ steps: [0.3] }) });
    assert.equal(begun.status, 'running');
    assert.deepEqual(await arms('failing'), [
      [2, 0.3],
      [1, 0.7],
    ]);
    await send('failing', 300, 'a');
    const ended = await until('failing', (each) => each.endedAt !== null, 'rolled back');
    assert.equal(ended.status, 'rolled-back');
    assert.match(ended.reason ?? '', /error-rate is worse/);
    assert.deepEqual(await arms('failing'), [[1, 1]]);
    const types = (await client.releases.history('failing')).items.map(({ type }) => type);
    assert.deepEqual(types, [
      'releases.rollout.rolled-back',
      'releases.rollout.step-entered',
      'releases.rollout.started',
      'releases.revision.created',
      'releases.revision.created',
    ]);
    const run = await client.runs.follow(begun.run, () => {});
    assert.equal((run as { status: string }).status, 'rolled-back');
  });

  test('RL21 RL22 a good canary goes step by step, waits for approval, and a unit that met the candidate stays with it', async () => {
    await release('canary');
    const version = await register('good again');
    await client.rollouts.start('canary', {
      version,
      plan: plan({ steps: [0.2, 0.5], approval: true, goals: [{ metric: 'error-rate', margin: 0.1 }] }),
    });
    await send('canary', 400, 'b');
    await until('canary', (each) => each.step === 1, 'second step');
    const first = new Set<string>();
    for (let unit = 0; unit < 60; unit += 1) {
      const reply = await client.predict('canary', { rows: [{ x: 1 }], unit: `b-${unit}` });
      if (reply.revision === 2) first.add(`b-${unit}`);
    }
    await send('canary', 600, 'c');
    await until('canary', (each) => each.status === 'awaiting-approval', 'approval');
    for (const unit of first) assert.equal((await client.predict('canary', { rows: [{ x: 1 }], unit })).revision, 2);
    await assert.rejects(client.rollouts.act('canary', 'resume'), /is not paused/);
    const approved = await client.rollouts.act('canary', 'approve', { reason: 'looks fine' });
    assert.equal(approved.status, 'promoted');
    assert.deepEqual(await arms('canary'), [[2, 1]]);
    await assert.rejects(client.rollouts.act('canary', 'abort'), /is in no rollout/);
  });

  test('RL26 a shadow answers nobody, is compared in pairs with labels that come later, and is promoted on proof', async () => {
    await release('shadowed');
    const goals = [{ metric: 'outcome' as const, outcome: 'label', score: 'correct' as const, margin: 0.1 }];
    await client.rollouts.start('shadowed', { version: await register('flipping'), plan: plan({ strategy: 'shadow', goals }) });
    const { revisions, invocations } = await send('shadowed', 400, 'd');
    assert.deepEqual([...revisions], [[1, 400]], 'only the champion answers');
    await until('shadowed', (each) => each.look?.stepUnits.candidate === 400, 'mirrored');
    const shadow = (await client.invocations.list({ release: 'shadowed', revision: 2, limit: 1 })).items[0];
    assert.equal(shadow?.arm, 'shadow');
    assert.ok(invocations.includes(shadow?.parent ?? ''));
    assert.match((await client.rollouts.latest('shadowed')).look?.reason ?? '', /label correct is not decided/);
    // The candidate flips 15 % of the answers, and is right there.
    const labels = invocations.map((invocation, index) => ({
      invocation,
      value: index % 20 < 3 ? 'high' : index % 20 < 10 ? 'low' : 'high',
    }));
    await client.outcomes.add({ outcomes: labels });
    const ended = await until('shadowed', (each) => each.endedAt !== null, 'promoted');
    assert.equal(ended.status, 'promoted');
    assert.match(ended.reason ?? '', /label correct is better/);
    assert.equal(ended.look?.metrics[0]?.basis, 'paired');
  });

  test('RL28 pausing holds, promoting and aborting act at once, publishing and rolling back by hand end a rollout', async () => {
    await release('hands');
    const version = await register('another');
    await client.rollouts.start('hands', { version, plan: plan({ steps: [0.1, 0.5] }) });
    await assert.rejects(client.rollouts.start('hands', { version }), /in a rollout/);
    assert.equal((await client.rollouts.act('hands', 'pause', { reason: 'lunch' })).status, 'paused');
    await send('hands', 700, 'e');
    await delay(600);
    assert.deepEqual((await client.rollouts.latest('hands')).step, 0);
    assert.equal((await client.rollouts.act('hands', 'resume')).status, 'running');
    await until('hands', (each) => each.step === 1, 'resumed');
    assert.equal((await client.rollouts.act('hands', 'abort', { reason: 'enough' })).status, 'aborted');
    assert.deepEqual(await arms('hands'), [[1, 1]]);
    await client.rollouts.start('hands', { revision: 2, plan: plan({ steps: [0.1] }) });
    await client.releases.rollback('hands', { to: 1 });
    assert.equal((await client.rollouts.latest('hands')).status, 'aborted');
    assert.deepEqual(await arms('hands'), [[1, 1]]);
    await client.rollouts.start('hands', { revision: 2, plan: plan({ steps: [0.1] }) });
    await release('hands', 'third');
    assert.equal((await client.rollouts.latest('hands')).reason, 'revision 3 was published');
    assert.deepEqual(await arms('hands'), [[3, 1]]);
    assert.equal((await client.rollouts.list('hands', { limit: 2 })).items.length, 2);
    const { items, nextCursor } = await client.rollouts.listAll({ limit: 1 });
    assert.deepEqual([items[0]?.release, nextCursor === null], ['hands', false]);
  });

  test('RL33 the live version is rolled out with other settings, as a revision of its own; a revision that exists is run as it says', async () => {
    await release('tuned');
    const { revisions } = await client.releases.get('tuned');
    const version = revisions[0]?.version ?? '';
    await assert.rejects(client.rollouts.start('tuned', { version, plan: plan() }), /live already/, 'the control: nothing would change');
    await client.rollouts.start('tuned', { version, serving: { queueRows: 7 }, plan: plan() });
    await client.rollouts.act('tuned', 'promote', { reason: 'incident' });
    const tuned = await client.releases.get('tuned');
    assert.deepEqual(
      [tuned.traffic.map(({ revision }) => revision), tuned.revisions.map((each) => [each.version, each.serving])],
      [
        [2],
        [
          [version, { queueRows: 7 }],
          [version, undefined],
        ],
      ],
    );
    await assert.rejects(client.rollouts.start('tuned', { revision: 1, serving: { lanes: 1 } }), /"serving" goes with "version"/);
  });

  test('RL28 a rollout whose run is cancelled gives the traffic back', async () => {
    await release('cancelled');
    const { run } = await client.rollouts.start('cancelled', { version: await register('cancelled'), plan: plan() });
    await client.runs.cancel(run);
    const ended = await until('cancelled', (each) => each.endedAt !== null, 'ended');
    assert.equal(ended.status, 'aborted');
    assert.deepEqual(await arms('cancelled'), [[1, 1]]);
  }, 20_000);

  test('RL29 what contradicts itself, is unknown or is of another project is refused', async () => {
    await release('strict');
    await assert.rejects(client.rollouts.start('strict', {}), /either "revision" or "version"/);
    await assert.rejects(client.rollouts.start('strict', { revision: 1 }), /live already/);
    await assert.rejects(client.rollouts.start('strict', { revision: 9 }), /no revision 9/);
    await assert.rejects(client.rollouts.start('strict', { version: 'mv_nothing' }), /nothing/);
    await assert.rejects(client.rollouts.start('nowhere', { revision: 1 }), /no release "nowhere"/);
    await assert.rejects(client.rollouts.latest('strict'), /has had no rollout/);
    const { id } = await client.projects.create('elsewhere');
    const other = createClient({ url: 'http://127.0.0.1', key: server.localToken.reveal(), project: id, fetch: server.fetch });
    await assert.rejects(other.rollouts.latest('failing'), /no release/);
    assert.deepEqual((await other.rollouts.list('failing')).items, []);
    assert.deepEqual((await other.rollouts.listAll()).items, []);
  });

  test('RL30 a replay runs recorded calls through a candidate and reports flips by group and who was right', async () => {
    await release('replayed');
    const { invocations } = await send('replayed', 200, 'f');
    await client.outcomes.add({
      outcomes: invocations.map((invocation, index) => ({ invocation, value: index % 20 < 3 ? 'high' : index % 20 < 10 ? 'low' : 'high' })),
    });
    const { run } = await client.replays.start('replayed', { candidate: await register('flipping') });
    const report = client.replays.report(await client.runs.follow(run, () => {}));
    assert.equal(report.calls, 200);
    assert.equal(report.changed.share, 0.15);
    assert.deepEqual(report.flips, [{ from: 'low', to: 'high', calls: 30 }]);
    assert.equal(report.quality?.candidate, 1);
    assert.equal(report.quality?.recorded, 0.85);
    const lowest = report.slices.find((slice) => slice.column === 'x' && slice.value === 'lowest quarter');
    assert.equal(lowest?.changed.share, 0.6);
    const few = await client.replays.start('replayed', { candidate: 1, limit: 10 });
    const same = client.replays.report(await client.runs.follow(few.run, () => {}));
    assert.deepEqual([same.calls, same.changed.share, same.truncated], [10, 0, true]);
    await assert.rejects(client.replays.start('replayed', { candidate: 'mv_nothing' }), /nothing/);
    await assert.rejects(client.replays.start('replayed', { candidate: 1, by: ['xx'] }), /no input column "xx"/);
    const asked = await client.replays.start('replayed', { candidate: 1, by: ['x'] });
    const byX = client.replays.report(await client.runs.follow(asked.run, () => {}));
    assert.deepEqual([...new Set(byX.slices.map(({ column }) => column))], ['x']);
  });

  test('RL31 a restarted server goes on with its rollouts', async () => {
    await release('restarted');
    await client.rollouts.start('restarted', { version: await register('broken too'), plan: plan({ steps: [0.5], minUnits: 100_000 }) });
    await send('restarted', 100, 'g');
    await server.close();
    await open();
    const before = await client.rollouts.latest('restarted');
    assert.equal(before.status, 'running');
    await send('restarted', 100, 'h');
    const after = await until(
      'restarted',
      (each) => (each.look?.units.champion ?? 0) + (each.look?.units.candidate ?? 0) === 200,
      'all counted',
    );
    assert.equal(after.status, 'running');
  }, 60_000);
});
