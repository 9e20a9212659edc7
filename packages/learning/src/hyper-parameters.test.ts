import assert from 'node:assert/strict';
import { Contract, type Frame, textColumn } from '@slipway/kernel';
import { maxParityError } from '@slipway/models';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { TrainRequestError } from './errors.ts';
import { predictorOf } from './fitted-model.ts';
import { choiceOf, completeParams, HYPER_PARAMETERS, paramsOf } from './hyper-parameters.ts';
import { encodeFrame, fitPreparation } from './preparation.ts';
import { TRAINER_NAMES, type TrainerName } from './search/candidates.ts';
import { Evaluator, type LearningTask } from './search/evaluate.ts';
import { refit } from './search/refit.ts';
import { compareWithGraph } from './testing/open-fitted.ts';

const PARAMETERS = TRAINER_NAMES.flatMap((trainer) =>
  Object.entries(HYPER_PARAMETERS[trainer]).map(([name, range]) => ({ trainer, name, ...range })),
);

describe('LE7 hyper-parameters', () => {
  test('nothing given is complete, and what is complete stays as it is', () => {
    assert.deepEqual(completeParams('linear', {}), { interactions: 0, strength: 0.001, l1Ratio: 0 });
    assert.deepEqual([completeParams('gbdt', {})['rounds'], completeParams('gbdt', {})['leafLimit']], [100, 31]);
    for (const trainer of TRAINER_NAMES) {
      const params = completeParams(trainer, {});
      assert.deepEqual(completeParams(trainer, params), params);
      assert.deepEqual(paramsOf(choiceOf(trainer, params, 1)), params);
    }
  });

  test.each(PARAMETERS)('$trainer $name takes $low to $high and nothing beyond', ({ trainer, name, low, high, isWhole }) => {
    for (const value of [low, high]) assert.equal(completeParams(trainer, { [name]: value })[name], value);
    const wrong = [low - 1, high * 1.1 + 1, Number.NaN, Number.POSITIVE_INFINITY, '5', null, ...(isWhole ? [low + 0.5] : [])];
    for (const value of wrong) {
      assert.throws(
        () => completeParams(trainer, { [name]: value }),
        (error) =>
          error instanceof TrainRequestError && error.message.includes(`"${name}"`) && error.message.includes(`from ${low} to ${high}`),
      );
    }
  });

  test('a name that does not exist is answered with the nearest, or with all of them', () => {
    const helpFor = (trainer: TrainerName, name: string): string | undefined => {
      try {
        completeParams(trainer, { [name]: 1 });
      } catch (error) {
        return error instanceof TrainRequestError ? error.help : undefined;
      }
      return 'taken';
    };
    assert.equal(helpFor('gbdt', 'leaf_limit'), 'Did you mean "leafLimit"?');
    assert.equal(helpFor('linear', 'alpha'), 'Its parameters are strength, l1Ratio, interactions.');
    assert.match(helpFor('linear', 'toString') ?? '', /strength/);
    assert.equal(helpFor('linear', 'strength'), 'taken');
  });
});

describe('LE3 a model of any allowed hyper-parameter is what its graph says', () => {
  const random = createRandom(3);
  const rowCount = 200;
  const x = Float64Array.from({ length: rowCount }, () => (random.next() < 0.1 ? Number.NaN : random.normal()));
  const kinds = Array.from({ length: rowCount }, () => `k${random.int(12)}`);
  const contract = Contract.parse({
    format: 'slipway.contract/1',
    fields: [
      { name: 'x', type: 'float64', role: 'numeric', nullable: true },
      { name: 'kind', type: 'string', role: 'categorical', nullable: true },
    ],
  });
  const frame: Frame = {
    rowCount,
    columns: new Map([
      ['x', { kind: 'number' as const, values: x }],
      ['kind', textColumn(kinds)],
    ]),
  };
  const target = x.map((value, row) => Number((value || 0) + (kinds[row] === 'k3' ? 2 : 0) + 0.3 * random.normal() > 0));
  const preparation = fitPreparation(contract, frame);
  const matrix = encodeFrame(preparation, frame);
  const learning: LearningTask = {
    objective: 'binary',
    outputCount: 1,
    matrix,
    targets: { target, weights: undefined },
    folds: [],
    seed: 1,
  };
  const classes = ['no', 'yes'];
  const scale = { mean: 0, deviation: 1 };

  const EXTREMES = PARAMETERS.flatMap(({ trainer, name, low, high }) => [
    { trainer, name, value: low },
    { trainer, name, value: name === 'rounds' ? 300 : high },
  ]);
  test.each(EXTREMES)('$trainer $name = $value', async ({ trainer, name, value }) => {
    const rest = trainer === 'gbdt' && name !== 'rounds' ? { rounds: 3, leafRowsMin: 5, categoryGroupRowsMin: 5 } : {};
    const { candidate, rounds } = choiceOf(trainer, { ...rest, [name]: value }, 1);
    const parts = refit(learning, new Evaluator(learning), candidate, rounds);
    const predictor = predictorOf(parts.map((part) => ({ weight: 1, predictor: part })));
    const { trainer: ours, graph } = await compareWithGraph(
      { task: 'binary', classes, preparation, predictor, calibration: null, link: 'identity', scale },
      contract,
      frame,
    );
    assert.ok(ours.probabilities?.every(Number.isFinite));
    assert.ok(maxParityError(ours.probabilities ?? [], graph.probabilities ?? [], 'binary').passed);
  });
});
