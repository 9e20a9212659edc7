import assert from 'node:assert/strict';
import { test } from 'vitest';
import { CallGate } from './call-gate.ts';
import {
  CALLS_AT_ONCE_LIMIT,
  CALL_WAIT_LIMIT_MS,
  REFUSALS_WAITING_LIMIT,
  REFUSED_CALLS_RATIO,
  TURN_BUDGET_MS,
  TURN_CALLS_MIN,
} from './limits.ts';

interface Call {
  readonly name: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A gate whose turns and working time a test drives; each begun call costs so much of the loop's time. */
function gateOf(costMs: number) {
  let nowMs = 0;
  let next: (() => void) | undefined;
  const begun: string[] = [];
  const refused: string[] = [];
  const gate = new CallGate<Call>({
    nowMs: () => nowMs,
    busyMs: () => nowMs,
    header: ({ headers }, name) => headers?.[name],
    nextTurn: (callback) => (next = callback),
    begin({ name }) {
      begun.push(name);
      nowMs += costMs;
    },
    refuse: ({ name }, error) => refused.push(`${name} ${error.reason}`),
  });
  const turn = () => {
    const callback = next;
    next = undefined;
    callback?.();
    return callback !== undefined;
  };
  const enter = (count: number, headers?: Call['headers'], name = 'c') => {
    for (let index = 0; index < count; index += 1) gate.enter({ name: `${name}${index}`, ...(headers ? { headers } : {}) });
  };
  /** Lets the gate learn what a call costs. */
  const learn = () => {
    for (let turns = 0; turns < 60; turns += 1) {
      enter(TURN_CALLS_MIN);
      turn();
      for (let index = 0; index < TURN_CALLS_MIN; index += 1) gate.leave();
    }
    while (turn());
    begun.length = 0;
    refused.length = 0;
  };
  return { gate, begun, refused, turn, enter, learn };
}

test('HT80 a turn begins what it can answer within its budget; the rest waits for the next turns, in order', () => {
  const { gate, begun, turn, enter, learn } = gateOf(0.5);
  learn();
  const each = Math.ceil(TURN_BUDGET_MS / 0.5);
  enter(3 * each);
  assert.ok(Math.abs(begun.length - each) <= 1, `${begun.length} of ${each}`);
  assert.equal(gate.waitingCount, 3 * each - begun.length);
  turn();
  assert.ok(Math.abs(begun.length - 2 * each) <= 2);
  while (turn());
  assert.deepEqual(
    begun,
    Array.from({ length: 3 * each }, (_, index) => `c${index}`),
  );
  assert.equal(gate.waitingCount, 0);
});

test('HT80 a server with little to do begins every call at once', () => {
  const { begun, turn, enter, gate } = gateOf(0.05);
  for (let turns = 0; turns < 20; turns += 1) {
    enter(TURN_CALLS_MIN);
    assert.equal(begun.length, (turns + 1) * TURN_CALLS_MIN);
    turn();
    for (let index = 0; index < TURN_CALLS_MIN; index += 1) gate.leave();
  }
});

test('HT81 a call that would wait beyond the limit, or its own deadline, is refused; interactive calls go before batch calls', () => {
  const { begun, refused, turn, enter, learn } = gateOf(1);
  learn();
  enter(200);
  enter(1, { 'x-slipway-deadline-ms': '50' }, 'hurry');
  enter(1, { 'x-slipway-deadline-ms': '5000' }, 'patient');
  assert.deepEqual(refused, ['hurry0 deadline']);
  enter(1, { 'x-slipway-priority': 'batch' }, 'batch');
  enter(3, undefined, 'late');
  while (turn());
  assert.deepEqual(begun.slice(-5), ['patient0', 'late0', 'late1', 'late2', 'batch0']);
});

test('HT81 refusals wait too when there are many: each turn answers calls first', () => {
  const { refused, begun, turn, enter, learn } = gateOf(1);
  learn();
  enter(CALL_WAIT_LIMIT_MS * 2);
  const each = Math.ceil(Math.max(TURN_CALLS_MIN, TURN_BUDGET_MS) * REFUSED_CALLS_RATIO);
  assert.ok(refused.length <= each + 1 && refused.length > 0, `${refused.length} refusals in one turn`);
  const before = begun.length;
  turn();
  assert.ok(refused.length <= 2 * each + 2);
  assert.ok(begun.length - before >= TURN_CALLS_MIN);
  while (turn());
  assert.equal(refused.length + begun.length, CALL_WAIT_LIMIT_MS * 2, 'every call was begun or refused once');
  assert.ok(refused.every((each) => each.endsWith(' loop')));
});

test('HT82 more calls than may be answered at once are refused, and let in again when others have left', () => {
  const { gate, begun, refused, turn, enter } = gateOf(0);
  for (let turns = 0; begun.length < CALLS_AT_ONCE_LIMIT && turns < 10_000; turns += 1) {
    enter(TURN_CALLS_MIN);
    turn();
  }
  assert.equal(gate.inFlight, CALLS_AT_ONCE_LIMIT);
  assert.deepEqual(refused, []);
  enter(1, undefined, 'over');
  assert.deepEqual(refused, ['over0 in-flight']);
  gate.leave();
  enter(1, undefined, 'again');
  assert.equal(begun.at(-1), 'again0');
});

test('HT83 refusals that wait have a limit: beyond it they are told at once', () => {
  const { refused, enter, turn, learn } = gateOf(1);
  learn();
  const calls = CALL_WAIT_LIMIT_MS + 2 * REFUSALS_WAITING_LIMIT;
  enter(calls);
  assert.ok(refused.length >= 0.9 * REFUSALS_WAITING_LIMIT, `${refused.length} told in the turn they came in`);
  assert.ok(refused.length < calls - CALL_WAIT_LIMIT_MS, 'the others wait their turn');
  while (turn());
  assert.equal(new Set(refused).size, refused.length, 'none was told twice');
});
