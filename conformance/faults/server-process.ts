import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '@slipway/client';

export const KEY = 'fault-test-key-0123456789-0123456789-0123456789';
const CLI = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url));
const LOG_LIMIT_CHARACTERS = 20_000;
const READY_LIMIT_MS = 120_000;

export interface Where {
  readonly home: string;
  readonly databaseUrl?: string | undefined;
  /** Beside what this process has. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command line of Slipway in a process of its own. */
export interface CliProcess {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** What it has said so far, for a failing test to show. */
  output(): string;
  /** Resolves with the first whole line on stdout. */
  readonly firstLine: Promise<string>;
  /** kill -9. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM. Resolves with how it ended. */
  stop(): Promise<Ended>;
}

const running = new Set<ChildProcess>();

/** Ends what a failed test left running; only processes that were started here. */
export async function endAll(): Promise<void> {
  await Promise.all(
    [...running].map(async (child) => {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }),
  );
}

export function startCli(where: Where, args: readonly string[]): CliProcess {
  const { DATABASE_URL: _databaseUrl, SLIPWAY_URL: _url, SLIPWAY_PROJECT: _project, ...inherited } = process.env;
  const env = {
    ...inherited,
    ...where.env,
    SLIPWAY_KEY: KEY,
    ...(where.databaseUrl === undefined ? {} : { DATABASE_URL: where.databaseUrl }),
  };
  const child = spawn(process.execPath, [CLI, ...args, '--home', where.home], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let stdout = '';
  let stderr = '';
  const line = Promise.withResolvers<string>();
  line.promise.catch(() => {});
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (stdout.includes('\n')) line.resolve(stdout.slice(0, stdout.indexOf('\n')));
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-LOG_LIMIT_CHARACTERS)));
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    running.delete(child);
    line.reject(new Error(`slipway ${args.join(' ')} ended with ${code ?? signal} and no line:\n${stderr}`));
    return { code, signal, stdout, stderr };
  });
  return {
    pid: child.pid ?? 0,
    ended,
    firstLine: line.promise,
    output: () => `stdout:\n${stdout}\nstderr:\n${stderr}`,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/** Runs a command to its end. */
export function runCli(where: Where, args: readonly string[]): Promise<Ended> {
  return startCli(where, args).ended;
}

export interface ServerProcess extends CliProcess {
  readonly url: string;
  readonly client: Client;
}

/** `slipway up` on a free port, ready to answer. @throws with its output when it does not come up. */
export async function startServerProcess(where: Where): Promise<ServerProcess> {
  const cli = startCli(where, ['up', '--port', '0', '--json']);
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`the server was not ready within ${READY_LIMIT_MS} ms\n${cli.output()}`)), READY_LIMIT_MS).unref();
  });
  const { url } = JSON.parse(await Promise.race([cli.firstLine, late])) as { url?: string };
  if (url === undefined) throw new Error(`the server did not come up\n${cli.output()}`);
  return { ...cli, url, client: createClient({ url, key: KEY }) };
}

/** A home that does not exist yet, and its removal. */
export async function temporaryHome(): Promise<{ readonly home: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-fault-'));
  return { home: join(folder, 'home'), remove: () => rm(folder, { recursive: true, force: true }) };
}
