import assert from 'node:assert/strict';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { CANDIDATE_LIMIT, planCandidates } from './candidates.ts';
import { Budget, refitRounds } from './budget.ts';
import { chooseCandidate, settledAfter } from './choose.ts';
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
    roundsGrown: 0,
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

describe('LE6 a search settles', () => {
  const random = createRandom(2);
  const base = Array.from({ length: 500 }, () => random.next());
  const noisy = (id: string, gain: number) =>
    evaluation(
      id,
      1,
      base.map((loss) => loss - gain + 0.5 * random.normal()),
    );
  const exact = (id: string, gain: number) =>
    evaluation(
      id,
      1,
      base.map((loss) => loss - gain),
    );

  test('when as many groups as its patience brought nothing that rows can tell from the best', () => {
    const groups = [[exact('a', 0)], [noisy('b', 0.001), exact('c', -0.1)], [], [noisy('d', 0.001)], [exact('e', 0.2)]];
    assert.equal(settledAfter(groups, undefined, 3), 4);
    assert.equal(settledAfter(groups.slice(0, 3), undefined, 3), undefined);
  });

  test('not while better ones come, and small steps add up to a better one', () => {
    const falling = Array.from({ length: 10 }, (_, index) => [exact(`s${index}`, index * 0.001)]);
    assert.equal(settledAfter(falling, undefined, 2), undefined);
    const wobble = Float64Array.from(base, () => 0.02 * random.normal());
    const small = Array.from({ length: 10 }, (_, index) => [
      evaluation(
        `w${index}`,
        1,
        base.map((loss, row) => loss - index * 0.0004 + (index % 2) * (wobble[row] as number)),
      ),
    ]);
    assert.equal(settledAfter(small, undefined, 4), undefined);
  });

  test('not before there is anything to choose', () => {
    assert.equal(settledAfter([[], [], [evaluation('none', 1, [Number.NaN])]], undefined, 2), undefined);
  });
});

describe('the budget', () => {
  const options = { startedMs: 1_000, seconds: 10, rowCount: 1_000, foldCount: 5, foldRowCount: 800 };
  const tree = { ...evaluation('tree', 1, [1]), rounds: 100, roundsGrown: 600, seconds: 6 };

  test('leaves time for the refit of the best candidate and of the one that is tried', () => {
    const budget = new Budget(options);
    const endMs = options.startedMs + 10_000;
    // 600 rounds of 800 rows took 6 s: 112 rounds of 1,000 rows take 1.4 s.
    const refitMs = budget.refitMs(tree);
    assert.equal(refitRounds(100, 1_000, 800), 112);
    assert.ok(refitMs >= 1_400 && refitMs <= 2_000, String(refitMs));
    assert.ok(budget.deadlineMs(1_000, tree) + refitMs <= endMs);
    const startMs = 3_000;
    const deadlineMs = budget.deadlineMs(startMs, undefined);
    const slowest = { ...tree, rounds: 120, roundsGrown: 600, seconds: (deadlineMs - startMs) / 1_000 };
    assert.ok(deadlineMs > startMs && deadlineMs + budget.refitMs(slowest) <= endMs);
  });

  test('a costlier refit leaves less, and a linear one next to nothing', () => {
    const budget = new Budget(options);
    assert.ok(budget.deadlineMs(1_000, { ...tree, seconds: 12 }) < budget.deadlineMs(1_000, tree));
    const linear = { ...evaluation('linear', 0, [1]), seconds: 0.1 };
    assert.ok(budget.refitMs(linear) < 100);
  });
});

describe('folds', () => {
  test.each([300, 120_000])('%i rows: of a class with two rows one is always trained on', (rows) => {
    const target = Float64Array.from({ length: rows }, (_, row) => (row === 7 || row === 90 ? 2 : row % 2));
    for (let seed = 0; seed < (rows > 1_000 ? 3 : 30); seed += 1) {
      for (const { train } of planFolds(target, true, seed).folds) assert.ok(train.some((row) => target[row] === 2));
    }
  });

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
