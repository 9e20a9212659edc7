import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Json, ServingSettings } from '@slipway/kernel';
import { canonicalJson } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import type { ModelMetadata } from '@slipway/models';
import { heavyModel, syntheticModel } from '@slipway/models/testing';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type RunningServer, startServer } from './index.ts';
import { prepareTestHome } from './testing/index.ts';

/** Room for one of the models below, not for two. */
const MEMORY_MB = 1;

let home: string;
let server: RunningServer;
let project: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'slipway-serving-'));
  await prepareTestHome(home);
  server = await startServer({ home, port: 0, listen: true, modelMemoryMb: MEMORY_MB });
  project = (await server.house.identity.bootstrap({})).admin.project;
}, 60_000);
afterAll(async () => {
  await server?.close();
  await rm(home, { recursive: true, force: true });
});

async function publish(name: string, made: { bytes: Uint8Array; metadata: ModelMetadata }, serving?: ServingSettings) {
  const { records, catalog, releases, objects } = server.house;
  const { sha256 } = await objects.put(project, made.bytes);
  const meta = { onnx: sha256, metadata: JSON.parse(canonicalJson(made.metadata)) as Json };
  const shared = { project, run: null, principal: 'prn_test' };
  await records.transaction(async (tx) => {
    const hash = sha256Hex(name);
    const { version } = await catalog.register(tx, { ...shared, kind: 'model', name, recipe: hash, content: sha256, meta, parents: [] });
    await releases.publish(tx, { ...shared, name, version: version.id, kind: 'model', serving, revise: 'always' });
  });
}

function predict(name: string, row: object, headers: Record<string, string> = {}) {
  return fetch(`${server.url}/v1/releases/${name}/predict`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.localToken.reveal()}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ rows: [row] }),
  });
}

