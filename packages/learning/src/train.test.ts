import assert from 'node:assert/strict';
import { type Column, Contract, type Frame, type ProgressEvent, takeRows, textColumn } from '@slipway/kernel';
import { maxParityError } from '@slipway/models';
import { createRandom, rmse, rocAuc } from '@slipway/statistics';
import { describe, expect, test } from 'vitest';
import { NoFeatureError, TargetError, TooFewRowsError, TrainingCancelledError, TrainRequestError } from './errors.ts';
import { prepareTarget } from './target.ts';
import { compareWithGraph } from './testing/open-fitted.ts';
import { hasRealData, readRealSet, type RealSetName } from './testing/real-data.ts';
import { train, type TrainRequest } from './train.ts';

const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: [
    { name: 'x', type: 'float64', role: 'numeric', nullable: true },
    { name: 'when', type: 'timestamp', role: 'time', nullable: true },
    { name: 'kind', type: 'string', role: 'categorical', nullable: true },
    { name: 'id', type: 'string', role: 'identifier', nullable: true },
    { name: 'y', type: 'string', role: 'target', nullable: true },
  ],
});

/** Rows in which y follows x and kind; a tenth of x and kind is missing. */
function makeRows(rowCount: number, seed: number): { frame: Frame; score: Float64Array } {
  const random = createRandom(seed);
  const x = Float64Array.from({ length: rowCount }, () => (random.next() < 0.1 ? Number.NaN : random.normal()));
  const kinds = Array.from({ length: rowCount }, () => (random.next() < 0.1 ? null : `k${random.int(12)}`));
  const when = Float64Array.from({ length: rowCount }, () => 1_700_000_000_000 + random.int(1_000_000_000));
  const score = x.map(
    (value, row) => (Number.isNaN(value) ? 1 : value) + (['k1', 'k5'].includes(kinds[row] ?? '') ? 2 : 0) - 0.4 + 0.3 * random.normal(),
  );
  const columns = new Map<string, Column>([
    ['x', { kind: 'number', values: x }],
    ['when', { kind: 'number', values: when }],
    ['kind', textColumn(kinds)],
    ['id', textColumn(Array.from({ length: rowCount }, (_, row) => `id${row}`))],
  ]);
  return { frame: { rowCount, columns }, score };
}

function requestFor(task: TrainRequest['task'], rowCount = 400, overrides: Partial<TrainRequest> = {}): TrainRequest {
  const { frame, score } = makeRows(rowCount, 1);
  const classes = task === 'regression' ? null : task === 'binary' ? ['no', 'yes'] : ['a', 'b', 'c'];
  const target = score.map((value) =>
    task === 'regression' ? 1e6 + 1e3 * value : task === 'binary' ? Number(value > 0) : value < -0.5 ? 0 : value < 1 ? 1 : 2,
  );
  return { frame, contract, task, target, classes, seed: 5, seconds: 3, ...overrides };
}

