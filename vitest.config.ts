import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { SlowFirst } from './tools/slow-first.ts';

// Threads and child processes of the tests compile the same modules hundreds of times otherwise.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('./node_modules/.cache/slipway-compile', import.meta.url));

/** Unit tests lie beside their files; conformance drives a real server with foreign clients. */
export default defineConfig({
  test: {
    // Half of the suites wait for databases, timers and child processes: one more than there are cores.
    maxWorkers: availableParallelism() + 1,
    globalSetup: './tools/compile-ahead.ts',
    sequence: { sequencer: SlowFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts'],
          // What hangs, ends; what is slow on a busy machine must not fail.
          testTimeout: 180_000,
          hookTimeout: 180_000,
          pool: 'forks',
        },
      },
      { test: { name: 'house', include: ['tools/**/*.test.ts'], testTimeout: 30_000 } },
      { test: { name: 'conformance', include: ['conformance/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 600_000, pool: 'forks' } },
    ],
  },
});
