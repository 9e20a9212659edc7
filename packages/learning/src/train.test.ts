import assert from 'node:assert/strict';
import { type Column, Contract, type Frame, type ProgressEvent, takeRows, textColumn } from '@slipway/kernel';
import { maxParityError } from '@slipway/models';
import { createRandom, rmse, rocAuc } from '@slipway/statistics';
import { describe, expect, test } from 'vitest';
import { NoFeatureError, TargetError, TooFewRowsError, TrainingCancelledError, TrainRequestError } from './errors.ts';
import { HYPER_PARAMETERS } from './hyper-parameters.ts';
import { TRAINER_NAMES, type TrainerName } from './search/candidates.ts';
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
  return { frame, contract, task, target, classes, seed: 5, ...overrides };
}

describe('training in worker threads', () => {
  const SHORT: Record<TrainerName, Record<string, number>> = {
    linear: { strength: 0.02, l1Ratio: 0.5 },
    gbdt: { rounds: 12, rowRatio: 0.7, featureRatio: 0.5 },
  };
  const CASES = (['binary', 'multiclass', 'regression'] as const).flatMap((task) => TRAINER_NAMES.map((trainer) => ({ task, trainer })));

  test.each(CASES)('LE3 LE7 $task, $trainer: the graph agrees with the trainer, and params and seed give its bytes again', async (how) => {
    const { task, trainer } = how;
    const model = await train(requestFor(task, 200, { fixed: { trainer, params: SHORT[trainer] }, threads: 2 }));
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
    assert.deepEqual(Object.keys(model.params).toSorted(), Object.keys(HYPER_PARAMETERS[trainer]).toSorted());
    assert.deepEqual([model.selection, model.leaderboard], [{ candidate: 'given', strategy: 'fixed', folds: 0 }, []]);
    // As they come back from slipway.config.ts.
    const params = JSON.parse(JSON.stringify(model.params)) as Record<string, number>;
    const again = await train(requestFor(task, 200, { fixed: { trainer, params } }));
    assert.deepEqual(again.bytes, model.bytes);
    assert.deepEqual(again.params, model.params);
  });

  test('LE6 the search settles long before its time, and gives the same model on one thread and on two', async () => {
    const events: ProgressEvent[] = [];
    const request = requestFor('binary', 200, { seconds: 600 });
    const model = await train(request);
    const again = await train({ ...request, threads: 2, onProgress: (event) => events.push(event) });
    assert.deepEqual(again.bytes, model.bytes);
    assert.deepEqual(again.params, model.params);
    const idsOf = ({ leaderboard }: typeof model) => leaderboard.map((entry) => entry.id);
    assert.deepEqual(idsOf(again), idsOf(model));
    expect(model.leaderboard.filter((entry) => entry.trainer === 'gbdt').length).toBeLessThan(20);
    expect(model.seconds.total).toBeLessThan(60);
    assert.equal(model.leaderboard.filter((entry) => entry.chosen).length, 1);
    assert.deepEqual(new Set(model.leaderboard.map((entry) => entry.trainer)), new Set(TRAINER_NAMES));
    assert.deepEqual([...new Set(events.map((event) => event.phase))], ['prepare', 'search', 'refit']);
    assert.ok(events.every((event) => event.ratio !== undefined && event.ratio >= 0 && event.ratio <= 1));
    const { frame, score } = makeRows(2_000, 2);
    const { probabilities } = model.predict(frame);
    const positives = Float64Array.from({ length: 2_000 }, (_, row) => probabilities?.[2 * row + 1] ?? 0);
    const truth = score.map((value) => Number(value > 0));
    expect(rocAuc(positives, truth)).toBeGreaterThan(0.93);
  });

  test.each([1, 2])('a time that is up before the search begins still gives a model that has learnt (%i threads)', async (threads) => {
    const model = await train(requestFor('binary', 400, { threads, seconds: 0.001 }));
    assert.equal(model.trainer, 'gbdt');
    assert.ok((model.leaderboard[0]?.scores['roc_auc'] ?? 0.5) > 0.7, JSON.stringify(model.leaderboard));
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
    await refused({ classes: ['a', 'b', 'c'], task: 'multiclass' }, TooFewRowsError);
    await refused({ frame: takeRows(request.frame, Int32Array.of(0, 1, 2)), target: Float64Array.of(0, 1, 0) }, TooFewRowsError);
    await refused({ target: new Float64Array(3) }, TrainRequestError);
    await refused({ weights: new Float64Array(400) }, TrainRequestError);
    await refused({ trainers: [] }, TrainRequestError);
    await refused({ seconds: 0 }, TrainRequestError);
    await refused({ contract: Contract.parse({ ...contract, fields: contract.fields.slice(3) }) }, NoFeatureError);
  });
});

