import assert from 'node:assert/strict';
import { createRandom } from '@slipway/statistics';
import { describe, test } from 'vitest';
import { TREE_DEFAULTS } from '../trees/parameters.ts';
import { firstGroups, type Group, HISTORY_LIMIT, waveGroups } from './candidates.ts';
import { Budget, refitRounds } from './budget.ts';
import { chooseCandidate, Patience } from './choose.ts';
import type { Evaluation } from './compare.ts';
import { planFolds, planForwardFolds } from './folds.ts';
import { planRungs } from './rungs.ts';

function evaluation(id: string, complexity: number, rowLosses: readonly number[]): Evaluation {
  const known = rowLosses.filter((loss) => !Number.isNaN(loss));
  const candidate = { id, trainer: 'linear' as const, interactions: 0, penalty: { strength: 1, l1Ratio: 0 }, complexity };
  return {
    candidate,
    rowLosses: Float64Array.from(rowLosses),
    loss: known.reduce((sum, loss) => sum + loss, 0) / known.length,
    rocAuc: null,
    rounds: 0,
    roundsGrown: 0,
    seconds: 0,
    latencyUs: 1,
    foldCount: 5,
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
  /** Waves after which it still went on. */
  const wavesOf = (bests: readonly (Evaluation | undefined)[], waves: number): number => {
    const patience = new Patience(waves, undefined);
    const end = bests.findIndex((best) => !patience.continuesAfter(best));
    return end < 0 ? bests.length : end;
  };

  test('when as many waves as its patience brought nothing that rows can tell from the best', () => {
    const better = exact('b', 0.1);
    assert.equal(wavesOf([exact('a', 0), better, better, noisy('c', 0.1001), better, better], 2), 3);
    assert.equal(wavesOf([exact('a', 0), better], 2), 2);
  });

  test('not while better ones come, and small steps add up to a better one', () => {
    const falling = Array.from({ length: 10 }, (_, index) => exact(`s${index}`, index * 0.001));
    assert.equal(wavesOf(falling, 1), 10);
    const wobble = Float64Array.from(base, () => 0.02 * random.normal());
    const small = Array.from({ length: 10 }, (_, index) =>
      evaluation(
        `w${index}`,
        1,
        base.map((loss, row) => loss - index * 0.0004 + (index % 2) * (wobble[row] as number)),
      ),
    );
    assert.equal(wavesOf(small, 4), 10);
  });

  test('not before there is anything to choose', () => {
    assert.equal(wavesOf([undefined, undefined, undefined], 1), 3);
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

describe('LE23 folds of rows in order of time', () => {
  test.each([
    [200, 3, 'cross-validation'],
    [120_000, 1, 'holdout'],
  ])(
    '%i rows: each of %i folds holds out rows later than all that it trains on, rows without a time are the earliest',
    (rows, count, strategy) => {
      const random = createRandom(3);
      const time = Float64Array.from({ length: rows }, (_, row) => (row % 50 === 0 ? Number.NaN : random.int(1_000_000)));
      const plan = planForwardFolds(time);
      assert.deepEqual([plan.folds.length, plan.strategy], [count, strategy]);
      for (const { train, test: held } of plan.folds) {
        const latest = train.reduce((most, row) => Math.max(most, time[row] || 0), 0);
        assert.ok(held.length > 0 && train.length > held.length);
        assert.ok(held.every((row) => (time[row] as number) >= latest));
      }
      assert.equal(plan.folds[0]?.test.length, rows - (plan.folds[0]?.train.length ?? 0));
    },
  );
});

describe('candidates', () => {
  const options = { trainers: ['linear', 'gbdt'] as const, rowCount: 5_000, outputCount: 1, seed: 3 };
  const [, firstTrees] = firstGroups(options);
  const best = firstTrees?.[0];
  assert.equal(best?.trainer, 'gbdt');

  test('are the same for a seed, unique, and of the trainers asked for', () => {
    for (const rowCount of [100, 5_000, 50_000]) {
      const all = (seed: number): Group[] => [
        ...firstGroups({ ...options, rowCount, seed }),
        ...Array.from({ length: 30 }, (_, wave) => waveGroups(wave, { ...options, rowCount, seed }, best)).flat(),
      ];
      assert.deepEqual(all(3), all(3));
      assert.notDeepEqual(all(3), all(4));
      const ids = all(3)
        .flat()
        .map((candidate) => candidate.id);
      assert.equal(new Set(ids).size, ids.length);
    }
    const onlyLinear = [0, 1, 2].flatMap((wave) => waveGroups(wave, { ...options, trainers: ['linear'] }, undefined)).flat();
    assert.ok(onlyLinear.length > 0 && onlyLinear.every((candidate) => candidate.trainer === 'linear'));
  });

  test('small tables are tried with fewer, and no search goes on for ever', () => {
    const wavesAt = (rowCount: number) => {
      let wave = 0;
      while (waveGroups(wave, { ...options, rowCount }, best).length > 0) wave += 1;
      return wave;
    };
    assert.ok(wavesAt(500) < wavesAt(5_000));
    assert.ok(wavesAt(1e6) < 20);
  });

  test('LE21 what was good in the past comes first, members of ensembles each by itself, and twice the same only once', () => {
    const tree = { ...TREE_DEFAULTS, leafLimit: 17, rounds: 300 };
    const history = [
      { trainer: 'gbdt', params: tree },
      {
        trainer: 'ensemble',
        params: {
          members: [
            { trainer: 'gbdt', weight: 0.5, params: tree },
            { trainer: 'linear', weight: 0.5, params: { strength: 0.42, l1Ratio: 0 } },
          ],
        },
      },
      { trainer: 'rules', params: {} },
    ];
    const [past, member, third] = waveGroups(0, { ...options, history }, undefined);
    assert.equal(past?.[0]?.trainer === 'gbdt' && past[0].parameters.leafLimit, 17);
    assert.equal(member?.[0]?.trainer === 'linear' && member[0].penalty.strength, 0.42);
    assert.ok(!third?.[0]?.id.startsWith('past'));
    const many = Array.from({ length: 50 }, (_, index) => ({ trainer: 'gbdt', params: { ...tree, leafLimit: 2 + index } }));
    const taken = waveGroups(0, { ...options, history: many }, undefined).filter((group) => group[0]?.id.startsWith('past'));
    assert.equal(taken.length, HISTORY_LIMIT);
  });
});

describe('rungs', () => {
  const fold = (rows: number) => ({ train: new Int32Array(rows), test: new Int32Array(10) });
  test.each([15, 10, 5, 3])('%i folds are each reached once, ever fewer candidates on ever more of them', (count) => {
    const rungs = planRungs(Array.from({ length: count }, () => fold(100)));
    assert.deepEqual(
      rungs.flatMap((rung) => rung.folds),
      Array.from({ length: count }, (_, at) => at),
    );
    assert.ok(rungs.length > 1 && rungs.every((rung) => rung.rowRatio === 1));
  });

  test('a single large fold is first tried with a part of its rows, a small one is not', () => {
    assert.deepEqual(
      planRungs([fold(90_000)]).map((rung) => rung.rowRatio),
      [0.25, 1],
    );
    assert.equal(planRungs([fold(1_000)]).length, 1);
  });
});
