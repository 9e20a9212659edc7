import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Servable } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import { fakeLoader, fakeModel } from '@slipway/releases/testing';
import { afterEach, beforeEach, test } from 'vitest';
import { type RunningServer, startServer } from './index.ts';
import { prepareTestHome } from './testing/index.ts';

const CALLERS = 12;
const ANSWER_MS = 15;

let home: string;
let server: RunningServer;

/** A model that takes a moment for each call. */
function slowModel(...of: Parameters<typeof fakeModel>): Servable {
  const model = fakeModel(...of);
  return {
    ...model,
    async invoke(calls) {
      await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
      return model.invoke(calls);
    },
  };
}

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'slipway-drain-'));
  await prepareTestHome(home);
  server = await startServer({ home, port: 0, grpcPort: 0, listen: true, extra: { loaders: [fakeLoader('model', slowModel)] } });
  const { records, catalog, releases, identity } = server.house;
  const { project } = (await identity.bootstrap({})).admin;
  const hash = sha256Hex('slow');
  const shared = { project, run: null, principal: 'prn_test' };
  await records.transaction(async (tx) => {
    const { version } = await catalog.register(tx, {
      ...shared,
      kind: 'model',
      name: 'slow',
      recipe: hash,
      content: hash,
      meta: {},
      parents: [],
    });
    await releases.publish(tx, { ...shared, name: 'slow', version: version.id, kind: 'model', revise: 'always' });
  });
});
afterEach(async () => {
  await server.close();
  await rm(home, { recursive: true, force: true });
});

interface Tally {
  answered: number;
  /** Connections that could not be made: the server was gone, and nothing was sent. */
  refused: number;
  /** Requests that were sent and got no reply. */
  lost: number;
  closes: number;
}

/** Sends one call over its own kept connection. @returns whether the server is still there. */
function call(agent: Agent, tally: Tally): Promise<boolean> {
  const { port } = new URL(server.url ?? '');
  const body = JSON.stringify({ rows: [{ x: 2, customer: 'c' }] });
  const headers = { authorization: `Bearer ${server.localToken.reveal()}`, 'content-type': 'application/json' };
  return new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port, path: '/v1/releases/slow/predict', method: 'POST', agent, headers }, (reply) => {
      reply.resume();
      reply.on('end', () => {
        if (reply.statusCode === 200) tally.answered += 1;
        else tally.lost += 1;
        if (reply.headers.connection === 'close') tally.closes += 1;
        resolve(true);
      });
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') tally.refused += 1;
      else tally.lost += 1;
      resolve(false);
    });
    sent.end(body);
  });
}

async function callers(tally: Tally): Promise<void> {
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (await call(agent, tally));
      agent.destroy();
    }),
  );
}

const pause = (timeMs: number) => new Promise((resolve) => setTimeout(resolve, timeMs));
const ready = async (path: string) => (await fetch(`${server.url}${path}`, { headers: { connection: 'close' } })).status;

test('a server that stops under load answers every request that it accepted, and says that it is going', async () => {
  const tally: Tally = { answered: 0, refused: 0, lost: 0, closes: 0 };
  const load = callers(tally);
  await pause(300);
  assert.deepEqual([await ready('/health/ready'), await ready('/v2/health/ready'), await ready('/health')], [200, 200, 200]);
  const draining = server.drain({ lameDuckMs: 3_000 });
  await pause(50);
  assert.deepEqual([await ready('/health/ready'), await ready('/v2/health/ready'), await ready('/health')], [503, 503, 200]);
  const during = tally.answered;
  for (let waits = 0; waits < 100 && tally.answered === during; waits += 1) await pause(20);
  assert.ok(tally.answered > during, 'a lame duck still answers');
  await draining;
  await load;
  assert.equal(tally.lost, 0);
  assert.equal(tally.refused, CALLERS, 'each caller went on until it was refused a connection');
  assert.equal(tally.closes, CALLERS, 'each connection ended with a reply that said so');
  // Every answer was recorded before it was given.
  const metrics = server.house.telemetry.metrics.render();
  const recorded = Number(/slipway_invocations_total\{[^}]*release="slow"[^}]*\} (\d+)/.exec(metrics)?.[1]);
  assert.equal(recorded, tally.answered);
});

test('negative control: a server that is closed without a drain tells nobody before it is gone', async () => {
  const tally: Tally = { answered: 0, refused: 0, lost: 0, closes: 0 };
  const load = callers(tally);
  await pause(300);
  const closing = server.close();
  assert.equal(await ready('/health/ready'), 200);
  await Promise.all([closing, load]);
  await assert.rejects(ready('/health/ready'));
});
