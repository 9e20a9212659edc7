/**
 * What drift costs. Two parts:
 * 1. 1,000,000 rows x 20 columns, 4 of them moved: our sketches and verdicts beside Evidently's PSI (bench/drift-evidently.py,
 *    `pip install evidently 'pandas<3' pyarrow`), same files, same threshold, reading left out on both sides.
 *    Target: at least 20 times faster with the sketches of the window built, same verdicts.
 * 2. A report over 30 days, 10,000,000 calls x 20 fields, from rows that the roll-up itself made of hours and minutes, on each
 *    engine there is (SLIPWAY_TEST_DATABASE_URL adds PostgreSQL). Target: at most 200 ms.
 * Run: npx node bench/drift-monitor.ts [rows]   (EVIDENTLY_PYTHON names a Python that has Evidently; without it part 1 is ours alone)
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { fixedClock } from '@slipway/kernel';
import { FieldSketch, createRandom } from '@slipway/statistics';
import type { Records } from '@slipway/records';
import { type TestEngine, testEngines } from '@slipway/records/testing';
import { createTelemetryFixture } from '@slipway/telemetry/testing';
import { compareWithReference, monitor } from '../packages/monitoring/src/index.ts';
import { rollUpSketches } from '../packages/telemetry/src/sketch-roll-up.ts';
import { saveSlot } from '../packages/telemetry/src/sketch-store.ts';

const rows = Number(process.argv[2] ?? 1_000_000);
const directory = await mkdtemp(join(tmpdir(), 'slipway-drift-'));
const MOVED = new Set(['number_0', 'number_1', 'text_0', 'text_1']);
const numbers = Array.from({ length: 15 }, (_, index) => `number_${index}`);
const texts = Array.from({ length: 5 }, (_, index) => `text_${index}`);

async function writeSide(path: string, moved: boolean): Promise<void> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const normal = 'sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())';
  const columns = [
    ...numbers.map((name) => `${normal} + ${moved && MOVED.has(name) ? 1 : 0} as ${name}`),
    ...texts.map((name) => `'level ' || floor(8 * power(random(), ${moved && MOVED.has(name) ? 4 : 1})) as ${name}`),
  ];
  await connection.run(`copy (select ${columns.join(', ')} from range(${rows})) to '${path}' (format parquet)`);
  connection.closeSync();
}

type Column = Float64Array | readonly string[];

/** The columns as both sides get them: numbers as doubles, texts as strings (a frame of pandas holds the same). */
async function readSide(path: string): Promise<Map<string, Column>> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const columns = new Map<string, Column>();
  for (const name of [...numbers, ...texts]) {
    const [values = []] = (await connection.runAndReadAll(`select ${name} from read_parquet('${path}')`)).getColumnsJS();
    columns.set(name, name.startsWith('text') ? (values as string[]) : Float64Array.from(values as number[]));
  }
  connection.closeSync();
  return columns;
}

function sketchSide(columns: ReadonlyMap<string, Column>): Map<string, FieldSketch> {
  const sketches = new Map<string, FieldSketch>();
  for (const [name, values] of columns) {
    const sketch = new FieldSketch(name.startsWith('text') ? 'text' : 'number');
    sketch.updateMany(values);
    sketches.set(name, sketch);
  }
  return sketches;
}

