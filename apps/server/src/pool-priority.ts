import { readFile, readdir } from 'node:fs/promises';
import { constants, getPriority, setPriority } from 'node:os';

/** Above the priority of the process. */
const NICER = 5;
const POOL_THREAD = 'libuv-worker';
const THREADS = '/proc/self/task';

/**
 * Lets the threads of Node's pool (files, DuckDB turning segments into Parquet) give way to the thread that answers calls, which
 * otherwise waits for a core a tenth of the time when all are busy (`bench/predict-http.ts`, two cores). On Linux only: elsewhere
 * threads have no priority that a process could set by name. @returns how many threads there were.
 */
export async function lowerPoolPriority(): Promise<number> {
  if (process.platform !== 'linux') return 0;
  const priority = Math.min(constants.priority.PRIORITY_LOW, getPriority() + NICER);
  let count = 0;
  for (const thread of await readdir(THREADS).catch(() => [])) {
    const name = await readFile(`${THREADS}/${thread}/comm`, 'utf8').catch(() => '');
    if (name.trim() !== POOL_THREAD) continue;
    try {
      setPriority(Number(thread), priority);
      count += 1;
    } catch {
      // It has ended, or this system does not allow it: then all threads stay alike.
    }
  }
  return count;
}
