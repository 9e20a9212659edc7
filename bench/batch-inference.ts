/**
 * Batch inference of a whole table against bare ONNX Runtime loops over the same graph, and the memory it takes.
 * `node bench/batch-inference.ts [rows] [trees]`. The table is Parquet with 20 numeric and 10 text columns. The bare loops run on
 * ready tensors (no file, no check, no output), each with the best of one and all threads, spinning or not: `named` is fed the
 * graph's own 30 inputs, as anyone would who has the file; `packed` one matrix of the derived graph: the fastest that the engine goes.
 * Goals: at least half of the rows that `named` does, in less than 1 GB. The predictions are counted; ends with 1 when a goal is missed.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, getPriority, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { packInputs } from '@slipway/models';
import { syntheticModel } from '@slipway/models/testing';
import { createClient } from '@slipway/client';
import { KEY, cpuMicrosOf, processTreeOf, proportionalMbOf, runSlipway, startSlipway } from './support/slipway-process.ts';

const rows = Number(process.argv[2] ?? 5_000_000);
const trees = Number(process.argv[3] ?? 300);
const THREADS = availableParallelism();
const RUN_ROWS = 4_096;
const RAW_SECONDS = 4;
const RATIO_MIN = 0.5;
/** Of the server and its batch process together, at any moment. */
const MEMORY_MB_MAX = 1_000;
/** The batch process gives way to calls; the bare loop has to stand where it stands. */
const NICER = 5;

const model = syntheticModel({ numeric: 20, categorical: 10, trees, depth: 5 });

interface RawRate {
  readonly rowsPerSecond: number;
  /** Processor time: what can be compared on a machine that others use, too. */
  readonly cpuUsPerRow: number;
}

type Layout = 'named' | 'packed';

/** The best of what thread counts and spinning give. */
async function rawRowsPerSecond(layout: Layout): Promise<RawRate> {
  const rates: RawRate[] = [];
  for (const threads of [1, THREADS]) for (const spinning of ['0', '1']) rates.push(await rawRate(layout, threads, spinning));
  return {
    rowsPerSecond: Math.max(...rates.map((rate) => rate.rowsPerSecond)),
    cpuUsPerRow: Math.min(...rates.map((rate) => rate.cpuUsPerRow)),
  };
}

const LEVELS = ['red', 'green', 'blue', 'teal', 'pink', 'grey', 'black', 'white'];
/** Values like those of the table: the trees branch as they would on it. */
const randomNumber = () => Math.random() * 8 - 1;
const randomCode = () => Math.floor(Math.random() * LEVELS.length);

type Ort = typeof import('onnxruntime-node');
type Feeds = Parameters<Awaited<ReturnType<Ort['InferenceSession']['create']>>['run']>[0];

interface Graph {
  readonly bytes: Uint8Array;
  readonly feeds: (inputs: readonly string[]) => Feeds;
}

function packedGraph(ort: Ort): Graph {
  const packed = packInputs(model.bytes, ['probabilities']);
  if (!packed) throw new Error('the model cannot be packed');
  const { columns } = packed.plan;
  const numbers = Float64Array.from({ length: RUN_ROWS * columns.length }, (_, at) =>
    columns[at % columns.length]?.kind === 'category' ? randomCode() : randomNumber(),
  );
  return { bytes: packed.bytes, feeds: ([input = '']) => ({ [input]: new ort.Tensor('float64', numbers, [RUN_ROWS, columns.length]) }) };
}

function namedGraph(ort: Ort): Graph {
  const shape = [RUN_ROWS, 1];
  const tensorOf = (kind: 'number' | 'text') =>
    kind === 'number'
      ? new ort.Tensor('float64', Float64Array.from({ length: RUN_ROWS }, randomNumber), shape)
      : new ort.Tensor(
          'string',
          Array.from({ length: RUN_ROWS }, () => LEVELS[randomCode()] as string),
          shape,
        );
  const feeds = model.metadata.contract.fields.map(({ name, type }) => [name, tensorOf(type === 'string' ? 'text' : 'number')]);
  return { bytes: model.bytes, feeds: () => Object.fromEntries(feeds) as Feeds };
}

async function rawRate(layout: Layout, threads: number, spinning: string): Promise<RawRate> {
  const ort = await import('onnxruntime-node');
  const graph = layout === 'packed' ? packedGraph(ort) : namedGraph(ort);
  const session = await ort.InferenceSession.create(graph.bytes, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: spinning } } },
  });
  const feeds = graph.feeds(session.inputNames);
  await session.run(feeds, ['probabilities']);
  let done = 0;
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  while (performance.now() - startedMs < RAW_SECONDS * 1000) {
    await session.run(feeds, ['probabilities']);
    done += RUN_ROWS;
  }
  const { user, system } = process.cpuUsage(startedCpu);
  const rate = { rowsPerSecond: (done * 1000) / (performance.now() - startedMs), cpuUsPerRow: (user + system) / done };
  await session.release();
  return rate;
}

/** Both loops, before and after the batch: the machine may be slower or faster by then. */
async function rawRates(): Promise<Readonly<Record<Layout, RawRate>>> {
  setPriority(Math.min(19, priority + NICER));
  const rates = { named: await rawRowsPerSecond('named'), packed: await rawRowsPerSecond('packed') };
  setPriority(priority);
  return rates;
}

/** @throws when the file of predictions has other than all rows, each once. */
async function checkPredictions(path: string): Promise<void> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const sql = `select count(*)::double as n, min("row")::double as first, max("row")::double as last, sum("row")::double as sum from '${path}'`;
  const [found] = (await connection.runAndReadAll(sql)).getRowObjectsJS();
  const expected = { n: rows, first: 0, last: rows - 1, sum: (rows * (rows - 1)) / 2 };
  assert.deepEqual(found, expected);
}

