import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { sql } from 'kysely';
import { describe, test } from 'vitest';
import type { RunNotice } from './notices.ts';
import { RunFeed } from './run-feed.ts';
import { sendNotice } from './run-store.ts';
import { testSchemas } from './testing/index.ts';

describe.each(testEngines)('the feed of runs on %s', (engine) => {
  test('hears itself, and after its connection broke it hears again', async () => {
    const records = await createTestRecords(testSchemas, engine);
    const heard: RunNotice[] = [];
    const feed = new RunFeed({ records, log: () => {}, onNotice: (notice) => heard.push(notice) });
    await feed.start();
    for (let round = 0; round < 2; round += 1) {
      assert.equal(await feed.check(), true);
      await delay(200);
    }
    if (engine === 'postgres') {
      // As a restart of the server or a proxy would do.
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen%'`.execute(
        records.db,
      );
      await delay(200);
      assert.equal(await feed.check(), true, 'what was heard before counts');
      await delay(200);
      assert.equal(await feed.check(), false);
      await delay(200);
      assert.equal(await feed.check(), true);
    }
    const notice = { kind: 'queued', run: 'run_1', queue: 'default' } as const;
    await sendNotice(records.db, notice);
    await delay(200);
    assert.deepEqual(heard, [notice]);
    await feed.stop();
    await records.close();
  });
});
