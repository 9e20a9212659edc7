/**
 * The same ONNX graphs (a small MLP, 300 trees, a ~20 ms network) served by Slipway with full recording, by MLServer, BentoML and Ray
 * Serve, and by a bare Node + ONNX Runtime loop; one row a request at several numbers of connections. Only one server runs at a
 * time, each in several settings (peers with one and two workers), every one warmed up and checked to give the same answers; the
 * load runs in a process of its own on the same machine. Passes repeat in turned order; the table shows medians.
 *
 *     python3 -m venv V/mlserver && V/mlserver/bin/pip install mlserver 'uvloop<0.22' onnxruntime onnx numpy
 *     python3 -m venv V/bentoml && V/bentoml/bin/pip install bentoml onnxruntime numpy
 *     python3 -m venv V/ray && V/ray/bin/pip install 'ray[serve]' onnxruntime numpy
 *     node bench/serving-peers.ts --mlserver V/mlserver --bentoml V/bentoml --ray V/ray [--python PYTHON_WITH_ONNX]
 *         [--models mlp,trees,heavy] [--connections 1,32,128] [--passes 2] [--seconds 3] [--json serving-peers.json]
 *
 * Goals: small model at 32 connections >= 5 x the best peer; the heavy one >= 85 % of the best bare loop. Ends with 1 when missed.
 */
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { LoadPlan, LoadReport } from './predict-http/load.ts';
import { type ModelName, type Places, type Running, type Server, MODELS, askOne, launchAll, serversOf } from './serving-peers/servers.ts';
import { KEY, cpuMicrosOf, median, processTreeOf } from './support/slipway-process.ts';

const FEATURES = 30;
const REQUESTS = 64;
const WARM_SECONDS = 2;
const WARM_CONNECTIONS = 8;
/** A refused connection waits as long: shorter than Retry-After says, so that a queue never runs empty for it. */
const REFUSED_PAUSE_MS = 250;
/** The heavy network needs more time for as many requests. */
const HEAVY_TIMES = 3;
/** How far answers may lie apart: 1e-4, or as much of a larger answer. */
const TOLERANCE = 1e-4;
const SMALL_RATIO_MIN = 5;
const HEAVY_RATIO_MIN = 0.85;
const GOAL_CONNECTIONS = 32;

const { values } = parseArgs({
  options: {
    mlserver: { type: 'string' },
    bentoml: { type: 'string' },
    ray: { type: 'string' },
    python: { type: 'string' },
    models: { type: 'string', default: MODELS.join(',') },
    connections: { type: 'string', default: '1,32,128' },
    passes: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
});
const models = values.models.split(',') as ModelName[];
const connections = values.connections.split(',').map(Number);

interface Cell extends LoadReport {
  readonly server: string;
  readonly setting: string;
  readonly kind: Server['kind'];
  readonly model: ModelName;
  readonly connections: number;
  /** Processor time of the server with all its processes. */
  readonly cpuMicrosEach: number;
}

const rows = Array.from({ length: REQUESTS }, (_, row) =>
  Array.from({ length: FEATURES }, (_each, column) => Math.fround(Math.sin(row * 31 + column))),
);

function requestsOf(server: Server, model: ModelName): string[] {
  return rows.map((row) => {
    const body = server.body(row);
    const head = [
      `POST ${server.path(model)} HTTP/1.1`,
      'Host: 127.0.0.1:PORT',
      `Authorization: Bearer ${KEY}`,
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    return `${head.join('\r\n')}\r\n\r\n${body}`;
  });
}

type Drive = (plan: LoadPlan) => Promise<LoadReport>;

async function startLoad(): Promise<{ drive: Drive; stop: () => void }> {
  const child = fork(new URL('./predict-http/load.ts', import.meta.url));
  await once(child, 'message');
  const drive = async (plan: LoadPlan) => {
    child.send(plan);
    const [report] = (await once(child, 'message')) as [LoadReport | { error: string }];
    if ('error' in report) throw new Error(report.error);
    return report;
  };
  return { drive, stop: () => child.kill() };
}

const treeCpuMicros = (pid: number) => processTreeOf(pid).reduce((sum, each) => sum + (cpuMicrosOf(each) || 0), 0);

async function measureServer(server: Server, run: Running, drive: Drive): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const model of models) {
    const requests = requestsOf(server, model);
    const seconds = Number(values.seconds) * (model === 'heavy' ? HEAVY_TIMES : 1);
    await drive({ port: run.port, requests, seconds: WARM_SECONDS, connections: WARM_CONNECTIONS });
    for (const count of connections) {
      const before = treeCpuMicros(run.pid);
      const report = await drive({ port: run.port, requests, seconds, connections: count, refusedPauseMs: REFUSED_PAUSE_MS });
      const cpuMicrosEach = (treeCpuMicros(run.pid) - before) / report.requests;
      cells.push({ server: server.name, setting: server.setting, kind: server.kind, model, connections: count, ...report, cpuMicrosEach });
    }
  }
  return cells;
}

