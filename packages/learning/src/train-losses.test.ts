import assert from 'node:assert/strict';
import { type Column, Contract, type Frame, textColumn } from '@slipway/kernel';
import { maxParityError } from '@slipway/models';
import { createRandom } from '@slipway/statistics';
import { describe, expect, test } from 'vitest';
import { TargetError, TrainRequestError } from './errors.ts';
import { planFolds } from './search/folds.ts';
import { compareWithGraph } from './testing/open-fitted.ts';
import { train, type TrainRequest } from './train.ts';

const ROWS = 900;
const field = (name: string, type: 'float64' | 'string', role: 'numeric' | 'categorical') => ({ name, type, role, nullable: true });
const contract = Contract.parse({
  format: 'slipway.contract/1',
  fields: [field('age', 'float64', 'numeric'), field('debt', 'float64', 'numeric'), field('kind', 'string', 'categorical')],
});

function frameOf(seed: number, rowCount = ROWS): Frame {
  const random = createRandom(seed);
  const number = () => Float64Array.from({ length: rowCount }, () => (random.next() < 0.05 ? Number.NaN : 40 + 12 * random.normal()));
  const kinds = Array.from({ length: rowCount }, () => ['x', 'y', 'z', null][random.int(4)] ?? null);
  return {
    rowCount,
    columns: new Map<string, Column>([
      ['age', { kind: 'number', values: number() }],
      ['debt', { kind: 'number', values: number() }],
      ['kind', textColumn(kinds)],
    ]),
  };
}

function numberOf(frame: Frame, name: string, row: number): number {
  const column = frame.columns.get(name);
  return column?.kind === 'number' && !Number.isNaN(column.values[row]) ? (column.values[row] as number) : 40;
}

/** Whole numbers from 0: a count, an amount and a grade at once. */
function targetOf(frame: Frame): Float64Array {
  const random = createRandom('target');
  return Float64Array.from({ length: frame.rowCount }, (_, row) => {
    const signal = (numberOf(frame, 'age', row) - 40) / 12 + Math.sin(numberOf(frame, 'debt', row) / 6);
    return Math.min(6, Math.max(0, Math.round(signal + 2 + random.normal() / 2)));
  });
}

const frame = frameOf(1);
const target = targetOf(frame);
const base: TrainRequest = {
  frame,
  contract,
  task: 'regression',
  target,
  classes: null,
  seed: 1,
  fixed: { trainer: 'gbdt', params: { rounds: 40, leafLimit: 8 } },
};
const queries = Int32Array.from({ length: ROWS }, (_, row) => row % 45);

const CASES: readonly (Partial<TrainRequest> & { readonly name: string })[] = [
  { name: 'absolute', loss: { kind: 'absolute' } },
  { name: 'quantile', loss: { kind: 'quantile', level: 0.8 } },
  { name: 'poisson', loss: { kind: 'poisson' } },
  { name: 'tweedie', loss: { kind: 'tweedie', power: 1.4 } },
  { name: 'a ranking', task: 'ranking', queries },
  { name: 'squared', loss: { kind: 'squared' } },
];

/** Rows that differ in one number only, from low to high. */
function ladder(seed: number, name: string): Frame {
  const one = frameOf(seed, 1);
  const steps = 50;
  const columns = new Map(
    [...one.columns].map(([key, column]): [string, Column] => {
      if (column.kind === 'text') return [key, { ...column, codes: new Int32Array(steps).fill(column.codes[0] as number) }];
      const values = Float64Array.from({ length: steps }, (_, step) => (key === name ? 5 + 1.5 * step : (column.values[0] as number)));
      return [key, { kind: 'number', values }];
    }),
  );
  return { rowCount: steps, columns };
}

