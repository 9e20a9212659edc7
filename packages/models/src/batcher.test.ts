import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import type { Priority, Row } from '@slipway/kernel';
import { Batcher, type BatcherOptions, QUEUE_WAIT_LIMIT_MS } from './batcher.ts';
import { BATCH_AGEING_MS } from './call-queue.ts';
import { ModelBusyError, ModelTimeoutError } from './errors.ts';
import { FakeLane, fakeTimers, seededRandom } from './testing/index.ts';

/** A run that doubles each row's x, fails on x < 0, and remembers how many rows each run had. */
function doubling(overrides: Partial<BatcherOptions> = {}) {
  const runs: number[] = [];
  const run = async (rows: readonly Row[]) => {
    runs.push(rows.length);
    await new Promise(setImmediate);
    if (rows.some((row) => Number(row['x']) < 0)) throw new RangeError('negative');
    return Float64Array.from(rows, (row) => Number(row['x']) * 2);
  };
  return { runs, batcher: new Batcher({ rowLimit: 8, queueLimit: 100, width: 1, run, ...overrides }) };
}

async function add(batcher: Batcher, ...values: number[]): Promise<number[]> {
  return Array.from(await batcher.add(values.map((x) => ({ x }))));
}

describe('Batcher', () => {
  test('the first call starts at once; those that arrive until its answer share the next run', async () => {
    const { batcher, runs } = doubling();
    const answers = await Promise.all([add(batcher, 1), add(batcher, 2), add(batcher, 3, 4)]);
    assert.deepEqual(answers, [[2], [4], [6, 8]]);
    assert.deepEqual(runs, [1, 3]);
  });

  test('a run has at most the limit of rows, and a call above it runs in pieces', async () => {
    const { batcher, runs } = doubling({ rowLimit: 3 });
    const answers = await Promise.all([add(batcher, 0), add(batcher, 1, 2), add(batcher, 3, 4), add(batcher, 5, 6, 7, 8, 9, 10, 11)]);
    assert.deepEqual(answers, [[0], [2, 4], [6, 8], [10, 12, 14, 16, 18, 20, 22]]);
    assert.deepEqual(runs, [1, 2, 2, 3, 3, 1]);
  });

  test('MO4 one bad call in a shared run fails alone', async () => {
    const { batcher, runs } = doubling();
    const answers = await Promise.allSettled([add(batcher, 1), add(batcher, 2), add(batcher, -1), add(batcher, 3)]);
    assert.deepEqual(
      answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : 'failed')),
      [[2], [4], 'failed', [6]],
    );
    assert.deepEqual(runs, [1, 3, 1, 1, 1]);
    assert.deepEqual(await add(batcher, 5), [10]);
  });

  test('rows beyond the queue are refused, at the limit they are not, and answered rows leave the queue', async () => {
    const { batcher } = doubling({ queueLimit: 4 });
    const running = add(batcher, 1);
    const waiting = add(batcher, 2, 3, 4, 5);
    await assert.rejects(add(batcher, 6), ModelBusyError);
    assert.deepEqual([await running, await waiting], [[2], [4, 6, 8, 10]]);
    assert.deepEqual(await add(batcher, 6, 7, 8, 9), [12, 14, 16, 18]);
  });
});

/** A batcher over a lane that ends its runs when the test says so, in a time that stands still until then. */
function slow(overrides: Partial<BatcherOptions> = {}) {
  const timers = fakeTimers();
  const lane = new FakeLane();
  const batcher = new Batcher({ rowLimit: 4, queueLimit: 100, width: 1, rowMs: 10, run: lane.run, timers, ...overrides });
  const names: string[] = [];
  const call = (name: string, priority: Priority = 'interactive', options: { deadlineMs?: number; rows?: number } = {}) => {
    const rows = Array.from({ length: options.rows ?? 1 }, () => ({ name }));
    const answer = batcher.add(rows, { priority, deadlineMs: options.deadlineMs });
    return answer.then(
      () => names.push(name),
      (error: unknown) => names.push(`${name} ${(error as Error).name}`),
    );
  };
  /** Ends the run in hand after so much time, and lets what follows from it happen. */
  const step = async (timeMs = 40) => {
    timers.advance(timeMs);
    lane.finish();
    await new Promise(setImmediate);
  };
  return { timers, lane, batcher, names, call, step };
}

