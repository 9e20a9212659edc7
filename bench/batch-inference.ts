/**
 * Batch inference of a whole table against a bare ONNX Runtime loop over the same graph, and the memory it takes.
 * `node bench/batch-inference.ts [rows] [trees]`. The table is Parquet with 20 numeric and 10 text columns; the bare loop is fed a
 * ready matrix in the packed layout (no file, no check, no output), with as many threads: the fastest that the engine goes.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, getPriority, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { packInputs } from '@slipway/models';
import { syntheticModel } from '@slipway/models/testing';
import { createClient } from '@slipway/client';
import { KEY, cpuMicrosOf, processTreeOf, residentMbOf, runSlipway, startSlipway } from './support/slipway-process.ts';

const rows = Number(process.argv[2] ?? 5_000_000);
const trees = Number(process.argv[3] ?? 300);
const THREADS = availableParallelism();
const RUN_ROWS = 4_096;
const RAW_SECONDS = 4;
/** The batch process gives way to calls; the bare loop has to stand where it stands. */
const NICER = 5;

const model = syntheticModel({ numeric: 20, categorical: 10, trees, depth: 5 });

interface RawRate {
  readonly rowsPerSecond: number;
  /** Processor time: what can be compared on a machine that others use, too. */
  readonly cpuUsPerRow: number;
}

/** The best of what thread counts and spinning give. */
async function rawRowsPerSecond(): Promise<RawRate> {
  const rates: RawRate[] = [];
  for (const threads of [1, THREADS]) for (const spinning of ['0', '1']) rates.push(await rawRate(threads, spinning));
  return {
    rowsPerSecond: Math.max(...rates.map((rate) => rate.rowsPerSecond)),
    cpuUsPerRow: Math.min(...rates.map((rate) => rate.cpuUsPerRow)),
  };
}

async function rawRate(threads: number, spinning: string): Promise<RawRate> {
  const ort = await import('onnxruntime-node');
  const packed = packInputs(model.bytes, ['probabilities']);
  if (!packed) throw new Error('the model cannot be packed');
  const session = await ort.InferenceSession.create(packed.bytes, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: spinning } } },
  });
  const width = packed.plan.columns.length;
  // Values like those of the table: the trees branch as they would on it.
  const numbers = Float64Array.from({ length: RUN_ROWS * width }, (_, at) =>
    packed.plan.columns[at % width]?.kind === 'category' ? Math.floor(Math.random() * 8) : Math.random() * 8 - 1,
  );
  const feed = { [session.inputNames[0] as string]: new ort.Tensor('float64', numbers, [RUN_ROWS, width]) };
  await session.run(feed);
  let done = 0;
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  while (performance.now() - startedMs < RAW_SECONDS * 1000) {
    await session.run(feed);
    done += RUN_ROWS;
  }
  const { user, system } = process.cpuUsage(startedCpu);
  const rate = { rowsPerSecond: (done * 1000) / (performance.now() - startedMs), cpuUsPerRow: (user + system) / done };
  await session.release();
  return rate;
}

async function makeTable(path: string): Promise<void> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const levels = "['red','green','blue','teal','pink','grey','black','white']";
  const numbers = Array.from({ length: 20 }, (_, i) => `round(random() * 8 - 1, 6) as n${i}`);
  const texts = Array.from({ length: 10 }, (_, i) => `(${levels})[1 + (hash(range * 31 + ${i}) % 8)::int] as c${i}`);
  await connection.run(
    `copy (select ${[...numbers, ...texts].join(', ')} from range(${rows})) to '${path}' (format parquet, compression zstd)`,
  );
  connection.closeSync();
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
  setPriority(Math.min(19, priority + NICER));
  const before = await rawRowsPerSecond();
  setPriority(priority);
  await runSlipway(options, ['launch', file, '--name', 'synthetic', '--output', 'probabilities']);
  const server = await startSlipway(options);
  const peak = { serverMb: 0, batchMb: 0, serverCpuMicros: 0, batchCpuMicros: 0 };
  const idleCpuMicros = cpuMicrosOf(server.child.pid ?? 0);
  const watch = setInterval(() => {
    const [own = 0, ...others] = processTreeOf(server.child.pid ?? 0);
    const sum = (of: (pid: number) => number) => others.reduce((total, pid) => total + (of(pid) || 0), 0);
    peak.serverMb = Math.max(peak.serverMb, residentMbOf(own) || 0);
    peak.serverCpuMicros = Math.max(peak.serverCpuMicros, cpuMicrosOf(own) || 0);
    peak.batchCpuMicros = Math.max(peak.batchCpuMicros, sum(cpuMicrosOf));
    peak.batchMb = Math.max(peak.batchMb, sum(residentMbOf));
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
  const predictSeconds = (atOf('join') - atOf('predict')) / 1000;
  await server.stop();
  setPriority(Math.min(19, priority + NICER));
  const after = await rawRowsPerSecond();
  const raw = (before.rowsPerSecond + after.rowsPerSecond) / 2;
  const rawCpu = Math.min(before.cpuUsPerRow, after.cpuUsPerRow);
  const batchCpu = peak.batchCpuMicros / rows;
  const allCpu = batchCpu + (peak.serverCpuMicros - idleCpuMicros) / rows;
  console.log(
    JSON.stringify({
      rows,
      trees,
      threads: THREADS,
      rawRowsPerSecond: Math.round(raw),
      rawBeforeAfter: [Math.round(before.rowsPerSecond), Math.round(after.rowsPerSecond)],
      batchRowsPerSecond: Math.round(rows / predictSeconds),
      ofRaw: Math.round((rows / predictSeconds / raw) * 1000) / 1000,
      wallRowsPerSecond: Math.round(rows / wallSeconds),
      wallOfRaw: Math.round((rows / wallSeconds / raw) * 1000) / 1000,
      rawCpuUsPerRow: round(rawCpu),
      batchCpuUsPerRow: round(batchCpu),
      allCpuUsPerRow: round(allCpu),
      ofRawByCpu: round(rawCpu / batchCpu),
      allOfRawByCpu: round(rawCpu / allCpu),
      predictSeconds: Math.round(predictSeconds * 10) / 10,
      wallSeconds: Math.round(wallSeconds * 10) / 10,
      peakServerMb: Math.round(peak.serverMb),
      peakBatchMb: Math.round(peak.batchMb),
    }),
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
