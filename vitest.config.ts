import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Unit tests lie beside their files; conformance drives a real server with foreign clients. */
export default defineConfig({
  test: {
    // Half of the suites wait for databases and child processes: two at a time pay even on two cores.
    maxWorkers: Math.max(2, availableParallelism()),
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          pool: 'forks',
        },
      },
      { test: { name: 'house', include: ['tools/**/*.test.ts'], testTimeout: 30_000 } },
      { test: { name: 'conformance', include: ['conformance/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 600_000, pool: 'forks' } },
    ],
  },
});
