import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const PYTHON = process.env['SLIPWAY_REFERENCE_PYTHON'] ?? 'python3';
const GENERATOR = new URL('./statistics.py', import.meta.url).pathname;
const FROZEN = new URL('../../packages/statistics/src/testing/vectors/', import.meta.url).pathname;
/** Other versions of the packages may sum in another order; a hundredth of what the metrics are held to. */
const TOLERANCE = 1e-11;

const hasPackages = await run(PYTHON, ['-c', 'import sklearn, scipy, statsmodels']).then(
  () => true,
  () => false,
);

/** Paths at which two JSON values differ by more than the tolerance. */
function differences(left: unknown, right: unknown, path = ''): string[] {
  if (typeof left === 'number' && typeof right === 'number')
    return Math.abs(left - right) <= TOLERANCE * Math.max(1, Math.abs(right)) ? [] : [`${path}: ${left} is not ${right}`];
  if (left === null || right === null || typeof left !== 'object' || typeof right !== 'object')
    return left === right ? [] : [`${path}: ${String(left)} is not ${String(right)}`];
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  const at = (value: object, key: string): unknown => Reflect.get(value, key);
  return [...keys].flatMap((key) => differences(at(left, key), at(right, key), `${path}/${key}`));
}

async function casesOf(file: string): Promise<unknown> {
  return Reflect.get(JSON.parse(await readFile(file, 'utf8')) as object, 'cases') as unknown;
}

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
