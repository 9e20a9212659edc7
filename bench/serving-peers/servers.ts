/** The servers of bench/serving-peers.ts: how each is started over the same graphs, asked one row, and read. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { KEY, processTreeOf, runSlipway, startSlipway } from '../support/slipway-process.ts';

export const MODELS = ['mlp', 'trees', 'heavy'] as const;
export type ModelName = (typeof MODELS)[number];

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
/** A peer that has not answered by then does not start. */
const START_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 20_000;

export interface Running {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

/** One server in one configuration. */
export interface Server {
  readonly name: string;
  /** What it is set to, for the table. */
  readonly setting: string;
  readonly kind: 'slipway' | 'peer' | 'bare';
  start(): Promise<Running>;
  path(model: ModelName): string;
  /** One row as this server takes it. */
  body(row: readonly number[]): string;
  /** The answer in a reply. */
  read(reply: unknown): unknown;
}

export interface Places {
  /** Where the graphs and the peers' settings lie. */
  readonly folder: string;
  readonly home: string;
  readonly python: { readonly mlserver?: string | undefined; readonly bentoml?: string | undefined; readonly ray?: string | undefined };
}

type At = { readonly [key: string]: unknown };
const first = (value: unknown, ...keys: readonly string[]): unknown => keys.reduce((inner, key) => (inner as At)[key], value);

export function serversOf(places: Places): Server[] {
  const { mlserver, bentoml, ray } = places.python;
  return [
    ...slipwayServers(places),
    ...[1, 2].map((threads) => bareServer(places.folder, threads)),
    ...(mlserver === undefined ? [] : [0, 1, 2].map((workers) => mlserverServer(places.folder, mlserver, workers))),
    ...(bentoml === undefined
      ? []
      : [false, true].flatMap((batching) => [1, 2].map((workers) => bentoServer(places.folder, bentoml, { workers, batching })))),
    ...(ray === undefined ? [] : [1, 2].map((workers) => rayServer(places.folder, ray, workers))),
  ];
}

/** Launches the graphs once, every call recorded in full. */
export async function launchAll({ folder, home }: Places): Promise<void> {
  for (const model of MODELS) {
    await runSlipway({ home }, ['launch', join(folder, `${model}.onnx`), '--name', model, '--recording', 'full', '--json']);
  }
}

function slipwayServers({ home }: Places): Server[] {
  const start = async (): Promise<Running> => {
    const server = await startSlipway({ home });
    return { pid: server.child.pid ?? 0, port: server.port, stop: () => server.stop() };
  };
  const common = { name: 'Slipway', kind: 'slipway', start } as const;
  return [
    {
      ...common,
      setting: '/v1, recorded',
      path: (model) => `/v1/releases/${model}/predict`,
      body: (row) => JSON.stringify({ rows: [Object.fromEntries(row.map((value, index) => [`input_${index}`, value]))] }),
      read: (reply) => first(reply, 'predictions', '0', 'prediction'),
    },
    {
      ...common,
      setting: '/v2, recorded',
      path: (model) => `/v2/models/${model}/infer`,
      body: tensorBody,
      read: (reply) => first(reply, 'outputs', '0', 'data', '0'),
    },
  ];
}

/** One row by the Open Inference Protocol. */
function tensorBody(row: readonly number[]): string {
  return JSON.stringify({ inputs: [{ name: 'input', shape: [1, row.length], datatype: 'FP32', data: row }] });
}

const rowsBody = (row: readonly number[]) => JSON.stringify({ rows: [row] });

function bareServer(folder: string, threads: number): Server {
  return {
    name: 'bare Node + ORT',
    setting: `${threads} thread${threads > 1 ? 's' : ''}`,
    kind: 'bare',
    async start() {
      const child = fork(join(FOLDER, 'bare.ts'), [folder, String(threads)]);
      const [{ port }] = (await once(child, 'message')) as [{ port: number }];
      return running(child, port);
    },
    path: (model) => `/${model}`,
    body: rowsBody,
    read: (reply) => first(reply, 'output', '0'),
  };
}

function mlserverServer(folder: string, venv: string, workers: number): Server {
  return {
    name: 'MLServer',
    setting: workers === 0 ? 'in its own process' : `${workers} worker${workers > 1 ? 's' : ''}`,
    kind: 'peer',
    async start() {
      const settings = join(folder, `mlserver-${workers}`);
      const [http_port, grpc_port, metrics_port] = await freePorts(3);
      await mkdir(settings, { recursive: true });
      const server = { host: '127.0.0.1', http_port, grpc_port, metrics_port, parallel_workers: workers, debug: false };
      await writeFile(join(settings, 'settings.json'), JSON.stringify(server));
      for (const name of MODELS) {
        await mkdir(join(settings, name), { recursive: true });
        const model = { name, implementation: 'mlserver_runtime.OnnxModel', parameters: { uri: join(folder, `${name}.onnx`) } };
        await writeFile(join(settings, name, 'model-settings.json'), JSON.stringify(model));
      }
      return startPeer(
        join(venv, 'bin', 'mlserver'),
        ['start', settings],
        http_port as number,
        { PYTHONPATH: FOLDER },
        '/v2/models/heavy/ready',
      );
    },
    path: (model) => `/v2/models/${model}/infer`,
    body: tensorBody,
    read: (reply) => first(reply, 'outputs', '0', 'data', '0'),
  };
}

function bentoServer(folder: string, venv: string, { workers, batching }: { workers: number; batching: boolean }): Server {
  return {
    name: 'BentoML',
    setting: `${workers} worker${workers > 1 ? 's' : ''}${batching ? ', batching' : ''}`,
    kind: 'peer',
    async start() {
      const [port] = await freePorts(1);
      const env = { SERVING_PEERS_MODELS: folder, SERVING_PEERS_WORKERS: String(workers), SERVING_PEERS_BATCHING: batching ? '1' : '0' };
      const args = ['serve', 'bento_service:Peers', '--host', '127.0.0.1', '--port', String(port), '--working-dir', FOLDER];
      return startPeer(join(venv, 'bin', 'bentoml'), args, port as number, env, '/readyz');
    },
    path: (model) => `/${model}`,
    body: rowsBody,
    read: (reply) => first(reply, '0', '0'),
  };
}

function rayServer(folder: string, venv: string, workers: number): Server {
  return {
    name: 'Ray Serve',
    setting: `${workers} replica${workers > 1 ? 's' : ''}`,
    kind: 'peer',
    async start() {
      const [port] = await freePorts(1);
      const env = { SERVING_PEERS_MODELS: folder, SERVING_PEERS_WORKERS: String(workers) };
      return startPeer(join(venv, 'bin', 'python'), [join(FOLDER, 'ray_service.py'), String(port)], port as number, env, '/-/healthz');
    },
    path: (model) => `/${model}`,
    body: rowsBody,
    read: (reply) => first(reply, '0', '0'),
  };
}

async function startPeer(
  command: string,
  args: readonly string[],
  port: number,
  env: Readonly<Record<string, string>>,
  readyPath: string,
): Promise<Running> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: 'ignore' });
  const gone = once(child, 'exit').then(() => true);
  for (const limitMs = performance.now() + START_LIMIT_MS; performance.now() < limitMs;) {
    const isReady = await fetch(`http://127.0.0.1:${port}${readyPath}`).then(
      (reply) => reply.ok,
      () => false,
    );
    if (isReady) return running(child, port);
    if (await Promise.race([gone, sleep(500, false)])) break;
  }
  await end(child);
  throw new Error(`${command} ${args.join(' ')} does not answer; run it by hand to see why`);
}

const running = (child: ChildProcess, port: number): Running => ({ pid: child.pid ?? 0, port, stop: () => end(child) });

/** Ends a server with everything that it started. */
async function end(child: ChildProcess): Promise<void> {
  const tree = processTreeOf(child.pid ?? 0);
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await Promise.race([gone, sleep(STOP_LIMIT_MS, undefined, { ref: false })]);
  }
  for (const pid of tree) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended with its parent.
    }
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Asks one row. @throws when the reply is not 200. */
export async function askOne(server: Server, port: number, model: ModelName, row: readonly number[]): Promise<number> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${KEY}` };
  const reply = await fetch(`http://127.0.0.1:${port}${server.path(model)}`, { method: 'POST', headers, body: server.body(row) });
  if (!reply.ok) throw new Error(`${server.name} ${model}: ${reply.status} ${await reply.text()}`);
  return Number(server.read(await reply.json()));
}
