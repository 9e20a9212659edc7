import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, readEvents } from '@slipway/client';
import { type GateDefinition, decideGates, hashGates } from '@slipway/evaluation';
import { type Capability, type Json, type Result, type ServableKind, defineWorkflow } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import { fakeAgent, fakeAssistant, fakeLoader, fakeModel, fakePrompt } from '@slipway/releases/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { z } from 'zod';
import { type RunningServer, startServer } from './index.ts';
import { prepareTestHome } from './testing/index.ts';

/**
 * The contracts, driven by four kinds of servable that know nothing of each other: version -> gates -> release ->
 * invocation -> outcome -> rollback -> erasure of one person. Whatever is written for models only would break here.
 */
const SUBJECT = 'customer-4711';
const BYSTANDER = 'customer-1';

const KINDS: Readonly<Record<ServableKind, { input: unknown; gate: GateDefinition; value: number }>> = {
  model: { input: { x: 21, customer: SUBJECT }, gate: { kind: 'metric', metric: 'roc_auc', atLeast: 0.8 }, value: 0.9 },
  prompt: { input: { question: 'where is my order' }, gate: { kind: 'metric', metric: 'exact_match', atLeast: 0.8 }, value: 0.9 },
  assistant: {
    input: { messages: [{ role: 'user', content: 'help' }] },
    gate: { kind: 'metric', metric: 'citation_precision', atLeast: 0.9 },
    value: 0.95,
  },
  agent: { input: { task: 'refund the order' }, gate: { kind: 'metric', metric: 'cost_micros', atMost: 500 }, value: 120 },
};

let home: string;
let server: RunningServer;
let client: Client;
let project: string;

const approvals = defineWorkflow({
  name: 'fake.agent',
  version: 1,
  input: z.strictObject({ invocation: z.string() }),
  run: async (context, { invocation }) => {
    const approved = await context.waitFor('approval', 60_000);
    await context.step('answer', async () => {
      const { invocation: pending } = await server.house.telemetry.getInvocation(context.project, invocation);
      const result: Result<unknown> = { status: 'ok', output: { answer: approved === true ? 'refunded' : 'refused' } };
      await server.house.answering.complete(pending, result);
    });
    return { approved: approved ?? null };
  },
});

const agents: Capability = { name: 'fake-agents', workflows: [approvals] };

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'slipway-contracts-'));
  await prepareTestHome(home);
  const startRun = async (call: { context: { invocation: string } }) => {
    const { house } = server;
    const principal = (await house.identity.bootstrap({})).admin;
    const run = await house.records.transaction((tx) =>
      house.workflows.start(tx, { project, principal, workflow: 'fake.agent', input: { invocation: call.context.invocation } }),
    );
    return run.id;
  };
  const loaders = [
    fakeLoader('model', fakeModel),
    fakeLoader('prompt', fakePrompt),
    fakeLoader('assistant', fakeAssistant),
    fakeLoader('agent', (version) => fakeAgent(version, startRun)),
  ];
  server = await startServer({ home, port: 0, listen: true, extra: { loaders, capabilities: [agents] } });
  client = createClient({ url: server.url ?? '', key: server.localToken.reveal() });
  project = (await client.me()).project.id;
});

afterAll(async () => {
  await server?.close();
  await rm(home, { recursive: true, force: true });
});

