import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createClient } from '@slipway/client';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { KEY, type ServerProcess, type Where, endAll, runCli, startServerProcess, temporaryHome } from '../faults/server-process.ts';
import { goodTable } from './bad-files.ts';
import { PREDICT, badRequests, goodBody, goodRow } from './bad-requests.ts';
import { type Holdings, holdingsOf } from './leftovers.ts';
import { assertReplyRefused } from './refusals.ts';
import { send } from './send.ts';

const MEBIBYTE = 1024 * 1024;
const BOMB_BYTES = 100 * MEBIBYTE;
const GROWTH_BYTES_MAX = 64 * MEBIBYTE;
const EXPIRES_MS = 2_000;
/** A revocation holds within a second on every replica. */
const REVOKED_WITHIN_MS = 1_500;

interface Launched {
  readonly version: string;
  readonly dataset: string;
  readonly report: string;
  readonly run: string;
}

describe('bad input over HTTP', () => {
  let folder: string;
  let where: Where;
  let server: ServerProcess;
  let launched: Launched;
  let removeHome: () => Promise<void>;
  let before: Holdings & { readonly invocations: number };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-bad-http-'));
    const { home, remove } = await temporaryHome();
    [where, removeHome] = [{ home }, remove];
    server = await startServerProcess(where);
    const path = join(folder, 'good.csv');
    await writeFile(path, goodTable());
    const ended = await runCli(where, ['launch', path, '--target', 'left', '--name', 'good', '--seconds', '0.5', '--json', '--force']);
    assert.equal(ended.code, 0, ended.stderr);
    launched = JSON.parse(ended.stdout) as Launched;
    await assertGoodPasses();
    before = await held();
  });
  afterAll(async () => {
    await endAll();
    await removeHome?.();
    await rm(folder, { recursive: true, force: true });
  });

  async function held() {
    const { items } = await server.client.invocations.list({ limit: 500 });
    return { ...(await holdingsOf(server.client, where.home)), invocations: items.length };
  }

  async function assertGoodPasses(key = KEY): Promise<string> {
    const reply = await send(server.url, { path: PREDICT, body: goodBody, key });
    const text = await reply.text();
    assert.equal(reply.status, 200, text);
    return (JSON.parse(text) as { predictions: [{ invocation: string }] }).predictions[0].invocation;
  }

  test.each(badRequests)('$what is refused in words', async ({ what: _what, expected, status, ...request }) => {
    const reply = await send(server.url, { key: KEY, ...request });
    await assertReplyRefused(reply, expected, status);
  });

  test('none of them left anything behind, and the release still answers', async () => {
    assert.deepEqual(await held(), before);
    await assertGoodPasses();
    assert.notDeepEqual(await held(), before, 'a good call is seen by the check');
    before = await held();
  });

  test('a body of 100 MB is refused with 413 and does not fill the memory', async () => {
    const piece = new Uint8Array(MEBIBYTE).fill(32);
    const pieces = function* () {
      for (let sent = 0; sent < BOMB_BYTES; sent += piece.length) yield piece;
    };
    const startBytes = await residentBytes(server.pid);
    const watch = watchPeak(server.pid);
    for (const path of [PREDICT, '/v1/outcomes']) {
      for (const headers of [{}, { 'content-length': String(BOMB_BYTES) }]) {
        const reply = await send(server.url, { path, key: KEY, headers, body: pieces() });
        await assertReplyRefused(reply, { kind: 'tooLarge', says: [/larger than/, /\d{7} bytes/] });
      }
    }
    const grownBytes = (await watch()) - startBytes;
    assert.ok(grownBytes < GROWTH_BYTES_MAX, `the server grew by ${Math.round(grownBytes / MEBIBYTE)} MiB`);
    await assertGoodPasses();
  });

  test('a key that was revoked or has expired is refused as one', async () => {
    const { client } = server;
    const expiresAt = new Date(Date.now() + EXPIRES_MS).toISOString();
    const [revoked, expired] = [
      await client.keys.create({ role: 'service', label: 'revoked' }),
      await client.keys.create({ role: 'service', label: 'expired', expiresAt }),
    ];
    await assertGoodPasses(revoked.key);
    await assertGoodPasses(expired.key);
    await client.keys.revoke(revoked.info.id);
    await sleep(Math.max(EXPIRES_MS, REVOKED_WITHIN_MS) + 200);
    for (const [key, says] of [
      [revoked.key, /revoked/],
      [expired.key, /expired/],
    ] as const) {
      await assertReplyRefused(await send(server.url, { path: PREDICT, body: goodBody, key }), { kind: 'unauthenticated', says: [says] });
    }
  });

  test('what another project owns is not there, whichever way it is asked for', async () => {
    const invocation = await assertGoodPasses();
    const own = (await server.client.me()).project.id;
    const other = await server.client.projects.create('stranger');
    const inOther = createClient({ url: server.url, key: KEY, project: other.id });
    const { key } = await inOther.keys.create({ role: 'admin', label: 'stranger' });
    const { version, dataset, report, run } = launched;
    const reads = [
      '/v1/releases/good',
      '/v1/releases/good/history',
      '/v1/releases/good/revisions/1',
      '/v1/releases/good/monitor',
      `/v1/runs/${run}`,
      `/v1/runs/${run}/events`,
      `/v1/launches/${run}/definition`,
      `/v1/versions/${version}`,
      `/v1/versions/${version}/lineage?direction=up`,
      `/v1/reports/${report}`,
      `/v1/datasets/${dataset}`,
      '/v1/datasets/good',
      `/v1/datasets/${dataset}/profile`,
      `/v1/datasets/${dataset}/contract`,
      `/v1/datasets/${dataset}/rows`,
      `/v1/invocations/${invocation}`,
    ];
    const writes = [
      { path: PREDICT, body: goodBody },
      { path: '/v1/releases/good/invoke', body: JSON.stringify({ input: goodRow }) },
      { path: '/v1/releases/good/rollback', body: '{"to":1}' },
      { path: `/v1/runs/${run}/cancel`, body: '{}' },
      { path: `/v1/runs/${run}/retry`, body: '{}' },
    ];
    const requests = [...reads.map((path) => ({ path, method: 'GET' })), ...writes];
    for (const request of requests) {
      const named = request.path.replace('/v1/', `/v1/projects/${own}/`);
      for (const path of [request.path, named]) {
        const reply = await send(server.url, { ...request, path, key });
        await assertReplyRefused(reply, { kind: 'notFound', says: [] }).catch((error: Error) => assert.fail(`${path}: ${error.message}`));
      }
      if (!('body' in request))
        assert.equal((await send(server.url, { ...request, key: KEY })).status, 200, `${request.path} is there for its owner`);
    }
    assert.equal((await inOther.invocations.list()).items.length, 0);
    const outcome = JSON.stringify({ outcomes: [{ invocation, value: 'yes' }] });
    await assertReplyRefused(await send(server.url, { path: '/v1/outcomes', body: outcome, key }), {
      kind: 'notFound',
      says: [/invocation/],
    });
  });
});

const run = promisify(execFile);

/** Memory that a process really takes, by `ps`, which Linux and macOS have. */
async function residentBytes(pid: number): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout.trim()) * 1024;
}

/** Samples a process. The function returned ends it and tells the most that was seen. */
function watchPeak(pid: number): () => Promise<number> {
  const SAMPLE_MS = 50;
  let going = true;
  let peak = 0;
  const done = (async () => {
    while (going) {
      peak = Math.max(peak, await residentBytes(pid));
      await sleep(SAMPLE_MS);
    }
  })();
  return async () => {
    going = false;
    await done;
    return peak;
  };
}