function timed<T>(work: () => T): { result: T; seconds: number; cpuSeconds: number } {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  const result = work();
  const seconds = (performance.now() - startedMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { result, seconds, cpuSeconds: (user + system) / 1e6 };
}

async function againstEvidently(): Promise<void> {
  const paths = [join(directory, 'reference.parquet'), join(directory, 'current.parquet')] as const;
  await writeSide(paths[0], false);
  await writeSide(paths[1], true);
  const reference = timed(sketchSide.bind(null, await readSide(paths[0])));
  const current = timed(sketchSide.bind(null, await readSide(paths[1])));
  const report = timed(() => compareWithReference({ reference: reference.result, current: current.result }));
  const ours = Object.fromEntries(report.result.fields.map((field) => [field.field, (field.psi ?? 0) >= 0.25]));
  const window = current.seconds + report.seconds;
  const windowCpu = current.cpuSeconds + report.cpuSeconds;
  console.log(
    `ours: reference sketches ${reference.seconds.toFixed(2)} s, window sketches ${current.seconds.toFixed(2)} s, report ${(report.seconds * 1_000).toFixed(0)} ms`,
  );
  console.log(
    `  ${((current.seconds / rows / 20) * 1e9).toFixed(0)} ns a value; drifted: ${report.result.fields
      .filter((field) => field.verdict === 'drift')
      .map((field) => field.field)
      .join(' ')}`,
  );
  const python = process.env['EVIDENTLY_PYTHON'];
  if (python === undefined) return console.log('EVIDENTLY_PYTHON is not set: no comparison');
  const script = new URL('./drift-evidently.py', import.meta.url).pathname;
  const found = JSON.parse(execFileSync(python, ['-W', 'ignore', script, ...paths], { encoding: 'utf8' })) as {
    seconds: number;
    cpuSeconds: number;
    drifted: Record<string, boolean>;
  };
  const same = Object.entries(found.drifted).filter(([name, drifted]) => ours[name] === drifted).length;
  console.log(
    `Evidently: ${found.seconds.toFixed(2)} s (processor time ${found.cpuSeconds.toFixed(2)} s); same verdict on ${same} of ${Object.keys(found.drifted).length} columns`,
  );
  console.log(
    `  ${(found.seconds / window).toFixed(1)} times ours with the window's sketches, ${(found.seconds / (window + reference.seconds)).toFixed(1)} times with both sides' sketches`,
  );
  console.log(
    `  by processor time: ${(found.cpuSeconds / windowCpu).toFixed(1)} and ${(found.cpuSeconds / (windowCpu + reference.cpuSeconds)).toFixed(1)} times`,
  );
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const FIELDS = Array.from({ length: 20 }, (_, index) => `field_${index}`);
const HOURLY_CALLS = Math.ceil(10_000_000 / (30 * 24));
const NOW_MS = Date.UTC(2026, 5, 30, 12);

/** Sketches of some hours, each of its own values; the others repeat them, since making 10 million values takes longer than all else. */
function hourSketches(count: number): FieldSketch[][] {
  const random = createRandom('months');
  return Array.from({ length: count }, () =>
    FIELDS.map(() => {
      const sketch = new FieldSketch('number');
      sketch.updateMany(Float64Array.from({ length: HOURLY_CALLS }, () => random.normal()));
      return sketch;
    }),
  );
}

/**
 * Thirty days up to now as a server has them: each hour's sketches written as hours, then rolled up into days by the roll-up
 * itself, so that the last week is hours and the rest days; what of the last two hours is minutes is written as minutes. The roll-up
 * also makes the totals of closed days and hours, as it does in a server every ten minutes.
 */
async function fillMonth(records: Records): Promise<number> {
  const hours = hourSketches(12);
  const first = Math.floor((NOW_MS - 30 * DAY_MS) / HOUR_MS) * HOUR_MS;
  for (let startMs = first, index = 0; startMs < NOW_MS - 2 * HOUR_MS; startMs += HOUR_MS, index += 1) {
    const sketches = new Map(FIELDS.map((field, at) => [field, JSON.stringify(hours[index % hours.length]?.[at]?.toJson())]));
    const slot = { project: 'alpha', release: 'churn', revision: 1, level: 'hour' as const, startMs, replica: -1 };
    await records.transaction((tx) => saveSlot(tx, slot, sketches));
  }
  const random = createRandom('minutes');
  for (let startMs = NOW_MS - 2 * HOUR_MS; startMs < NOW_MS; startMs += 60_000) {
    const sketches = new Map<string, string>();
    for (const field of FIELDS) {
      const sketch = new FieldSketch('number');
      sketch.updateMany(Float64Array.from({ length: Math.ceil(HOURLY_CALLS / 60) }, () => random.normal()));
      sketches.set(field, JSON.stringify(sketch.toJson()));
    }
    const slot = { project: 'alpha', release: 'churn', revision: 1, level: 'minute' as const, startMs, replica: 0 };
    await records.transaction((tx) => saveSlot(tx, slot, sketches));
  }
  // One pass of the roll-up takes a bounded number of groups; passes go on until there is nothing left.
  while ((await rollUpSketches(records, NOW_MS)) > 0);
  const { rows: counts } = await records.pool.query('select level, count(*)::int as n from telemetry_sketch group by level order by level');
  console.log(`  stored: ${counts.map(({ level, n }) => `${n} ${level} rows`).join(', ')}`);
  return HOURLY_CALLS * 30 * 24;
}

async function overMonths(engine: TestEngine): Promise<void> {
  const clock = fixedClock(NOW_MS);
  const fixture = await createTelemetryFixture({ clock, engine });
  await fillMonth(fixture.records);
  const training = hourSketches(1)[0] as FieldSketch[];
  const reference = { fields: new Map(FIELDS.map((field, index) => [field, training[index] as FieldSketch])), quality: undefined };
  const ports = {
    findRelease: async () => ({ release: 'churn', revision: 1, version: 'mv_1', task: null, classes: null, positive: null }),
    loadReference: async () => reference,
    loadContract: async () => undefined,
    loadRows: async () => undefined,
    telemetry: fixture.telemetry,
    clock,
  };
  const times: number[] = [];
  const cpuTimes: number[] = [];
  const allCpuTimes: number[] = [];
  let report: Awaited<ReturnType<typeof monitor>> | undefined;
  for (let round = 0; round < 15; round += 1) {
    const startedMs = performance.now();
    const cpu = process.threadCpuUsage();
    const allCpu = process.cpuUsage();
    report = await monitor(ports, 'alpha', 'churn', { window: '30d', sections: ['drift', 'contract', 'objectives'] });
    times.push(performance.now() - startedMs);
    const used = process.threadCpuUsage(cpu);
    cpuTimes.push((used.user + used.system) / 1_000);
    const all = process.cpuUsage(allCpu);
    allCpuTimes.push((all.user + all.system) / 1_000);
  }
  const middle = (list: readonly number[]) => list.toSorted((a, b) => a - b)[list.length >> 1]?.toFixed(0);
  console.log(
    `30 days on ${engine}, ${report?.invocations} calls x ${FIELDS.length} fields, verdict ${report?.verdict}: report in ${middle(times)} ms ` +
      `(median of 15, nothing is kept from one to the next; first ${times[0]?.toFixed(0)}, slowest ${Math.max(...times).toFixed(0)} ms; ` +
      `processor time ${middle(cpuTimes)} ms on the main thread, ${middle(allCpuTimes)} ms with the threads of the embedded store)`,
  );
  await fixture.close();
}

try {
  if (process.env['ONLY'] !== 'evidently') for (const engine of testEngines) await overMonths(engine);
  if (process.env['ONLY'] !== 'months') await againstEvidently();
} finally {
  await rm(directory, { recursive: true, force: true });
}
