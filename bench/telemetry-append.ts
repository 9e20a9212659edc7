/**
 * What recording a call costs: 32 callers at once, each waiting for its line to be written, 30 inputs a call.
 * `npx node bench/telemetry-append.ts [calls]`; prints microseconds a call. Target: append and line at most 10 us of processor
 * time; 32 answers share one write.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIds, systemClock, type Invocation } from '@slipway/kernel';
import { createTelemetryFixture, invocationMaker } from '@slipway/telemetry/testing';
import { invocationLine } from '../packages/telemetry/src/line.ts';
import { SegmentWriter, type Durability } from '../packages/telemetry/src/segment-writer.ts';

const CALLERS = 32;
const calls = Number(process.argv[2] ?? 100_000);
const make = invocationMaker();
const plans = ['basic', 'plus', 'family', 'business'];
const field = (name: string, type: string, role: string) => ({ name, type, role, nullable: true, expect: {}, severity: 'warn' });
const numeric = Array.from({ length: 22 }, (_, index) => `numeric_${index}`);
const categorical = Array.from({ length: 8 }, (_, index) => `category_${index}`);
const contract = {
  format: 'slipway.contract/1',
  fields: [...numeric.map((name) => field(name, 'float64', 'numeric')), ...categorical.map((name) => field(name, 'string', 'categorical'))],
  ignored: [],
};

function nextCall(): Invocation {
  const input: Record<string, number | string> = {};
  for (const name of numeric) input[name] = Math.random() * 1_000;
  for (const name of categorical) input[name] = plans[(Math.random() * 4) | 0] as string;
  return make({ input, unit: 'customer-12345', latencyMs: 1.25 });
}

/** Runs `count` calls over the callers. @returns microseconds a call: wall time, and processor time of the whole process. */
async function measure(count: number, append: (call: Invocation) => Promise<void>): Promise<{ wallUs: number; cpuUs: number }> {
  const prepared = Array.from({ length: count }, nextCall);
  let next = 0;
  const caller = async () => {
    while (next < count) await append(prepared[next++] as Invocation);
  };
  const cpu = process.cpuUsage();
  const started = performance.now();
  await Promise.all(Array.from({ length: CALLERS }, caller));
  await new Promise((resolve) => setImmediate(resolve));
  const used = process.cpuUsage(cpu);
  return { wallUs: ((performance.now() - started) * 1000) / count, cpuUs: (used.user + used.system) / count };
}

const shown: Record<string, unknown> = { calls, callers: CALLERS, lineBytes: Buffer.byteLength(invocationLine(nextCall())) };
function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Processor time of one call of `work`, after a warm-up. Wall time would count the neighbours on a shared machine. */
function cpuUs(work: (call: Invocation, inputJson: string) => unknown): number {
  const samples = Array.from({ length: 20_000 }, nextCall);
  const inputs = samples.map((call) => JSON.stringify(call.input));
  let best = Number.POSITIVE_INFINITY;
  for (let pass = 0; pass < 5; pass += 1) {
    const before = process.cpuUsage();
    samples.forEach((call, index) => work(call, inputs[index] as string));
    const used = process.cpuUsage(before);
    best = Math.min(best, (used.user + used.system) / samples.length);
  }
  return round(best);
}

shown['lineCpuUs'] = cpuUs((call) => invocationLine(call));
shown['lineCpuUs.inputGiven'] = cpuUs((call, inputJson) => invocationLine(call, inputJson));
shown['lineCpuUs.JSON.stringify'] = cpuUs((call) => JSON.stringify(call));

const directory = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
for (const durability of ['process', 'host'] as Durability[]) {
  const writer = new SegmentWriter<null>({
    directory: join(directory, durability),
    replica: 0,
    durability,
    clock: systemClock,
    ids: createIds(systemClock),
    onWritten: () => {},
    onSegmentOpened: () => {},
    onSegmentClosed: () => {},
    onFailure: () => {},
  });
  const append = (call: Invocation) => writer.append('alpha', 'invocation', invocationLine(call), null);
  const count = durability === 'process' ? calls : Math.ceil(calls / 20);
  await measure(Math.ceil(count / 5), append);
  const cost = await measure(count, append);
  shown[`appendUs.${durability}`] = round(cost.wallUs);
  shown[`appendCpuUs.${durability}`] = round(cost.cpuUs);
  await writer.close();
}
await rm(directory, { recursive: true });

const fixture = await createTelemetryFixture({ segmentLimitBytes: 1024 ** 3 });
await fixture.telemetry.describe('alpha', 'mv_1', contract as never);
await measure(Math.ceil(calls / 5), (call) => fixture.telemetry.append(call));
const whole = await measure(calls, (call) => fixture.telemetry.append(call));
shown['wholeUs'] = round(whole.wallUs);
shown['wholeCpuUs'] = round(whole.cpuUs);
shown['sketchesCpuUs'] = round(whole.cpuUs - (shown['appendCpuUs.process'] as number));
await fixture.close();
process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
