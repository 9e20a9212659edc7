import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Invocation, type Outcome, fixedClock } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { emptyTables, testEngines } from '@slipway/records/testing';
import { createRandom } from '@slipway/statistics';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { OutcomeInput } from './contract.ts';
import { OutcomeInvalidError, OutcomesRefusedError } from './errors.ts';
import { OUTCOMES_PER_CALL_LIMIT } from './limits.ts';
import { resolveOutcomes } from './resolve-outcomes.ts';
import { type TelemetryFixture, createTelemetryFixture, createTelemetryRecords, invocationMaker } from './testing/index.ts';

interface Label {
  readonly invocation: string;
  readonly name: string;
  readonly value: number;
  readonly source: string;
  readonly sourceRank: number;
  readonly weight: number;
  readonly eventTime: number;
  readonly idempotencyKey: string;
}

const START_MS = Date.UTC(2026, 2, 1, 12);

describe.each(testEngines)('outcomes on %s', (engine) => {
  let records: Records;
  let fixture: TelemetryFixture;
  let clock = fixedClock(START_MS);
  const query = { release: 'churn', fromMs: START_MS - 86_400_000, toMs: START_MS + 86_400_000, outcome: 'label', limit: 1_000 };
  beforeAll(async () => {
    records = await createTelemetryRecords(engine);
  });
  afterAll(() => records.close());
  beforeEach(async () => {
    await emptyTables(records);
    clock = fixedClock(START_MS);
    fixture = await createTelemetryFixture({ records, clock });
  });
  afterEach(() => fixture.close());

  async function record(count: number, changes: Partial<Invocation> = {}): Promise<Invocation[]> {
    clock.advance(1);
    const make = invocationMaker(clock);
    const calls = Array.from({ length: count }, () => make(changes));
    await Promise.all(calls.map((call) => fixture.telemetry.append(call)));
    return calls;
  }

  test('TL30 an outcome is shown with its invocation, and a repeated one is a duplicate, wherever the first lies', async () => {
    const [call] = await record(1);
    const id = call?.id as string;
    const outcome = { invocation: id, value: 'yes' };
    expect(await fixture.telemetry.appendOutcomes('alpha', [outcome])).toEqual({ accepted: 1, duplicates: 0, problems: [] });
    expect(await fixture.telemetry.appendOutcomes('alpha', [outcome])).toMatchObject({ accepted: 0, duplicates: 1 });
    await fixture.telemetry.roll();
    expect(await fixture.telemetry.appendOutcomes('alpha', [outcome, outcome])).toMatchObject({ accepted: 0, duplicates: 2 });
    await fixture.telemetry.close();
    await fixture.reopen();
    clock.advance(21 * 86_400_000);
    const late = [
      outcome,
      { ...outcome, eventTime: START_MS + 5 },
      { ...outcome, name: 'rating', value: 4 },
      { ...outcome, idempotencyKey: 'k' },
    ];
    expect(await fixture.telemetry.appendOutcomes('alpha', [...late, ...late])).toMatchObject({ accepted: 3, duplicates: 5 });
    const shown = await fixture.telemetry.getInvocation('alpha', id);
    expect(shown.outcomes).toHaveLength(4);
    expect(
      resolveOutcomes(shown.outcomes)
        .map((one) => one.name)
        .toSorted(),
    ).toEqual(['label', 'rating']);
  });

  test('TL63 labelled rows are inputs with the standing label in event order, each call once, without shadow copies and erased people', async () => {
    const at = (minutes: number) => START_MS + minutes * 60_000;
    const calls = [];
    for (const minutes of [5, 1, 3])
      calls.push(...(await record(1, { eventTimeMs: at(minutes), input: { x: minutes }, subject: `p${minutes}` })));
    const [late, first, middle] = calls.map((call) => call.id) as [string, string, string];
    const [copy] = await record(1, { eventTimeMs: at(5), input: { x: 5 }, arm: 'shadow', parent: late });
    await record(1, { eventTimeMs: at(4), input: { x: 4 } });
    await fixture.telemetry.appendOutcomes('alpha', [
      { invocation: late, value: 'no', eventTime: at(10) },
      { invocation: late, value: 'yes', eventTime: at(9) },
      { invocation: late, value: 'no', eventTime: at(10) },
      { invocation: copy?.id as string, value: 'yes' },
      { invocation: first, value: 'yes' },
    ]);
    await fixture.telemetry.roll();
    await fixture.telemetry.appendOutcomes('alpha', [{ invocation: middle, value: 'maybe' }]);
    const rows = await fixture.telemetry.labelledRows('alpha', query);
    expect(rows.map(({ input, outcome }) => [input, outcome])).toEqual([
      [{ x: 1 }, 'yes'],
      [{ x: 3 }, 'maybe'],
      [{ x: 5 }, 'no'],
    ]);
    expect(await fixture.telemetry.labelledSpan('alpha', query)).toEqual({ rows: 3, firstEventMs: at(1), lastEventMs: at(5) });
    expect((await fixture.telemetry.labelledRows('alpha', { ...query, limit: 2 })).map((row) => row.invocation)).toEqual([middle, late]);
    expect(await fixture.telemetry.labelledRows('beta', query)).toEqual([]);
    await fixture.telemetry.eraseSubject('alpha', 'p3');
    expect((await fixture.telemetry.labelledRows('alpha', query)).map((row) => row.subject)).toEqual(['p1', 'p5']);
    expect(await fixture.telemetry.labelledSpan('alpha', { ...query, fromMs: at(50) })).toMatchObject({ rows: 0, lastEventMs: null });
  });

  test('TL31 unknown invocations and those of another project are listed as problems, the rest is taken', async () => {
    const [mine] = await record(1);
    const [other] = await record(1, { project: 'beta' });
    const outcomes: OutcomeInput[] = [
      { invocation: other?.id as string, value: 1 },
      { invocation: mine?.id as string, value: 1 },
      { invocation: 'inv_nonsense', value: 1 },
    ];
    for (const form of ['open', 'parquet']) {
      const reply = await fixture.telemetry.appendOutcomes(
        'alpha',
        outcomes.map((one) => ({ ...one, idempotencyKey: form })),
      );
      expect(reply).toMatchObject({ accepted: 1, duplicates: 0 });
      expect(reply.problems.map(({ index, code }) => ({ index, code }))).toEqual([
        { index: 0, code: 'telemetry/invocation-not-found' },
        { index: 2, code: 'telemetry/invocation-not-found' },
      ]);
      await fixture.telemetry.roll();
    }
    const refused = fixture.telemetry.appendOutcomes('alpha', [outcomes[0] as OutcomeInput]);
    await expect(refused).rejects.toThrow(OutcomesRefusedError);
    await expect(refused).rejects.toMatchObject({ kind: 'notFound', details: { problems: [{ index: 0 }] } });
    expect((await fixture.telemetry.getInvocation('beta', other?.id as string)).outcomes).toEqual([]);
  });

  test('TL32 the limit of outcomes is taken and one more is refused; what breaks a rule says where', async () => {
    const calls = await record(OUTCOMES_PER_CALL_LIMIT);
    const outcomes = calls.map(({ id }) => ({ invocation: id, value: 'no' }));
    expect((await fixture.telemetry.appendOutcomes('alpha', outcomes)).accepted).toBe(OUTCOMES_PER_CALL_LIMIT);
    const [first] = outcomes;
    assert.ok(first);
    for (const [bad, pattern] of [
      [[...outcomes, first], /1 to 1000/],
      [[], /1 to 1000/],
      [[first, { ...first, eventTime: 'yesterday' }], /Outcome 1 .*eventTime/],
      [[{ ...first, weight: -1 }], /weight/],
      [[{ ...first, extra: 1 } as OutcomeInput], /extra/],
      [[{ ...first, value: 'x'.repeat(70_000) }], /longer than/],
    ] as const) {
      await expect(fixture.telemetry.appendOutcomes('alpha', bad)).rejects.toThrow(OutcomeInvalidError);
      await expect(fixture.telemetry.appendOutcomes('alpha', bad)).rejects.toThrow(pattern);
    }
  });

  test('TL33 labels in random order, repeated and conflicting, give the pairs of a batch recomputation', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), async (seed) => {
        const random = createRandom(seed);
        run += 1;
        const release = `run${run}`;
        const calls = await record(1 + random.int(12), { release, eventTimeMs: START_MS });
        const all: Label[] = [];
        for (let index = 0; index < 40; index += 1) {
          all.push({
            invocation: calls[random.int(calls.length)]?.id as string,
            name: random.int(5) === 0 ? 'rating' : 'label',
            value: random.int(3),
            source: `s${random.int(2)}`,
            sourceRank: random.int(2),
            weight: 1 + random.int(3),
            eventTime: START_MS + random.int(4),
            idempotencyKey: `k${index}`,
          });
        }
        const deliveries = [...all, ...all.filter(() => random.int(3) === 0)];
        shuffle(deliveries, random);
        for (let start = 0; start < deliveries.length;) {
          const size = 1 + random.int(15);
          await fixture.telemetry.appendOutcomes('alpha', deliveries.slice(start, start + size));
          start += size;
          if (random.int(4) === 0) await fixture.telemetry.roll();
        }
        const found = await fixture.telemetry.pairs('alpha', { ...query, release });
        const wanted = calls.toReversed().flatMap((call) => {
          const labels = all.filter((one) => one.invocation === call.id && one.name === 'label');
          const best = labels.toSorted((a, b) => order(b) - order(a) || (a.idempotencyKey < b.idempotencyKey ? 1 : -1))[0];
          return best ? [{ invocation: call.id, outcome: best.value, weight: best.weight, source: best.source }] : [];
        });
        assert.deepEqual(
          found.map(({ invocation, outcome, weight, source }) => ({ invocation, outcome, weight, source })),
          wanted,
        );
      }),
      { numRuns: engine === 'embedded' ? 12 : 4 },
    );
  });

  test('TL34 pairs hold prediction and probabilities of the window and revision asked for, newest first, within the limit', async () => {
    const calls = await record(4);
    const [outside] = await record(1, { eventTimeMs: query.toMs });
    const [other] = await record(1, { revision: 2, output: { prediction: 3.5 } });
    const [failed] = await record(1, { status: 'error' });
    const [redacted] = await record(1, { output: null });
    const ids = [...calls, outside, other, failed, redacted].map((call) => call?.id as string);
    await fixture.telemetry.appendOutcomes(
      'alpha',
      ids.map((invocation) => ({ invocation, value: 'yes', weight: 2 })),
    );
    for (let form = 0; form < 2; form += 1) {
      // Open segments at first, then Parquet.
      const pairs = await fixture.telemetry.pairs('alpha', query);
      expect(pairs.map((pair) => pair.invocation)).toEqual([other?.id, ...calls.map((call) => call.id).toReversed()]);
      expect(pairs[0]).toMatchObject({ prediction: 3.5, probabilities: null, outcome: 'yes', weight: 2, revision: 2 });
      expect(pairs[1]).toMatchObject({ prediction: 'no', probabilities: { no: 0.8, yes: 0.2 }, revision: 1 });
      expect(await fixture.telemetry.pairs('alpha', { ...query, revision: 1, limit: 2 })).toEqual(pairs.slice(1, 3));
      expect(await fixture.telemetry.pairs('alpha', { ...query, outcome: 'rating' })).toEqual([]);
      expect(await fixture.telemetry.pairs('beta', query)).toEqual([]);
      await fixture.telemetry.roll();
    }
  });

  test('TL36 calls without any outcome are not read for their outcomes: the engine stays closed', async () => {
    await record(3);
    const isOpen = () => existsSync(join(fixture.directory, 'telemetry', 'engine'));
    expect(await fixture.telemetry.pairs('alpha', query)).toEqual([]);
    expect(await fixture.telemetry.labelledSpan('alpha', query)).toMatchObject({ rows: 0 });
    expect(await fixture.telemetry.labelledRows('alpha', query)).toEqual([]);
    expect(isOpen()).toBe(false);
    const [call] = await record(1);
    await fixture.telemetry.appendOutcomes('alpha', [{ invocation: call?.id as string, value: 'yes' }]);
    expect(await fixture.telemetry.pairs('alpha', query)).toHaveLength(1);
    expect(isOpen(), 'control: with one it is opened').toBe(true);
  });

  test('TL35 the same outcome sent twice at once is taken once', async () => {
    const [call] = await record(1);
    const outcome = { invocation: call?.id as string, value: true };
    const replies = await Promise.all(Array.from({ length: 8 }, () => fixture.telemetry.appendOutcomes('alpha', [outcome])));
    expect(replies.reduce((sum, reply) => sum + reply.accepted, 0)).toBe(1);
  });
});