describe('given hyper-parameters', () => {
  test.each(TRAINER_NAMES)(
    'LE7 what a search of %s found is given by its params and the seed, and not by another seed',
    async (trainer) => {
      const request = requestFor('binary', 120, { seconds: 0.5, trainers: [trainer] });
      const found = await train(request);
      assert.equal(found.selection.strategy, 'cross-validation');
      const names = Object.keys(found.params).filter((name) => name !== 'calibration');
      assert.deepEqual(names.toSorted(), Object.keys(HYPER_PARAMETERS[trainer]).toSorted());
      const { seconds: _, trainers: __, ...rest } = request;
      const given = await train({ ...rest, fixed: { trainer, params: found.params } });
      assert.deepEqual(given.bytes, found.bytes);
      if (trainer === 'linear') return;
      // Controls: rows are drawn by the seed, so another seed is another model.
      const fixed = { trainer, params: { rounds: 5, rowRatio: 0.8 } };
      const [once, other] = [await train({ ...rest, fixed }), await train({ ...rest, fixed, seed: 6 })];
      assert.notDeepEqual(other.bytes, once.bytes);
    },
  );

  test('a table on which no tree can split is still a model', async () => {
    const model = await train(requestFor('binary', 24, { fixed: { trainer: 'gbdt', params: {} } }));
    const { trainer, graph } = await compareWithGraph(model.fitted, contract, makeRows(50, 3).frame);
    assert.deepEqual(graph.probabilities, trainer.probabilities);
  });

  test('names, ranges and contradictions are refused before a thread starts', async () => {
    const refused = async (overrides: Partial<TrainRequest>, message: RegExp, help = '') => {
      const error: unknown = await train(requestFor('multiclass', 60, overrides)).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof TrainRequestError, String(error));
      assert.match(error.message, message);
      assert.ok((error.help ?? '').includes(help), error.help);
    };
    await refused({ fixed: { trainer: 'gbdt', params: { learning_rate: 0.1 } } }, /no parameter "learning_rate"/, '"learningRate"');
    await refused(
      { fixed: { trainer: 'gbdt', params: { learningRate: 2 } } },
      /"learningRate" of gbdt must be a number from 0.0001 to 1, got 2/,
    );
    await refused({ fixed: { trainer: 'gbdt', params: { rounds: 7_000 } } }, /"rounds" of gbdt may be 6666 at most with 3 trees a round/);
    await refused({ fixed: { trainer: 'linear', params: {} }, seconds: 3 }, /leave out the seconds/);
    await refused({ fixed: { trainer: 'linear', params: {} }, trainers: ['linear'] }, /leave out the seconds/);
  });

  test('a table too wide for the linear trainer is refused', async () => {
    const names = Array.from({ length: 2_001 }, (_, index) => `x${index}`);
    const random = createRandom(1);
    const columns = new Map<string, Column>(
      names.map((name) => [name, { kind: 'number', values: Float64Array.from({ length: 20 }, () => random.normal()) }]),
    );
    const wide = Contract.parse({
      format: 'slipway.contract/1',
      fields: names.map((name) => ({ name, type: 'float64', role: 'numeric', nullable: true })).slice(0, 2_000),
    });
    const target = Float64Array.from({ length: 20 }, (_, row) => row % 2);
    const request: TrainRequest = {
      frame: { rowCount: 20, columns },
      contract: wide,
      task: 'binary',
      target,
      classes: ['a', 'b'],
      seed: 1,
      fixed: { trainer: 'linear', params: {} },
    };
    const indicator = new Map(columns).set('x0', {
      kind: 'number',
      values: Float64Array.from({ length: 20 }, (_, row) => (row === 3 ? Number.NaN : row)),
    });
    await assert.rejects(
      train({ ...request, frame: { rowCount: 20, columns: indicator } }),
      /too wide for the linear trainer: 2001 columns/,
    );
  });
});

