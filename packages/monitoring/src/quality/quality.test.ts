import { createRandom, f1, logLoss, macroF1, r2, rmse, rocAuc } from '@slipway/statistics';
import { expect, test } from 'vitest';
import { measureQuality } from './quality.ts';

const random = createRandom(7);

test('MO10 binary quality is that of the metrics themselves, with the positive class as the version says', () => {
  const rows = Array.from({ length: 500 }, () => {
    const p = random.next();
    return { p, label: random.next() < p ? 1 : 0, weight: 1 + random.int(3) };
  });
  const pairs = rows.map(({ p, label, weight }) => ({
    prediction: p > 0.5 ? 'yes' : 'no',
    probabilities: { no: 1 - p, yes: p },
    outcome: label === 1 ? 'yes' : 'no',
    weight,
  }));
  const [scores, labels, weights] = [rows.map((row) => row.p), rows.map((row) => row.label), rows.map((row) => row.weight)];
  const { metrics, count, skipped } = measureQuality(pairs, { task: 'binary', classes: ['no', 'yes'], positive: 'yes' });
  expect({ count, skipped }).toEqual({ count: 500, skipped: 0 });
  expect(metrics['roc_auc']).toBeCloseTo(rocAuc(scores, labels, weights), 12);
  expect(metrics['log_loss']).toBeCloseTo(logLoss(scores, labels, weights), 12);
  expect(metrics['f1']).toBeCloseTo(
    f1(
      scores.map((p) => (p > 0.5 ? 1 : 0)),
      labels,
      weights,
    ),
    12,
  );
  const other = measureQuality(pairs, { task: 'binary', classes: ['no', 'yes'], positive: 'no' });
  expect(other.metrics['recall']).not.toBeCloseTo(metrics['recall'] as number, 6);
});

test('MO11 numbers and booleans as outcomes match classes by their text; others are skipped and counted', () => {
  const pair = { prediction: '1', probabilities: { 0: 0.2, 1: 0.8 }, weight: 1 };
  const outcomes = [1, 0, '1', 'maybe', null, { a: 1 }];
  const found = measureQuality(
    outcomes.map((outcome) => ({ ...pair, outcome })),
    { task: 'binary', classes: ['0', '1'], positive: '1' },
  );
  expect(found).toMatchObject({ count: 3, skipped: 3 });
  const unscored = measureQuality([{ ...pair, outcome: 1, probabilities: null }], { task: 'binary', classes: ['0', '1'], positive: '1' });
  expect(unscored).toMatchObject({ count: 0, skipped: 1 });
  expect(Object.values(unscored.metrics).every((value) => value === null)).toBe(true);
});

test('MO12 an undefined metric is null: the ROC AUC of one class', () => {
  const pairs = [1, 2].map(() => ({ prediction: 'a', probabilities: { a: 0.9, b: 0.1 }, outcome: 'a', weight: 1 }));
  const { metrics } = measureQuality(pairs, { task: 'binary', classes: ['a', 'b'], positive: 'b' });
  expect(metrics['roc_auc']).toBeNull();
  expect(metrics['accuracy']).toBe(1);
});

test('MO13 several classes and numbers are measured by their own metrics', () => {
  const classes = ['a', 'b', 'c'];
  const rows = Array.from({ length: 300 }, () => ({ label: random.int(3), raw: [random.next(), random.next(), random.next()] }));
  const scaled = rows.map(({ raw }) => raw.map((value) => value / raw.reduce((a, b) => a + b)));
  const guesses = scaled.map((values) => values.indexOf(Math.max(...values)));
  const pairs = rows.map(({ label }, index) => ({
    prediction: classes[guesses[index] as number] as string,
    probabilities: Object.fromEntries(classes.map((name, at) => [name, scaled[index]?.[at] as number])),
    outcome: classes[label] as string,
    weight: 1,
  }));
  const multiclass = measureQuality(pairs, { task: 'multiclass', classes, positive: null });
  expect(multiclass.metrics['macro_f1']).toBeCloseTo(
    macroF1(
      guesses,
      rows.map((row) => row.label),
      3,
    ),
    12,
  );

  const truth = Array.from({ length: 100 }, () => random.normal());
  const predicted = truth.map((value) => value + random.normal() / 10);
  const numbers = truth.map((outcome, index) => ({ prediction: predicted[index] as number, probabilities: null, outcome, weight: 1 }));
  const regression = measureQuality([...numbers, { ...numbers[0], outcome: 'x' } as never], {
    task: 'regression',
    classes: null,
    positive: null,
  });
  expect(regression).toMatchObject({ count: 100, skipped: 1 });
  expect(regression.metrics['rmse']).toBeCloseTo(rmse(predicted, truth), 9);
  expect(regression.metrics['r2']).toBeCloseTo(r2(predicted, truth), 9);
});