function order(outcome: Label): number {
  return outcome.eventTime * 10 + outcome.sourceRank;
}

function shuffle<T>(items: T[], random: { int(n: number): number }): void {
  for (let index = items.length - 1; index > 0; index -= 1) {
    const other = random.int(index + 1);
    [items[index], items[other]] = [items[other] as T, items[index] as T];
  }
}

function sorted(outcomes: readonly Outcome[]): Outcome[] {
  return outcomes.toSorted((a, b) => (`${a.invocation}${a.name}` < `${b.invocation}${b.name}` ? -1 : 1));
}

test('TL36 resolving outcomes does not depend on the order they come in', () => {
  const outcome = fc.record({
    schema: fc.constant(1 as const),
    id: fc.uuid(),
    project: fc.constant('alpha'),
    invocation: fc.constantFrom('inv_1', 'inv_2'),
    name: fc.constantFrom('label', 'rating'),
    value: fc.integer(),
    source: fc.constant('api'),
    sourceRank: fc.integer({ min: 0, max: 2 }),
    weight: fc.constant(1),
    eventTimeMs: fc.integer({ min: 0, max: 2 }),
    observedTimeMs: fc.integer({ min: 0, max: 2 }),
    idempotencyKey: fc.constantFrom('a', 'b', 'c'),
  });
  fc.assert(
    fc.property(fc.array(outcome, { maxLength: 30 }), fc.integer({ min: 1 }), (outcomes: Outcome[], seed) => {
      const shuffled = [...outcomes];
      shuffle(shuffled, createRandom(seed));
      assert.deepEqual(sorted(resolveOutcomes(shuffled)), sorted(resolveOutcomes(outcomes)));
    }),
  );
});
