import assert from 'node:assert/strict';
import { Contract, type Frame, type Json } from '@slipway/kernel';
import { maxParityError } from '@slipway/models';
import { createRandom, rmse } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { TrainRequestError } from './errors.ts';
import { PredictorExplainer, referencesOf } from './explain/predictor-explainer.ts';
import { rowsOf, additivityErrorOf } from './explain/build-explainer.ts';
import { predictMargins } from './fitted-model.ts';
import { encodeFrame } from './preparation.ts';
import { compareWithGraph } from './testing/open-fitted.ts';
import { train, type TrainRequest } from './train.ts';

const ROW_COUNT = 1_500;
const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: ['grown', 'a', 'b'].map((name) => ({ name, type: 'float64', role: 'numeric', nullable: false })),
});

/** Rows whose level grows with `grown`, and what only trees find: a step where both others are positive. */
function rowsFrom(first: number, seed: number) {
  const random = createRandom(seed);
  const grown = Float64Array.from({ length: ROW_COUNT }, (_, row) => first + row / ROW_COUNT);
  const [a, b] = [grown.map(() => random.normal()), grown.map(() => random.normal())];
  const score = grown.map((value, row) => 8 * value + ((a[row] as number) > 0 === (b[row] as number) > 0 ? 2 : 0) + 0.3 * random.normal());
  const columns = Object.entries({ grown, a, b }).map(([name, values]) => [name, { kind: 'number' as const, values }] as const);
  const frame: Frame = { rowCount: ROW_COUNT, columns: new Map(columns) };
  return { frame, score };
}

function requestFor(task: 'regression' | 'binary' | 'multiclass', params: Readonly<Record<string, Json>>): TrainRequest {
  const { frame, score } = rowsFrom(0, 1);
  const target = task === 'regression' ? score : score.map((value) => (value < 4 ? 0 : task === 'binary' || value < 7 ? 1 : 2));
  const classes = { regression: null, binary: ['no', 'yes'], multiclass: ['x', 'y', 'z'] }[task];
  return { frame, contract, task, target, classes, seed: 2, fixed: { trainer: 'gbdt', params } };
}

describe('LE29 trees that begin from a linear model', () => {
  const begun = { linearStrength: 0.001, rounds: 40, rowRatio: 0.8 };

  test('go on where values grow beyond those seen, and find what a line does not', async () => {
    const later = rowsFrom(1, 2);
    const errorOf = async (params: Readonly<Record<string, Json>>, trainer: 'gbdt' | 'linear' = 'gbdt') => {
      const model = await train({ ...requestFor('regression', {}), fixed: { trainer, params } });
      return rmse(model.predict(later.frame).values ?? [], later.score);
    };
    const both = await errorOf(begun);
    assert.ok(both < 0.6, String(both));
    assert.ok((await errorOf({ ...begun, linearStrength: 0 })) > 5 * both);
    assert.ok((await errorOf({ strength: 0.001 }, 'linear')) > 1.5 * both);
  });

  test.each(['regression', 'binary', 'multiclass'] as const)(
    'LE3 LE7 %s: agree with their graph, are given by their params, and their explanations add up',
    async (task) => {
      const model = await train(requestFor(task, begun));
      assert.deepEqual([model.trainer, model.params['linearStrength']], ['gbdt', 0.001]);
      const { trainer: ours, graph } = await compareWithGraph(model.fitted, contract, rowsFrom(0.5, 3).frame);
      assert.ok(maxParityError(ours.probabilities ?? ours.values ?? [], graph.probabilities ?? graph.values ?? [], task).passed);
      const again = await train({ ...requestFor(task, model.params), threads: 2 });
      assert.deepEqual(again.bytes, model.bytes);
      const { predictor, preparation } = model.fitted;
      const matrix = encodeFrame(preparation, rowsFrom(0.5, 4).frame);
      const rows = rowsOf(matrix);
      const references = referencesOf(predictor, matrix);
      const explainer = new PredictorExplainer({ predictor, references, background: rows, method: 'path-dependent' });
      const error = additivityErrorOf(explainer, explainer.explain(rows), predictMargins(predictor, matrix), rows.width);
      assert.ok(error < 1e-6, String(error));
    },
  );

  test('may be members of an ensemble, beside others', async () => {
    const members: Json = [
      { trainer: 'gbdt', weight: 0.4, params: begun },
      { trainer: 'linear', weight: 0.6, params: {} },
    ];
    const model = await train({ ...requestFor('regression', {}), fixed: { trainer: 'ensemble', params: { members } } });
    assert.deepEqual(
      model.fitted.predictor.kind === 'ensemble' && model.fitted.predictor.members.map(({ weight }) => weight),
      [0.4, 0.4, 0.6],
    );
    const { trainer: ours, graph } = await compareWithGraph(model.fitted, contract, rowsFrom(0, 3).frame);
    assert.ok(maxParityError(ours.values ?? [], graph.values ?? [], 'regression').passed);
  });

  test('are refused where a linear model could not keep what is asked', async () => {
    const refused = (overrides: Partial<TrainRequest>) =>
      assert.rejects(
        train({ ...requestFor('regression', begun), ...overrides }),
        (error) => error instanceof TrainRequestError && /linear/.test(error.message),
      );
    await refused({ loss: { kind: 'absolute' } });
    await refused({ constraints: { monotone: { a: 'increasing' } } });
    const members: Json = [
      { trainer: 'gbdt', weight: 0.5, params: begun },
      { trainer: 'gbdt', weight: 0.5, params: {} },
    ];
    await refused({ loss: { kind: 'absolute' }, fixed: { trainer: 'ensemble', params: { members } } });
  });
});
