import { fixedClock } from '@slipway/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SHADOW_ARM } from './arm-tallies.ts';
import { CALL_FIELDS, latencyStep } from './sketch-values.ts';
import { type TelemetryFixture, createTelemetryFixture, invocationMaker } from './testing/index.ts';

const NOW_MS = Date.UTC(2026, 2, 1, 12);
const clock = fixedClock(NOW_MS);
const window = { release: 'churn', fromMs: NOW_MS - 1, toMs: NOW_MS + 1 };
const ODD = `odd "name" with $.dots`;
let fixture: TelemetryFixture;

beforeAll(async () => {
  fixture = await createTelemetryFixture({ clock });
  const make = invocationMaker(clock);
  for (let index = 0; index < 60; index += 1) {
    const output = { prediction: index % 3 === 0 ? 'yes' : 'no', probabilities: { no: 0.5, yes: 0.5 } };
    const input = index % 10 === 9 ? { amount: index } : { amount: index, sex: index % 2 === 0 ? 'f' : 'm', [ODD]: 'x' };
    const call = make({ input, output, latencyMs: index < 6 ? 900 : 20, costMicros: 5 });
    await fixture.telemetry.append(call);
    if (index % 4 === 0) await fixture.telemetry.appendOutcomes('alpha', [{ invocation: call.id, value: 'yes' }]);
    if (index === 30) await fixture.telemetry.roll('alpha');
  }
  await fixture.telemetry.append(make({ status: 'error', output: null, error: 'x/y' }));
  await fixture.telemetry.append(make({ arm: SHADOW_ARM, input: { sex: 'shadow' } }));
  await fixture.telemetry.append(make({ release: 'other', input: { sex: 'other' } }));
});
afterAll(() => fixture.close());

test('TL70 a sample is the same calls whenever it is asked, a smaller one is part of it, and never a shadow', async () => {
  const all = await fixture.telemetry.sample('alpha', { ...window, limit: 1_000 });
  expect(all).toHaveLength(60);
  const ten = await fixture.telemetry.sample('alpha', { ...window, limit: 10 });
  expect(ten).toEqual(all.slice(0, 10));
  await fixture.telemetry.roll('alpha');
  expect(await fixture.telemetry.sample('alpha', { ...window, limit: 10 })).toEqual(ten);
  expect(all[0]).toMatchObject({ prediction: expect.stringMatching(/yes|no/) as string, probabilities: { no: 0.5, yes: 0.5 } });
  expect(await fixture.telemetry.sample('beta', { ...window, limit: 10 })).toEqual([]);
});

test('TL71 decisions are counted by group, answer and outcome, over open and stored segments', async () => {
  const counts = await fixture.telemetry.decisions('alpha', { ...window, column: 'sex', outcome: 'label' });
  const sum = (is: (each: (typeof counts)[number]) => boolean) => counts.filter(is).reduce((total, each) => total + each.count, 0);
  expect(sum(() => true)).toBe(60);
  expect([sum((each) => each.group === 'f'), sum((each) => each.group === 'm'), sum((each) => each.group === 'missing')]).toEqual([
    30, 24, 6,
  ]);
  expect(sum((each) => each.prediction === 'yes')).toBe(20);
  expect(sum((each) => each.outcome === 'yes')).toBe(15);
  expect(sum((each) => each.outcome === null)).toBe(45);
});

test('TL72 a column is found whatever its name is, and no name reaches the query', async () => {
  const count = async (column: string) =>
    (await fixture.telemetry.decisions('alpha', { ...window, column, outcome: 'label' }))
      .filter((each) => each.group === 'x')
      .reduce((total, each) => total + each.count, 0);
  expect(await count(ODD)).toBe(54);
  expect(await count(`') or true --`)).toBe(0);
});

test('TL73 calls themselves are sketched: failures, latency in exact steps, and cost', async () => {
  const sketches = await fixture.telemetry.sketches('alpha', window);
  expect(sketches.get(CALL_FIELDS.error)).toMatchObject({ count: 61, mean: 1 / 61 });
  expect(sketches.get(CALL_FIELDS.latencyMs)?.isExact).toBe(true);
  expect(1 - (sketches.get(CALL_FIELDS.latencyMs)?.cdf(250) ?? 0)).toBeCloseTo(6 / 61, 9);
  expect(sketches.get(CALL_FIELDS.costMicros)?.maximum).toBe(5);
});

test('TL74 a latency counts as a step at most a fifth above it, of 63 in all', () => {
  const steps = new Set<number>();
  for (let latencyMs = 0.25; latencyMs < 11_000; latencyMs *= 1.01) {
    const step = latencyStep(latencyMs);
    steps.add(step);
    expect(step).toBeGreaterThanOrEqual(latencyMs * (1 - 1e-9));
    expect(step).toBeLessThan(latencyMs * 1.2);
  }
  expect(latencyStep(0)).toBe(0.25);
  expect(latencyStep(1e9)).toBe(latencyStep(60_000));
  expect(steps.size).toBeLessThanOrEqual(63);
});
