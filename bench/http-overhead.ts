/**
 * How much of a bare Hono echo's throughput an authenticated, validated route keeps. Servers and load run in their own
 * processes; the variants take turns in short rounds, so that a busy machine slows them all alike.
 *
 *     node bench/http-overhead.ts [--rounds 7] [--seconds 2] [--connections 32]
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import type { LoadReport } from './http-overhead/load.ts';

const VARIANTS = ['node', 'hono', 'fast', 'general'] as const;
type Variant = (typeof VARIANTS)[number];

const NAMES: Readonly<Record<Variant, string>> = {
  node: 'bare node:http echo',
  hono: 'bare Hono echo',
  fast: 'Slipway, fast lane',
  general: 'Slipway, general lane',
};

interface Server {
  readonly child: ChildProcess;
  readonly port: number;
  readonly key: string;
}

interface Measured extends LoadReport {
  /** Processor time of the server process, user and system, a request. */
  readonly cpuMicrosEach: number;
}

async function start(variant: Variant): Promise<Server> {
  const child = fork(new URL('./http-overhead/server.ts', import.meta.url), [variant]);
  const [{ port, key }] = (await once(child, 'message')) as [{ port: number; key: string }];
  return { child, port, key };
}

async function cpuMicros({ child }: Server): Promise<number> {
  child.send('cpu');
  const [reply] = (await once(child, 'message')) as [{ cpuMicros: number }];
  return reply.cpuMicros;
}

async function load(server: Server, seconds: number, connections: number): Promise<Measured> {
  const beforeMicros = await cpuMicros(server);
  const child = fork(new URL('./http-overhead/load.ts', import.meta.url), [JSON.stringify({ ...pick(server), seconds, connections })]);
  const [report] = (await once(child, 'message')) as [LoadReport];
  return { ...report, cpuMicrosEach: ((await cpuMicros(server)) - beforeMicros) / report.requests };
}

function pick({ port, key }: Server): { port: number; key: string } {
  return { port, key };
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '32' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const connections = Number(values.connections);

const servers = new Map<Variant, Server>();
for (const variant of VARIANTS) servers.set(variant, await start(variant));
const reports = new Map<Variant, Measured[]>(VARIANTS.map((variant) => [variant, []]));
for (let round = -1; round < rounds; round += 1) {
  for (const [variant, server] of servers) {
    const report = await load(server, seconds, connections);
    // The first round warms the compilers up.
    if (round >= 0) reports.get(variant)?.push(report);
  }
}
for (const { child } of servers.values()) child.kill();

const of = (variant: Variant) => reports.get(variant) ?? [];
const ratio = (variant: Variant, value: (report: Measured) => number) =>
  median(of(variant).map((report, index) => value(report) / value(of('hono')[index] ?? report)));
const table = VARIANTS.map((variant) => ({
  variant: NAMES[variant],
  requestsPerSecond: Math.round(median(of(variant).map((report) => report.requestsPerSecond))),
  ratioOfThroughput: ratio(variant, (report) => report.requestsPerSecond).toFixed(2),
  cpuMicrosEach: median(of(variant).map((report) => report.cpuMicrosEach)).toFixed(1),
  ratioOfCapacity: (1 / ratio(variant, (report) => report.cpuMicrosEach)).toFixed(2),
  latencyMsP50: median(of(variant).map((report) => report.latencyMsP50)).toFixed(2),
  latencyMsP99: median(of(variant).map((report) => report.latencyMsP99)).toFixed(2),
}));
console.table(table);
