import { Contract, type Field, type Frame, textColumn } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, expect, it } from 'vitest';
import type { ModelPredictions } from '../inputs.ts';
import { assessRobustness, withLabelNoise } from './assess-robustness.ts';
import { RobustnessSection } from './contract.ts';
import { decideRobustness } from './gate.ts';
import { flipLabels, measureLabelNoise } from './label-noise.ts';

const CITIES = ['Bern', 'Rome', 'Oslo'];

const fields = (incomeMaximum: number | undefined, cityNullable = true): Field[] =>
  Contract.parse({
    format: 'slipway.contract/1',
    fields: [
      {
        name: 'income',
        type: 'float64',
        role: 'numeric',
        nullable: true,
        expect: incomeMaximum === undefined ? {} : { minimum: 0, maximum: incomeMaximum },
      },
      { name: 'age', type: 'int64', role: 'numeric', nullable: true },
      { name: 'city', type: 'string', role: 'categorical', nullable: cityNullable, expect: { allowedValues: CITIES } },
    ],
  }).fields;

function frameOf(rows: number): Frame {
  const random = createRandom('robust');
  return {
    rowCount: rows,
    columns: new Map([
      ['income', { kind: 'number' as const, values: Float64Array.from({ length: rows }, () => 100 * random.next()) }],
      ['age', { kind: 'number' as const, values: Float64Array.from({ length: rows }, () => 18 + random.int(60)) }],
      ['city', textColumn(Array.from({ length: rows }, () => CITIES[random.int(3)] as string))],
    ]),
  };
}

/** Decides by the income, and for Rome by nothing else: age does not matter. */
async function predict(frame: Frame): Promise<ModelPredictions> {
  const income = frame.columns.get('income');
  const city = frame.columns.get('city');
  const probabilities = new Float64Array(2 * frame.rowCount);
  for (let row = 0; row < frame.rowCount; row += 1) {
    const value = income?.kind === 'number' ? (income.values[row] as number) : Number.NaN;
    const name = city?.kind === 'text' ? city.levels[city.codes[row] as number] : undefined;
    const margin = Number.isNaN(value) ? -1 : value / 10 - 5;
    const positive = name === 'Rome' ? 0.9 : 1 / (1 + Math.exp(-margin));
    probabilities.set([1 - positive, positive], 2 * row);
  }
  return { probabilities };
}

async function request(rows = 600) {
  const frame = frameOf(rows);
  const predictions = await predict(frame);
  const random = createRandom('labels');
  const said = 'probabilities' in predictions ? predictions.probabilities : [];
  const truth = Int32Array.from({ length: rows }, (_, row) => (random.next() < (said[2 * row + 1] ?? 0) ? 1 : 0));
  return {
    task: 'binary',
    classes: ['no', 'yes'],
    positive: 'yes',
    truth,
    predictions,
    frame,
    fields: fields(undefined),
    predict,
    seed: 1,
  } as const;
}

const entryOf = (section: RobustnessSection, test: string, field: string | null) =>
  section.entries.find((each) => each.test === test && each.field === field);