describe('priorities and deadlines', () => {
  test('MO8 interactive calls overtake batch calls, each in the order they came', async () => {
    const { call, step, lane } = slow({ rowLimit: 2 });
    const calls = [call('first'), call('b1', 'batch'), call('i1'), call('b2', 'batch'), call('i2'), call('i3')];
    for (let run = 0; run < 4; run += 1) await step(1);
    await Promise.all(calls);
    assert.deepEqual(lane.runs, [['first'], ['i1', 'i2'], ['i3'], ['b1', 'b2']]);
  });

  test('MO8 a batch call that has waited for the ageing limit goes next, and one such run an ageing limit is all it gets', async () => {
    const { call, step, lane } = slow({ rowLimit: 1 });
    const calls = [call('first'), call('b1', 'batch'), call('b2', 'batch')];
    for (let index = 0; index < 6; index += 1) calls.push(call(`i${index}`));
    for (let run = 0; run < 9; run += 1) await step(BATCH_AGEING_MS / 2);
    await Promise.all(calls);
    assert.deepEqual(lane.runs.flat(), ['first', 'i0', 'b1', 'i1', 'b2', 'i2', 'i3', 'i4', 'i5']);
  });

  test('batch calls fill half of the queue at most, so that interactive ones still find room', async () => {
    const { call, batcher, step } = slow({ queueLimit: 4, rowMs: 0 });
    const calls = [call('first'), call('b', 'batch', { rows: 2 })];
    assert.equal(batcher.refusal({ rowCount: 1, priority: 'batch', deadlineMs: undefined })?.name, 'ModelBusyError');
    assert.equal(batcher.refusal({ rowCount: 2, priority: 'interactive', deadlineMs: undefined }), undefined);
    for (let run = 0; run < 2; run += 1) await step();
    await Promise.all(calls);
  });

  test('MO7 a call whose deadline passes while it waits is answered at its deadline and never computed', async () => {
    const { call, names, step, lane, timers } = slow();
    const first = call('first');
    const late = call('late', 'interactive', { deadlineMs: timers.nowMs() + 30 });
    const patient = call('patient', 'interactive', { deadlineMs: timers.nowMs() + 500 });
    timers.advance(31);
    await late;
    assert.deepEqual(names, ['late ModelTimeoutError']);
    await step();
    await step();
    await Promise.all([first, patient]);
    assert.deepEqual(lane.runs.flat(), ['first', 'patient']);
  });

  test('MO7 a call that would wait beyond its deadline, or beyond the named limit, is refused at once and says when to come again', async () => {
    const { call, batcher, timers, step } = slow({ rowLimit: 1, queueLimit: 10_000 });
    const calls = [call('first'), ...Array.from({ length: 20 }, (_, index) => call(`i${index}`))];
    const at = (deadlineMs: number | undefined) => batcher.refusal({ rowCount: 1, priority: 'interactive', deadlineMs });
    // 20 rows of 10 ms wait, and half of a run goes on.
    assert.equal(at(timers.nowMs() + 204)?.details['reason'], 'deadline');
    assert.equal(at(timers.nowMs() + 206), undefined);
    assert.equal(at(undefined), undefined);
    assert.equal(at(timers.nowMs()) instanceof ModelTimeoutError, true);
    const more = QUEUE_WAIT_LIMIT_MS.interactive / 10;
    calls.push(...Array.from({ length: more }, (_, index) => call(`m${index}`)));
    const refused = at(undefined);
    assert.deepEqual([refused?.details['reason'], refused?.details['retryAfterSeconds']], ['wait', 2]);
    await assert.rejects(batcher.add([{}]), ModelBusyError);
    batcher.close();
    await step();
    await Promise.all(calls);
  });

  test('an idle model never delays; a busy one waits for company only as long as it is told', async () => {
    const { call, lane, step, timers } = slow({ delayMs: 20 });
    const calls = [call('first')];
    assert.deepEqual(lane.runs, [['first']]);
    calls.push(call('second'));
    await step(5);
    assert.equal(lane.runs.length, 1, 'waits for company');
    timers.advance(10);
    calls.push(call('third'));
    timers.advance(5);
    assert.deepEqual(lane.runs, [['first'], ['second', 'third']]);
    await step(1);
    calls.push(call('fourth'));
    assert.equal(lane.runs.length, 3, 'nobody waited and nothing ran');
    calls.push(call('a'), call('b'), call('c'), call('d'));
    await step(1);
    assert.deepEqual(lane.runs.at(-1), ['a', 'b', 'c', 'd'], 'a full run waits for nobody');
    await step(1);
    await Promise.all(calls);
  });

  test('a call larger than a run lets others in between its pieces', async () => {
    const { call, lane, step } = slow({ rowLimit: 2 });
    const calls = [call('large', 'interactive', { rows: 5 }), call('small')];
    for (let run = 0; run < 3; run += 1) await step();
    await Promise.all(calls);
    assert.deepEqual(lane.runs, [
      ['large', 'large'],
      ['large', 'large'],
      ['small', 'large'],
    ]);
  });

  test('MO7 a large call delays others by one run, and is not counted as more', async () => {
    const { call, batcher, step, timers } = slow({ rowLimit: 2, queueLimit: 10_000 });
    const large = call('large', 'interactive', { rows: 1_000 });
    assert.equal(batcher.refusal({ rowCount: 1, priority: 'interactive', deadlineMs: timers.nowMs() + 26 }), undefined);
    assert.equal(batcher.refusal({ rowCount: 1, priority: 'interactive', deadlineMs: timers.nowMs() + 24 })?.name, 'ModelBusyError');
    batcher.close();
    await step();
    await large;
  });

  test('a call that nobody waits for any more is not computed', async () => {
    const { batcher, call, lane, step, names } = slow();
    const first = call('first');
    const gone = batcher.add([{ name: 'gone' }], { isCancelled: () => true }).catch((error: Error) => names.push(error.name));
    await step();
    await Promise.all([first, gone]);
    assert.deepEqual([lane.runs, names], [[['first']], ['first', 'CancelledError']]);
  });
});

