import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'vitest';

const PYTHON = process.env['SLIPWAY_REFERENCE_PYTHON'] ?? 'python3';
const FROZEN = new URL('../../packages/monitoring/src/testing/vectors/adwin.json', import.meta.url);
const hasRiver = spawnSync(PYTHON, ['-c', 'import river'], { timeout: 60_000 }).status === 0;
if (!hasRiver) process.stderr.write("skipped: river's ADWIN; `pip install river`, and SLIPWAY_REFERENCE_PYTHON names that Python\n");

describe.skipIf(!hasRiver)('the reference vectors of ADWIN', () => {
  test('are what the generator writes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'slipway-adwin-'));
    try {
      const { status, stderr } = spawnSync(PYTHON, [fileURLToPath(new URL('adwin.py', import.meta.url)), folder], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      const read = async (path: string | URL): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));
      assert.deepEqual(await read(join(folder, 'adwin.json')), await read(FROZEN));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
