import assert from 'node:assert/strict';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { CANDIDATE_LIMIT, planCandidates } from './candidates.ts';
import { chooseCandidate } from './choose.ts';
import type { Evaluation } from './evaluate.ts';
import { planFolds } from './folds.ts';

function evaluation(id: string, complexity: number, rowLosses: readonly number[]): Evaluation {
  const known = rowLosses.filter((loss) => !Number.isNaN(loss));
  const candidate = { id, trainer: 'linear' as const, penalty: { strength: 1, l1Ratio: 0 }, complexity };
  return {
    candidate,
    rowLosses: Float64Array.from(rowLosses),
    loss: known.reduce((sum, loss) => sum + loss, 0) / known.length,
    rocAuc: null,
    rounds: 0,
    seconds: 0,
  };
}

describe('LE6 the choice depends on the evaluations only', () => {
  const random = createRandom(1);
  const base = Array.from({ length: 500 }, () => random.next());

  test('the simpler of two that rows cannot tell apart is chosen, whatever the order', () => {
    const complex = evaluation('complex', 2, base);
    const simple = evaluation(
      'simple',
      1,
      base.map((loss) => loss + 0.001 + 0.5 * random.normal()),
    );
    assert.equal(chooseCandidate([complex, simple], undefined)?.candidate.id, 'simple');
    assert.equal(chooseCandidate([simple, complex], undefined)?.candidate.id, 'simple');
  });

  test('a small difference that every row agrees on is a difference', () => {
    const complex = evaluation('complex', 2, base);
    const worse = evaluation(
      'worse',
      1,
      base.map((loss) => loss + 0.01),
    );
    assert.equal(chooseCandidate([worse, complex], undefined)?.candidate.id, 'complex');
  });

  test('rows that no fold tested do not count, and nothing usable gives nothing', () => {
    const partly = evaluation('partly', 1, [0.1, Number.NaN, 0.3]);
    assert.equal(chooseCandidate([partly], undefined), partly);
    assert.equal(chooseCandidate([evaluation('none', 1, [Number.NaN])], undefined), undefined);
  });
});

describe('folds', () => {
  test.each([
    [100, 15, 'cross-validation'],
    [1_000, 10, 'cross-validation'],
    [5_000, 5, 'cross-validation'],
    [50_000, 3, 'cross-validation'],
    [120_000, 1, 'holdout'],
  ])('%i rows: %i folds, each row on one side, classes in proportion, the same for a seed', (rows, count, strategy) => {
    const target = Float64Array.from({ length: rows }, (_, row) => (row % 10 === 0 ? 1 : 0));
    const plan = planFolds(target, true, 7);
    assert.deepEqual([plan.folds.length, plan.strategy], [count, strategy]);
    for (const { train, test: held } of plan.folds) {
      assert.equal(new Set([...train, ...held]).size, rows);
      const positives = held.reduce((sum, row) => sum + (target[row] as number), 0);
      assert.ok(Math.abs(positives - held.length / 10) <= 1);
    }
    assert.deepEqual(planFolds(target, true, 7).folds[0], plan.folds[0]);
    assert.notDeepEqual(planFolds(target, true, 8).folds[0], plan.folds[0]);
  });
});

describe('candidates', () => {
  test('are the same for a seed, unique, within the limit, and of the trainers asked for', () => {
    for (const rows of [100, 5_000, 50_000]) {
      const groups = planCandidates(['linear', 'gbdt'], rows, 3);
      assert.deepEqual(planCandidates(['linear', 'gbdt'], rows, 3), groups);
      const ids = groups.flat().map((candidate) => candidate.id);
      assert.equal(new Set(ids).size, ids.length);
      assert.ok(ids.length <= CANDIDATE_LIMIT);
    }
    assert.ok(
      planCandidates(['linear'], 100, 3)
        .flat()
        .every((candidate) => candidate.trainer === 'linear'),
    );
  });
});
