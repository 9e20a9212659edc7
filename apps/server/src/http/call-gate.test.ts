import assert from 'node:assert/strict';
import { test } from 'vitest';
import { CallGate, type Connection, TURN_ENDS_MS } from './call-gate.ts';
import {
  CALLS_AT_ONCE_LIMIT,
  CALL_WAIT_LIMIT_MS,
  CROWD_CALLS_MIN,
  REFUSALS_WAITING_LIMIT,
  REFUSED_CALLS_RATIO,
  TURN_BUDGET_MS,
  TURN_CALLS_MIN,
} from './limits.ts';

interface Call {
  readonly name: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly connection?: Connection;
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
    connection: ({ connection = {} }) => connection,
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
  const rest = (restMs: number) => {
    nowMs += restMs;
  };
  return { gate, begun, refused, turn, enter, learn, rest };
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

/** Callers with a connection each, who send their next call a turn after they have a reply. @returns for each the times of its replies. */
function closedLoop(callers: number, forMs: number, headers?: (caller: number) => Call['headers']) {
  let nowMs = 0;
  let next: (() => void) | undefined;
  const connections = Array.from({ length: callers }, (): Connection => ({}));
  const repliesMs = connections.map((): number[] => []);
  const order: number[] = [];
  let refused = 0;
  let again: number[] = [];
  const gate = new CallGate<Call & { readonly caller: number }>({
    nowMs: () => nowMs,
    busyMs: () => nowMs,
    header: (call, name) => call.headers?.[name],
    connection: ({ connection = {} }) => connection,
    nextTurn: (callback) => (next = callback),
    begin({ caller }) {
      nowMs += 0.05;
      order.push(caller);
      repliesMs[caller]?.push(nowMs);
      gate.leave();
      again.push(caller);
    },
    refuse: () => (refused += 1),
  });
  const enter = (caller: number) => {
    const own = headers?.(caller);
    gate.enter({ name: `${caller}`, caller, connection: connections[caller] ?? {}, ...(own ? { headers: own } : {}) });
  };
  connections.forEach((_, caller) => enter(caller));
  while (nowMs < forMs) {
    const callback = next;
    next = undefined;
    callback?.();
    const ready = again;
    again = [];
    ready.forEach(enter);
  }
  return { repliesMs, order, refused: () => refused };
}

const longestPauseMs = (timesMs: readonly number[], endMs: number) =>
  [...timesMs, endMs].reduce((longest, atMs, index, all) => Math.max(longest, atMs - (all[index - 1] ?? 0)), 0);

test('HT84 in a crowd connections take turns: calls in a row, everybody often enough, nobody refused', () => {
  const { repliesMs, order, refused } = closedLoop(1_500, 5_000);
  const turns = order.filter((caller, index) => !order.slice(Math.max(0, index - 100), index).includes(caller)).length;
  assert.ok(order.length / turns > 4, `${(order.length / turns).toFixed(1)} calls in a turn`);
  const longest = Math.max(...repliesMs.map((times) => longestPauseMs(times, 5_000)));
  assert.ok(longest < CALL_WAIT_LIMIT_MS, `somebody waited ${longest.toFixed(0)} ms`);
  assert.equal(refused(), 0);
  const counts = repliesMs.map((times) => times.length).toSorted((left, right) => left - right);
  assert.ok((counts.at(-1) ?? 0) < 3 * (counts[0] ?? 0), `between ${counts[0]} and ${counts.at(-1)} replies`);
});

test('HT84 control: no crowd, no turns', () => {
  const callers = CROWD_CALLS_MIN - 1;
  const { order } = closedLoop(callers, 500);
  assert.deepEqual(order.slice(callers, 2 * callers).toSorted(), order.slice(0, callers).toSorted(), 'once each, then again');
});

test('HT85 a batch call takes no turn before those that wait, and many calls at once by one connection are one turn', () => {
  const batch = { 'x-slipway-priority': 'batch' };
  const { repliesMs } = closedLoop(600, 2_000, (caller) => (caller < 300 ? batch : undefined));
  const [batched, interactive] = [repliesMs.slice(0, 300), repliesMs.slice(300)].map((part) => part.flat().length);
  assert.ok((batched ?? 0) < (interactive ?? 0) / 100, `${batched} batch calls beside ${interactive}`);
  const { gate, begun, turn } = gateOf(0.05);
  const greedy: Connection = {};
  for (let index = 0; index < 1_000; index += 1) gate.enter({ name: `c${index}`, connection: index === 0 ? greedy : {} });
  for (let turns = 0; turns < 3; turns += 1) turn();
  greedy[TURN_ENDS_MS] = Number.POSITIVE_INFINITY;
  const before = begun.length;
  for (let index = 0; index < 5_000; index += 1) gate.enter({ name: `greedy${index}`, connection: greedy });
  while (turn());
  const last = begun.slice(before).findLastIndex((name) => !name.startsWith('greedy'));
  const ahead = begun.slice(before, before + last).filter((name) => name.startsWith('greedy')).length;
  assert.ok(ahead < 1_000, `${ahead} calls of one connection before the last that waited`);
});

test('HT86 a crowd after a quiet time is not refused for the time before it', () => {
  const { begun, refused, turn, enter, rest } = gateOf(0.05);
  for (const name of ['first', 'second']) {
    enter(2 * CROWD_CALLS_MIN + 100, undefined, name);
    for (let turns = 0; turns < 3; turns += 1) turn();
    enter(100, undefined, `late-${name}`);
    while (turn());
    rest(60_000);
  }
  assert.deepEqual(refused, []);
  assert.equal(begun.length, 4 * CROWD_CALLS_MIN + 400);
});
