import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient } from '@slipway/client';
import { createRandom } from '@slipway/statistics';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type RunningServer, startServer } from './index.ts';
import { prepareTestHome } from './testing/index.ts';

/**
 * A process may die after the work of a step and before its record, and then does the step again. Here every step of every
 * run is done twice; what is said, made and counted must be what one doing says, makes and counts.
 */
const ROWS = 300;
let home: string;
let server: RunningServer;
let client: Client;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'slipway-repeated-'));
  await prepareTestHome(home);
  server = await startServer({ home, port: 0, listen: false, log: () => {}, extra: { repeatSteps: true } });
  client = createClient({ url: 'http://127.0.0.1', key: server.localToken.reveal(), fetch: server.fetch });
});
afterAll(async () => {
  await server?.close();
  await rm(home, { recursive: true, force: true });
});

/** Five rows a customer. */
function rowsOf(seed: number): string {
  const random = createRandom(seed);
  const lines = Array.from({ length: ROWS }, (_, index) => {
    const x = random.next();
    const y = random.next() < 0.8 ? x > 0.5 : x <= 0.5;
    return `c${Math.floor(index / 5)},${x.toFixed(3)},${random.next().toFixed(3)},${y ? 'yes' : 'no'}`;
  });
  return `customer,x,noise,y\n${lines.join('\n')}\n`;
}

type Start = Parameters<Client['launches']['start']>[0];

async function launch(name: string, definition: object, more: Partial<Start> = {}) {
  const { sha256 } = await client.uploads.put(new TextEncoder().encode(rowsOf(7)), 'rows.csv');
  const { run } = await client.launches.start({
    definition: { name, dataset: name, train: { kind: 'gbdt', params: { rounds: 5, leafLimit: 4 } }, ...definition },
    data: { sha256, fileName: 'rows.csv' },
    ...more,
  } as Start);
  return client.launches.follow(run, () => {});
}

async function eventsSince(seq: number): Promise<string[]> {
  const { items } = await client.audit.events({ after: seq, limit: 500 });
  return items.map(({ type }) => type).toSorted();
}
const lastSeq = async () => (await client.audit.events({ limit: 500 })).nextAfter;

const LAUNCHED = [
  'catalog.version.registered',
  'catalog.version.registered',
  'catalog.version.registered',
  'evaluation.gates.fixed',
  'releases.revision.created',
  'workflows.run.started',
  'workflows.run.succeeded',
];

describe('every step done twice', () => {
  test('a launch says and makes everything once', async () => {
    const before = await lastSeq();
    const { release } = await launch('plain', { target: 'y', exclude: ['customer'] });
    assert.equal(release?.revision, 1);
    assert.deepEqual(await eventsSince(before), LAUNCHED);
  });

  test('a launch that overrides its gates says so once, and each launch anew', async () => {
    const impossible = { target: 'y', exclude: ['customer'], gates: [{ kind: 'metric', metric: 'roc_auc', atLeast: 1 }] };
    for (const round of [1, 2]) {
      const before = await lastSeq();
      const { gates } = await launch('forced', impossible, { force: true });
      assert.equal(gates[0]?.passed, false);
      const said = (await eventsSince(before)).filter((type) => type.startsWith('evaluation.'));
      assert.deepEqual(said, ['evaluation.gates.fixed', 'evaluation.gates.overridden'], `round ${round}`);
    }
  });

  test('a launch with a rollout names the run that conducts it', async () => {
    const definition = { target: 'y', exclude: ['customer'], rollout: { strategy: 'canary', goals: [{ metric: 'outcome' }] } };
    await launch('careful', definition);
    const { release } = await launch('careful', { ...definition, seed: 9 });
    assert.ok(release?.rollout);
    assert.equal((await client.rollouts.latest('careful')).run, release.rollout);
    await client.rollouts.act('careful', 'abort');
  });

  test('an erasure has one receipt, with what it erased', async () => {
    const { release } = await launch('people', { target: 'y', subject: 'customer' });
    assert.ok(release);
    await client.predict('people', { rows: [{ x: 0.4, noise: 0.2 }], subject: 'c3' });
    const before = await lastSeq();
    const { id } = await client.erasures.create('c3');
    const receipt = await untilErased(id);
    assert.deepEqual(
      (await eventsSince(before)).filter((type) => type.startsWith('governance.')),
      ['governance.subject.erased'],
    );
    assert.equal(receipt.rows, 5);
    assert.equal(receipt.invocations, 1);
  });
});

async function untilErased(id: string) {
  for (let look = 0; look < 300; look += 1) {
    const receipt = await client.erasures.get(id);
    if (receipt.status === 'done') return receipt;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return assert.fail('the erasure did not end');
}
