import { type Frame, textColumn } from '@slipway/kernel';
import { createRandom } from '@slipway/statistics';
import { describe, expect, it } from 'vitest';
import { distanceFrom, readVectors } from '../testing/read-vectors.ts';
import { assessFairness } from './assess-fairness.ts';
import { attributeOf, intersect } from './attributes.ts';
import type { FairnessAttribute, FairnessGroup } from './contract.ts';
import { decideFairness } from './gate.ts';
import { reweighingWeights } from './reweighing.ts';

const TOLERANCE = 1e-9;
const GROUP = { name: 'group', type: 'string' } as const;

interface BinaryCase {
  readonly name: string;
  readonly labels: number[];
  readonly scores: number[];
  readonly groups: string[];
  readonly threshold: number;
  readonly byGroup: Record<string, Record<string, number | null>>;
  readonly disparities: Record<string, number | null>;
}

function binaryRequest({ labels, scores, groups, threshold }: Pick<BinaryCase, 'labels' | 'scores' | 'groups' | 'threshold'>) {
  const frame: Frame = { rowCount: labels.length, columns: new Map([['group', textColumn(groups)]]) };
  const probabilities = Float64Array.from(scores.flatMap((score) => [1 - score, score]));
  return {
    task: 'binary',
    classes: ['no', 'yes'],
    positive: 'yes',
    truth: Int32Array.from(labels),
    predictions: { probabilities },
    frame,
    sensitive: [GROUP],
    seed: 1,
    threshold,
  } as const;
}

const only = (attributes: readonly FairnessAttribute[]): FairnessAttribute => attributes[0] as FairnessAttribute;

const RATES: Readonly<Record<string, (group: FairnessGroup) => number | null | undefined>> = {
  count: (group) => group.rows,
  selection_rate: (group) => group.selectionRate?.value,
  tpr: (group) => group.truePositiveRate?.value ?? 0,
  fpr: (group) => group.falsePositiveRate?.value ?? 0,
  fnr: (group) => group.falseNegativeRate?.value ?? 0,
  tnr: (group) => group.trueNegativeRate?.value ?? 0,
  ppv: (group) => group.positivePredictiveValue?.value ?? 0,
  accuracy: (group) => group.accuracy?.value,
};

