import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./compile-workers.ts', import.meta.url));

/**
 * Vitest's global setup: fills Node's compile cache (see vitest.config.ts) with what threads and child processes load, beside
 * the first tests. A thread that is ended keeps nothing of what it compiled, so without this each compiles it again: that was
 * half of the processor time of the training tests (39 s against 21, 2026-11).
 */
export default function setup(): () => void {
  const child = execFile(process.execPath, ['--no-warnings', SCRIPT], () => {});
  return () => void child.kill();
}
