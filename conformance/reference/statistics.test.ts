import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { casesOf, differences } from './compare-vectors.ts';

const run = promisify(execFile);
const PYTHON = process.env['SLIPWAY_REFERENCE_PYTHON'] ?? 'python3';
const GENERATOR = new URL('./statistics.py', import.meta.url).pathname;
const FROZEN = new URL('../../packages/statistics/src/testing/vectors/', import.meta.url).pathname;
const hasPackages = await run(PYTHON, ['-c', 'import sklearn, scipy, statsmodels']).then(
  () => true,
  () => false,
);

describe.skipIf(!hasPackages)(
  'the reference vectors of metrics and tests (needs scikit-learn, SciPy, statsmodels: SLIPWAY_REFERENCE_PYTHON names a Python that has them)',
  () => {
    it('are what the generator writes', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'slipway-reference-'));
      try {
        await run(PYTHON, [GENERATOR, folder]);
        const names = (await readdir(folder)).toSorted();
        expect(names).toEqual(
          ['binary', 'comparisons', 'distributions', 'multiclass', 'ranking', 'regression', 'residuals'].map((name) => `${name}.json`),
        );
        for (const name of names) {
          const [made, frozen] = [await casesOf(join(folder, name)), await casesOf(join(FROZEN, name))];
          expect([name, ...differences(made, frozen).slice(0, 5)]).toEqual([name]);
        }
        // The comparison itself must notice a digit.
        expect(differences({ a: [1, 2.0000000001] }, { a: [1, 2] })).toHaveLength(1);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  },
);