async function register(kind: ServableKind, content: string): Promise<string> {
  const { records, catalog } = server.house;
  const { version } = await records.transaction((tx) =>
    catalog.register(tx, {
      project,
      kind,
      name: `fake-${kind}`,
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

async function publish(kind: ServableKind, version: string, parts: Record<string, string> = {}) {
  const { records, releases } = server.house;
  return records.transaction((tx) =>
    releases.publish(tx, { project, name: `live-${kind}`, version, kind, parts, run: null, principal: 'prn_test', revise: 'always' }),
  );
}

describe.each(Object.keys(KINDS) as ServableKind[])('a %s', (kind) => {
  const { input, gate, value } = KINDS[kind];
  const versions: string[] = [];
  let invocation = '';

  test('becomes a version whose recipe makes nothing twice', async () => {
    versions.push(await register(kind, `${kind} one`), await register(kind, `${kind} two`));
    assert.equal(await register(kind, `${kind} one`), versions[0]);
    assert.notEqual(versions[0], versions[1]);
  });

  test('meets a gate that was fixed and hashed before, and fails a stricter one', () => {
    const facts = (measured: number) => ({
      metrics: { [gate.kind === 'metric' ? gate.metric : '']: { value: measured, low: measured, high: measured } },
      improvements: {},
      parity: null,
      leaks: null,
      acceptedLeaks: [],
      latency: null,
    });
    assert.match(hashGates([gate]), /^[0-9a-f]{64}$/);
    assert.equal(decideGates([gate], facts(value))[0]?.passed, true);
    const strict: GateDefinition = {
      ...gate,
      ...(gate.kind === 'metric' && gate.atLeast !== undefined ? { atLeast: 0.999 } : { atMost: 1 }),
    } as GateDefinition;
    assert.equal(decideGates([strict], facts(value))[0]?.passed, false);
  });

  test('goes live, pins its parts, and a relaunch makes revision 2', async () => {
    const index = await register('prompt', `index for ${kind}`);
    assert.equal((await publish(kind, versions[0] ?? '', { index })).revision, 1);
    assert.equal((await publish(kind, versions[1] ?? '', { index })).revision, 2);
    const release = await client.releases.get(`live-${kind}`);
    assert.deepEqual(
      release.revisions.map(({ number, version, parts }) => [number, version, parts['index']]),
      [
        [2, versions[1], index],
        [1, versions[0], index],
      ],
    );
  });

  test('answers a call that can be read back whole', async () => {
    const reply = await client.invoke(`live-${kind}`, { input, unit: 'unit-1', subject: SUBJECT, eventTime: '2026-01-02T03:04:05Z' });
    invocation = reply.invocation;
    assert.deepEqual([reply.revision, reply.version], [2, versions[1]]);
    assert.equal(reply.status, kind === 'agent' ? 'pending' : 'ok');
    const { invocation: stored } = await client.invocations.get(invocation);
    assert.deepEqual(
      {
        revision: stored.revision,
        version: stored.version,
        unit: stored.unit,
        subject: stored.subject,
        eventTime: stored.eventTime,
        input: stored.input,
        status: stored.status,
      },
      {
        revision: 2,
        version: versions[1],
        unit: 'unit-1',
        subject: SUBJECT,
        eventTime: '2026-01-02T03:04:05.000Z',
        input,
        status: reply.status,
      },
    );
    assert.deepEqual(stored.output, reply.output);
  });

  test('is judged by outcomes that arrive later, several of them, each counted once', async () => {
    const outcomes = [
      { invocation, name: 'label', value: 'yes' },
      { invocation, name: 'rating', value: 4, source: 'user' },
    ];
    assert.equal((await client.outcomes.add({ outcomes })).accepted, 2);
    assert.deepEqual(await client.outcomes.add({ outcomes }), { accepted: 0, duplicates: 2, problems: [] });
    const { outcomes: stored } = await client.invocations.get(invocation);
    assert.deepEqual(stored.map(({ name, value: given }) => [name, given]).toSorted(), [
      ['label', 'yes'],
      ['rating', 4],
    ]);
  });

  test('is rolled back, and the next call is answered by the earlier version', async () => {
    await client.releases.rollback(`live-${kind}`, { reason: 'drill' });
    const reply = await client.invoke(`live-${kind}`, { input, subject: BYSTANDER });
    assert.deepEqual([reply.revision, reply.version], [1, versions[0]]);
    const history = await client.releases.history(`live-${kind}`);
    assert.deepEqual(
      history.items.map((change) => change.type),
      ['releases.release.rolled-back', 'releases.revision.created', 'releases.revision.created'],
    );
  });
});

test('a prompt streams its parts, and the call is recorded before the last one', async () => {
  const reply = await client.transport.raw('POST', '/v1/releases/live-prompt/stream', { body: { input: { question: 'two words' } } });
  const events = [];
  for await (const event of readEvents(reply)) events.push({ type: event.event, data: JSON.parse(event.data) as Record<string, Json> });
  assert.deepEqual(
    events.map((event) => event.type),
    ['delta', 'delta', 'result'],
  );
  const id = String(events.at(-1)?.data['invocation']);
  const { invocation } = await client.invocations.get(id);
  assert.deepEqual([invocation.status, invocation.output, invocation.costMicros], ['ok', { answer: 'TWO WORDS' }, 2]);
});

test("an assistant's answer tells which index its revision pinned", async () => {
  const reply = await client.invoke('live-assistant', { input: KINDS.assistant.input });
  const release = await client.releases.get('live-assistant');
  assert.deepEqual((reply.output as { citations: string[] }).citations, [release.revisions.at(-1)?.parts['index']]);
});

test("an agent's answer is pending until somebody approves, and then it is the invocation's", async () => {
  const reply = await client.invoke('live-agent', { input: KINDS.agent.input, subject: SUBJECT });
  assert.equal(reply.status, 'pending');
  await server.house.workflows.signal(project, reply.run ?? '', 'approval', true);
  await server.house.workflows.wait(project, reply.run ?? '', { timeoutMs: 30_000 });
  const { invocation } = await client.invocations.get(reply.invocation);
  assert.deepEqual([invocation.status, invocation.output], ['ok', { answer: 'refunded' }]);
});

test('what one kind takes, another refuses by its contract', async () => {
  await assert.rejects(client.invoke('live-model', { input: KINDS.prompt.input }), /question/);
});

test('one person is erased everywhere, others stay, and the log still verifies', async () => {
  const file = join(home, 'people.csv');
  await writeFile(
    file,
    `customer,age,bought\n${Array.from({ length: 60 }, (_, row) => `${row % 3 === 0 ? SUBJECT : `other-${row}`},${20 + (row % 40)},${row % 2 === 0 ? 'yes' : 'no'}`).join('\n')}\n`,
  );
  const { data, identity } = server.house;
  const { admin } = await identity.bootstrap({});
  const people = await data.ingestVersion({
    project,
    name: 'people',
    principal: admin,
    source: { path: file },
    subject: 'customer',
    target: 'bought',
  });

  const kept = await client.invoke('live-model', { input: { x: 1, customer: BYSTANDER } });
  const gone = await client.invoke('live-model', { input: KINDS.model.input });
  const receipt = await client.erasures.create(SUBJECT);

  assert.equal(receipt.status, 'done');
  assert.equal(receipt.rows, 20);
  assert.deepEqual(
    receipt.datasets.map((dataset) => [dataset.from, dataset.rows]),
    [[people.version.id, 20]],
  );
  assert.ok(receipt.invocations >= 6, `${receipt.invocations} invocations were erased`);
  assert.ok(!JSON.stringify(receipt).includes(SUBJECT));
  await assert.rejects(client.invocations.get(gone.invocation), /no invocation|not found|erased/i);
  assert.equal((await client.invocations.get(kept.invocation)).invocation.subject, BYSTANDER);
  const left = await client.invocations.list({ subject: SUBJECT });
  assert.deepEqual(left.items, []);
  const { meta } = await data.dataset(project, 'people');
  assert.equal(meta.rows, 40);
  await assert.rejects(data.dataset(project, people.version.id), /retired/);
  assert.equal((await client.audit.verify()).ok, true);
  const again = await client.erasures.create(SUBJECT);
  assert.deepEqual([again.invocations, again.rows], [0, 0]);
});