describe.each([1, 2, 3, 4, 5, 6, 7, 8])('whatever comes (seed %i)', (seed) => {
  test('every call is answered exactly once, by its own rows, in order of its priority, within the limits', async () => {
    const random = seededRandom(seed);
    const pick = (count: number) => Math.floor(random() * count);
    const timers = fakeTimers();
    const lane = new FakeLane();
    const lanes = 1 + pick(3);
    const rowLimit = 1 + pick(6);
    const queueLimit = 10 + pick(30);
    const batcher = new Batcher({ rowLimit, queueLimit, width: 1, lanes, delayMs: pick(2) * 15, rowMs: 5, run: lane.run, timers });
    const settled = new Map<number, string>();
    const waits: Promise<void>[] = [];
    let calls = 0;
    for (let turn = 0; turn < 400; turn += 1) {
      if (random() < 0.4) {
        const id = (calls += 1);
        const priority = random() < 0.5 ? 'interactive' : 'batch';
        const rows = Array.from({ length: 1 + pick(random() < 0.1 ? 12 : 3) }, (_, row) => ({
          name: `${priority}`,
          id,
          x: id * 100 + row,
        }));
        const deadlineMs = random() < 0.3 ? timers.nowMs() + pick(100) : undefined;
        const end = (how: string) => {
          assert.equal(settled.has(id), false, `call ${id} was answered twice`);
          settled.set(id, how);
        };
        const answer = batcher.add(rows, { priority, deadlineMs });
        waits.push(
          answer.then(
            (numbers) => {
              assert.deepEqual(
                Array.from(numbers),
                rows.map(({ x }) => x),
              );
              end('answered');
            },
            (error: Error) => end(error.name),
          ),
        );
      } else if (random() < 0.3) timers.advance(pick(40));
      else if (random() < 0.1) lane.fail();
      else lane.finish();
      await new Promise(setImmediate);
      assert.ok(lane.runningCount <= lanes, 'more runs than lanes');
      assert.ok(batcher.queuedRows <= queueLimit, 'more rows than the queue holds');
    }
    for (let run = 0; run < 1_000 && settled.size < calls; run += 1) {
      timers.advance(50);
      lane.finish();
      await new Promise(setImmediate);
    }
    await Promise.all(waits);
    assert.equal(settled.size, calls);
    assert.ok(
      lane.runs.every((rows) => rows.length <= rowLimit),
      'a run was too large',
    );
    assert.ok(
      lane.runs.every((rows) => new Set(rows).size === 1),
      'a run mixed priorities',
    );
    const how = new Set(settled.values());
    assert.deepEqual(
      [...how].filter((each) => !['answered', 'ModelBusyError', 'ModelTimeoutError', 'RangeError'].includes(each)),
      [],
    );
    assert.ok([...settled.values()].filter((each) => each === 'answered').length > calls / 4, JSON.stringify([...how]));
    for (const priority of ['interactive', 'batch'])
      assert.deepEqual(
        firstsOf(lane.ids, priority),
        firstsOf(lane.ids, priority).toSorted((a, b) => a - b),
        `${priority} calls were started in order`,
      );
  });
});

/** Calls of a priority in the order in which their first row was computed. */
function firstsOf(rows: readonly { name: string; id: number }[], priority: string): number[] {
  return [...new Set(rows.filter((row) => row.name === priority).map(({ id }) => id))];
}
