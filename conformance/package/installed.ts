import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGE = join(ROOT, 'packages/slipway/dist/package');
const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;

/** The environment of somebody who has never seen this repository: no settings of npm or ours, none of its programs. */
export function strangersEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|SLIPWAY_|DATABASE_URL|ONNXRUNTIME|NODE_|VITEST|INIT_CWD)/i.test(name),
  );
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes('node_modules') && !folder.includes('node-gyp-bin'));
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter), ...more };
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever its exit code. */
export async function execute(
  file: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Ended> {
  const env = strangersEnvironment(options.env);
  try {
    const { stdout, stderr } = await run(file, args, { cwd: options.cwd, env, maxBuffer: OUTPUT_LIMIT_BYTES });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: number | string; stdout?: string; stderr?: string };
    if (typeof code !== 'number') throw error;
    return { code, stdout, stderr };
  }
}

/** The package as a user has it: built, packed, and installed from the tarball in an empty folder. */
export interface Installed {
  /** The folder that was empty. */
  readonly folder: string;
  /** The package inside its node_modules. */
  readonly location: string;
  readonly tarball: string;
  remove(): Promise<void>;
}

export async function installPackage(): Promise<Installed> {
  const base = await mkdtemp(join(tmpdir(), 'slipway-package-'));
  const folder = join(base, 'empty folder');
  await mkdir(folder);
  await demand(process.execPath, [join(ROOT, 'packages/slipway/build.ts')], ROOT);
  await demand('npm', ['pack', '--pack-destination', base], PACKAGE);
  const [name] = (await readdir(base)).filter((each) => each.endsWith('.tgz'));
  if (name === undefined) throw new Error('npm pack made no tarball');
  const tarball = join(base, name);
  await demand('npm', ['install', tarball, '--no-audit', '--no-fund'], folder);
  return { folder, tarball, location: join(folder, 'node_modules/slipway'), remove: () => rm(base, { recursive: true, force: true }) };
}

async function demand(file: string, args: readonly string[], cwd: string): Promise<void> {
  const { code, stdout, stderr } = await execute(file, args, { cwd });
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`);
}

const running = new Set<ChildProcess>();

/** A program that stays; `firstLine` is its first line on stdout. */
export async function startProgram(
  file: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
) {
  const child = spawn(file, args, { cwd: options.cwd, env: strangersEnvironment(options.env), stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let stdout = '';
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close').then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  const firstLine = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (stdout.includes('\n')) resolve(stdout.slice(0, stdout.indexOf('\n')));
    });
    void ended.then((code) => reject(new Error(`${file} ended with ${code}:\n${stderr}`)));
  });
  return {
    firstLine,
    async stop(): Promise<number | null> {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/** Ends what a failed test left running; only what was started here. */
export async function endPrograms(): Promise<void> {
  await Promise.all(
    [...running].map(async (child) => {
      const gone = once(child, 'close');
      child.kill('SIGKILL');
      await gone;
    }),
  );
}

/** A Node of this machine that is older than the package needs, if there is one. */
export async function findOldNode(newestMajor: number): Promise<string | undefined> {
  for (const folder of (strangersEnvironment()['PATH'] ?? '').split(delimiter)) {
    const candidate = join(folder, 'node');
    const version = await run(candidate, ['--version']).catch(() => undefined);
    const major = Number(/^v(\d+)/.exec(version?.stdout ?? '')?.[1]);
    if (major >= 18 && major <= newestMajor) return candidate;
  }
  return undefined;
}
