import assert from 'node:assert/strict';
import { OverloadedError } from '@slipway/kernel';
import { describe, test } from 'vitest';
import { AnswerQueue, type AnswerQueueOptions, ModelClosedError, ModelTimeoutError } from './index.ts';
import { fakeTimers } from './testing/index.ts';

const model = { memoryBytes: 5, inFlight: 0 };
const turn = () => new Promise(setImmediate);

/** A queue whose runs end when a test says so; an item is answered with itself in capitals. */
function open(options: Partial<AnswerQueueOptions<string, string>> = {}) {
  const timers = fakeTimers();
  const runs: string[][] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const queue = new AnswerQueue<string, string>({
    rowLimit: 4,
    model,
    timers,
    rowMs: 1,
    ...options,
    async answer(items) {
      runs.push([...items]);
      const end = Promise.withResolvers<void>();
      ends.push(end);
      await end.promise;
      if (items.includes('bad')) throw new RangeError('bad');
      return items.map((item) => item.toUpperCase());
    },
  });
  const finish = async () => {
    ends.shift()?.resolve();
    await turn();
  };
  const drain = async () => {
    while (ends.length > 0) await finish();
  };
  return { queue, timers, runs, finish, drain };
}

describe('a queue of answers', () => {
  test('an idle one answers at once, and calls that wait share a run', async () => {
    const { queue, runs, drain } = open();
    const calls = [queue.add(['a']), queue.add(['b', 'c']), queue.add(['d'])];
    assert.deepEqual(runs, [['a']]);
    assert.deepEqual([queue.inFlight, queue.queuedRows, queue.memoryBytes], [3, 3, 5]);
    await drain();
    assert.deepEqual(await Promise.all(calls), [['A'], ['B', 'C'], ['D']]);
    assert.deepEqual(runs, [['a'], ['b', 'c', 'd']]);
    assert.equal(queue.inFlight, 0);
  });

  test('a call larger than a run is answered whole and in order', async () => {
    const { queue, runs, drain } = open();
    const items = Array.from({ length: 11 }, (_, at) => `i${at}`);
    const call = queue.add(items);
    await drain();
    assert.deepEqual(
      await call,
      items.map((item) => item.toUpperCase()),
    );
    assert.equal(runs.length, 3);
  });

  test('what does not fit is refused with a time to come back, as admission says before', async () => {
    const { queue, drain } = open({ serving: { queueRows: 2 } });
    const calls = [queue.add(['a']), queue.add(['b']), queue.add(['c'])];
    const wish = { rowCount: 1, priority: 'interactive', deadlineMs: undefined } as const;
    assert.ok(queue.refusal(wish) instanceof OverloadedError);
    await assert.rejects(queue.add(['d']), (error) => error instanceof OverloadedError && error.reason === 'queue-full');
    await drain();
    await Promise.all(calls);
    assert.equal(queue.refusal(wish), undefined);
  });

  test('interactive calls overtake batch calls, which may fill half of the queue', async () => {
    const { queue, runs, drain } = open({ rowLimit: 1, serving: { queueRows: 4 } });
    const batch = (item: string) => queue.add([item], { priority: 'batch' });
    const calls = [queue.add(['first']), batch('b1'), batch('b2'), queue.add(['i1']), queue.add(['i2'])];
    await assert.rejects(batch('b3'), OverloadedError);
    await drain();
    await Promise.all(calls);
    assert.deepEqual(runs.flat(), ['first', 'i1', 'i2', 'b1', 'b2']);
  });

  test('a deadline that passes in the queue is answered then, and its items are never computed', async () => {
    const { queue, timers, runs, drain } = open({ rowMs: 0 });
    const first = queue.add(['a']);
    const late = queue.add(['b'], { deadlineMs: timers.nowMs() + 5 });
    const caught = assert.rejects(late, ModelTimeoutError);
    timers.advance(6);
    await caught;
    await drain();
    await first;
    assert.deepEqual(runs, [['a']]);
  });

  test('a bad item fails its own call and no other', async () => {
    const { queue, drain } = open();
    const calls = Promise.allSettled([queue.add(['a']), queue.add(['b']), queue.add(['bad'])]);
    await drain();
    await drain();
    assert.deepEqual(
      (await calls).map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected'],
    );
  });

  test('closing refuses what waits and lets the run in hand end', async () => {
    const { queue, drain } = open();
    const first = queue.add(['a']);
    const second = queue.add(['b']);
    queue.close();
    await assert.rejects(second, ModelClosedError);
    await drain();
    assert.deepEqual(await first, ['A']);
    assert.equal(queue.inFlight, 0);
  });
});