describe('LE8 columns called as an output of the model', () => {
  const named = (name: string, role: 'numeric' | 'ignored' = 'numeric'): Partial<TrainRequest> => {
    const { frame } = makeRows(60, 1);
    const columns = new Map([...frame.columns].map(([key, column]) => [key === 'x' ? name : key, column]));
    const fields = contract.fields.map((field) => (field.name === 'x' ? { ...field, name, role } : field));
    return { frame: { ...frame, columns }, contract: Contract.parse({ ...contract, fields }) };
  };

  test.each(['features', 'probabilities', 'prediction', 'encoded', 'slipway:column:x'])('"%s" is a column like any other', async (name) => {
    for (const trainer of ['linear', 'gbdt'] as const) {
      const request = requestFor('binary', 60, { ...named(name), fixed: { trainer, params: {} } });
      const model = await train(request);
      assert.ok(model.contract.fields.some((field) => field.name === name));
      const { trainer: ours, graph } = await compareWithGraph(model.fitted, model.contract, request.frame);
      const parity = maxParityError(ours.probabilities ?? [], graph.probabilities ?? [], 'binary');
      assert.ok(parity.passed, `${trainer}: ${parity.maxError}`);
    }
  });

  test('a column that is not used may be called so, and one that merely resembles it is used', async () => {
    const fixed = { trainer: 'linear', params: {} } as const;
    const without = await train(requestFor('binary', 60, { ...named('prediction', 'ignored'), fixed }));
    assert.ok(!without.contract.fields.some((field) => field.name === 'prediction'));
    const like = await train(requestFor('binary', 60, { ...named('Prediction'), fixed }));
    assert.ok(like.contract.fields.some((field) => field.name === 'Prediction'));
  });
});

describe('LE8 rare classes', () => {
  const classes = ['a', 'b', 'c', 'd'];
  /** Classes c and d have few rows. */
  const rare = (counts: { c: number; d: number }) => {
    const request = requestFor('binary', 120);
    const target = request.target.map((value, row) => (row < counts.c ? 2 : row < counts.c + counts.d ? 3 : value));
    return { ...request, task: 'multiclass', classes, target } as const;
  };

  test.each(TRAINER_NAMES)('%s: classes with two and three rows are learnt, and the graph agrees', async (trainer) => {
    const model = await train({ ...rare({ c: 2, d: 3 }), seconds: 0.5, trainers: [trainer] });
    const { frame } = makeRows(300, 4);
    const { trainer: ours, graph } = await compareWithGraph(model.fitted, contract, frame);
    assert.equal(ours.probabilities?.length, 1_200);
    assert.ok(maxParityError(ours.probabilities ?? [], graph.probabilities ?? [], 'multiclass').passed);
    assert.ok(model.leaderboard.every((entry) => Number.isFinite(entry.scores['log_loss'])));
  });

  test('a class with one row is refused by name', async () => {
    await assert.rejects(train(rare({ c: 5, d: 1 })), /class "d" has one training row only/);
    await assert.rejects(train(rare({ c: 5, d: 0 })), /class "d" has no training row/);
  });
});

describe.skipIf(!hasRealData)('real sets (skipped where ../shared/data is absent)', () => {
  const CASES: readonly { name: RealSetName; metric: string; bound: number; how: Partial<TrainRequest> }[] = [
    { name: 'breast', metric: 'ROC AUC', bound: 0.985, how: { trainers: ['linear'], seconds: 5 } },
    { name: 'telco', metric: 'ROC AUC', bound: 0.8, how: { seconds: 2 } },
    { name: 'adult', metric: 'ROC AUC', bound: 0.925, how: { fixed: { trainer: 'gbdt', params: { rounds: 100, l2: 1 } } } },
    { name: 'housing', metric: 'negative RMSE', bound: -50_000, how: { fixed: { trainer: 'gbdt', params: { rounds: 200, l2: 1 } } } },
  ];

  test.each(CASES)('$name reaches $metric $bound on held-out rows, and the graph agrees on every row', async ({ name, bound, how }) => {
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
      seed: 1,
      ...how,
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
  });
});
