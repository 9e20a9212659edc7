import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'vitest';
import { type Engine, createEngine } from './engine.ts';
import { StreamEndedError } from './errors.ts';

const ROWS = 600_000;

let folder = '';
let engine: Engine;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-engine-'));
  engine = createEngine({ workDirectory: folder });
});
afterEach(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a stream of rows', () => {
  test('goes on while its session runs other queries', async () => {
    await engine.use(async (session) => {
      let rows = 0;
      for await (const chunk of session.stream(`select range::double from range(${ROWS})`, ROWS)) {
        if (rows === 0) await session.run('create temp table other (a int)');
        rows += chunk.rowCount;
      }
      assert.equal(rows, ROWS);
    });
  });

  test('on the connection of those queries it would end early without an error (control)', async () => {
    await engine.use(async (session) => {
      const result = await session.connection.stream(`select range::double from range(${ROWS})`);
      await result.fetchChunk();
      await session.run('create temp table other (a int)');
      let rows = 0;
      for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) rows += chunk.rowCount;
      assert.ok(rows < ROWS);
    });
  });

  test('that fails on the way is an error, not a shorter table', async () => {
    const failing = `select case when range = ${ROWS - 5} then 'x' else '1' end::int from range(${ROWS})`;
    const read = engine.use(async (session) => {
      let rows = 0;
      for await (const chunk of session.stream(failing, ROWS)) rows += chunk.rowCount;
      return rows;
    });
    await assert.rejects(read, StreamEndedError);
  });

  test('that is cancelled ends as cancelled', async () => {
    const cancel = new AbortController();
    const read = engine.use(async (session) => {
      for await (const _chunk of session.stream(`select range::double from range(${ROWS})`, ROWS)) cancel.abort();
    }, cancel.signal);
    await assert.rejects(read, /cancelled/);
  });
});
