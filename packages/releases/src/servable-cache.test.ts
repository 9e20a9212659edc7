import assert from 'node:assert/strict';
import { OverloadedError, type Servable, type VersionRef } from '@slipway/kernel';
import { describe, test } from 'vitest';
import type { Revision } from './contract.ts';
import { LOADED_SERVABLES_LIMIT, LOADS_AT_ONCE_LIMIT, LOAD_QUEUE_LIMIT, ServableCache, type ServableCacheDeps } from './servable-cache.ts';
import { fakeModel } from './testing/index.ts';

const MB = 1_048_576;

/** A cache over fake models of one megabyte each that say how busy they are. */
function cacheOf(options: { limitMb?: number; sizeMb?: number } = {}) {
  const busy = new Map<string, number>();
  const disposed: string[] = [];
  const unloaded: string[] = [];
  const gone: string[] = [];
  let loadingCount = 0;
  let most = 0;
  let loads = 0;
  const waiting: (() => void)[] = [];
  const state = { held: false };
  const make = (version: VersionRef): Servable => ({
    ...fakeModel(version),
    capacity: {
      memoryBytes: (options.sizeMb ?? 1) * MB,
      get inFlight() {
        return busy.get(version.id) ?? 0;
      },
      queuedRows: 0,
      refusal: () => undefined,
    },
    dispose: async () => void disposed.push(version.id),
  });
  const deps: ServableCacheDeps = {
    catalog: { get: async (_: string, id: string) => ({ id, kind: 'model', name: id, recipe: '', content: '' }) } as never,
    loaders: new Map([
      [
        'model',
        {
          kind: 'model',
          async load(_: string, version: VersionRef) {
            loads += 1;
            loadingCount += 1;
            most = Math.max(most, loadingCount);
            if (state.held) await new Promise<void>((resolve) => waiting.push(resolve));
            loadingCount -= 1;
            if (version.id.startsWith('broken')) throw new Error('cannot be read');
            return make(version);
          },
        },
      ],
    ]),
    describe: async () => {},
    ...(options.limitMb === undefined ? {} : { memoryLimitBytes: options.limitMb * MB }),
    onUnload: (reason) => void unloaded.push(reason),
  };
  const cache = new ServableCache(deps, ({ revision }) => void gone.push(revision.version));
  const revision = (version: string): Revision => ({
    id: `rev_${version}`,
    release: version,
    number: 1,
    version,
    kind: 'model',
    parts: {},
    recording: 'full',
    run: null,
    principal: '',
    createdAt: '',
  });
  const load = (version: string) => cache.load('p', revision(version));
  const names = () => cache.list().map(({ release }) => release);
  const release = () => waiting.splice(0).forEach((resolve) => resolve());
  return { cache, load, names, busy, disposed, unloaded, gone, state, release, counts: () => ({ most, loads }) };
}

describe('RL12 what is loaded', () => {
  test('keeps to the memory budget: the one used longest ago goes, and its next call loads it again', async () => {
    const { cache, load, names, unloaded, gone, counts } = cacheOf({ limitMb: 3 });
    for (const name of ['a', 'b', 'c']) await load(name);
    await load('a');
    await load('d');
    assert.deepEqual([names(), gone, unloaded], [['c', 'a', 'd'], ['b'], ['memory']]);
    await load('b');
    assert.deepEqual(names(), ['a', 'd', 'b']);
    assert.equal(counts().loads, 5);
    await cache.close();
  });

  test('never lets go of one that has calls, and makes up for it when they are answered', async () => {
    const { cache, load, names, busy } = cacheOf({ limitMb: 2 });
    for (const name of ['a', 'b']) await load(name);
    busy.set('a', 1).set('b', 2);
    await load('c');
    assert.deepEqual(names(), ['a', 'b', 'c'], 'over the budget for as long as nothing is idle');
    busy.clear();
    await load('d');
    assert.deepEqual(names(), ['c', 'd']);
    await cache.close();
  });

  test('a single one that is larger than the budget stays, alone', async () => {
    const { cache, load, names } = cacheOf({ limitMb: 2, sizeMb: 5 });
    await load('a');
    await load('b');
    assert.deepEqual(names(), ['b']);
    await cache.close();
  });

  test('without a budget their number is bounded', async () => {
    const { cache, load, names, unloaded } = cacheOf();
    for (let index = 0; index <= LOADED_SERVABLES_LIMIT; index += 1) await load(`m${index}`);
    assert.equal(names().length, LOADED_SERVABLES_LIMIT);
    assert.deepEqual([names().includes('m0'), unloaded], [false, ['count']]);
    await cache.close();
  });

  test('what was taken out is disposed when its last calls are answered, not before', async () => {
    const { cache, load, busy, disposed } = cacheOf({ limitMb: 1 });
    await load('a');
    await load('b');
    busy.set('a', 1);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    assert.deepEqual(disposed, [], 'a call came in on the way out');
    busy.clear();
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    assert.deepEqual(disposed, ['a']);
    await cache.close();
    assert.deepEqual(disposed, ['a', 'b']);
  });

  test('few are loaded at once, the others wait in a bounded line, and who asks for the same one waits for that', async () => {
    const { cache, load, state, release, counts } = cacheOf();
    state.held = true;
    const room = LOADS_AT_ONCE_LIMIT + LOAD_QUEUE_LIMIT;
    const loads = Array.from({ length: room }, (_, index) => load(`m${index}`));
    assert.equal(load('m0'), loads[0]);
    await assert.rejects(load('one more'), (error: unknown) => error instanceof OverloadedError && error.reason === 'loading');
    state.held = false;
    await new Promise(setImmediate);
    release();
    await Promise.all(loads);
    assert.deepEqual(counts(), { most: LOADS_AT_ONCE_LIMIT, loads: room });
    await load('one more');
    await cache.close();
  });

  test('one that cannot be loaded is tried again by the next call', async () => {
    const { cache, load, names } = cacheOf();
    await assert.rejects(load('broken'));
    await assert.rejects(load('broken'), /cannot be read/);
    assert.deepEqual(names(), []);
    await cache.close();
  });
});
