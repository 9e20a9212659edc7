import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { SHARD_EVENTS_LIMIT, batchProgress, progressText } from './batch-progress.ts';

interface Event {
  readonly ratio?: number | undefined;
  readonly message?: string | undefined;
  readonly data?: unknown;
}

function progressOf(size: { rows: number; shards: number }) {
  const events: Event[] = [];
  const clock = { now: 0, monotonicMs: () => clock.now };
  const progress = batchProgress({ progress: async (event) => void events.push(event) }, clock, size);
  return { events, clock, progress };
}

describe('the progress of a batch', () => {
  test('every shard says when it begins, also right after the one before', async () => {
    const { events, progress } = progressOf({ rows: 1_000, shards: 5 });
    for (let shard = 0; shard < 5; shard += 1) {
      await progress.begin(shard, shard * 200);
      progress.add(200);
    }
    assert.deepEqual(
      events.map((event) => [event.ratio, event.data]),
      [0, 0.2, 0.4, 0.6, 0.8].map((ratio, shard) => [ratio, { shard }]),
    );
  });

  test('of more shards than the limit only some say so', async () => {
    const { events, progress } = progressOf({ rows: 10_000, shards: SHARD_EVENTS_LIMIT + 1 });
    for (let shard = 0; shard < 10; shard += 1) await progress.begin(shard, shard);
    assert.equal(events.length, 1);
  });

  test('rows are reported every two seconds, and less often the longer a run takes', () => {
    const { events, clock, progress } = progressOf({ rows: 1e9, shards: 5_000 });
    const reportsOver = (untilMs: number) => {
      const before = events.length;
      for (; clock.now < untilMs; clock.now += 100) progress.add(1);
      return events.length - before;
    };
    const minute = reportsOver(60_000);
    assert.ok(minute >= 29 && minute <= 31, `${minute} in a minute`);
    clock.now = 86_400_000 * 2;
    const late = reportsOver(clock.now + 3_600_000);
    assert.ok(late <= 22, `${late} in an hour of the third day`);
  });

  test('the rate counts the rows of this process only, and the rest of the time follows from it', () => {
    assert.equal(progressText(600, 200, 1_000, 2_000), '600 of 1,000 rows, 100 rows/s, 4 s left');
    assert.equal(progressText(0, 0, 1_000, 0), '0 of 1,000 rows');
    assert.equal(progressText(1_000_000, 1_000_000, 100_000_000, 1_000_000), '1,000,000 of 100,000,000 rows, 1,000 rows/s, 27.5 h left');
  });
});
