import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const PYTHON = process.env['SLIPWAY_REFERENCE_PYTHON'] ?? 'python3';
const GENERATOR = new URL('./fairness.py', import.meta.url).pathname;
const FROZEN = new URL('../../packages/evaluation/src/testing/vectors/', import.meta.url).pathname;
const TOLERANCE = 1e-9;

const hasPackages = await run(PYTHON, ['-c', 'import fairlearn, sklearn, scipy']).then(
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

describe.skipIf(!hasPackages)(
  'the reference vectors of fairness and slices (needs fairlearn: SLIPWAY_REFERENCE_PYTHON names a Python that has it)',
  () => {
    it('are what the generator writes', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'slipway-reference-'));
      try {
        await run(PYTHON, [GENERATOR, folder]);
        const names = (await readdir(folder)).toSorted();
        expect(names.length).toBeGreaterThan(0);
        for (const name of names) {
          const made: unknown = JSON.parse(await readFile(join(folder, name), 'utf8'));
          const frozen: unknown = JSON.parse(await readFile(join(FROZEN, name), 'utf8'));
          const cases = (value: unknown): unknown => Reflect.get(value as object, 'cases');
          expect(differences(cases(made), cases(frozen)).slice(0, 5)).toEqual([]);
        }
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  },
);
