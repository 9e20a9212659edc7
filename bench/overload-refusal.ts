/**
 * What one refusal costs the thread that answers, in microseconds of its processor time (which other work on the machine hardly changes):
 * a call whose model is full, refused by the pipeline before its body is read, beside the same reply from a bare node:http server.
 *
 *     node bench/overload-refusal.ts [--seconds 6] [--connections 64] [--profile]
 *
 * Goal: at most 2.5 times the bare server. Ends with 1 when it is missed. The time a caller waits is in bench/overload.ts.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { OverloadedError } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import { fakeLoader, fakeModel } from '@slipway/releases/testing';
import { type RunningServer, startServer } from '@slipway/server';
import type { LoadPlan, LoadReport } from './predict-http/load.ts';
import { predictRequest } from './support/heavy-release.ts';
import { KEY } from './support/slipway-process.ts';

const RATIO_MAX = 2.5;
const WARM_SECONDS = 2;
const NAME = 'full';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '6' },
    connections: { type: 'string', default: '64' },
    profile: { type: 'boolean', default: false },
  },
});

/** A model whose queue is always full. */
function fullModel(...of: Parameters<typeof fakeModel>) {
  const refusal = () =>
    new OverloadedError('queue-full', '10000 rows already wait for this model; at most 10000 may.', { retryAfterSeconds: 2 });
  return { ...fakeModel(...of), capacity: { memoryBytes: 0, inFlight: 0, queuedRows: 0, refusal } };
}

async function startFull(home: string): Promise<RunningServer> {
  const server = await startServer({ home, port: 0, adminKey: KEY, listen: true, extra: { loaders: [fakeLoader('model', fullModel)] } });
  const { records, catalog, releases, identity, routing } = server.house;
  const { project } = (await identity.bootstrap({})).admin;
  const shared = { project, run: null, principal: 'prn_bench', kind: 'model', name: NAME } as const;
  const hash = sha256Hex(NAME);
  await records.transaction(async (tx) => {
    const { version } = await catalog.register(tx, { ...shared, recipe: hash, content: hash, meta: {}, parents: [] });
    await releases.publish(tx, { ...shared, version: version.id, revise: 'always' });
  });
  await routing.resolve(project, NAME);
  return server;
}

/** The same status, headers and body from a server that does nothing else. */
async function startBare(like: Response, body: string): Promise<Server> {
  const headers = [...like.headers].flatMap(([name, value]) =>
    ['connection', 'keep-alive', 'date', 'content-length'].includes(name) ? [] : [name, value],
  );
  const server = createServer((_incoming, outgoing) => {
    outgoing.writeHead(503, [...headers, 'content-length', String(Buffer.byteLength(body))]);
    outgoing.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function drive(load: ChildProcess, port: number, seconds: number): Promise<LoadReport> {
  const request = predictRequest(NAME, { x: 1 });
  const plan: LoadPlan = { port, requests: [request], seconds, connections: Number(values.connections), refusedPauseMs: 0 };
  load.send(plan);
  const [report] = (await once(load, 'message')) as [LoadReport | { error: string }];
  if ('error' in report) throw new Error(report.error);
  return report;
}

/** Microseconds of this thread for one refusal. */
async function costOf(load: ChildProcess, port: number): Promise<{ micros: number; perSecond: number }> {
  await drive(load, port, WARM_SECONDS);
  const before = process.threadCpuUsage();
  const { refused } = await drive(load, port, Number(values.seconds));
  const { user, system } = process.threadCpuUsage();
  return { micros: (user + system - before.user - before.system) / refused, perSecond: refused / Number(values.seconds) };
}

const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
try {
  const load = fork(new URL('./predict-http/load.ts', import.meta.url));
  await once(load, 'message');
  const server = await startFull(join(folder, 'home'));
  const url = new URL(server.url ?? '');
  const sample = await fetch(`${url.origin}/v1/releases/${NAME}/predict`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: '{"rows":[{"x":1}]}',
  });
  const text = await sample.text();
  console.log(`${sample.status} ${text}`);
  const bareServer = await startBare(sample, text);
  const bare = await costOf(load, (bareServer.address() as AddressInfo).port);
  bareServer.close();
  bareServer.closeAllConnections();
  const session = new Session();
  if (values.profile) {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
  }
  const own = await costOf(load, Number(url.port));
  if (values.profile) {
    const { profile } = await session.post('Profiler.stop');
    const file = join(tmpdir(), 'refusal.cpuprofile');
    await writeFile(file, JSON.stringify(profile));
    console.log(`profile: ${file}`);
  }
  load.kill();
  await server.close();
  const ratio = own.micros / bare.micros;
  console.table({
    'bare node:http': { 'micros of the thread': Number(bare.micros.toFixed(1)), 'per second': Math.round(bare.perSecond) },
    slipway: { 'micros of the thread': Number(own.micros.toFixed(1)), 'per second': Math.round(own.perSecond) },
  });
  console.log(`goal at most ${RATIO_MAX} times the bare server: ${ratio.toFixed(2)}, ${ratio <= RATIO_MAX ? 'met' : 'MISSED'}`);
  process.exitCode = ratio <= RATIO_MAX ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
