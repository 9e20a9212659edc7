import assert from 'node:assert/strict';
import {
  type Call,
  type CallContext,
  Contract,
  OverloadedError,
  type Result,
  type Row,
  type ServingSettings,
  frameFromRows,
} from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { beforeAll, describe, test } from 'vitest';
import { UnsupervisedMetadata, type UnsupervisedOptions, type UnsupervisedRun, openUnsupervised, runUnsupervised } from './index.ts';

const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: ['x', 'y', 'z'].map((name) => ({ name, type: 'float64', role: 'numeric', nullable: true })),
});
const TRAINERS = { cluster: 'k-means', reduce: 'pca', anomaly: 'isolation-forest' } as const;

function rowsOf(count: number, seed: string): Row[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => {
    const x = 10 * random.int(3) + random.normal();
    return { x, y: x / 2 + random.normal(), z: random.normal() };
  });
}

async function fit(kind: UnsupervisedOptions['kind']): Promise<UnsupervisedRun> {
  const [train, test] = [rowsOf(200, 'train'), rowsOf(80, 'test')].map((rows) => frameFromRows(contract, rows));
  if (!train || !test) throw new Error('two frames were made');
  const clusters = kind === 'cluster' ? { clusters: 3 } : {};
  return runUnsupervised({ contract, train, test, options: { kind, contamination: 0.05, seed: 1, ...clusters } });
}

function call(input: Row, context: Partial<CallContext> = {}): Call<Row> {
  const usual = { invocation: 'inv', deadlineMs: undefined, signal: undefined, traceparent: undefined, parts: new Map() };
  return { input, context: { ...usual, ...context } as unknown as CallContext };
}

const reasonOf = (result: Result<unknown> | undefined) =>
  result?.status === 'error' && result.error instanceof OverloadedError ? result.error.reason : result?.status;

describe.each(['cluster', 'reduce', 'anomaly'] as const)('LU10 a served model of kind %s', (kind) => {
  let done: UnsupervisedRun;
  const [row] = rowsOf(1, 'asked');

  beforeAll(async () => {
    done = await fit(kind);
  }, 120_000);

  function serve(serving: ServingSettings) {
    const metadata = UnsupervisedMetadata.parse({
      format: 'slipway.unsupervised/1',
      task: kind,
      contract: done.contract,
      features: done.features,
      count: done.count,
      threshold: done.threshold,
      trainer: TRAINERS[kind],
      params: {},
      seed: 1,
    });
    const version = { id: 'mv_1', kind: 'model', name: 'm', recipe: 'r', content: 'c' } as const;
    return openUnsupervised({ version, metadata, source: { bytes: done.bytes }, serving: { lane: 'worker', lanes: 1, ...serving } });
  }

  test('answers what fits its queue, refuses the rest, and answers rows of several calls as it does alone', async () => {
    const servable = await serve({ queueRows: 4, maxBatchRows: 2 });
    const asked = rowsOf(5, 'five').map((each) => call(each));
    const alone = [];
    for (const each of asked) alone.push((await servable.invoke([each]))[0]);
    const together = await Promise.all(asked.map(async (each) => (await servable.invoke([each]))[0]));
    assert.deepEqual(together, alone);
    const calls = Array.from({ length: 20 }, async () => reasonOf((await servable.invoke([call(row ?? {})]))[0]));
    assert.equal(servable.capacity?.queuedRows, 4);
    const reasons = await Promise.all(calls);
    assert.deepEqual(
      [reasons.filter((each) => each === 'ok').length, reasons.filter((each) => each === 'queue-full').length],
      [5, 15],
      reasons.join(),
    );
    assert.equal(servable.capacity.inFlight, 0);
    await servable.dispose?.();
  });

  test('interactive calls overtake batch calls, and a deadline holds in the queue', async () => {
    const servable = await serve({ maxBatchRows: 1 });
    const order: string[] = [];
    const send = async (name: string, context: Partial<CallContext>) => {
      const [result] = await servable.invoke([call(row ?? {}, context)]);
      order.push(result?.status === 'ok' ? name : `${name}: ${result?.status === 'error' ? result.error.code : ''}`);
    };
    await Promise.all([send('first', {}), send('b1', { priority: 'batch' }), send('i1', {})]);
    assert.deepEqual(order.splice(0), ['first', 'i1', 'b1']);
    await Promise.all([send('first', {}), send('late', { deadlineMs: performance.now() + 0.02 })]);
    assert.ok(
      order.some((each) => each === 'late: models/timeout' || each === 'late: models/busy'),
      order.join(),
    );
    await servable.dispose?.();
  });
});
