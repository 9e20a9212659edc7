import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'vitest';

/** Priorities in a process of its own, since a priority once lowered stays. */
const SCRIPT = `
import { getPriority } from 'node:os';
import { readFileSync, readdirSync } from 'node:fs';
import { lowerPoolPriority } from ${JSON.stringify(new URL('./pool-priority.ts', import.meta.url).href)};
const threads = () => readdirSync('/proc/self/task').map((id) => [readFileSync('/proc/self/task/' + id + '/comm', 'utf8').trim(), getPriority(Number(id))]);
const before = threads();
const count = await lowerPoolPriority();
console.log(JSON.stringify({ count, own: getPriority(), main: getPriority(process.pid), before, after: threads() }));
`;

test.skipIf(process.platform !== 'linux')('threads of the pool give way to the thread that answers; all others stay as they are', () => {
  const text = execFileSync(process.execPath, ['--input-type=module-typescript', '--no-warnings', '-e', SCRIPT], { encoding: 'utf8' });
  const { count, own, main, after } = JSON.parse(text) as { count: number; own: number; main: number; after: [string, number][] };
  const pool = after.filter(([name]) => name === 'libuv-worker');
  assert.ok(count >= 4, `${count} threads`);
  assert.equal(pool.length, count);
  for (const [, priority] of pool) assert.equal(priority, Math.min(19, own + 5));
  for (const [name, priority] of after) if (name !== 'libuv-worker') assert.equal(priority, main, name);
});
