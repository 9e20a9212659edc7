/**
 * The loop, short: a real server, some weeks of elec2_nsw_electricity through the HTTP API, and a server killed in the middle of a
 * retraining. The whole stream is `bench/loop-elec2.ts`.
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@slipway/client';
import { RetrainPolicy } from '@slipway/project/contract';
import { RolloutOptions } from '@slipway/releases/rollout-contract';
import { afterAll, test } from 'vitest';
import { type ServerProcess, endAll, startServerProcess, temporaryHome } from '../faults/server-process.ts';
import { ROWS_PER_DAY, accuracy, hasElectricity, launchBoth, readElectricity, replayDays } from './electricity-stream.ts';

const FIRST_ROWS = 1_000;
/** By then the first model is right in little more than half of the cases. */
const BEFORE_DAYS = 110;
const AFTER_DAYS_LIMIT = 90;
const AFTER_PART_DAYS = 5;
let server: ServerProcess | undefined;
let folder: Awaited<ReturnType<typeof temporaryHome>> | undefined;

afterAll(async () => {
  await endAll();
  await folder?.remove();
});

async function open(): Promise<Client> {
  folder ??= await temporaryHome();
  server = await startServerProcess({ home: folder.home });
  return server.client;
}

/** Kills the server without warning once the launch below a retraining is running. */
async function killWhileTraining(client: Client, run: string): Promise<void> {
  for (let wait = 0; wait < 600; wait += 1) {
    const { items } = await client.runs.list({ parent: run });
    if (items.some(({ workflow, status }) => workflow === 'project.launch' && status === 'running')) break;
    await delay(50);
  }
  await server?.kill();
}

test.skipIf(!hasElectricity())(
  'a retraining survives kill -9, makes one version, is promoted by a paired shadow on late labels, and the stream is answered better',
  async () => {
    let client = await open();
    const rows = readElectricity();
    const policy = RetrainPolicy.parse({
      data: { rows: 2_000, original: false, holdBack: 0.1 },
      rollout: RolloutOptions.parse({
        strategy: 'shadow',
        goals: [{ metric: 'outcome', margin: 0.1 }],
        minUnits: 96,
        minStepSeconds: 0,
        lookSeconds: 0.5,
      }),
    });
    await launchBoth(client, rows.slice(0, FIRST_ROWS), policy);
    const names = { live: 'electricity', frozen: 'electricity-frozen', dayMs: 0 };
    const start = FIRST_ROWS + BEFORE_DAYS * ROWS_PER_DAY;
    await replayDays(client, rows.slice(FIRST_ROWS, start), names);
    const { run } = await client.retraining.start('electricity', { reason: 'by the test' });
    await killWhileTraining(client, run);
    client = await open();
    let days = 0;
    for (; days < AFTER_DAYS_LIMIT; days += AFTER_PART_DAYS) {
      const status = (await client.retraining.get('electricity')).attempts[0]?.status;
      if (status !== 'running') break;
      const rollout = await client.rollouts.latest('electricity').catch(() => undefined);
      // Until the candidate is mirrored, event time may as well stand still.
      if (!rollout) {
        days -= AFTER_PART_DAYS;
        await delay(500);
        continue;
      }
      const from = start + days * ROWS_PER_DAY;
      await replayDays(client, rows.slice(from, from + AFTER_PART_DAYS * ROWS_PER_DAY), { ...names, dayMs: 500 });
    }
    const [attempt] = (await client.retraining.get('electricity')).attempts;
    assert.equal(attempt?.status, 'promoted', JSON.stringify(attempt));
    const children = (await client.runs.list({ parent: run })).items.map(({ workflow, status }) => `${workflow} ${status}`);
    const done = children.filter((child) => !child.startsWith('project.evidence'));
    assert.deepEqual(done.toSorted(), ['project.launch succeeded', 'releases.rollout succeeded']);
    assert.equal((await client.releases.get('electricity')).revisions.length, 2);
    assert.equal((await client.versions.list({ kind: 'model', name: 'electricity' })).items.length, 2);
    const { items } = await client.releases.history('electricity');
    const reasons = items.map(({ data }) => String((data as { reason?: string } | null)?.reason));
    assert.ok(reasons.some((reason) => reason.startsWith('retrained: by the test; roc_auc')));
    const from = start + days * ROWS_PER_DAY;
    const after = await replayDays(client, rows.slice(from, from + 14 * ROWS_PER_DAY), names);
    const [live, frozen] = [accuracy(after, 'live'), accuracy(after, 'frozen')];
    assert.ok(live > frozen + 0.05, `live ${live}, frozen ${frozen}`);
    assert.equal((await client.audit.verify()).ok, true);
  },
  600_000,
);