/** What the first server said of the first row, by model: every other has to say the same. */
const said = new Map<ModelName, number>();

async function checkAnswers(server: Server, port: number): Promise<void> {
  for (const model of models) {
    const answer = await askOne(server, port, model, rows[0] as number[]);
    const expected = said.get(model) ?? answer;
    said.set(model, expected);
    if (Math.abs(answer - expected) <= TOLERANCE * Math.max(1, Math.abs(expected))) continue;
    throw new Error(`${server.name} answers ${answer} by ${model}, not ${expected}`);
  }
}

/** One server from start to stop; what fails is told and left out. */
async function visit(server: Server, drive: Drive): Promise<Cell[]> {
  let run: Running | undefined;
  try {
    run = await server.start();
    await checkAnswers(server, run.port);
    return await measureServer(server, run, drive);
  } catch (error) {
    process.stderr.write(`${server.name} (${server.setting}): ${error instanceof Error ? error.message.slice(0, 500) : String(error)}\n`);
    return [];
  } finally {
    await run?.stop();
  }
}

interface Line {
  readonly model: ModelName;
  readonly connections: number;
  readonly server: string;
  readonly setting: string;
  readonly kind: Server['kind'];
  readonly requestsPerSecond: number;
  readonly latencyMsP50: number;
  readonly latencyMsP99: number;
  /** Refused with 503 for every request that was answered. */
  readonly refusedRatio: number;
  readonly cpuMicrosEach: number;
}

/** Medians of a server's passes; of its settings all are shown. */
function linesOf(cells: readonly Cell[]): Line[] {
  const groups = Map.groupBy(cells, ({ model, connections: count, server, setting }) => JSON.stringify([model, count, server, setting]));
  const lines = [...groups.values()].map((group): Line => {
    const of = (pick: (cell: Cell) => number, digits: number) => Number(median(group.map(pick)).toFixed(digits));
    const { model, connections: count, server, setting, kind } = group[0] as Cell;
    return {
      model,
      connections: count,
      server,
      setting,
      kind,
      requestsPerSecond: of((cell) => cell.requestsPerSecond, 1),
      latencyMsP50: of((cell) => cell.latencyMsP50, 2),
      latencyMsP99: of((cell) => cell.latencyMsP99, 2),
      refusedRatio: of((cell) => cell.refused / cell.requests, 2),
      cpuMicrosEach: of((cell) => cell.cpuMicrosEach, 0),
    };
  });
  const order = (line: Line) => models.indexOf(line.model) * 1_000 + line.connections;
  return lines.toSorted((left, right) => order(left) - order(right) || right.requestsPerSecond - left.requestsPerSecond);
}

function bestOf(lines: readonly Line[], model: ModelName, kind: Server['kind']): Line | undefined {
  return lines.find((line) => line.model === model && line.connections === GOAL_CONNECTIONS && line.kind === kind);
}

/** Whether the goals that were measured are met; the lines come best first. */
function judge(lines: readonly Line[]): boolean {
  const goals = [
    { model: 'mlp', against: 'peer', ratioMin: SMALL_RATIO_MIN },
    { model: 'heavy', against: 'bare', ratioMin: HEAVY_RATIO_MIN },
  ] as const;
  return goals
    .map(({ model, against, ratioMin }) => {
      const [own, other] = [bestOf(lines, model, 'slipway'), bestOf(lines, model, against)];
      if (!own || !other) return true;
      const ratio = own.requestsPerSecond / other.requestsPerSecond;
      const isMet = ratio >= ratioMin;
      console.log(
        `${model} at ${GOAL_CONNECTIONS} connections: ${ratio.toFixed(2)} x the best of the ${against} (${other.server}, ${other.setting}), ` +
          `goal ${ratioMin}: ${isMet ? 'met' : 'MISSED'}`,
      );
      return isMet;
    })
    .every(Boolean);
}

const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-peers-'));
const { mlserver, bentoml, ray } = values;
const places: Places = { folder, home: join(folder, 'home'), python: { mlserver, bentoml, ray } };
const python = values.python ?? (mlserver === undefined ? 'python3' : join(mlserver, 'bin', 'python'));
try {
  const made = spawnSync(python, [fileURLToPath(new URL('./serving-peers/make-models.py', import.meta.url)), folder], { stdio: 'inherit' });
  if (made.status !== 0) throw new Error('The graphs cannot be made; --python names a Python with onnx and numpy.');
  await launchAll(places);
  const servers = serversOf(places).filter(({ name }) => values.only === undefined || values.only.split(',').includes(name));
  const load = await startLoad();
  const cells: Cell[] = [];
  for (let pass = 0; pass < Number(values.passes); pass += 1) {
    for (const server of pass % 2 === 0 ? servers : servers.toReversed()) cells.push(...(await visit(server, load.drive)));
  }
  load.stop();
  const lines = linesOf(cells);
  console.table(lines);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ lines, cells }, null, 2)}\n`);
  process.exitCode = judge(lines) ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
