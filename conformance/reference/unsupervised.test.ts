import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { compareUnsupervised, type UnsupervisedVectors } from '../../packages/learning/src/testing/unsupervised-cases.ts';

const run = promisify(execFile);
const PYTHON = process.env['SLIPWAY_REFERENCE_PYTHON'] ?? 'python3';
const GENERATOR = new URL('./unsupervised.py', import.meta.url).pathname;
const TIMEOUT_MS = 120_000;
const TOLERANCE = 1e-9;

const hasPackages = await run(PYTHON, ['-c', 'import sklearn, scipy']).then(
  () => true,
  () => false,
);

// Other versions draw other trees, so fresh values are compared with what is computed here, not with the frozen ones.
describe.skipIf(!hasPackages)(
  'models without a target (needs scikit-learn and scipy: SLIPWAY_REFERENCE_PYTHON names a Python that has them)',
  () => {
    it(
      'equal scikit-learn and SciPy on the cases that the generator makes',
      async () => {
        const folder = await mkdtemp(join(tmpdir(), 'slipway-reference-'));
        try {
          await run(PYTHON, [GENERATOR, folder]);
          const worst = compareUnsupervised(JSON.parse(await readFile(join(folder, 'unsupervised.json'), 'utf8')) as UnsupervisedVectors);
          expect(Object.keys(worst)).toHaveLength(9);
          for (const difference of Object.values(worst)) expect(difference).toBeLessThan(TOLERANCE);
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      },
      TIMEOUT_MS,
    );
  },
);
