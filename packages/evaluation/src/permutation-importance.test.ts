import { CancelledError, type Frame, textColumn } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, expect, test } from 'vitest';
import { EvaluationInputError, IMPORTANCE_ROW_LIMIT, type ImportanceRequest, permutationImportance } from './index.ts';

/** A model known by heart: its answer depends on `strong` and `group`, a little on `weak`, and not on `unused`. */
function request(rows = 1_000): ImportanceRequest & { calls: number[] } {
  const random = createRandom('importance');
  const column = () => ({ kind: 'number' as const, values: Float64Array.from({ length: rows }, () => random.normal()) });
  const group = textColumn(Array.from({ length: rows }, () => ['x', 'y', null][random.int(3)] ?? null));
  const frame: Frame = {
    rowCount: rows,
    columns: new Map([
      ['strong', column()],
      ['weak', column()],
      ['unused', column()],
      ['group', group],
    ]),
  };
  const calls: number[] = [];
  const predict = (table: Frame) => {
    calls.push(table.rowCount);
    return Promise.resolve({ values: answer(table) });
  };
  const truth = answer(frame).map((value) => value + 0.1 * random.normal());
  return {
    task: 'regression',
    classes: null,
    positive: null,
    predict,
    frame,
    truth,
    fields: ['strong', 'weak', 'unused', 'group'],
    seed: 1,
    calls,
  };
}

function answer(table: Frame): Float64Array {
  return Float64Array.from({ length: table.rowCount }, (_, row) => answerOf(table, row));
}

function answerOf(table: Frame, row: number): number {
  const [strong, weak, group] = ['strong', 'weak', 'group'].map((name) => table.columns.get(name));
  if (strong?.kind !== 'number' || weak?.kind !== 'number' || group?.kind !== 'text') throw new Error('unexpected columns');
  return 3 * (strong.values[row] as number) + 0.3 * (weak.values[row] as number) + ((group.codes[row] as number) < 0 ? 1 : 0);
}

test('columns come in the order in which the model uses them, one it does not use counts exactly nothing', async () => {
  const { fields, metric, rows } = await permutationImportance(request());
  expect(fields.map((field) => field.field)).toEqual(['strong', 'group', 'weak', 'unused']);
  expect(fields.at(-1)).toEqual({ field: 'unused', importance: 0, deviation: 0 });
  expect([metric, rows]).toEqual(['rmse', 1_000]);
});

test('a classifier is measured by the loss of ROC AUC', async () => {
  const base = request(600);
  const truth = Int32Array.from(base.truth, (value) => (value > 0 ? 1 : 0));
  const predict = async (frame: Frame) => {
    const predictions = await base.predict(frame);
    if (!('values' in predictions)) throw new Error('values expected');
    const positive = Array.from(predictions.values, (value) => 1 / (1 + Math.exp(-value)));
    return { probabilities: Float32Array.from(positive.flatMap((p) => [1 - p, p])) };
  };
  const importances = await permutationImportance({ ...base, task: 'binary', classes: ['n', 'y'], truth, predict });
  expect(importances.metric).toBe('roc_auc');
  expect(importances.fields[0]?.field).toBe('strong');
  expect(importances.fields[0]?.importance).toBeGreaterThan(0.3);
  const single = await permutationImportance({ ...base, task: 'binary', classes: ['n', 'y'], truth: new Int32Array(600), predict });
  expect(single.metric).toBe('log_loss');
});

test('more rows than the limit are sampled, and the same seed repeats everything', async () => {
  const large = request(IMPORTANCE_ROW_LIMIT + 1);
  const importances = await permutationImportance(large);
  expect(importances.rows).toBe(IMPORTANCE_ROW_LIMIT);
  expect(large.calls.every((rows) => rows === IMPORTANCE_ROW_LIMIT)).toBe(true);
  expect(large.calls).toHaveLength(1 + 4 * 3);
  expect(await permutationImportance(large)).toEqual(importances);
});

test('progress rises to one and a cancelled measurement stops', async () => {
  const ratios: number[] = [];
  await permutationImportance({ ...request(50), onProgress: (ratio) => ratios.push(ratio) });
  expect(ratios).toEqual(ratios.toSorted((a, b) => a - b));
  expect(ratios.at(-1)).toBe(1);
  const stop = new AbortController();
  const stopping = request(50);
  await expect(permutationImportance({ ...stopping, signal: stop.signal, onProgress: () => stop.abort() })).rejects.toThrow(CancelledError);
  expect(stopping.calls.length).toBeLessThan(4);
});

describe('refused', () => {
  test.each<[string, Partial<ImportanceRequest>]>([
    ['a column that is not there', { fields: ['nothing'] }],
    ['no repeats', { repeats: 0 }],
    ['truth of other rows', { truth: new Float64Array(3) }],
  ])('%s', async (_name, change) => {
    await expect(permutationImportance({ ...request(50), ...change })).rejects.toThrow(EvaluationInputError);
  });
});
