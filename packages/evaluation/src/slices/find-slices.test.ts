import { type Frame, textColumn } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, expect, it } from 'vitest';
import { SlicesSection } from './contract.ts';
import { findSlices } from './find-slices.ts';

const FIELDS = [
  { name: 'city', type: 'string' },
  { name: 'age', type: 'float64' },
  { name: 'plan', type: 'string' },
  { name: 'member', type: 'boolean' },
] as const;

interface RowOfTable {
  readonly city: string;
  readonly age: number;
  readonly plan: string;
  readonly member: number;
}

/** A table whose model knows the truth well, except where `isHard` says so: there it guesses. */
function table(rows: number, isHard: (row: RowOfTable) => boolean, seed: number | string = 1) {
  const random = createRandom(seed);
  const cells = Array.from({ length: rows }, (): RowOfTable => ({
    city: ['Bern', 'Rome', 'Oslo', 'Graz'][random.int(4)] as string,
    age: random.int(20) === 0 ? Number.NaN : 18 + Math.floor(random.next() * 60),
    plan: ['basic', 'plus'][random.int(2)] as string,
    member: random.int(2),
  }));
  const truth = Int32Array.from(cells, () => random.int(2));
  const probabilities = new Float64Array(2 * rows);
  cells.forEach((cells_, row) => {
    const right = isHard(cells_) ? 0.1 + 0.8 * random.next() : 0.7 + 0.25 * random.next();
    const positive = truth[row] === 1 ? right : 1 - right;
    probabilities.set([1 - positive, positive], 2 * row);
  });
  const frame: Frame = {
    rowCount: rows,
    columns: new Map([
      ['city', textColumn(cells.map((row) => row.city))],
      ['age', { kind: 'number' as const, values: Float64Array.from(cells, (row) => row.age) }],
      ['plan', textColumn(cells.map((row) => row.plan))],
      ['member', { kind: 'number' as const, values: Float64Array.from(cells, (row) => row.member) }],
    ]),
  };
  return {
    task: 'binary',
    classes: ['no', 'yes'],
    positive: 'yes',
    truth,
    predictions: { probabilities },
    frame,
    fields: FIELDS,
    seed: 7,
  } as const;
}

describe('slices', () => {
  it('names the value that the model is worst on, and how bad it is', async () => {
    const section = await findSlices(table(3_000, (row) => row.city === 'Rome'));
    const [worst] = section.worst;
    expect(worst?.label).toBe('city = Rome');
    expect(worst?.lift).toBeGreaterThan(3);
    expect(worst?.metric.value).toBeLessThan(0.7);
    expect(worst?.restMetric).toBeGreaterThan(0.99);
    expect(worst?.loss.low).toBeLessThan(worst?.loss.value ?? 0);
    expect(worst?.accuracy?.high).toBeLessThan(0.8);
    expect(SlicesSection.parse(section)).toEqual(section);
  });

  it('names a pair when neither of its columns alone is to blame', async () => {
    const section = await findSlices(table(4_000, (row) => row.city === 'Oslo' && row.plan === 'plus'));
    expect(section.worst[0]?.label).toBe('city = Oslo and plan = plus');
  });

  it('does not name pairs that are no worse than one of their columns', async () => {
    const section = await findSlices(table(4_000, (row) => row.city === 'Rome'));
    expect(section.worst.filter((slice) => slice.conditions.length === 2)).toEqual([]);
  });

  it('cuts numbers into ranges and takes missing cells as a group', async () => {
    const young = await findSlices(table(3_000, (row) => row.age < 30));
    expect(young.worst[0]?.conditions[0]).toMatchObject({ column: 'age', from: null });
    const missing = await findSlices(table(4_000, (row) => Number.isNaN(row.age)));
    expect(missing.worst[0]?.label).toBe('age is missing');
  });

  it('finds nothing where there is nothing, in nineteen of twenty tables', async () => {
    const finds = await Promise.all(
      Array.from({ length: 60 }, async (_, seed) => (await findSlices(table(800, () => false, `even ${seed}`))).worst.length),
    );
    expect(finds.filter((count) => count > 0).length).toBeLessThanOrEqual(6);
  });

  it('tests no slice below the minimum support', async () => {
    const section = await findSlices(table(500, (row) => row.city === 'Bern'));
    expect(section.rowsMin).toBe(30);
    expect([...section.worst, ...section.biased].every((slice) => slice.rows >= section.rowsMin)).toBe(true);
  });

  it('names where numbers are underestimated on average', async () => {
    const random = createRandom(3);
    const rows = 2_000;
    const regions = Array.from({ length: rows }, () => ['north', 'south'][random.int(2)] as string);
    const truth = Float64Array.from(regions, () => 100 + 10 * random.normal());
    const values = truth.map((value, row) => value + 5 * random.normal() - (regions[row] === 'south' ? 4 : 0));
    const frame: Frame = { rowCount: rows, columns: new Map([['region', textColumn(regions)]]) };
    const section = await findSlices({
      task: 'regression',
      classes: null,
      positive: null,
      truth,
      predictions: { values },
      frame,
      fields: [{ name: 'region', type: 'string' }],
      seed: 1,
    });
    expect(section.loss).toBe('absolute_error');
    expect(section.biased.map((slice) => slice.label)).toEqual(['region = south']);
    expect((section.biased[0]?.meanTruth ?? 0) - (section.biased[0]?.meanPrediction ?? 0)).toBeCloseTo(4, 0);
  });

  it('gives the same section for the same seed', async () => {
    const request = table(1_500, (row) => row.member === 1);
    expect(await findSlices(request)).toEqual(await findSlices(request));
  });

  it('stops when it is told to', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(findSlices({ ...table(200, () => false), signal: controller.signal })).rejects.toThrow('cancelled');
  });
});
