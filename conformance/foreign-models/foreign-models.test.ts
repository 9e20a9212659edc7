import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ForeignOptions, importModel, openModel } from '@slipway/models';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const run = promisify(execFile);
const PYTHON = process.env['SLIPWAY_REFERENCE_PYTHON'] ?? 'python3';
const MAKER = new URL('./make-models.py', import.meta.url).pathname;
/** Relative to max(1, |value|): the trainers compute in float64, their graphs in float32. */
const TOLERANCE = 1e-5;

const hasPackages = await run(PYTHON, ['-c', 'import sklearn, skl2onnx, pandas']).then(
  () => true,
  () => false,
);

const Expected = z.object({
  rows: z.array(z.array(z.union([z.number(), z.string()]))),
  columns: z.array(z.string()).nullable(),
  options: z.record(z.string(), z.unknown()),
  probabilities: z.array(z.array(z.number())).optional(),
  values: z.array(z.number()).optional(),
});

/** Largest difference, relative to max(1, |expected|). */
function largest(expected: readonly number[], got: ArrayLike<number>): number {
  expect(got.length).toBe(expected.length);
  return expected.reduce((most, value, at) => Math.max(most, Math.abs(value - (got[at] ?? Number.NaN)) / Math.max(1, Math.abs(value))), 0);
}

describe.skipIf(!hasPackages)(
  'models made elsewhere (needs scikit-learn, skl2onnx, pandas, and takes lightgbm, xgboost, onnxmltools, torch along: SLIPWAY_REFERENCE_PYTHON names a Python)',
  () => {
    it('answer row by row as they do in Python', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'slipway-foreign-'));
      try {
        await run(PYTHON, [MAKER, folder], { timeout: 300_000 });
        const names = (await readdir(folder)).filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length));
        expect(names.length).toBeGreaterThanOrEqual(6);
        for (const name of names.toSorted()) {
          const { rows, columns, options, probabilities, values } = Expected.parse(
            JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8')),
          );
          const imported = await importModel(await readFile(join(folder, `${name}.onnx`)), { options: ForeignOptions.parse(options) });
          const fields = columns ?? imported.metadata.contract.fields.map((field) => field.name);
          const model = await openModel({ bytes: imported.bytes, metadata: imported.metadata });
          const got = await model.predictRows(rows.map((row) => Object.fromEntries(row.map((value, at) => [fields[at], value]))));
          await model.close();
          const difference = probabilities
            ? largest(probabilities.flat(), got.probabilities ?? [])
            : largest(values ?? [], got.values ?? []);
          expect.soft({ name, ok: difference <= TOLERANCE, difference }).toEqual({ name, ok: true, difference });
        }
        // The comparison must notice one wrong row.
        expect(largest([0.1, 0.2], [0.1, 0.2001])).toBeGreaterThan(TOLERANCE);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  },
);
