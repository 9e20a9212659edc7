/**
 * The fault tests with 50 rounds of each fault instead of CI's 5: kill -9 at random moments of a launch and under load, two
 * processes on one home. SLIPWAY_FAULT_SEED repeats a run, SLIPWAY_FAULT_ROUNDS changes the number of rounds.
 *
 *     node bench/faults.ts [part of a test file's name …]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROUNDS = '50';
const root = fileURLToPath(new URL('..', import.meta.url));
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const chosen = process.argv.slice(2);
const files = chosen.length > 0 ? chosen.map((name) => `conformance/faults/${name}`) : ['conformance/faults'];
const env = { ...process.env, SLIPWAY_FAULT_ROUNDS: process.env['SLIPWAY_FAULT_ROUNDS'] ?? ROUNDS };
const child = spawn(process.execPath, [vitest, 'run', '--project', 'conformance', ...files], { cwd: root, env, stdio: 'inherit' });
const [code] = (await once(child, 'exit')) as [number | null];
process.exitCode = code ?? 1;
