import type { Contract } from '@slipway/kernel';
import { FieldSketch } from '@slipway/statistics';
import { latencyStep } from '@slipway/telemetry';
import { expect, test } from 'vitest';
import { judgeFairness } from '../fairness/judge-fairness.ts';
import { checkContract } from '../quality/check-contract.ts';
import { BURN_BAD_CALLS_MIN } from '../limits.ts';
import { burnRate, countBurn, judgeObjective } from './burn-rate.ts';

const HOUR_MS = 3_600_000;
const errors = { kind: 'errors', name: 'errors', atMost: 0.001 } as const;

test('MO60 a budget that burns fast over both windows is an alert; over one of them it is not', () => {
  const calls = 10_000;
  const judge = (bad: (windowMs: number) => number) => judgeObjective(errors, (windowMs) => ({ calls, bad: bad(windowMs) }));
  expect(judge(() => 200)).toMatchObject({ verdict: 'drift', reason: expect.stringContaining('20.0 times') as string });
  // It is over: the last five minutes are fine, so the hour's average says nothing any more.
  expect(judge((windowMs) => (windowMs <= HOUR_MS / 2 ? 0 : 200)).verdict).not.toBe('drift');
  expect(judge(() => 20)).toMatchObject({ verdict: 'warn' });
  expect(judge(() => 5)).toMatchObject({ verdict: 'ok' });
  expect(judgeObjective(errors, () => ({ calls: 0, bad: 0 })).verdict).toBe('not-enough-data');
  const few = (bad: number) => judgeObjective(errors, () => ({ calls: 10, bad })).verdict;
  expect([few(BURN_BAD_CALLS_MIN - 1), few(BURN_BAD_CALLS_MIN)]).toEqual(['ok', 'drift']);
  expect(burnRate({ calls: 1_000, bad: 1 }, 0.001)).toBeCloseTo(1, 12);
});

test('MO61 errors, latency and cost are counted from the sketches of calls', () => {
  const sketches = new Map(['call:error', 'call:latencyMs', 'call:costMicros'].map((name) => [name, new FieldSketch('number')]));
  for (let index = 0; index < 1_000; index += 1) {
    sketches.get('call:error')?.update(index % 100 === 0 ? 1 : 0);
    sketches.get('call:latencyMs')?.update(latencyStep(index % 50 === 0 ? 900 : 20));
    sketches.get('call:costMicros')?.update(300);
  }
  expect(countBurn(errors, sketches).bad).toBeCloseTo(10, 9);
  expect(countBurn({ kind: 'latency', name: 'latency', thresholdMs: 250, atMost: 0.01 }, sketches).bad).toBeCloseTo(20, 9);
  expect(countBurn({ kind: 'cost', name: 'cost', microsPerCall: 100 }, sketches)).toEqual({ calls: 1_000, bad: 3_000 });
  expect(countBurn(errors, new Map())).toEqual({ calls: 0, bad: 0 });
});

function cells(group: string, selected: number, count: number, positives = 0) {
  return [
    { group, prediction: 'yes', outcome: null, count: selected - positives },
    { group, prediction: 'yes', outcome: 'yes', count: positives },
    { group, prediction: 'no', outcome: null, count: count - selected },
  ].filter((cell) => cell.count > 0);
}

test('MO62 a group that is chosen much less often is an alert, but not by chance and not on a few calls', () => {
  const options = { column: 'sex', favourable: 'yes' };
  const judge = (least: [number, number]) => judgeFairness([...cells('m', 500, 1_000, 100), ...cells('f', ...least)], options);
  const found = judge([300, 1_000]);
  expect(found).toMatchObject({ verdict: 'drift', ratio: 0.6 });
  expect(found.groups.find((group) => group.group === 'm')).toMatchObject({
    count: 1_000,
    outcomes: 100,
    truePositiveRate: 1,
    accuracy: 1,
  });
  expect(judge([450, 1_000]).verdict).toBe('ok');
  expect(judge([38, 100])).toMatchObject({ verdict: 'ok', reason: expect.stringContaining('may be chance') as string });
  expect(judge([0, 99]).verdict).toBe('not-enough-data');
});

test('MO63 expectations that live values break are named with their share; kept ones are not', () => {
  const field = (name: string, role: string, expect: object) => ({
    name,
    type: role === 'numeric' ? 'float64' : 'string',
    role,
    nullable: true,
    expect,
    severity: 'warn',
  });
  const contract = {
    format: 'slipway.contract/1',
    fields: [
      field('age', 'numeric', { minimum: 0, maximum: 120, missingRatioMax: 0.1 }),
      field('plan', 'categorical', { allowedValues: ['basic', 'plus'] }),
    ],
    ignored: [],
  } as unknown as Contract;
  const age = new FieldSketch('number');
  const plan = new FieldSketch('text');
  for (let index = 0; index < 1_000; index += 1) {
    age.update(index % 5 === 0 ? null : index % 100 === 1 ? -1 : 30 + (index % 20));
    plan.update(index % 10 === 0 ? 'gold' : 'basic');
  }
  const findings = checkContract(
    contract,
    new Map([
      ['age', age],
      ['plan', plan],
    ]),
  );
  expect(findings.map(({ field: name, rule, verdict }) => [name, rule, verdict])).toEqual([
    ['age', 'missing', 'drift'],
    ['age', 'minimum', 'warn'],
    ['plan', 'allowed', 'drift'],
  ]);
  expect(findings[2]).toMatchObject({ got: 'gold', ratio: 0.1 });
  const fine = new FieldSketch('number');
  for (let index = 0; index < 1_000; index += 1) fine.update(40);
  expect(checkContract(contract, new Map([['age', fine]]))).toEqual([]);
});
