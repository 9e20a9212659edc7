import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Client, createClient } from '@slipway/client';
import { EvaluationReport } from '@slipway/evaluation/contract';
import { LaunchResult, RetrainPolicy } from '@slipway/project/contract';
import { RolloutOptions } from '@slipway/releases/rollout-contract';
import { createRandom } from '@slipway/statistics';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type RunningServer, startServer } from './index.ts';
import { prepareTestHome } from './testing/index.ts';

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2020, 0, 1);
const random = createRandom(11);
let home: string;
let server: RunningServer;
let client: Client;
/** Event time of the calls: an hour each. */
let eventMs = START_MS;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'slipway-retrain-'));
  await prepareTestHome(home);
  server = await startServer({ home, port: 0, listen: false, log: () => {} });
  client = createClient({ url: 'http://127.0.0.1', key: server.localToken.reveal(), fetch: server.fetch });
});
afterAll(async () => {
  await server?.close();
  await rm(home, { recursive: true, force: true });
});

type Concept = 'above' | 'below';
const draw = () => ({ x: Math.round(random.next() * 1_000) / 1_000, noise: Math.round(random.next() * 1_000) / 1_000 });
const truth = (concept: Concept, x: number) => (x > 0.5 === (concept === 'above') ? 'yes' : 'no');

async function launch(name: string, retrain?: object): Promise<void> {
  const rows = Array.from({ length: 400 }, draw);
  const csv = `x,noise,y\n${rows.map(({ x, noise }) => `${x},${noise},${truth('above', x)}`).join('\n')}\n`;
  const { sha256 } = await client.uploads.put(new TextEncoder().encode(csv), 'rows.csv');
  const { run } = await client.launches.start({
    definition: {
      name,
      dataset: name,
      target: 'y',
      train: { kind: 'gbdt', params: { rounds: 20, leafLimit: 4 } },
      acceptLeak: ['x'],
      ...(retrain ? { retrain } : {}),
    },
    data: { sha256, fileName: 'rows.csv' },
  } as Parameters<Client['launches']['start']>[0]);
  const { release, gates } = await client.launches.follow(run, () => {});
  assert.ok(release, JSON.stringify(gates));
}

/** Labelled calls, an hour of event time each. */
async function live(name: string, count: number, concept: Concept, subject?: string): Promise<void> {
  const inputs = Array.from({ length: count }, draw);
  const answers = [];
  // What is beyond the limit of mirrored calls at once is not mirrored.
  for (let start = 0; start < count; start += 10) {
    const part = inputs
      .slice(start, start + 10)
      .map((row) => client.predict(name, { rows: [row], eventTime: (eventMs += HOUR_MS), ...(subject === undefined ? {} : { subject }) }));
    answers.push(...(await Promise.all(part)));
  }
  await client.outcomes.add({
    outcomes: answers.map(({ predictions }, index) => ({
      invocation: predictions[0]?.invocation ?? '',
      value: truth(concept, inputs[index]?.x ?? 0),
    })),
  });
}

const reportOf = async (reference: string) => EvaluationReport.parse(JSON.parse(await client.reports.text(reference)));
const policy = (changes: object = {}) =>
  RetrainPolicy.parse({
    data: { original: false, rows: 300 },
    rollout: RolloutOptions.parse({
      strategy: 'shadow',
      goals: [{ metric: 'outcome', margin: 0.2 }],
      minUnits: 40,
      minStepSeconds: 0,
      lookSeconds: 0.2,
    }),
    ...changes,
  });

async function until<T>(look: () => Promise<T>, isDone: (found: T) => boolean, what: string): Promise<T> {
  for (let wait = 0; wait < 1_500; wait += 1) {
    const found = await look();
    if (isDone(found)) return found;
    await delay(100);
  }
  return assert.fail(`${what}: ${JSON.stringify(await look(), null, 1)}`);
}
const attempts = async (name: string) => (await client.retraining.get(name)).attempts;
const newest = (name: string, isDone: (status: string) => boolean) =>
  until(
    async () => (await attempts(name))[0],
    (found) => found !== undefined && isDone(found.status),
    name,
  );
const inRollout = (name: string) =>
  until(
    () => client.rollouts.latest(name).catch(() => undefined),
    (found) => found !== undefined && found.endedAt === null,
    'in a rollout',
  );

