/**
 * The same rows by every way in: /v1 JSON, Open Inference Protocol JSON and binary over REST, typed and raw over gRPC. Full
 * recording; server and load in their own processes, the ways take turns in short rounds.
 *
 *     node bench/open-inference.ts [--rows 1,100] [--rounds 5] [--seconds 2] [--connections 8] [--home DIR]
 *                             [--ways 'v2 JSON,v2 binary'] [--profile DIR]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { LoadPlan, LoadReport, Way } from './open-inference/load.ts';
import { SAMPLES, type SampleModel, launchSample, sampleRows } from './support/sample-models.ts';
import { KEY, cpuMicrosOf, median, startSlipway } from './support/slipway-process.ts';

const WAYS: readonly Way[] = ['v1 JSON', 'v2 JSON', 'v2 binary', 'gRPC typed', 'gRPC raw'];
/** Rounds that only warm the compilers up. */
const WARM_ROUNDS = 1;

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1,100' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '8' },
    home: { type: 'string' },
    ways: { type: 'string' },
    profile: { type: 'string' },
  },
});
const ways = WAYS.filter((way) => values.ways === undefined || values.ways.split(',').includes(way));
const nodeFlags = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];

type Measured = LoadReport & { readonly cpuMicrosEach: number };

async function measureAll(home: string, sample: SampleModel): Promise<object[]> {
  await launchSample({ home }, sample);
  process.env['SLIPWAY_GRPC_PORT'] = '0';
  const server = await startSlipway({ home, nodeFlags });
  const load = fork(new URL('./open-inference/load.ts', import.meta.url));
  await once(load, 'message');
  const measure = async (plan: LoadPlan): Promise<Measured> => {
    const pid = server.child.pid ?? 0;
    const before = cpuMicrosOf(pid);
    load.send(plan);
    const [report] = (await once(load, 'message')) as [LoadReport | { error: string }];
    if ('error' in report) throw new Error(`${plan.way}: ${report.error}`);
    return { ...report, cpuMicrosEach: (cpuMicrosOf(pid) - before) / (report.requestsPerSecond * plan.seconds) };
  };
  try {
    const lines: object[] = [];
    for (const count of values.rows.split(',').map(Number)) {
      const objects = sampleRows(sample, count);
      const fields = Object.keys(objects[0] ?? {});
      const rows = objects.map((row) => fields.map((field) => Number(row[field])));
      const common = { port: server.port, grpc: server.grpc ?? '', key: KEY, model: sample.name, fields, rows };
      const found = new Map<Way, Measured[]>(ways.map((way) => [way, []]));
      for (let round = -WARM_ROUNDS; round < Number(values.rounds); round += 1) {
        for (const way of ways) {
          const measured = await measure({ ...common, way, seconds: Number(values.seconds), connections: Number(values.connections) });
          if (round >= 0) found.get(way)?.push(measured);
        }
      }
      lines.push(...[...found].map(([way, measured]) => summarize(way, count, measured)));
    }
    return lines;
  } finally {
    load.kill();
    await server.stop();
  }
}

function summarize(way: Way, rows: number, measured: readonly Measured[]) {
  const of = (pick: (one: Measured) => number) => median(measured.map(pick));
  return {
    way,
    rows,
    'requests/s': Math.round(of((one) => one.requestsPerSecond)),
    'rows/s': Math.round(of((one) => one.requestsPerSecond) * rows),
    'p50 ms': Number(of((one) => one.latencyMsP50).toFixed(2)),
    'p99 ms': Number(of((one) => one.latencyMsP99).toFixed(2)),
    'server us/request': Math.round(of((one) => one.cpuMicrosEach)),
    'request bytes': measured[0]?.requestBytes ?? 0,
  };
}

const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
try {
  console.table(await measureAll(values.home ?? join(folder, 'home'), SAMPLES['breast-cancer'] as SampleModel));
} finally {
  await rm(folder, { recursive: true, force: true });
}
