/**
 * The same rows by every way in: /v1 JSON, Open Inference Protocol JSON and binary over REST, typed and raw over gRPC. Server
 * and load in their own processes, the ways take turns in short rounds.
 *
 *     node bench/open-inference.ts [--rows 1,32,1000] [--rounds 5] [--seconds 2] [--connections 8] [--recording full|none] [--home DIR]
 *                             [--ways 'v2 JSON,v2 binary'] [--profile DIR]
 *
 * The numbers are float32 (FP32), and JSON has them with all their digits, as NumPy's clients send them. Goals: raw tensors at
 * least 3 times as many rows a second as the protocol's JSON at 1,000 rows a request, at one row never fewer. Ends with 1 when one is missed.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { LoadPlan, LoadReport, Way } from './open-inference/load.ts';
import { SAMPLES, type SampleModel, launchSample, sampleRows } from './support/sample-models.ts';
import { KEY, cpuMicrosOf, mainThreadMicrosOf, median, startSlipway } from './support/slipway-process.ts';

const WAYS: readonly Way[] = ['v1 JSON', 'v2 JSON', 'v2 binary', 'gRPC typed', 'gRPC raw'];
/** Rounds that only warm the compilers up. */
const WARM_ROUNDS = 1;
const MANY_ROWS = 1_000;
const MANY_RATIO_MIN = 3;
const SINGLE_RATIO_MIN = 1;

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1,32,1000' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '8' },
    recording: { type: 'string', default: 'full' },
    home: { type: 'string' },
    ways: { type: 'string' },
    profile: { type: 'string' },
  },
});
const ways = WAYS.filter((way) => values.ways === undefined || values.ways.split(',').includes(way));
const nodeFlags = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];

type Measured = LoadReport & {
  /** Of the whole process, and of the thread that answers; the others turn records into Parquet and collect garbage. */
  readonly cpuMicrosEach: number;
  readonly threadMicrosEach: number;
};

interface Line {
  readonly way: Way;
  readonly rows: number;
  readonly 'rows/s': number;
  /** Further columns of the table. */
  readonly [name: string]: unknown;
}

async function measureAll(home: string, sample: SampleModel): Promise<Line[]> {
  await launchSample({ home }, sample, 5, ['--recording', values.recording]);
  process.env['SLIPWAY_GRPC_PORT'] = '0';
  const server = await startSlipway({ home, nodeFlags });
  const load = fork(new URL('./open-inference/load.ts', import.meta.url));
  await once(load, 'message');
  const measure = async (plan: LoadPlan): Promise<Measured> => {
    const pid = server.child.pid ?? 0;
    const before = [cpuMicrosOf(pid), mainThreadMicrosOf(pid)] as const;
    load.send(plan);
    const [report] = (await once(load, 'message')) as [LoadReport | { error: string }];
    if ('error' in report) throw new Error(`${plan.way}: ${report.error}`);
    const requests = report.requestsPerSecond * plan.seconds;
    const cpuMicrosEach = (cpuMicrosOf(pid) - before[0]) / requests;
    return { ...report, cpuMicrosEach, threadMicrosEach: (mainThreadMicrosOf(pid) - before[1]) / requests };
  };
  try {
    const lines: Line[] = [];
    for (const count of values.rows.split(',').map(Number)) {
      const objects = sampleRows(sample, count);
      const fields = Object.keys(objects[0] ?? {});
      const rows = Array.from({ length: count }, (_, at) =>
        fields.map((field) => Math.fround(Number(objects[at % objects.length]?.[field]))),
      );
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

function summarize(way: Way, rows: number, measured: readonly Measured[]): Line {
  const of = (pick: (one: Measured) => number) => median(measured.map(pick));
  return {
    way,
    rows,
    'requests/s': Math.round(of((one) => one.requestsPerSecond)),
    'rows/s': Math.round(of((one) => one.requestsPerSecond) * rows),
    'p50 ms': Number(of((one) => one.latencyMsP50).toFixed(2)),
    'p99 ms': Number(of((one) => one.latencyMsP99).toFixed(2)),
    'server us/request': Math.round(of((one) => one.cpuMicrosEach)),
    'answering thread us/request': Math.round(of((one) => one.threadMicrosEach)),
    'request bytes': measured[0]?.requestBytes ?? 0,
  };
}

/** Rows a second by raw tensors for each by the protocol's JSON. */
function judge(lines: readonly Line[]): boolean {
  const rateOf = (way: Way, rows: number) => lines.find((line) => line.way === way && line.rows === rows)?.['rows/s'] ?? Number.NaN;
  const results = [...new Set(lines.map(({ rows }) => rows))].flatMap((rows) =>
    (['v2 binary', 'gRPC raw'] as const).map((way) => {
      const ratio = rateOf(way, rows) / rateOf('v2 JSON', rows);
      const goal = rows === 1 ? SINGLE_RATIO_MIN : rows >= MANY_ROWS ? MANY_RATIO_MIN : undefined;
      return { way, rows, 'times the JSON': Number(ratio.toFixed(2)), goal: goal ?? '', met: goal === undefined || ratio >= goal };
    }),
  );
  console.table(results);
  return results.every(({ met }) => met);
}

const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
try {
  const lines = await measureAll(values.home ?? join(folder, 'home'), SAMPLES['breast-cancer'] as SampleModel);
  console.table(lines);
  process.exitCode = judge(lines) ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
