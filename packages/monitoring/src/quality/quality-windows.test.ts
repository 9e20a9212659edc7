import { fixedClock } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { createTelemetryFixture, invocationMaker } from '@slipway/telemetry/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { measureQuality } from './quality.ts';
import { qualityWindows } from './quality-windows.ts';

const NOW_MS = Date.UTC(2026, 2, 1, 12);
const HOUR_MS = 3_600_000;
const TASK = { task: 'binary', classes: ['no', 'yes'], positive: 'yes' } as const;

interface Delivery {
  readonly call: number;
  readonly value: string;
  readonly eventTime: number;
  readonly sourceRank: number;
  readonly key: string;
}

/** What stands for each call, computed by itself in the plainest way: by time, then rank, then key. */
function standing(deliveries: readonly Delivery[]): Map<number, Delivery> {
  const best = new Map<number, Delivery>();
  for (const each of deliveries) {
    const before = best.get(each.call);
    const order = !before
      ? 1
      : each.eventTime - before.eventTime || each.sourceRank - before.sourceRank || (each.key > before.key ? 1 : -1);
    if (order > 0) best.set(each.call, each);
  }
  return best;
}

test('MO53 labels that come late, twice, against each other and in any order give exactly the metrics of a recomputation', async () => {
  const clock = fixedClock(NOW_MS);
  const fixture = await createTelemetryFixture({ clock });
  let run = 0;
  try {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        run += 1;
        const release = `churn-${run}`;
        const random = createRandom(seed);
        const make = invocationMaker(clock);
        const calls = Array.from({ length: 40 }, () => {
          const yes = random.next();
          const output = { prediction: yes > 0.5 ? 'yes' : 'no', probabilities: { no: 1 - yes, yes } };
          return make({ release, output, eventTimeMs: NOW_MS - random.int(12 * HOUR_MS) });
        });
        for (const call of calls) await fixture.telemetry.append(call);
        const deliveries = Array.from({ length: 90 }, (_, index): Delivery => {
          return {
            call: random.int(40),
            value: random.next() < 0.5 ? 'yes' : 'no',
            eventTime: NOW_MS + random.int(4) * HOUR_MS,
            sourceRank: random.int(2),
            key: `k${String(index).padStart(3, '0')}`,
          };
        });
        // Every third one is delivered again, word for word.
        const order = [...deliveries.keys(), ...[...deliveries.keys()].filter((index) => index % 3 === 0)];
        const shuffled = Int32Array.from(order);
        random.shuffle(shuffled);
        let seen = 0;
        while (seen < shuffled.length) {
          const size = 1 + random.int(30);
          const part = [...shuffled.subarray(seen, seen + size)].map((index) => deliveries[index] as Delivery);
          await fixture.telemetry.appendOutcomes(
            'alpha',
            part.map(({ call, key, ...rest }) => ({ ...rest, invocation: calls[call]?.id as string, idempotencyKey: key })),
          );
          seen += size;
          if (random.int(4) === 0) await fixture.telemetry.roll('alpha');
          // All of one moment, so that the time of arrival decides nothing here; its rule is tested where it is made.
        }
        const window = { fromMs: NOW_MS - 12 * HOUR_MS, toMs: NOW_MS + 1 };
        const pairs = await fixture.telemetry.pairs('alpha', { release, ...window, outcome: 'label', limit: 1_000 });
        const best = standing(deliveries);
        const expected = calls
          .flatMap((call, index) => {
            const found = best.get(index);
            return found ? [{ call, outcome: found.value }] : [];
          })
          .toSorted((a, b) => (a.call.id < b.call.id ? -1 : 1));
        const parts = await qualityWindows(pairs, TASK, { ...window, parts: 3 });
        const lengthMs = (window.toMs - window.fromMs) / 3;
        parts.forEach((part, index) => {
          const own = expected
            .filter(({ call }) => Math.floor((call.eventTimeMs - window.fromMs) / lengthMs) === index)
            .map(({ call, outcome }) => {
              const { prediction, probabilities } = call.output as { prediction: string; probabilities: Record<string, number> };
              return { prediction, probabilities, outcome, weight: 1 };
            });
          // Equal to the last bit, not about equal.
          expect({ count: part.count, metrics: part.metrics }).toEqual({ count: own.length, metrics: measureQuality(own, TASK).metrics });
        });
        expect(parts.reduce((sum, part) => sum + part.count, 0)).toBe(best.size);
      }),
      { numRuns: 8 },
    );
  } finally {
    await fixture.close();
  }
}, 120_000);
