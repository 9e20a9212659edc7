import { globSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { ROOT } from './house.ts';

/** Loads every thread's and the program's modules once and leaves them in the compile cache. */
const entries = [...globSync('packages/*/src/**/*-worker.ts', { cwd: ROOT }), 'apps/cli/src/program.ts', 'apps/server/src/index.ts'];
for (const entry of entries) {
  // Some say that they must run as a thread; by then they are compiled.
  await import(join(ROOT, entry)).catch(() => {});
}
flushCompileCache();
process.exit(0);
