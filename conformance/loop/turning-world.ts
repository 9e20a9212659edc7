import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@slipway/client';
import { createRandom } from '@slipway/statistics';

/** A world of one rule: `x` above a half means yes, or, turned, no. `noise` says nothing, and may shift. */
export type Concept = 'above' | 'below';
export interface World {
  readonly concept: Concept;
  /** Added to `noise`: what a monitor sees as drift. */
  readonly shift?: number;
}

const CALLS_AT_ONCE = 10;
const ROWS_PER_CALL = 100;

/** Seeded rows, calls and labels of a turning world. @param startMs event time of the first call. */
export function createTurningWorld(client: Client, seed: number, startMs: number, stepMs: number) {
  const random = createRandom(seed);
  let eventMs = startMs;
  let calls = 0;
  const draw = ({ shift = 0 }: World) => ({ x: round(random.next()), noise: round(random.next() + shift) });
  const truth = ({ concept }: World, x: number) => (x > 0.5 === (concept === 'above') ? 'yes' : 'no');

  return {
    /** Launches a model of the world as it is at first. */
    async launch(name: string, retrain: object): Promise<void> {
      const world: World = { concept: 'above' };
      const rows = Array.from({ length: 600 }, () => draw(world));
      const csv = `x,noise,y\n${rows.map(({ x, noise }) => `${x},${noise},${truth(world, x)}`).join('\n')}\n`;
      const { sha256 } = await client.uploads.put(new TextEncoder().encode(csv), 'rows.csv');
      const definition = { name, dataset: name, target: 'y', acceptLeak: ['x'], retrain };
      const train = { kind: 'gbdt', params: { rounds: 20, leafLimit: 4 } };
      const request = { definition: { ...definition, train }, data: { sha256, fileName: 'rows.csv' } };
      const { run } = await client.launches.start(request as Parameters<Client['launches']['start']>[0]);
      const { release, gates } = await client.launches.follow(run, () => {});
      if (!release) throw new Error(`${name} was not released: ${JSON.stringify(gates)}`);
    },
    /** Many rows a call. @returns what labels them, when it is called. */
    async call(name: string, count: number, world: World): Promise<() => Promise<void>> {
      const outcomes: { invocation: string; value: string }[] = [];
      for (let start = 0; start < count; start += ROWS_PER_CALL) {
        const rows = Array.from({ length: Math.min(ROWS_PER_CALL, count - start) }, () => draw(world));
        const { predictions } = await client.predict(name, { rows, eventTime: (eventMs += stepMs) });
        for (const [at, { invocation }] of predictions.entries()) outcomes.push({ invocation, value: truth(world, rows[at]?.x ?? 0) });
      }
      return async () => void (await client.outcomes.add({ outcomes }));
    },
    /** One row a call, each of its own unit, labelled at once: what a rollout is judged by. */
    async traffic(name: string, count: number, world: World): Promise<void> {
      for (let start = 0; start < count; start += CALLS_AT_ONCE) {
        const rows = Array.from({ length: CALLS_AT_ONCE }, () => draw(world));
        const answers = await Promise.all(
          rows.map((row) => client.predict(name, { rows: [row], unit: `unit-${(calls += 1)}`, eventTime: (eventMs += stepMs) })),
        );
        await client.outcomes.add({
          outcomes: answers.map(({ predictions }, at) => ({
            invocation: predictions[0]?.invocation ?? '',
            value: truth(world, rows[at]?.x ?? 0),
          })),
        });
      }
    },
  };
}

const round = (value: number) => Math.round(value * 1_000) / 1_000;

/** Looks until it is so, for at most five minutes. @throws with what was seen last. */
export async function until<T>(look: () => Promise<T>, isSo: (found: T) => boolean, what: string): Promise<T> {
  const LOOKS_LIMIT = 1_500;
  let found = await look();
  for (let wait = 0; wait < LOOKS_LIMIT && !isSo(found); wait += 1) {
    await delay(200);
    found = await look();
  }
  if (!isSo(found)) throw new Error(`${what}: ${JSON.stringify(found, null, 1)}`);
  return found;
}
