import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { explainCase, largestDifference, offDiagonal, type ShapCase } from '../../packages/learning/src/testing/tree-shap-cases.ts';

const run = promisify(execFile);
const PYTHON = process.env['SLIPWAY_REFERENCE_PYTHON'] ?? 'python3';
const GENERATOR = new URL('./tree-shap.py', import.meta.url).pathname;
const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;
const TIMEOUT_MS = 120_000;
/** shap adds interventional values up in float32. */
const TOLERANCE = { pathDependent: 1e-9, interactions: 1e-9, interventional: 1e-7 };

const hasPackages = await run(PYTHON, ['-c', 'import shap, lightgbm, sklearn']).then(
  () => true,
  () => false,
);

// Other versions of LightGBM grow other trees, so fresh values are compared with what is computed here, not with the frozen ones.
describe.skipIf(!hasPackages)('TreeSHAP (needs shap and lightgbm: SLIPWAY_REFERENCE_PYTHON names a Python that has them)', () => {
  it(
    'equals shap and LightGBM on the models that the generator trains',
    async () => {
      const { stdout } = await run(PYTHON, [GENERATOR], { maxBuffer: OUTPUT_LIMIT_BYTES });
      const { cases } = JSON.parse(stdout) as { cases: ShapCase[] };
      expect(cases.length).toBeGreaterThanOrEqual(5);
      for (const each of cases) {
        const answers = explainCase(each);
        // What the reference does not give is not compared.
        const background = each.interventional ? largestDifference(answers.interventional ?? [], each.interventional.flat(2)) : 0;
        const pairs = each.interactions ? largestDifference(answers.interactions ?? [], offDiagonal(each.interactions, each.width)) : 0;
        expect(largestDifference(answers.pathDependent, each.pathDependent.flat(2))).toBeLessThan(TOLERANCE.pathDependent);
        expect(background).toBeLessThan(TOLERANCE.interventional);
        expect(pairs).toBeLessThan(TOLERANCE.interactions);
      }
    },
    TIMEOUT_MS,
  );
});
