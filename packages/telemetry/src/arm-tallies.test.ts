import { type Invocation, fixedClock } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { emptyTables } from '@slipway/records/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ArmTallyQuery, SHADOW_ARM } from './arm-tallies.ts';
import { type TelemetryFixture, createTelemetryFixture, createTelemetryRecords, invocationMaker } from './testing/index.ts';

const START_MS = Date.UTC(2026, 2, 1, 12);

describe('tallies of arms', () => {
  let records: Records;
  let fixture: TelemetryFixture;
  let clock = fixedClock(START_MS);
  const query: ArmTallyQuery = {
    release: 'churn',
    revisions: [3, 4],
    withoutArms: ['pinned'],
    fromMs: START_MS,
    toMs: START_MS + 3_600_000,
    bucketGrowth: 1.02,
    latencyMsMin: 1,
    outcomes: [
      { key: 'right', outcome: 'label', score: 'correct' },
      { key: 'stars', outcome: 'rating', score: 'value' },
    ],
  };
  beforeAll(async () => {
    records = await createTelemetryRecords('embedded');
  });
  afterAll(() => records.close());
  beforeEach(async () => {
    await emptyTables(records);
    clock = fixedClock(START_MS);
    fixture = await createTelemetryFixture({ records, clock });
  });
  afterEach(() => fixture.close());

  async function record(changes: Partial<Invocation>): Promise<string> {
    clock.advance(1);
    const call = invocationMaker(clock)({ release: 'churn', ...changes });
    await fixture.telemetry.append(call);
    return call.id;
  }
  const champion = { revision: 3, arm: 'live', armProbability: 0.5, output: { prediction: 'yes' }, latencyMs: 10, costMicros: 4 } as const;
  const candidate = { ...champion, revision: 4, arm: 'candidate' } as const;

  test('TL60 calls are counted by unit, arm and share, open and closed segments alike', async () => {
    await record({ ...champion, unit: 'ann' });
    await record({ ...champion, unit: 'ann', status: 'error', error: 'x/y', output: null });
    await record({ ...champion, unit: null });
    await fixture.telemetry.roll();
    const good = await record({ ...candidate, unit: 'bob' });
    await record({ ...candidate, unit: 'bob', armProbability: 0.9, output: { prediction: 'no' } });
    await record({ ...candidate, unit: 'other release', release: 'else' });
    await record({ ...candidate, unit: 'other revision', revision: 5 });
    await record({ ...candidate, unit: 'named its revision', arm: 'pinned', armProbability: 1 });
    await fixture.telemetry.appendOutcomes('alpha', [
      { invocation: good, value: 'no', eventTime: START_MS + 10 },
      { invocation: good, value: 'yes', eventTime: START_MS + 20 },
      { invocation: good, name: 'rating', value: 4 },
    ]);
    const { arms } = await fixture.telemetry.tallies('alpha', query);
    const live = arms.find((each) => each.revision === 3);
    expect(live).toMatchObject({ shadow: false, share: 0.5, calls: 3, failed: { count: 2, sum: 0.5, squares: 0.25 } });
    expect(live?.costMicros).toEqual({ count: 2, sum: 8, squares: 32 });
    expect([...(live?.latency.values() ?? [])]).toEqual([2]);
    const steps = arms.filter((each) => each.revision === 4).toSorted((left, right) => left.share - right.share);
    expect(steps.map(({ share, calls }) => [share, calls])).toEqual([
      [0.5, 1],
      [0.9, 1],
    ]);
    expect(steps[0]?.outcomes.get('right')).toEqual({ count: 1, sum: 1, squares: 1 });
    expect(steps[0]?.outcomes.get('stars')).toEqual({ count: 1, sum: 4, squares: 16 });
    expect(steps[1]?.answers.get('no')).toEqual({ count: 1, sum: 1, squares: 1 });
    expect(arms).toHaveLength(3);
    expect((await fixture.telemetry.tallies('beta', query)).arms).toEqual([]);
  });

  test('TL61 a mirrored call is compared with the one it mirrors and is in no sketch', async () => {
    const live = await record({ ...champion, unit: 'ann' });
    await record({
      ...candidate,
      arm: SHADOW_ARM,
      armProbability: 1,
      unit: 'ann',
      parent: live,
      output: { prediction: 'no' },
      costMicros: 9,
    });
    await fixture.telemetry.appendOutcomes('alpha', [{ invocation: live, value: 'no' }]);
    const { arms, pairs } = await fixture.telemetry.tallies('alpha', query);
    expect(arms.find((each) => each.shadow)).toMatchObject({ revision: 4, calls: 1 });
    expect(pairs).toMatchObject([
      { revision: 4, champion: 3, costMicros: { count: 1, sum: 5 }, flipped: { count: 1, sum: 1 }, failed: { count: 1, sum: 0 } },
    ]);
    expect(pairs[0]?.outcomes.get('right')).toEqual({ count: 1, sum: 1, squares: 1 });
    const window = { release: 'churn', fromMs: START_MS - 86_400_000, toMs: START_MS + 86_400_000 };
    expect((await fixture.telemetry.sketches('alpha', { ...window, revision: 4 })).size).toBe(0);
    expect((await fixture.telemetry.sketches('alpha', { ...window, revision: 3 })).size).toBeGreaterThan(0);
  });

  test('TL62 numbers are averaged and errors of numbers measured', async () => {
    const id = await record({ ...champion, unit: 'ann', output: { prediction: 12.5 } });
    await fixture.telemetry.appendOutcomes('alpha', [{ invocation: id, value: 10 }]);
    const outcomes = [{ key: 'off', outcome: 'label', score: 'absolute-error' as const }];
    const { arms } = await fixture.telemetry.tallies('alpha', { ...query, outcomes });
    expect(arms[0]?.number).toEqual({ count: 1, sum: 12.5, squares: 156.25 });
    expect(arms[0]?.outcomes.get('off')).toEqual({ count: 1, sum: 2.5, squares: 6.25 });
  });
});
