import type { Column, Frame } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { expect, test } from 'vitest';
import { estimateQuality } from './estimate-quality.ts';
import { measureQuality } from './quality.ts';
import { learnCalibration, learnLosses } from './quality-reference.ts';

const random = createRandom(21);
const BINARY = { task: 'binary', classes: ['no', 'yes'], positive: 'yes' } as const;

/** A model that says more than it knows: the truth is half as far from a coin as it claims. */
function overconfident(count: number, sharpness: number) {
  return Array.from({ length: count }, () => {
    const p = 1 / (1 + Math.exp(-sharpness * random.normal()));
    const truth = random.next() < 0.5 + (p - 0.5) / 2 ? 'yes' : 'no';
    return { prediction: p > 0.5 ? 'yes' : 'no', probabilities: { no: 1 - p, yes: p }, outcome: truth, weight: 1 };
  });
}

test('MO50 quality estimated without labels holds the measured one in its band, also for a model that is overconfident', async () => {
  const seen = overconfident(8_000, 3);
  const reference = learnCalibration(
    BINARY.classes,
    seen.flatMap(({ probabilities }) => [probabilities.no, probabilities.yes]),
    seen.map(({ outcome }) => (outcome === 'yes' ? 1 : 0)),
  );
  if (!reference) throw new Error('two classes');
  let inside = 0;
  const overclaims: number[] = [];
  let checked = 0;
  for (const sharpness of [3, 2, 1]) {
    const live = overconfident(2_000, sharpness);
    const measured = measureQuality(live, BINARY).metrics;
    const estimated = await estimateQuality(live, BINARY, reference, undefined);
    expect(estimated).toMatchObject({ count: 2_000, method: 'confidence-based-estimation', reason: null });
    for (const metric of ['accuracy', 'roc_auc', 'f1', 'log_loss']) {
      const band = estimated.metrics[metric];
      const value = measured[metric] as number;
      checked += 1;
      if (value >= (band?.low as number) && value <= (band?.high as number)) inside += 1;
      expect(Math.abs(value - (band?.value as number))).toBeLessThan(0.05);
    }
    // The control: the model's own confidence claims far more than is true.
    const claimed = live.reduce((sum, { probabilities }) => sum + Math.max(probabilities.no, probabilities.yes), 0) / live.length;
    overclaims.push(claimed - (measured['accuracy'] as number));
  }
  expect(Math.max(...overclaims)).toBeGreaterThan(0.1);
  expect(inside / checked).toBeGreaterThanOrEqual(0.75);
});

test('MO51 several classes are estimated, and too few calls are not', async () => {
  const classes = ['a', 'b', 'c'];
  const draw = (count: number) =>
    Array.from({ length: count }, () => {
      const raw = classes.map(() => -Math.log(random.next()));
      const total = raw.reduce((sum, value) => sum + value, 0);
      const probabilities = raw.map((value) => value / total);
      let rest = random.next();
      const truth = probabilities.findIndex((p) => (rest -= p) < 0);
      return { probabilities, truth: Math.max(0, truth), predicted: probabilities.indexOf(Math.max(...probabilities)) };
    });
  const seen = draw(6_000);
  const reference = learnCalibration(
    classes,
    seen.flatMap((row) => row.probabilities),
    seen.map((row) => row.truth),
  );
  if (!reference) throw new Error('three classes');
  const live = draw(3_000);
  const calls = live.map(({ probabilities, predicted }) => ({
    prediction: classes[predicted] as string,
    probabilities: Object.fromEntries(classes.map((name, index) => [name, probabilities[index] as number])),
  }));
  const task = { task: 'multiclass', classes, positive: null } as const;
  const accuracy = live.filter((row) => row.truth === row.predicted).length / live.length;
  expect(
    Math.abs(((await estimateQuality(calls, task, reference, undefined)).metrics['accuracy']?.value as number) - accuracy),
  ).toBeLessThan(0.03);
  expect(await estimateQuality(calls.slice(0, 50), task, reference, undefined)).toMatchObject({
    metrics: {},
    reason: expect.any(String) as string,
  });
});

test('MO52 errors of a regression are expected from the inputs: calls from where it is bad are known to be bad', async () => {
  const draw = (count: number, wild: (row: number) => boolean) => {
    const x = Float64Array.from({ length: count }, (_, row) => (wild(row) ? 1 : -1) + random.normal() / 10);
    const predicted = x.map((value) => 3 * value);
    const truth = predicted.map((value, row) => value + random.normal() * ((x[row] as number) > 0 ? 4 : 0.5));
    const frame: Frame = { rowCount: count, columns: new Map<string, Column>([['x', { kind: 'number', values: x }]]) };
    return { frame, predicted, truth };
  };
  const seen = draw(4_000, (row) => row % 2 === 0);
  const reference = await learnLosses(seen.frame, ['x'], seen.predicted, seen.truth);
  for (const wild of [() => true, () => false]) {
    const live = draw(1_000, wild);
    const calls = Array.from(live.predicted, (prediction) => ({ prediction, probabilities: null }));
    const { metrics } = await estimateQuality(calls, { task: 'regression', classes: null, positive: null }, reference, live.frame);
    const mae = live.predicted.reduce((sum, value, row) => sum + Math.abs(value - (live.truth[row] as number)), 0) / 1_000;
    expect(Math.abs((metrics['mae']?.value as number) / mae - 1)).toBeLessThan(0.15);
    expect(metrics['rmse']?.value as number).toBeGreaterThan(metrics['mae']?.value as number);
  }
});
