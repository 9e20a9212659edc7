import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const KEY = 'bench-key-0123456789-0123456789-0123456789';
const CLI = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url));
/** Linux counts processor time in hundredths of a second. */
const TICK_MICROS = 10_000;

export interface ServerOptions {
  readonly home: string;
  readonly databaseUrl?: string | undefined;
  /** Flags for Node, such as --cpu-prof. */
  readonly nodeFlags?: readonly string[];
  /** Default: a free one. */
  readonly port?: number;
}

export interface SlipwayProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly port: number;
  /** Address of the gRPC side, when SLIPWAY_GRPC_PORT asks for one. */
  readonly grpc: string | null;
  /** From the spawn to the line that says it is up. */
  readonly upMs: number;
  stop(): Promise<void>;
}

function environment({ databaseUrl }: ServerOptions): NodeJS.ProcessEnv {
  const { DATABASE_URL: _databaseUrl, SLIPWAY_URL: _url, ...inherited } = process.env;
  return { ...inherited, SLIPWAY_KEY: KEY, ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }) };
}

/** `slipway up` on a free port. */
export async function startSlipway(options: ServerOptions): Promise<SlipwayProcess> {
  const startedMs = performance.now();
  const args = [...(options.nodeFlags ?? []), CLI, 'up', '--port', String(options.port ?? 0), '--json', '--home', options.home];
  const child = spawn(process.execPath, args, { env: environment(options), stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8');
  while (!text.includes('\n')) text += String((await once(child.stdout, 'data'))[0]);
  const { url, grpc } = JSON.parse(text.slice(0, text.indexOf('\n'))) as { url: string; grpc: string | null };
  return {
    child,
    url,
    port: Number(new URL(url).port),
    grpc,
    upMs: performance.now() - startedMs,
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}

/** Runs a command of Slipway to its end. @throws when it fails. */
export async function runSlipway(options: ServerOptions, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [CLI, ...args, '--home', options.home], {
    env: environment(options),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`slipway ${args.join(' ')} ended with ${code}`);
}

/** Processor time of a process with all its threads, in microseconds, or NaN where there is no /proc. */
export function cpuMicrosOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
  } catch {
    return Number.NaN;
  }
}

/** Processor time of a process's main thread alone, in microseconds, or NaN where the kernel does not tell. */
export function mainThreadMicrosOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000;
  } catch {
    return Number.NaN;
  }
}

/**
 * How long a process's main thread has computed, and how long it was ready to and waited for a core, in milliseconds: what tells a slow server
 * from a busy machine. NaN where there is no schedstat.
 */
export function mainThreadOf(pid: number): { readonly ranMs: number; readonly waitedMs: number } {
  try {
    const [ran, waited] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ').map(Number);
    return { ranMs: (ran ?? Number.NaN) / 1e6, waitedMs: (waited ?? Number.NaN) / 1e6 };
  } catch {
    return { ranMs: Number.NaN, waitedMs: Number.NaN };
  }
}

/** What each thread of a process has computed and waited for a core, in milliseconds, by its id and name. Nothing where there is no schedstat. */
export function threadsOf(pid: number): Map<string, { readonly ranMs: number; readonly waitedMs: number }> {
  try {
    return new Map(
      readdirSync(`/proc/${pid}/task`).map((id) => {
        const [ran, waited] = readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ').map(Number);
        const name = readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim();
        return [`${id} ${name}`, { ranMs: (ran ?? Number.NaN) / 1e6, waitedMs: (waited ?? Number.NaN) / 1e6 }];
      }),
    );
  } catch {
    return new Map();
  }
}

/** A process and all that it started, directly or not; itself alone where there is no /proc. */
export function processTreeOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return [pid, ...children.trim().split(/\s+/).filter(Boolean).map(Number).flatMap(processTreeOf)];
  } catch {
    return [pid];
  }
}

/** Resident memory of a process in MB (10^6 bytes), or NaN where there is no /proc. */
export function residentMbOf(pid: number): number {
  try {
    return (Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / 1e6;
  } catch {
    return Number.NaN;
  }
}

/**
 * Memory of a process in MB (10^6 bytes) with its part of the pages that it shares with others, such as the engines' code: what adds
 * up over processes. NaN where there is no /proc.
 */
export function proportionalMbOf(pid: number): number {
  try {
    return (Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) * 1024) / 1e6;
  } catch {
    return Number.NaN;
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  // Of an even number the mean of the two in the middle: the upper one flatters what should be high.
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}
