import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'vitest';
import {
  LANES_DEFAULT_MAX,
  ModelClosedError,
  type OnnxModel,
  type OpenModelOptions,
  ProviderMissingError,
  lanesFor,
  openModel,
  requireProvider,
} from './index.ts';
import { createEncoder } from './input-plan.ts';
import { ModelWorker } from './lane-worker.ts';
import { REPLACEMENTS_LIMIT, WorkerLanes, measured } from './lane.ts';
import { heavyModel, syntheticModel } from './testing/index.ts';

const opened: OnnxModel[] = [];

async function open(options: OpenModelOptions): Promise<OnnxModel> {
  const model = await openModel(options);
  opened.push(model);
  return model;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((model) => model.close()));
});

describe('lanes', () => {
  test('a model gets the workers that its release asks for; runs go to the one with the least to do', async () => {
    const { bytes, metadata } = heavyModel(300);
    const model = await open({ bytes, metadata, serving: { lane: 'worker', lanes: 2, maxBatchRows: 1 } });
    assert.deepEqual([model.facts.lane, model.facts.lanes, model.facts.batchRows], ['worker', 2, 1]);
    const answers = await Promise.all([0.25, 0.5, 0.75, 1].map((x) => model.predictRows([{ x }])));
    assert.deepEqual(
      answers.map(({ values }) => values?.[0]),
      [0.25, 0.5, 0.75, 1],
    );
    assert.ok(model.capacity.memoryBytes >= 2 * bytes.length);
    assert.equal(model.capacity.inFlight, 0);
  });

  test('a worker that has died is replaced, and one that dies again and again is not', async () => {
    const { bytes, metadata } = heavyModel(50);
    const workers: ModelWorker[] = [];
    const openWorker = async () => {
      const worker = new ModelWorker();
      workers.push(worker);
      const prepared = await worker.prepare(bytes, metadata, { pack: true, compile: true });
      return { worker, plan: prepared.plan };
    };
    const { worker, plan } = await openWorker();
    const lanes = new WorkerLanes([worker], 1, async () => (await openWorker()).worker);
    const rows = () => createEncoder(plan, metadata.contract).encodeRows([{ x: 0.5 }]);
    assert.equal((await lanes.run(rows(), ['prediction']))[0]?.[0], 0.5);
    for (let death = 0; death < REPLACEMENTS_LIMIT; death += 1) {
      await workers.at(-1)?.close();
      assert.equal((await lanes.run(rows(), ['prediction']))[0]?.[0], 0.5);
    }
    assert.equal(workers.length, 1 + REPLACEMENTS_LIMIT);
    await workers.at(-1)?.close();
    await assert.rejects(lanes.run(rows(), ['prediction']), ModelClosedError);
    await lanes.close();
  }, 60_000);

  test('by default all cores compute, up to a limit, and a large model is not copied', () => {
    const of = (cores: number, threads = 1, sizeBytes = 1e6) => lanesFor({ cores, threads, sizeBytes });
    assert.deepEqual([of(1), of(2), of(4), of(64), of(8, 4), of(8, 4, 1e9)], [1, 2, LANES_DEFAULT_MAX, LANES_DEFAULT_MAX, 2, 1]);
  });

  test('what a model holds is its file at least, and what the process grew by within bounds', () => {
    assert.equal(measured(1_000, -5_000_000), 1_000);
    assert.equal(measured(1_000, 5_000_000), 5_000_000);
    assert.ok(measured(1_000, 5e9) < 1e8);
  });
});

describe('settings of a release', () => {
  test('more rows in a run than the event loop can bear are refused inline, whatever the release says', async () => {
    const { bytes, metadata } = syntheticModel({ numeric: 4, categorical: 0, trees: 300, depth: 6 });
    const model = await open({ bytes, metadata, serving: { lane: 'inline', maxBatchRows: 1_024 } });
    const small = await open({ bytes, metadata, serving: { lane: 'inline', maxBatchRows: 2 } });
    assert.ok(model.facts.batchRows <= 1_024 && small.facts.batchRows === 2);
  });

  test("MO7 calls that name no deadline have the release's", async () => {
    const model = await open({ ...heavyModel(2_000), serving: { lane: 'worker', lanes: 1, maxBatchRows: 1, deadlineMs: 15 } });
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => model.predictRows([{ x: 1 }])));
    const names = answers.map((answer) => (answer.status === 'rejected' ? (answer.reason as Error).name : 'answered'));
    assert.equal(names[0], 'answered', 'the model was idle');
    assert.ok(
      names.slice(2).every((name) => name === 'ModelTimeoutError' || name === 'ModelBusyError'),
      names.join(),
    );
    const patient = await model.predictRows([{ x: 1 }], { deadlineMs: performance.now() + 60_000 });
    assert.equal(patient.values?.[0], 1);
  });

  test('a provider whose binaries are not here is refused by name, and never replaced by the processor', async () => {
    await requireProvider('cpu');
    const { bytes, metadata } = syntheticModel({ numeric: 2, categorical: 0, trees: 2, depth: 2 });
    for (const provider of ['coreml', 'dml', 'cuda'] as const) {
      const isHere = await requireProvider(provider).then(
        () => true,
        (error: unknown) => !(error instanceof ProviderMissingError),
      );
      if (isHere) continue;
      await assert.rejects(openModel({ bytes, metadata, serving: { provider } }), (error: Error) => {
        assert.ok(error instanceof ProviderMissingError, String(error));
        assert.match(error.message, new RegExp(`"${provider}"`));
        return true;
      });
    }
  });
});