describe('robustness', () => {
  it('finds the unit slip that changes decisions, and none in a column that does not matter', async () => {
    const section = await assessRobustness(await request());
    expect(entryOf(section, 'unit_times_1000', 'income')?.silentRatio).toBeGreaterThan(0.2);
    expect(entryOf(section, 'unit_times_1000', 'age')?.changed.value).toBe(0);
    expect(entryOf(section, 'noise', null)?.changed.value).toBeLessThan(0.05);
    expect(section.warnings.some((warning) => warning.startsWith('unit_times_1000 of income'))).toBe(true);
    expect(RobustnessSection.parse(section)).toEqual(section);
  });

  it('does not hold against a model what the contract notices or refuses', async () => {
    const guarded = await assessRobustness({ ...(await request()), fields: fields(100, false) });
    const slip = entryOf(guarded, 'unit_times_1000', 'income');
    expect(slip?.changed.value).toBeGreaterThan(0.2);
    expect(slip?.noticedRatio).toBeGreaterThan(0.95);
    expect(slip?.silentRatio).toBeLessThan(0.05);
    expect(entryOf(guarded, 'missing', 'city')).toMatchObject({ refused: true, silentRatio: 0 });
    expect(entryOf(guarded, 'typo', 'city')?.noticedRatio).toBe(1);
  });

  it('has a gate for all tests and for one, each with its control', async () => {
    const section = await assessRobustness(await request());
    expect(decideRobustness({ kind: 'robustness' }, section)).toMatchObject({ passed: false });
    expect(decideRobustness({ kind: 'robustness', test: 'unit_times_1000', atMost: 1 }, section)).toMatchObject({ passed: true });
    expect(decideRobustness({ kind: 'robustness', test: 'noise' }, section)).toMatchObject({ passed: true });
    expect(decideRobustness({ kind: 'robustness', test: 'noise', atMost: 0 }, section)).toMatchObject({ passed: false });
    expect(decideRobustness({ kind: 'robustness' }, null)).toMatchObject({ passed: false, value: null });
  });

  it('keeps the seed’s result and stops when told to', async () => {
    const one = await request(200);
    expect(await assessRobustness(one)).toEqual(await assessRobustness(one));
    const controller = new AbortController();
    controller.abort();
    await expect(assessRobustness({ ...one, signal: controller.signal })).rejects.toThrow('cancelled');
  });

  it('takes a number as changed when it moves by more than the model is off anyway', async () => {
    const frame = frameOf(300);
    const income = frame.columns.get('income');
    const truth = income?.kind === 'number' ? income.values : new Float64Array(0);
    const linear = async (spoilt: Frame): Promise<ModelPredictions> => {
      const column = spoilt.columns.get('income');
      return { values: column?.kind === 'number' ? column.values.map((value) => (Number.isNaN(value) ? 50 : value)) : new Float64Array(0) };
    };
    const section = await assessRobustness({
      task: 'regression',
      classes: null,
      positive: null,
      truth,
      predictions: await linear(frame),
      frame,
      fields: fields(undefined),
      predict: linear,
      seed: 1,
    });
    expect(section.changeDistance).toBeCloseTo(2.9, 0);
    expect(entryOf(section, 'shift_up', 'income')?.changed.value).toBe(1);
    expect(entryOf(section, 'shift_up', 'age')?.changed.value).toBe(0);
  });
});

describe('label noise', () => {
  it('makes exactly the share of labels wrong, and the same ones for the same seed', () => {
    const truth = Int32Array.from({ length: 1_000 }, (_, row) => row % 3);
    const flipped = flipLabels(truth, 3, 0.1, 5);
    expect(truth.filter((label, row) => label !== flipped[row])).toHaveLength(100);
    expect(flipLabels(truth, 3, 0.1, 5)).toEqual(flipped);
    const numbers = Float64Array.from({ length: 100 }, (_, row) => row);
    expect(flipLabels(numbers, 0, 0.2, 5).toSorted()).toEqual(numbers);
  });

  it('tells how much the metric falls, and gives up when there is no time', async () => {
    const random = createRandom('noise');
    const signal = Float64Array.from({ length: 2_000 }, () => random.normal());
    const truth = Int32Array.from(signal, (value) => (value + random.normal() > 0 ? 1 : 0));
    // A model that is as wrong as its labels: it answers with the share of right labels among its rows.
    const refit = async (labels: Int32Array | Float64Array): Promise<ModelPredictions> => {
      const wrong = labels.filter((label: number, row: number) => label !== truth[row]).length / labels.length;
      const mixed = Float64Array.from(signal, (value) => 1 / (1 + Math.exp(-(1 - 4 * wrong) * value - 4 * wrong * random.normal())));
      return {
        probabilities: Float64Array.from({ length: 2 * mixed.length }, (_, at) =>
          at % 2 === 1 ? (mixed[at >> 1] as number) : 1 - (mixed[at >> 1] as number),
        ),
      };
    };
    const request_ = { task: 'binary', classes: ['no', 'yes'], positive: 'yes', truth, trainTruth: truth, seed: 1 } as const;
    const noise = await measureLabelNoise({ ...request_, refit });
    const drops = noise?.levels.map((level) => level.drop ?? 0) ?? [];
    expect(drops).toHaveLength(3);
    expect(drops[2]).toBeGreaterThan(drops[0] ?? 1);
    expect(await measureLabelNoise({ ...request_, refit: async () => null })).toBeNull();
    const section = await assessRobustness(await request(200));
    expect(noise && withLabelNoise(section, noise, 0).warnings.at(-1)).toContain('label_noise');
  });
});
