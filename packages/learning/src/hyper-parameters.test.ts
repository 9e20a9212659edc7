import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { TrainRequestError } from './errors.ts';
import { choiceOf, completeParams, HYPER_PARAMETERS, paramsOf } from './hyper-parameters.ts';
import { TRAINER_NAMES, type TrainerName } from './search/candidates.ts';

const PARAMETERS = TRAINER_NAMES.flatMap((trainer) =>
  Object.entries(HYPER_PARAMETERS[trainer]).map(([name, range]) => ({ trainer, name, ...range })),
);

describe('LE7 hyper-parameters', () => {
  test('nothing given is complete, and what is complete stays as it is', () => {
    assert.deepEqual(completeParams('linear', {}), { strength: 0.001, l1Ratio: 0 });
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
    assert.equal(helpFor('linear', 'alpha'), 'Its parameters are strength, l1Ratio.');
    assert.match(helpFor('linear', 'toString') ?? '', /strength/);
    assert.equal(helpFor('linear', 'strength'), 'taken');
  });
});
