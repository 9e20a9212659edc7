import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Ended } from './run-command.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

/** Runs one command line in a process of its own, as a user does: definitions are loaded by Node there, not by the test runner. */
export function runProcess(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const surroundings = Object.entries(process.env).filter(([name]) => !/^(?:SLIPWAY_|DATABASE_URL$|VITEST|NODE_OPTIONS$)/.test(name));
  const options = { env: { ...Object.fromEntries(surroundings), ...env }, maxBuffer: 64 * 2 ** 20 };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, stdout, stderr });
    });
  });
}
