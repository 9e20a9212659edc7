import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { casesOf, differences } from './compare-vectors.ts';

const run = promisify(execFile);
const PYTHON = process.env['SLIPWAY_REFERENCE_PYTHON'] ?? 'python3';
const GENERATOR = new URL('./forecast.py', import.meta.url).pathname;
const FROZEN = new URL('../../packages/statistics/src/testing/vectors/forecast.json', import.meta.url).pathname;

const hasPackages = await run(PYTHON, ['-c', 'import utilsforecast']).then(
  () => true,
  () => false,
);

describe.skipIf(!hasPackages)(
  'the reference vectors of forecast metrics (needs utilsforecast: SLIPWAY_REFERENCE_PYTHON names a Python that has it)',
  () => {
    it('are what the generator writes', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'slipway-reference-'));
      try {
        await run(PYTHON, [GENERATOR, folder]);
        expect(differences(await casesOf(join(folder, 'forecast.json')), await casesOf(FROZEN)).slice(0, 5)).toEqual([]);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  },
);