describe('training in worker threads', () => {
  test.each(['binary', 'multiclass', 'regression'] as const)(
    'LE3 %s: both trainers fit, and the graph agrees with the trainer',
    async (task) => {
      for (const trainer of ['linear', 'gbdt'] as const) {
        const model = await train(requestFor(task, 400, { trainers: [trainer], seconds: 1 }));
        assert.equal(model.trainer, trainer);
        assert.deepEqual(
          model.contract.fields.map((field) => field.name),
          ['x', 'when', 'kind'],
        );
        assert.deepEqual([model.contract.ignored, model.excluded[0]?.reason], [['id'], 'role']);
        const { frame } = makeRows(1_000, 9);
        const { trainer: ours, graph } = await compareWithGraph(model.fitted, contract, frame);
        const parity = maxParityError(ours.probabilities ?? ours.values ?? [], graph.probabilities ?? graph.values ?? [], task);
        assert.ok(parity.passed, `${trainer}: ${parity.maxError}`);
        assert.deepEqual(graph.labels, ours.labels ?? []);
      }
    },
  );

  test('the prediction separates unseen rows, and the leaderboard says what was tried', async () => {
    const events: ProgressEvent[] = [];
    const model = await train(requestFor('binary', 400, { threads: 2, onProgress: (event) => events.push(event) }));
    const { frame, score } = makeRows(2_000, 2);
    const { probabilities } = model.predict(frame);
    const positives = Float64Array.from({ length: 2_000 }, (_, row) => probabilities?.[2 * row + 1] ?? 0);
    expect(
      rocAuc(
        positives,
        score.map((value) => Number(value > 0)),
      ),
    ).toBeGreaterThan(0.93);
    assert.equal(model.leaderboard.filter((entry) => entry.chosen).length, 1);
    assert.ok(model.leaderboard.some((entry) => entry.trainer === 'linear') && model.leaderboard.some((entry) => entry.trainer === 'gbdt'));
    assert.deepEqual([...new Set(events.map((event) => event.phase))], ['prepare', 'search', 'refit']);
    assert.ok(events.every((event) => event.ratio !== undefined && event.ratio >= 0 && event.ratio <= 1));
  });

  test('LE6 the same request gives the same bytes when the same candidates are reached', async () => {
    // Time enough for all linear candidates, however busy the machine is.
    const request = requestFor('binary', 300, { trainers: ['linear'], seconds: 120 });
    const [once, again] = [await train(request), await train({ ...request, threads: 2 })];
    assert.deepEqual(again.bytes, once.bytes);
    assert.deepEqual(again.params, once.params);
  });

  test('cancelling ends the training at once', async () => {
    const controller = new AbortController();
    const started = Date.now();
    const running = train(
      requestFor('binary', 20_000, {
        seconds: 600,
        signal: controller.signal,
        onProgress: (event) => event.phase === 'search' && controller.abort(),
      }),
    );
    await assert.rejects(running, TrainingCancelledError);
    expect(Date.now() - started).toBeLessThan(30_000);
    await assert.rejects(train(requestFor('binary', 400, { signal: controller.signal })), TrainingCancelledError);
  });

  test('what cannot be trained is refused with the matching error', async () => {
    const request = requestFor('binary');
    const refused = async (overrides: Partial<TrainRequest>, kind: new (...given: never[]) => Error) =>
      assert.rejects(train({ ...request, ...overrides }), kind);
    await refused({ target: new Float64Array(400) }, TargetError);
    await refused({ classes: ['only'] }, TargetError);
    await refused({ task: 'regression', classes: null, target: new Float64Array(400).fill(3) }, TargetError);
    await refused({ target: request.target.map((_, row) => (row === 0 ? 1 : 0)) }, TooFewRowsError);
    await refused({ frame: takeRows(request.frame, Int32Array.of(0, 1, 2)), target: Float64Array.of(0, 1, 0) }, TooFewRowsError);
    await refused({ target: new Float64Array(3) }, TrainRequestError);
    await refused({ weights: new Float64Array(400) }, TrainRequestError);
    await refused({ trainers: [] }, TrainRequestError);
    await refused({ seconds: 0 }, TrainRequestError);
    await refused({ contract: Contract.parse({ ...contract, fields: contract.fields.slice(3) }) }, NoFeatureError);
  });
});

describe.skipIf(!hasRealData)('real sets (skipped where ../shared/data is absent)', () => {
  const CASES: readonly { name: RealSetName; metric: string; bound: number; trainers: TrainRequest['trainers'] }[] = [
    { name: 'breast', metric: 'ROC AUC', bound: 0.985, trainers: ['linear'] },
    { name: 'telco', metric: 'ROC AUC', bound: 0.83, trainers: ['linear', 'gbdt'] },
    { name: 'adult', metric: 'ROC AUC', bound: 0.925, trainers: ['gbdt'] },
    { name: 'housing', metric: 'negative RMSE', bound: -50_000, trainers: ['gbdt'] },
  ];

  test.each(CASES)(
    '$name reaches $metric $bound on held-out rows, and the graph agrees on every row',
    async ({ name, bound, trainers }) => {
      const set = readRealSet(name);
      const prepared = prepareTarget(set.frame, set.target);
      const isTest = (row: number) => (set.testRows > 0 ? row >= set.frame.rowCount - set.testRows : row % 5 === 0);
      const held = prepared.rows.filter(isTest);
      const kept = prepared.rows.filter((row) => !isTest(row));
      const targetOf = (rows: Int32Array) => Float64Array.from(rows, (row) => prepared.target[row] as number);
      const model = await train({
        frame: takeRows(set.frame, kept),
        contract: set.contract,
        task: prepared.task,
        target: targetOf(kept),
        classes: prepared.classes,
        seconds: 8,
        seed: 1,
        ...(trainers ? { trainers } : {}),
      });
      const outputs = model.predict(takeRows(set.frame, held));
      const truth = targetOf(held);
      // Higher is better: ROC AUC, or the negative RMSE.
      const score = outputs.values
        ? -rmse(outputs.values, truth)
        : rocAuc(outputs.probabilities?.filter((_, at) => at % 2 === 1) ?? [], truth);
      expect(score).toBeGreaterThan(bound);
      const { trainer, graph, features } = await compareWithGraph(model.fitted, set.contract, set.frame);
      const parity = maxParityError(trainer.probabilities ?? trainer.values ?? [], graph.probabilities ?? graph.values ?? [], model.task);
      assert.ok(parity.maxError < 1e-6, `parity ${parity.maxError}`);
      assert.deepEqual(features, trainer.features);
    },
  );
});