describe('retraining', () => {
  test('by hand: a changed world is learnt from labelled calls, proven on the latest, shadowed and promoted, and every step is explained', async () => {
    await launch('turned');
    await client.retraining.configure('turned', policy());
    await assert.rejects(client.retraining.start('turned'), /no labelled calls/);
    await live('turned', 200, 'below', 'anna');
    await live('turned', 60, 'below');
    const { run } = await client.retraining.start('turned', { reason: 'the world turned' });
    await assert.rejects(client.retraining.start('turned'), /is being retrained/);
    await inRollout('turned');
    assert.deepEqual((await client.releases.get('turned')).traffic[0]?.revision, 1, 'a shadow answers nobody');
    const ended = await until(
      async () => {
        // Traffic goes on; what came before the mirror was known here is not mirrored.
        await live('turned', 20, 'below');
        return (await attempts('turned'))[0];
      },
      (found) => found?.status !== 'running',
      'turned',
    );
    assert.equal(ended?.status, 'promoted', JSON.stringify(ended));
    assert.equal(ended?.revision, 2);
    assert.deepEqual([ended?.facts.data?.rows, ended?.facts.data?.heldBack, ended?.facts.data?.original], [208, 52, 0]);
    assert.ok((ended?.facts.comparison?.low ?? 0) > 0.5);
    const { items } = await client.releases.history('turned');
    const made = items.find(({ type, data }) => type === 'releases.revision.created' && (data as { revision: number }).revision === 2);
    assert.match(
      String((made?.data as { reason: string } | undefined)?.reason),
      /^retrained: the world turned; roc_auc .* of revision 1 on 52 held-back calls/,
    );
    assert.deepEqual(
      items.map(({ type }) => type).filter((type) => type.startsWith('project.')),
      ['project.retraining.promoted', 'project.retraining.started', 'project.retraining.configured'],
    );
    const tree = await until(
      async () => (await client.runs.list({ parent: run })).items,
      (items) => items.some(({ workflow, endedAt }) => workflow === 'project.evidence' && endedAt !== null),
      'the evidence that follows',
    );
    assert.deepEqual(tree.map(({ workflow, status }) => `${workflow} ${status}`).toSorted(), [
      'project.evidence succeeded',
      'project.launch succeeded',
      'releases.rollout succeeded',
    ]);
    const launched = LaunchResult.parse(tree.find(({ workflow }) => workflow === 'project.launch')?.output);
    const [lean, whole] = [await reportOf(launched.report), await reportOf(ended?.version ?? '')];
    assert.deepEqual([lean.slices, lean.robustness, lean.explanations], [null, null, null], 'the verdict needs none of these');
    assert.ok(lean.notes.some((note) => note.includes('the rest follows')));
    assert.ok(whole.slices && whole.robustness && whole.explanations && whole.importances);
    assert.deepEqual([whole.comparison, whole.gates], [lean.comparison, lean.gates]);
    assert.ok(!whole.notes.some((note) => note.includes('the rest follows')));
    const { edges } = await client.versions.lineage(ended?.facts.data?.dataset ?? '', 'up');
    assert.ok(edges.some(({ role }) => role === 'answered-by'));
  }, 400_000);

  test('what the dataset of a retraining holds of a person is erased with the person, and is not learnt from again', async () => {
    const before = (await attempts('turned'))[0]?.facts.data?.dataset ?? '';
    assert.equal((await client.datasets.get(before)).meta?.subjectColumn, 'subject');
    const { id } = await client.erasures.create('anna');
    const receipt = await until(
      () => client.erasures.get(id),
      (found) => found.completedAt !== null,
      'erased',
    );
    assert.ok(
      receipt.datasets.some((dataset) => dataset.from === before && dataset.rows === 200),
      JSON.stringify(receipt),
    );
    assert.equal((await client.datasets.get(before)).meta, null);
    const { telemetry } = server.house;
    const project = (await client.me()).project.id;
    const rows = await telemetry.labelledRows(project, { release: 'turned', fromMs: 0, toMs: Date.now(), outcome: 'label', limit: 1_000 });
    assert.ok(rows.length >= 60 + 40);
    assert.ok(rows.every((row) => row.subject === null));
  });

  test('a version that is not shown to be better where that is asked for is refused: nothing is released, and it is said why', async () => {
    await launch('steady', policy({ require: 'better' }));
    await live('steady', 150, 'above');
    await client.retraining.start('steady');
    const ended = await newest('steady', (status) => status !== 'running');
    assert.equal(ended?.status, 'refused', JSON.stringify(ended));
    assert.match(ended?.reason ?? '', /not shown to be better/);
    assert.equal((await client.releases.get('steady')).revisions.length, 1);
    assert.match(JSON.stringify((await client.releases.history('steady')).items[0]), /project.retraining.refused.*not shown to be better/);
  });

  test('a trigger within the cool-down is seen once, counted, and starts nothing; one after it starts by itself', async () => {
    await client.retraining.configure('steady', policy({ on: [{ kind: 'new-data', rows: 100 }], coolDown: '30d', require: 'better' }));
    await live('steady', 120, 'above');
    const skipped = await until(
      async () => (await attempts('steady'))[0],
      (found) => found?.status === 'skipped' && found.count >= 2,
      'skipped twice',
    );
    assert.equal(skipped?.code, 'cool-down');
    assert.match(skipped?.reason ?? '', /cool-down of 30d until the event time 2020-/);
    const { items } = await client.releases.history('steady');
    assert.equal(items.filter(({ type }) => type === 'project.retraining.skipped').length, 1, 'the log tells of it once');
    eventMs += 30 * 24 * HOUR_MS;
    await live('steady', 40, 'above');
    const started = await newest('steady', (status) => status !== 'skipped');
    assert.match(started?.trigger.reason ?? '', /\d+ labelled calls are new, 100 were waited for/);
    await client.runs.cancel(started?.run ?? '');
    assert.equal((await newest('steady', (status) => status !== 'running'))?.status, 'cancelled');
    await client.retraining.configure('steady', null);
    assert.equal((await client.retraining.get('steady')).policy, null);
  });

  test('without enough later calls the attempt fails with what to do, and another project sees nothing', async () => {
    await launch('few');
    await client.retraining.configure('few', policy());
    await live('few', 20, 'below');
    await client.retraining.start('few');
    const ended = await newest('few', (status) => status !== 'running');
    assert.equal(ended?.status, 'failed');
    assert.match(ended?.reason ?? '', /10 rows to learn from and 10 to judge by/);
    const { id } = await client.projects.create('elsewhere');
    const other = createClient({ url: 'http://127.0.0.1', key: server.localToken.reveal(), project: id, fetch: server.fetch });
    await assert.rejects(other.retraining.get('few'), /no release/);
    await assert.rejects(other.retraining.start('few'), /no release/);
    await assert.rejects(other.retraining.configure('few', policy()), /no release/);
  });
});