const metric = (series: string) => {
  const line = server.house.telemetry.metrics
    .render()
    .split('\n')
    .find((each) => each.startsWith(series));
  return Number(line?.slice(line.lastIndexOf(' ') + 1) ?? 0);
};
const recorded = (name: string) =>
  server.house.telemetry.metrics
    .render()
    .split('\n')
    .filter((line) => line.startsWith('slipway_invocations_total{') && line.includes(`release="${name}"`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);

describe('many models under a memory budget', () => {
  test('each answers when it is called, and they are in memory one at a time', async () => {
    const models = [1, 2, 3].map((seed) => syntheticModel({ numeric: 6, categorical: 0, trees: 300, depth: 6, seed }));
    for (const [index, model] of models.entries()) await publish(`m${index}`, model);
    const answers: unknown[] = [];
    for (let round = 0; round < 2; round += 1) {
      for (const [index, model] of models.entries()) {
        const reply = await predict(`m${index}`, model.rows(1)[0] ?? {});
        assert.equal(reply.status, 200, await reply.clone().text());
        answers.push(await reply.json());
        assert.deepEqual(
          server.house.routing.loaded().map(({ release }) => release),
          [`m${index}`],
        );
      }
    }
    assert.equal(answers.length, 6);
    assert.equal(metric('slipway_model_loads_total'), 6);
    assert.equal(metric(`slipway_model_unloads_total{project="${project}",reason="memory"}`), 5);
    assert.equal(metric('slipway_models_loaded'), 1);
    assert.equal(metric('slipway_model_memory_limit_bytes'), MEMORY_MB * 1_048_576);
    assert.ok(metric(`slipway_model_memory_bytes{project="${project}",release="m2"`) > MEMORY_MB * 500_000);
  }, 60_000);
});

describe('the Open Inference repository under a memory budget', () => {
  const names = ['r0', 'r1'];
  const models = [11, 12].map((seed) => syntheticModel({ numeric: 6, categorical: 0, trees: 300, depth: 6, seed }));

  async function ask(method: 'GET' | 'POST', path: string, body?: object): Promise<{ status: number; body: unknown }> {
    const reply = await fetch(`${server.url}/v2/${path}`, {
      method,
      headers: { authorization: `Bearer ${server.localToken.reveal()}`, 'content-type': 'application/json' },
      ...(method === 'POST' ? { body: JSON.stringify(body ?? {}) } : {}),
    });
    const text = await reply.text();
    return { status: reply.status, body: text === '' ? null : (JSON.parse(text) as unknown) };
  }
  const infer = (at: number) => {
    const row = models[at]?.rows(1)[0] ?? {};
    const inputs = Object.entries(row).map(([name, value]) => ({ name, shape: [1, 1], datatype: 'FP64', data: [value] }));
    return ask('POST', `models/${names[at]}/infer`, { inputs });
  };
  const index = async () => {
    const { body } = await ask('POST', 'repository/index');
    const found = body as { name: string; state: string; reason: string }[];
    return found.filter(({ name }) => names.includes(name)).map(({ name, state, reason }) => [name, state, reason]);
  };
  const inMemory = () => server.house.routing.loaded().map(({ release }) => release);
  const countOf = async (at: number) => {
    const { body } = await ask('GET', `models/${names[at]}/stats`);
    return Number((body as { model_stats: { inference_count: number }[] }).model_stats[0]?.inference_count);
  };
  const NEVER = 'not loaded yet; its first call loads it';
  const MADE_ROOM = 'made room for other models; its next call loads it again';

  beforeAll(async () => {
    for (const [at, model] of models.entries()) await publish(names[at] ?? '', model);
  });

  test('says of each model what is so: never loaded, in memory, or gone to make room, and a call loads it again', async () => {
    assert.deepEqual(await index(), [
      ['r0', 'UNAVAILABLE', NEVER],
      ['r1', 'UNAVAILABLE', NEVER],
    ]);
    assert.equal((await infer(0)).status, 200);
    assert.deepEqual(await index(), [
      ['r0', 'READY', ''],
      ['r1', 'UNAVAILABLE', NEVER],
    ]);
    assert.equal((await infer(1)).status, 200);
    assert.deepEqual(await index(), [
      ['r0', 'UNAVAILABLE', MADE_ROOM],
      ['r1', 'READY', ''],
    ]);
    assert.deepEqual([await countOf(0), await countOf(1)], [1, 1]);
    assert.equal((await infer(0)).status, 200);
    assert.deepEqual(await index(), [
      ['r0', 'READY', ''],
      ['r1', 'UNAVAILABLE', MADE_ROOM],
    ]);
    assert.deepEqual([await countOf(0), await countOf(1)], [2, 1], 'statistics survive');
  }, 60_000);

  test('being asked whether a model is ready loads nothing that has been loaded, so that it pushes no other one out', async () => {
    assert.deepEqual(inMemory(), ['r0']);
    for (const path of ['models/r0/ready', 'models/r1/ready', 'models/r1/versions/1/ready'])
      assert.equal((await ask('GET', path)).status, 200, path);
    assert.deepEqual(inMemory(), ['r0']);
  }, 60_000);

  test('a change elsewhere in the project does not make loaded models look unloaded', async () => {
    for (const name of ['r0', 'r1']) await server.house.routing.follow(project, name);
    server.house.routing.refresh(project);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(await index(), [
      ['r0', 'READY', ''],
      ['r1', 'UNAVAILABLE', MADE_ROOM],
    ]);
  }, 60_000);

  test('unloaded on purpose, it answers no more until it is loaded, whatever the budget does meanwhile', async () => {
    assert.equal((await ask('POST', 'repository/models/r0/unload')).status, 200);
    assert.deepEqual((await index())[0], ['r0', 'UNAVAILABLE', 'unloaded']);
    assert.equal((await ask('GET', 'models/r0/ready')).status, 503);
    assert.equal((await infer(0)).status, 503);
    assert.equal((await infer(1)).status, 200);
    assert.deepEqual(await index(), [
      ['r0', 'UNAVAILABLE', 'unloaded'],
      ['r1', 'READY', ''],
    ]);
    assert.equal((await ask('POST', 'repository/models/r0/load')).status, 200);
    assert.deepEqual(await index(), [
      ['r0', 'READY', ''],
      ['r1', 'UNAVAILABLE', MADE_ROOM],
    ]);
    assert.equal((await infer(0)).status, 200);
    assert.equal(await countOf(0), 3);
    const ready = await ask('POST', 'repository/index', { ready: true });
    assert.deepEqual(
      (ready.body as { name: string }[]).map(({ name }) => name),
      ['r0'],
    );
  }, 60_000);
});

describe('RL13 a model that is asked more than it can do', () => {
  beforeAll(async () => {
    await publish('heavy', heavyModel(900), { lane: 'worker', lanes: 1, maxBatchRows: 1, queueRows: 8 });
    assert.equal((await predict('heavy', { x: 1 })).status, 200);
  }, 60_000);

  test('answers what fits its queue and refuses the rest with 503 and a time to come back, unrecorded and counted', async () => {
    const before = recorded('heavy');
    const replies = await Promise.all(Array.from({ length: 40 }, (_, index) => predict('heavy', { x: index })));
    const answered = replies.filter(({ status }) => status === 200);
    const refused = replies.filter(({ status }) => status === 503);
    assert.equal(answered.length + refused.length, 40);
    assert.ok(answered.length >= 8 && refused.length >= 20, `${answered.length} answered`);
    for (const reply of refused) {
      assert.match(reply.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
      const { error } = (await reply.json()) as { error: { code: string; remedy: string; details: { reason: string } } };
      assert.deepEqual([error.code, error.remedy, error.details.reason], ['models/busy', 'wait', 'queue-full']);
    }
    assert.equal(recorded('heavy') - before, answered.length);
    assert.equal(metric(`slipway_calls_shed_total{project="${project}",release="heavy",reason="queue-full"}`), refused.length);
    assert.ok(metric('slipway_model_batch_rows_count{lane="worker"}') > 0);
    await Promise.all(answered.map((reply) => reply.arrayBuffer()));
  }, 60_000);

  test('a health check is answered while calls wait, and interactive calls overtake batch calls', async () => {
    const order: string[] = [];
    const send = async (name: string, priority: string) => {
      const { status } = await predict('heavy', { x: 1 }, { 'x-slipway-priority': priority });
      if (status === 200) order.push(name);
    };
    const calls = [send('first', 'interactive')];
    await new Promise((resolve) => setTimeout(resolve, 5));
    calls.push(...['b1', 'b2', 'b3'].map((name) => send(name, 'batch')));
    await new Promise((resolve) => setTimeout(resolve, 10));
    calls.push(send('i1', 'interactive'), send('i2', 'interactive'));
    const health = await fetch(`${server.url}/health`);
    assert.ok(order.length < 6, 'health did not wait for the model');
    assert.equal(health.status, 200);
    await Promise.all(calls);
    assert.deepEqual([order.length, order.at(-1)?.startsWith('b')], [6, true], order.join());
  }, 60_000);

  test('a deadline that passes is 504, one that cannot be met is 503, and a header that is wrong is named', async () => {
    const waiting = Array.from({ length: 4 }, () => predict('heavy', { x: 1 }));
    await new Promise((resolve) => setTimeout(resolve, 10));
    const { status } = await predict('heavy', { x: 1 }, { 'x-slipway-deadline-ms': '1' });
    assert.ok(status === 503 || status === 504, String(status));
    await Promise.all(waiting.map(async (each) => (await each).arrayBuffer()));
    for (const headers of [{ 'x-slipway-deadline-ms': 'soon' }, { 'x-slipway-deadline-ms': '0' }, { 'x-slipway-priority': 'urgent' }]) {
      const reply = await predict('heavy', { x: 1 }, headers);
      assert.equal(reply.status, 422);
      assert.match(await reply.text(), new RegExp(Object.keys(headers)[0] ?? ''));
    }
  }, 60_000);

  test('the settings are part of the revision, and other settings make another one', async () => {
    const { releases, records } = server.house;
    const [revision] = (await releases.get(project, 'heavy')).revisions;
    assert.deepEqual(revision?.serving, { lane: 'worker', lanes: 1, maxBatchRows: 1, queueRows: 8 });
    const again = (serving: ServingSettings) =>
      records.transaction((tx) =>
        releases.publish(tx, {
          project,
          name: 'heavy',
          version: revision.version,
          kind: 'model',
          serving,
          run: null,
          principal: 'prn_test',
          revise: 'when-changed',
        }),
      );
    assert.equal((await again({ queueRows: 8, maxBatchRows: 1, lanes: 1, lane: 'worker' })).created, false);
    assert.deepEqual(await again({ lane: 'worker', lanes: 2 }), { release: 'heavy', revision: 2, created: true, live: true });
  });
});

test('every series of serving that the Grafana dashboard shows is told by /metrics', async () => {
  const headers = { authorization: `Bearer ${server.localToken.reveal()}` };
  const told = await (await fetch(`${server.url}/metrics`, { headers })).text();
  const dashboard = await (await fetch(`${server.url}/v1/dashboards/grafana`, { headers })).text();
  const asked = new Set(dashboard.match(/\bslipway_(?:models?|calls|invocations?)_[a-z_]+/g) ?? []);
  const names = new Set(Array.from(told.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name ?? ''));
  const isTold = (name: string) => names.has(name) || names.has(name.replace(/_(?:bucket|sum|count)$/, ''));
  assert.ok(asked.size >= 12, String(asked.size));
  assert.deepEqual(
    [...asked].filter((name) => !isTold(name)),
    [],
  );
});