describe('LE9 LE10 losses and constraints in the graph', () => {
  test.each(CASES)('$name: the graph says what the trainer says, and never falls where it must rise', async (own) => {
    const constraints = { monotone: { age: 'increasing' }, interactions: [['age', 'kind']] } as const;
    const model = await train({ ...base, ...own, constraints });
    const { trainer, graph } = await compareWithGraph(model.fitted, contract, frameOf(2));
    expect(maxParityError(trainer.values ?? [], graph.values ?? [], model.task).maxError).toBeLessThan(1e-9);
    for (let seed = 10; seed < 30; seed += 1) {
      const { values = new Float64Array(0) } = (await compareWithGraph(model.fitted, contract, ladder(seed, 'age'))).graph;
      values.forEach((value, step) => assert.ok(step === 0 || value >= (values[step - 1] as number) - 1e-9, `seed ${seed} step ${step}`));
      assert.ok((values.at(-1) as number) > (values[0] as number), 'and it does rise');
    }
  });

  test('a log link predicts amounts above zero whose mean is the mean of the target', async () => {
    const model = await train({ ...base, loss: { kind: 'poisson' } });
    const values = model.predict(frame).values ?? new Float64Array(0);
    assert.ok(values.every((value) => value > 0));
    const mean = (numbers: Float64Array) => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
    expect(mean(values) / mean(target)).toBeCloseTo(1, 1);
    assert.equal(model.fitted.link, 'log');
  });

  test('a search learns the loss it was given, with trees only, and the same model comes back from its parameters', async () => {
    const { fixed: _, ...open } = base;
    const request = { ...open, loss: { kind: 'quantile', level: 0.8 }, seconds: 2 } as const;
    const model = await train(request);
    assert.ok(model.leaderboard.length > 0 && model.leaderboard.every((entry) => entry.trainer === 'gbdt'));
    const again = await train({ ...open, loss: request.loss, fixed: { trainer: model.trainer, params: model.params } });
    assert.deepEqual(again.bytes, model.bytes);
  });

  test('folds of a ranking keep queries whole, and rank better than chance', async () => {
    const plan = planFolds(target, false, 1, queries);
    for (const { train: learnt, test: held } of plan.folds) {
      const known = new Set(Array.from(learnt, (row) => queries[row]));
      assert.ok(held.length > 0 && held.every((row) => !known.has(queries[row])));
      assert.equal(learnt.length + held.length, ROWS);
    }
    const { fixed: _, ...open } = base;
    const model = await train({ ...open, task: 'ranking', queries, seconds: 10 });
    const losses = model.leaderboard.map((entry) => entry.scores['loss'] as number);
    expect(Math.min(...losses)).toBeLessThan(0.3);
  });

  test.each([
    [
      'a loss for classes',
      { task: 'binary', target: target.map((value) => Number(value > 2)), classes: ['no', 'yes'], loss: { kind: 'absolute' } },
    ],
    ['counts below zero', { loss: { kind: 'poisson' }, target: target.map((value) => value - 3) }],
    ['a ranking without queries', { task: 'ranking' }],
    ['queries without a ranking', { queries }],
    ['queries of other rows', { task: 'ranking', queries: queries.slice(1) }],
    ['a grade above 31', { task: 'ranking', queries, target: target.map((value) => value * 10) }],
    ['the linear trainer with a quantile', { loss: { kind: 'quantile' }, fixed: { trainer: 'linear', params: {} } }],
    [
      'an order among classes',
      {
        task: 'multiclass',
        target: target.map((value) => value % 3),
        classes: ['a', 'b', 'c'],
        constraints: { monotone: { age: 'increasing' } },
      },
    ],
    ['an order of a category', { constraints: { monotone: { kind: 'increasing' } } }],
    ['a column that is not there', { constraints: { interactions: [['age', 'nobody']] } }],
  ] as [string, Partial<TrainRequest>][])('%s is refused', async (_, own) => {
    await assert.rejects(train({ ...base, ...own }), (error) => error instanceof TrainRequestError || error instanceof TargetError);
  });
});