async function makeTable(path: string): Promise<void> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const levels = `[${LEVELS.map((level) => `'${level}'`).join(',')}]`;
  const numbers = Array.from({ length: 20 }, (_, i) => `round(random() * 8 - 1, 6) as n${i}`);
  const texts = Array.from({ length: 10 }, (_, i) => `(${levels})[1 + (hash(range * 31 + ${i}) % 8)::int] as c${i}`);
  await connection.run(
    `copy (select ${[...numbers, ...texts].join(', ')} from range(${rows})) to '${path}' (format parquet, compression zstd)`,
  );
  connection.closeSync();
}

interface MemorySample {
  readonly atMs: number;
  readonly serverMb: number;
  readonly batchMb: number;
}

/** The most of each, and of both at one moment, before the run and in each of its phases. */
function memoryByPhase(samples: readonly MemorySample[], startOf: (phase: string) => number) {
  const phases = ['open', 'predict', 'join', 'done'];
  return ['upload', ...phases].map((phase, index) => {
    const [fromMs, toMs] = [startOf(phase), startOf(phases[index] ?? '')];
    const own = samples.filter(({ atMs }) => !(atMs < fromMs) && !(atMs >= toMs));
    const most = (of: (sample: MemorySample) => number) => Math.round(Math.max(0, ...own.map(of)));
    return {
      phase,
      serverMb: most((sample) => sample.serverMb),
      batchMb: most((sample) => sample.batchMb),
      bothMb: most((sample) => sample.serverMb + sample.batchMb),
    };
  });
}

const round = (value: number) => Math.round(value * 1000) / 1000;

const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-batch-'));
const options = { home: join(folder, 'home') };
const table = process.env['SLIPWAY_BENCH_TABLE'] ?? join(folder, 'table.parquet');
const priority = getPriority();
try {
  if (!existsSync(table)) await makeTable(table);
  const file = join(folder, 'synthetic.onnx');
  await writeFile(file, model.bytes);
  const before = await rawRates();
  await runSlipway(options, ['launch', file, '--name', 'synthetic', '--output', 'probabilities']);
  const server = await startSlipway(options);
  const peak = { serverCpuMicros: 0, batchCpuMicros: 0 };
  const samples: MemorySample[] = [];
  const idleMb = proportionalMbOf(server.child.pid ?? 0);
  const idleCpuMicros = cpuMicrosOf(server.child.pid ?? 0);
  const watch = setInterval(() => {
    const [own = 0, ...others] = processTreeOf(server.child.pid ?? 0);
    const sum = (of: (pid: number) => number) => others.reduce((total, pid) => total + (of(pid) || 0), 0);
    peak.serverCpuMicros = Math.max(peak.serverCpuMicros, cpuMicrosOf(own) || 0);
    peak.batchCpuMicros = Math.max(peak.batchCpuMicros, sum(cpuMicrosOf));
    samples.push({ atMs: Date.now(), serverMb: proportionalMbOf(own) || 0, batchMb: sum(proportionalMbOf) });
  }, 100);
  const client = createClient({ url: server.url, key: KEY });
  const startedMs = performance.now();
  const output = join(folder, 'predictions.parquet');
  await runSlipway(options, ['predict', 'synthetic', table, '-o', output]);
  const wallSeconds = (performance.now() - startedMs) / 1000;
  clearInterval(watch);
  const [run] = (await client.runs.list({ workflow: 'project.batch', limit: 1 })).items;
  const events = (await client.runs.events(run?.id ?? '', { limit: 500 })).items;
  const atOf = (phase: string) => Date.parse(events.find((event) => event.phase === phase)?.at ?? '');
  const memory = memoryByPhase(samples, (phase) => atOf(phase));
  const mostMb = Math.max(...memory.map((phase) => phase.bothMb));
  const predictSeconds = (atOf('join') - atOf('predict')) / 1000;
  await server.stop();
  await checkPredictions(output);
  const after = await rawRates();
  const batchCpu = peak.batchCpuMicros / rows;
  const allCpu = batchCpu + (peak.serverCpuMicros - idleCpuMicros) / rows;
  const compared = (['named', 'packed'] as const).map((layout) => {
    const raw = (before[layout].rowsPerSecond + after[layout].rowsPerSecond) / 2;
    const rawCpu = Math.min(before[layout].cpuUsPerRow, after[layout].cpuUsPerRow);
    return {
      'bare loop': layout,
      'rows/s before': Math.round(before[layout].rowsPerSecond),
      'rows/s after': Math.round(after[layout].rowsPerSecond),
      'batch of it': round(rows / predictSeconds / raw),
      'whole command of it': round(rows / wallSeconds / raw),
      'us/row': round(rawCpu),
      'batch of it by processor time': round(rawCpu / batchCpu),
    };
  });
  console.table(compared);
  console.table(memory);
  console.log(
    JSON.stringify({
      rows,
      trees,
      threads: THREADS,
      batchRowsPerSecond: Math.round(rows / predictSeconds),
      wallRowsPerSecond: Math.round(rows / wallSeconds),
      batchCpuUsPerRow: round(batchCpu),
      allCpuUsPerRow: round(allCpu),
      predictSeconds: Math.round(predictSeconds * 10) / 10,
      wallSeconds: Math.round(wallSeconds * 10) / 10,
      idleServerMb: Math.round(idleMb),
      peakBothMb: mostMb,
    }),
  );
  process.exitCode = (compared[0]?.['batch of it'] ?? 0) >= RATIO_MIN && mostMb < MEMORY_MB_MAX ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