describe('fairness', () => {
  it.each(readVectors<BinaryCase>('fairness'))('agrees with Fairlearn by group and between groups: $name', async (one) => {
    const section = await assessFairness(binaryRequest(one));
    const attribute = only(section.attributes);
    for (const [label, rates] of Object.entries(one.byGroup)) {
      const group = attribute.groups.find((each) => each.label === `group = ${label}`) as FairnessGroup;
      for (const [rate, expected] of Object.entries(rates))
        expect({ label, rate, isClose: distanceFrom(RATES[rate]?.(group), expected) < TOLERANCE }).toEqual({ label, rate, isClose: true });
    }
    for (const [measure, expected] of Object.entries(one.disparities)) {
      const own = attribute.disparitiesAll.find((each) => each.measure === measure);
      expect({ measure, isClose: distanceFrom(own?.value, expected) < TOLERANCE }).toEqual({ measure, isClose: true });
    }
  });

  interface NumberCase {
    readonly name: string;
    readonly truth: number[];
    readonly predictions: number[];
    readonly groups: string[];
    readonly byGroup: Record<string, Record<string, number>>;
    readonly disparities: Record<string, number | null>;
  }

  it.each(readVectors<NumberCase>('fairness-numbers'))('agrees with Fairlearn about predicted numbers: $name', async (one) => {
    const frame: Frame = { rowCount: one.truth.length, columns: new Map([['group', textColumn(one.groups)]]) };
    const attribute = only(
      (
        await assessFairness({
          task: 'regression',
          classes: null,
          positive: null,
          truth: Float64Array.from(one.truth),
          predictions: { values: Float64Array.from(one.predictions) },
          frame,
          sensitive: [GROUP],
          seed: 1,
        })
      ).attributes,
    );
    for (const [label, values] of Object.entries(one.byGroup)) {
      const group = attribute.groups.find((each) => each.label === `group = ${label}`) as FairnessGroup;
      expect(distanceFrom(group.mae?.value, values['mae'] as number)).toBeLessThan(TOLERANCE);
      expect(distanceFrom(group.rmse, values['rmse'] as number)).toBeLessThan(TOLERANCE);
      expect(distanceFrom(group.meanPrediction, values['mean_prediction'] as number)).toBeLessThan(TOLERANCE);
      expect(distanceFrom(group.meanError?.value, values['mean_error'] as number)).toBeLessThan(TOLERANCE);
    }
    for (const [measure, expected] of Object.entries(one.disparities)) {
      const own = attribute.disparitiesAll.find((each) => each.measure === measure);
      expect({ measure, isClose: distanceFrom(own?.value, expected) < TOLERANCE }).toEqual({ measure, isClose: true });
    }
  });

  it('marks small groups and keeps them out of the disparities that gates read', async () => {
    const random = createRandom('small groups');
    const groups = [...Array.from({ length: 200 }, (_, row) => (row % 2 === 0 ? 'a' : 'b')), ...Array.from({ length: 5 }, () => 'tiny')];
    const labels = groups.map(() => random.int(2));
    const scores = groups.map((group) => (group === 'tiny' ? 0.99 : random.next()));
    const attribute = only((await assessFairness(binaryRequest({ labels, scores, groups, threshold: 0.5 }))).attributes);
    expect(attribute.groups.find((group) => group.label === 'group = tiny')).toMatchObject({ small: true, rows: 5 });
    const large = attribute.disparities.find((each) => each.measure === 'demographic_parity_ratio');
    const all = attribute.disparitiesAll.find((each) => each.measure === 'demographic_parity_ratio');
    expect(large?.value).toBeGreaterThan(all?.value ?? 1);
    expect(large?.low).toBeLessThanOrEqual(large?.value ?? 0);
    expect(large?.high).toBeGreaterThanOrEqual(large?.value ?? 1);
  });

  /** Scores that favour one group: a planted disparity. */
  function biased(lean: number, rows = 2_000) {
    const random = createRandom(`biased ${lean}`);
    const groups = Array.from({ length: rows }, () => (random.int(2) === 0 ? 'a' : 'b'));
    const labels = groups.map(() => random.int(2));
    const scores = groups.map((group, row) =>
      Math.min(0.99, Math.max(0.01, 0.25 * (labels[row] as number) + 0.6 * random.next() + (group === 'a' ? lean : 0))),
    );
    return binaryRequest({ labels, scores, groups, threshold: 0.5 });
  }

  it('warns of a planted disparity, fails its gate, and not of an even model', async () => {
    const uneven = await assessFairness(biased(0.2));
    const even = await assessFairness(biased(0));
    const gate = { kind: 'fairness', column: 'group', measure: 'demographic_parity_ratio', atLeast: 0.8 } as const;
    expect(uneven.warnings).toHaveLength(1);
    expect(decideFairness(gate, uneven)).toMatchObject({ passed: false });
    expect(even.warnings).toEqual([]);
    expect(decideFairness(gate, even)).toMatchObject({ passed: true });
  });

  it('judges large tables by a sample that the seed chooses', async () => {
    const one = { ...biased(0.2), rowLimit: 1_500 };
    const section = await assessFairness(one);
    expect(section.notes[0]).toContain('1500 of 2000');
    expect(only(section.attributes).groups.reduce((sum, group) => sum + group.rows, 0)).toBe(1_500);
    expect(await assessFairness(one)).toEqual(section);
  });

  it('fails a gate about a column that was not measured', () => {
    expect(decideFairness({ kind: 'fairness', column: 'age', measure: 'demographic_parity_ratio', atLeast: 0.8 }, null)).toMatchObject({
      passed: false,
      value: null,
    });
  });

  it('evens out a planted disparity by thresholds and names the price', async () => {
    const { mitigations } = await assessFairness(biased(0.2));
    const parity = mitigations.find((each) => each.criterion === 'demographic_parity');
    expect(parity?.before.disparities.demographic_parity_difference).toBeGreaterThan(0.2);
    expect(parity?.after.disparities.demographic_parity_difference).toBeLessThan(0.06);
    expect(parity?.thresholds).toHaveLength(2);
    expect(Math.abs(parity?.price.value ?? 1)).toBeLessThan(0.05);
    expect(parity?.price.low).toBeLessThan(parity?.price.high ?? 0);
  });

  it('gives weights under which group and label are independent', () => {
    const random = createRandom('reweighing');
    const codes = Int32Array.from({ length: 1_000 }, () => random.int(3));
    const labels = codes.map((group) => (random.next() < 0.2 + 0.2 * group ? 1 : 0));
    const weights = reweighingWeights(codes, 3, labels, 2);
    const share = (group: number) => {
      const rows = Array.from(codes.keys()).filter((row) => codes[row] === group);
      const total = rows.reduce((sum, row) => sum + (weights[row] as number), 0);
      return rows.reduce((sum, row) => sum + (labels[row] === 1 ? (weights[row] as number) : 0), 0) / total;
    };
    expect(share(1)).toBeCloseTo(share(0), 12);
    expect(share(2)).toBeCloseTo(share(0), 12);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1_000, 8);
  });

  it('cuts numbers into round ranges and crosses columns', () => {
    const random = createRandom('ages');
    const ages = Float64Array.from({ length: 500 }, (_, row) => (row < 5 ? Number.NaN : 18 + random.int(60)));
    const sexes = textColumn(Array.from({ length: 500 }, (_, row) => (row % 2 === 0 ? 'f' : 'm')));
    const frame: Frame = {
      rowCount: 500,
      columns: new Map([
        ['age', { kind: 'number' as const, values: ages }],
        ['sex', sexes],
      ]),
    };
    const age = attributeOf(frame, { name: 'age', type: 'int64' });
    expect(age.groups.map((group) => group.label)).toEqual([
      'age < 30',
      '30 <= age < 40',
      '40 <= age < 50',
      '50 <= age < 60',
      '60 <= age < 70',
      'age >= 70',
      'age is missing',
    ]);
    const both = intersect([age, attributeOf(frame, { name: 'sex', type: 'string' })]);
    both.codes.forEach((code, row) => {
      const label = both.groups[code]?.label ?? '';
      expect(label).toContain(row % 2 === 0 ? 'sex = f' : 'sex = m');
    });
  });
});
