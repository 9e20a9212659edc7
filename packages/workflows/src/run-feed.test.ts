import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { createTestRecords, testEngines } from '@slipway/records/testing';
import { sql } from 'kysely';
import { describe, test } from 'vitest';
import type { RunNotice } from './notices.ts';
import { RunFeed } from './run-feed.ts';
import { sendNotice } from './run-store.ts';
import { testSchemas } from './testing/index.ts';

/** Asks until it is so, since how long a notification is on its way depends on the machine. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let wait = 0; wait < 100; wait += 1) {
    if (await isSo()) return;
    await delay(100);
  }
  assert.fail('not within ten seconds of waiting');
}

describe.each(testEngines)('the feed of runs on %s', (engine) => {
  test('hears itself, and after its connection broke it hears again', async () => {
    const records = await createTestRecords(testSchemas, engine);
    const heard: RunNotice[] = [];
    const feed = new RunFeed({ records, log: () => {}, onNotice: (notice) => heard.push(notice) });
    await feed.start();
    assert.equal(await feed.check(), true);
    await until(() => feed.check());
    if (engine === 'postgres') {
      // The ping of the last check is back before the connection breaks.
      await delay(1_500);
      // As a restart of the server or a proxy would do.
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen%'`.execute(
        records.db,
      );
      await delay(200);
      assert.equal(await feed.check(), true, 'what was heard before counts');
      await delay(200);
      assert.equal(await feed.check(), false);
      await until(() => feed.check());
    }
    const notice = { kind: 'queued', run: 'run_1', queue: 'default' } as const;
    await sendNotice(records.db, notice);
    await until(() => heard.length > 0);
    assert.deepEqual(heard, [notice]);
    await feed.stop();
    await records.close();
  });
});
